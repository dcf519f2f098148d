//! Columns that become of another type: what is stored then is what a load into the new type stores,
//! whether the rows were read before the change or after it.

use super::{append, held_up, stop, stored, tail};
use crate::harness::{Postgres, Work};

/// A column that changes.
struct Change {
    from: &'static str,
    to: &'static str,
    /// How the old values become new ones, where the server has to be told.
    using: Option<&'static str>,
    /// A value that both types take, as it is stored in each.
    both: (&'static str, &'static str),
    /// A value of the new type, and what is to be stored for it.
    new: (&'static str, &'static str),
}

const fn change(
    from: &'static str,
    to: &'static str,
    both: (&'static str, &'static str),
    new: (&'static str, &'static str),
) -> Change {
    Change { from, to, using: None, both, new }
}

const fn using(using: &'static str, change: Change) -> Change {
    Change { using: Some(using), ..change }
}

/// Pairs of types, all kinds of columns among them.
const CHANGES: &[Change] = &[
    change("bigint", "numeric", ("11", "11"), ("12.50", "12.5")),
    change("bigint", "integer", ("11", "11"), ("12", "12")),
    change("integer", "bigint", ("11", "11"), ("9000000000", "9000000000")),
    change("smallint", "bigint", ("11", "11"), ("9000000000", "9000000000")),
    change("bigint", "double precision", ("11", "11"), ("12.5", "12.5")),
    change("bigint", "text", ("11", "11"), ("007", "007")),
    change("double precision", "numeric", ("11", "11"), ("0.12345678901234567891", "0.12345678901234567891")),
    change("double precision", "real", ("11.5", "11.5"), ("12.5", "12.5")),
    change("double precision", "bigint", ("11", "11"), ("9007199254740993", "9007199254740993")),
    change("double precision", "text", ("11.5", "11.5"), ("1.50", "1.50")),
    change("real", "double precision", ("11.5", "11.5"), ("0.1234567890123", "0.1234567890123")),
    change("numeric", "bigint", ("11", "11"), ("12", "12")),
    change("numeric", "double precision", ("11.5", "11.5"), ("0.1", "0.1")),
    change("numeric(10,2)", "numeric(20,8)", ("11.50", "11.50000000"), ("0.00000001", "0.00000001")),
    change("numeric(6,2)", "numeric", ("11.25", "11.25"), ("123456789.5", "123456789.5")),
    using("v::bigint", change("text", "bigint", ("11", "11"), ("12", "12"))),
    using("v::numeric", change("text", "numeric", ("1.25", "1.25"), ("2.50", "2.5"))),
    using("v::jsonb", change("text", "jsonb", (r#"{"a": 1}"#, r#"{"a": 1}"#), (r#"{"b":2}"#, r#"{"b": 2}"#))),
    using("v::text", change("jsonb", "text", (r#"{"a": 1}"#, r#"{"a": 1}"#), ("no json", "no json"))),
    change("varchar(4)", "varchar(20)", ("abcd", "abcd"), ("much longer", "much longer")),
    change("varchar(4)", "text", ("abcd", "abcd"), ("much longer", "much longer")),
    change("char(4)", "varchar(8)", ("abcd", "abcd"), ("efghijkl", "efghijkl")),
    change(
        "date",
        "timestamptz",
        ("2024-01-02", "2024-01-02 00:00:00+00"),
        ("2024-01-02T09:30:00Z", "2024-01-02 09:30:00+00"),
    ),
    change("timestamptz", "date", ("2024-01-02T00:00:00Z", "2024-01-02"), ("2024-01-03", "2024-01-03")),
    change(
        "timestamp",
        "timestamptz",
        ("2024-01-02T09:30:00Z", "2024-01-02 09:30:00+00"),
        ("2024-01-02T09:31:00Z", "2024-01-02 09:31:00+00"),
    ),
    using(
        "v::timestamptz",
        change(
            "text",
            "timestamptz",
            ("2024-01-02T09:30:00Z", "2024-01-02 09:30:00+00"),
            ("2024-01-02T09:31:00Z", "2024-01-02 09:31:00+00"),
        ),
    ),
    change("date", "text", ("2024-01-02", "2024-01-02"), ("the 2nd", "the 2nd")),
    using("v::text::time", change("text", "time", ("09:30:00", "09:30:00"), ("09:31", "09:31:00"))),
    change("boolean", "text", ("true", "true"), ("yes", "yes")),
    using("v::boolean", change("text", "boolean", ("true", "true"), ("no", "false"))),
    using("v::int::boolean", change("bigint", "boolean", ("1", "true"), ("0", "false"))),
    change(
        "uuid",
        "text",
        ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
        ("none at all", "none at all"),
    ),
    using(
        "v::uuid",
        change(
            "text",
            "uuid",
            ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
            ("{00000000-0000-0000-0000-000000000002}", "00000000-0000-0000-0000-000000000002"),
        ),
    ),
    using("v::side", change("text", "side", ("buy", "buy"), ("sell", "sell"))),
    change("side", "text", ("buy", "buy"), ("neither", "neither")),
    using("v::text::other", change("side", "other", ("buy", "buy"), ("hold", "hold"))),
    using("v::inet", change("text", "inet", ("10.0.0.1", "10.0.0.1/32"), ("10.0.0.2", "10.0.0.2/32"))),
    using("host(v)", change("inet", "text", ("10.0.0.1", "10.0.0.1"), ("nowhere", "nowhere"))),
    using("ARRAY[v]", change("text", "text[]", ("{a}", "{\"{a}\"}"), ("{b,c}", "{b,c}"))),
    change("short", "long", ("abc", "abc"), ("abcdefgh", "abcdefgh")),
];

const TYPES: &str = "CREATE TYPE side AS ENUM ('buy', 'sell'); CREATE TYPE other AS ENUM ('buy', 'sell', 'hold'); \
                     CREATE DOMAIN short AS varchar(3); CREATE DOMAIN long AS varchar(8)";

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn alter(change: &Change) -> String {
    let using = change.using.map(|using| format!(" USING {using}")).unwrap_or_default();
    format!("ALTER TABLE t ALTER COLUMN v TYPE {}{using}", change.to)
}

/// The tables that a change is tried with: rows go right into the one, and by way of a stage into the
/// other.
const TABLES: [(&str, &str); 2] = [
    ("directly", "CREATE TABLE t (id int PRIMARY KEY, v {})"),
    ("by a stage", "CREATE TABLE t (id int PRIMARY KEY, v {}, i inet)"),
];

/// What is stored, or how it differs.
fn differs(values: &[Option<String>], wanted: &[&str]) -> bool {
    values.len() != wanted.len() || values.iter().zip(wanted).any(|(is, want)| is.as_deref() != Some(want))
}

fn values(db: &crate::harness::db::Db) -> Vec<Option<String>> {
    let rows = db.rows("SET timezone TO 'UTC'; SELECT v::text FROM t ORDER BY id");
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// A tail stores what a tail that began after the change would store.
#[test]
fn a_tail_goes_on_by_the_types_that_the_table_has_now() {
    let mut wrong = Vec::new();
    for change in CHANGES {
        let (way, table) = TABLES[0];
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TYPES);
        db.execute(&table.replace("{}", change.from));
        append(&work, &format!("id,v\n1,{}\n", quoted(change.both.0)));
        let mut running = tail(&work, &db.dsn());
        stored(&db, &mut running, 1);
        db.execute(&alter(change));
        append(&work, &format!("2,{}\n3,{}\n", quoted(change.both.0), quoted(change.new.0)));
        stored(&db, &mut running, 3);
        let run = stop(running);
        assert_eq!(run.books().inserted, 3, "{run}");
        let told = run.stderr.lines().filter(|line| line.contains("has changed: ")).count();
        assert_eq!(told, 1, "one line for {} to {}: {run}", change.from, change.to);
        let (values, mut wanted) = (values(&db), [change.both.1, change.both.1, change.new.1]);
        if change.to == "text[]" {
            wanted = ["{\"{a}\"}", "{a}", change.new.1];
        }
        if differs(&values, &wanted) {
            wrong.push(format!("{} to {} {way}: {values:?}, not {wanted:?}", change.from, change.to));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that were mapped for the old type, and come to be written when the table has the new one. Each
/// change is tried with one of the tables in turn, and with both where `MDSCTL_CHANGES` asks for more.
#[test]
fn rows_that_are_under_way_are_made_anew() {
    let mut wrong = Vec::new();
    let ways = if super::rounds() > 1 { TABLES.len() } else { 1 };
    for (at, change) in CHANGES.iter().enumerate() {
        for (way, table) in TABLES.into_iter().cycle().skip(at).take(ways) {
            let (work, db) = (Work::new(), Postgres::shared().database());
            db.execute(TYPES);
            db.execute(&table.replace("{}", change.from));
            work.write("f.csv", format!("id,v\n1,{}\n", quoted(change.both.0)));
            let session = db.session().expect("a session");
            session.execute("BEGIN");
            session.execute(&alter(change));
            let running =
                work.mdsctl(["load", "f.csv", "--table", "t", "--json", "--dsn", &db.dsn()]).spawn();
            held_up(&db);
            session.execute("COMMIT");
            let run = running.finish().expect(0);
            assert_eq!(run.books().inserted, 1, "{run}");
            let want = if change.to == "text[]" { "{a}" } else { change.both.1 };
            let values = values(&db);
            if differs(&values, &[want]) {
                wrong.push(format!("{} to {} {way}: {values:?}, not {want}", change.from, change.to));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of rows under way that the new type takes no value of, each is a dead letter, and no other.
#[test]
fn what_the_new_type_cannot_hold_is_a_dead_letter() {
    for (table, letters) in
        [("id int PRIMARY KEY, v text", "bad_number"), ("id int PRIMARY KEY, v text, i inet", "bad_number")]
    {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("CREATE TABLE t ({table})"));
        work.write("f.csv", "id,v\n1,11\n2,no number\n3,13\n");
        let session = db.session().expect("a session");
        session.execute("BEGIN; ALTER TABLE t ALTER COLUMN v TYPE bigint USING v::bigint");
        let running = work.mdsctl(["load", "f.csv", "--table", "t", "--json", "--dsn", &db.dsn()]).spawn();
        held_up(&db);
        session.execute("COMMIT");
        let run = running.finish().expect(3);
        assert_eq!((run.books().inserted, run.books().rejected), (2, 1), "{run}");
        assert_eq!(db.value("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM t"), "1=11 3=13");
        let name =
            std::fs::read_dir(work.path(".dlq")).expect("a queue").next().expect("a file").expect("it");
        let dead = crate::harness::dlq::read(&name.path());
        assert_eq!((dead.len(), dead[0].code.as_str(), &dead[0].rows[..]), (1, letters, &[2][..]));
        assert_eq!(dead[0].items[0]["v"], "no number");
    }
}

/// What a column refuses is judged by what it is now.
#[test]
fn wider_columns_nulls_and_labels_are_taken_as_soon_as_they_are_allowed() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TYPES);
    db.execute("CREATE TABLE t (id int PRIMARY KEY, s varchar(4) NOT NULL, e side, n int)");
    append(
        &work,
        "id,s,e,n\n1,ab,buy,1\n2,toolong,buy,1\n3,ab,hold,1\n4,,sell,1\n5,ab,buy,many\n6,ab,buy,6\n",
    );
    let mut running = tail(&work, &db.dsn());
    stored(&db, &mut running, 2);
    // One at a time, each before the only row that needs it.
    let steps = [
        ("ALTER TABLE t ALTER COLUMN s TYPE varchar(20)", "7,toolong,buy,1\n"),
        ("ALTER TABLE t ALTER COLUMN s DROP NOT NULL", "8,,buy,1\n"),
        ("ALTER TYPE side ADD VALUE 'hold'", "9,ab,hold,1\n"),
        ("ALTER TABLE t ALTER COLUMN n TYPE text", "10,ab,buy,many\n"),
        ("ALTER TABLE t ADD COLUMN late int", "11,ab,buy,1\n"),
        ("ALTER TYPE side RENAME VALUE 'hold' TO 'keep'", "12,ab,keep,1\n"),
    ];
    for (at, (sql, line)) in steps.iter().enumerate() {
        db.execute(sql);
        append(&work, line);
        stored(&db, &mut running, 3 + at as u64);
    }
    let run = stop(running);
    assert_eq!((run.books().inserted, run.books().rejected), (8, 4), "{run}");
    assert_eq!(
        db.value("SELECT string_agg(concat_ws(',', id, s, e, n), ' ' ORDER BY id) FROM t WHERE id > 6"),
        "7,toolong,buy,1 8,buy,1 9,ab,keep,1 10,ab,buy,many 11,ab,buy,1 12,ab,keep,1"
    );
}

/// A column that the table has got since, and that the input has had all the time.
#[test]
fn a_new_column_is_filled_from_the_next_rows_on() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)");
    append(&work, "id,v,w\n1,1,a\n");
    let mut running = tail(&work, &db.dsn());
    stored(&db, &mut running, 1);
    db.execute("ALTER TABLE t ADD COLUMN w text");
    append(&work, "2,2,b\n");
    stored(&db, &mut running, 2);
    append(&work, "3,3,c\n");
    stored(&db, &mut running, 3);
    stop(running);
    assert_eq!(db.value("SELECT w FROM t WHERE id = 3"), "c");
}

/// Dead letters go by what the table is when they are written, not when the replay began.
#[test]
fn a_replay_too() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v bigint CHECK (v > 0))");
    work.write("f.csv", "id,v\n1,-5\n2,7\n");
    let flags = ["--json", "--dsn", &db.dsn()];
    work.mdsctl(["load", "f.csv", "--table", "t"]).arguments(flags).run().expect(3);
    db.execute("ALTER TABLE t DROP CONSTRAINT t_v_check");
    let session = db.session().expect("a session");
    session.execute("BEGIN; ALTER TABLE t ALTER COLUMN v TYPE numeric");
    let running = work.mdsctl(["replay-dlq"]).arguments(flags).spawn();
    held_up(&db);
    session.execute("COMMIT");
    running.finish().expect(0);
    assert_eq!(db.value("SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM t"), "1=-5 2=7");
}

/// The tables of our own datasets, whose kinds are what they are: only types that hold them are gone on
/// with.
#[test]
fn our_own_tables_too() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
    let bar = |minute: u64, volume: &str| {
        format!("2024-03-04T00:{minute:02}:00Z,v,A,1m,1.5,1.5,1.5,1.5,{volume}\n")
    };
    append(&work, &(header.to_owned() + &bar(0, "10")));
    let mut running = work
        .mdsctl(["tail", "f.csv", "--json", "--dsn", &db.dsn()])
        .env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2")
        .spawn();
    let mut rows = 0;
    let mut next = |running: &mut crate::harness::run::Running, volume: &str| {
        append(&work, &bar(rows + 1, volume));
        rows += 1;
        let seen = crate::harness::wait::within(super::PATIENCE, || {
            assert!(!running.has_ended(), "it has ended: {}", running.said());
            (db.count("bars") == rows + 1).then_some(())
        });
        assert!(seen.is_some(), "{}", running.said());
    };
    next(&mut running, "11");
    for (type_, volume) in
        [("bigint", "12"), ("double precision", "13"), ("numeric(20,8)", "14.5"), ("numeric", "15")]
    {
        db.execute(&format!(
            "ALTER TABLE bars ALTER COLUMN volume TYPE {type_}, ALTER COLUMN open_price TYPE {}",
            if type_ == "bigint" { "numeric(12,4)" } else { type_ }
        ));
        next(&mut running, volume);
    }
    stop(running);
    assert_eq!(
        db.value("SELECT string_agg(trim_scale(volume) || '/' || trim_scale(open_price), ' ' ORDER BY ts) FROM bars"),
        "10/1.5 11/1.5 12/1.5 13/1.5 14.5/1.5 15/1.5"
    );
}

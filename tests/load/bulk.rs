//! `--bulk`: rows that go around the key of an empty table. What comes of it is what comes of a load through the
//! key, and nothing of the table is lost by it.

use std::io::{PipeWriter, Write as _};

use rustix::process::Signal;

use crate::generator::random::Random;
use crate::harness::rows::in_every_format;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Run, Work, wait};

/// A table, and a directory to work in.
struct Scene {
    work: Work,
    db: Db,
}

impl Scene {
    fn new() -> Self {
        Self::of(
            "CREATE TABLE t (k text, n int NOT NULL, v numeric CONSTRAINT positive CHECK (v > 0), note text, PRIMARY KEY (k, n))",
        )
    }

    fn of(sql: &str) -> Self {
        let db = Postgres::shared().database();
        db.execute(sql);
        Self { work: Work::new(), db }
    }

    fn load(&self, input: &str, more: &[&str]) -> Mdsctl {
        self.work
            .mdsctl([
                "load",
                input,
                "--table",
                "t",
                "--json",
                "--dlq",
                "letters.ndjson",
                "--dsn",
                &self.db.dsn(),
            ])
            .arguments(more.iter().copied())
    }

    fn bulk(&self, input: &str, more: &[&str]) -> Run {
        self.load(input, &["--bulk", "always"]).arguments(more.iter().copied()).run()
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.db.rows("SELECT t::text FROM t ORDER BY 1");
        rows.into_iter().map(|row| row[0].clone().expect("a row")).collect()
    }

    /// The table beside it, if it is there.
    fn bulk_table(&self) -> Option<String> {
        let rows = self
            .db
            .rows("SELECT relname::text FROM pg_class WHERE relname LIKE 'mds\\_bulk%' AND relkind = 'r'");
        rows.into_iter().next().and_then(|row| row[0].clone())
    }

    /// A load of what comes through a pipe, whose first part is stored beside the table.
    fn begun(&self, first: &str, rows: u64, more: &[&str]) -> (Running, PipeWriter) {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags =
            ["--bulk", "always", "--format", "csv", "--flush-interval", "50ms", "--source-id", "feed"];
        let mut running = self.load("-", &flags).arguments(more.iter().copied()).pipe(reader).spawn();
        writer.write_all(first.as_bytes()).expect("it reads");
        wait::until(PATIENCE, "the first rows beside the table", || {
            assert!(!running.has_ended(), "{}", running.said());
            (self.count_beside() >= rows).then_some(())
        });
        (running, writer)
    }

    fn count_beside(&self) -> u64 {
        self.bulk_table()
            .and_then(|table| self.db.try_rows(&format!("SELECT count(*)::text FROM {table}")).ok())
            .and_then(|rows| rows[0][0].as_ref()?.parse().ok())
            .unwrap_or(0)
    }
}

/// So many rows, numbered from that one on, with keys of which some come again.
fn csv(from: u32, count: u32) -> String {
    let mut text = String::from("k,n,v,note\n");
    for row in from..from + count {
        let (key, note) = (row * 7_919 % 1_500, if row % 5 == 0 { "" } else { "x" });
        text.push_str(&format!("k{},{},{}.5,{note}\n", key % 11, key, row / 3_100 + 1));
    }
    text
}

#[test]
fn it_leaves_the_same_table_as_a_load_through_the_key() {
    for how in ["update", "skip"] {
        for workers in ["1", "3"] {
            let (through, around) = (Scene::new(), Scene::new());
            let flags = ["--on-conflict", how, "--workers", workers, "--batch-size", "97"];
            let mut books = Vec::new();
            for (scene, bulk) in [(&through, "never"), (&around, "always")] {
                let path = scene.work.write("in.csv", csv(1, 6_000));
                let run = scene.load(&path, &flags).arguments(["--bulk", bulk]).run().expect(0);
                books.push(run.books());
                assert_eq!(scene.bulk_table(), None, "{run}");
            }
            assert_eq!(around.rows(), through.rows(), "{how}, {workers} workers");
            for books in &books {
                let sum = books.inserted + books.updated + books.unchanged + books.superseded + books.skipped;
                assert_eq!((books.read, books.inserted, sum), (6_000, 1_500, 6_000), "{how}: {books:?}");
            }
            assert!(books[1].updated + books[1].skipped > 0, "{books:?}");
        }
    }
}

#[test]
fn it_loads_each_format_into_each_kind_of_column() {
    let sql = "CREATE TYPE side AS ENUM ('buy', 'sell');
        CREATE TABLE t (k varchar(10), ts timestamptz, v numeric(10,2), side side, at inet, tags text[], extra jsonb,
            twice numeric GENERATED ALWAYS AS (v * 2) STORED, id uuid DEFAULT gen_random_uuid(), PRIMARY KEY (ts, k))";
    let columns = ["k", "ts", "v", "side", "at", "extra"];
    let rows: [&[&str]; 4] = [
        &["A", "2024-01-02T03:04:05Z", "1.25", "buy", "10.0.0.1", "{\"a\": 1}"],
        &["B", "2024-01-02T03:04:05Z", "2.50", "sell", "10.0.0.2", "{}"],
        &["A", "2024-01-02T03:04:06Z", "3.75", "buy", "::1", "[]"],
        &["A", "2024-01-02T03:04:05Z", "9.00", "sell", "10.0.0.9", "{\"b\": 2}"],
    ];
    for at in 0..4 {
        let mut stored = Vec::new();
        for bulk in ["never", "always"] {
            let scene = Scene::of(sql);
            let path = &in_every_format(&scene.work, "in", &columns, &rows)[at];
            scene.load(path, &["--bulk", bulk, "--batch-size", "1", "--workers", "1"]).run().expect(0);
            let rows = scene.db.rows("SELECT k, ts::text, v::text, side::text, at::text, extra::text, twice::text, (id IS NOT NULL)::text FROM t ORDER BY ts, k");
            stored.push(rows);
        }
        assert_eq!(stored[0], stored[1]);
        assert_eq!(stored[1].len(), 3);
    }
}

#[test]
fn all_that_the_table_is_stays() {
    let scene = Scene::of(
        "CREATE ROLE mds_bulk_reader; CREATE TABLE t (gone int, k text COLLATE \"C\", n int NOT NULL DEFAULT 7, v numeric CONSTRAINT positive CHECK (v > 0),
            note text, CONSTRAINT mine PRIMARY KEY (k, n)) WITH (fillfactor = 80, autovacuum_analyze_scale_factor = 0.5);
        ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ALTER v SET STATISTICS 300; ALTER TABLE t ALTER note SET STORAGE external;
        CREATE INDEX \"By USING btree (k)\" ON t (k DESC NULLS LAST, n); CREATE INDEX by_n ON t USING brin (n) WITH (pages_per_range = 16);
        COMMENT ON TABLE t IS 'the quotes of ''today'''; COMMENT ON COLUMN t.v IS 'the value';
        GRANT SELECT ON t TO mds_bulk_reader; GRANT INSERT, UPDATE ON t TO mds_bulk_reader WITH GRANT OPTION; GRANT SELECT ON t TO PUBLIC",
    );
    let portrait = || {
        let sql = "SELECT c.reloptions::text, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(c.relacl) a), obj_description(c.oid, 'pg_class'), \
            (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attstattarget, a.attcollation, \
                 pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)), ', ' ORDER BY a.attnum) \
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
            (SELECT string_agg(pg_get_indexdef(i.indexrelid) || i.indisvalid, '; ' ORDER BY pg_get_indexdef(i.indexrelid)) FROM pg_index i WHERE i.indrelid = c.oid), \
            (SELECT string_agg(k.conname || pg_get_constraintdef(k.oid), '; ' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid) \
            FROM pg_class c WHERE c.oid = 't'::regclass";
        scene.db.rows(sql)
    };
    let oid = || scene.db.value("SELECT 't'::regclass::oid::text");
    let (before, first) = (portrait(), oid());
    let path = scene.work.write("in.csv", csv(1, 3_000));
    let run = scene.bulk(&path, &[]).expect(0);
    assert_eq!(portrait(), before, "{run}");
    assert_ne!(oid(), first, "the filled table has taken its place: {run}");
    assert_eq!(scene.rows().len(), 1_500);
    scene.db.execute("DROP OWNED BY mds_bulk_reader; DROP ROLE mds_bulk_reader");
}

#[test]
fn bad_rows_are_refused_alone_and_by_the_name_of_the_table() {
    let scene = Scene::new();
    // Nothing that a compression would make shorter.
    let mut random = Random::new(5, 0);
    let long: String = (0..4_000).map(|_| char::from(b'a' + (random.next() % 26) as u8)).collect();
    let text = format!("{}k1,5000,-1,x\nk1,5001,1,x\n{long},5002,1,x\nk1,5003,2,y\n,5004,2,y\n", csv(1, 900));
    let path = scene.work.write("in.csv", text);
    let run = scene.bulk(&path, &["--batch-size", "100", "--workers", "1"]).expect(3);
    let letters = std::fs::read_to_string(scene.work.path("letters.ndjson")).expect("letters");
    assert!(!letters.contains("mds_bulk") && letters.contains("\"t\""), "{letters}");
    let books = run.books();
    assert_eq!((books.rejected, books.read), (3, 905), "{run}\n{letters}");
    for code in ["23514", "54000"] {
        assert!(letters.contains(code), "{code}: {letters}");
    }
    assert_eq!(scene.db.value("SELECT count(*)::text FROM t WHERE n > 5000"), "2");
    assert_eq!(scene.bulk_table(), None);
}

#[test]
fn rows_that_bring_other_columns_leave_those_of_the_rows_before() {
    let mut stored = Vec::new();
    for bulk in ["never", "always"] {
        let scene = Scene::new();
        scene.work.write("in/1.csv", "k,n,v,note\na,1,1,one\na,2,1,two\n");
        scene.work.write("in/2.csv", "k,n,v\na,1,5\na,3,5\n");
        let run = scene.load("in", &["--bulk", bulk, "--workers", "1", "--batch-size", "2"]).run().expect(0);
        assert_eq!((run.books().inserted, run.books().updated), (3, 1), "{bulk}: {run}");
        assert_eq!(scene.bulk_table(), None, "{run}");
        stored.push(scene.rows());
    }
    assert_eq!(stored[0], ["(a,1,5,one)", "(a,2,1,two)", "(a,3,5,)"]);
    assert_eq!(stored[1], stored[0]);
}

#[test]
fn what_others_write_meanwhile_is_merged_with() {
    for how in ["update", "skip"] {
        let scene = Scene::new();
        let (running, mut writer) =
            scene.begun("k,n,v,note\na,1,1,one\na,2,2,two\na,3,3,three\n", 3, &["--on-conflict", how]);
        assert_eq!(scene.rows(), [""; 0], "they show at the end");
        scene
            .db
            .execute("INSERT INTO t VALUES ('a', 1, 9, 'theirs'), ('a', 2, 2, 'two'), ('b', 1, 9, 'theirs')");
        writer.write_all(b"a,4,4,four\n").expect("it reads");
        drop(writer);
        let run = running.finish().expect(0);
        let books = run.books();
        let first = match how {
            "update" => {
                assert_eq!((books.inserted, books.updated, books.unchanged), (2, 1, 1), "{run}");
                "(a,1,1,one)"
            }
            _ => {
                assert_eq!((books.inserted, books.skipped), (2, 2), "{run}");
                "(a,1,9,theirs)"
            }
        };
        assert_eq!(
            scene.rows(),
            [first, "(a,2,2,two)", "(a,3,3,three)", "(a,4,4,four)", "(b,1,9,theirs)"],
            "{run}"
        );
        assert_eq!(scene.bulk_table(), None, "{run}");
    }
}

#[test]
fn a_table_that_is_changed_meanwhile_keeps_the_change() {
    for change in [
        "ALTER TABLE t ADD more int DEFAULT 5",
        "CREATE VIEW seen AS SELECT k, n FROM t",
        "ALTER TABLE t RENAME CONSTRAINT positive TO above_zero; CREATE INDEX ON t (v)",
        "GRANT SELECT ON t TO PUBLIC",
        "COMMENT ON TABLE t IS 'changed'",
    ] {
        let scene = Scene::new();
        let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\na,1,2,two\n", 1, &[]);
        scene.db.execute(change);
        drop(writer);
        let run = running.finish().expect(0);
        let rows = scene.db.rows("SELECT k, n::text, v::text FROM t");
        assert_eq!(rows, [["a", "1", "2"].map(|cell| Some(cell.to_owned()))], "{change}: {run}");
        let kept = "SELECT (EXISTS (SELECT FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'more') \
            OR to_regclass('seen') IS NOT NULL AND EXISTS (SELECT FROM pg_depend WHERE refobjid = 't'::regclass AND deptype = 'n') \
            OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = 't'::regclass AND conname = 'above_zero') \
            OR has_table_privilege('public', 't', 'SELECT') \
            OR obj_description('t'::regclass, 'pg_class') = 'changed')::text";
        assert_eq!(scene.db.value(kept), "true", "{change}: {run}");
        assert_eq!(scene.bulk_table(), None, "{change}: {run}");
    }
}

#[test]
fn a_table_that_others_hold_is_merged_into() {
    let scene = Scene::new();
    let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\n", 1, &[]);
    let reader = scene.db.session().expect("a session");
    reader.execute("BEGIN");
    reader.execute("SELECT count(*) FROM t");
    drop(writer);
    let run = running.finish().expect(0);
    assert_eq!((scene.rows().len(), scene.bulk_table()), (1, None), "{run}");
    reader.execute("COMMIT");
}

#[test]
fn what_keeps_it_from_that_is_said() {
    let key = "CREATE TABLE t (k text, n int, v numeric, note text, PRIMARY KEY (k, n));";
    for (sql, why) in [
        ("CREATE TABLE t (k text, n int, v numeric, note text)", "no key"),
        ("CREATE TABLE t (k text, n int, v numeric, note text, UNIQUE (k, n))", "no key"),
        (
            "CREATE TABLE t (k text, n int, v numeric, note text, PRIMARY KEY (k, n), UNIQUE (n, v))",
            "unique constraint beside",
        ),
        (
            "CREATE TABLE t (k text, n int, v numeric, note text, PRIMARY KEY (k, n)) PARTITION BY HASH (k); CREATE TABLE p PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            "partitions",
        ),
        (&format!("{key} INSERT INTO t VALUES ('a', 1)"), "has rows already"),
        (&format!("{key} CREATE VIEW seen AS SELECT * FROM t"), "depend on it"),
        (
            &format!(
                "{key} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
            ),
            "triggers",
        ),
        (
            &format!(
                "CREATE TABLE o (k text PRIMARY KEY); INSERT INTO o SELECT 'k' || n FROM generate_series(0, 10) n; {key} ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o"
            ),
            "foreign keys",
        ),
        (&format!("{key} ALTER TABLE t ENABLE ROW LEVEL SECURITY"), "row-level security"),
        (&format!("{key} CREATE PUBLICATION p FOR TABLE t"), "published"),
        (&format!("{key} CREATE TABLE child () INHERITS (t)"), "parts"),
        (
            "CREATE TABLE t (k text, n int, v numeric, note text, id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (k, n))",
            "numbered",
        ),
        (
            "CREATE TABLE t (k text, n int, v numeric, note text, id bigserial, PRIMARY KEY (k, n))",
            "sequences",
        ),
        (&format!("{key} CREATE INDEX ON t (note)"), "may not fit"),
        (&format!("{key} CREATE INDEX ON t (n) WHERE v > 1"), "may not fit"),
        (&format!("{key} CREATE INDEX ON t (lower(k))"), "may not fit"),
        ("CREATE UNLOGGED TABLE t (k text, n int, v numeric, note text, PRIMARY KEY (k, n))", "plain table"),
    ] {
        let scene = Scene::of(sql);
        let there = scene.rows();
        let path = scene.work.write("in.csv", csv(1, 100));
        let run = scene.bulk(&path, &[]).expect(2);
        assert!(run.error().contains("--bulk always") && run.error().contains(why), "{sql}: {run}");
        assert_eq!((scene.rows(), scene.bulk_table()), (there, None), "{run}");
        // As the advice says.
        scene.load(&path, &[]).run().expect(0);
        assert!(scene.rows().len() >= 100, "{sql}");
    }
    let scene = Scene::new();
    let path = scene.work.write("in.csv", csv(1, 100));
    let run = scene.bulk(&path, &["--on-conflict", "error"]).expect(2);
    assert!(run.error().contains("to be rejected"), "{run}");
    let run = scene.load(&path, &[]).run().expect(0);
    assert!(!run.stderr.contains("mds_bulk"), "small inputs go through the key: {run}");
}

/// What a dead load has left is brought where it belongs by whoever comes next.
#[test]
fn what_a_dead_load_has_left_is_brought_in() {
    for who in ["load", "tail", "resume", "schema", "resume never"] {
        let scene = Scene::new();
        let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\na,2,1,two\n", 2, &[]);
        running.signal(Signal::KILL);
        running.finish_quietly();
        drop(writer);
        assert_eq!(scene.rows(), [""; 0], "{who}");
        let schema = |action: &str| scene.work.mdsctl(["schema", action, "--dsn", &scene.db.dsn()]).run();
        schema("apply").expect(0);
        // It applied what there was: begin again for the others.
        if who == "schema" {
            assert_eq!((scene.rows().len(), scene.bulk_table()), (2, None));
            continue;
        }
        assert_eq!(scene.bulk_table(), None, "{who}");
        scene.db.execute("TRUNCATE t");
        let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\na,2,1,two\n", 2, &[]);
        running.signal(Signal::KILL);
        running.finish_quietly();
        drop(writer);
        let check = schema("check").expect(2);
        assert!(check.stdout.contains("wait in public.mds_bulk_"), "{check}");
        let whole = "k,n,v,note\na,1,1,one\na,2,1,two\na,2,3,three\n";
        let path = scene.work.write("more.csv", "k,n,v,note\na,2,3,three\n");
        let run = match who {
            "load" => scene.load(&path, &[]).run(),
            "tail" => scene
                .work
                .mdsctl([
                    "tail",
                    "more.csv",
                    "--table",
                    "t",
                    "--idle-exit",
                    "1s",
                    "--json",
                    "--dsn",
                    &scene.db.dsn(),
                ])
                .run(),
            _ => {
                let bulk = if who == "resume" { "always" } else { "never" };
                let flags = ["--format", "csv", "--source-id", "feed", "--resume", "--bulk", bulk];
                scene.load("-", &flags).stdin(whole).run()
            }
        };
        let run = run.expect(0);
        assert_eq!(scene.rows(), ["(a,1,1,one)", "(a,2,3,three)"], "{who}: {run}");
        assert_eq!(scene.bulk_table(), None, "{who}: {run}");
        schema("check").expect(0);
    }
}

/// In a copy of a database the oid in the name may be that of another table.
#[test]
fn rows_of_another_table_are_not_brought_in() {
    let scene = Scene::new();
    let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\n", 1, &[]);
    running.signal(Signal::KILL);
    running.finish_quietly();
    drop(writer);
    scene.db.execute("ALTER TABLE t RENAME TO other");
    let schema = |action: &str| scene.work.mdsctl(["schema", action, "--dsn", &scene.db.dsn()]).run();
    let run = schema("apply").expect(0);
    assert!(run.stdout.contains("for a table that is gone, or has another name"), "{run}");
    assert_eq!((scene.db.count("other"), scene.count_beside()), (0, 1), "{run}");
    let path = scene.work.write("in.csv", "k,n,v,note\nb,1,1,theirs\n");
    let run =
        scene.work.mdsctl(["load", &path, "--table", "other", "--dsn", &scene.db.dsn()]).run().expect(0);
    assert_eq!((scene.db.count("other"), scene.count_beside()), (1, 1), "{run}");
    scene.db.execute("ALTER TABLE other RENAME TO t");
    schema("apply").expect(0);
    assert_eq!(scene.rows(), ["(a,1,1,one)", "(b,1,1,theirs)"]);
}

#[test]
fn a_load_that_goes_on_is_left_alone() {
    let scene = Scene::new();
    let (running, mut writer) = scene.begun("k,n,v,note\na,1,1,one\n", 1, &[]);
    let path = scene.work.write("more.csv", "k,n,v,note\nb,1,1,theirs\n");
    let other = scene.load(&path, &[]).run().expect(0);
    assert!(other.stderr.contains("in bulk; its rows show there when it ends"), "{other}");
    assert_eq!(scene.rows(), ["(b,1,1,theirs)"], "{other}");
    scene.work.mdsctl(["schema", "apply", "--dsn", &scene.db.dsn()]).run().expect(0);
    assert_eq!(scene.count_beside(), 1);
    // Files that are held against the table meanwhile do not find these rows, and it is told why.
    let first = scene.work.write("first.csv", "k,n,v,note\na,1,1,one\n");
    let held =
        scene.work.mdsctl(["verify", &first, "--table", "t", "--dsn", &scene.db.dsn()]).run().expect(3);
    assert!(held.stdout.contains("is missing") && held.stderr.contains("wait in public.mds_bulk_"), "{held}");
    writer.write_all(b"a,2,2,two\n").expect("it reads");
    drop(writer);
    let run = running.finish().expect(0);
    assert_eq!(scene.rows(), ["(a,1,1,one)", "(a,2,2,two)", "(b,1,1,theirs)"], "{run}");
    assert_eq!(scene.bulk_table(), None, "{run}");
}

/// Another process has taken a load for dead and has brought its rows in: it goes on through the key.
#[test]
fn a_load_whose_rows_were_brought_in_by_others_goes_on() {
    let scene = Scene::new();
    let (running, mut writer) = scene.begun("k,n,v,note\na,1,1,one\n", 1, &[]);
    scene.db.execute("UPDATE mds_runs SET status = 'failed'");
    scene.work.mdsctl(["schema", "apply", "--dsn", &scene.db.dsn()]).run().expect(0);
    assert_eq!((scene.rows(), scene.bulk_table()), (vec!["(a,1,1,one)".to_owned()], None));
    writer.write_all(b"a,1,2,two\na,2,2,two\n").expect("it reads");
    drop(writer);
    let run = running.finish().expect(0);
    assert_eq!(scene.rows(), ["(a,1,2,two)", "(a,2,2,two)"], "{run}");
}

#[test]
fn an_interrupted_load_shows_what_it_has_loaded() {
    let scene = Scene::new();
    let (running, writer) = scene.begun("k,n,v,note\na,1,1,one\n", 1, &[]);
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    drop(writer);
    assert_eq!((scene.rows(), scene.bulk_table()), (vec!["(a,1,1,one)".to_owned()], None), "{run}");
}

//! Texts that only the server can read mean the same whatever the role's and the database's settings.

use crate::harness::{Db, Postgres, Work};

const SETTINGS: &[(&str, &str)] = &[
    ("TimeZone", "Asia/Kolkata"),
    ("DateStyle", "SQL, DMY"),
    ("IntervalStyle", "sql_standard"),
    ("timezone_abbreviations", "Australia"),
    ("array_nulls", "off"),
    ("xmloption", "document"),
    ("extra_float_digits", "-10"),
];

fn odd() -> Db {
    let db = Postgres::shared().database();
    for (name, value) in SETTINGS {
        db.execute(&format!("ALTER DATABASE {} SET {name} = '{value}'", db.name()));
    }
    db
}

#[test]
fn ranges_arrays_and_intervals_are_read_in_utc_and_by_no_setting_of_the_database() {
    let db = odd();
    db.execute(
        "CREATE TYPE span AS (a timestamptz, d interval);
         CREATE TABLE t (id int PRIMARY KEY, ts timestamptz, r tstzrange, m tstzmultirange, a timestamptz[],
            s span, i interval, n int[], x xml, z timetz)",
    );
    let work = Work::new();
    let path = work.write(
        "t.csv",
        "id,ts,r,m,a,s,i,n,x,z\n1,2024-03-04 00:00:00,\"[2024-03-04 00:00:00,2024-03-05 00:00:00)\",\
         \"{[2024-03-04 00:00,2024-03-05 00:00)}\",\"{2024-03-04 00:00:00,2024-03-04 00:00 EST}\",\
         \"(2024-03-04 00:00:00,-1 days +02:00)\",-1 days +02:00:00,\"{1,NULL}\",<a/><b/>,09:30:00\n",
    );
    for way in ["load", "again"] {
        let flags = ["load", &path, "--table", "t", "--dsn", &db.dsn(), "--force", "--json"];
        let books = work.mdsctl(flags).run().expect(0).books();
        assert_eq!(books.unchanged, u64::from(way == "again"));
        let asked = "SELECT extract(epoch FROM ts) = extract(epoch FROM lower(r)), lower(m) = ts, a[1] = ts,
            extract(epoch FROM a[2] - ts) / 3600, (s).a = ts, extract(epoch FROM i)::int, extract(epoch FROM (s).d)::int,
            n[2] IS NULL, x::text, extract(timezone FROM z) FROM t";
        let row: Vec<String> = db.rows(asked).remove(0).into_iter().map(Option::unwrap_or_default).collect();
        let found = row.iter().map(|v| v.trim_end_matches('0').trim_end_matches('.')).collect::<Vec<_>>();
        assert_eq!(found, ["t", "t", "t", "5", "t", "-792", "-792", "t", "<a/><b/>", ""], "{way}: {row:?}");
    }
}

#[test]
fn a_zone_and_an_order_of_dates_that_are_told_hold_in_ranges_too() {
    let db = odd();
    db.execute("CREATE TABLE t (id int PRIMARY KEY, ts timestamptz, r tstzrange, d daterange)");
    let work = Work::new();
    let path = work.write(
        "t.csv",
        "id,ts,r,d\n1,2024-03-04 09:30,\"[2024-03-04 09:30,)\",\"[02/01/2024,03/01/2024)\"\n",
    );
    let flags = ["load", &path, "--table", "t", "--dsn", &db.dsn(), "--dlq", "dead.ndjson"];
    // Which of them is the month has not been said.
    work.mdsctl(flags).run().expect(3);
    assert_eq!(work.dlq("dead.ndjson")[0].code, "22008");
    work.mdsctl(flags)
        .arguments(["--timezone", "America/New_York", "--date-order", "dmy", "--force"])
        .run()
        .expect(0);
    let asked = "SELECT lower(r) = ts AND ts = '2024-03-04 14:30Z' AND lower(d) = date '2024-01-02' FROM t";
    assert_eq!(db.value(asked), "t");
}

#[test]
fn arrays_that_stand_alone_are_read_by_no_setting_of_the_database_either() {
    for (type_, utc, told) in [
        ("timestamptz[]", "2024-03-04 09:30Z", "2024-03-04 14:30Z"),
        ("date[]", "2024-03-04", "2024-04-03"),
        ("timestamp[]", "2024-03-04", "2024-04-03"),
    ] {
        let db = odd();
        db.execute(&format!("CREATE TABLE t (id int PRIMARY KEY, a {type_})"));
        let work = Work::new();
        let load = |text: &str| {
            let path = work.write("t.csv", format!("id,a\n1,{{{text}}}\n"));
            work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn(), "--dlq", "d.ndjson", "--force"])
        };
        let zoned = type_ == "timestamptz[]";
        let is = |what: &str| {
            let sql = format!("SELECT a = ARRAY['{what}']::{type_} FROM t");
            assert_eq!(db.value(&sql), "t", "{type_}: {:?}", db.rows("SELECT a FROM t"));
        };
        load(if zoned { "2024-03-04 09:30" } else { "2024-03-04" }).run().expect(0);
        is(utc);
        if !zoned {
            // Which of them is the month has not been said.
            load("03/04/2024").run().expect(3);
            is(utc);
        }
        load(if zoned { "2024-03-04 09:30" } else { "03/04/2024" })
            .arguments(["--timezone", "America/New_York", "--date-order", "dmy"])
            .run()
            .expect(0);
        is(told);
    }
}

#[test]
fn triggers_of_a_table_without_such_columns_see_the_settings_of_the_database() {
    let db = odd();
    db.execute(
        "CREATE TABLE t (id int PRIMARY KEY, ts timestamptz, local_day date);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.local_day := NEW.ts::date; RETURN NEW; END';
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let work = Work::new();
    let path = work.write("t.csv", "id,ts\n1,2024-03-04 20:00:00Z\n");
    work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.value("SELECT local_day = date '2024-03-05' FROM t"), "t");
}

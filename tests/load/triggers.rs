//! Triggers of a table that change keys or leave rows out, and keys that only the server compares.

use crate::harness::{Db, Postgres, Work};

fn with_trigger(program: &str) -> Db {
    let db = Postgres::shared().database();
    db.execute(&format!(
        "CREATE TABLE t (k text PRIMARY KEY, v int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {program} END$$;
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    ));
    db
}

#[test]
fn rows_that_a_trigger_leaves_out_are_told_and_are_not_there_already() {
    let db = with_trigger("IF NEW.v > 1 THEN RETURN NULL; END IF; RETURN NEW;");
    let work = Work::new();
    let load = |text: &str| {
        let path = work.write("t.csv", text);
        work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn()])
    };
    let told = "left out by a trigger of the table";
    for _ in 0..2 {
        let run = load("k,v\na,2\nb,3\n").run().expect(0);
        assert!(run.stderr.starts_with("Nothing is stored: a trigger of the table left all 2 rows"), "{run}");
        assert!(run.stderr.contains(told), "{run}");
    }
    let run = load("k,v\nc,1\nd,2\ne,5\n").arguments(["--json"]).run().expect(0);
    assert_eq!((run.books().inserted, run.books().skipped, run.books().unchanged), (1, 2, 0), "{run}");
    assert!(run.stdout.contains(told), "{run}");
    // One that is there and two that are not.
    let run = load("k,v\nc,1\nf,2\ng,5\n").arguments(["--json"]).run().expect(0);
    assert_eq!((run.books().inserted, run.books().skipped, run.books().unchanged), (0, 2, 1), "{run}");
    assert_eq!(db.value("SELECT string_agg(k || v, ' ') FROM t"), "c1");
}

#[test]
fn rows_that_a_trigger_changes_are_there_when_they_come_again() {
    for program in ["NEW.v := NEW.v * 2; RETURN NEW;", "NEW.k := upper(NEW.k); RETURN NEW;"] {
        let db = with_trigger(program);
        let work = Work::new();
        let path = work.write("t.csv", "k,v\na,1\nb,3\n");
        let load =
            || work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn(), "--json"]).run().expect(0);
        assert_eq!(load().books().inserted, 2, "{program}");
        let again = load();
        assert_eq!((again.books().unchanged, again.books().skipped), (2, 0), "{program}: {again}");
        assert!(!again.stdout.contains("left out"), "{again}");
    }
}

#[test]
fn a_replay_tells_what_a_trigger_leaves_out() {
    let db = with_trigger("IF NEW.v > 1 THEN RETURN NULL; END IF; RETURN NEW;");
    db.execute(
        "ALTER TABLE t ADD updated_at timestamptz NOT NULL DEFAULT now(), ADD CONSTRAINT c CHECK (v < 0)",
    );
    db.execute("ALTER TABLE t DISABLE TRIGGER f");
    let work = Work::new();
    let path = work.write("t.csv", "k,v\na,1\nb,3\nc,5\n");
    work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn(), "--dlq", "d.ndjson"]).run().expect(3);
    db.execute("ALTER TABLE t DROP CONSTRAINT c; ALTER TABLE t ENABLE TRIGGER f");
    let run = work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &db.dsn()]).run().expect(0);
    assert!(run.stderr.contains("2 rows were left out by a trigger"), "{run}");
    assert_eq!(db.value("SELECT string_agg(k, '') FROM t"), "a");
}

#[test]
fn the_last_row_of_the_input_stays_where_a_trigger_or_the_server_makes_keys_one() {
    let folded = || {
        let db = Postgres::shared().database();
        db.execute(
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE t (k text COLLATE ci PRIMARY KEY, v int)",
        );
        db
    };
    for (what, db) in
        [("trigger", with_trigger("NEW.k := upper(NEW.k); RETURN NEW;")), ("collation", folded())]
    {
        let work = Work::new();
        // Small and large letters in turns, the last of each key in small ones or in large ones.
        let lines: String = (0..600)
            .map(|row| {
                let name = if row / 40 % 2 == 0 { 'a' } else { 'A' };
                format!("{name}{},{row}\n", row % 40)
            })
            .collect();
        for (more, last) in [("", 560), ("A0,1000\na1,1000\n", 560)] {
            let path = work.write("t.csv", format!("k,v\n{lines}{more}"));
            for workers in ["1", "4"] {
                work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn(), "--workers", workers])
                    .arguments(["--batch-size", "64", "--force"])
                    .run()
                    .expect(0);
                let extra = if more.is_empty() { 0 } else { 2 };
                let wrong = format!(
                    "SELECT count(*) FROM t WHERE v <> CASE WHEN {extra} = 2 AND lower(k) IN ('a0', 'a1') THEN 1000 \
                     ELSE {last} + substr(k, 2)::int END"
                );
                assert_eq!(db.value(&wrong), "0", "{what} {workers}: {:?}", db.rows("SELECT * FROM t"));
                assert_eq!(db.value("SELECT count(*) FROM t"), "40");
            }
        }
    }
}

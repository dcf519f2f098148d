//! Tables whose names need quotes are loaded, looked up in the books and replayed like any other.

use crate::harness::{Db, Postgres, Run, Work};

/// Names as SQL has them: blanks, capitals, dots, quotes, other letters, a schema that needs them too.
const NAMES: [&str; 8] = [
    r#""Mine x""#,
    r#""MineX""#,
    r#""mine.x""#,
    r#""Other S"."t""#,
    r#""Other S"."a.B""#,
    r#""o'x""#,
    r#""ü""#,
    r#""a""b""#,
];

/// Tables that a name would mean if its quotes were dropped.
const NEIGHBOURS: [&str; 3] = ["minex", "mine", "t"];

fn database(name: &str) -> Db {
    let db = Postgres::shared().database_with_schema();
    db.execute("CREATE SCHEMA \"Other S\"");
    for table in NEIGHBOURS.iter().chain([&name]) {
        db.execute(&format!("CREATE TABLE {table} (id int, v text)"));
    }
    db
}

fn load(work: &Work, db: &Db, table: &str, flags: &[&str]) -> Run {
    let line = ["load", "in.csv", "--table", table, "--dsn", &db.dsn()];
    work.mdsctl(line).arguments(flags.iter().copied()).run()
}

#[test]
fn a_table_whose_name_needs_quotes_does_not_get_a_file_twice() {
    for name in NAMES {
        let (work, db) = (Work::new(), database(name));
        work.write("in.csv", "id,v\n1,a\n2,b\n");
        load(&work, &db, name, &[]).expect(0);
        let again = load(&work, &db, name, &[]).expect(2);
        assert!(again.error().contains("has loaded"), "{name}: {again}");
        assert_eq!(db.count(name), 2, "{name}");
        load(&work, &db, name, &["--force"]).expect(0);
        db.execute(&format!("TRUNCATE {name}"));
        let anew = load(&work, &db, name, &[]).expect(0);
        assert!(anew.stderr.contains("is empty"), "{name}: {anew}");
        assert_eq!(db.count(name), 2, "{name}");
        NEIGHBOURS.iter().for_each(|other| assert_eq!(db.count(other), 0, "{name}"));
    }
}

/// What an earlier version has written down is still known: it left the quotes out.
#[test]
fn books_that_name_a_table_without_its_quotes_are_understood() {
    let (work, db) = (Work::new(), database(r#""MineX""#));
    work.write("in.csv", "id,v\n1,a\n2,b\n");
    load(&work, &db, r#""MineX""#, &[]).expect(0);
    db.execute("UPDATE mds_runs SET table_name = replace(table_name, '\"', '')");
    load(&work, &db, r#""MineX""#, &[]).expect(2);
    assert_eq!(db.count(r#""MineX""#), 2);
}

#[test]
fn dead_letters_of_a_table_whose_name_needs_quotes_go_back_into_it() {
    for name in NAMES {
        let (work, db) = (Work::new(), database(name));
        db.execute(&format!("ALTER TABLE {name} ADD CONSTRAINT one CHECK (id <> 1)"));
        let line = ["load", "-", "--table", name, "--dlq", "q.ndjson", "--dsn", &db.dsn()];
        work.mdsctl(line).stdin("id,v\n1,a\n2,b\n").run().expect(3);
        assert_eq!(db.count(name), 1, "{name}");
        db.execute(&format!("ALTER TABLE {name} DROP CONSTRAINT one"));
        let replay = ["replay-dlq", "q.ndjson", "--dsn", &db.dsn()];
        let run = work.mdsctl(replay).run();
        if run.code == 2 {
            // A schema that is not looked in has to be named; the advice is for a shell.
            let (_, flags) = run.stderr.split_once("only with --table ").expect("advice");
            let (flags, _) = flags.split_once("; its rows").expect("where its rows are");
            let word = flags.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            let word = word.unwrap_or_else(|| panic!("{name}: not for a shell: {run}"));
            work.mdsctl(replay).arguments(["--table", word]).run().expect(0);
        } else {
            run.expect(0);
        }
        assert_eq!(db.count(name), 2, "{name}");
        NEIGHBOURS.iter().for_each(|other| assert_eq!(db.count(other), 0, "{name}"));
    }
}

/// Who writes such a name as it stands, with no quotes, means that table.
#[test]
fn a_name_may_be_given_as_it_stands() {
    for (given, name) in [("Mine x", r#""Mine x""#), ("Other S.t", r#""Other S"."t""#), ("o'x", r#""o'x""#)] {
        let (work, db) = (Work::new(), database(name));
        work.write("in.csv", "id,v\n1,a\n2,b\n");
        load(&work, &db, given, &[]).expect(0);
        load(&work, &db, given, &[]).expect(2);
        assert_eq!(db.count(name), 2, "{given}");
    }
}

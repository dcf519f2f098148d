//! `schema apply --grant`: what a role may do that has been given nothing but that.

use std::fs;

use rustix::process::Signal;

use crate::harness::existing::{TENANTS, existing};
use crate::harness::{Db, Postgres, Run, Work, wait};

const CSV: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
    2024-03-04T14:30:00Z,acme,AAPL,1m,1,1,1,1,1\n\
    2024-03-04T14:31:00Z,acme,AAPL,1m,1,1,1,1,2\n\
    2024-03-04T14:32:00Z,acme,AAPL,1m,1,1,1,1,x\n";

/// A database in which nobody may do anything that is not granted, with roles of those names.
fn closed(names: &[&str]) -> (Db, Vec<String>) {
    let db = Postgres::shared().database();
    db.execute(&format!(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE {} FROM PUBLIC",
        db.name()
    ));
    let roles: Vec<String> = names.iter().map(|name| name.replace("DB", db.name())).collect();
    for role in &roles {
        db.execute(&format!("CREATE ROLE {} LOGIN", quoted(role)));
    }
    (db, roles)
}

fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}

fn dsn(db: &Db, role: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    db.dsn_as(&role.bytes().map(byte).collect::<String>())
}

fn schema(work: &Work, what: &str, db: &Db, roles: &[String]) -> Run {
    let grants = roles.iter().flat_map(|role| ["--grant".to_owned(), role.clone()]);
    work.mdsctl(["schema", what, "--dsn", &db.dsn()]).arguments(grants).run()
}

#[test]
fn a_role_with_nothing_but_the_grant_loads_tails_replays_and_looks() {
    let (db, roles) = closed(&["loader_DB", "It's \"one\" \\ of DB"]);
    let work = Work::new();
    let applied = schema(&work, "apply", &db, &roles).expect(0);
    assert!(
        applied.stdout.contains(&format!("public.mds_runs: SELECT, INSERT, UPDATE granted to {}", roles[0]))
    );
    for role in &roles {
        for conflict in ["update", "skip", "error"] {
            let (work, dsn) = (Work::new(), dsn(&db, role));
            let what = format!("{role}, {conflict}");
            db.execute("TRUNCATE bars; DELETE FROM mds_runs; DELETE FROM mds_checkpoints");
            let to = ["--dsn", &dsn, "--on-conflict", conflict];
            let run = |first: &[&str], code: i32| {
                let run = work.mdsctl(first.iter().copied()).run().expect(code);
                for word in ["ledger", "history", "permission", "privilege", "may not"] {
                    assert!(!run.stderr.contains(word), "{what}: {run}");
                }
                run
            };
            let path = work.write("bars.csv", CSV);
            let load = [&["load", &path, "--json"][..], &to].concat();
            assert_eq!(run(&load, 3).books().inserted, 2, "{what}");
            // Again, with another value.
            work.write("bars.csv", CSV.replace("1,2\n", "1,5\n"));
            let books = run(&[&load[..], &["--resume"]].concat(), 3).books();
            let expected = match conflict {
                "update" => (1, 1, 0, 1),
                "skip" => (0, 0, 2, 1),
                _ => (0, 0, 0, 3),
            };
            assert_eq!((books.unchanged, books.updated, books.skipped, books.rejected), expected, "{what}");

            let letters = fs::read_to_string(work.path(".dlq/bars.ndjson")).expect("letters");
            let bad = letters.lines().rfind(|line| line.contains("bad_number")).expect("a letter");
            let mended = bad.replace("\"x\"", "\"7\"").replace(":x", ":7");
            work.write(".dlq/bars.ndjson", mended + "\n");
            let replay = ["replay-dlq", "--json", "--dsn", &dsn, "--set", "volume=7"];
            run(&replay, 0);
            let stored = db.value("SELECT string_agg(volume::text, ',' ORDER BY ts) FROM bars");
            assert_eq!(stored, if conflict == "update" { "1,5,7" } else { "1,2,7" }, "{what}");

            work.write("feed.csv", CSV.replace("14:", "15:").replace(",x", ",3"));
            let tail = ["tail", "feed.csv", "--json", "--dsn", &dsn, "--on-conflict", conflict];
            let mut tail = work.mdsctl(tail).spawn();
            wait::until(wait::PATIENCE, "the rows of the tail", || {
                assert!(!tail.has_ended(), "{what}: {}", tail.said());
                (db.count("bars") == 6).then_some(())
            });
            tail.signal(Signal::INT);
            let tail = tail.finish().expect(130);
            assert!(!tail.stderr.contains("ledger") && !tail.stderr.contains("history"), "{what}: {tail}");

            let runs = run(&["runs", "--json", "--dsn", &dsn], 0).json();
            assert_eq!(runs["runs"].as_array().map(Vec::len), Some(4), "{what}: {runs}");
            fs::remove_dir_all(work.path(".dlq")).expect("the letters");
            run(&["health", "--dsn", &dsn], 0);
            run(&["schema", "check", "--grant", role, "--dsn", &dsn], 0);
        }
    }
    // Whatever else there is, it may not.
    for forbidden in ["CREATE TABLE t ()", "DELETE FROM bars", "TRUNCATE mds_runs", "DROP TABLE bars"] {
        for role in &roles {
            let refused = db.try_rows(&format!("SET ROLE {}; {forbidden}", quoted(role)));
            assert!(refused.is_err(), "{role}: {forbidden}");
        }
    }
    for role in &roles {
        db.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", quoted(role)));
    }
}

#[test]
fn check_tells_what_a_role_lacks_and_apply_grants_that_alone() {
    let (db, roles) = closed(&["lacks_DB"]);
    let (work, role) = (Work::new(), &roles[0]);
    schema(&work, "apply", &db, &[]).expect(0);
    let run = schema(&work, "check", &db, &roles).expect(2);
    for lack in
        ["public.bars: role", "schema public: role", "lacks CONNECT, TEMPORARY", "public.mds_schema: role"]
    {
        assert!(run.stdout.contains(lack), "{lack}: {run}");
    }
    assert!(run.stdout.contains(&format!("mdsctl schema apply --grant {role}")), "{run}");
    schema(&work, "apply", &db, &roles).expect(0);
    let run = schema(&work, "check", &db, &roles).expect(0);
    assert!(run.stdout.contains("as they should be"), "{run}");

    let acls = "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    let before = db.rows(acls);
    let run = schema(&work, "apply", &db, &roles).expect(0);
    assert!(run.stdout.contains("has all that a load needs") && !run.stdout.contains("granted"), "{run}");
    assert_eq!(db.rows(acls), before);

    db.execute(&format!("REVOKE INSERT ON ticks FROM {role}"));
    let run = schema(&work, "check", &db, &roles).expect(2);
    let lacks = format!("public.ticks: role {role} lacks INSERT; run: mdsctl schema apply --grant {role}\n");
    assert_eq!(run.stdout, lacks);
    let run = work.mdsctl(["schema", "check", "--json", "--grant", role, "--dsn", &db.dsn()]).run().expect(2);
    assert_eq!(run.json()["differences"].as_array().map(Vec::len), Some(1), "{run}");
    let run = schema(&work, "apply", &db, &roles).expect(0);
    assert_eq!(run.stdout.matches("granted").count(), 1, "{run}");
    assert!(run.stdout.contains(&format!("public.ticks: INSERT granted to {role}")), "{run}");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn show_prints_what_the_grant_is() {
    let (db, roles) = closed(&["Shown \"DB\""]);
    let work = Work::new();
    // Beside the tables of a Python system, and in a database that has none.
    let shown = work.mdsctl(["schema", "show", "--grant", &roles[0], "--dsn", &db.dsn()]).run().expect(0);
    db.execute(&format!("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", db.name(), quoted(&roles[0])));
    db.execute(&shown.stdout);
    schema(&work, "check", &db, &roles).expect(0);
    let old = existing();
    old.execute(&shown.stdout);
    let run = schema(&work, "check", &old, &roles);
    assert!(!run.stdout.contains("lacks"), "{run}");
    for db in [&db, &old] {
        db.execute(&format!("DROP OWNED BY {}", quoted(&roles[0])));
    }
    db.execute(&format!("DROP ROLE {}", quoted(&roles[0])));
}

#[test]
fn beside_the_tables_of_a_python_system_its_books_are_granted_too() {
    let (work, db) = (Work::new(), existing());
    let role = format!("beside_{}", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN"));
    let run = schema(&work, "apply", &db, std::slice::from_ref(&role)).expect(0);
    assert!(run.stdout.contains("public.tenants: SELECT granted"), "{run}");
    assert!(run.stdout.contains("sequence public.job_runs_id_seq: USAGE granted"), "{run}");
    let path = work.write("bars.csv", CSV);
    let flags = ["load", &path, "--tenant", TENANTS[0].0, "--dsn", &db.dsn_as(&role)];
    let run = work.mdsctl(flags).run().expect(3);
    assert!(!run.stderr.contains("job_runs") && !run.stderr.contains("ledger"), "{run}");
    assert_eq!((db.count("bars"), db.value("SELECT status FROM job_runs")), (2, "success".into()));
    Work::new().mdsctl(["health", "--dsn", &db.dsn_as(&role)]).run().expect(0);
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_role_that_is_not_there_is_told_before_anything_is_made() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let role = format!("lower_{}", db.name());
    db.execute(&format!("CREATE ROLE {role}"));
    let run = schema(&work, "apply", &db, &["no such role".into()]).expect(2);
    assert!(run.error().contains("there is no role no such role; make it"), "{run}");
    assert!(run.error().contains("CREATE ROLE \"no such role\" LOGIN"), "{run}");
    let run = schema(&work, "apply", &db, &[role.to_uppercase()]).expect(2);
    assert!(run.error().contains(&format!("give --grant {role}")), "{run}");
    schema(&work, "check", &db, &[role.to_uppercase()]).expect(2);
    assert_eq!(db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
    db.execute(&format!("DROP ROLE {role}"));
    for what in ["apply", "show", "check"] {
        let run = work.mdsctl(["schema", what, "--grant", "x", "--dsn", "sqlite:x.db"]).run().expect(2);
        assert!(run.error().contains("--grant needs PostgreSQL"), "{run}");
        assert!(!work.path("x.db").exists());
    }
}

#[test]
fn who_does_not_own_a_table_is_told_who_has_to_grant() {
    let (work, db) = (Work::new(), existing());
    let (maker, role) = (format!("maker_{}", db.name()), format!("other_{}", db.name()));
    db.execute(&format!(
        "CREATE ROLE {maker} LOGIN; CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {maker}"
    ));
    let run = work.mdsctl(["schema", "apply", "--grant", &role, "--dsn", &db.dsn_as(&maker)]).run().expect(2);
    assert!(run.error().contains("may not grant SELECT, INSERT, UPDATE on public.bars"), "{run}");
    assert!(run.error().contains(&format!("mdsctl schema show --grant {role}")), "{run}");
    // What is its own it has granted.
    let ticks = format!("SELECT has_table_privilege('{role}', 'ticks', 'INSERT, UPDATE')");
    assert_eq!(db.value(&ticks), "t");
    db.execute(&format!("DROP OWNED BY {maker}, {role} CASCADE; DROP ROLE {maker}; DROP ROLE {role}"));
}

#[test]
fn hypertables_and_their_compressed_chunks_are_granted_as_one() {
    let Some(server) = Postgres::with_timescale("hypertables_and_their_compressed_chunks_are_granted_as_one")
    else {
        return;
    };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION timescaledb; CREATE ROLE loader LOGIN");
    work.mdsctl(["schema", "apply", "--grant", "loader", "--dsn", &db.dsn()]).run().expect(0);
    db.execute("SELECT remove_compression_policy('bars')");
    let dsn = db.dsn_as("loader");
    let days = |volume: u32| -> String {
        let line = |day: u32| format!("2024-{:02}-01T00:00:00Z,v,A,1d,1,1,1,1,{volume}\n", day + 1);
        "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_owned()
            + &(0..9).map(line).collect::<String>()
    };
    let load = |volume: u32| {
        let path = work.write("bars.csv", days(volume));
        work.mdsctl(["load", &path, "--json", "--dsn", &dsn]).run().expect(0)
    };
    assert_eq!(load(1).books().inserted, 9);
    db.execute("SELECT compress_chunk(c) FROM show_chunks('bars') c");
    assert_eq!(load(2).books().updated, 9);
    assert_eq!(db.value("SELECT sum(volume) FROM bars"), "18");
}

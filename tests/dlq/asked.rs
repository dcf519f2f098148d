//! Rows whose commit got no answer before the run ended: a replay asks the store, and each is there once.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use rustix::process::Signal;

use crate::harness::proxy::{Loss, Proxy};
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Run, Store, Work, wait};

const QUEUE: &str = "letters.ndjson";

/// A role that may write and no more, so that the store keeps no ledger for it.
fn guest(db: &Db) -> String {
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT, UPDATE ON plain TO {role}"
    ));
    db.dsn_as(&role)
}

/// Loads a pipe until a commit gets no answer, and stops it at once while nobody can be asked. Returns how
/// many rows were read.
fn interrupted(work: &Work, dsn: &str, loss: Loss, flags: &[&str]) -> u64 {
    let server = Postgres::shared();
    let proxy = Proxy::start(server.port(), 3, 1, loss);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let place = ["load", "-", "--table", "plain", "--json", "--dlq", QUEUE, "--dsn"];
    let program = work.mdsctl(place).arguments([proxy.dsn(dsn, server.port())]);
    let engine = ["--workers", "1", "--batch-size", "100", "--capacity", "1000"];
    let mut running = program.arguments(engine).arguments(flags.iter().copied()).pipe(reader).spawn();
    let given = std::thread::spawn(move || {
        let mut next = 0;
        // Until nobody reads.
        while writer.write_all(lines(next, next + 50).as_bytes()).is_ok() {
            next += 50;
        }
    });
    wait::until(PATIENCE, "a commit without an answer", || {
        assert!(!running.has_ended(), "{}", running.said());
        (proxy.lost() > 0).then_some(())
    });
    proxy.close();
    running.signal(Signal::INT);
    wait::until(PATIENCE, "the first signal to be noticed", || {
        running.said().contains("once more to stop at once").then_some(())
    });
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    given.join().expect("the writer");
    assert!(run.stderr.contains("may be in the store"), "{run}");
    run.json()["rows"]["read"].as_u64().expect("a number")
}

fn lines(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("{{\"n\": {n}, \"note\": \"row {n}\"}}\n")).collect()
}

/// Rows of the queue with that code.
fn of_code(work: &Work, code: &str) -> u64 {
    let letters = work.dlq(QUEUE).into_iter();
    letters.filter(|letter| letter.code == code).map(|letter| letter.items.len() as u64).sum()
}

/// How many of the rows whose commit got no answer are in the store.
fn there(work: &Work, db: &Db) -> u64 {
    let stored: BTreeSet<String> =
        db.rows("SELECT n FROM plain").iter().map(|row| row[0].clone().expect("a number")).collect();
    let letters = work.dlq(QUEUE).into_iter().filter(|letter| letter.code == "commit_unknown");
    let rows = letters.flat_map(|letter| letter.items);
    rows.filter(|item| stored.contains(item["n"].to_string().trim_matches('"'))).count() as u64
}

/// Each row is there once.
fn assert_once(db: &Db, read: u64, what: &str, run: &Run) {
    let sql = "SELECT count(*), count(DISTINCT n), coalesce(max(n) + 1, 0) FROM plain";
    let all: Vec<u64> = db.rows(sql)[0].iter().map(|n| n.as_ref().unwrap().parse().unwrap()).collect();
    assert_eq!(all, [read, read, read], "{what}: {run}");
}

#[test]
fn a_replay_asks_whether_a_commit_without_an_answer_came_through() {
    let none = ("bigint", &[][..]);
    let (error, skip) = (&["--on-conflict", "error"][..], &["--on-conflict", "skip"][..]);
    // Most of their time is waiting.
    std::thread::scope(|threads| {
        for ((n, flags), ledger, loss) in [
            (none, true, Loss::Silence),
            (none, true, Loss::Unsent),
            (none, false, Loss::Silence),
            (none, false, Loss::Unsent),
            (("bigint PRIMARY KEY", error), true, Loss::Silence),
            (("bigint PRIMARY KEY", error), false, Loss::Unsent),
            (("bigint PRIMARY KEY", skip), false, Loss::Silence),
        ] {
            threads.spawn(move || asks(n, flags, ledger, loss));
        }
    });
}

fn asks(n: &str, flags: &[&str], ledger: bool, loss: Loss) {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(&format!("CREATE TABLE plain (n {n}, note text)"));
    let dsn = if ledger { db.dsn() } else { guest(&db) };
    let what = format!("{n}, {flags:?}, with a ledger: {ledger}, {loss:?}");
    let read = interrupted(&work, &dsn, loss, flags);
    let (doubtful, before) = (of_code(&work, "commit_unknown"), db.count("plain"));
    assert!(doubtful > 0, "{what}");
    let there = there(&work, &db);
    // Another pipe that ends well, in between.
    let again = work.mdsctl(["load", "-", "--table", "plain", "--dlq", "no.ndjson", "--dsn", &dsn]);
    again.stdin(lines(1_000_000, 1_000_001)).run().expect(0);
    db.execute("DELETE FROM plain WHERE n = 1000000");
    let replay = work.mdsctl(["replay-dlq", QUEUE, "--json", "--dsn", &dsn]);
    let run = replay.arguments(flags.iter().copied()).run().expect(0);
    assert_once(&db, read, &what, &run);
    assert!(work.dlq(QUEUE).is_empty(), "{what}: {run}");
    let already = run.json()["replay"]["already_stored"].as_u64().expect("a number");
    assert_eq!(already, there, "{what}: {run}");
    assert_eq!(there == doubtful, loss == Loss::Silence, "{what}: {run}");
    assert_eq!(run.json()["rows"]["inserted"], read - before, "{what}: {run}");
    assert_eq!(run.stderr.contains("stored already"), already > 0, "{what}: {run}");
}

#[test]
fn a_replay_leaves_rows_of_a_commit_that_the_store_cannot_tell_of() {
    let server = Postgres::shared();
    for ledger in [true, false] {
        let (work, db, other) = (Work::new(), server.database(), server.database());
        db.execute("CREATE TABLE plain (n bigint, note text)");
        other.execute("CREATE TABLE plain (n bigint, note text)");
        let dsn = if ledger { db.dsn() } else { guest(&db) };
        interrupted(&work, &dsn, Loss::Silence, &[]);
        let doubtful = of_code(&work, "commit_unknown");
        // Another store, or the same after a crash: its numbers are given again.
        let dsn = if ledger { other.dsn() } else { dsn };
        let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
        if !ledger {
            let at = letters.find("\"server\":\"").expect("the server") + 10;
            let end = at + letters[at..].find('"').expect("its end");
            let server = &letters[at..end];
            let (system, _) = server.split_once('.').expect("its parts");
            fs::write(work.path(QUEUE), letters.replace(server, &format!("{system}.00000001.1")))
                .expect("it again");
        }
        let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &dsn]).run().expect(3);
        assert!(run.stderr.contains("commit_unknown may be in public.plain already"), "{ledger}: {run}");
        assert_eq!(of_code(&work, "commit_unknown"), doubtful, "{ledger}: {run}");
        assert_eq!(
            work.dlq(QUEUE).iter().map(|letter| letter.items.len() as u64).sum::<u64>(),
            doubtful,
            "{ledger}: {run}"
        );
        let (before, table) = if ledger { (other.count("plain"), &other) } else { (db.count("plain"), &db) };
        work.mdsctl(["replay-dlq", QUEUE, "--force", "--dsn", &dsn]).run().expect(0);
        assert_eq!(table.count("plain"), before + doubtful);
    }
}

#[test]
fn both_stores_are_asked() {
    for came_through in [true, false] {
        for on in ["postgres", "sqlite"] {
            let work = Work::new();
            work.write("store.db", "");
            let store = if on == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
            store
                .try_rows("CREATE TABLE plain (n bigint, note text CONSTRAINT c CHECK (note <> 'bad'))")
                .expect("a table");
            let dsn = store.dsn();
            let load = work.mdsctl(["load", "-", "--table", "plain", "--dlq", QUEUE, "--dsn", &dsn]);
            load.stdin("n,note\n1,good\n2,bad\n").run().expect(3);
            let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
            let (_, run) = letters.split_once("\"run_id\":\"").expect("a run");
            let commit = format!(
                "\"code\":\"commit_unknown\",\"commit\":{{\"run_id\":\"{}\",\"worker\":0,\"slot\":0,\"serial\":2}}",
                &run[..36]
            );
            let code =
                letters.split("\"code\":").nth(1).and_then(|rest| rest.split(',').next()).expect("a code");
            let letters =
                letters.replace(&format!("\"code\":{code}"), &commit).replace("\"bad\"", "\"late\"");
            fs::write(work.path(QUEUE), letters).expect("it again");
            store
                .try_rows(&format!(
                    "UPDATE mds_runs SET status = 'interrupted' WHERE run_id = '{}'",
                    &run[..36]
                ))
                .expect("a run that was interrupted");
            let serial = if came_through { 2 } else { 1 };
            store
                .try_rows(&format!(
                    "INSERT INTO mds_checkpoints (run_id, slot, ordinal, serial, updated_at) VALUES ('{}', 0, 2, {serial}, '2024-01-01')",
                    &run[..36]
                ))
                .expect("its mark");
            let dry =
                work.mdsctl(["replay-dlq", QUEUE, "--dry-run", "--json", "--dsn", &dsn]).run().expect(0);
            assert_eq!(dry.json()["replay"]["already_stored"], u64::from(came_through), "{on}: {dry}");
            let run = work.mdsctl(["replay-dlq", QUEUE, "--json", "--dsn", &dsn]).run().expect(0);
            assert_eq!(run.json()["replay"]["already_stored"], u64::from(came_through), "{on}: {run}");
            assert_eq!(store.count("plain"), Some(if came_through { 1 } else { 2 }), "{on}: {run}");
            assert!(work.dlq(QUEUE).is_empty(), "{on}: {run}");
        }
    }
}

/// A load into a table that has one of the rows begins its transaction twice, and without a ledger the server is
/// asked by the number of the second.
#[test]
fn a_commit_is_asked_for_by_its_own_number() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(
        "CREATE TABLE plain (n bigint PRIMARY KEY, note text); INSERT INTO plain VALUES (50, 'there')",
    );
    let dsn = guest(&db);
    let server = Postgres::shared();
    let proxy = Proxy::start(server.port(), 1, 1, Loss::Cut);
    let flags = ["load", "-", "--table", "plain", "--json", "--workers", "1", "--on-conflict", "error"];
    let load = work.mdsctl(flags).arguments(["--dlq", QUEUE, "--dsn", &proxy.dsn(&dsn, server.port())]);
    let run = load.stdin(lines(0, 100)).run().expect(3);
    assert_eq!(proxy.lost(), 1, "{run}");
    assert_eq!((run.books().inserted, run.books().rejected, db.count("plain")), (99, 1, 100), "{run}");
    assert_eq!(work.dlq(QUEUE)[0].items[0]["n"].to_string().trim_matches('"'), "50", "{run}");
}

/// A commit tells of the table and the database that the rows were meant for.
#[test]
fn rows_that_are_stored_elsewhere_stay_in_the_queue() {
    let server = Postgres::shared();
    for ledger in [true, false] {
        let (work, db, other) = (Work::new(), server.database(), server.database());
        db.execute("CREATE TABLE plain (n bigint, note text); CREATE TABLE second (n bigint, note text)");
        other.execute("CREATE TABLE plain (n bigint, note text)");
        let dsn = if ledger { db.dsn() } else { guest(&db) };
        if !ledger {
            let role = format!("guest_{}", db.name());
            db.execute(&format!("GRANT SELECT, INSERT, UPDATE ON second TO {role}"));
            other.execute(&format!("GRANT SELECT, INSERT, UPDATE ON plain TO {role}"));
        }
        interrupted(&work, &dsn, Loss::Silence, &[]);
        let doubtful = of_code(&work, "commit_unknown");
        let replay =
            work.mdsctl(["replay-dlq", QUEUE, "--code", "commit_unknown", "--table", "second", "--dsn"]);
        let run = replay.arguments([&dsn]).run().expect(3);
        assert!(run.stderr.contains("stored already where they were meant for"), "{ledger}: {run}");
        assert_eq!((of_code(&work, "commit_unknown"), db.count("second")), (doubtful, 0), "{ledger}: {run}");
        if !ledger {
            let there = other.dsn_as(&format!("guest_{}", db.name()));
            let replay = work.mdsctl(["replay-dlq", QUEUE, "--code", "commit_unknown", "--dsn", &there]);
            let run = replay.run().expect(3);
            assert!(run.stderr.contains("may be in public.plain already"), "{run}");
            assert_eq!((of_code(&work, "commit_unknown"), other.count("plain")), (doubtful, 0), "{run}");
        }
        // The advice: they are taken out without the flag.
        let before = db.count("plain");
        work.mdsctl(["replay-dlq", QUEUE, "--code", "commit_unknown", "--dsn", &dsn]).run().expect(0);
        assert_eq!((of_code(&work, "commit_unknown"), db.count("plain")), (0, before), "{ledger}");
    }
}

/// A later load of the same input takes the marks of the earlier ones out: nobody can tell any more.
#[test]
fn a_mark_that_was_taken_out_is_no_proof_that_nothing_was_stored() {
    for on in ["postgres", "sqlite"] {
        let work = Work::new();
        work.write("store.db", "");
        let store = if on == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
        store
            .try_rows("CREATE TABLE plain (n bigint, note text CONSTRAINT c CHECK (note <> 'bad'))")
            .expect("a table");
        let dsn = store.dsn();
        let flags = ["load", "-", "--table", "plain", "--source-id", "S", "--dlq", QUEUE, "--dsn", &dsn];
        work.mdsctl(flags).stdin("n,note\n1,good\n2,bad\n").run().expect(3);
        let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
        let (_, run) = letters.split_once("\"run_id\":\"").expect("a run");
        let run = run[..36].to_owned();
        let commit = format!(
            "\"code\":\"commit_unknown\",\"commit\":{{\"run_id\":\"{run}\",\"worker\":0,\"slot\":0,\"serial\":2}}"
        );
        let code = letters.split("\"code\":").nth(1).and_then(|rest| rest.split(',').next()).expect("a code");
        let letters = letters.replace(&format!("\"code\":{code}"), &commit).replace("\"bad\"", "\"late\"");
        fs::write(work.path(QUEUE), &letters).expect("it again");
        for sql in [
            format!("UPDATE mds_runs SET status = 'interrupted' WHERE run_id = '{run}'"),
            format!(
                "INSERT INTO mds_checkpoints (run_id, slot, ordinal, serial, updated_at) VALUES ('{run}', 0, 2, 2, '2024-01-01')"
            ),
        ] {
            store.try_rows(&sql).expect("a run that was interrupted");
        }
        let again =
            work.mdsctl(["load", "-", "--table", "plain", "--source-id", "S", "--force", "--dsn", &dsn]);
        again.stdin("n,note\n3,good\n").run().expect(0);
        let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &dsn]).run().expect(3);
        assert!(run.stderr.contains("may be in") && run.stderr.contains("plain already"), "{on}: {run}");
        assert_eq!((store.count("plain"), of_code(&work, "commit_unknown")), (Some(2), 1), "{on}: {run}");
    }
}

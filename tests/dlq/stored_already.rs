//! A row that turns out to be stored leaves the queue, however often it was tried.

use std::fs;

use crate::harness::{Store, Work};

const QUEUE: &str = "letters.ndjson";

#[test]
fn a_row_that_is_stored_already_is_not_parked_whatever_its_attempts() {
    for on in ["postgres", "sqlite"] {
        for attempts in [1, 7] {
            let work = Work::new();
            work.write("store.db", "");
            let store = if on == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
            let dsn = store.dsn();
            store
                .try_rows("CREATE TABLE plain (n bigint, note text CONSTRAINT c CHECK (note <> 'bad'))")
                .expect("a table");
            let load = work.mdsctl(["load", "-", "--table", "plain", "--dlq", QUEUE, "--dsn", &dsn]);
            load.stdin("n,note\n1,good\n2,bad\n").run().expect(3);
            // As if its commit had got no answer, and had come through.
            let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
            let (_, run) = letters.split_once("\"run_id\":\"").expect("a run");
            let run = &run[..36];
            let commit = format!(
                "\"code\":\"commit_unknown\",\"commit\":{{\"run_id\":\"{run}\",\"worker\":0,\"slot\":0,\"serial\":2}}"
            );
            let code =
                letters.split("\"code\":").nth(1).and_then(|rest| rest.split(',').next()).expect("a code");
            let letters = letters
                .replace(&format!("\"code\":{code}"), &commit)
                .replace("\"attempts\":1", &format!("\"attempts\":{attempts}"));
            fs::write(work.path(QUEUE), letters).expect("it again");
            for sql in [
                format!("UPDATE mds_runs SET status = 'interrupted' WHERE run_id = '{run}'"),
                format!(
                    "INSERT INTO mds_checkpoints (run_id, slot, ordinal, serial, updated_at) VALUES ('{run}', 0, 2, 2, '2024-01-01')"
                ),
            ] {
                store.try_rows(&sql).expect("its mark");
            }
            let replay = ["replay-dlq", QUEUE, "--max-attempts", "1", "--archive", "done", "--json", "--dsn"];
            let run = work.mdsctl(replay).arguments([&dsn]).run().expect(0);
            let replay = &run.json()["replay"];
            assert_eq!(replay["already_stored"], 1, "{on}, {attempts}: {run}");
            assert_eq!(replay["parked"], 0, "{on}, {attempts}: {run}");
            assert!(!run.stderr.contains("parked"), "{on}, {attempts}: {run}");
            assert!(work.dlq(QUEUE).is_empty() && !work.path("letters.parked.ndjson").exists(), "{run}");
            let archived: Vec<_> = fs::read_dir(work.path("done")).expect("an archive").flatten().collect();
            assert_eq!(archived.len(), 1, "{on}, {attempts}: {run}");
        }
    }
}

//! `--tenant`, and what else says whose rows they are.

use crate::harness::{Store, Work};

const A: &str = "11111111-1111-4111-8111-111111111111";
const B: &str = "22222222-2222-4222-8222-222222222222";
const HEAD: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume";

fn stores(work: &Work) -> [Store; 2] {
    [Store::sqlite(work), Store::postgres()]
}

#[test]
fn a_tenant_and_another_one_that_is_set_are_refused_at_the_start() {
    let work = Work::new();
    let path = work.write("a.csv", format!("{HEAD}\n2024-01-02,v,X,1d,1,1,1,1,7\n"));
    for store in stores(&work) {
        let dsn = store.dsn();
        let other = format!("tenant_id={B}");
        for command in [&["load", &path][..], &["tail", &path, "--idle-exit", "1s"], &["replay-dlq"]] {
            let program = || work.mdsctl(command.iter().copied()).arguments(["--dsn", &dsn, "--set", &other]);
            let run = program().arguments(["--tenant", A]).run().expect(2);
            assert!(run.error().contains("name two tenants"), "{store}: {run}");
            assert_eq!(store.count("bars").unwrap_or(0), 0, "{store} {command:?}");
        }
        let upper = B.to_uppercase();
        let flags = ["load", &path, "--dsn", &dsn, "--set", &other, "--tenant", &upper];
        work.mdsctl(flags).run().expect(0);
        assert_eq!(store.count(&format!("bars WHERE tenant_id = '{B}'")), Some(1), "{store}");
    }
}

#[test]
fn a_dead_letter_that_was_to_be_read_with_another_tenant_stays_in_the_queue() {
    for place in 0..2 {
        for forced in [false, true] {
            let work = Work::new();
            let store = stores(&work).into_iter().nth(place).expect("a store");
            let dsn = store.dsn();
            let path = work.write(
                "s.csv",
                format!("{HEAD}\n2024-01-02,v,X,1d,1,1,1,1,7\n2024-01-03,v,SHORT,1d,1,1,1,1\n"),
            );
            let other = format!("tenant_id={B}");
            let mut flags = vec!["load", &path, "--dsn", &dsn, "--set", &other];
            flags.extend(forced.then_some("--force-set"));
            work.mdsctl(flags).run().expect(3);
            let queue = work.path(".dlq/bars.ndjson");
            let mended = std::fs::read_to_string(&queue).expect("a queue");
            let mended = mended.replace("1d,1,1,1,1\"", "1d,1,1,1,1,7\"");
            assert!(mended.contains(",7\""), "{mended}");
            std::fs::write(&queue, &mended).expect("a queue");
            let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, "--tenant", A]).run().expect(0);
            assert!(run.stderr.contains("another tenant") && run.stderr.contains(B), "{store}: {run}");
            assert_eq!(store.count("bars"), Some(1), "{store}: {run}");
            assert_eq!(std::fs::read_to_string(&queue).expect("a queue"), mended, "{store}");
            work.mdsctl(["replay-dlq", "--dsn", &dsn, "--tenant", B]).run().expect(0);
            assert_eq!(store.count(&format!("bars WHERE tenant_id = '{B}'")), Some(2), "{store}");
        }
    }
}

#[test]
fn a_dead_letter_whose_tenant_stands_in_a_mapped_field_stays_in_the_queue() {
    for place in 0..2 {
        let work = Work::new();
        let store = stores(&work).into_iter().nth(place).expect("a store");
        let dsn = store.dsn();
        let path = work.write("s.csv", format!("{HEAD},owner\n2024-01-03,v,SHORT,1d,x,1,1,1,7,{B}\n"));
        let run = work.mdsctl(["load", &path, "--dsn", &dsn, "--map", "tenant_id=owner"]).run().expect(3);
        let queue = work.path(".dlq/bars.ndjson");
        let before = std::fs::read_to_string(&queue).expect("a queue");
        let flags = ["replay-dlq", "--dsn", &dsn, "--tenant", A, "--set", "open_price=1"];
        let again = work.mdsctl(flags).run().expect(0);
        assert!(again.stderr.contains("another tenant"), "{store}: {run} {again}");
        assert_eq!(store.count("bars"), Some(0), "{store}: {again}");
        assert_eq!(std::fs::read_to_string(&queue).expect("a queue"), before, "{store}");
    }
}

#[test]
fn a_file_whose_name_tells_another_tenant_than_the_flag_is_not_stored_there() {
    let work = Work::new();
    let path = work.write(&format!("{B}.csv"), format!("{HEAD}\n2024-01-02,v,X,1d,1,1,1,1,7\n"));
    for store in stores(&work) {
        let flags = ["load", &path, "--name-pattern", "{tenant_id}", "--dsn", &store.dsn(), "--tenant", A];
        let run = work.mdsctl(flags).run();
        assert_eq!(store.count(&format!("bars WHERE tenant_id = '{B}'")).unwrap_or(0), 0, "{store}: {run}");
        assert_ne!(run.code, 0, "{store}: {run}");
    }
}

#[test]
fn a_folder_that_tells_another_tenant_than_the_flag_is_not_stored_under_either() {
    let work = Work::new();
    let path = work.write(&format!("tenant_id={B}/a.csv"), format!("{HEAD}\n2024-01-02,v,X,1d,1,1,1,1,7\n"));
    for store in stores(&work) {
        let run = work.mdsctl(["load", &path, "--dsn", &store.dsn(), "--tenant", A]).run().expect(3);
        assert!(run.stderr.contains("wrong_tenant"), "{store}: {run}");
        assert_eq!(store.count("bars").unwrap_or(0), 0, "{store}: {run}");
        work.mdsctl(["load", &path, "--dsn", &store.dsn(), "--tenant", B]).run().expect(0);
        assert_eq!(store.count(&format!("bars WHERE tenant_id = '{B}'")), Some(1), "{store}");
    }
}

//! Faults on the way: what passes is gone on with at the byte where it stopped, what does not is said.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::PATIENCE;
use super::inputs::{days, rows, seqs};
use crate::generator::market::{Dataset, Plan};
use crate::generator::write::{Compress, Format};
use crate::harness::bucket::{Bucket, Fault};
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Store, Work, wait};

#[test]
fn what_breaks_off_is_gone_on_with() {
    let plan = Plan::new(Dataset::Bars, 60_000, 7);
    for (name, format, compress) in [
        ("a.csv", Format::Csv, Compress::None),
        ("a.ndjson.gz", Format::Ndjson, Compress::Gzip),
        ("a.parquet", Format::Parquet, Compress::None),
    ] {
        let bucket = Bucket::new();
        bucket.put(name, rows(&plan, format, compress));
        bucket.fault("HEAD", name, 1, Fault::Status(503, "SlowDown"));
        for bytes in [0, 1, 7_000, 200_000, 3] {
            bucket.fault("GET", name, 1, Fault::Cut(bytes));
        }
        bucket.fault("GET", name, 2, Fault::Status(500, "InternalError"));
        bucket.fault("GET", name, 1, Fault::Status(503, "SlowDown"));
        let work = Work::new();
        let store = Store::sqlite(&work);
        bucket
            .open(work.mdsctl(["load", &format!("s3://days/{name}"), "--dsn", &store.dsn()]))
            .run()
            .expect(0);
        assert_same(&store.stored(&plan), &truth(&plan), name);
        assert_eq!(bucket.faults_left(), 0, "{name}");
    }
}

#[test]
fn an_object_that_is_written_over_while_it_is_read_is_refused() {
    let text = |note: &str| {
        let line = |seq| format!("{seq},{note}\n");
        "seq,note\n".to_owned() + &(0..400_000).map(line).collect::<String>()
    };
    let bucket = Bucket::new();
    bucket.put("a.csv", text("old"));
    // The first part has been read when the others are.
    bucket.fault("GET", "a.csv", 1, Fault::Late(Duration::ZERO));
    bucket.fault("GET", "a.csv", 1, Fault::Overwritten(text("new").into()));
    let work = Work::new();
    let store = days(&work, true);
    let load = ["load", "s3://days/a.csv", "--table", "seqs", "--dsn", &store.dsn()];
    let run = bucket.open(work.mdsctl(load)).run().expect(6);
    assert!(
        run.error().contains("s3://days/a.csv: it was written over while it was read"),
        "{}",
        run.error()
    );
    assert!(seqs(&store).iter().all(|row| row.ends_with(" old")));
    bucket.open(work.mdsctl(load)).run().expect(0);
    let rows = seqs(&store);
    assert_eq!(rows.len(), 400_000);
    assert!(rows.iter().all(|row| row.ends_with(" new")));
}

#[test]
fn an_interrupt_does_not_wait_for_an_answer() {
    for (name, method) in [("a.csv", "GET"), ("a.parquet", "GET"), ("a.csv", "HEAD")] {
        let plan = Plan::new(Dataset::Bars, 1_000, 7);
        let format = if name == "a.csv" { Format::Csv } else { Format::Parquet };
        let bucket = Bucket::new();
        bucket.put(name, rows(&plan, format, Compress::None));
        bucket.fault(method, name, 1, Fault::Hang);
        let work = Work::new();
        let store = Store::sqlite(&work);
        let address = format!("s3://days/{name}");
        let mut running = bucket.open(work.mdsctl(["load", &address, "--dsn", &store.dsn()])).spawn();
        wait::until(PATIENCE, "it waits", || (bucket.faults_left() == 0).then_some(()));
        std::thread::sleep(Duration::from_millis(300));
        let since = Instant::now();
        running.signal(Signal::INT);
        wait::until(PATIENCE, "it ends", || (running.has_ended()).then_some(()));
        assert!(since.elapsed() < Duration::from_secs(5), "{name}, {method}: {:?}", since.elapsed());
    }
}

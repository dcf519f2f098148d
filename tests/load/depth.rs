//! `mds_dlq_depth_…`: what stands in a queue, whoever has put it there.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::harness::http::{address, get};
use crate::harness::{Store, Work, on_both_stores, wait};

const HEADER: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";

/// So many bars, of which each has no number for its volume.
fn bad(first: usize, rows: usize) -> String {
    let line = |n: usize| format!("2024-03-04T{:02}:{:02}:00Z,v,A,1m,1,1,1,1,x\n", n / 60, n % 60);
    (first..first + rows).map(line).collect()
}

/// Rows and bytes of the queue by the metrics, which have one of each.
fn depth(text: &str, coord_id: &str, queue: &str) -> Option<(u64, u64)> {
    let of = |name: &str| {
        let sample = format!("mds_dlq_depth_{name}{{coord_id=\"{coord_id}\",queue=\"{queue}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&sample))?.parse().ok()
    };
    assert!(text.matches("mds_dlq_depth_rows{").count() <= 1, "{text}");
    Some((of("rows")?, of("bytes")?))
}

fn size(work: &Work, names: &[&str]) -> u64 {
    names.iter().map(|name| fs::metadata(work.path(name)).map_or(0, |file| file.len())).sum()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the metrics")
}

#[test]
fn the_metrics_say_what_stands_in_the_queue_of_all_runs() {
    on_both_stores(|work, store, what| {
        let (prom, dsn) = (work.path("m.prom"), store.dsn());
        let metrics = ["--metrics-textfile", "m.prom", "--dsn", &dsn];
        let seen = |coord_id: &str| depth(&read(&prom), coord_id, "q/bars.ndjson");
        let load = |text: String, more: &[&str], code: i32| {
            let path = work.write("bars.csv", HEADER.to_owned() + &text);
            let flags = ["load", &path, "--dlq", "q/bars.ndjson"];
            work.mdsctl(flags).arguments(metrics).arguments(more.iter().copied()).run().expect(code)
        };
        let good = bad(0, 1).replace(",x", ",1");
        load(good.clone(), &[], 0);
        assert_eq!(seen("bars"), Some((0, 0)), "{what}");
        load(good.clone() + &bad(10, 3), &[], 3);
        assert_eq!(seen("bars"), Some((3, size(work, &["q/bars.ndjson"]))), "{what}");
        // What an earlier run has left stands there too, and what was set aside.
        load(good.clone() + &bad(20, 2), &["--dlq-max-bytes", "100", "--coord-id", "nightly"], 3);
        let files = ["q/bars.ndjson", "q/bars.1.ndjson", "q/bars.2.ndjson", "q/bars.3.ndjson"];
        assert_eq!(seen("nightly"), Some((5, size(work, &files))), "{what}");
        assert!(work.path("q/bars.1.ndjson").exists(), "{what}");
        let health = work.mdsctl(["health", "--dsn", &dsn, "--dlq", "q", "--json"]).run().expect(1);
        assert_eq!(health.json()["perfdata"]["dlq_rows"], 5.0, "{what}: {health}");

        // Some of them are thrown away, one after the other are tried in vain, then all go in.
        let replay = |more: &[&str], code: i32| {
            let flags = ["replay-dlq", "q/bars.ndjson"];
            work.mdsctl(flags).arguments(metrics).arguments(more.iter().copied()).run().expect(code)
        };
        replay(&[], 3);
        assert_eq!(seen("bars").map(|(rows, _)| rows), Some(5), "{what}");
        replay(&["--set", "volume=7", "--limit", "2"], 0);
        assert_eq!(seen("bars").map(|(rows, _)| rows), Some(3), "{what}");
        replay(&["--max-attempts", "2"], 3);
        assert_eq!(seen("bars").map(|(rows, _)| rows), Some(0), "parked ones are not in it, {what}");
        assert_eq!(store.count("bars"), Some(3), "{what}");
    });
}

#[test]
fn whoever_listens_sees_the_queue_grow_and_that_it_cannot_be_read() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let queue = work.path("q/bars.ndjson");
    let path = queue.to_str().expect("UTF-8");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--dataset", "bars", "--dlq", path, "--metrics-listen", "127.0.0.1:0"];
    let mut running = work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).pipe(reader).spawn();
    let at = address(&mut running);
    writer.write_all(HEADER.as_bytes()).expect("the pipe");
    let mut rows = 0;
    for more in [1, 4] {
        writer.write_all(bad(rows, more).as_bytes()).expect("the pipe");
        rows += more;
        wait::until(wait::PATIENCE, "the rows in the metrics", || {
            let seen = depth(&get(at, "/metrics").expect(200).body, "bars", path)?;
            (seen == (rows as u64, size(&work, &["q/bars.ndjson"]))).then_some(())
        });
    }
    let letters = fs::read(&queue).expect("letters");
    fs::remove_file(&queue).expect("removed");
    fs::create_dir(&queue).expect("a directory in its place");
    wait::until(wait::PATIENCE, "no number", || {
        depth(&get(at, "/metrics").expect(200).body, "bars", path).is_none().then_some(())
    });
    fs::remove_dir(&queue).expect("removed");
    fs::write(&queue, letters).expect("letters");
    wait::until(wait::PATIENCE, "the rows again", || {
        (depth(&get(at, "/metrics").expect(200).body, "bars", path)?.0 == 5).then_some(())
    });
    drop(writer);
    running.finish().expect(3);
}

//! How much is on its way at once, and how fast.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::object;
use crate::harness::{Store, Work};

fn bars(rows: usize) -> String {
    let mut text = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n".to_owned();
    for row in 0..rows {
        let (h, m, s) = (row / 3600, row / 60 % 60, row % 60);
        writeln!(text, "2024-03-04T{h:02}:{m:02}:{s:02}Z,v,AAPL,1s,1,1,1,1,1").expect("a text");
    }
    text
}

#[test]
fn the_queue_never_holds_more_than_its_capacity() {
    let text = bars(20_000);
    for store in ["SQLite", "PostgreSQL"] {
        for capacity in [1_usize, 100, 2_000] {
            let work = Work::new();
            let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
            let rows = if capacity == 1 { 50 } else { 20_000 };
            let lines = text.split_inclusive('\n').take(rows + 1).collect::<String>();
            work.write("bars.csv", lines);
            let (asked, dsn) = (capacity.to_string(), store.dsn());
            let flags = ["load", "bars.csv", "--json", "--capacity", &asked, "--dsn", &dsn];
            let result = object(&work.mdsctl(flags).run().expect(0));
            let peak = result["queue"]["peak"].as_u64().expect("a peak");
            assert!(peak >= 1 && peak <= capacity as u64, "{store}, {capacity}: {result}");
            assert_eq!(result["rows"]["inserted"], rows, "{store}: {result}");
        }
    }
}

#[test]
fn a_rate_holds_and_what_is_read_is_stored() {
    let work = Work::new();
    work.write("bars.csv", bars(2_000));
    let (dsn, began) = ("sqlite:s.db", Instant::now());
    let flags = ["load", "bars.csv", "--json", "--rate-limit", "2000/s", "--dsn", dsn];
    let result = object(&work.mdsctl(flags).run().expect(0));
    assert_eq!(result["rows"]["inserted"], 2_000, "{result}");
    // Twenty pieces, of which one may be made up for and the first waits for nobody.
    assert!(began.elapsed() >= Duration::from_millis(700), "{result}");
    for wrong in ["0", "-5", "fast"] {
        let run = work.mdsctl(["load", "bars.csv", "--dsn", dsn, &format!("--rate-limit={wrong}")]).run();
        assert!(run.expect(2).stderr.contains("--rate-limit"), "{wrong}");
    }
}

#[test]
fn the_end_of_the_input_waits_for_no_fuller_batch() {
    for store in ["SQLite", "PostgreSQL"] {
        let work = Work::new();
        let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
        work.write("bars.csv", bars(100));
        let dsn = store.dsn();
        let run = work.mdsctl(["load", "bars.csv", "--json", "--flush-interval", "1h", "--dsn", &dsn]);
        let result = object(&run.run().expect(0));
        assert_eq!(result["rows"]["inserted"], 100, "{store}: {result}");
        let follow = ["tail", "bars.csv", "--json", "--flush-interval", "1h", "--idle-exit", "300ms"];
        let run = work.mdsctl(follow).arguments(["--dsn", &dsn]);
        let result = object(&run.run().expect(0));
        assert_eq!(result["rows"]["unchanged"], 100, "{store}: {result}");
    }
}

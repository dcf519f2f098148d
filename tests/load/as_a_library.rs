//! The use cases as a program of one's own calls them: plans in, reports out, nothing printed.

use std::sync::{Arc, Mutex};

use mdsctl::app::caller::{Caller, Listener, RunReport};
use mdsctl::app::exit::Exit;
use mdsctl::app::interrupts::Interrupts;
use mdsctl::app::metrics::RunMetrics;
use mdsctl::app::plan::{ReplayPlan, RunPlan};
use mdsctl::app::{load, replay};
use mdsctl::error::Result;
use mdsctl::sink;

use crate::harness::{Store, Work};

/// Keeps what it is told.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Listener for Kept {
    fn ended(&self, report: &RunReport) -> Result<()> {
        let rows = &report.result.rows.books;
        let told = format!("{} {}/{}", report.result.command, rows.inserted, rows.rejected);
        self.0.lock().expect("no panic").push(told);
        Ok(())
    }
}

#[test]
fn a_program_loads_a_file_and_replays_what_failed() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let open = || sink::open(&store.dsn(), "the test").expect("a store");
    let rows = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n2024-01-02,v,A,1d,1,2,1,1,3\n2024-01-03,v,A,1d,x,2,1,1,3\n";
    let (path, queue) = (work.write("bars.csv", rows), work.path("bad.ndjson"));
    let kept = Arc::new(Kept::default());
    let caller = || Caller { listener: kept.clone(), ..Caller::default() };
    let plan = || {
        let mut plan = RunPlan::new([&path], open());
        plan.rejects.dlq = Some(queue.clone());
        plan
    };
    let report = load::run(&caller(), plan(), &RunMetrics::none()).expect("a report");
    assert_eq!((report.exit, report.errors.len()), (Exit::Rejects, 0));
    assert_eq!(store.count("bars"), Some(1));

    // The open of the second row is taken from another column, where it can be read.
    let mut again = ReplayPlan::new([&queue], open());
    again.mend.values.map.push(("open_price".into(), "close_price".into()));
    let report = replay::run(&caller(), again, &RunMetrics::none()).expect("a report");
    assert_eq!((report.exit, store.count("bars")), (Exit::Stored, Some(2)), "{}", report.result);
    let told = kept.0.lock().expect("no panic").clone();
    assert_eq!(told, ["load 1/1", "replay-dlq 1/0"]);

    // Who has asked for an end before it began gets one.
    let (ask, interrupts) = Interrupts::channel();
    ask.send_modify(|heard| heard.first = Some(Exit::Interrupted));
    let caller = Caller { interrupts, ..Caller::default() };
    let ended = load::run(&caller, plan(), &RunMetrics::none()).map_or_else(|e| Exit::from(&e), |r| r.exit);
    assert_eq!(ended, Exit::Interrupted);
    assert_eq!(store.count("bars"), Some(2));
}

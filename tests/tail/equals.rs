//! Equal ticks without an id are as many fills, also on both sides of a restart.

use std::fs;

use rustix::process::Signal;

use super::{PATIENCE, append};
use crate::harness::{Store, Work, on_every_store, wait};

const HEADER: &str = "ts,vendor,symbol,price,size\n";
const TICK: &str = "2024-03-04T10:00:00Z,v,A,1.5,100\n";

fn other(second: u64) -> String {
    format!("2024-03-04T10:00:{second:02}Z,v,A,1.5,100\n")
}

#[test]
fn equal_ticks_on_both_sides_of_a_restart_are_all_stored() {
    on_every_store(|work: &Work, store: &Store, workers, what| {
        let flags = ["tail", "in.csv", "--dataset", "ticks", "--json", "--workers", workers, "--dsn"];
        let tail = || work.mdsctl(flags).arguments([store.dsn()]);
        let all = || tail().arguments(["--idle-exit", "300ms"]).run().expect(0);
        append(work, "in.csv", &(HEADER.to_owned() + TICK + TICK));
        all();
        append(work, "in.csv", &(TICK.to_owned() + &other(1)));
        let run = all();
        assert_eq!((run.books().inserted, store.count("ticks")), (2, Some(4)), "{what}: {run}");
        // Killed before its place is noted, or after: what is read again counts as it did.
        for round in 0..3 {
            append(work, "in.csv", &(TICK.to_owned() + TICK + &other(2 + round)));
            let mut running = tail().spawn();
            let rows = 4 + 3 * (round + 1);
            wait::until(PATIENCE, "the rows", || {
                assert!(!running.has_ended(), "{}", running.said());
                (store.count("ticks") == Some(rows)).then_some(())
            });
            running.signal(Signal::KILL);
            running.finish_quietly();
        }
        // A copy beside it is another matter.
        append(work, "in.csv", TICK);
        fs::copy(work.path("in.csv"), work.path("in.csv.1")).expect("copied");
        append(work, "in.csv", TICK);
        let run = all();
        assert_eq!(store.count("ticks"), Some(15), "{what}: {run}");
        // The file itself has the same rows.
        let load = ["load", "in.csv", "--dataset", "ticks", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(load).run().expect(0);
        assert_eq!((run.books().unchanged, run.books().read), (15, 15), "{what}: {run}");
        assert_eq!(store.count("ticks"), Some(15), "{what}: {run}");
    });
}

/// A feed of many symbols has many rows in the second of the opening, and its twins far apart.
#[test]
fn equal_ticks_on_both_sides_of_a_restart_with_thousands_between_them_are_all_stored() {
    on_every_store(|work: &Work, store: &Store, workers, what| {
        let flags = ["tail", "in.csv", "--dataset", "ticks", "--json", "--workers", workers, "--dsn"];
        let tail = || work.mdsctl(flags).arguments([store.dsn()]);
        let all = || tail().arguments(["--idle-exit", "300ms"]).run().expect(0);
        let others: String =
            (0..2_000).map(|symbol| format!("2024-03-04T10:00:00Z,v,S{symbol},1.5,100\n")).collect();
        append(work, "in.csv", &(HEADER.to_owned() + TICK + TICK + &others));
        all();
        append(work, "in.csv", TICK);
        let run = all();
        assert_eq!((run.books().inserted, store.count("ticks")), (1, Some(2_003)), "{what}: {run}");
        append(work, "in.csv", &others);
        let mut running = tail().spawn();
        wait::until(PATIENCE, "the rows", || {
            assert!(!running.has_ended(), "{}", running.said());
            (store.count("ticks") == Some(4_003)).then_some(())
        });
        running.signal(Signal::KILL);
        running.finish_quietly();
        append(work, "in.csv", &(TICK.to_owned() + &others));
        let run = all();
        assert_eq!(store.count("ticks"), Some(6_004), "{what}: {run}");
    });
}

//! `mdsctl tail`, end to end.

mod begins;
mod bodies;
mod copies;
mod delivered;
mod equals;
mod exact;
#[cfg(feature = "kafka")]
mod kafka;
mod lag;
mod learned;
mod lines;
mod live;
#[cfg(feature = "nats")]
mod nats;
mod redis;
mod refused_rotated;
mod scaled;
mod seams;
mod spelt;
mod timeframes;
mod tls;
mod waits;
mod zeros;

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use rustix::process::Signal;

use crate::harness::run::Running;
use crate::harness::store::on_every_store;
use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Store, Work, wait};

const HEADER: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";

/// Bars, one for each of those minutes.
fn bars(minutes: std::ops::Range<u64>) -> String {
    let line = |m: u64| format!("2024-03-04T{:02}:{:02}:00Z,v,AAPL,1m,1,1,1,1,{m}\n", m / 60, m % 60);
    minutes.map(line).collect()
}

fn append(work: &Work, name: &str, text: &str) {
    let path = work.path(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("it is made");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
}

fn tail(work: &Work, store: &Store, input: &str, workers: &str) -> Running {
    let flags = ["tail", input, "--json", "--workers", workers, "--dsn", &store.dsn()];
    work.mdsctl(flags).spawn()
}

fn stored(store: &Store, running: &mut Running, rows: u64) {
    let what = format!("{rows} rows in the table");
    let seen = wait::within(PATIENCE, || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        store.count("bars").filter(|seen| *seen == rows)
    });
    assert!(seen.is_some(), "{what}, there are {:?}: {}", store.count("bars"), running.said());
}

fn stop(running: Running) -> crate::harness::run::Books {
    running.signal(Signal::INT);
    running.finish().expect(130).books()
}

#[test]
fn a_file_that_grows_is_renamed_truncated_and_made_again() {
    on_every_store(|work, store, workers, what| {
        append(work, "bars.csv", HEADER);
        append(work, "bars.csv", &bars(0..2));
        let mut running = tail(work, store, "bars.csv", workers);
        stored(store, &mut running, 2);

        // Only the whole lines of a piece.
        let text = bars(2..4);
        let (whole, torn) = text.split_at(text.len() - 7);
        append(work, "bars.csv", whole);
        stored(store, &mut running, 3);
        append(work, "bars.csv", torn);
        stored(store, &mut running, 4);

        // Renamed, with a last line for the old name; the new one has another order of columns.
        append(work, "bars.csv", &bars(4..5));
        fs::rename(work.path("bars.csv"), work.path("bars.csv.1")).expect("renamed");
        append(work, "bars.csv.1", &bars(5..6));
        let turned = "symbol,ts,vendor,timeframe,open,high,low,close,volume\n\
                      AAPL,2024-03-04T00:06:00Z,v,1m,1,1,1,1,6\n";
        append(work, "bars.csv", turned);
        stored(store, &mut running, 7);

        // Copied and truncated.
        File::create(work.path("bars.csv")).expect("truncated");
        append(work, "bars.csv", HEADER);
        append(work, "bars.csv", &bars(7..10));
        stored(store, &mut running, 10);

        // Deleted and made again.
        fs::remove_file(work.path("bars.csv")).expect("deleted");
        append(work, "bars.csv", HEADER);
        append(work, "bars.csv", &bars(10..12));
        stored(store, &mut running, 12);
        let books = stop(running);
        assert_eq!((books.read, books.inserted), (12, 12), "{what}");
    });
}

#[test]
fn new_files_of_a_glob_are_picked_up_and_restarts_go_on() {
    on_every_store(|work, store, workers, what| {
        append(work, "a.csv", HEADER);
        append(work, "a.csv", &bars(0..3));
        let mut running = tail(work, store, "*.csv", workers);
        stored(store, &mut running, 3);
        append(work, "b.csv", HEADER);
        append(work, "b.csv", &bars(3..5));
        stored(store, &mut running, 5);
        stop(running);

        append(work, "a.csv", &bars(5..7));
        append(work, "c.csv", HEADER);
        append(work, "c.csv", &bars(7..8));
        let mut running = tail(work, store, "*.csv", workers);
        stored(store, &mut running, 8);
        let books = stop(running);
        assert_eq!((books.read, books.inserted), (3, 3), "{what}: it goes on behind the checkpoint");
    });
}

#[test]
fn killed_again_and_again_it_loses_and_doubles_nothing() {
    on_every_store(|work, store, workers, what| {
        append(work, "bars.csv", HEADER);
        for round in 0..4 {
            append(work, "bars.csv", &bars(round * 100..round * 100 + 100));
            let mut running = tail(work, store, "bars.csv", workers);
            stored(store, &mut running, round * 100 + 100);
            append(work, "bars.csv", "");
            running.signal(Signal::KILL);
            assert_eq!(running.finish_quietly(), -Signal::KILL.as_raw(), "{what}");
        }
        let run = work
            .mdsctl(["tail", "bars.csv", "--json", "--idle-exit", "500ms", "--dsn", &store.dsn()])
            .run()
            .expect(0);
        assert_eq!(run.books().inserted, 0, "{what}: {run}");
        assert_eq!(store.count("bars"), Some(400), "{what}");
    });
}

#[test]
fn it_ends_when_nothing_comes_and_says_what_it_cannot_follow() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..3));
    append(&work, "bars.csv", "2024-03-04T01:00:00Z,v,AAPL,1m,x,1,1,1,1\n2024-03-04T02:0");
    let flags = ["tail", "bars.csv", "--json", "--idle-exit", "300ms", "--dsn", &store.dsn()];
    let books = work.mdsctl(flags).run().expect(3).books();
    assert_eq!((books.read, books.inserted, books.rejected), (4, 3, 1));
    let books = work.mdsctl(flags).run().expect(0).books();
    assert_eq!(books.read, 0, "the half line stays where it is");

    work.write("bars.csv.gz", [0x1F, 0x8B, 8, 0]);
    let run = work.mdsctl(["tail", "bars.csv.gz", "--dsn", &store.dsn()]).run().expect(2);
    assert!(run.error().contains("cannot be followed"), "{run}");
}

#[test]
fn a_pipe() {
    on_every_store(|work, store, workers, what| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["tail", "-", "--json", "--dataset", "bars", "--workers", workers, "--dsn", &store.dsn()];
        let mut running = work.mdsctl(flags).pipe(reader).spawn();
        writer.write_all((HEADER.to_owned() + &bars(0..2)).as_bytes()).expect("the pipe");
        stored(store, &mut running, 2);
        drop(writer);
        assert_eq!(running.finish().expect(0).books().inserted, 2, "{what}");
    });
}

#[test]
fn a_server_killed_meanwhile() {
    let server = Postgres::private();
    let (work, store) = (Work::new(), Store::Postgres(server.database_with_schema()));
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..2));
    let mut running = tail(&work, &store, "bars.csv", "2");
    stored(&store, &mut running, 2);
    server.kill9();
    append(&work, "bars.csv", &bars(2..4));
    assert!(!running.has_ended(), "it waits for the server");
    server.start();
    append(&work, "bars.csv", &bars(4..5));
    stored(&store, &mut running, 5);
    stop(running);
}

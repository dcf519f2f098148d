//! Ctrl-C: stop reading, drain, close the books. Nothing consumed is lost.

use std::collections::BTreeSet;
use std::fs;
use std::io::{PipeReader, Read, Write};

use rustix::process::Signal;

use crate::generator::market::{Dataset, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::Format;
use crate::harness::large::LARGE;
use crate::harness::run::Running;
use crate::harness::truth::{assert_same, canonical_row, sorted};
use crate::harness::wait::PATIENCE;
use crate::harness::{Store, Work, dlq, on_every_store, wait};

fn first_rows(store: &Store, running: &mut Running) {
    wait::until(PATIENCE, "the first rows in the table", || {
        assert!(!running.has_ended(), "it ended before a row was seen");
        store.count("bars").filter(|rows| *rows > 0)
    });
}

#[test]
fn in_the_middle_of_a_file() {
    let all = &LARGE.truth;
    let signals = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143), (Signal::QUIT, 143)];
    for (signal, code) in signals {
        for (kind, workers) in [("sqlite", "1"), ("postgres", "1"), ("postgres", "4")] {
            let work = Work::new();
            let store = if kind == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
            let what = format!("{store}, {workers} workers, {code}");
            let flags = ["load", LARGE.path(), "--json", "--workers", workers, "--dsn", &store.dsn()];
            let program = work.mdsctl(flags).arguments(["--batch-size", "500", "--capacity", "4000"]);
            let mut running = program.spawn();
            first_rows(&store, &mut running);
            running.signal(signal);
            let run = running.finish().expect(code);
            let books = run.books();
            assert!(books.read < LARGE.plan.rows, "{what}: it was over before the signal: {run}");
            assert_eq!(books.rejected + books.dropped, 0, "{what}: {run}");
            let stored = store.stored(&LARGE.plan);
            assert_eq!(stored.len() as u64, books.inserted, "{what}: {run}");
            assert!(stored.iter().all(|row| all.binary_search(row).is_ok()), "{what}");
            // The same command again finishes the job.
            if code == 130 && workers == "4" {
                let again = ["load", LARGE.path(), "--json", "--dsn", &store.dsn()];
                let run = work.mdsctl(again).run().expect(0);
                assert_eq!(run.books().unchanged, books.inserted, "{what}: {run}");
                assert_same(&store.stored(&LARGE.plan), all, &what);
            }
        }
    }
}

/// What is left in a pipe that nobody writes to any more.
fn rest(mut pipe: PipeReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("the pipe");
    bytes
}

#[test]
fn in_the_middle_of_a_stream_that_goes_on() {
    let plan = Plan::new(Dataset::Bars, 60_000, 21);
    let fields = plan.fields();
    for format in [Format::Csv, Format::Ndjson] {
        on_every_store(|work, store, workers, what| {
            let what = format!("{what}, {format:?}");
            let path = work.generate("stream", &plan, format, &Spoil::none());
            let input = fs::read(path).expect("the file");
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            // Our own end, to see what the program has left in the pipe.
            let ours = reader.try_clone().expect("a pipe");
            let flags = ["load", "-", "--json", "--workers", workers, "--dsn", &store.dsn()];
            let program = work.mdsctl(flags).arguments(["--batch-size", "200", "--capacity", "2000"]);
            let mut running = program.pipe(reader).spawn();
            let (send, sent) = std::sync::mpsc::channel::<()>();
            let feeder = std::thread::spawn(move || {
                let mut given = 0;
                // Ends by itself when the pipe is full and the last reader is gone.
                for piece in input.chunks(1000) {
                    if writer.write_all(piece).is_err() {
                        break;
                    }
                    given += piece.len();
                }
                // The stream stays open: the end is the program's to make.
                let _ = sent.recv();
                (input, given)
            });
            first_rows(store, &mut running);
            running.signal(Signal::INT);
            let run = running.finish().expect(130);
            drop(send);
            // Whatever the feeder still writes goes to us.
            let left = rest(ours);
            let (input, given) = feeder.join().expect("the feeder");
            let consumed = &input[..given - left.len()];
            let lines = consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
            let header = u64::from(format == Format::Csv);
            // An object is whole without its newline, where the stop comes between the two.
            let closed = format == Format::Ndjson && consumed.ends_with(b"}");
            let whole = (lines.saturating_sub(header) + u64::from(closed)) as usize;

            let books = run.books();
            assert!(books.read >= whole as u64, "{what}: {whole} rows were consumed: {run}");
            let stored = store.stored(&plan);
            let buried = dlq::rows(&work.dlq(".dlq/bars.ndjson"));
            assert_eq!(stored.len() as u64, books.inserted, "{what}: {run}");
            assert_eq!(buried, books.rejected + books.dropped, "{what}: {run}");
            if buried == 0 {
                let expected = plan.rows().take(whole).map(|row| canonical_row(&fields, &row));
                assert_same(&stored, &sorted(expected.collect()), &what);
            } else {
                assert!(stored.len() as u64 + buried >= whole as u64, "{what}: {run}");
                let keys: BTreeSet<_> = stored.iter().collect();
                let missing =
                    plan.rows().take(whole).filter(|row| !keys.contains(&canonical_row(&fields, row)));
                assert!(missing.count() as u64 <= buried, "{what}: {run}");
            }
        });
    }
}

#[test]
fn while_the_stream_is_silent() {
    on_every_store(|work, store, workers, what| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--json", "--workers", workers, "--dsn", &store.dsn()];
        let mut running = work.mdsctl(flags).pipe(reader).spawn();
        let csv = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
                   2024-03-04T14:30:00Z,v,AAPL,1m,1,1,1,1,1\n\
                   2024-03-04T14:31:00Z,v,AAPL,1m,1,1,1,1,1\n\
                   2024-03-04T14:3";
        writer.write_all(csv.as_bytes()).expect("the pipe");
        // A trickle is stored while the stream is open.
        wait::until(PATIENCE, "both rows in the table", || {
            assert!(!running.has_ended(), "{what}: the stream is still open");
            store.count("bars").filter(|rows| *rows == 2)
        });
        running.signal(Signal::INT);
        let run = running.finish().expect(130);
        assert_eq!(run.books().inserted, 2, "{what}: {run}");
        drop(writer);
    });
}

#[test]
fn before_the_first_byte() {
    on_every_store(|work, store, workers, what| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--json", "--dataset", "bars", "--workers", workers, "--dsn", &store.dsn()];
        let running = work.mdsctl(flags).pipe(reader).spawn();
        // Nothing tells when it listens to signals. An early one ends it the hard way, which is
        // as well: nothing has been read.
        running.signal(Signal::INT);
        let code = running.finish_quietly();
        assert!([130, -(Signal::INT.as_raw())].contains(&code), "{what}: exit {code}");
        drop(writer);
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{what}");
    });
}

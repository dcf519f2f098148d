//! Equal ticks without an id on both sides of a rotation or a truncation: fills of their own where the stream went
//! on, the same ones where it began again.

use std::fs;

use rustix::process::Signal;

use super::{PATIENCE, append};
use crate::harness::run::{Mdsctl, Running};
use crate::harness::{Run, Store, Work, on_both_stores, wait};

const HEADER: &str = "ts,vendor,symbol,price,size\n";

/// Ticks, one for each letter: equal ones for equal letters.
fn ticks(letters: &str) -> String {
    let line =
        |letter| format!("2024-03-04T10:00:{:02}Z,v,A,1.5,{}\n", u32::from(letter) % 60, u32::from(letter));
    letters.chars().map(line).collect()
}

fn file(letters: &str) -> String {
    HEADER.to_owned() + &ticks(letters)
}

fn tail(work: &Work, store: &Store) -> Mdsctl {
    work.mdsctl(["tail", "f.csv", "--dataset", "ticks", "--json", "--dsn", &store.dsn()]).within(PATIENCE)
}

fn all(work: &Work, store: &Store) -> Run {
    tail(work, store).arguments(["--idle-exit", "300ms"]).run().expect(0)
}

fn rename(work: &Work, from: &str, to: &str) {
    fs::rename(work.path(from), work.path(to)).expect("renamed");
}

fn comes_to(store: &Store, rows: u64, running: &mut Running, what: &str) {
    let seen = wait::within(PATIENCE, || {
        assert!(!running.has_ended(), "{what}: {}", running.said());
        (store.count("ticks") == Some(rows)).then_some(())
    });
    assert!(seen.is_some(), "{what}: {rows} rows, there are {:?}: {}", store.count("ticks"), running.said());
}

#[test]
fn equal_ticks_on_both_sides_of_a_rotation_are_all_stored_and_those_sent_again_are_not() {
    on_both_stores(|work, store, what| {
        append(work, "f.csv", &file("AX"));
        all(work, store);
        rename(work, "f.csv", "f.csv.1");
        // Ended once more before the new file has a row.
        append(work, "f.csv", HEADER);
        all(work, store);
        append(work, "f.csv", &ticks("X"));
        let run = all(work, store);
        assert_eq!((run.books().inserted, store.count("ticks")), (1, Some(3)), "{what}: {run}");
        let notes = run.json()["notes"].to_string();
        assert!(notes.contains("stored as a fill of its own"), "{what}: {run}");
        // What it is stays known.
        append(work, "f.csv", &ticks("XBD"));
        let run = all(work, store);
        assert_eq!((run.books().inserted, store.count("ticks")), (3, Some(6)), "{what}: {run}");
        rename(work, "f.csv.1", "f.csv.2");
        rename(work, "f.csv", "f.csv.1");
        append(work, "f.csv", &file("BDC"));
        let run = all(work, store);
        assert_eq!((run.books().inserted, store.count("ticks")), (1, Some(7)), "{what}: {run}");
        // One load of the same files has the same rows.
        let files = ["load", "f.csv.2", "f.csv.1", "f.csv", "--dataset", "ticks", "--json", "--dsn"];
        let run = work.mdsctl(files).arguments([store.dsn()]).run().expect(0);
        assert_eq!((run.books().inserted, store.count("ticks")), (0, Some(7)), "{what}: {run}");
    });
}

#[test]
fn killed_about_a_rotation_equal_ticks_are_all_stored_once() {
    on_both_stores(|work, store, what| {
        for killed in ["before the first row", "after it"] {
            let what = format!("{what}, killed {killed}");
            for name in ["f.csv", "f.csv.1"] {
                fs::remove_file(work.path(name)).ok();
            }
            fs::remove_dir_all(work.path(".mdsctl")).ok();
            store.try_rows("DELETE FROM ticks").ok();
            append(work, "f.csv", &file("AX"));
            let mut running = tail(work, store).spawn();
            comes_to(store, 2, &mut running, &what);
            rename(work, "f.csv", "f.csv.1");
            if killed == "after it" {
                append(work, "f.csv", &file("XB"));
                comes_to(store, 4, &mut running, &what);
            }
            running.signal(Signal::KILL);
            running.finish_quietly();
            if killed != "after it" {
                append(work, "f.csv", &file("XB"));
            }
            let run = all(work, store);
            assert_eq!(store.count("ticks"), Some(4), "{what}: {run}");
            append(work, "f.csv", &ticks("BE"));
            let run = all(work, store);
            assert_eq!((run.books().inserted, store.count("ticks")), (2, Some(6)), "{what}: {run}");
        }
    });
}

/// The file before need not be there any more.
#[test]
fn equal_ticks_of_a_file_that_is_deleted_and_made_again_are_all_stored() {
    on_both_stores(|work, store, what| {
        for runs in [false, true] {
            let what = format!("{what}, {}", if runs { "while a tail runs" } else { "while none runs" });
            fs::remove_file(work.path("f.csv")).ok();
            fs::remove_dir_all(work.path(".mdsctl")).ok();
            store.try_rows("DELETE FROM ticks").ok();
            append(work, "f.csv", &file("AX"));
            let mut running = tail(work, store).spawn();
            comes_to(store, 2, &mut running, &what);
            if !runs {
                running.signal(Signal::INT);
                running.finish().expect(130);
                fs::remove_file(work.path("f.csv")).expect("removed");
                append(work, "f.csv", &file("XB"));
                running = tail(work, store).spawn();
            } else {
                fs::remove_file(work.path("f.csv")).expect("removed");
                append(work, "f.csv", &file("XB"));
            }
            comes_to(store, 4, &mut running, &what);
            running.signal(Signal::INT);
            running.finish().expect(130);
        }
    });
}

/// Only what begins with the last row of before goes on; else the file was written anew.
#[test]
fn equal_ticks_about_a_truncation_are_stored_as_the_stream_goes_on_or_begins_again() {
    on_both_stores(|work, store, what| {
        for runs in [false, true] {
            let what = format!("{what}, {}", if runs { "while a tail runs" } else { "while none runs" });
            for name in ["f.csv", "f.csv.1"] {
                fs::remove_file(work.path(name)).ok();
            }
            fs::remove_dir_all(work.path(".mdsctl")).ok();
            store.try_rows("DELETE FROM ticks").ok();
            append(work, "f.csv", &file("AX"));
            let mut running = runs.then(|| tail(work, store).spawn());
            let mut comes = |rows: u64, step: &str| match &mut running {
                Some(running) => comes_to(store, rows, running, &format!("{what} {step}")),
                None => {
                    let run = all(work, store);
                    assert_eq!(store.count("ticks"), Some(rows), "{what} {step}: {run}");
                }
            };
            comes(2, "begins");
            fs::write(work.path("f.csv"), file("XBCDE")).expect("written over");
            comes(7, "goes on");
            fs::write(work.path("f.csv"), file("DF")).expect("written over");
            comes(8, "written anew");
            fs::copy(work.path("f.csv"), work.path("f.csv.1")).expect("copied");
            fs::write(work.path("f.csv"), file("FGHI")).expect("truncated");
            comes(12, "copied and truncated");
            if let Some(running) = running {
                running.signal(Signal::INT);
                running.finish().expect(130);
            }
        }
    });
}

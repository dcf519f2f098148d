//! Equal ticks without an id on both sides of the seam of two files: fills of their own where one stream was cut
//! in two, the same ones where files overlap.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rustix::process::Signal;

use crate::harness::{Run, Store, Work, on_both_stores, wait};

const NAMES: [&str; 5] = ["ts", "vendor", "symbol", "price", "size"];

/// How files are written.
const FORMS: [&str; 4] = ["csv", "ndjson", "parquet", "csv.gz"];

/// Fills, one for each letter: equal ones for equal letters, of a symbol for each case.
fn fills(case: usize, letters: &str) -> Vec<[String; 5]> {
    let fill = |letter: char| {
        let second = u32::from(letter) % 60;
        [
            format!("2024-03-04T10:00:{second:02}Z"),
            "v".to_owned(),
            format!("S{case}"),
            "1.5".to_owned(),
            u32::from(letter).to_string(),
        ]
    };
    letters.chars().map(fill).collect()
}

fn csv(rows: &[[String; 5]]) -> String {
    let lines = rows.iter().map(|row| row.join(",") + "\n");
    std::iter::once(NAMES.join(",") + "\n").chain(lines).collect()
}

/// A file of those rows; its name.
fn written(work: &Work, name: &str, form: &str, rows: &[[String; 5]]) -> String {
    let name = format!("{name}.{form}");
    match form {
        "csv" => work.write(&name, csv(rows)),
        "ndjson" => {
            let object = |row: &[String; 5]| {
                let members: Vec<String> =
                    NAMES.iter().zip(row).map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
                format!("{{{}}}\n", members.join(","))
            };
            work.write(&name, rows.iter().map(object).collect::<String>())
        }
        "csv.gz" => {
            let plain = work.write("plain.csv", csv(rows));
            let packed = Command::new("gzip").args(["-nc", &plain]).output().expect("gzip");
            work.write(&name, packed.stdout)
        }
        _ => {
            let column = |at: usize| {
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[at]))) as ArrayRef
            };
            let batch = RecordBatch::try_from_iter((0..5).map(|at| (NAMES[at], column(at)))).expect("rows");
            let path = work.write(&name, "");
            let file = File::create(&path).expect("a file");
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
            writer.write(&batch).and_then(|()| writer.close()).expect("written");
            path
        }
    }
}

fn load(work: &Work, store: &Store, inputs: &[String], flags: &[&str]) -> Run {
    let dsn = store.dsn();
    work.mdsctl(["load", "--dataset", "ticks", "--json", "--dsn", &dsn])
        .arguments(inputs)
        .arguments(flags.iter().copied())
        .run()
        .expect(0)
}

/// What a run says, with the line breaks of its paragraphs taken out.
fn said(run: &Run) -> String {
    run.json()["notes"].to_string()
}

/// All of the table, as it is beside the times of the load itself.
fn table(store: &Store) -> Vec<Vec<Option<String>>> {
    store.rows("SELECT symbol, ts, price, size, trade_id FROM ticks ORDER BY 1, 2, 3, 4, 5")
}

const CUT: &str = "stored as a fill of its own";
const CUTS: &str = "stored as fills of their own";
const SAME: &str = "stored once";

/// The rows of the files, how many of them are stored, and what is said.
const CASES: [(&[&str], u64, Option<&str>); 9] = [
    (&["AX", "XB"], 4, Some(CUT)),
    (&["XX", "XXX"], 5, Some(CUTS)),
    (&["XZ", "XY"], 4, Some(CUT)),
    (&["AX", "X", "XB"], 5, Some(CUTS)),
    (&["AXPQR", "XPB"], 8, Some(CUTS)),
    (&["ABC", "BCD"], 4, Some(SAME)),
    (&["ABCDEFGH", "CDEFGHIJ", "EFGHIJKL"], 12, Some(SAME)),
    (&["AX", "AX"], 2, Some(SAME)),
    (&["AB", "CD"], 4, None),
];

#[test]
fn a_stream_that_was_cut_between_equal_ticks_loses_none_and_files_that_overlap_double_none() {
    on_both_stores(|work, store, what| {
        let mut number = 0;
        for form in FORMS {
            for (files, stored, note) in CASES.iter().take(if form == "csv" { CASES.len() } else { 2 }) {
                number += 1;
                let file = |at: usize| written(work, &at.to_string(), form, &fills(number, files[at]));
                let inputs: Vec<String> = (0..files.len()).map(file).collect();
                let what = format!("{what} {form} {files:?}");
                let checked = (number <= 6).then(|| load(work, store, &inputs, &["--dry-run"]));
                let run = load(work, store, &inputs, &[]);
                assert_eq!(run.books().inserted, *stored, "{what}: {run}");
                for (run, step) in checked.iter().map(|run| (run, "dry run")).chain([(&run, "load")]) {
                    let said = said(run);
                    let expected = |other: &str| Some(other) == *note;
                    for words in [CUT, CUTS, SAME] {
                        assert_eq!(said.contains(words), expected(words), "{what} {step}: {run}");
                    }
                }
                // The same files again are the same rows.
                let again = load(work, store, &inputs, &[]);
                assert_eq!((again.books().inserted, again.books().updated), (0, 0), "{what}: {again}");
            }
        }
    });
}

/// What the last rows of a file are is known whatever comes first: a pipe too goes on behind it.
#[test]
fn a_pipe_goes_on_behind_a_file() {
    on_both_stores(|work, store, what| {
        let first = written(work, "a", "csv", &fills(0, "AX"));
        let load = ["load", &first, "-", "--dataset", "ticks", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(load).stdin(csv(&fills(0, "XB"))).run().expect(0);
        assert_eq!((run.books().inserted, store.count("ticks")), (4, Some(4)), "{what}: {run}");
    });
}

/// By commands of their own equal rows are one, so that loading again changes nothing; one command for the files of
/// one stream stores them all, also afterwards.
#[test]
fn two_commands_store_equal_ticks_once_and_one_command_all_of_them() {
    on_both_stores(|work, store, what| {
        let inputs = ["AX", "XB"].map(|letters| written(work, letters, "csv", &fills(0, letters)));
        let alone = |at: usize| load(work, store, &inputs[at..=at], &[]).books();
        assert_eq!((alone(0).inserted, alone(1).unchanged), (2, 1), "{what}");
        assert_eq!(store.count("ticks"), Some(3), "{what}");
        let run = load(work, store, &inputs, &[]);
        assert_eq!((run.books().inserted, run.books().unchanged), (1, 3), "{what}: {run}");
        assert_eq!(store.count("ticks"), Some(4), "{what}: {run}");
        // The advice where they were sent twice.
        let advice = "delete what was loaded and load each file by a command of its own";
        assert!(said(&run).contains(advice), "{what}: {run}");
        store.try_rows("DELETE FROM ticks").expect("deleted");
        assert_eq!((alone(0).inserted, alone(1).inserted), (2, 1), "{what}");
        assert_eq!(store.count("ticks"), Some(3), "{what}");
    });
}

/// The advice where rows that seem to be sent again are fills of their own.
#[test]
fn overlapping_ticks_that_are_fills_of_their_own_are_loaded_as_one_input() {
    on_both_stores(|work, store, what| {
        let inputs = ["AXY", "XYB"].map(|letters| written(work, letters, "csv", &fills(0, letters)));
        let run = load(work, store, &inputs, &[]);
        assert!(said(&run).contains("cat FILE FILE | mdsctl load -"), "{what}: {run}");
        assert_eq!(store.count("ticks"), Some(4), "{what}: {run}");
        let both: String =
            inputs.iter().map(|path| fs::read_to_string(work.path(path)).expect("it")).collect();
        let load = ["load", "-", "--dataset", "ticks", "--dsn", &store.dsn()];
        let run = work.mdsctl(load).stdin(both).run().expect(0);
        assert_eq!(store.count("ticks"), Some(6), "{what}: {run}");
    });
}

/// What was settled before the seam is known to the load that goes on behind it.
#[test]
fn a_load_that_is_stopped_at_the_seam_and_resumed_stores_what_one_in_one_go_does() {
    // The file before has more than is read again for its end; the one before that is not read again.
    let long = "x".repeat(2_000);
    let row = |second: u32| {
        let time = format!("2024-03-04T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        format!("{time},v,A,1.5,{second},{long}\n")
    };
    let header = NAMES.join(",") + ",conditions\n";
    let file = |seconds: std::ops::Range<u32>| header.clone() + &seconds.map(row).collect::<String>();
    let (a, b, c) = (file(0..100), file(100..700), file(699..800));
    for kind in ["SQLite", "PostgreSQL"] {
        let fresh = || {
            let work = Work::new();
            let store = if kind == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
            work.write("a.csv", &a);
            work.write("b.csv", &b);
            (work, store)
        };
        let command = |work: &Work, store: &Store| {
            let flags = ["load", "a.csv", "b.csv", "-", "--source-id", "c", "--dataset", "ticks", "--json"];
            work.mdsctl(flags).arguments(["--dsn", &store.dsn()])
        };
        let (work, store) = fresh();
        command(&work, &store).stdin(c.clone()).run().expect(0);
        let expected = table(&store);
        assert_eq!(expected.len(), 801, "{kind}");
        for signal in [Signal::INT, Signal::KILL] {
            let (work, store) = fresh();
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let mut running = command(&work, &store).pipe(reader).spawn();
            // Until the pipe shows its columns nothing is read of it.
            writer.write_all(header.as_bytes()).expect("taken");
            // Killed, a load into SQLite has not noted what is settled whole.
            let noted = signal == Signal::INT || kind == "PostgreSQL";
            wait::until(wait::PATIENCE, "both files are settled", || {
                assert!(!running.has_ended(), "{kind}: {}", running.said());
                let settled = match signal == Signal::KILL && noted {
                    true => store.try_rows("SELECT max(inputs_settled) FROM mds_runs WHERE rows_read = 700"),
                    false => store.try_rows("SELECT count(*) / 350 FROM ticks"),
                };
                (settled.ok()?.first()?.first()?.as_deref() == Some("2")).then_some(())
            });
            running.signal(signal);
            running.finish_quietly();
            drop(writer);
            assert_eq!(store.count("ticks"), Some(700), "{kind} {signal:?}");
            let run = command(&work, &store).arguments(["--resume"]).stdin(c.clone()).run().expect(0);
            let what = format!("{kind} {signal:?}: {run}");
            assert_eq!(run.stderr.contains("not read again: 1 file"), noted, "{what}");
            let (books, first) = (run.books(), if noted { 100 } else { 0 });
            assert_eq!(
                (books.read, books.skipped, books.inserted),
                (801 - first, 700 - first, 101),
                "{what}"
            );
            assert!(table(&store) == expected, "{what}");
        }
    }
}

//! Excel workbooks: the first sheet, told apart from archives, from files and pipes.

use std::io::Write as _;

use crate::harness::workbook::Cell::{Bool, Clock, Day, Empty, Fault, Formula, Inline, Moment, Number, Text};
use crate::harness::workbook::{Cell, Sheet, of_system, sheet, workbook};
use crate::harness::{Run, Store, Work, on_both_stores, pack};

fn rows(store: &Store, query: &str) -> Vec<String> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
    store.rows(query).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

fn load(work: &Work, store: &Store, input: &str, more: &[&str]) -> Run {
    let flags = ["load", input, "--json", "--vendor", "v", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

const HEADER: &[Cell<'_>] =
    &[Text("Symbol"), Text("Date"), Text("Open"), Text("High"), Text("Low"), Text("Close"), Text("Volume")];

/// Bars of a day as somebody keeps them: a title above, a column of notes, a formula, a blank row.
fn bars<'a>() -> Sheet<'a> {
    Sheet {
        name: "Prices",
        hidden: false,
        rows: vec![
            (1, vec![Inline("Daily prices of ACME")]),
            (3, HEADER.to_vec()),
            (
                4,
                vec![
                    Text("A"),
                    Day("45293"),
                    Number("10"),
                    Number("12.5"),
                    Number("9.5"),
                    Formula("D4-1", "11.5"),
                    Number("1000"),
                ],
            ),
            (
                6,
                vec![
                    Text("A"),
                    Day("45294"),
                    Number("0.1"),
                    Number("0.3"),
                    Number("0.1"),
                    Number("0.30000000000000004"),
                    Empty,
                ],
            ),
            (
                7,
                vec![
                    Text("A"),
                    Day("45295"),
                    Text("n/a?"),
                    Number("3"),
                    Number("1"),
                    Number("2"),
                    Number("5"),
                ],
            ),
        ],
    }
}

const BARS: &str =
    "SELECT symbol, ts, open_price, high_price, low_price, close_price, volume FROM bars ORDER BY ts";

#[test]
fn the_first_sheet_is_loaded_by_the_formats_of_its_cells() {
    on_both_stores(|work, store, what| {
        let path = work.write("prices.xlsx", workbook(&[bars(), sheet("Notes", &[&[Text("none")]])]));
        let flags = ["--dataset", "bars", "--timeframe", "1d", "--skip-lines", "2"];
        let run = load(work, store, &path, &flags).expect(3);
        let found = rows(store, BARS);
        assert_eq!(found.len(), 2, "{what}: {run}");
        assert!(
            found[0].starts_with("A 2024-01-02") && found[0].ends_with(" 10 12.5 9.5 11.5 1000"),
            "{found:?}"
        );
        assert!(found[1].ends_with(" 0.1 0.3 0.1 0.30000000000000004 NULL"), "{what}: {found:?}");
        let notes = run.json()["notes"].to_string();
        assert!(
            notes.contains("the rows are those of the sheet “Prices”; the sheet “Notes” was left out"),
            "{what}: {run}"
        );
        let letters = work.dlq(".dlq/bars.ndjson");
        // The number that the row has in the sheet.
        assert_eq!((letters[0].rows.clone(), letters.len()), (vec![7], 1), "{what}: {run}");
        assert!(run.stderr.contains("row 7") || run.json().to_string().contains("row 7"), "{what}: {run}");
        // The title is told, with what mends it.
        let run = load(work, store, &path, &["--dataset", "bars", "--timeframe", "1d"]).expect(2);
        assert!(run.error().contains("prices.xlsx: row 1 of the sheet has one text alone"), "{what}: {run}");
        assert!(run.error().contains("--skip-lines"), "{what}: {run}");
    });
}

#[test]
fn a_workbook_comes_from_a_pipe_compressed_and_within_an_archive() {
    let bytes = workbook(&[Sheet { rows: bars().rows[1..4].to_vec(), ..bars() }]);
    on_both_stores(|work, store, what| {
        let flags = ["--dataset", "bars", "--timeframe", "1d"];
        let stdin = ["load", "-", "--json", "--vendor", "v", "--dsn", &store.dsn()];
        for (name, bytes) in
            [("plain", bytes.clone()), ("gzip", pack::gzip(&bytes)), ("xz", pack::xz(&bytes))]
        {
            let run = work.mdsctl(stdin).arguments(flags).stdin(bytes.clone()).run().expect(0);
            assert_eq!(run.books().read, 2, "{what}, {name}: {run}");
            let path = work.write(&format!("book-{name}"), &bytes);
            let run = load(work, store, &path, &flags).expect(0);
            assert_eq!(run.books().unchanged, 2, "{what}, {name}: {run}");
        }
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file("day/prices.xlsx", zip::write::SimpleFileOptions::default()).expect("in memory");
        archive.write_all(&bytes).expect("in memory");
        let path = work.write("mail.zip", archive.finish().expect("in memory").into_inner());
        let run = load(work, store, &path, &flags).expect(0);
        assert_eq!(run.books().unchanged, 2, "{what}: {run}");
        assert!(run.json()["inputs"].to_string().contains("mail.zip/day/prices.xlsx"), "{what}: {run}");
        // Of a folder it is an input like others.
        work.write("folder/prices.XLSX", &bytes);
        let run = load(work, store, "folder", &flags).expect(0);
        assert_eq!(run.books().unchanged, 2, "{what}: {run}");
        assert_eq!(rows(store, BARS).len(), 2, "{what}");
    });
}

#[test]
fn times_have_no_zone_of_their_own_and_days_may_be_counted_from_1904() {
    let header = [Text("symbol"), Text("ts"), Text("price"), Text("size"), Text("trade_id")];
    on_both_stores(|work, store, what| {
        let moments = workbook(&[sheet(
            "Fills",
            &[&header, &[Text("A"), Moment("45293.395834756945"), Number("1.5"), Number("1"), Number("1")]],
        )]);
        let path = work.write("moments.xlsx", moments);
        load(work, store, &path, &["--dataset", "ticks", "--timezone", "America/New_York"]).expect(0);
        let since_1904 = of_system(
            &[sheet(
                "Fills",
                &[&header, &[Text("B"), Moment("43831.5"), Number("2"), Number("1"), Number("2")]],
            )],
            true,
        );
        let path = work.write("mac.xlsx", since_1904);
        load(work, store, &path, &["--dataset", "ticks"]).expect(0);
        let apart = [Text("symbol"), Text("Date"), Text("Time"), Text("price"), Text("size"), Text("ok")];
        let both = workbook(&[sheet(
            "Fills",
            &[
                &apart,
                &[Text("C"), Day("45293"), Clock("0.645833333333333"), Number("3"), Number("1"), Bool(true)],
            ],
        )]);
        let path = work.write("apart.xlsx", both);
        load(work, store, &path, &["--dataset", "ticks", "--map", "ts=Date+Time"]).expect(0);
        let found = rows(store, "SELECT symbol, ts FROM ticks ORDER BY symbol");
        let expected = ["A 2024-01-02 14:30:00.123", "B 2024-01-02 12:00:00", "C 2024-01-02 15:30:00"];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.replace('T', " ").starts_with(expected), "{what}: {found}");
        }
        assert_eq!(found.len(), 3, "{what}");
    });
}

#[test]
fn a_load_of_a_workbook_is_resumed_by_the_rows_of_the_sheet() {
    let texts: Vec<String> = (2..=20_001).map(|row| format!("{row}.5")).collect();
    let bad: Vec<u64> = (1_500..1_520).chain([19_000]).collect();
    let mut all: Vec<Vec<Cell<'_>>> = vec![["symbol", "ts", "price", "size", "trade_id"].map(Text).to_vec()];
    for (row, text) in (2..).zip(&texts) {
        let price = if bad.contains(&row) { Fault("#N/A") } else { Number(text) };
        all.push(vec![Text("A"), Moment("45293.5"), price, Number("1"), Number(text)]);
    }
    let rows: Vec<&[Cell<'_>]> = all.iter().map(Vec::as_slice).collect();
    let bytes = workbook(&[sheet("Fills", &rows)]);
    on_both_stores(|work, store, what| {
        let path = work.write("fills.xlsx", &bytes);
        let flags = ["--dataset", "ticks", "--batch-size", "100"];
        let run = load(work, store, &path, &[&flags[..], &["--max-rejects", "10"]].concat());
        assert!(run.code != 0 && run.code != 3, "{what}: {run}");
        let run = load(work, store, &path, &[&flags[..], &["--resume"]].concat()).expect(3);
        assert_eq!(store.count("ticks"), Some(19_979), "{what}: {run}");
        let mut refused: Vec<u64> =
            work.dlq(".dlq/ticks.ndjson").iter().flat_map(|one| one.rows.clone()).collect();
        refused.sort_unstable();
        assert_eq!(refused, bad, "{what}: {run}");
    });
}

#[test]
fn workbooks_that_cannot_be_read_are_refused_in_a_sentence() {
    let work = Work::new();
    let old = [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &[0; 600]].concat();
    for (name, words) in [
        (
            "old.xls",
            "old.xls: an Excel file of the form before 2007 (.xls), which cannot be read; save it as .xlsx or CSV",
        ),
        (
            "locked.xlsx",
            "locked.xlsx: an Excel workbook with a password, which cannot be read; save it without one",
        ),
    ] {
        let path = work.write(name, &old);
        let run = work.mdsctl(["load", &path]).run().expect(6);
        assert!(run.error().contains(words), "{run}");
    }
    // What unpacks to far more than it is.
    let bomb = workbook(&[sheet("S", &[&[Text("a")], &[Text(&"x".repeat(64 << 20))]])]);
    assert!(bomb.len() < 1 << 20);
    let path = work.write("bomb.xlsx", bomb);
    let run = work.mdsctl(["load", &path]).run().expect(6);
    assert!(
        run.error().contains("bomb.xlsx: the Excel workbook has a text of more than 1 MiB in a cell"),
        "{run}"
    );
}

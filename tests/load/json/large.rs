//! Documents of tens of megabytes: they are read through and not held.

use std::fmt::Write as _;
use std::fs;

use crate::harness::{Store, Work};

const ROWS: usize = 220_000;

/// Most memory that the process may take, in kB: less than the document, its rows in flight included. An unoptimised
/// program has 26 MB of code in it before it reads anything.
const MOST: u64 = 80 << 10;

/// A document of some 33 MB, written over many lines.
fn document() -> String {
    let mut text = String::with_capacity(40 << 20);
    text.push_str("{\n  \"status\": \"OK\",\n  \"results\": [\n");
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { ",\n" };
        let time = 1_704_067_200_000 + row as u64 * 60_000;
        let _ = write!(
            text,
            "{comma}    {{\n      \"t\": {time},\n      \"o\": 1.5,\n      \"h\": 2.5,\n      \"l\": 0.5,\n      \"c\": {}.25,\n      \"v\": {row},\n      \"note\": \"some words that nobody loads\"\n    }}",
            row % 2 + 1
        );
    }
    text.push_str("\n  ],\n  \"symbol\": \"AAPL\"\n}\n");
    text
}

#[test]
fn a_large_document_is_loaded_with_what_stands_behind_its_rows() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let text = document();
    assert!(text.len() > 30 << 20, "{}", text.len());
    let path = work.write("large.json", &text);
    for from in ["file", "pipe"] {
        let flags = ["--vendor", from, "--timeframe", "1m", "--dsn", &store.dsn(), "--quality", "off"];
        let run = match from {
            "file" => work.mdsctl(["load", &path]).arguments(flags).run(),
            _ => work.mdsctl(["load", "-"]).arguments(flags).stdin(text.clone()).run(),
        };
        let run = run.expect(0);
        let sums = store.rows(&format!(
            "SELECT count(*), count(DISTINCT ts), min(symbol), max(symbol), sum(CAST(volume AS INTEGER)) FROM bars WHERE vendor = '{from}'"
        ));
        let rows = ROWS.to_string();
        let volume = (ROWS * (ROWS - 1) / 2).to_string();
        let expected = [rows.as_str(), rows.as_str(), "AAPL", "AAPL", volume.as_str()];
        let sums: Vec<&str> = sums[0].iter().map(|value| value.as_deref().unwrap_or("null")).collect();
        assert_eq!(sums, expected, "{run}");
    }
}

#[test]
fn reading_a_document_through_takes_less_memory_than_it_is_long() {
    let work = Work::new();
    let mut text = document();
    let rows = text.split_once("[\n").expect("a list").1.rsplit_once("\n  ]").expect("a list").0.to_owned();
    let at = text.rfind("\n  ]").expect("the end of the list");
    text.insert_str(at, &format!(",\n{rows},\n{rows}"));
    assert!(text.len() as u64 > MOST << 10, "{}", text.len());
    let path = work.write("larger.json", &text);
    drop(text);
    let flags = ["load", &path, "--vendor", "v", "--timeframe", "1m", "--dry-run", "--json"];
    let mut running = work.mdsctl(flags).spawn();
    let mut peak = 0;
    while !running.has_ended() {
        let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(size.unwrap_or(0));
        std::thread::yield_now();
    }
    let run = running.finish().expect(0);
    assert_eq!(run.json()["rows"]["read"], 3 * ROWS, "{run}");
    assert!(peak > 0 && peak < MOST, "{peak} kB: {run}");
}

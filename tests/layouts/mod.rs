//! Files of vendors in their true form, each loaded with no flag but what the file cannot say.
//!
//! `files/NAME/` holds files of the layout NAME. A file `flags` beside them has a line `FILE: FLAGS` for each
//! that needs some. Every stored value of every file is in the snapshot of the layout.

mod choice;
mod meaning;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;

use crate::harness::Work;
use crate::harness::store::Store;
use crate::harness::truth::{Notation, canonical};

use Notation::{Day, Instant, Number, Text};

/// Tables, and the columns that say something of a row.
const TABLES: [(&str, &[(&str, Notation)]); 6] = [
    (
        "bars",
        &[
            ("ts", Instant),
            ("vendor", Text),
            ("symbol", Text),
            ("timeframe", Text),
            ("open_price", Number),
            ("high_price", Number),
            ("low_price", Number),
            ("close_price", Number),
            ("volume", Number),
            ("vwap", Number),
            ("trades", Number),
        ],
    ),
    (
        "ticks",
        &[
            ("ts", Instant),
            ("ts_ns", Number),
            ("vendor", Text),
            ("symbol", Text),
            ("trade_id", Text),
            ("price", Number),
            ("size", Number),
            ("exchange", Text),
            ("side", Text),
            ("conditions", Text),
        ],
    ),
    (
        "quotes",
        &[
            ("ts", Instant),
            ("ts_ns", Number),
            ("vendor", Text),
            ("symbol", Text),
            ("exchange", Text),
            ("sequence", Text),
            ("bid", Number),
            ("bid_size", Number),
            ("ask", Number),
            ("ask_size", Number),
            ("conditions", Text),
            ("bid_exchange", Text),
            ("ask_exchange", Text),
        ],
    ),
    (
        "options_snap",
        &[
            ("ts", Instant),
            ("vendor", Text),
            ("symbol", Text),
            ("expiry", Day),
            ("option_type", Text),
            ("strike", Number),
            ("iv", Number),
            ("delta", Number),
            ("gamma", Number),
            ("theta", Number),
            ("vega", Number),
            ("oi", Number),
            ("volume", Number),
            ("spot", Number),
            ("bid", Number),
            ("ask", Number),
        ],
    ),
    (
        "fundamentals",
        &[
            ("asof", Instant),
            ("vendor", Text),
            ("symbol", Text),
            ("total_assets", Number),
            ("total_liabilities", Number),
            ("net_income", Number),
            ("eps", Number),
        ],
    ),
    (
        "news",
        &[
            ("published_at", Instant),
            ("vendor", Text),
            ("symbol", Text),
            ("title", Text),
            ("url", Text),
            ("sentiment_score", Number),
        ],
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/files")
}

/// The names of the layouts that have fixtures.
fn layouts() -> Vec<String> {
    let entries = folder().read_dir().expect("fixtures of layouts");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The files below a folder, by their paths in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().expect("a folder of fixtures") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.file_name().is_some_and(|name| name == "flags") => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// The flags of each file that needs some.
fn flags(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(folder.join("flags")).unwrap_or_default();
    let line = |line: &str| {
        let (file, flags) = line.split_once(": ").expect("FILE: FLAGS");
        (file.to_owned(), flags.split_whitespace().map(str::to_owned).collect())
    };
    text.lines().map(line).collect()
}

/// All rows of a store, a line each, without what is null or empty.
pub(crate) fn stored(store: &Store) -> String {
    let mut text = String::new();
    for (table, columns) in TABLES {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let Ok(rows) = store.try_rows(&format!("SELECT {} FROM {table}", names.join(", "))) else { continue };
        let line = |row: Vec<Option<String>>| {
            let mut line = table.to_owned();
            for ((name, notation), value) in columns.iter().zip(row) {
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    let _ = write!(line, " {name}={}", canonical(*notation, Some(&value)));
                }
            }
            line + "\n"
        };
        let mut lines: Vec<String> = rows.into_iter().map(line).collect();
        lines.sort();
        text.extend(lines);
    }
    text
}

/// What loading each file of a layout leaves, in a store of its own each, and what is said of it.
fn loaded(layout: &str, sqlite: bool) -> String {
    let folder = folder().join(layout);
    let flags = flags(&folder);
    let mut text = String::new();
    for file in files(&folder) {
        let inside = file.strip_prefix(&folder).expect("below it").to_string_lossy().into_owned();
        let work = Work::new();
        let store = if sqlite { Store::sqlite(&work) } else { Store::postgres() };
        let flags = flags.get(&inside).cloned().unwrap_or_default();
        let path = file.to_string_lossy().into_owned();
        let mut arguments =
            vec!["load".to_owned(), path, "--json".to_owned(), "--dsn".to_owned(), store.dsn()];
        arguments.extend(flags.iter().cloned());
        let run = work.mdsctl(&arguments).run();
        assert_eq!(run.code, 0, "{layout} {inside}: {run}");
        let result = run.json();
        let said = result["deductions"].to_string();
        assert!(said.contains(&format!("layout is {layout} ")), "{layout} {inside}: {run}");
        // Two rows that became one would not be seen in the table.
        let (read, inserted) = (&result["rows"]["read"], &result["rows"]["inserted"]);
        let flags = if flags.is_empty() { String::new() } else { format!(" {}", flags.join(" ")) };
        let _ = writeln!(text, "{inside}{flags}: {read} read, {inserted} inserted\n{}", stored(&store));
    }
    text
}

fn check(layout: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(layout, text);
    });
}

#[test]
fn every_value_of_every_layout_is_stored_as_its_snapshot_says() {
    let layouts = layouts();
    let share = layouts.len().div_ceil(4);
    // Most of the time of each is the start of the program.
    let of_share = |layouts: &[String]| -> Vec<(String, String, String)> {
        let of = |layout: &String| (layout.clone(), loaded(layout, true), loaded(layout, false));
        layouts.iter().map(of).collect()
    };
    let all: Vec<_> = thread::scope(|scope| {
        let shares: Vec<_> =
            layouts.chunks(share).map(|share| scope.spawn(move || of_share(share))).collect();
        shares.into_iter().flat_map(|share| share.join().expect("all of its layouts load")).collect()
    });
    for (layout, embedded, server) in all {
        assert_eq!(embedded, server, "{layout}");
        check(&layout, &embedded);
    }
}

/// A layout that nobody has tried is none.
#[test]
fn every_layout_has_fixtures_and_every_folder_is_one_of_a_layout() {
    let work = Work::new();
    let listed = work.mdsctl(["load", "--layout", "help"]).run().expect(0).stdout;
    let names: Vec<&str> = listed
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(": ").next())
        .collect();
    let with = layouts();
    let without: Vec<&&str> = names.iter().filter(|name| !with.iter().any(|with| with == **name)).collect();
    assert!(without.is_empty(), "layouts without fixtures: {without:?}");
    let unknown: Vec<&String> = with.iter().filter(|with| !names.contains(&with.as_str())).collect();
    assert!(unknown.is_empty(), "folders of no layout: {unknown:?}");
}

/// The rows of CSV with a header as lines of JSON: all values as text, empty ones null.
fn as_lines(rows: &str) -> String {
    let text = |value: &str| match value {
        "" => serde_json::Value::Null,
        value => value.into(),
    };
    let first = rows.lines().next().unwrap_or_default();
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    let delimiter = *b",;\t|".iter().rev().max_by_key(|delimiter| count(delimiter)).expect("some");
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::Headers).from_reader(rows.as_bytes());
    let names = reader.headers().expect("a header").clone();
    let mut lines = String::new();
    for record in reader.records() {
        let record = record.expect("a row");
        let row: serde_json::Map<String, serde_json::Value> =
            names.iter().zip(&record).map(|(name, value)| (name.to_owned(), text(value))).collect();
        let _ = writeln!(lines, "{}", serde_json::Value::Object(row));
    }
    lines
}

#[test]
fn a_header_is_known_in_lines_of_json_too() {
    let mut known = 0;
    // The header of several tickers has three lines.
    for layout in layouts().into_iter().filter(|layout| layout != "yahoo-tickers") {
        let folder = folder().join(&layout);
        let flags = flags(&folder);
        for file in
            files(&folder).iter().filter(|file| file.extension().is_some_and(|ending| ending == "csv"))
        {
            let inside = file.strip_prefix(&folder).expect("below it").to_string_lossy().into_owned();
            let flags = flags.get(&inside).cloned().unwrap_or_default();
            let work = Work::new();
            let load = |path: &str, store: &Store| {
                let run = work
                    .mdsctl(["load", path, "--json", "--dsn", &store.dsn()])
                    .arguments(flags.iter())
                    .run();
                assert_eq!(run.code, 0, "{layout} {inside}: {run}");
                run.json()
            };
            let of_csv = Store::sqlite(&work);
            let said = work
                .mdsctl(["load", &file.to_string_lossy(), "--json", "--dry-run", "--dsn", &of_csv.dsn()])
                .arguments(flags.iter())
                .run()
                .json();
            let detected = said["preview"]["detected"].as_array().cloned().unwrap_or_default();
            let by = detected.iter().find(|one| one["what"] == "layout").map(|one| one["why"].to_string());
            let Some(by) = by.filter(|by| by.starts_with("\"header with") && !by.contains("first row"))
            else {
                continue;
            };
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if !said["deductions"].to_string().contains("passed over") && !text.is_empty() {
                let (lines, of_lines) =
                    (inside.replace(".csv", ".ndjson"), Store::Sqlite(work.path("lines.db")));
                load(&file.to_string_lossy(), &of_csv);
                work.write(&lines, as_lines(&text));
                let said = load(&lines, &of_lines);
                let is = said["deductions"].to_string().contains(&format!("layout is {layout} "));
                assert!(is, "{layout} {inside}: {by}: {said}");
                assert_eq!(stored(&of_lines), stored(&of_csv), "{layout} {inside}");
                known += 1;
            }
        }
    }
    assert!(known > 20, "{known}");
}

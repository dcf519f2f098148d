//! The same rows from every format, compression and way in leave the same table.

use std::fs;

use crate::generator::fixtures;
use crate::generator::market::Dataset;
use crate::harness::pack::{self, gzip};
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Run, Store, Work, on_both_stores, on_every_store};

const DATASETS: [Dataset; 5] =
    [Dataset::Bars, Dataset::Ticks, Dataset::Options, Dataset::Fundamentals, Dataset::News];

/// Loads, and holds the run to having inserted every row of a fixture.
fn load(work: &Work, store: &Store, workers: &str, arguments: &[&str], stdin: Option<&str>) -> Run {
    let mut program = work.mdsctl(["load", "--json", "--workers", workers, "--dsn", &store.dsn()]);
    program = program.arguments(arguments);
    if let Some(path) = stdin {
        program = program.stdin(fs::read(path).expect("the file"));
    }
    program.run().expect(0)
}

fn each_format(dataset: Dataset) {
    let name = fixtures::name(dataset);
    let plan = fixtures::small(dataset);
    let expected = truth(&plan);
    for extension in ["csv", "ndjson", "parquet"] {
        on_every_store(|work, store, workers, what| {
            let run = load(work, store, workers, &[&fixture(&format!("{name}.{extension}"))], None);
            assert_eq!(run.books().inserted, plan.rows, "{run}");
            assert_same(&store.stored(&plan), &expected, &format!("{name}.{extension}, {what}"));
            assert_eq!(run.json()["dataset"], name, "{run}");
            assert!(work.dlq(&format!(".dlq/{name}.ndjson")).is_empty());
        });
    }
}

#[test]
fn bars_from_every_format() {
    each_format(Dataset::Bars);
}

#[test]
fn ticks_from_every_format() {
    each_format(Dataset::Ticks);
}

#[test]
fn options_from_every_format() {
    each_format(Dataset::Options);
}

#[test]
fn fundamentals_from_every_format() {
    each_format(Dataset::Fundamentals);
}

#[test]
fn news_from_every_format() {
    each_format(Dataset::News);
}

#[test]
fn every_dataset_from_standard_input() {
    for dataset in DATASETS {
        let plan = fixtures::small(dataset);
        let expected = truth(&plan);
        for extension in ["csv", "ndjson", "parquet"] {
            let work = Work::new();
            let store = Store::sqlite(&work);
            let path = fixture(&format!("{}.{extension}", fixtures::name(dataset)));
            let run = load(&work, &store, "2", &["-"], Some(&path));
            assert_eq!(run.books().inserted, plan.rows, "{run}");
            assert_same(&store.stored(&plan), &expected, &path);
        }
    }
}

#[test]
fn compressed_bars_are_told_by_their_bytes_whatever_their_name() {
    let plan = fixtures::bars();
    let expected = truth(&plan);
    for name in ["bars.csv.gz", "bars.csv.zst", "bars.ndjson.gz", "bars.parquet", "bars.snappy.parquet"] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        let path = work.write("nothing-says-what-this-is", fs::read(fixture(name)).expect("the file"));
        let run = load(&work, &store, "2", &[&path], None);
        assert_same(&store.stored(&plan), &expected, &format!("{name}: {run}"));
    }
    // And under the wrong name.
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("bars.csv", fs::read(fixture("bars.parquet")).expect("the file"));
    load(&work, &store, "2", &[&path], None);
    assert_same(&store.stored(&plan), &expected, "Parquet named .csv");
}

/// The three commands that issue A names.
#[test]
fn a_pipe_with_flags_a_glob_of_gzips_and_parquet_leave_the_same_table() {
    let plan = fixtures::bars();
    let expected = truth(&plan);
    on_every_store(|work, store, workers, what| {
        let run = load(
            work,
            store,
            workers,
            &["-", "--vendor", "acme", "--timeframe", "1m"],
            Some(&fixture("no-vendor/bars.ndjson")),
        );
        assert_eq!(run.books().inserted, plan.rows, "{run}");
        assert_same(&store.stored(&plan), &expected, &format!("pipe, {what}"));
    });
    on_every_store(|work, store, workers, what| {
        // Split over a tree: one directory a symbol, one file a day, a header each.
        let text = fs::read_to_string(fixture("bars.csv")).expect("the fixture");
        let (header, rows) = text.split_once('\n').expect("a header");
        let mut files = std::collections::BTreeMap::<String, String>::new();
        for row in rows.lines() {
            let (day, symbol) = (&row[..10], row.split(',').nth(2).expect("a symbol"));
            let file = files.entry(format!("data/{symbol}/2019/{day}.csv.gz")).or_default();
            if file.is_empty() {
                file.push_str(header);
                file.push('\n');
            }
            file.push_str(row);
            file.push('\n');
        }
        assert_eq!(files.len(), 15);
        for (name, text) in &files {
            work.write(name, gzip(text.as_bytes()));
        }
        work.write("data/README.md", "not data");
        let run = load(work, store, workers, &["data/**/*.csv.gz"], None);
        assert_eq!(run.books().inserted, plan.rows, "{run}");
        assert_same(&store.stored(&plan), &expected, &format!("glob, {what}"));
    });
    on_every_store(|work, store, workers, what| {
        let run = load(work, store, workers, &[&fixture("bars.parquet")], None);
        assert_eq!(run.books().inserted, plan.rows, "{run}");
        assert_same(&store.stored(&plan), &expected, &format!("Parquet, {what}"));
    });
}

#[test]
fn a_directory_is_loaded_whatever_formats_it_holds() {
    let (work, plan) = (Work::new(), fixtures::bars());
    let store = Store::sqlite(&work);
    for name in ["bars.csv", "bars.ndjson.gz", "bars.snappy.parquet"] {
        work.write(&format!("in/{name}"), fs::read(fixture(name)).expect("the file"));
    }
    let books = load(&work, &store, "4", &["in"], None).books();
    assert_eq!((books.read, books.inserted), (3 * plan.rows, plan.rows));
    assert_eq!(books.unchanged + books.superseded, 2 * plan.rows);
    assert_same(&store.stored(&plan), &truth(&plan), "a directory");
}

#[test]
fn several_compressed_streams_in_a_file_or_a_pipe_are_one_input() {
    let plan = fixtures::bars();
    let expected = truth(&plan);
    let text = fs::read(fixture("bars.csv")).expect("the file");
    // Cut in the middle of a row.
    let (first, second) = text.split_at(text.len() / 2 + 7);
    for (ending, pack) in pack::ALL {
        on_both_stores(|work, store, _| {
            let path = work.write("bars", [pack(first), pack(b""), pack(second)].concat());
            let run = load(work, store, "2", &[&path], None);
            assert_eq!(run.books().inserted, plan.rows, "{ending}: {run}");
            assert_same(&store.stored(&plan), &expected, ending);
            let run = load(work, store, "2", &["-"], Some(&path));
            assert_eq!(run.books().unchanged, plan.rows, "{ending}: {run}");
            let run = load(work, store, "2", &[&path, "--dry-run"], None);
            let words = format!("compressed with {}", named(ending));
            assert!(run.json()["deductions"].to_string().contains(&words), "{ending}: {run}");
        });
    }
}

/// How a compression is called, by the ending of its files.
fn named(ending: &str) -> &str {
    match ending {
        "gz" => "gzip",
        "zst" => "zstd",
        "bz2" => "bzip2",
        other => other,
    }
}

/// The files of a folder, each compressed in another way, and one that holds nothing at all.
#[test]
fn a_folder_of_compressed_files_and_a_compressed_nothing() {
    on_both_stores(|work, store, _| {
        for (day, (ending, pack)) in (2..).zip(pack::ALL) {
            let text = format!("ts,symbol,price,size\n2024-01-0{day}T10:00:00Z,AAPL,10.{day},{day}\n");
            work.write(&format!("data/fills-{day}.csv.{ending}"), pack(text.as_bytes()));
        }
        let run = load(work, store, "2", &["data", "--vendor", "v"], None);
        assert_eq!(run.json()["inputs"].as_array().map(Vec::len), Some(5), "{run}");
        let rows = store.rows("SELECT price, size FROM ticks ORDER BY ts");
        let rows: Vec<Vec<&str>> =
            rows.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect()).collect();
        assert_eq!(rows, [["10.2", "2"], ["10.3", "3"], ["10.4", "4"], ["10.5", "5"], ["10.6", "6"]]);
        for (ending, pack) in pack::ALL {
            let path = work.write(&format!("nothing.csv.{ending}"), pack(b""));
            let run = work.mdsctl(["load", &path, "--dsn", &store.dsn()]).run().expect(6);
            let words = format!("nothing.csv.{ending}: the {} stream in it is empty", named(ending));
            assert!(run.error().contains(&words), "{run}");
        }
    });
}

/// What the header of an xz file asks for is memory of ours.
#[test]
fn an_xz_file_that_asks_for_gigabytes_is_refused_with_what_to_do() {
    use std::io::Write as _;
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
    options.dict_size(1 << 30);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32);
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream.expect("an encoder"));
    encoder.write_all(b"ts,symbol,price,size\n2024-01-02,A,1,1\n").expect("in memory");
    let work = Work::new();
    let path = work.write("large.csv.xz", encoder.finish().expect("in memory"));
    let run = work.mdsctl(["load", &path]).run().expect(6);
    assert!(
        run.error().ends_with(
            "large.csv.xz: the xz stream takes more memory to decompress than is allowed here, decompress it first; none of its rows were loaded"
        ),
        "{run}"
    );
}

#[test]
fn headers_are_matched_by_name_not_by_place() {
    let (work, store) = (Work::new(), Store::postgres());
    let csv = "Close,Volume,TICKER,Open,Low,High,Window_Start,note\n\
               10.5,100,brk.b,10,9.5,11,2024-03-04 14:30:00,first\n";
    let path = work.write("odd.csv", csv);
    load(&work, &store, "1", &[&path, "--vendor", "v", "--timeframe", "1m"], None);
    let row =
        &store.rows("SELECT symbol, open_price, high_price, low_price, close_price, volume, ts FROM bars")[0];
    let row: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(row, ["BRK.B", "10", "11", "9.5", "10.5", "100", "2024-03-04 14:30:00+00"]);
}

#[test]
fn map_set_and_symbol_fill_what_the_file_calls_otherwise_or_lacks() {
    on_every_store(|work, store, workers, what| {
        let csv = "when,first_px,hi,lo,last_px,shares\n20240304,1,4,0.5,2,30\n20240305,2,5,1.5,3,40\n";
        let path = work.write("odd.csv", csv);
        let flags = [
            &path,
            "--dataset",
            "bars",
            "--map",
            "ts=when",
            "--map",
            "open_price=first_px",
            "--map",
            "high_price=hi",
            "--map",
            "low_price=lo",
            "--map",
            "close_price=last_px",
            "--map",
            "volume=shares",
            "--set",
            "vendor=acme",
            "--symbol",
            "spy",
            "--timeframe",
            "1d",
        ];
        assert_eq!(load(work, store, workers, &flags, None).books().inserted, 2, "{what}");
        let plan = fixtures::bars();
        let stored = store.stored(&plan);
        let row = ["2024-03-04T00:00:00.000000Z", "acme", "SPY", "1d", "1", "4", "0.5", "2", "30", "∅", "∅"];
        assert_eq!(stored[0], row, "{what}");
    });
}

#[test]
fn nanoseconds_are_kept_beside_the_microseconds() {
    on_every_store(|work, store, workers, what| {
        load(work, store, workers, &[&fixture("ticks.ndjson")], None);
        let plan = fixtures::small(Dataset::Ticks);
        let fields = plan.fields();
        let trade = fields.iter().position(|f| f.column == "trade_id").expect("a trade id");
        let mut expected: Vec<(String, String)> = plan
            .rows()
            .map(|row| {
                let crate::generator::cell::Cell::Instant(ns) = row[0] else { panic!("a time first") };
                (row[trade].to_text(), (ns % 1000).to_string())
            })
            .collect();
        expected.sort();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let stored = store.rows("SELECT trade_id, ts_ns FROM ticks ORDER BY trade_id");
        let stored: Vec<(String, String)> = stored.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
        assert_eq!(stored, expected, "{what}");
    });
}

#[test]
fn ids_that_the_input_lacks_follow_from_its_content() {
    // News without ids, ticks without trade ids: a second load finds the same rows.
    on_every_store(|work, store, workers, what| {
        load(work, store, workers, &[&fixture("news.csv")], None);
        let second = load(work, store, workers, &[&fixture("news.ndjson")], None);
        let plan = fixtures::small(Dataset::News);
        assert_eq!(second.books().unchanged, plan.rows, "{what}: {second}");

        let csv = "ts,symbol,price,size\n\
                   2024-03-04T14:30:00Z,AAPL,10.5,100\n\
                   2024-03-04T14:30:00Z,AAPL,10.5,100\n\
                   2024-03-04T14:30:00Z,AAPL,10.5,200\n";
        let path = work.write("fills.csv", csv);
        let flags = [&*path, "--dataset", "ticks", "--vendor", "v"];
        assert_eq!(
            load(work, store, workers, &flags, None).books().inserted,
            3,
            "{what}: equal fills are two"
        );
        assert_eq!(load(work, store, workers, &flags, None).books().unchanged, 3, "{what}");
        assert_eq!(store.count("ticks"), Some(3), "{what}");
    });
}

//! `--scale`: numbers that the input has in another unit than the table are multiplied once, exactly, on whatever
//! way they go into the store.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::store::{on_both_stores, on_every_store};
use crate::harness::{Store, Work};

/// What bars have beside a close.
const BARS: [&str; 8] =
    ["--dataset", "bars", "--set", "open_price=1", "--set", "high_price=1", "--set", "low_price=1"];

/// The rows of a query, fields after one another, null as `∅`.
fn shown(store: &Store, sql: &str) -> Vec<String> {
    let row = |row: Vec<Option<String>>| {
        row.into_iter().map(|v| v.unwrap_or_else(|| "∅".into())).collect::<Vec<_>>().join("|")
    };
    store.rows(sql).into_iter().map(row).collect()
}

fn parquet(work: &Work, name: &str, close: ArrayRef) -> String {
    let days = StringArray::from(vec!["2024-01-02", "2024-01-03", "2024-01-04"]);
    let columns: [(&str, ArrayRef); 3] =
        [("date", Arc::new(days)), ("close", close), ("volume", Arc::new(Int64Array::from(vec![1, 2, 3])))];
    let batch = RecordBatch::try_from_iter(columns).expect("columns");
    let path = work.path(name);
    let file = File::create(&path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("an end");
    path.display().to_string()
}

#[test]
fn every_format_is_multiplied_exactly_and_null_stays_null() {
    on_every_store(|work, store, workers, what| {
        let nano = 1_234_567_890_123_456_789i64;
        let files = [
            work.write(
                "a.csv",
                format!("date,close,volume\n2024-01-02,{nano},1\n2024-01-03,,2\n2024-01-04,5e0,3\n"),
            ),
            work.write(
                "b.ndjson",
                format!(
                    "{{\"date\":\"2024-01-02\",\"close\":{nano},\"volume\":1}}\n{{\"date\":\"2024-01-03\",\"close\":null,\"volume\":2}}\n{{\"date\":\"2024-01-04\",\"close\":\"5\",\"volume\":3}}\n"
                ),
            ),
            parquet(work, "c.parquet", Arc::new(Int64Array::from(vec![Some(nano), None, Some(5)]))),
        ];
        let load = |file: &str, vendor: &str, scale: &str| {
            let flags = ["load", file, "--symbol", "S", "--timeframe", "1d", "--vendor", vendor];
            let more = ["--scale", scale, "--workers", workers, "--dsn", &store.dsn()];
            work.mdsctl(flags).arguments(BARS).arguments(more).run().expect(0);
            shown(
                store,
                &format!("SELECT close_price, volume FROM bars WHERE vendor = '{vendor}' ORDER BY ts"),
            )
        };
        for (file, vendor) in files.iter().zip(["csv", "ndjson", "parquet"]) {
            let stored = load(file, vendor, "close=1e-9");
            assert_eq!(stored, ["1234567890.123456789|1", "∅|2", "0.000000005|3"], "{what}, {file}");
        }
        // A double is its shortest decimal form: three times 0.1 is 0.3.
        let doubles =
            parquet(work, "d.parquet", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(-2.5)])));
        assert_eq!(load(&doubles, "double", "close_price=3"), ["0.3|1", "∅|2", "-7.5|3"], "{what}");
    });
}

#[test]
fn checks_and_keys_see_the_product_and_what_a_flag_says_is_not_multiplied() {
    on_both_stores(|work, store, what| {
        // Only multiplied is the high not below the close; the two rows with one id differ by their sizes.
        let bars = work.write("bars.csv", "date,open,high,low,close\n2024-01-02,10000,1000000,10000,99.5\n");
        let flags = ["--symbol", "S", "--timeframe", "1d", "--vendor", "v", "--quality", "reject"];
        let scales = ["--scale", "open=0.001", "--scale", "high_price=0.0001", "--scale", "l=0.001"];
        let volume = ["--set", "volume=7", "--scale", "volume=100"];
        let run = work
            .mdsctl(["load", &bars, "--dsn", &store.dsn()])
            .arguments(flags)
            .arguments(scales)
            .arguments(volume)
            .run()
            .expect(0);
        let sql = "SELECT open_price, high_price, low_price, close_price, volume FROM bars";
        assert_eq!(shown(store, sql), ["10|100|10|99.5|7"], "{what}");
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("volume is not taken from the input, and stays as it is"), "{what}: {run}");
        // The settings of a run say it; those of a run without are as they were.
        let settings = shown(store, "SELECT settings FROM mds_runs");
        assert!(settings[0].contains("open=0.001"), "{what}: {settings:?}");
        work.mdsctl(["load", &bars, "--dsn", &store.dsn(), "--vendor", "w", "--symbol", "S"])
            .arguments(["--timeframe", "1d"])
            .run()
            .expect(0);
        let settings = shown(store, "SELECT settings FROM mds_runs ORDER BY started_at DESC");
        assert!(
            !settings[0].contains("scale") && !settings[0].contains("time-format"),
            "{what}: {settings:?}"
        );
    });
}

#[test]
fn a_factor_or_a_column_that_is_none_is_refused_before_a_row_is_read() {
    on_both_stores(|work, store, what| {
        let bars = work.write("bars.csv", "date,symbol,close\n2024-01-02,S,1\n");
        for (scales, words) in [
            (&["close=1/1000"][..], &["--scale close=1/1000", "not a decimal number"][..]),
            (&["close=0"], &["--scale close=0", "the factor is 0"]),
            (&["close=1e-999999"], &["--scale close=1e-999999", "too many digits"]),
            (&["close"], &["--scale", "NAME=VALUE"]),
            (&["symbol=2"], &["--scale symbol", "column symbol does not hold numbers"]),
            (&["nothing=2"], &["--scale nothing", "has no column \"nothing\"", "close_price"]),
            (&["close=2", "c=3"], &["--scale c", "column close_price", "twice"]),
        ] {
            let flags = scales.iter().flat_map(|scale| ["--scale", scale]);
            let always = ["load", &bars, "--vendor", "v", "--timeframe", "1d", "--dsn", &store.dsn()];
            let run = work.mdsctl(always).arguments(BARS).arguments(flags).run().expect(2);
            for word in words {
                assert!(run.stderr.contains(word), "{what}, {scales:?}: {run}");
            }
            assert!(store.count("bars").is_none_or(|rows| rows == 0), "{what}, {scales:?}");
        }
    });
}

/// A row for each way into the dead letters: a bad value beside a good price, a bad price, a key that is there
/// already, a line with a field too few.
const ROWS: &str = "date,symbol,close,volume\n2024-01-02,S,10000,1\n2024-01-03,S,20000,many\n2024-01-04,S,3x,3\n2024-01-02,S,40000,4\n2024-01-06,S,50000\n";

#[test]
fn a_replay_multiplies_what_was_not_read_and_nothing_twice() {
    for repeated in [false, true] {
        on_both_stores(|work, store, what| {
            let what = format!("{what}, flag repeated: {repeated}");
            let rows = work.write("in.csv", ROWS);
            let flags = ["load", &rows, "--vendor", "v", "--timeframe", "1d", "--on-conflict", "error"];
            let dsn = store.dsn();
            work.mdsctl(flags)
                .arguments(BARS)
                .arguments(["--scale", "close=0.0001", "--dsn", &dsn])
                .run()
                .expect(3);
            let replay = || {
                let flags: &[&str] = if repeated { &["--scale", "close=0.0001"] } else { &[] };
                let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, "--on-conflict", "error"]);
                run.arguments(flags.iter().copied()).run()
            };
            let stored = || shown(store, "SELECT close_price, volume FROM bars ORDER BY volume");
            // As they are they fail again, and are still to be read so.
            replay().expect(3);
            assert_eq!(stored(), ["1|1"], "{what}");
            let queue = work.path(".dlq/bars.ndjson");
            let letters = std::fs::read_to_string(&queue).expect("a queue");
            let mut mended = letters;
            for (bad, good) in [
                ("\"volume\":\"many\"", "\"volume\":2"),
                ("\"close_price\":\"3x\"", "\"close_price\":\"30000\""),
                ("\"ts\":\"2024-01-02T00:00:00Z\"", "\"ts\":\"2024-01-05T00:00:00Z\""),
                ("2024-01-06,S,50000", "2024-01-06,S,50000,5"),
            ] {
                assert!(mended.contains(bad), "{what}: {bad}: {mended}");
                mended = mended.replace(bad, good);
            }
            std::fs::write(&queue, mended).expect("mended");
            replay().expect(0);
            assert_eq!(stored(), ["1|1", "2|2", "3|3", "4|4", "5|5"], "{what}");
        });
    }
}

#[test]
fn rows_of_another_program_are_multiplied_by_the_flag_of_their_replay() {
    on_both_stores(|work, store, what| {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        let row = "{\"ts\": 1732351234.5, \"error\": \"e\", \"metadata\": {}, \"items\": [{\"ts\": \"2024-01-02\", \"vendor\": \"v\", \"symbol\": \"S\", \"timeframe\": \"1d\", \"close_price\": \"123450000\"}]}\n";
        work.write("q.ndjson", row);
        let flags =
            ["replay-dlq", "q.ndjson", "--dsn", &store.dsn(), "--dataset", "bars", "--scale", "close=1e-8"];
        work.mdsctl(flags).run().expect(0);
        assert_eq!(shown(store, "SELECT close_price FROM bars"), ["1.2345"], "{what}");
    });
}

#[test]
fn a_configuration_file_scales_each_column_as_it_says_where_no_flag_does() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    work.write("mdsctl.toml", "[load]\nscale = ['close=0.01', 'volume=1000']\n");
    let bars = work.write("bars.csv", "date,symbol,close,volume\n2024-01-02,S,125,3\n");
    let load = |vendor: &str, flags: &[&str]| {
        let always = ["load", &bars, "--vendor", vendor, "--timeframe", "1d", "--dsn", &store.dsn()];
        work.mdsctl(always).arguments(BARS).arguments(flags.iter().copied()).run().expect(0);
        shown(&store, &format!("SELECT close_price, volume FROM bars WHERE vendor = '{vendor}'"))
    };
    assert_eq!(load("file", &[]), ["1.25|3000"]);
    assert_eq!(load("flag", &["--scale", "close=2"]), ["250|3"]);
}

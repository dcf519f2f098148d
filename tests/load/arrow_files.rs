//! Arrow IPC: files and streams, plain and compressed, whole and not.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int8Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use crate::harness::pack;
use crate::harness::{Run, Store, Work, on_both_stores};

/// Fills of one day, so many from that one on.
fn fills(first: i64, count: i64) -> RecordBatch {
    let each = || first..first + count;
    let times = TimestampNanosecondArray::from_iter_values(
        each().map(|n| 1_704_153_600_000_000_000 + n * 1_000_000_001),
    );
    let codes = Int8Array::from_iter_values(each().map(|n| (n % 2) as i8));
    let symbols = DictionaryArray::new(codes, Arc::new(StringArray::from(vec!["AAPL", "MSFT"])));
    let prices = Decimal128Array::from_iter_values(each().map(|n| 10_000_000_000_i128 + i128::from(n)));
    let columns: [(&str, ArrayRef); 5] = [
        ("ts", Arc::new(times.with_timezone("UTC"))),
        ("symbol", Arc::new(symbols)),
        ("price", Arc::new(prices.with_precision_and_scale(20, 9).expect("a scale"))),
        ("size", Arc::new(Float64Array::from_iter_values(each().map(|n| n as f64 + 0.5)))),
        ("trade_id", Arc::new(StringArray::from_iter_values(each().map(|n| format!("t{n}"))))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns")
}

fn written(file: bool, packed: Option<CompressionType>, batches: &[RecordBatch]) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packed).expect("a compression");
    let (schema, mut bytes) = (batches[0].schema(), Vec::new());
    if file {
        let mut writer = FileWriter::try_new_with_options(&mut bytes, &schema, options).expect("a writer");
        batches.iter().for_each(|batch| writer.write(batch).expect("rows"));
        writer.finish().expect("an end");
    } else {
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).expect("a writer");
        batches.iter().for_each(|batch| writer.write(batch).expect("rows"));
        writer.finish().expect("an end");
    }
    bytes
}

fn load(work: &Work, store: &Store, input: &str, more: &[&str], stdin: Option<&[u8]>) -> Run {
    let flags = ["load", input, "--json", "--vendor", "v", "--dsn", &store.dsn()];
    let program = work.mdsctl(flags).arguments(more.iter().copied());
    match stdin {
        Some(bytes) => program.stdin(bytes).run(),
        None => program.run(),
    }
}

fn rows(store: &Store, query: &str) -> Vec<String> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
    store.rows(query).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

const LAST: &str = "SELECT symbol, price, size, trade_id, ts_ns FROM ticks ORDER BY ts DESC LIMIT 2";

#[test]
fn files_and_streams_of_every_compression_from_a_file_and_a_pipe() {
    for (file, packed) in [
        (true, None),
        (true, Some(CompressionType::LZ4_FRAME)),
        (true, Some(CompressionType::ZSTD)),
        (false, None),
        (false, Some(CompressionType::LZ4_FRAME)),
    ] {
        on_both_stores(|work, store, what| {
            let bytes = written(file, packed, &[fills(0, 3), fills(3, 9_000)]);
            let what = format!("{what}, {file}, {packed:?}");
            // Told by its bytes.
            let path = work.write("fills", &bytes);
            let run = load(work, store, &path, &[], None).expect(0);
            assert_eq!(run.books().inserted, 9_003, "{what}: {run}");
            assert!(run.json()["deductions"].to_string().contains("format is arrow"), "{what}: {run}");
            assert_eq!(
                rows(store, LAST),
                ["AAPL 10.000009002 9002.5 t9002 2", "MSFT 10.000009001 9001.5 t9001 1"],
                "{what}"
            );
            let run = load(work, store, "-", &["--format", "arrow"], Some(&bytes)).expect(0);
            assert_eq!(run.books().unchanged, 9_003, "{what}: {run}");
            let run = load(work, store, "-", &["--dry-run"], Some(&pack::gzip(&bytes))).expect(0);
            assert_eq!(run.books().read, 9_003, "{what}: {run}");
        });
    }
}

#[test]
fn a_file_that_ends_early_stores_the_batches_that_are_whole_and_is_resumed_when_it_is() {
    on_both_stores(|work, store, what| {
        let whole = written(true, None, &[fills(0, 500), fills(500, 500)]);
        let path = work.write("fills.feather", &whole[..whole.len() * 3 / 4]);
        let run = load(work, store, &path, &["--batch-size", "100"], None).expect(6);
        let words = "fills.feather: the Arrow file ends early; 500 rows before it were read";
        assert!(run.error().contains(words), "{what}: {run}");
        assert_eq!(store.count("ticks"), Some(500), "{what}: {run}");
        work.write("fills.feather", &whole);
        load(work, store, &path, &[], None).expect(0);
        assert_eq!(store.count("ticks"), Some(1_000), "{what}");
    });
}

#[test]
fn what_is_no_arrow_file_or_an_old_one_is_told() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let path = work.write("old.feather", b"FEA1\0\0\0\0and so on");
    let run = load(&work, &store, &path, &[], None).expect(6);
    assert!(
        run.error().contains("old.feather: a Feather file of version 1, which cannot be read; write it anew"),
        "{run}"
    );
    let path = work.write("a.arrow", "ts,symbol,price,size\n");
    let run = load(&work, &store, &path, &[], None).expect(6);
    assert!(run.error().contains("a.arrow: not an Arrow IPC file"), "{run}");
    let empty = written(true, None, &[fills(0, 0)]);
    let path = work.write("empty.arrow", empty);
    let run = load(&work, &store, &path, &[], None).expect(0);
    assert!(run.json()["notes"].to_string().contains("empty.arrow holds no rows"), "{run}");
    // Bytes that are others than were written: a sentence, and no crash.
    let whole = written(true, Some(CompressionType::ZSTD), &[fills(0, 50)]);
    for at in (8..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let path = work.write("bad.arrow", bytes);
        let run = load(&work, &store, &path, &["--dry-run"], None);
        assert!([0, 2, 3, 6].contains(&run.code), "{at}: {run}");
    }
}

use std::fs::File;
use std::io::Write;

use arrow::array::AsArray;
use arrow::array::{
    ArrayAccessor, ArrayRef, DictionaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::datatypes::Int32Type;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;
use crate::dataset::wanted::is_left_out;

fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    file
}

fn written(rows: usize, compression: Compression) -> Vec<u8> {
    let ts: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let symbol: DictionaryArray<Int32Type> = (0..rows).map(|i| ["AAPL", "MSFT"][i % 2]).collect();
    let close: ArrayRef =
        Arc::new(Float64Array::from_iter((0..rows).map(|i| (i % 3 > 0).then_some(i as f64))));
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|_| Some([Some(1)])));
    let part: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|i| i.to_string())));
    let parts = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Utf8, false)), part)]);
    let batch = RecordBatch::try_from_iter([
        ("ts", ts),
        ("conditions", Arc::new(list) as ArrayRef),
        ("symbol", Arc::new(symbol)),
        ("publisher", Arc::new(parts)),
        ("close", close),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(10_000))
        .build();
    let mut data = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut data, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    data
}

/// Number of rows and the error, if there was one.
fn read(data: &[u8]) -> (u64, Option<String>) {
    let mut decoder = match ParquetDecoder::open(file(data)) {
        Ok(decoder) => decoder,
        Err(error) => return (0, Some(error.to_string())),
    };
    let mut rows = 0;
    loop {
        match decoder.next_batch() {
            Ok(Some(batch)) => rows += batch.rows.len() as u64,
            Ok(None) => return (rows, None),
            Err(error) => {
                assert!(decoder.next_batch().unwrap().is_none());
                return (rows, Some(error.to_string()));
            }
        }
    }
}

#[test]
fn columns_in_their_types_and_parts_as_json() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let data = written(20_001, compression);
        let mut decoder = ParquetDecoder::open(file(&data)).unwrap();
        assert_eq!(decoder.names().join(" "), "ts conditions symbol publisher close");
        assert_eq!(decoder.total, 20_001);
        let (mut next, mut bytes) = (1, 0);
        while let Some(batch) = decoder.next_batch().unwrap() {
            assert!(batch.rows.len() <= BATCH_ROWS);
            assert_eq!(batch.columns.column(1).as_string::<i32>().value(0), "[1]");
            let publisher = batch.columns.column(3).as_string::<i32>().value(0);
            assert_eq!(publisher, format!("{{\"x\":\"{}\"}}", batch.rows[0] - 1));
            let symbols = batch.columns.column(2).as_dictionary::<Int32Type>();
            let symbols = symbols.downcast_dict::<StringArray>().unwrap();
            for (i, row) in batch.rows.iter().enumerate() {
                assert_eq!(*row, next);
                next += 1;
                let symbol = ArrayAccessor::value(&symbols, i);
                assert_eq!(symbol, ["MSFT", "AAPL"][(row % 2) as usize]);
            }
            bytes += batch.bytes;
        }
        assert_eq!((next, bytes), (20_002, data.len() as u64));
    }
}

#[test]
fn large_rows_make_small_batches() {
    let body = "x".repeat(100_000);
    // Not twice the same text, or a dictionary would make the rows small.
    let text = StringArray::from_iter_values((0..200).map(|i| format!("{i}{body}")));
    let batch = RecordBatch::try_from_iter([("body", Arc::new(text) as ArrayRef)]).unwrap();
    let mut data = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut data, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut decoder = ParquetDecoder::open(file(&data)).unwrap();
    let first = decoder.next_batch().unwrap().unwrap();
    assert!(first.rows.len() < 100, "{}", first.rows.len());
}

/// All rows of a reader, from where it is.
fn rest(decoder: &mut ParquetDecoder) -> (Vec<u64>, Vec<RecordBatch>) {
    let (mut rows, mut batches) = (Vec::new(), Vec::new());
    while let Some(batch) = decoder.next_batch().unwrap() {
        assert_eq!(batch.rows.len(), batch.columns.num_rows());
        rows.extend(batch.rows);
        batches.push(batch.columns);
    }
    (rows, batches)
}

#[test]
fn columns_that_nobody_wants_keep_their_places_and_have_no_values() {
    let data = written(20_001, Compression::SNAPPY);
    let all = rest(&mut ParquetDecoder::open(file(&data)).unwrap());
    // Before the first row, between two batches, in the last one; of all row groups or of one.
    for (before, pieces) in [(0, None), (1, None), (2, None), (0, Some(1..2)), (1, Some(1..3))] {
        let mut decoder = ParquetDecoder::open(file(&data)).unwrap();
        if let Some(pieces) = pieces.clone() {
            decoder.read_pieces(pieces).unwrap();
        }
        let mut first = Vec::new();
        for _ in 0..before {
            first.extend(decoder.next_batch().unwrap().unwrap().rows);
        }
        decoder.read_only(Arc::new(|name| name == "publisher" || name == "ts")).unwrap();
        let (rows, batches) = rest(&mut decoder);
        let whole: Vec<u64> = match &pieces {
            None => (1..=20_001).collect(),
            Some(pieces) => {
                (pieces.start as u64 * 10_000 + 1..=(pieces.end as u64 * 10_000).min(20_001)).collect()
            }
        };
        assert_eq!([first, rows.clone()].concat(), whole, "{before} {pieces:?}");
        assert_eq!(decoder.names().join(" "), "ts conditions symbol publisher close");
        let mut at = rows[0] - 1;
        for batch in &batches {
            let schema = batch.schema();
            let left: Vec<bool> = schema.fields().iter().map(|field| is_left_out(field)).collect();
            assert_eq!(left, [false, true, true, false, true]);
            for row in 0..batch.num_rows() {
                assert_eq!(
                    batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().value(row) as u64,
                    at
                );
                let publisher = batch.column(3).as_string::<i32>().value(row);
                assert_eq!(publisher, format!("{{\"x\":\"{at}\"}}"));
                at += 1;
            }
            for (column, field) in [1, 2, 4].map(|at| (batch.column(at), schema.field(at))) {
                assert_eq!(column.logical_null_count(), batch.num_rows());
                assert_eq!(column.data_type(), field.data_type());
            }
        }
        // As if nothing had been said.
        decoder.read_only(Arc::new(|_| true)).unwrap();
        decoder.read_pieces(0..3).unwrap();
        let again = rest(&mut decoder);
        assert_eq!(again, all);
    }
}

#[test]
fn where_no_column_or_each_of_them_is_wanted_all_are_read() {
    let data = written(100, Compression::SNAPPY);
    let all = rest(&mut ParquetDecoder::open(file(&data)).unwrap());
    for wanted in [false, true] {
        let mut decoder = ParquetDecoder::open(file(&data)).unwrap();
        decoder.read_only(Arc::new(move |_| wanted)).unwrap();
        assert_eq!(rest(&mut decoder), all);
    }
}

#[test]
fn what_is_fetched_is_the_wanted_columns_of_the_row_groups_that_are_read() {
    let data = written(20_001, Compression::UNCOMPRESSED);
    let stored = Stored::new(file(&data).into()).unwrap();
    let metadata = ArrowReaderMetadata::load(&stored, ArrowReaderOptions::new()).unwrap();
    // The third root is one leaf, the fourth one has a leaf of its own.
    let mask = ProjectionMask::roots(metadata.parquet_schema(), [0, 3]);
    let of = |only: Range<usize>| places(metadata.metadata(), (only, &mask), data.len() as u64);
    let column = |group: usize, leaf: usize| {
        let (start, length) = metadata.metadata().row_group(group).column(leaf).byte_range();
        start..start + length
    };
    assert_eq!(of(1..3), [1, 2].map(|group| vec![column(group, 0), column(group, 3)]));
    assert_eq!(of(2..2), Vec::<Vec<Range<u64>>>::new());
}

#[test]
fn files_without_rows() {
    assert_eq!(read(&written(0, Compression::UNCOMPRESSED)), (0, None));
}

#[test]
fn what_is_no_parquet_file_is_said_in_a_sentence() {
    let data = written(100, Compression::SNAPPY);
    let mut cut_in_the_middle = data.clone();
    cut_in_the_middle.drain(200..400);
    let mut footer_length = data.clone();
    let end = footer_length.len();
    footer_length[end - 8..end - 4].copy_from_slice(&[0xFF; 4]);
    let truncated = "the Parquet file is truncated, the footer at its end is missing";
    let encrypted = "the Parquet file is encrypted, which cannot be read";
    for (data, start) in [
        (&b""[..], "not a Parquet file, it is too short"),
        (b"PAR1", truncated),
        (b"ts,open\n1,2\n3,4\n", "not a Parquet file, it does not start with PAR1"),
        (&data[..data.len() - 10], truncated),
        (b"PARE12345678PARE", encrypted),
        (b"PAR112345678PARE", encrypted),
        (&footer_length, "the Parquet file is corrupt (bytes are missing in it, or a length in it is wrong)"),
        (&cut_in_the_middle, "the Parquet file is corrupt (a page does not unpack"),
    ] {
        let message = read(data).1.unwrap();
        assert!(message.starts_with(start), "{message}");
        assert!(!message.contains('\n'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        snappy: bool,
        keep_footer: bool,
    ) {
        let compression = if snappy { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
        let mut data = written(50, compression);
        let length = u32::from_le_bytes(data[data.len() - 8..][..4].try_into().unwrap()) as usize;
        let body = data.len() - 8 - length;
        let range = if keep_footer { 4..body } else { body..data.len() - 8 };
        for (index, byte) in damage {
            let at = range.start + index.index(range.len());
            data[at] ^= byte;
        }
        // Whatever comes of it, it comes as a value.
        let (rows, error) = read(&data);
        prop_assert!(rows <= 50 || !keep_footer, "{} {:?}", rows, error);
    }
}

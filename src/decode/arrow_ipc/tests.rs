use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, DictionaryArray, Int8Array, Int64Array, ListArray, NullArray, RecordBatch, StringArray,
};
use arrow::datatypes::Int64Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;
use crate::decode::test_util::Script;

fn rows(first: i64, count: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + count));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((first..first + count).map(|id| format!("n{id}"))));
    let codes = Int8Array::from_iter_values((first..first + count).map(|id| (id % 2) as i8));
    let sides = DictionaryArray::new(codes, Arc::new(StringArray::from(vec!["buy", "sell"])));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(
        (first..first + count).map(|id| Some(vec![Some(id)])),
    );
    RecordBatch::try_from_iter([
        ("id", ids),
        ("text", texts),
        ("side", Arc::new(sides) as ArrayRef),
        ("list", Arc::new(lists) as ArrayRef),
    ])
    .unwrap()
}

fn written(file: bool, packed: Option<CompressionType>, batches: &[RecordBatch]) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packed).unwrap();
    let schema = batches[0].schema();
    let mut bytes = Vec::new();
    if file {
        let mut writer = FileWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    }
    bytes
}

/// The ids, and the error that ended them.
fn read(bytes: &[u8], size: usize) -> (Vec<i64>, Option<String>) {
    let mut decoder = match ArrowDecoder::open(Box::new(Script::cut(bytes, size))) {
        Ok(decoder) => decoder,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let (mut ids, mut rows) = (Vec::new(), 0);
    loop {
        match decoder.next_batch() {
            Ok(Some(raw)) => {
                assert!(raw.rows.len() <= BATCH_ROWS);
                assert_eq!(raw.rows.first(), Some(&(rows + 1)));
                rows += raw.rows.len() as u64;
                let column = raw.columns.column(0);
                if let Some(column) = column.as_primitive_opt::<Int64Type>() {
                    ids.extend(column.values());
                }
            }
            Ok(None) => return (ids, None),
            Err(error) => return (ids, Some(error.to_string())),
        }
    }
}

const KINDS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

#[test]
fn files_and_streams_wherever_chunks_are_cut() {
    for file in [true, false] {
        for packed in KINDS {
            let bytes = written(file, packed, &[rows(1, 5), rows(6, 20_000)]);
            for size in [1, 7, 4096, bytes.len()] {
                let (ids, error) = read(&bytes, size);
                assert_eq!(error, None, "{file} {packed:?} {size}");
                assert!(ids.into_iter().eq(1..20_006), "{file} {packed:?} {size}");
            }
        }
    }
}

#[test]
fn columns_with_parts_are_json_and_codes_are_kept() {
    let bytes = written(true, None, &[rows(1, 2)]);
    let mut decoder = ArrowDecoder::open(Box::new(Script::one(&bytes))).unwrap();
    let names = decoder.names();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["id", "text", "side", "list"]);
    let raw = decoder.next_batch().unwrap().unwrap();
    assert_eq!(raw.columns.column(3).as_string::<i32>().value(1), "[2]");
    let sides = raw.columns.column(2).as_any_dictionary();
    assert_eq!(sides.values().as_string::<i32>().value(sides.normalized_keys()[0]), "sell");
}

#[test]
fn an_end_at_any_place_is_told_of_a_file_and_within_a_batch_of_a_stream() {
    for file in [true, false] {
        let bytes = written(file, None, &[rows(1, 3), rows(4, 3)]);
        for end in 0..bytes.len() {
            let (ids, error) = read(&bytes[..end], 64);
            assert!(ids.len() % 3 == 0 && ids.iter().copied().eq(1..=ids.len() as i64), "{file} {end}");
            match error {
                Some(error) => assert!(error.contains("ends early"), "{file} {end}: {error}"),
                // Behind a batch, or within the mark of the end.
                None => assert!(!file, "{end}"),
            }
        }
    }
}

#[test]
fn no_damage_leads_to_a_panic_or_to_memory_without_end() {
    for packed in KINDS {
        let bytes = written(true, packed, &[rows(1, 3), rows(4, 3)]);
        for at in 0..bytes.len() {
            for with in [0, 0x7F, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[at] = with;
                let (ids, _) = read(&bytes, bytes.len());
                assert!(ids.len() <= 1 << 20, "{at}");
            }
        }
    }
}

#[test]
fn more_rows_than_there_are_bytes_for_are_refused() {
    let nulls: ArrayRef = Arc::new(NullArray::new(1 << 26));
    let batch = RecordBatch::try_from_iter([("id", nulls)]).unwrap();
    let (_, error) = read(&written(false, None, &[batch]), 4096);
    assert!(error.is_some_and(|error| error.contains("more rows than it has bytes for")));
}

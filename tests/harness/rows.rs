//! The same rows as CSV, NDJSON, one JSON document and Parquet.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::Work;

/// Writes rows in every format, and says how the files are called. What reads as a number or a truth value is one where
/// the format has them.
pub fn in_every_format(work: &Work, name: &str, columns: &[&str], rows: &[&[&str]]) -> Vec<String> {
    let file = |extension: &str| format!("{name}.{extension}");
    let line = |values: &[&str]| values.join(",") + "\n";
    let csv: String = std::iter::once(&columns).chain(rows).map(|values| line(values)).collect();
    work.write(&file("csv"), csv);
    let object = |row: &&[&str]| {
        let member = |(name, value): (&&str, &&str)| match is_bare(value) {
            true => format!("{name:?}:{value}"),
            false => format!("{name:?}:{value:?}"),
        };
        format!("{{{}}}", columns.iter().zip(*row).map(member).collect::<Vec<_>>().join(","))
    };
    let objects: Vec<String> = rows.iter().map(object).collect();
    work.write(&file("ndjson"), objects.join("\n"));
    work.write(&file("json"), format!("{{\"data\": [\n  {}\n]}}", objects.join(",\n  ")));
    let arrays = (0..columns.len()).map(|at| array(&rows.iter().map(|row| row[at]).collect::<Vec<_>>()));
    let batch = RecordBatch::try_from_iter(columns.iter().zip(arrays)).expect("columns of one length");
    parquet(work, &file("parquet"), &batch);
    ["csv", "ndjson", "json", "parquet"].map(file).to_vec()
}

/// Writes a file of Parquet.
pub fn parquet(work: &Work, name: &str, batch: &RecordBatch) {
    let file = File::create(work.path(name)).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("it is written");
    writer.close().expect("it is closed");
}

fn is_bare(value: &str) -> bool {
    value.parse::<f64>().is_ok() || matches!(value, "true" | "false")
}

/// The values of a column in the type that holds them all.
fn array(values: &[&str]) -> ArrayRef {
    if let Ok(numbers) = values.iter().map(|value| value.parse()).collect::<Result<Vec<i64>, _>>() {
        return Arc::new(Int64Array::from(numbers));
    }
    if let Ok(numbers) = values.iter().map(|value| value.parse()).collect::<Result<Vec<f64>, _>>() {
        return Arc::new(Float64Array::from(numbers));
    }
    match values.iter().map(|value| value.parse()).collect::<Result<Vec<bool>, _>>() {
        Ok(all) => Arc::new(BooleanArray::from(all)),
        Err(_) => Arc::new(StringArray::from(values.to_vec())),
    }
}

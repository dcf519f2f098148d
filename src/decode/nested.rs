//! Columns with parts (lists, structs, maps) as JSON text, one value a row: what a NDJSON input has for
//! them, so that everything behind the decoder knows one form.
//!
//! A list becomes an array, a struct an object, a map an object by its keys. Numbers keep all of their
//! digits; NaN and the infinities, for which JSON has no number, become texts.

use std::sync::Arc;

use arrow::array::StringBuilder;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::model::value;

/// Bytes of JSON text that a column of a batch may have: its offsets are of 31 bits.
const MOST_BYTES: usize = 1 << 30;

/// The schema that [`flat`] gives batches of that one.
pub(super) fn flat_schema(schema: &Schema) -> SchemaRef {
    let text = |field: &Arc<Field>| match field.data_type().is_nested() {
        true => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        false => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
}

/// The batch with JSON text for its columns with parts, under its flat schema.
///
/// # Errors
/// One sentence, where the values of a column are too large together.
pub(super) fn flat(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        columns.push(match field.data_type().is_nested() {
            true => texts(column).ok_or_else(|| {
                format!("the values of column {} are too large to be read as JSON", field.name())
            })?,
            false => column.clone(),
        });
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(|error: ArrowError| error.to_string())
}

fn texts(column: &ArrayRef) -> Option<ArrayRef> {
    let mut builder = StringBuilder::with_capacity(column.len(), column.len() * 16);
    let (mut text, mut bytes) = (String::new(), 0);
    for row in 0..column.len() {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        value::write(column, row, &mut text);
        bytes += text.len();
        if bytes > MOST_BYTES {
            return None;
        }
        builder.append_value(&text);
    }
    Some(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::array::{Float64Array, ListArray, StringArray, StructArray};
    use arrow::array::{Int32Builder, MapBuilder};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn json(column: ArrayRef) -> Vec<Option<String>> {
        let made = texts(&column).unwrap();
        made.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn lists_structs_and_maps_become_json() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None, Some(i64::MAX)]),
            None,
            Some(vec![]),
        ]);
        assert_eq!(
            json(Arc::new(lists)),
            [Some("[1,null,9223372036854775807]".into()), None, Some("[]".into())]
        );
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None]));
        let sizes: ArrayRef = Arc::new(Float64Array::from(vec![0.1, f64::NAN]));
        let field = |name: &str, type_| Arc::new(Field::new(name, type_, true));
        let structs = StructArray::from(vec![
            (field("name", DataType::Utf8), names),
            (field("size", DataType::Float64), sizes),
        ]);
        assert_eq!(
            json(Arc::new(structs)),
            [
                Some(r#"{"name":"a\"b","size":0.1}"#.to_owned()),
                Some(r#"{"name":null,"size":"NaN"}"#.to_owned())
            ]
        );
        let mut maps = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
        maps.keys().append_value(7);
        maps.values().append_value(8);
        maps.append(true).unwrap();
        assert_eq!(json(Arc::new(maps.finish())), [Some(r#"{"7":8}"#.to_owned())]);
    }
}

//! Rows into CSV, NDJSON and Parquet, in flat memory.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch};
use arrow::array::{Decimal128Builder, StringBuilder};
use arrow::array::{TimestampMicrosecondArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::cell::{Cell, Field, Type};
use super::market::Plan;
use super::spoil::{Fault, Spoil};

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Parquet.
    Parquet,
}

/// Compression of a file; of the pages in Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy; Parquet only.
    Snappy,
}

/// Rows that are made and written at a time.
const CHUNK: usize = 8192;

/// Writes the rows of a plan, some of them broken.
pub fn write<W: Write + Send>(
    plan: &Plan,
    format: Format,
    compress: Compress,
    spoil: &Spoil,
    out: W,
) -> io::Result<()> {
    if format == Format::Parquet {
        return match spoil.is_none() {
            true => parquet(plan, compress, out),
            false => Err(io::Error::other("a Parquet file cannot hold broken rows: take csv or ndjson")),
        };
    }
    let mut out = BufWriter::with_capacity(1 << 18, out);
    match compress {
        Compress::None => text(plan, format, spoil, &mut out)?,
        Compress::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(&mut out, flate2::Compression::new(6));
            text(plan, format, spoil, &mut gzip)?;
            gzip.finish()?;
        }
        Compress::Zstd => {
            let mut zstd = zstd::Encoder::new(&mut out, 3)?;
            text(plan, format, spoil, &mut zstd)?;
            zstd.finish()?;
        }
        Compress::Snappy => return Err(io::Error::other("only Parquet is compressed with snappy")),
    }
    out.flush()
}

fn text(plan: &Plan, format: Format, spoil: &Spoil, out: &mut impl Write) -> io::Result<()> {
    let fields = plan.fields();
    let mut line = String::new();
    if format == Format::Csv {
        line.push_str(&fields.iter().map(|f| f.name).collect::<Vec<_>>().join(","));
        line.push('\n');
    }
    for (row, number) in plan.rows().zip(1..) {
        let mut row = row;
        let fault = spoil.fault(number);
        match (fault, format) {
            (Some(Fault::BadLine), Format::Csv) => line.push_str("-- 3 rows lost: line noise --"),
            (Some(Fault::BadLine), _) => line.push_str(r#"{"ts": "2019-01-07T14:"#),
            (fault, _) => {
                if let Some(fault) = fault {
                    fault.apply(&fields, &mut row);
                }
                if format == Format::Csv {
                    csv_row(&row, &mut line)
                } else {
                    json_row(&fields, &row, &mut line)
                }
            }
        }
        line.push('\n');
        if line.len() > 1 << 16 {
            out.write_all(line.as_bytes())?;
            line.clear();
        }
    }
    out.write_all(line.as_bytes())
}

fn csv_row(row: &[Cell], line: &mut String) {
    for (i, cell) in row.iter().enumerate() {
        if i > 0 {
            line.push(',');
        }
        match cell {
            Cell::Text(text) if text.contains([',', '"', '\n']) => {
                line.push('"');
                line.push_str(&text.replace('"', "\"\""));
                line.push('"');
            }
            Cell::Text(text) => line.push_str(text),
            other => line.push_str(&other.to_text()),
        }
    }
}

fn json_row(fields: &[Field], row: &[Cell], line: &mut String) {
    line.push('{');
    for (i, (field, cell)) in fields.iter().zip(row).enumerate() {
        if i > 0 {
            line.push(',');
        }
        line.push('"');
        line.push_str(field.name);
        line.push_str("\":");
        match (cell, field.ty) {
            (Cell::Null, _) => line.push_str("null"),
            (Cell::Instant(ns), Type::Nanos) => line.push_str(&ns.to_string()),
            (Cell::Int(_) | Cell::Number { .. }, _) => line.push_str(&cell.to_text()),
            _ => line.push_str(&serde_json::Value::String(cell.to_text()).to_string()),
        }
    }
    line.push('}');
}

fn parquet(plan: &Plan, compress: Compress, out: impl Write + Send) -> io::Result<()> {
    let codec = match compress {
        Compress::None => Codec::UNCOMPRESSED,
        Compress::Gzip => Codec::GZIP(Default::default()),
        Compress::Zstd => Codec::ZSTD(ZstdLevel::default()),
        Compress::Snappy => Codec::SNAPPY,
    };
    let fields = plan.fields();
    let schema = Arc::new(Schema::new(
        fields
            .iter()
            .map(|f| arrow::datatypes::Field::new(f.name, arrow_type(f.ty), true))
            .collect::<Vec<_>>(),
    ));
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(128 * 1024))
        .set_created_by("mdsctl's example generate".into())
        .build();
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
    let mut rows = plan.rows();
    loop {
        let chunk: Vec<Vec<Cell>> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let columns = fields.iter().enumerate().map(|(i, f)| column(f.ty, &chunk, i)).collect();
        writer.write(&RecordBatch::try_new(schema.clone(), columns).map_err(io::Error::other)?)?;
    }
    writer.close()?;
    Ok(())
}

fn arrow_type(ty: Type) -> DataType {
    let utc = || Some("UTC".into());
    match ty {
        Type::Text => DataType::Utf8,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Decimal(scale) => DataType::Decimal128(18, scale as i8),
        Type::Micros => DataType::Timestamp(TimeUnit::Microsecond, utc()),
        Type::Nanos => DataType::Timestamp(TimeUnit::Nanosecond, utc()),
        Type::Day => DataType::Date32,
    }
}

fn column(ty: Type, rows: &[Vec<Cell>], at: usize) -> ArrayRef {
    let cells = rows.iter().map(|row| &row[at]);
    let instants = |unit: i64| {
        move |cell: &Cell| match cell {
            Cell::Instant(ns) => Some(ns / unit),
            _ => None,
        }
    };
    match ty {
        Type::Text => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                match cell {
                    Cell::Text(text) => builder.append_value(text),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Type::Int => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            Cell::Int(value) => Some(*value),
            _ => None,
        }))),
        // Division is correctly rounded and both sides are exact, so this is the double whose
        // shortest decimal form is the number itself.
        Type::Float => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            Cell::Number { digits, scale } => Some(*digits as f64 / 10_f64.powi(i32::from(*scale))),
            Cell::Int(value) => Some(*value as f64),
            _ => None,
        }))),
        Type::Decimal(places) => {
            let mut builder = Decimal128Builder::new().with_data_type(arrow_type(ty));
            for cell in cells {
                match cell {
                    Cell::Number { digits, scale } => {
                        builder.append_value(i128::from(*digits) * 10_i128.pow(u32::from(places - scale)));
                    }
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Type::Micros => {
            Arc::new(TimestampMicrosecondArray::from_iter(cells.map(instants(1_000))).with_timezone("UTC"))
        }
        Type::Nanos => {
            Arc::new(TimestampNanosecondArray::from_iter(cells.map(instants(1))).with_timezone("UTC"))
        }
        Type::Day => Arc::new(Date32Array::from_iter(cells.map(|cell| match cell {
            Cell::Day(day) => Some(*day),
            _ => None,
        }))),
    }
}

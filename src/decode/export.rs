//! Rows of texts as a file: CSV, NDJSON or Parquet, which the decoders here read again.

use std::io::{self, Write};

use crate::decode::parquet::ParquetRows;

/// A format to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// With a header.
    Csv,
    /// An object a line.
    Ndjson,
    /// All columns are texts, so that no digit of a number is lost.
    Parquet,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportCell<'a> {
    /// As JSON.
    pub json: &'a str,
    /// As text, without quotes; `None` for null.
    pub text: Option<&'a str>,
}

/// Writes rows of the same columns.
pub struct RowWriter<W: Write + Send> {
    names: Vec<String>,
    out: Out<W>,
}

enum Out<W: Write + Send> {
    Csv(W),
    Ndjson(W),
    Parquet(Box<ParquetRows<W>>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Begins a file with those columns.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(format: FileFormat, names: Vec<String>, mut out: W) -> io::Result<Self> {
        let out = match format {
            FileFormat::Ndjson => Out::Ndjson(out),
            FileFormat::Csv => {
                csv::Writer::from_writer(&mut out).write_record(&names)?;
                Out::Csv(out)
            }
            FileFormat::Parquet => Out::Parquet(Box::new(ParquetRows::new(&names, out)?)),
        };
        Ok(Self { names, out })
    }

    /// Writes a row: a cell for each column, `None` where it has none.
    ///
    /// # Errors
    /// Those of writing.
    pub fn row(&mut self, cells: &[Option<ExportCell<'_>>]) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(out) => {
                let mut line = String::new();
                for (place, cell) in cells.iter().enumerate() {
                    if place > 0 {
                        line.push(',');
                    }
                    if let Some(text) = cell.as_ref().and_then(|cell| cell.text) {
                        quote(text, &mut line);
                    }
                }
                if cells.len() == 1 && line.is_empty() {
                    line.push_str("\"\"");
                }
                line.push('\n');
                out.write_all(line.as_bytes())
            }
            Out::Ndjson(out) => {
                let mut line = String::from("{");
                // Who reads it may take the columns from the first row, so each has them all.
                for (name, cell) in self.names.iter().zip(cells) {
                    if line.len() > 1 {
                        line.push(',');
                    }
                    line.push_str(&serde_json::to_string(name)?);
                    line.push(':');
                    line.push_str(cell.as_ref().map_or("null", |cell| cell.json));
                }
                line.push_str("}\n");
                out.write_all(line.as_bytes())
            }
            Out::Parquet(rows) => rows.row(cells),
        }
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> io::Result<W> {
        match self.out {
            Out::Csv(mut out) | Out::Ndjson(mut out) => out.flush().map(|()| out),
            Out::Parquet(rows) => rows.finish(),
        }
    }
}

/// A field of CSV (RFC 4180).
fn quote(text: &str, out: &mut String) {
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']) && text.trim().len() == text.len();
    if plain {
        return out.push_str(text);
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: FileFormat, names: &[&str], rows: &[&[Option<&str>]]) -> Vec<u8> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mut writer = RowWriter::new(format, names, Vec::new()).unwrap();
        for row in rows {
            let cells: Vec<_> =
                row.iter().map(|c| c.map(|text| ExportCell { json: "1", text: Some(text) })).collect();
            writer.row(&cells).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        let rows: [&[Option<&str>]; 2] = [&[Some("a"), Some("")], &[None, Some(" b,\"c\"\r\n")]];
        let text = String::from_utf8(written(FileFormat::Csv, &["x,y", "z"], &rows)).unwrap();
        assert_eq!(text, "\"x,y\",z\na,\"\"\n,\" b,\"\"c\"\"\r\n\"\n");
        // An empty line would be no row.
        assert_eq!(written(FileFormat::Csv, &["x"], &[&[None]]), b"x\n\"\"\n");
    }

    #[test]
    fn objects_have_all_columns() {
        let text = written(FileFormat::Ndjson, &["a\"b", "c"], &[&[None, Some("x")]]);
        assert_eq!(text, b"{\"a\\\"b\":null,\"c\":1}\n");
    }
}

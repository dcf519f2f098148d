//! A line that could not be read, and was mended since: read as its input was.

use std::sync::Arc;

use crate::batch::Reading;
use crate::dataset::json_row;
use crate::decode::{Chunk, Chunks, CsvDecoder, CsvOptions, DecodeError, Decoder};

/// Bytes that are all there.
pub(super) struct Once(pub(super) Option<Vec<u8>>);

impl Chunks for Once {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        Ok(self.0.take().map_or(Chunk::End, |bytes| Chunk::Data(bytes.into())))
    }
}

/// The row of a line of CSV under the names of its header, as JSON; `None` where it is still none.
pub(super) fn read(raw: &str, reading: Option<&Arc<Reading>>) -> Option<String> {
    let (delimiter, header) =
        reading.and_then(|reading| Some((reading.delimiter.as_ref()?, reading.header.as_ref()?)))?;
    let &[delimiter] = delimiter.as_bytes() else { return None };
    if header.is_empty() {
        return None;
    }
    let names = Vec::with_capacity(raw.len() + 16 * header.len());
    let quoted = csv::QuoteStyle::Always;
    let mut names = csv::WriterBuilder::new().delimiter(delimiter).quote_style(quoted).from_writer(names);
    names.write_record(header).ok()?;
    let mut text = names.into_inner().ok()?;
    text.extend([raw.as_bytes(), b"\n"].into_iter().flatten());
    let options = CsvOptions { delimiter: Some(delimiter), ..CsvOptions::default() };
    let mut decoder = CsvDecoder::open(Box::new(Once(Some(text))), options).ok()?;
    let one = decoder.next_batch().ok()??;
    let alone = one.rows.len() == 1 && one.broken.is_empty() && matches!(decoder.next_batch(), Ok(None));
    alone.then(|| json_row::of_source(&one.columns, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(delimiter: &str, header: &[&str]) -> Arc<Reading> {
        Arc::new(Reading {
            delimiter: Some(delimiter.into()),
            header: Some(header.iter().map(|name| (*name).to_owned()).collect()),
            ..Reading::default()
        })
    }

    #[test]
    fn a_line_that_fits_its_header_is_a_row() {
        let semicolons = reading(";", &["ts", "a;\"b\""]);
        let row = read("2024-01-02;\"x;\"\"y\"\"\"", Some(&semicolons));
        assert_eq!(row.as_deref(), Some(r#"{"ts":"2024-01-02","a;\"b\"":"x;\"y\""}"#));
        for still_none in ["2024-01-02", "1;2;3", "1;2\n3;4", ""] {
            assert_eq!(read(still_none, Some(&semicolons)), None, "{still_none}");
        }
        assert_eq!(read("1;2", None), None);
        assert_eq!(read("1;2", Some(&Arc::new(Reading::default()))), None);
    }
}

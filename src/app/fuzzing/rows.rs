//! Readers of rows: every row comes once, under its number, whatever pieces the bytes come in.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::decode::format::Reading;
use crate::decode::{Chunk, Chunks, CsvOptions, DecodeError, Decoder, Format, Passed};
use crate::model::text::Texts;
use crate::pipeline::Stop;
use crate::source::{Input, Meter, OpenOptions, expand, open};

/// Bytes in pieces of one size.
struct Pieces {
    rest: Bytes,
    size: usize,
}

impl Pieces {
    fn of(data: &[u8], size: usize) -> Box<dyn Chunks> {
        Box::new(Self { rest: Bytes::copy_from_slice(data), size })
    }
}

impl Chunks for Pieces {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        let size = self.size.min(self.rest.len());
        Ok(if size == 0 { Chunk::End } else { Chunk::Data(self.rest.split_to(size)) })
    }
}

/// What a reader told of its input.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    rows: u64,
    broken: u64,
    /// Of all good rows and their texts, and of the broken ones.
    digest: (u64, u64),
    /// What was passed over.
    passed: Passed,
    error: Option<String>,
}

/// Reads to the end.
fn walk(opened: Result<Box<dyn Decoder>, DecodeError>) -> Told {
    let mut told = Told { rows: 0, broken: 0, digest: (0, 0), passed: Passed::default(), error: None };
    let mut decoder = match opened {
        Ok(decoder) => decoder,
        Err(error) => return Told { error: Some(said(&error)), ..told },
    };
    let (mut good, mut bad, mut last) = (Xxh3::new(), Xxh3::new(), 0);
    loop {
        let batch = match decoder.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            // A reader that has failed is not asked again.
            Err(error) => {
                told.error = Some(said(&error));
                break;
            }
        };
        assert!(!batch.rows.is_empty() || !batch.broken.is_empty(), "an empty batch");
        assert_eq!(batch.rows.len(), batch.columns.num_rows());
        let broken: Vec<u64> = batch.broken.iter().map(|broken| broken.row).collect();
        for numbers in [&batch.rows, &broken] {
            assert!(numbers.is_sorted_by(|one, other| one < other), "numbers go up: {numbers:?}");
            assert!(numbers.first().is_none_or(|first| *first > last), "a number comes twice");
        }
        last = last.max(batch.rows.last().copied().unwrap_or(0)).max(broken.last().copied().unwrap_or(0));
        (told.rows, told.broken) = (told.rows + batch.rows.len() as u64, told.broken + broken.len() as u64);
        batch.rows.iter().for_each(|row| good.write_u64(*row));
        for (field, column) in batch.columns.schema().fields().iter().zip(batch.columns.columns()) {
            let Some(texts) = Texts::of(column) else { continue };
            for (row, text) in batch.rows.iter().zip(texts.iter()) {
                let Some(text) = text else { continue };
                good.write_u64(*row);
                [field.name(), text].iter().for_each(|text| {
                    good.write_usize(text.len());
                    good.write(text.as_bytes());
                });
            }
        }
        for broken in &batch.broken {
            bad.write_u64(broken.row);
            bad.write(&broken.raw);
            bad.write(broken.code.as_bytes());
        }
    }
    let mut ended = || decoder.next_batch().is_ok_and(|batch| batch.is_none());
    assert!(told.error.is_some() || ended(), "an input that has ended goes on");
    decoder.names();
    told.passed = decoder.passed();
    told.digest = (good.finish(), bad.finish());
    told
}

/// What an error says, which is fit for people.
fn said(error: &DecodeError) -> String {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains("panicked"), "{text}");
    text
}

fn format(name: &str) -> Format {
    Format::of_name(name).unwrap_or(Format::CSV)
}

fn open_stream(
    format: Format,
    chunks: Box<dyn Chunks>,
    options: CsvOptions,
) -> Result<Box<dyn Decoder>, DecodeError> {
    match format.reading() {
        Reading::Stream(open) => open(chunks, options),
        Reading::Lines(open) => open(chunks, options).map(|decoder| decoder as Box<dyn Decoder>),
        Reading::File(_) => panic!("{} is read from files", format.title),
    }
}

/// A text of lines: each is one row, good or broken, with and without a header.
pub(super) fn text(name: &str, data: &[u8]) {
    // Whether a line is a header is judged by what has come behind it by then, and so not compared.
    walk(open_stream(format(name), Pieces::of(data, data.len()), CsvOptions::default()));
    let headed = CsvOptions { sure_header: true, ..CsvOptions::default() };
    let plain = CsvOptions { header: false, skip_lines: 1, comment: Some("//".into()), ..headed.clone() };
    let delimited = CsvOptions { delimiter: Some(b'|'), header_lines: 2, ..headed.clone() };
    // Only delimited text has options.
    let all = if name == "csv" { vec![headed, plain, delimited] } else { vec![headed] };
    for options in all {
        let told = |size| walk(open_stream(format(name), Pieces::of(data, size), options.clone()));
        let whole = told(data.len());
        assert!(whole.rows + whole.broken <= data.len() as u64, "more rows than bytes");
        for size in [1, 7] {
            assert_eq!(whole, told(size), "in pieces of {size} bytes, {options:?}");
        }
    }
}

/// A JSON document, looked through before, or not.
pub(super) fn document(data: &[u8]) {
    let format = format("ndjson");
    let options = CsvOptions::default();
    let whole = walk(open_stream(format, Pieces::of(data, data.len()), options.clone()));
    let pieces = walk(open_stream(format, Pieces::of(data, 5), options.clone()));
    assert_eq!(whole, pieces, "in pieces");
    let Some(look_through) = format.look_through else { return };
    let found = look_through(Pieces::of(data, 64), &options);
    match found {
        Ok(found) => {
            let mut options = options;
            options.json.found = Some(Arc::new(found));
            let after = walk(open_stream(format, Pieces::of(data, data.len()), options.clone()));
            let again = walk(open_stream(format, Pieces::of(data, 3), options));
            assert_eq!(after, again, "in pieces, looked through");
        }
        Err(error) => drop(said(&error)),
    }
}

/// A stream of columns.
pub(super) fn stream(name: &str, data: &[u8]) {
    let told = |size| walk(open_stream(format(name), Pieces::of(data, size), CsvOptions::default()));
    let whole = told(data.len());
    assert_eq!(whole, told(13), "in pieces");
}

/// A file without a name.
fn stored(data: &[u8]) -> File {
    let written = tempfile::tempfile().and_then(|mut file| file.write_all(data).map(|()| file));
    written.unwrap_or_else(|error| panic!("a file cannot be written: {error}"))
}

/// A format that is read from its end: what is proven to be whole can be read.
pub(super) fn file(name: &str, data: &[u8]) {
    let Reading::File(open) = format(name).reading() else { panic!("{name} is no format of files") };
    let file = stored(data);
    let opened = file
        .try_clone()
        .map_err(DecodeError::from)
        .and_then(|file| open(file.into(), &CsvOptions::default()));
    let proven = opened.as_ref().is_ok_and(|decoder| decoder.prove_until(&|| false).is_ok());
    let told = walk(opened.map(|decoder| decoder as Box<dyn Decoder>));
    assert!(!proven || told.error.is_none(), "it was whole: {told:?}");
}

/// Anything at all, as a file that is loaded: told, unpacked, read.
pub(super) fn input(data: &[u8]) {
    let named = tempfile::NamedTempFile::new().and_then(|mut file| file.write_all(data).map(|()| file));
    let named = named.unwrap_or_else(|error| panic!("a file cannot be written: {error}"));
    let Ok(inputs) = expand(&[named.path().as_os_str().to_owned()], false) else { return };
    for input in inputs.iter().take(8) {
        one_input(input);
    }
}

fn one_input(input: &Input) {
    let stop = Stop::new().unwrap_or_else(|error| panic!("no stop: {error}"));
    match open(input, &OpenOptions::default(), &stop, &Arc::new(Meter::default())) {
        Ok(opened) => {
            walk(Ok(opened.decoder));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

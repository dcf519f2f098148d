//! From messages to rows: the bodies of a poll go through one decoder, as the lines of a file do. Each body of Arrow is a stream
//! of its own; their columns are put together where they are alike.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::dataset::wanted::Wanted;
use crate::decode::format::{Format, LineDecoder, Reading};
use crate::decode::json::JsonDecoder;
use crate::decode::{
    BATCH_ROWS, Broken, Chunk, Chunks, CsvDecoder, CsvOptions, Cutter, DecodeError, MAX_ROW, Passed, Piece,
    RawBatch, with_quoted_words,
};
use crate::source::broker::Message;

/// Bytes on their way to a decoder that asks for no more than there are.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<VecDeque<Bytes>>>);

impl Queue {
    fn push(&self, bytes: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(bytes.into());
    }
}

impl Chunks for Queue {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Ok(next.map_or(Chunk::Idle, Chunk::Data))
    }
}

/// A body that is all there is.
struct Whole(Option<Bytes>);

impl Chunks for Whole {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        Ok(self.0.take().map_or(Chunk::End, Chunk::Data))
    }
}

/// A row of a message that could not be read.
#[derive(Debug)]
struct Unread {
    /// The message.
    place: usize,
    /// The row in it, from 0.
    row: u64,
    raw: Vec<u8>,
    why: Arc<str>,
}

/// Messages cut into rows.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// The good rows, each a line.
    lines: Vec<u8>,
    /// The good rows, where they have columns already.
    batches: Vec<RecordBatch>,
    /// How many rows each message has; one that is broken has one.
    pub(super) rows: Vec<u64>,
    /// Rows that could not be read, in their order.
    unread: Vec<Unread>,
    /// Bytes of the bodies.
    pub(super) bytes: u64,
    /// Messages without one: they were deleted from the stream.
    pub(super) deleted: u64,
}

/// What is said of a body that is no JSON.
const NO_JSON: &str = "the body of the message is neither a JSON object nor several of them";

impl Cut {
    /// Whether there is no row in the messages that could be read.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.batches.is_empty()
    }

    /// The good rows, each a line.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    fn is_unread(&self, place: usize, row: u64) -> bool {
        self.unread.binary_search_by_key(&(place, row), |unread| (unread.place, unread.row)).is_ok()
    }

    /// The rows that could not be read, given the ordinal of the first row of each message.
    pub(super) fn take_broken(&mut self, first: &[u64]) -> Vec<Broken> {
        let broken = |unread: Unread| {
            let Unread { place, row, mut raw, why } = unread;
            let cut = raw.len() > MAX_ROW;
            raw.truncate(MAX_ROW);
            let row = first.get(place).copied().unwrap_or_default() + row;
            Broken { row, raw, cut, code: "bad_line", message: why.to_string().into() }
        };
        std::mem::take(&mut self.unread).into_iter().map(broken).collect()
    }

    /// The ordinal of each good row, given that of the first row of each message.
    pub(super) fn ordinals(&self, first: &[u64]) -> Vec<u64> {
        let mut ordinals = Vec::with_capacity(self.rows.iter().sum::<u64>() as usize);
        for (place, (rows, first)) in self.rows.iter().zip(first).enumerate() {
            let good = (0..*rows).filter(|row| self.unread.is_empty() || !self.is_unread(place, *row));
            ordinals.extend(good.map(|row| first + row));
        }
        ordinals
    }
}

/// Appends the objects of a body, each as a line; how many. `None` where it is anything else.
fn rows_of(body: &[u8], lines: &mut Vec<u8>) -> Option<u64> {
    let mut rows = 0;
    for value in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let value = value.ok()?.get();
        match value.as_bytes().first()? {
            b'{' => {
                append(value, lines);
                rows += 1;
            }
            b'[' => {
                for value in serde_json::from_str::<Vec<&RawValue>>(value).ok()? {
                    if !value.get().starts_with('{') {
                        return None;
                    }
                    append(value.get(), lines);
                    rows += 1;
                }
            }
            _ => return None,
        }
    }
    Some(rows)
}

/// Appends an object as one line: a line end in it stands between its parts, where a blank means the same.
fn append(object: &str, lines: &mut Vec<u8>) {
    lines.extend(object.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    lines.push(b'\n');
}

/// Appends what a body of JSON has.
fn of_json(body: &[u8], lines: &mut Vec<u8>) -> Option<u64> {
    let before = lines.len();
    rows_of(body, lines)
        .or_else(|| {
            lines.truncate(before);
            let quoted = with_quoted_words(std::str::from_utf8(body).ok()?)?;
            rows_of(quoted.as_bytes(), lines)
        })
        .or_else(|| {
            lines.truncate(before);
            None
        })
}

/// How bodies are cut.
enum Kind {
    Json,
    Csv(Box<Cutter>),
    Arrow(Format),
}

type Lines = (Box<dyn LineDecoder>, Queue);

/// Cuts and decodes rows, of all messages in their order.
pub(super) struct Bodies {
    kind: Kind,
    options: CsvOptions,
    decoder: Option<Lines>,
    batches: VecDeque<RecordBatch>,
    /// Bytes of columns behind which no further message is cut at once.
    most: u64,
    /// Rows that have come out of it.
    rows: u64,
}

impl Bodies {
    /// By the format of the flags, JSON where they name none, and their options. CSV is read by the names of its columns.
    pub(super) fn new(format: Option<Format>, mut options: CsvOptions) -> Self {
        let kind = match format {
            Some(format) if format == Format::CSV => {
                let names = options.columns.as_deref().unwrap_or_default();
                Kind::Csv(Box::new(Cutter::new(names, options.delimiter.unwrap_or(b','))))
            }
            Some(format) if format.is_binary() => Kind::Arrow(format),
            _ => Kind::Json,
        };
        // An object is a row: what a message is about its sender decides.
        options.json.rows_at = Some(".".into());
        Self { kind, options, decoder: None, batches: VecDeque::new(), most: AT_ONCE, rows: 0 }
    }

    /// Cuts the bodies of messages into rows: of all of them, or of the first ones where their columns take much room.
    ///
    /// # Errors
    /// Usage, where this program does not read that format.
    pub(super) fn cut(&mut self, messages: &mut [Message]) -> Result<Cut, DecodeError> {
        let (mut cut, mut bytes) = (Cut::default(), 0);
        for (place, message) in messages.iter_mut().enumerate() {
            if bytes > self.most {
                break;
            }
            let Some(body) = message.body.take() else {
                cut.rows.push(0);
                cut.deleted += 1;
                continue;
            };
            cut.bytes += body.len() as u64;
            let unread = |raw: Vec<u8>, why: Arc<str>| Unread { place, row: 0, raw, why };
            if let Err(why) = &message.beside {
                cut.unread.push(unread(body, why.clone()));
                cut.rows.push(1);
                continue;
            }
            let rows = match &mut self.kind {
                Kind::Json => of_json(&body, &mut cut.lines).ok_or_else(|| unread(body, NO_JSON.into())),
                Kind::Csv(cutter) => Ok(of_csv(cutter, &body, place, &mut cut)),
                // As a message without a body.
                Kind::Arrow(_) if body.is_empty() => Ok(0),
                Kind::Arrow(format) => match of_arrow(*format, &self.options, body.clone().into()) {
                    Ok((batches, own)) => {
                        bytes += own;
                        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                        cut.batches.extend(batches);
                        Ok(rows)
                    }
                    Err(DecodeError::Corrupt(why)) => {
                        // None of its rows is stored, whichever were read.
                        let why = why.split("; ").next().unwrap_or_default();
                        Err(unread(body, format!("the body of the message cannot be read: {why}").into()))
                    }
                    Err(error) => return Err(error),
                },
            };
            cut.rows.push(match rows {
                Ok(rows) => rows,
                Err(unread) => {
                    cut.unread.push(unread);
                    1
                }
            });
        }
        Ok(cut)
    }

    /// Takes in the good rows of messages, for [`Self::next`] to give.
    ///
    /// # Errors
    /// As those of the decoder.
    pub(super) fn push(&mut self, cut: &mut Cut) -> Result<(), DecodeError> {
        self.batches.extend(std::mem::take(&mut cut.batches));
        if cut.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut cut.lines);
        if let Some((_, queue)) = &self.decoder {
            queue.push(lines);
            return Ok(());
        }
        let queue = Queue::default();
        let open = Box::new(queue.clone());
        let decoder: Box<dyn LineDecoder> = match &self.kind {
            Kind::Csv(cutter) => {
                let (header, options) = cutter.header(&self.options);
                queue.push(header);
                queue.push(lines);
                Box::new(CsvDecoder::open(open, options)?)
            }
            Kind::Json | Kind::Arrow(_) => {
                queue.push(lines);
                Box::new(JsonDecoder::open(open, self.options.clone())?)
            }
        };
        self.decoder = Some((decoder, queue));
        Ok(())
    }

    /// The next columns that came as such, as many alike ones together as a batch may have.
    fn next_columns(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let Some(first) = self.batches.pop_front() else { return Ok(None) };
        let schema = first.schema();
        let (mut rows, mut alike) = (first.num_rows(), vec![first]);
        while let Some(next) = self.batches.front()
            && next.schema_ref() == &schema
            && rows + next.num_rows() <= BATCH_ROWS
        {
            rows += next.num_rows();
            alike.extend(self.batches.pop_front());
        }
        let failed = |error| DecodeError::Corrupt(format!("its columns cannot be put together: {error}"));
        let columns = concat_batches(&schema, &alike).map_err(failed)?;
        let numbers = self.rows + 1..=self.rows + rows as u64;
        let bytes = columns.get_array_memory_size() as u64;
        Ok(Some(RawBatch { columns, rows: numbers.collect(), broken: Vec::new(), bytes }))
    }

    /// The next rows, if there are more; the rows are numbered by `ordinals`, which were those of the messages
    /// that were pushed last, from the first one on that has not been given.
    ///
    /// # Errors
    /// As those of the decoder.
    pub(super) fn next(
        &mut self,
        wanted: Option<Wanted>,
        ordinals: &[u64],
        given: &mut usize,
    ) -> Result<Option<RawBatch>, DecodeError> {
        let next = match &mut self.decoder {
            Some((decoder, _)) => {
                if let Some(wanted) = wanted {
                    decoder.want(wanted);
                }
                decoder.next_now()?
            }
            None => self.next_columns()?,
        };
        let Some(mut raw) = next else { return Ok(None) };
        let before = self.rows;
        let ordinal = |row: &mut u64| {
            let place = *given + usize::try_from(row.saturating_sub(before + 1)).unwrap_or(usize::MAX);
            let known = ordinals.get(place);
            known.map(|ordinal| *row = *ordinal)
        };
        let count = raw.rows.len() + raw.broken.len();
        let all = raw.rows.iter_mut().chain(raw.broken.iter_mut().map(|broken| &mut broken.row));
        let numbered = all.map(ordinal).filter(Option::is_some).count();
        if numbered != count {
            return Err(DecodeError::Corrupt("its messages do not come apart into their rows".to_owned()));
        }
        self.rows += count as u64;
        *given += count;
        Ok(Some(raw))
    }

    /// How a line is cut into fields, where lines have some.
    pub(super) fn fields(&self) -> Option<(u8, Vec<Arc<str>>)> {
        match &self.kind {
            Kind::Csv(cutter) => Some((
                cutter.delimiter(),
                self.options
                    .columns
                    .iter()
                    .flat_map(|names| names.iter().map(|name| name.as_str().into()))
                    .collect(),
            )),
            Kind::Json | Kind::Arrow(_) => None,
        }
    }

    /// What was passed over so far.
    pub(super) fn passed(&self) -> Passed {
        let mut passed = self.decoder.as_ref().map(|(decoder, _)| decoder.passed()).unwrap_or_default();
        if let Kind::Csv(cutter) = &self.kind {
            passed.add(&cutter.passed);
        }
        passed
    }
}

/// Appends the rows of a body of CSV; how many there are with those that are broken.
fn of_csv(cutter: &mut Cutter, body: &[u8], place: usize, cut: &mut Cut) -> u64 {
    let mut row = 0;
    cutter.cut(body, |piece| {
        match piece {
            Piece::Row(line) => {
                cut.lines.extend_from_slice(line);
                if line.last() != Some(&b'\n') {
                    cut.lines.push(b'\n');
                }
            }
            Piece::Broken(line, why) => {
                cut.unread.push(Unread { place, row, raw: line.to_vec(), why: why.into() });
            }
        }
        row += 1;
    });
    row
}

/// Bytes of columns that one message may have, which may come compressed.
const MOST_OF_ARROW: u64 = 256 << 20;

/// Bytes of columns behind which the messages that came with them wait until these are handed on.
const AT_ONCE: u64 = 64 << 20;

/// The columns of a body of Arrow, and their bytes.
fn of_arrow(
    format: Format,
    options: &CsvOptions,
    body: Bytes,
) -> Result<(Vec<RecordBatch>, u64), DecodeError> {
    let Reading::Stream(open) = format.reading() else {
        return Err(DecodeError::Usage(format!("messages cannot be read as {}", format.title)));
    };
    let mut decoder = open(Box::new(Whole(Some(body))), options.clone())?;
    let (mut batches, mut bytes) = (Vec::new(), 0_u64);
    while let Some(raw) = decoder.next_batch()? {
        bytes = bytes.saturating_add(raw.columns.get_array_memory_size() as u64);
        if bytes > MOST_OF_ARROW {
            return Err(DecodeError::Corrupt(
                "its columns take more than 256 MiB; send it in parts".to_owned(),
            ));
        }
        batches.push(raw.columns);
    }
    Ok((batches, bytes))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    fn message(body: &str) -> Message {
        Message {
            id: "1-0".into(),
            body: Some(body.as_bytes().to_vec()),
            beside: Ok(Box::default()),
            again: false,
        }
    }

    #[test]
    fn a_body_is_an_object_or_several_of_them() {
        let mut messages = [
            message("{\"a\":\n1,\"b\":\"x\\ny\"}"),
            message("[{\"a\":2},{\"a\":3}]"),
            message("{\"a\":4}\n{\"a\":5}\n"),
            message("{\"a\":6"),
            message(""),
            message("[7]"),
            message("8"),
            message("{\"a\":NaN}"),
            Message { id: "1-9".into(), body: None, beside: Ok(Box::default()), again: false },
            message("[]"),
            message("{\"a\":9} x"),
        ];
        let mut bodies = Bodies::new(None, CsvOptions::default());
        let mut cut = bodies.cut(&mut messages).unwrap();
        assert_eq!(cut.rows, [1, 2, 2, 1, 0, 1, 1, 1, 0, 0, 1]);
        let broken: Vec<usize> = cut.unread.iter().map(|unread| unread.place).collect();
        assert_eq!(broken, [3, 5, 6, 10]);
        let first = [1, 2, 4, 6, 7, 7, 8, 9, 10, 10, 10];
        let ordinals = cut.ordinals(&first);
        assert_eq!(ordinals, [1, 2, 3, 4, 5, 9]);
        let broken = cut.take_broken(&first);
        let said: Vec<(u64, &[u8])> = broken.iter().map(|b| (b.row, &*b.raw)).collect();
        assert_eq!(said, [(6, &b"{\"a\":6"[..]), (7, b"[7]"), (8, b"8"), (10, b"{\"a\":9} x")]);

        bodies.push(&mut cut).unwrap();
        let (mut given, mut rows, mut values) = (0, Vec::new(), Vec::new());
        while let Some(raw) = bodies.next(None, &ordinals, &mut given).unwrap() {
            assert!(raw.broken.is_empty());
            rows.extend(raw.rows);
            let a = raw.columns.column_by_name("a").unwrap().as_string::<i32>();
            values.extend(a.iter().map(|value| value.map(str::to_owned)));
        }
        assert_eq!(rows, [1, 2, 3, 4, 5, 9]);
        let values: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
        assert_eq!(values, ["1", "2", "3", "4", "5", "NaN"]);

        // The numbers of later messages are their own, and a member that is new makes a column more.
        let mut later = [message("{\"a\":1}"), message("{\"c\":[{\"d\":1}]}")];
        let mut cut = bodies.cut(&mut later).unwrap();
        let ordinals = cut.ordinals(&[50, 70]);
        bodies.push(&mut cut).unwrap();
        let (mut given, mut rows) = (0, Vec::new());
        while let Some(raw) = bodies.next(None, &ordinals, &mut given).unwrap() {
            rows.extend(raw.rows);
        }
        assert_eq!((rows, given), (vec![50, 70], 2));
    }

    #[cfg(feature = "arrow-ipc")]
    #[test]
    fn messages_of_large_columns_are_cut_a_few_at_a_time() {
        use arrow::array::Int64Array;
        use arrow::ipc::writer::StreamWriter;

        let of = |first: i64| {
            let column = Arc::new(Int64Array::from_iter_values(first..first + 100));
            let batch = RecordBatch::try_from_iter([("a", column as _)]).unwrap();
            let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            Message { body: Some(writer.into_inner().unwrap()), ..message("") }
        };
        let deleted = || Message { body: None, ..message("") };
        let mut bodies = Bodies::new(Format::of_name("arrow"), CsvOptions::default());
        // Less than one of them has, so that none waits beside another.
        bodies.most = 100;
        let mut left = vec![of(0), of(100), deleted(), message("x"), of(200), of(300)];
        let mut seen = Vec::new();
        while !left.is_empty() {
            let cut = bodies.cut(&mut left).unwrap();
            left.drain(..cut.rows.len());
            seen.push((cut.rows, cut.batches.len(), cut.unread.len()));
        }
        let one = || (vec![100], 1, 0);
        assert_eq!(seen, [one(), one(), (vec![0, 1, 100], 1, 1), one()]);
    }
}

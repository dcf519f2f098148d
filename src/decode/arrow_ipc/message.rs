//! Where a message of Arrow IPC ends, and what it asks for: looked at before memory is taken for it.

use std::ops::Range;

use arrow::ipc::{CompressionType, RecordBatch, root_as_message};

/// Bytes of a batch at most, as it is stored and as it is in memory.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes of the head of a message at most: names of columns, places of buffers.
const MOST_HEAD: usize = 64 << 20;

/// Rows that a batch of no bytes may have, and rows for each byte.
const FREE_ROWS: u64 = 1 << 16;

/// Bytes that a byte of a compressed buffer can become at most: a length byte of LZ4 stands for 255, and a block of
/// Zstandard has 128 KiB in 4 bytes where it repeats one.
const MOST_UNPACKED: [(CompressionType, u64); 2] =
    [(CompressionType::LZ4_FRAME, 255), (CompressionType::ZSTD, 1 << 15)];

/// What the first bytes are.
pub(super) enum Frame {
    /// A message of so many bytes, and where in them its head is.
    Whole { head: Range<usize>, length: usize },
    /// The end of the stream, of so many bytes.
    End { length: usize },
    /// More than there are: so many.
    Needs(usize),
}

/// Looks at the message that some bytes begin with.
///
/// # Errors
/// What is wrong with it.
pub(super) fn frame(bytes: &[u8]) -> Result<Frame, &'static str> {
    let word =
        |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(i32::from_le_bytes);
    // Writers of before 2019 leave the mark out.
    let (prefix, length) = match word(0) {
        None => return Ok(Frame::Needs(4)),
        Some(-1) => match word(4) {
            None => return Ok(Frame::Needs(8)),
            Some(length) => (8, length),
        },
        Some(length) => (4, length),
    };
    if length == 0 {
        return Ok(Frame::End { length: prefix });
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MOST_HEAD);
    let head_end = prefix + length.ok_or("a length in it is wrong")?;
    let Some(head) = bytes.get(prefix..head_end) else { return Ok(Frame::Needs(head_end)) };
    let message = root_as_message(head).map_err(|_| "the head of a message cannot be read")?;
    let body = u64::try_from(message.bodyLength()).map_err(|_| "a length in it is wrong")?;
    if body > MOST_BYTES {
        return Err(TOO_LARGE);
    }
    let end = head_end + usize::try_from(body).map_err(|_| TOO_LARGE)?;
    let Some(body) = bytes.get(head_end..end) else { return Ok(Frame::Needs(end)) };
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    if let Some(batch) = message.header_as_record_batch().or(dictionary) {
        check(&batch, body)?;
    }
    Ok(Frame::Whole { head: prefix..head_end, length: end })
}

const TOO_LARGE: &str = "a batch of it takes more than 1 GiB, write it with smaller ones";

/// Holds what a batch says of itself against the bytes that it has.
fn check(batch: &RecordBatch<'_>, body: &[u8]) -> Result<(), &'static str> {
    let mut bytes = body.len() as u64;
    if let Some(compression) = batch.compression() {
        let ratio = MOST_UNPACKED.iter().find(|(codec, _)| *codec == compression.codec());
        let (_, ratio) = ratio.ok_or("it is compressed in an unknown way")?;
        for buffer in batch.buffers().iter().flatten() {
            let at = usize::try_from(buffer.offset()).map_err(|_| "a place in it is wrong")?;
            if buffer.length() <= 0 {
                continue;
            }
            let end = at.checked_add(8).ok_or("a place in it is wrong")?;
            let length = body.get(at..end).and_then(|eight| eight.try_into().ok()).map(i64::from_le_bytes);
            // -1: as it is.
            match length.ok_or("a place in it is wrong")? {
                -1 => {}
                length => {
                    let length = u64::try_from(length).map_err(|_| "a length in it is wrong")?;
                    if length > buffer.length().cast_unsigned().saturating_mul(*ratio) {
                        return Err("a length in it is wrong");
                    }
                    bytes = bytes.saturating_add(length);
                }
            }
        }
    }
    if bytes > MOST_BYTES {
        return Err(TOO_LARGE);
    }
    let rows = u64::try_from(batch.length()).map_err(|_| "a number of rows in it is wrong")?;
    if rows > FREE_ROWS + 64 * bytes {
        return Err("it says that it has more rows than it has bytes for");
    }
    Ok(())
}

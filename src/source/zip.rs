//! zip archives: each member that is data is an input of its own.

use std::io::{self, BufRead, Read, Seek};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::decode::DecodeError;
use crate::objects::fault;

mod described;

pub use described::{MAGIC, Member, Packed};

/// Bytes of a local header without its name and its extra fields.
const SHORTEST_HEADER: u64 = 30;

/// What is in an archive, directories left out, in its order.
///
/// # Errors
/// [`DecodeError::Corrupt`] where its directory, which stands at its end, cannot be read.
pub fn members(file: impl Read + Seek) -> Result<Vec<Member>, DecodeError> {
    let mut archive = ZipArchive::new(file).map_err(of_zip)?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(of_zip)?;
        if !entry.is_dir() {
            members.push(member(&entry));
        }
    }
    Ok(members)
}

fn member(entry: &ZipFile<'_, impl Read + Seek>) -> Member {
    let name = entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into(), Into::into);
    let method = entry.compression();
    let refused = match method {
        _ if entry.encrypted() => Some("is encrypted".to_owned()),
        zip::CompressionMethod::STORE | zip::CompressionMethod::DEFLATE => None,
        other => Some(format!("is compressed with {}", named(other))),
    };
    Member {
        name,
        packed: Packed {
            at: entry.data_start().unwrap_or(SHORTEST_HEADER),
            stored: entry.compressed_size(),
            bytes: entry.size(),
            crc: entry.crc32(),
            deflated: method == zip::CompressionMethod::DEFLATE,
        },
        refused,
    }
}

/// How a method is called.
fn named(method: zip::CompressionMethod) -> String {
    const KNOWN: [(zip::CompressionMethod, &str); 7] = [
        (zip::CompressionMethod::DEFLATE64, "Deflate64"),
        (zip::CompressionMethod::BZIP2, "bzip2"),
        (zip::CompressionMethod::LZMA, "LZMA"),
        (zip::CompressionMethod::ZSTD, "Zstandard"),
        (zip::CompressionMethod::XZ, "xz"),
        (zip::CompressionMethod::PPMD, "PPMd"),
        (zip::CompressionMethod::AES, "AES"),
    ];
    let known = KNOWN.iter().find(|(known, _)| *known == method);
    known.map_or_else(|| "a method that is not known here".to_owned(), |(_, name)| (*name).to_owned())
}

fn of_zip(error: ZipError) -> DecodeError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() || fault(&error).is_some() => {
            DecodeError::Io(error)
        }
        _ => DecodeError::Corrupt(
            "the zip archive is truncated or corrupt, the directory at its end does not fit it".into(),
        ),
    }
}

/// The bytes of a member as they were before they were packed.
///
/// # Errors
/// None.
pub fn undo(
    stored: impl BufRead + Send + 'static,
    packed: Packed,
) -> Result<Box<dyn Read + Send>, DecodeError> {
    let stored = stored.take(packed.stored);
    let (crc, left) = (Crc::new(), packed.bytes);
    Ok(match packed.deflated {
        true => Box::new(Checked { bytes: DeflateDecoder::new(stored), crc, left, packed }),
        false => Box::new(Checked { bytes: stored, crc, left, packed }),
    })
}

/// Bytes that are compared at their end with what the directory says of them.
struct Checked<R> {
    bytes: R,
    crc: Crc,
    /// How many are still to come.
    left: u64,
    packed: Packed,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.bytes.read(buffer)?;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        let Some(left) = self.left.checked_sub(count as u64) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.left = left;
        match count {
            0 if left > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            0 if self.crc.sum() != self.packed.crc => Err(io::ErrorKind::InvalidData.into()),
            count => Ok(count),
        }
    }
}

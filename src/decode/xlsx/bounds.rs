//! Whether a workbook can be read in bounded memory: how large its parts are when they are unpacked.

use std::io::{BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{Stored, corrupt, is_workbook};
use crate::decode::DecodeError;

/// Bytes that all parts may unpack to.
const ALL: u64 = 4 << 30;

/// Bytes and tags that the table of texts may have: they stay in memory.
const TEXTS: (u64, u64) = (256 << 20, 16 << 20);

/// Of each other part that is no sheet.
const OTHERS: (u64, u64) = (64 << 20, 4 << 20);

/// Bytes of a text or a tag: a cell has 32,767 characters at most.
const LONGEST: u64 = 1 << 20;

/// How deep tags may stand in one another.
const DEEPEST: u64 = 256;

/// Unpacks the parts that are read, and refuses a workbook that would take more memory than is warranted.
pub(super) fn check(stored: Stored) -> Result<(), DecodeError> {
    let mut archive = ZipArchive::new(BufReader::new(stored)).map_err(of_zip)?;
    let mut names = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let part = archive.by_index_raw(index).map_err(of_zip)?;
        names.push(String::from_utf8_lossy(part.name_raw()).into_owned());
    }
    if !is_workbook(names.iter().map(String::as_str)) {
        return Err(DecodeError::Corrupt(stranger(&names).into()));
    }
    let mut all = 0;
    for (index, name) in names.iter().map(|name| name.to_ascii_lowercase()).enumerate() {
        if !name.ends_with(".xml") && !name.ends_with(".rels") {
            continue;
        }
        let (bytes, tags) = match () {
            () if name.contains("worksheets/") => (ALL, u64::MAX),
            () if name.contains("sharedstrings") => TEXTS,
            () => OTHERS,
        };
        let part = archive.by_index(index).map_err(of_zip)?;
        let bytes = bytes.min(ALL - all);
        let mut size = Size::default();
        size.read(part, bytes)?;
        if size.bytes > bytes || size.tags > tags {
            return Err(too_large("unpacks to more than a workbook holds"));
        }
        all += size.bytes;
    }
    Ok(())
}

/// What an archive is that is no workbook, to follow its name.
fn stranger(names: &[String]) -> &'static str {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    match () {
        () if has("xl/workbook.bin") => {
            "a binary Excel workbook (.xlsb), which cannot be read; save it as .xlsx or CSV"
        }
        () if has("mimetype") && has("content.xml") => {
            "an OpenDocument spreadsheet, which cannot be read; save it as .xlsx or CSV"
        }
        () if has("[Content_Types].xml") => "an Office document that is not a workbook, which cannot be read",
        () => "a zip archive inside another compressed file, which cannot be read; unpack it first",
    }
}

fn of_zip(error: ZipError) -> DecodeError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => DecodeError::Io(error),
        _ => corrupt(
            "the directory at its end does not fit it, or a part is packed in another way than Excel does",
        ),
    }
}

fn too_large(what: &str) -> DecodeError {
    DecodeError::Corrupt(format!(
        "the Excel workbook {what}, which takes more memory than is allowed here; save its first sheet as CSV"
    ))
}

/// The size of a part.
#[derive(Default)]
struct Size {
    bytes: u64,
    tags: u64,
    /// Bytes since a tag began or ended.
    run: u64,
    depth: u64,
}

impl Size {
    /// Reads a part as long as it has no more than so many bytes.
    fn read(&mut self, mut part: impl Read, most: u64) -> Result<(), DecodeError> {
        let mut buffer = vec![0; 64 << 10];
        let mut before = 0;
        while self.bytes <= most {
            let count = match part.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error().is_some() => return Err(DecodeError::Io(error)),
                Err(_) => return Err(corrupt("a part of it does not unpack")),
            };
            self.bytes += count as u64;
            let bytes = buffer.get(..count).unwrap_or_default();
            let mut last = 0;
            for at in memchr::memchr2_iter(b'<', b'>', bytes) {
                self.ran((at - last) as u64)?;
                (self.run, last) = (0, at);
                let byte = |at: usize| bytes.get(at).copied();
                match byte(at) {
                    // What follows the last byte of a buffer is taken for a name.
                    Some(b'<') => match byte(at + 1) {
                        Some(b'/') => self.depth = self.depth.saturating_sub(1),
                        Some(b'?' | b'!') => {}
                        _ => (self.tags, self.depth) = (self.tags + 1, self.depth + 1),
                    },
                    _ => {
                        let ends = if at == 0 { before } else { byte(at - 1).unwrap_or(0) };
                        self.depth = self.depth.saturating_sub(u64::from(ends == b'/'));
                    }
                }
                // A buffer that ends within a mark counts one too many.
                if self.depth > DEEPEST + self.bytes / (16 << 10) {
                    return Err(corrupt("a part of it is no XML of a workbook"));
                }
            }
            self.ran((count - last) as u64)?;
            before = bytes.last().copied().unwrap_or(0);
        }
        Ok(())
    }

    fn ran(&mut self, bytes: u64) -> Result<(), DecodeError> {
        self.run += bytes;
        match self.run > LONGEST {
            true => Err(too_large("has a text of more than 1 MiB in a cell")),
            false => Ok(()),
        }
    }
}

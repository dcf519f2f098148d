//! A part of an open file, read without a cursor, so that threads can share the file and a rename does
//! not lead to another one.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Buffer of a reading.
const BUFFER: usize = 1 << 18;

/// Bytes of a file from one place to another, or to its end where that comes first.
#[derive(Debug)]
pub struct ByteRange<'f> {
    file: &'f File,
    range: Range<u64>,
}

impl<'f> ByteRange<'f> {
    /// That part of the file.
    pub fn new(file: &'f File, range: Range<u64>) -> Self {
        Self { file, range }
    }

    /// Reads through a buffer, as looking for line ends needs it.
    pub fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(BUFFER, self)
    }
}

impl Read for ByteRange<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.range.start);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(into.get_mut(..most).unwrap_or_default(), self.range.start)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_where_it_should_and_with_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        let text = |range| std::io::read_to_string(ByteRange::new(&file, range).buffered()).unwrap();
        assert_eq!([text(2..5), text(8..99), text(20..30), text(5..5)], ["234", "89", "", ""]);
    }
}

//! Frames of LZ4: one or many.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

use crate::decode::DecodeError;

/// The decompressed bytes.
///
/// # Errors
/// None.
pub fn undo(stored: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>, DecodeError> {
    Ok(Box::new(Frames { between: Some(stored), frame: None }))
}

/// The frames, one behind the other; a decoder is of one alone, and takes an end of its bytes between two blocks
/// for the end of its frame.
struct Frames<R: BufRead> {
    /// The bytes, between two frames.
    between: Option<R>,
    /// The bytes, in a frame.
    frame: Option<FrameDecoder<Watched<R>>>,
}

/// Bytes of which it is known whether their end was met.
struct Watched<R> {
    magic: io::Cursor<[u8; 4]>,
    bytes: R,
    ended: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.magic.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        loop {
            match self.bytes.read(buffer) {
                // The decoder would lose what it has read of a head.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => {
                    self.ended = true;
                    return Ok(0);
                }
                read => return read,
            }
        }
    }
}

/// The first four bytes of the next frame that is not skippable; `None` at the end.
fn next_magic(bytes: &mut impl BufRead) -> io::Result<Option<[u8; 4]>> {
    loop {
        let at_end = loop {
            match bytes.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                filled => break filled?.is_empty(),
            }
        };
        if at_end {
            return Ok(None);
        }
        let mut four = [0; 4];
        bytes.read_exact(&mut four)?;
        if !matches!(four, [0x50..=0x5F, 0x2A, 0x4D, 0x18]) {
            return Ok(Some(four));
        }
        bytes.read_exact(&mut four)?;
        let length = u64::from(u32::from_le_bytes(four));
        if io::copy(&mut bytes.take(length), &mut io::sink())? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(mut bytes) = self.between.take() {
                let magic = next_magic(&mut bytes);
                let Some(magic) = magic? else { return Ok(0) };
                let magic = io::Cursor::new(magic);
                self.frame = Some(FrameDecoder::new(Watched { magic, bytes, ended: false }));
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            let count = frame.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(watched) = self.frame.take().map(FrameDecoder::into_inner) else { return Ok(0) };
            if watched.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.between = Some(watched.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use lz4_flex::frame::FrameEncoder;

    use super::*;

    fn frame(text: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::new(Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        undo(BufReader::with_capacity(7, io::Cursor::new(bytes))).unwrap().read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn frames_follow_one_another_and_skippable_ones_are_skipped() {
        let skippable = [&[0x51, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let all = [&skippable[..], &frame(b"one,"), &skippable, &frame(b""), &frame(b"two")].concat();
        assert_eq!(read(all).unwrap(), b"one,two");
        assert_eq!(read(skippable).unwrap(), b"");
    }

    #[test]
    fn an_end_at_any_place_within_a_frame_is_told() {
        let whole = [frame(b"some text"), frame(b"and some more")].concat();
        let first = frame(b"some text").len();
        for end in 1..whole.len() {
            let kind = read(whole[..end].to_vec()).map_err(|e| e.kind());
            match end == first {
                true => assert_eq!(kind, Ok(b"some text".to_vec())),
                false => assert_eq!(kind, Err(io::ErrorKind::UnexpectedEof), "{end}"),
            }
        }
    }
}

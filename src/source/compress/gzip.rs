//! gzip: one member or many.

use std::io::{self, BufRead, Read};
use std::sync::atomic::Ordering;

use flate2::bufread::GzDecoder;

use super::Padding;
use crate::decode::DecodeError;

/// The decompressed bytes; the padding that is passed over is counted.
///
/// # Errors
/// None.
pub fn undo(
    stored: impl BufRead + Send + 'static,
    padding: Padding,
) -> Result<Box<dyn Read + Send>, DecodeError> {
    Ok(Box::new(Members { member: Some(GzDecoder::new(stored)), padding }))
}

/// The members of a gzip stream, one behind the other.
struct Members<R> {
    member: Option<GzDecoder<R>>,
    padding: Padding,
}

impl<R: BufRead> Members<R> {
    /// Whether another member follows, behind zero bytes perhaps.
    fn follows(&self, rest: &mut R) -> io::Result<bool> {
        loop {
            let bytes = match rest.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(!bytes.is_empty());
            }
            rest.consume(zeros);
            self.padding.0.fetch_add(zeros as u64, Ordering::Relaxed);
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut rest = ended.into_inner();
            if self.follows(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

//! The bytes that are on their way to the server, written in pieces of fixed size.
//!
//! Most cells are shorter than a few machine words, and a copy whose length the compiler knows is
//! several times as fast as one that it does not. So a cell is built in a block of fixed size, the
//! whole block is written, and only the cell's length counts: the next cell overwrites the rest.

use bytes::{Bytes, BytesMut};

/// Bytes of a chunk that is handed to the connection.
pub(in crate::sink::postgres) const CHUNK: usize = 64 << 10;

/// Room beyond a chunk, so that a row seldom makes it grow.
const SLACK: usize = 16 << 10;

/// Chunks that are on their way at a time, as a rule.
const MOST_SENT: usize = 6;

/// A chunk in the making.
#[derive(Debug)]
pub(in crate::sink::postgres) struct Out {
    /// What lies beyond `at` is of no account.
    bytes: BytesMut,
    at: usize,
    /// Chunks handed over, the oldest first: once they are sent their memory serves again, which
    /// is in the caches and needs no page of its own.
    sent: Vec<Bytes>,
}

impl Out {
    /// An empty chunk.
    pub fn new() -> Self {
        Self::with_room(CHUNK + SLACK)
    }

    /// An empty chunk for a few cells.
    pub fn small() -> Self {
        Self::with_room(1 << 10)
    }

    fn with_room(room: usize) -> Self {
        Self { bytes: BytesMut::zeroed(room), at: 0, sent: Vec::new() }
    }

    /// Bytes that have been written.
    pub fn len(&self) -> usize {
        self.at
    }

    /// Takes back what was written after that length.
    pub fn truncate(&mut self, len: usize) {
        self.at = len.min(self.at);
    }

    /// Hands over what has been written, and begins anew.
    pub fn take(&mut self) -> Bytes {
        let free = self.sent.iter().position(Bytes::is_unique);
        let next = match free.map(|at| self.sent.remove(at).try_into_mut()) {
            Some(Ok(again)) => again,
            _ => BytesMut::zeroed(CHUNK + SLACK),
        };
        let full = std::mem::replace(&mut self.bytes, next).freeze();
        let chunk = full.slice(..self.at);
        if self.sent.len() < MOST_SENT && full.len() <= CHUNK + SLACK {
            self.sent.push(full);
        }
        self.at = 0;
        chunk
    }

    /// The bytes that were not taken yet, when nothing follows.
    pub fn finish(self) -> Bytes {
        let mut bytes = self.bytes;
        bytes.truncate(self.at);
        bytes.freeze()
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    #[cold]
    fn grow(&mut self, by: usize) {
        let len = (self.at + by).next_power_of_two();
        self.bytes.resize(len, 0);
    }

    /// Writes the first `len` bytes of the block.
    #[inline]
    pub fn put_block<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        if self.at + N > self.bytes.len() {
            self.grow(N);
        }
        if let Some(place) = self.bytes.get_mut(self.at..self.at + N) {
            place.copy_from_slice(block);
            self.at += len.min(N);
        }
    }

    /// Writes the bytes.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if self.at + bytes.len() > self.bytes.len() {
            self.grow(bytes.len());
        }
        if let Some(place) = self.bytes.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    /// Overwrites four bytes that have been written.
    pub fn set_i32(&mut self, at: usize, value: i32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4).filter(|_| at + 4 <= self.at) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    pub fn put_u8(&mut self, value: u8) {
        self.put_block(&[value], 1);
    }

    pub fn put_i16(&mut self, value: i16) {
        self.put_block(&value.to_be_bytes(), 2);
    }

    pub fn put_u16(&mut self, value: u16) {
        self.put_block(&value.to_be_bytes(), 2);
    }

    pub fn put_i32(&mut self, value: i32) {
        self.put_block(&value.to_be_bytes(), 4);
    }

    pub fn put_i64(&mut self, value: i64) {
        self.put_block(&value.to_be_bytes(), 8);
    }

    pub fn put_f32(&mut self, value: f32) {
        self.put_block(&value.to_be_bytes(), 4);
    }

    pub fn put_f64(&mut self, value: f64) {
        self.put_block(&value.to_be_bytes(), 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_length_of_a_block_counts() {
        let mut out = Out::new();
        out.put_block(&[1, 2, 3, 4], 2);
        out.put_slice(b"xyz");
        out.truncate(3);
        out.put_i16(-1);
        assert_eq!(out.written(), [1, 2, b'x', 255, 255]);
        assert_eq!(&out.take()[..], [1, 2, b'x', 255, 255]);
        assert_eq!(out.len(), 0);
    }

    #[test]
    fn memory_serves_again_once_it_is_sent() {
        let mut out = Out::new();
        out.put_i16(1);
        let first = out.take();
        let place = first.as_ptr();
        out.put_i16(2);
        let second = out.take();
        drop(first);
        out.put_i16(3);
        assert_eq!(&out.take()[..], [0, 3]);
        out.put_i16(4);
        let fourth = out.take();
        assert_eq!((&second[..], &fourth[..]), (&[0, 2][..], &[0, 4][..]));
        assert_eq!(fourth.as_ptr(), place);
    }

    #[test]
    fn a_row_larger_than_a_chunk_makes_it_grow() {
        let mut out = Out::new();
        let long = vec![7; 3 * CHUNK];
        out.put_i32(1);
        out.put_slice(&long);
        out.put_block(&[9; 16], 16);
        let bytes = out.finish();
        assert_eq!(bytes.len(), 4 + long.len() + 16);
        assert_eq!((bytes[3], bytes[4], bytes[bytes.len() - 1]), (1, 7, 9));
    }
}

//! Compressed bytes, of each kind that is read.

use std::io::Write as _;

/// Compresses bytes.
pub type Pack = fn(&[u8]) -> Vec<u8>;

const FAILED: &str = "into memory nothing fails";

/// The endings of their names, and how they are made: so that a changed byte is noticed by a checksum at the
/// latest, and that of a part of them the first rows can be read.
pub const ALL: [(&str, Pack); 5] = [("gz", gzip), ("zst", zstd), ("bz2", bzip2), ("xz", xz), ("lz4", lz4)];

/// Stored blocks: a changed byte changes a cell, and nothing but the checksum knows.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).expect(FAILED);
    encoder.finish().expect(FAILED)
}

/// A frame with a checksum.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(bytes).expect(FAILED);
    encoder.finish().expect(FAILED)
}

/// The smallest blocks.
pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect(FAILED);
    encoder.finish().expect(FAILED)
}

/// With the checksum that `xz` takes by itself.
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect(FAILED);
    encoder.finish().expect(FAILED)
}

/// A frame of small blocks with a checksum of them all.
pub fn lz4(bytes: &[u8]) -> Vec<u8> {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    let frame = FrameInfo::new().content_checksum(true).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(bytes).expect(FAILED);
    encoder.finish().expect(FAILED)
}

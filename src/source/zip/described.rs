//! What there is to know of a member of an archive.

/// How an archive begins; one without members begins with its end.
pub const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name with its folders.
    pub name: String,
    /// Where its bytes are, and what they are.
    pub packed: Packed,
    /// Why it cannot be read, to follow its name.
    pub refused: Option<String>,
}

/// The bytes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Where they begin in the archive.
    pub at: u64,
    /// How many there are in the archive.
    pub stored: u64,
    /// How many there were before they were packed.
    pub bytes: u64,
    /// The CRC-32 of those.
    pub crc: u32,
    /// Whether they are compressed, with Deflate.
    pub deflated: bool,
}

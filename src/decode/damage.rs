//! What is wrong with a file of columns, in words. Its reader speaks to programmers, of slices, Thrift and its
//! own types, and panics at some damages.

/// What the reader's text comes to; it follows "the Parquet file is corrupt".
pub(super) fn words(detail: &str) -> &'static str {
    const KINDS: [(&str, &[&str]); 7] = [
        ("the checksum of a page does not hold", &["crc", "checksum"]),
        (
            "it is written in a way that is not supported",
            &["nyi", "not supported", "unsupported", "not yet", "not implemented", "disabled feature"],
        ),
        (
            "a page does not unpack",
            &[
                "snappy",
                "gzip",
                "deflate",
                "zstd",
                "lz4",
                "brotli",
                "compress",
                "unknown frame",
                "corrupt input",
            ],
        ),
        ("it has fewer rows than its footer says", &["fewer rows"]),
        (
            "bytes are missing in it, or a length in it is wrong",
            &[
                "eof",
                "end of file",
                "too small",
                "enough",
                "out of range",
                "out of bounds",
                "overflow",
                "length",
                "size",
            ],
        ),
        (
            "its footer or the head of a page cannot be read",
            &["thrift", "footer", "metadata", "varint", "field", "header"],
        ),
        (
            "its values are not as its schema says",
            &["schema", "type", "level", "dictionary", "encoding", "utf8", "utf-8"],
        ),
    ];
    let text = detail.to_lowercase();
    let kind = KINDS.iter().find(|(_, signs)| signs.iter().any(|sign| text.contains(sign)));
    kind.map_or("its bytes do not fit together", |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_damage() {
        for (detail, said) in [
            ("Parquet error: Page CRC checksum mismatch", "the checksum of a page does not hold"),
            ("External: snappy: corrupt input (x)", "a page does not unpack"),
            (
                "range end index 7 out of range for slice of length 3",
                "bytes are missing in it, or a length in it is wrong",
            ),
            ("NYI: Encoding BIT_PACKED is not supported", "it is written in a way that is not supported"),
            ("called `Option::unwrap()` on a `None` value", "its bytes do not fit together"),
        ] {
            assert_eq!(words(detail), said, "{detail}");
        }
    }
}

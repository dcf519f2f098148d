//! In which encoding a text is, where it is not UTF-8.
//!
//! Decided once, by the beginning of the input, so that every row is read alike: a text that begins as UTF-8 stays
//! that, and a broken line further on costs its row alone. Windows-1252 has a character for nearly every byte, so
//! bytes by chance would pass for it: it is taken only where all that is not ASCII reads as words do.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};

/// Longest piece of text that is shown.
const SHOWN: usize = 40;

/// Bytes that are decoded at once.
const CHUNK: usize = 64 << 10;

/// How the text of an input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(&'static Encoding);

impl TextEncoding {
    /// The one of that name, as the Encoding Standard lists them: `utf-8`, `windows-1252`, `latin-1`, `utf-16le`, …
    ///
    /// # Errors
    /// Where there is none.
    pub fn of_name(name: &str) -> Result<Self, String> {
        let known = match name.to_ascii_lowercase().as_str() {
            "latin-1" | "latin1" => Some(WINDOWS_1252),
            name => Encoding::for_label_no_replacement(name.as_bytes()),
        };
        known.map(Self).ok_or_else(|| {
            "expected an encoding such as utf-8, windows-1252, latin-1, utf-16le or shift_jis".to_owned()
        })
    }

    /// Its name.
    pub fn name(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// As messages call it.
    pub(super) fn title(self) -> &'static str {
        if self.0 == WINDOWS_1252 { "Windows-1252" } else { self.0.name() }
    }

    /// Whether the bytes are what is decoded anyway.
    pub(super) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// The bytes as UTF-8. What is none of the encoding becomes a byte that is no UTF-8, so that its row is told
    /// from the others.
    pub(super) fn undo(self, bytes: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        if self.is_utf8() {
            return Box::new(bytes);
        }
        let decoder = self.0.new_decoder_without_bom_handling();
        let (raw, text) = (vec![0; CHUNK], vec![0; 3 * CHUNK + 16]);
        Box::new(Decoded { bytes, decoder, raw, given: 0..0, text, ready: 0..0, ended: false })
    }
}

/// What the beginning of a text that is not UTF-8 shows: that it is Windows-1252, and the first text in it that
/// would be another one.
pub(super) fn deduced(sample: &[u8], whole: bool) -> Option<(TextEncoding, String)> {
    let at = match std::str::from_utf8(sample) {
        Ok(_) => return None,
        // A character whose other bytes are still to come.
        Err(error) if error.error_len().is_none() && !whole => return None,
        Err(error) => error.valid_up_to(),
    };
    // Two marks of UTF-16 are no text of this kind; control characters stand in none.
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A);
    if sample.iter().any(control) || sample.starts_with(b"\xFF\xFE") || sample.starts_with(b"\xFE\xFF") {
        return None;
    }
    if sample.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) {
        return None;
    }
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(sample);
    let characters: Vec<char> = text.chars().collect();
    for (place, character) in characters.iter().enumerate().filter(|(_, c)| !c.is_ascii()) {
        let beside =
            |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(|c| c.is_alphabetic());
        let in_word = beside(place.checked_sub(1)) || beside(Some(place + 1));
        let fits = match character {
            '\u{80}'..='\u{9F}' => false,
            'ÿ' | 'þ' | 'ð' | 'Þ' | 'Ð' | '×' | '÷' => in_word,
            letter if letter.is_alphabetic() => in_word,
            _ => true,
        };
        if !fits {
            return None;
        }
    }
    let around = |place: usize| characters.get(place).is_some_and(|c| c.is_alphanumeric() || !c.is_ascii());
    // One byte is one character.
    let mut begin = at;
    while begin > 0 && at - begin < SHOWN && around(begin - 1) {
        begin -= 1;
    }
    let shown = characters.iter().skip(begin).take(SHOWN).enumerate();
    let shown = shown.take_while(|(i, _)| around(begin + i)).map(|(_, c)| *c).collect();
    Some((TextEncoding(WINDOWS_1252), shown))
}

/// Bytes that become UTF-8 on the way.
struct Decoded<R> {
    bytes: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    /// What of `raw` is not decoded yet.
    given: std::ops::Range<usize>,
    text: Vec<u8>,
    /// What of `text` is not handed on yet.
    ready: std::ops::Range<usize>,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes what has been read.
    fn decode(&mut self, last: bool) {
        let raw = self.raw.get(self.given.clone()).unwrap_or_default();
        let (result, used, written) =
            self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, last);
        self.given.start += used;
        self.ready = 0..written;
        if let DecoderResult::Malformed(..) = result
            && let Some(byte) = self.text.get_mut(written)
        {
            *byte = 0xFF;
            self.ready.end += 1;
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready = self.text.get(self.ready.clone()).unwrap_or_default();
            if !ready.is_empty() {
                let count = ready.len().min(buffer.len());
                let (to, from) = (buffer.get_mut(..count), ready.get(..count));
                if let (Some(to), Some(from)) = (to, from) {
                    to.copy_from_slice(from);
                }
                self.ready.start += count;
                return Ok(count);
            }
            if !self.given.is_empty() {
                self.decode(false);
                continue;
            }
            if self.ended {
                return Ok(0);
            }
            let count = self.bytes.read(&mut self.raw)?;
            self.given = 0..count;
            self.ended = count == 0;
            self.decode(self.ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sample: &[u8]) -> Option<String> {
        deduced(sample, true).map(|(encoding, text)| format!("{} {text}", encoding.name()))
    }

    #[test]
    fn texts_of_western_europe_are_told() {
        assert_eq!(
            told(b"name,v\nSoci\xE9t\xE9 G\xE9n\xE9rale,1\n").as_deref(),
            Some("windows-1252 Société")
        );
        assert_eq!(told(b"S\xFCD;1\n").as_deref(), Some("windows-1252 SüD"));
        assert_eq!(told(b"price,12 \x80\n").as_deref(), Some("windows-1252 €"));
        assert_eq!(told(b"\x84AG\x93,1\n").as_deref(), Some("windows-1252 „AG“"));
    }

    #[test]
    fn other_bytes_are_not() {
        for sample in [
            &b"name,v\nabc,1\n"[..],
            "name,v\nSociété,1\n".as_bytes(),
            // A broken line in a text that is UTF-8.
            "name,v\nSociété,1\nSoci\u{0}".as_bytes(),
            b"Soci\xC3\xA9t\xC3\xA9,1\nG\xE9n,2\n",
            b"G\xE9n,2\nSoci\xC3\xA9t\xC3\xA9,1\n",
            b"a,\xFF,b\n",
            b"a,\x81b\n",
            b"a,b\x01\xE9t\n",
            b"\xFF\xFEa\0",
        ] {
            assert_eq!(told(sample), None, "{sample:?}");
        }
        // The rest of the character may follow.
        assert_eq!(deduced(b"Soci\xC3", false), None);
    }

    #[test]
    fn bytes_become_utf_8_wherever_they_are_cut() {
        struct One<'a>(&'a [u8]);
        impl Read for One<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(1);
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let utf16: Vec<u8> = "é😀x".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16: &'static [u8] = utf16.leak();
        for (name, bytes, text) in [
            ("latin-1", &b"Soci\xE9t\xE9 \x80"[..], &b"Soci\xC3\xA9t\xC3\xA9 \xE2\x82\xAC"[..]),
            ("utf-16le", utf16, "é😀x".as_bytes()),
            ("utf-16le", b"a\0\0\xD8b\0", b"a\xFFb"),
            ("shift_jis", b"\x83\x65\x83\x58", "テス".as_bytes()),
        ] {
            let mut read = Vec::new();
            TextEncoding::of_name(name).unwrap().undo(One(bytes)).read_to_end(&mut read).unwrap();
            assert_eq!(read, text, "{name}");
        }
        assert!(TextEncoding::of_name("ebcdic").is_err());
    }
}

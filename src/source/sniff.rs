//! What an input is, by its first bytes and its name.

use std::path::Path;

use crate::decode::Format;
use crate::error::Error;
use crate::source::Compression;
use crate::source::fault::called;
use crate::text::flags::FORMAT;

/// Zero bytes in a row that are not stray characters.
const HOLE: usize = 16;

/// The format that a file's name promises, by its last extension below that of a
/// compression.
pub(super) fn of_name(name: &str) -> Option<Format> {
    let name = Path::new(name).file_name()?.to_str()?.to_ascii_lowercase();
    let name = Compression::ENDINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let (stem, extension) = name.rsplit_once('.')?;
    Format::of_extension(extension).filter(|_| !stem.is_empty())
}

/// Decides what an input is by the first of its decompressed bytes: magic bytes, then content,
/// then the name.
pub(super) fn format(head: &[u8], name: &str, asked: Option<Format>) -> Result<Format, Error> {
    match (asked, Format::of_magic(head)) {
        (Some(asked), found) if asked.is_binary() && found != Some(asked) => {
            Err(not_a(asked, head, name, ""))
        }
        (Some(asked), Some(found)) if asked != found => Err(Error::usage(format!(
            "{}: {}, and not what {FORMAT} {} says; leave {FORMAT} out",
            called(name),
            found.a_file,
            asked.name
        ))),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => text_format(head, name),
    }
}

fn not_a(format: Format, head: &[u8], name: &str, more: &str) -> Error {
    Error::input(format!("{}: not {}{}{more}", called(name), format.a_file, starts_with(head)))
}

fn text_format(head: &[u8], name: &str) -> Result<Format, Error> {
    if head.starts_with(b"FEA1") {
        let message = format!(
            "{}: a Feather file of version 1, which cannot be read; write it anew with pyarrow: feather.write_feather(feather.read_table(FILE), NEW)",
            called(name)
        );
        return Err(Error::input(message));
    }
    if head.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        let what = match name.to_ascii_lowercase().ends_with(".xlsx") {
            true => "an Excel workbook with a password, which cannot be read; save it without one",
            false => {
                "an Excel file of the form before 2007 (.xls), which cannot be read; save it as .xlsx or CSV"
            }
        };
        return Err(Error::input(format!("{}: {what}", called(name))));
    }
    if let Some(what) = known_stranger(head) {
        let message = format!("{}: {what}, which cannot be read; unpack or convert it first", called(name));
        return Err(Error::input(message));
    }
    let utf16 = head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF");
    // A form feed or the end mark of DOS may stand in a text.
    let text = |b: &u8| !b.is_ascii_control() || matches!(b, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A);
    let named = of_name(name);
    // What a writer left out, as behind the place up to which its file was truncated.
    let zeros = head.iter().take_while(|b| **b == 0).count();
    let said = if utf16 { head } else { head.get(zeros..).unwrap_or_default() };
    // Some stray characters cost their rows, and do not make a text another thing. Of bytes by chance every
    // eighth is a control character.
    let (mut odd, mut seen) = (0, 0);
    for run in said.chunk_by(|one, other| *one == 0 && *other == 0) {
        // A hole further on says no more than one at the start.
        if run.len() < HOLE {
            odd += run.iter().filter(|b| !text(b)).count();
            seen += run.len();
        }
    }
    let most = if named.is_some() { (seen / 10).max(2) } else { (seen / 20).max(1) };
    let begins = said.first().is_some_and(text) || said.is_empty() && named.is_some();
    if !utf16 && (odd > most && !is_text_by_lines(said, text, named.is_some()) || !begins) {
        let message = format!("{}: not {}{}", called(name), Format::titles(), starts_with(head));
        return Err(Error::input(message));
    }
    // Of UTF-16 the ASCII characters remain, which is all that is looked at.
    let text: Vec<u8> = said.iter().copied().filter(|b| !utf16 || b.is_ascii() && *b != 0).collect();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_start);
    let first = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with(b"#"));
    // No JSON: a name in brackets, as some headers have them.
    let in_brackets = first.is_some_and(|line| {
        let behind = line.strip_prefix(b"[").map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first);
        behind.is_some_and(|byte| {
            byte.is_ascii_alphabetic() && !matches!(byte, b't' | b'f' | b'n' | b'N' | b'I')
        })
    });
    let claimed = Format::of_text(first.and_then(|line| line.first().copied()).filter(|_| !in_brackets));
    match claimed.or(named) {
        Some(format) if format.is_binary() => {
            Err(not_a(format, head, name, &format!("; if its name is wrong, say {FORMAT}")))
        }
        Some(format) => Ok(format),
        None => Ok(Format::CSV),
    }
}

/// Whether bytes with many control characters are a text nevertheless: they begin as one does, with a header of
/// several columns or with JSON, and no more lines are damaged than are not. Few lines have few characters, of
/// which one damaged line is a large share. In a line that is not damaged there may be some, as the colours of a
/// terminal; behind a header in a file that is called a text all may be damaged.
fn is_text_by_lines(said: &[u8], text: impl Fn(&u8) -> bool, named: bool) -> bool {
    let whole = |line: &[u8]| line.iter().filter(|byte| !text(byte)).count() * 4 <= line.len();
    let mut lines = said.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let Some(first) =
        lines.next().filter(|first| first.iter().all(&text)).and_then(|first| str::from_utf8(first).ok())
    else {
        return false;
    };
    let first = first.trim_start_matches('\u{FEFF}').trim_start();
    let begins = first.starts_with(['{', '[', '#']) || first.contains([',', ';', '\t', '|']);
    let (good, bad) = lines.fold((1, 0), |(good, bad), line| match whole(line) {
        true => (good + 1, bad),
        false => (good, bad + 1),
    });
    begins && (named || bad <= good)
}

/// Formats that are none of ours and told easily.
fn known_stranger(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 7] = [
        (b"\xFD7zXZ\0", "an xz file inside another compressed one"),
        (b"\x04\x22\x4D\x18", "an lz4 file inside another compressed one"),
        (b"BZh91AY&SY", "a bzip2 file inside another compressed one"),
        (b"7z\xBC\xAF", "a 7z archive"),
        (b"\x1F\x8B", "a gzip file inside another compressed one"),
        (b"\x28\xB5\x2F\xFD", "a zstd file inside another compressed one"),
        (b"SQLite format 3\0", "an SQLite database"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

fn starts_with(head: &[u8]) -> String {
    let bytes: Vec<String> = head.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!(" (starts with the bytes {})", bytes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::name_pattern::stem;

    fn csv() -> Format {
        Format::CSV
    }

    fn ndjson() -> Format {
        Format::of_name("ndjson").unwrap()
    }

    fn parquet() -> Format {
        Format::of_name("parquet").unwrap()
    }

    #[test]
    fn formats_are_told() {
        for (head, name, expected) in [
            (&b"PAR1\x15"[..], "x.csv", parquet()),
            (b"{\"a\":1}", "x.csv", ndjson()),
            (b"\xEF\xBB\xBF \n# note\n [", "-", ndjson()),
            (b"\xFF\xFE{\0\"\0", "-", ndjson()),
            (b"\xFF\xFEt\0s\0", "-", csv()),
            (b"# note\nts,open", "-", csv()),
            (b"ts,open", "x.ndjson", ndjson()),
            (b"ts,open", "x.JSONL.GZ", ndjson()),
            (b"\n\n", "x.json.zst", ndjson()),
            (b"caf\xE9,open", "x", csv()),
            (b"id,v\n1,a\0b\n2,c\n3,d\n", "x", csv()),
            (b"\0\0\0{\"a\":1}", "x", ndjson()),
            (b"\0\0\0\0", "x.csv", csv()),
            (b"id,v\n1,ok\n2,a\x01\x02b\n3,ok\n", "-", csv()),
            (b"id,v\n1,ok\n\0\0\0\0\0\0\n3,ok\n", "x.csv", csv()),
            (b"id,v\n1,\x1b[32mup\x1b[0m\n2,\x1b[32mup\x1b[0m\n", "-", csv()),
            (b"id,v\n\x01\x02\x03\n\x01\x02\x03\n\x01\x02\x03\n", "x.csv", csv()),
            (b"{\"id\":1}\n\0\0\0\0\0\0\0\0\n{\"id\":3}\n", "-", ndjson()),
        ] {
            assert_eq!(format(head, name, None).ok(), Some(expected), "{name}");
        }
        assert_eq!(format(b"{", "x", Some(csv())).ok(), Some(csv()));
    }

    #[test]
    fn what_is_none_of_them_is_refused_in_a_sentence() {
        for (head, name, asked, expected) in [
            (
                &b"\x7FELF\x02"[..],
                "-",
                None,
                "standard input: not ONE OF ALL (starts with the bytes 7f 45 4c 46)",
            ),
            (b"\0\0", "x", None, "x: not ONE OF ALL (starts with the bytes 00 00)"),
            (
                b"\x01\x02,a\n\x03\n",
                "x.csv",
                None,
                "x.csv: not ONE OF ALL (starts with the bytes 01 02 2c 61)",
            ),
            (
                b"7z\xBC\xAF\x27\x1C",
                "x.7z",
                None,
                "x.7z: a 7z archive, which cannot be read; unpack or convert it first",
            ),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
                "x.xls",
                None,
                "x.xls: an Excel file of the form before 2007 (.xls), which cannot be read; save it as .xlsx or CSV",
            ),
            (
                b"ts,o",
                "x.pq",
                None,
                "x.pq: not a Parquet file (starts with the bytes 74 73 2c 6f); if its name is wrong, say --format",
            ),
            (b"ts,o", "x", Some(parquet()), "x: not a Parquet file (starts with the bytes 74 73 2c 6f)"),
            (
                b"PAR1",
                "x",
                Some(csv()),
                "x: a Parquet file, and not what --format csv says; leave --format out",
            ),
        ] {
            let expected = expected.replace("ONE OF ALL", &Format::titles());
            assert_eq!(format(head, name, asked).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_name_is_read_without_the_ending_of_any_format_or_compression() {
        for ending in Format::all().flat_map(|format| format.extensions) {
            for compression in Compression::ENDINGS.into_iter().chain(["", ".zip"]) {
                let name = format!("a/BRK.B.{ending}{compression}");
                assert_eq!(
                    stem(&name),
                    "BRK.B",
                    "{name}: the list in dataset/name_pattern.rs lacks an ending"
                );
            }
        }
    }

    #[test]
    fn names_promise_formats() {
        assert_eq!(of_name("/data/a.b/BARS.CSV.gz"), Some(csv()));
        assert_eq!(of_name("bars.pq"), Some(parquet()));
        for name in ["bars.csv.bz2", "bars.csv.xz", "bars.csv.lz4", "bars.CSV.ZST"] {
            assert_eq!(of_name(name), Some(csv()), "{name}");
        }
        for name in ["bars", "bars.gz", "bars.xz", ".csv", "README.md", "bars.csv.bak", "-"] {
            assert_eq!(of_name(name), None, "{name}");
        }
    }
}

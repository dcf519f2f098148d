use proptest::prelude::*;

use super::*;
use crate::decode::script::{Heard, Script};
use crate::decode::{BATCH_ROWS, Chunk, MAX_RAW, MAX_ROW};

fn options() -> CsvOptions {
    CsvOptions::default()
}

fn read(script: Script, options: CsvOptions) -> Heard {
    match CsvDecoder::open(Box::new(script), options) {
        Ok(mut decoder) => Heard::of(&mut decoder),
        Err(error) => Heard { error: Some(error.to_string()), ..Heard::default() },
    }
}

fn read_text(text: &str) -> Heard {
    read(Script::one(text.as_bytes()), options())
}

#[test]
fn plain_rows_with_either_line_end() {
    let heard = read_text("ts,open,close\r\n1,2,3\r\n\r\n4,,6\n\n7,8,9");
    assert_eq!(heard.cells(), [["1", "2", "3"], ["4", "", "6"], ["7", "8", "9"]]);
    assert_eq!(heard.rows.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(heard.rows[0].1[1].0, "open");
    assert_eq!(heard.bytes, 35);
    assert_eq!(heard.error, None);
}

#[test]
fn quotes_as_rfc_4180_has_them() {
    let heard =
        read_text("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n\"two\r\nlines\",\"\"\nin\"side,2\n\"é\",\"\"\"\"\r\n");
    assert_eq!(heard.cells(), [["x, y", "say \"hi\""], ["two\r\nlines", ""], ["in\"side", "2"], ["é", "\""]]);
    assert_eq!(heard.broken, []);
}

#[test]
fn a_row_of_another_width_costs_itself() {
    let heard = read_text("a,b,c\n1,2,3\n1,2\n1,2,3,4\n\"1\",2\n4,5,6\nx\n");
    assert_eq!(heard.cells(), [["1", "2", "3"], ["4", "5", "6"]]);
    assert_eq!(heard.faults(), [(2, "bad_width"), (3, "bad_width"), (4, "bad_width"), (6, "bad_width")]);
    assert_eq!(heard.broken[0].message, "the row has 2 fields, the header 3");
    assert_eq!(heard.broken[1].raw, b"1,2,3,4");
    assert_eq!(heard.broken[3].message, "the row has 1 field, the header 3");
    assert_eq!(heard.rows[1].0, 5);
}

#[test]
fn a_stray_quote_costs_its_line() {
    for (text, raw) in [
        ("a,b\n1,2\n\"3,4\n5,6\n7,8\n", "\"3,4"),
        ("a,b\n1,2\n3,\"4\n5,6\n7,8\n", "3,\"4"),
        ("a,b\n1,2\n\"3\"x,4\n5,6\n7,8\n", "\"3\"x,4"),
        ("a,b\n1,2\n3,\"4\n5,6\n7,8", "3,\"4"),
    ] {
        let heard = read_text(text);
        assert_eq!(heard.cells(), [["1", "2"], ["5", "6"], ["7", "8"]], "{text}");
        assert_eq!(heard.faults(), [(2, "bad_line")]);
        assert_eq!(heard.broken[0].raw, raw.as_bytes());
    }
    // Two stray quotes that seem to make a pair, at the wrong width.
    let heard = read_text("a,b\n\"1,2\n3,4\n5,\"6\n7,8\n");
    assert_eq!(heard.cells(), [["3", "4"], ["7", "8"]]);
    assert_eq!(heard.faults(), [(1, "bad_line"), (3, "bad_line")]);
}

#[test]
fn a_quote_is_not_waited_for_beyond_a_mebibyte() {
    let mut text = String::from("a,b\n\"1,2\n");
    while text.len() < (1 << 20) + 100 {
        text.push_str("3,4\n");
    }
    // The end does not come, so the decoder must have given up on the quote before.
    let script = Script::cut(text.as_bytes(), 50_000).then(Ok(Chunk::Idle));
    let mut decoder = CsvDecoder::open(Box::new(script), options()).unwrap();
    let batch = decoder.next_batch().unwrap().unwrap();
    assert_eq!(batch.broken.len(), 1);
    assert_eq!(batch.rows[0], 2);
    assert_eq!(batch.rows.len() + 1, BATCH_ROWS);
}

#[test]
fn a_row_that_is_too_long_is_passed_by() {
    let mut text = b"a,b\n1,2\n3,".to_vec();
    text.resize(text.len() + MAX_ROW + 5, b'x');
    text.extend_from_slice(b"\n5,6\n");
    for size in [100_000, text.len()] {
        let heard = read(Script::cut(&text, size), options());
        assert_eq!(heard.cells(), [["1", "2"], ["5", "6"]]);
        assert_eq!(heard.faults(), [(2, "too_long")]);
        assert_eq!(heard.broken[0].raw.len(), MAX_RAW);
        assert_eq!(heard.bytes, text.len() as u64);
    }
}

#[test]
fn invalid_utf8_costs_its_row() {
    let heard = read(Script::one(b"a,b\n1,\xFF\n\"\xC3\",2\n3,4\n"), options());
    assert_eq!(heard.cells(), [["3", "4"]]);
    assert_eq!(heard.faults(), [(1, "bad_utf8"), (2, "bad_utf8")]);
    assert_eq!(heard.broken[0].raw, b"1,\xFF");
}

#[test]
fn comments_and_skipped_lines_stand_before_the_header_only() {
    let heard = read_text("# made by\n\n#x\na;b\n#1;2\n");
    assert_eq!(heard.cells(), [["#1", "2"]]);
    let skip = CsvOptions { skip_lines: 2, ..options() };
    let heard = read(Script::one(b"https://x, y\n\nts,o\n1,2\n"), skip.clone());
    assert_eq!(heard.cells(), [["1", "2"]]);
    let heard = read(Script::one(b"only\n"), skip);
    assert_eq!(heard.error.as_deref(), Some("the input has nothing after the 2 lines to be skipped"));
}

#[test]
fn headerless_rows_are_numbered_columns() {
    let headerless = CsvOptions { header: false, ..options() };
    let heard = read(Script::one(b"#c\n1,2,3\n4,5\n6,7,8\n"), headerless.clone());
    assert_eq!(heard.cells(), [["1", "2", "3"], ["6", "7", "8"]]);
    assert_eq!(heard.rows[0].1[2].0, "3");
    assert_eq!(heard.broken[0].message, "the row has 2 fields, the first row 3");
    let heard = read(Script::one(b"\"1,2\n3,4\n"), headerless);
    assert_eq!(heard.cells(), [["3", "4"]]);
    assert_eq!(heard.faults(), [(1, "bad_line")]);
}

#[test]
fn inputs_without_rows() {
    assert_eq!(read_text("").error.as_deref(), Some("the input is empty"));
    assert_eq!(read_text("\u{feff}").error.as_deref(), Some("the input is empty"));
    assert_eq!(
        read_text("\n#x").error.as_deref(),
        Some("the input has nothing but blank lines and comments")
    );
    for text in ["a,b", "a,b\n", "a,b\r\n\r\n"] {
        assert_eq!(read_text(text), Heard::default(), "{text:?}");
    }
    assert_eq!(
        read_text("a,\"b\n1,2\n").error.as_deref(),
        Some("its header is not CSV: a quoted field is not closed")
    );
}

#[test]
fn names_are_trimmed_and_distinct() {
    let script = Script::one("\u{feff}\"ts\", open ,,\"a\"\"b\",open\n".as_bytes());
    let names = CsvDecoder::open(Box::new(script), options()).unwrap().names();
    assert_eq!(names.join("|"), "ts|open|column#3|a\"b|open#2");
}

#[test]
fn complete_rows_are_handed_on_when_the_pipe_is_idle() {
    let data = |s: &'static str| Ok(Chunk::Data(bytes::Bytes::from_static(s.as_bytes())));
    let script = Script([data("a,b\n1,2\n3,"), Ok(Chunk::Idle), data("4\n"), Ok(Chunk::Idle)].into());
    let mut decoder = CsvDecoder::open(Box::new(script), options()).unwrap();
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [1]);
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [2]);
    assert!(decoder.next_batch().unwrap().is_none());
}

#[test]
fn a_stop_leaves_nothing_undecoded_that_cannot_be_read_again() {
    let text = b"a,b\n1,2\n3,4";
    let heard = read(Script::one(text).then(Ok(Chunk::Cut { again: false })), options());
    assert_eq!(heard.cells(), [["1", "2"]]);
    assert_eq!(heard.faults(), [(2, "bad_line")]);
    assert_eq!(heard.broken[0].raw, b"3,4");
    let heard = read(Script::one(text).then(Ok(Chunk::Cut { again: true })), options());
    assert_eq!((heard.cells(), heard.faults()), (vec![vec!["1", "2"]], vec![]));
    for again in [true, false] {
        assert_eq!(read(Script::one(b"a,").then(Ok(Chunk::Cut { again })), options()), Heard::default());
    }
}

#[test]
fn a_fault_comes_after_the_rows_before_it() {
    let fault = || Err(DecodeError::Corrupt("the gzip stream ends early".into()));
    let heard = read(Script::one(b"a,b\n1,2\n3,4").then(fault()), options());
    assert_eq!(heard.cells(), [["1", "2"]]);
    assert_eq!(heard.faults(), [(2, "bad_line")]);
    assert_eq!(heard.error.as_deref(), Some("the gzip stream ends early; 2 rows before it were read"));
}

#[test]
fn batches_are_bounded() {
    let rows = BATCH_ROWS * 2 + 1;
    let heard = read_text(&format!("a,b\n{}", "1,2\n".repeat(rows)));
    assert_eq!((heard.rows.len(), heard.batches), (rows, 3));
    let wide = format!("{}a\n{}", "a,".repeat(4095), format!("{}\n", ",".repeat(4095)).repeat(600));
    let heard = read_text(&wide);
    assert_eq!((heard.rows.len(), heard.batches), (600, 3));
    let heard = read_text(&format!("{}a\n", "a,".repeat(4096)));
    assert_eq!(heard.error.as_deref(), Some("its header has 4097 columns, at most 4096 can be read"));
}

#[test]
fn a_file_of_stray_quotes_is_read_in_linear_time() {
    // Each line seems to continue the one before and to open a field itself.
    let header: Vec<String> = (0..4000).map(|n| n.to_string()).collect();
    let text = format!("{}\n{}", header.join(","), "a\",\"b\n\"x\",\"\n".repeat(100_000));
    let heard = read_text(&text);
    assert_eq!(heard.rows.len() + heard.broken.len(), 200_000);
}

fn quote(field: &str, always: bool, delimiter: char) -> String {
    let needed = field.contains(['"', '\n', '\r', delimiter]);
    if always || needed { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

proptest! {
    #[test]
    fn written_fields_are_read_however_chunks_are_cut(
        rows in prop::collection::vec(
            prop::collection::vec(("[ -~\n\r\"é;,0-9]{0,12}", any::<bool>()), 3), 0..20),
        crlf: bool, last: bool, semicolon: bool, mark: bool,
        sizes in prop::collection::vec(0usize..40, 1..8),
    ) {
        let (delimiter, end) = (if semicolon { ';' } else { ',' }, if crlf { "\r\n" } else { "\n" });
        let mut text = String::from(if mark { "\u{feff}" } else { "" });
        text += &["a", "b", "c"].join(&delimiter.to_string());
        for row in &rows {
            text += end;
            let fields: Vec<String> = row.iter().map(|(f, q)| quote(f, *q, delimiter)).collect();
            text += &fields.join(&delimiter.to_string());
        }
        if last {
            text += end;
        }
        let heard = read(Script::sizes(text.as_bytes(), &sizes), options());
        let expected: Vec<Vec<&str>> =
            rows.iter().map(|r| r.iter().map(|(f, _)| f.as_str()).collect()).collect();
        prop_assert_eq!(heard.cells(), expected);
        prop_assert_eq!(heard.broken, vec![]);
    }

    #[test]
    fn garbage_is_read_the_same_however_chunks_are_cut(
        data in prop::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..300),
        sizes in prop::collection::vec(0usize..40, 1..8),
        header: bool,
    ) {
        let options = CsvOptions { header, ..options() };
        let whole = read(Script::one(&data), options.clone());
        let mut cut = read(Script::sizes(&data, &sizes), options);
        // Blank lines behind the last row belong to no batch, once that has been handed on.
        (cut.batches, cut.bytes) = (whole.batches, whole.bytes);
        let rows = whole.rows.len() + whole.broken.len();
        let mut numbers: Vec<u64> = whole.rows.iter().map(|(n, _)| *n).collect();
        numbers.extend(whole.broken.iter().map(|b| b.row));
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=rows as u64).collect::<Vec<_>>());
        prop_assert_eq!(whole, cut);
    }
}

use proptest::prelude::*;

use super::*;
use crate::decode::test_util::{Heard, Script};
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
    assert_eq!(heard.cells(), [["1", "2", "3"], ["4", "∅", "6"], ["7", "8", "9"]]);
    assert_eq!(heard.rows.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(heard.rows[0].1[1].0, "open");
    assert_eq!(heard.bytes, 35);
    assert_eq!(heard.error, None);
}

/// A hole is over with the line behind it, ends a comment that is passed by, and stands in quotes that do not close.
#[test]
fn a_hole_is_one_wherever_the_input_is_cut() {
    for (before, behind, rows, broken, passed) in [
        ("a,b\n1,2\n", "3,4\n\0\0\0x,5\n", vec!["1,2", "3,4", "\0\0\0x,5"], vec![], 40),
        ("a,b\n", "\n1,2\n\0,4\n", vec!["1,2", "\0,4"], vec![], 40),
        ("a,b\n1,2\n// said", "3,4\n", vec!["1,2", "3,4"], vec![], 38),
        ("a,b\n1,2\n3,", "5,6\n", vec!["1,2", "5,6"], vec!["3,\0"], 38),
        ("a,b\n1,2\n\"3,\n", "5,6\n\0,8\n", vec!["1,2", "5,6", "\0,8"], vec!["\"3,"], 40),
        ("a,b\n1,2\n\"3,", "5,6\n", vec!["1,2", "5,6"], vec!["\"3,\0"], 38),
    ] {
        let text = format!("{before}{}{behind}", "\0".repeat(40));
        let options = CsvOptions { sure_header: true, comment: Some("//".into()), ..options() };
        for size in 1..=text.len() {
            let script = Script::cut(text.as_bytes(), size);
            let mut decoder = CsvDecoder::open(Box::new(script), options.clone()).unwrap();
            let heard = Heard::of(&mut decoder);
            let found: Vec<String> = heard.cells().iter().map(|cells| cells.join(",")).collect();
            assert_eq!(found, rows, "{size}: {text:?}");
            let raw: Vec<&str> =
                heard.broken.iter().map(|row| std::str::from_utf8(&row.raw).unwrap()).collect();
            assert_eq!(raw, broken, "{size}: {text:?}");
            assert_eq!((decoder.passed().zeros, heard.error), (passed, None), "{size}: {text:?}");
        }
    }
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
fn a_quoted_field_of_mebibytes_with_lines_in_it_is_one() {
    let inner = format!("x\n3,WRONG\n{}", "a line of an article told at some length\n".repeat(60_000));
    assert!(inner.len() > 2 << 20);
    let text = format!("a,b\n1,2\n3,RIGHT\n5,\"{inner}\"\n7,8\n");
    for size in [50_000, (1 << 20) + 7, text.len()] {
        let heard = read(Script::cut(text.as_bytes(), size), options());
        assert_eq!(heard.faults(), []);
        assert_eq!(heard.cells().len(), 4);
        assert_eq!(heard.cells()[2][1], inner);
    }
    // Where it does not close, its first line alone is at fault, and what is behind it is read.
    let text = format!("a,b\n1,2\n5,\"{inner}7,8\n");
    for size in [50_000, text.len()] {
        let heard = read(Script::cut(text.as_bytes(), size), options());
        assert_eq!(heard.faults()[0], (2, "bad_line"));
        assert_eq!(heard.cells().last().unwrap(), &["7", "8"]);
    }
}

/// Between them the rows look like rows all the same, where they have a field more than the header, or one less.
#[test]
fn two_stray_quotes_far_apart_do_not_take_rows_of_another_width_with_them() {
    let filler = "x".repeat(500);
    for (header, end) in [
        ("a,b,c\n", "\n"),
        ("a,b,c\n", ",\n"),
        ("a,b,c\r\n", ",\"\"\r\n"),
        ("a,b,c,\n", "\n"),
        ("a,b,c,\n", ",\n"),
    ] {
        for (first, last) in [(0, 3_000), (11, 3_000)] {
            let mut text = String::from(header);
            for row in 0..3_010 {
                let cell = match row {
                    _ if row == first => "\"".to_owned() + &filler,
                    _ if row == last => filler.clone() + "\"",
                    _ => filler.clone(),
                };
                text += &format!("{row},{cell},{row}{end}");
            }
            let heard = read(Script::cut(text.as_bytes(), 100_000), options());
            let faults = heard.faults();
            assert_eq!(faults[0], (first + 1, "bad_line"), "{header}{end}");
            // A quote within a field is a character of it.
            assert_eq!((faults.len(), heard.rows.len()), (1, 3_009), "{header}{end}");
        }
    }
}

#[test]
fn a_long_quoted_field_does_not_vouch_for_a_stray_quote_behind_it() {
    let inner = "a line of an article told at some length\n".repeat(30_000);
    assert!(inner.len() > 1 << 20);
    let rows = format!("1,{},3\n", "x".repeat(400)).repeat(3_000);
    let text = format!("a,b,c\n1,\"{inner}\",\"x\n{rows}4,5,6\"\n7,8,9\n");
    let heard = read(Script::cut(text.as_bytes(), 100_000), options());
    assert_eq!(heard.faults()[0], (1, "bad_line"));
    assert!(heard.rows.len() > 3_000);
    assert_eq!(heard.cells().last().unwrap(), &["7", "8", "9"]);
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

fn passed(text: &str, options: CsvOptions) -> (Heard, Passed) {
    let mut decoder = CsvDecoder::open(Box::new(Script::one(text.as_bytes())), options).unwrap();
    let heard = Heard::of(&mut decoder);
    (heard, decoder.passed())
}

fn objection(text: &str) -> Option<String> {
    let decoder = CsvDecoder::open(Box::new(Script::one(text.as_bytes())), options()).unwrap();
    decoder.objection().map(str::to_owned)
}

#[test]
fn comments_and_skipped_lines_stand_before_the_header_only() {
    let (heard, over) = passed("# made by\n\n#x\na;b\n#1;2\n", options());
    assert_eq!(heard.cells(), [["#1", "2"]]);
    assert_eq!((over.comments, over.comment.as_deref()), (2, Some("# made by")));
    let skip = CsvOptions { skip_lines: 2, ..options() };
    let heard = read(Script::one(b"https://x, y\n\nts,o\n1,2\n"), skip.clone());
    assert_eq!(heard.cells(), [["1", "2"]]);
    let heard = read(Script::one(b"only\n"), skip);
    assert_eq!(heard.error.as_deref(), Some("the input has nothing after the 2 lines to be skipped"));
}

#[test]
fn a_line_with_a_hash_is_the_header_where_it_has_the_width_of_the_rows() {
    for text in [
        "#RIC,Domain,Price\nABC.N,Market Price,2\n",
        "# made by, me\n#RIC,Domain,Price\nABC.N,Market Price,2\n",
        "#RIC,Domain,Price\n#ABC,Market Price,2",
        "sep=,\n#RIC,Domain,Price\n\nABC.N,Market Price,2,\n",
    ] {
        for size in [1, 7, text.len()] {
            let script = Script::cut(text.as_bytes(), size);
            let mut decoder = CsvDecoder::open(Box::new(script), options()).unwrap();
            assert_eq!(decoder.names().join(" "), "#RIC Domain Price", "{text}");
            assert_eq!(Heard::of(&mut decoder).rows.len(), 1, "{text}");
        }
    }
    // As many commas as the header below them.
    for text in ["# a, b\nfoo,bar\n1,2\n", "#date,open\ndate,open\n2024-01-02,2\n", "# x\nfoo,bar\n1,2\n"] {
        let (heard, over) = passed(text, options());
        assert_eq!((heard.rows.len(), over.comments), (1, 1), "{text}");
    }
}

#[test]
fn comments_are_what_the_user_says() {
    let says = |comment: &str| CsvOptions { comment: Some(comment.into()), ..options() };
    let text = "//x\n#a,b\n1,2\n//\"\n//\n3,4\n//y";
    for size in [1, 2, 5, text.len()] {
        let script = Script::cut(text.as_bytes(), size);
        let mut decoder = CsvDecoder::open(Box::new(script), says("//")).unwrap();
        let heard = Heard::of(&mut decoder);
        assert_eq!(heard.cells(), [["1", "2"], ["3", "4"]]);
        assert_eq!((decoder.passed().comments, heard.broken.len()), (4, 0));
        assert_eq!(heard.rows[0].1[0].0, "#a");
    }
    let (heard, over) = passed("#a,b\n#1,2\n", says(""));
    assert_eq!((heard.cells(), over.comments), (vec![vec!["#1", "2"]], 0));
    let headerless = CsvOptions { header: false, ..says("#") };
    let (heard, over) = passed("#a,b\n1,2\n#3,4\n", headerless);
    assert_eq!((heard.cells(), over.comments), (vec![vec!["1", "2"]], 2));
}

#[test]
fn the_header_once_more_is_no_row() {
    let text = "sep=;\r\na;b\r\n1;2\r\n\u{feff}sep=;\r\na;b\n\u{feff}a;b\n3;4\na;B\na;b";
    let (heard, over) = passed(text, options());
    assert_eq!(heard.cells(), [["1", "2"], ["3", "4"], ["a", "B"]]);
    assert_eq!((over.headers, over.separators), (3, 2));
    assert_eq!(heard.rows[1].0, 2);
    let headerless = CsvOptions { header: false, ..options() };
    assert_eq!(passed("a,b\n1,2\na,b\n", headerless).0.rows.len(), 3);
}

#[test]
fn an_empty_field_without_a_column_is_no_fault() {
    let (heard, over) = passed("a,b\n1,2,\n3,4\n5,6,\"\"\n\"7\n8\",9,\n", options());
    assert_eq!(heard.cells(), [["1", "2"], ["3", "4"], ["5", "6"], ["7\n8", "9"]]);
    assert_eq!((over.longer, heard.broken.len()), (3, 0));
    // One that is filled may be any value, shifted: from then on none fits.
    let (heard, over) = passed("a,b\n1,2,\n3,4,5\n6,7,\n8,9\n", options());
    assert_eq!(heard.cells(), [["1", "2"], ["8", "9"]]);
    assert_eq!((over.longer, heard.faults()), (1, vec![(2, "bad_width"), (3, "bad_width")]));
    let (heard, over) = passed("a,b,\n1,2\n3,4,\n5\n", options());
    assert_eq!(heard.cells(), [["1", "2", "∅"], ["3", "4", "∅"]]);
    assert_eq!((over.shorter, heard.faults()), (1, vec![(3, "bad_width")]));
}

#[test]
fn blank_lines_between_rows_are_counted() {
    let (heard, over) = passed("\na,b\n1,2\n\n\n3,4\n\n", options());
    assert_eq!((heard.rows.len(), over.blank), (2, 2));
}

#[test]
fn a_header_that_is_none_is_objected_to() {
    insta::assert_snapshot!(objection("1698364800000,22,24,21,23,9\n1698368400000,25,27,24,26,8\n").unwrap(), @"its first line holds data and no names of columns (1698364800000, 22, 24, …); add --no-header, by which the columns are called 1, 2, 3 and so on, and say which is which: for bars by the looks of them --no-header --map ts=1 --map open_price=2 --map high_price=3 --map low_price=4 --map close_price=5 --map volume=6");
    insta::assert_snapshot!(objection("AAPL,100,2024-01-02\n").unwrap(), @"its first line holds data and no names of columns (AAPL, 100, 2024-01-02, …); add --no-header, by which the columns are called 1, 2, 3 and so on, and say which is which: for instance --map ts=1 where the first column is the time");
    insta::assert_snapshot!(objection("https://x\n\nts,open,close\n1,2,3\n").unwrap(), @"its header seems to be line 3 (ts, open, close), and not what stands before it; add --skip-lines 2");
    insta::assert_snapshot!(objection("Report, made, by, someone\n\nfoo;bar\n1;2\n1;2\n").unwrap(), @"its header seems to be line 3 (foo, bar), and not what stands before it; add --skip-lines 2");
    insta::assert_snapshot!(objection("Symbol,AAPL\nPeriod,1d\nts,open,close\n1,2,3\n").unwrap(), @"its header seems to be line 3 (ts, open, close), and not what stands before it; add --skip-lines 2");
    insta::assert_snapshot!(objection("date,open,close\n0,2024-01-02,1,2\n1,2024-01-03,1,2\n").unwrap(), @"its rows have one field more than its header has names, as where the first column has none; add --skip-lines 1 --no-header, by which the columns are called 1, 2, 3 and so on, and say which is which: --map ts=2 --map open_price=3 --map close_price=4");
    for good in [
        "a,b\n1,2\n",
        "0,1,2\n5,6,7\n",
        "a,b\n1,2,\n",
        "date,2020,2021\nx,1,2\n",
        "a,b\n1,2,3\n4,5\n",
        "a,b\n1,2,3\n",
        "foo,bar,baz\nopen,close,zz\nask,low,yy\n",
        ",ts,open\n0,1,2\n",
        "a\n1\n",
        "a,b\n",
    ] {
        assert_eq!(objection(good), None, "{good}");
    }
    // What was taken for a header is a row, so that nothing of a pipe is lost.
    let heard = read_text("1698364800000,2\n1698368400000,3\n");
    assert_eq!(heard.cells(), [["1698364800000", "2"], ["1698368400000", "3"]]);
}

#[test]
fn headerless_rows_are_numbered_columns() {
    let headerless = CsvOptions { header: false, ..options() };
    let heard = read(Script::one(b"#c,2,3\n1,2,3\n4,5\n6,7,8\n"), headerless.clone());
    assert_eq!(heard.cells(), [["#c", "2", "3"], ["1", "2", "3"], ["6", "7", "8"]]);
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
    let heard = read_text(&format!("{}a\n", "a,".repeat(16_384)));
    assert_eq!(heard.error.as_deref(), Some("its header has 16385 columns, at most 16384 can be read"));
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
            rows.iter().map(|r| r.iter().map(|(f, q)| match f.as_str() {
                // What PostgreSQL writes for null is null, unless it stands in quotes.
                "" | "\\N" if !q => "∅",
                field => field,
            }).collect()).collect();
        prop_assert_eq!(heard.cells(), expected);
        prop_assert_eq!(heard.broken, vec![]);
    }

    #[test]
    fn files_of_another_writer_are_read_as_its_own_reader_has_them(
        rows in prop::collection::vec(prop::array::uniform3("[ -~\n\r\"é;,0-9]{0,12}"), 0..20),
        crlf: bool, semicolon: bool, quotes: bool, sizes in prop::collection::vec(0usize..40, 1..8),
    ) {
        let delimiter = if semicolon { b';' } else { b',' };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if quotes { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let text = writer.into_inner().unwrap();
        let heard = read(Script::sizes(&text, &sizes), options());
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_slice());
        let field = |field: &str| match field {
            "" | "\\N" if !quotes => "∅".to_owned(),
            field => field.to_owned(),
        };
        let expected: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(field).collect()).collect();
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
        // An objection is made of what is there of the rows behind the header.
        let objects = |script| {
            CsvDecoder::open(Box::new(script), options.clone()).is_ok_and(|d| d.objection().is_some())
        };
        prop_assume!(!objects(Script::one(&data)) && !objects(Script::sizes(&data, &sizes)));
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

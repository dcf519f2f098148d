use proptest::prelude::*;

use super::object::MAX_NAMES;
use super::*;
use crate::decode::test_util::{Heard, Script};
use crate::decode::{BATCH_ROWS, Chunk};

fn read(script: Script) -> Heard {
    match NdjsonDecoder::open(Box::new(script)) {
        Ok(mut decoder) => Heard::of(&mut decoder),
        Err(error) => Heard { error: Some(error.to_string()), ..Heard::default() },
    }
}

/// Reads the text as a whole and cut in pieces of several sizes, which must not matter.
fn read_text(text: &str) -> Heard {
    let whole = read(Script::one(text.as_bytes()));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(read(Script::cut(text.as_bytes(), size)), whole, "{text} in pieces of {size}");
    }
    whole
}

/// Holes stand between rows, behind blanks and behind lines that are not kept, and the input is cut at all places.
#[test]
fn a_hole_is_one_wherever_the_input_is_cut() {
    let second = "{\"a\":2}\n";
    for (before, zeros, behind, rows, broken, passed) in [
        ("{\"a\":1}\n", 40, second, vec!["1", "2"], vec![], 40),
        // A value of several lines does not take its line end with it.
        ("{\n\"a\":1}\n", 40, second, vec!["1", "2"], vec![], 40),
        ("{\"a\":1}\n \t", 40, second, vec!["1", "2"], vec!["\0"], 38),
        ("{\"a\":1}\n ", 14, second, vec!["1", "2"], vec![], 14),
        ("{\"a\":1}\n ", 13, second, vec!["1"], vec!["\0\0\0\0\0\0\0\0\0\0\0\0\0{\"a\":2}"], 0),
        ("[{\"a\":1}]", 40, second, vec!["1", "2"], vec!["\0"], 38),
        ("# said", 40, second, vec!["2"], vec![], 38),
        // It is over with the row behind it.
        ("", 40, "{\"a\":2}\n\0{\"a\":3}\n{\"a\":4}\n", vec!["2", "4"], vec!["\0{\"a\":3}"], 40),
    ] {
        let text = format!("{before}{}{behind}", "\0".repeat(zeros));
        for size in 1..=text.len() {
            let mut decoder = NdjsonDecoder::open(Box::new(Script::cut(text.as_bytes(), size))).unwrap();
            let heard = Heard::of(&mut decoder);
            assert_eq!(heard.cells().concat(), rows, "{size}: {text:?}");
            let raw: Vec<&str> =
                heard.broken.iter().map(|row| std::str::from_utf8(&row.raw).unwrap()).collect();
            assert_eq!(raw, broken, "{size}: {text:?}");
            assert_eq!(decoder.passed().zeros, passed, "{size}: {text:?}");
            assert_eq!((heard.bytes, heard.error), (text.len() as u64, None), "{size}: {text:?}");
        }
    }
}

fn numbers(heard: &Heard) -> Vec<u64> {
    heard.rows.iter().map(|(n, _)| *n).collect()
}

#[test]
fn values_keep_their_text() {
    let heard = read_text(concat!(
        r#"{"ts":1732351234123456789,"px":0.000000001000,"big":123456789012345678901234567890,"e":1E-9,"#,
        r#""s":"a\"\u00e9\n","t":true,"f":false,"n":null,"o":{"x": [1, 2]},"l":[ 1 ],"empty":""}"#,
        "\r\n"
    ));
    assert_eq!(
        heard.cells(),
        [[
            "1732351234123456789",
            "0.000000001000",
            "123456789012345678901234567890",
            "1E-9",
            "a\"é\n",
            "true",
            "false",
            "∅",
            "{\"x\":[1,2]}",
            "[1]",
            ""
        ]]
    );
    assert_eq!(heard.rows[0].1[1].0, "px");
}

#[test]
fn a_new_name_starts_a_batch() {
    let heard = read_text(
        "{\"a\":1}\n{\"a\":2,\"b\":3}\n{\"b\":4}\n{}\n{\"c\":null,\"a\":6,\"a\":6,\"\\u0062\":7}\n",
    );
    assert_eq!(heard.batches, 3);
    let cells = heard.cells();
    assert_eq!(cells[0], ["1"]);
    assert_eq!(cells[1..4], [["2", "3"], ["∅", "4"], ["∅", "∅"]]);
    assert_eq!(cells[4], ["6", "7", "∅"]);
}

#[test]
fn objects_in_any_layout() {
    for text in [
        "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n",
        "{\"a\":1,\"b\":\"x\"}\n\n# note {\n  {\"a\":2,\"b\":\"y\"}",
        "{\"a\":1,\"b\":\"x\"} {\"a\":2,\"b\":\"y\"}\n",
        "{\"a\":1,\"b\":\"x\"}{\"a\":2,\"b\":\"y\"}",
        "{\n  \"a\": 1,\n  \"b\": \"x\"\n}\n{\n  \"a\": 2,\n  \"b\": \"y\"\n}\n",
        "[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]",
        "[\n{\"a\":1,\"b\":\"x\"},\n{\"a\":2,\"b\":\"y\"}\n]\n",
        "[\n  {\n    \"a\": 1,\n    \"b\": \"x\"\n  },\n  {\"a\":2,\"b\":\"y\"}\n]",
        "[{\"a\":1,\"b\":\"x\"}]\n[{\"a\":2,\"b\":\"y\"}]\n",
        "\u{feff}{\"a\":1,\"b\":\"x\"}\r\n{\"a\":2,\"b\":\"y\"}\r\n",
    ] {
        let heard = read_text(text);
        assert_eq!(heard.cells(), [["1", "x"], ["2", "y"]], "{text}");
        assert_eq!((heard.broken, heard.error), (vec![], None), "{text}");
    }
}

#[test]
fn a_malformed_line_costs_itself() {
    for (bad, message) in [
        ("{\"a\":", "the line is not valid JSON"),
        ("{\"a\":\"x", "the line is not valid JSON"),
        ("{\"a\":{\"b\":2}", "the line is not valid JSON"),
        ("{\"a\":2}}", "the line is not valid JSON"),
        ("{\"a\":2},", "the line is not valid JSON"),
        ("{\"a\":2} x", "the line is not valid JSON"),
        ("{\"a\":\"\\ud800\"}", "the line is not valid JSON"),
        ("{a:2}{\"a\":2}", "the line is not valid JSON"),
        ("}", "the line is not valid JSON"),
        ("oops", "the line is not valid JSON"),
        ("17", "the line is JSON, but not an object"),
        ("[1,2]", "the line is JSON, but not an object"),
        ("\"{\"", "the line is JSON, but not an object"),
    ] {
        let heard = read_text(&format!("{{\"a\":1}}\n{bad}\r\n{{\"a\":3}}\n"));
        assert_eq!(heard.cells(), [["1"], ["3"]], "{bad}");
        assert_eq!(numbers(&heard), [1, 3]);
        assert_eq!(heard.broken.len(), 1, "{bad}");
        let broken = &heard.broken[0];
        assert_eq!((broken.row, broken.code, broken.message.as_ref()), (2, "bad_line", message), "{bad}");
        assert_eq!(broken.raw, bad.as_bytes());
    }
}

#[test]
fn a_first_line_that_is_torn_does_not_swallow_the_others() {
    let heard = read_text("{\"a\":1,\"b\":\n{\"a\":2}\n{\"a\":3}\n");
    assert_eq!(heard.cells(), [["2"], ["3"]]);
    let heard = read_text(" {\"a\":[1,\n {\"a\":2}\n {\"a\":3}\n");
    assert_eq!(heard.cells(), [["2"], ["3"]]);
    assert_eq!(heard.broken[0].raw, b"{\"a\":[1,");
}

#[test]
fn elements_that_are_no_objects_cost_themselves() {
    let heard = read_text("[{\"a\":1},2,\"x],\\\"{\",{\"a\":oops},[],{\"a\":3}]");
    assert_eq!(heard.cells(), [["1"], ["3"]]);
    assert_eq!(numbers(&heard), [1, 6]);
    assert_eq!(heard.broken.len(), 4);
}

#[test]
fn an_array_without_its_end_is_corrupt() {
    let heard = read_text("[{\"a\":1},\n{\"a\":2");
    assert_eq!(heard.cells(), [["1"]]);
    assert_eq!(heard.faults(), [(2, "bad_line")]);
    let error = heard.error.unwrap();
    assert_eq!(error, "the JSON array is not closed, the input ends early; 2 rows were read");
}

#[test]
fn the_last_line() {
    assert_eq!(read_text("{\"a\":1}\n{\"a\":2}").cells(), [["1"], ["2"]]);
    for last in ["{\"a\":", "{\"a\":\"", "tru"] {
        let heard = read_text(&format!("{{\"a\":1}}\n{last}"));
        assert_eq!(heard.cells(), [["1"]]);
        assert_eq!(heard.broken[0].message, "the last line is incomplete");
    }
    for text in [" \n", "# nothing\n", "[]", "[\n]\n"] {
        assert_eq!(read_text(text), Heard::default(), "{text}");
    }
    assert_eq!(read_text("").error.as_deref(), Some("the input is empty"));
}

#[test]
fn invalid_utf8_costs_its_row() {
    let heard = read(Script::one(b"{\"a\":1}\n{\"a\":\"\xFF\"}\n\xC3\n{\"a\":2}\n"));
    assert_eq!(heard.cells(), [["1"], ["2"]]);
    assert_eq!(heard.faults(), [(2, "bad_utf8"), (3, "bad_utf8")]);
}

#[test]
fn columns_are_bounded() {
    let members: Vec<String> = (0..MAX_NAMES).map(|n| format!("\"c{n}\":{n}")).collect();
    let full = members.join(",");
    let text = format!("{{{full}}}\n{{\"c0\":1,\"one more\":2}}\n{{\"c0\":7}}\n{{{full},\"x\":1}}\n");
    let heard = read(Script::one(text.as_bytes()));
    assert_eq!(numbers(&heard), [1, 3]);
    assert_eq!(heard.faults(), [(2, "too_many_columns"), (4, "too_many_columns")]);
    assert_eq!(heard.rows[1].1.len(), MAX_NAMES);
}

#[test]
fn columns_that_nothing_loads_are_bounded_once_that_is_known() {
    let first: Vec<String> = (0..3000).map(|n| format!("\"a{n}\":{n}")).collect();
    let later: String = (0..2000).map(|n| format!("{{\"b{n}\":1,\"px\":{n},\"last{n}\":null}}\n")).collect();
    let text = format!("{{{},\"px\":7}}\n{later}", first.join(","));
    let mut decoder = NdjsonDecoder::open(Box::new(Script::one(text.as_bytes()))).unwrap();
    let whole = decoder.next_batch().unwrap().unwrap();
    assert_eq!((whole.rows.len(), whole.columns.num_columns()), (1, 3001));
    decoder.want(std::sync::Arc::new(|name: &str| name == "px" || name == "last1999"));
    let heard = Heard::of(&mut decoder);
    assert!(heard.broken.is_empty() && heard.error.is_none(), "{:?}", heard.error);
    for (place, (row, cells)) in heard.rows.iter().enumerate() {
        assert_eq!(*row, place as u64 + 2);
        let px = cells.iter().find(|(name, _)| name == "px").and_then(|(_, value)| value.clone());
        assert_eq!(px, Some(place.to_string()));
        assert!(cells.len() <= 1025, "{}", cells.len());
    }
    assert_eq!(heard.rows.len(), 2000);
    assert!(heard.rows[1999].1.iter().any(|(name, _)| name == "last1999"));
    let passed = decoder.passed();
    assert_eq!((passed.fields, passed.field.as_deref()), (2000 + 1999, Some("b0")));
}

#[test]
fn a_name_of_a_refused_row_makes_no_column() {
    let heard = read_text("{\"a\":1}\n{\"b\":1,\"c\":\"\\ud800\"}\n{\"a\":2}\n{\"b\":3}\n");
    assert_eq!(heard.rows[1].1.len(), 1);
    assert_eq!(heard.cells()[2], ["∅", "3"]);
}

#[test]
fn a_row_that_is_too_long_is_passed_by() {
    let long = "x".repeat(MAX_ROW + 10);
    for text in [
        format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":2}}\n"),
        format!("{{\"a\":1}}\n{long}\n{{\"a\":2}}\n"),
        format!("[{{\"a\":1}},{{\"a\":\"{long}\"}},{{\"a\":2}}]"),
    ] {
        for size in [1 << 18, text.len()] {
            let heard = read(Script::cut(text.as_bytes(), size));
            assert_eq!(heard.cells(), [["1"], ["2"]]);
            assert_eq!(heard.faults(), [(2, "too_long")]);
            assert_eq!(heard.broken[0].raw.len(), MAX_RAW);
            assert_eq!(heard.error, None);
        }
    }
}

#[test]
fn complete_rows_are_handed_on_when_the_pipe_is_idle() {
    let data = |s: &'static str| Ok(Chunk::Data(bytes::Bytes::from_static(s.as_bytes())));
    let script = Script([data("{\"a\":1}\n{\"a\""), Ok(Chunk::Idle), data(":2}\n"), Ok(Chunk::Idle)].into());
    let mut decoder = NdjsonDecoder::open(Box::new(script)).unwrap();
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [1]);
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [2]);
    assert!(decoder.next_batch().unwrap().is_none());
}

#[test]
fn a_stop_leaves_nothing_undecoded_that_cannot_be_read_again() {
    let text = b"{\"a\":1}\n{\"a\":";
    let heard = read(Script::one(text).then(Ok(Chunk::Cut { again: false })));
    assert_eq!((heard.cells(), heard.faults()), (vec![vec!["1"]], vec![(2, "bad_line")]));
    let heard = read(Script::one(text).then(Ok(Chunk::Cut { again: true })));
    assert_eq!((heard.cells(), heard.faults()), (vec![vec!["1"]], vec![]));
    let heard = read(Script::one(b"[{\"a\":1},").then(Ok(Chunk::Cut { again: false })));
    assert_eq!((heard.cells(), heard.error.as_deref()), (vec![vec!["1"]], None));
}

#[test]
fn a_fault_comes_after_the_rows_before_it() {
    let fault = Err(DecodeError::Corrupt("the gzip stream ends early".into()));
    let heard = read(Script::one(b"{\"a\":1}\n{\"a\":").then(fault));
    assert_eq!(heard.cells(), [["1"]]);
    assert_eq!(heard.error.as_deref(), Some("the gzip stream ends early; 2 rows before it were read"));
}

#[test]
fn batches_are_bounded() {
    let heard = read(Script::one("{\"a\":1}\n".repeat(BATCH_ROWS + 1).as_bytes()));
    assert_eq!((heard.rows.len(), heard.batches), (BATCH_ROWS + 1, 2));
}

#[test]
fn a_file_of_torn_objects_is_read_in_linear_time() {
    let heard = read(Script::cut(" {\"a\":[\n".repeat(100_000).as_bytes(), 1 << 18));
    assert_eq!(heard.broken.len(), 100_000);
}

proptest! {
    #[test]
    fn written_objects_are_read_however_chunks_are_cut(
        rows in prop::collection::vec(
            (any::<i64>(), prop::option::of("\\PC{0,6}[\"\\\\\n{}\\[\\]é]{0,3}"), any::<bool>()), 0..20),
        layout in 0..4,
        sizes in prop::collection::vec(0usize..40, 1..8),
    ) {
        let objects: Vec<String> = rows.iter().map(|(n, s, b)| {
            let value = serde_json::json!({ "n": n, "s": s, "nested": { "b": b } });
            if layout == 1 { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
        }).collect();
        let text = match layout {
            0 | 1 => objects.join("\n"),
            2 => objects.concat(),
            _ => format!("[{}]", objects.join(", ")),
        };
        prop_assume!(!text.is_empty());
        let heard = read(Script::sizes(text.as_bytes(), &sizes));
        prop_assert_eq!(heard.broken, vec![]);
        prop_assert_eq!(heard.error, None);
        prop_assert_eq!(heard.rows.len(), rows.len());
        for ((_, cells), (n, s, _)) in heard.rows.iter().zip(&rows) {
            let get = |name: &str| cells.iter().find(|(k, _)| k == name).and_then(|(_, v)| v.clone());
            prop_assert_eq!(get("n"), Some(n.to_string()));
            prop_assert_eq!(get("s"), s.clone());
            prop_assert!(get("nested").is_some());
        }
    }

    #[test]
    fn garbage_is_read_the_same_however_chunks_are_cut(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just("\n"), Just(","),
            Just("{\"a\":1}"), Just("\"b\":2"), Just("#"), Just("null"), Just(" "), Just("é"), Just("\r"),
        ], 0..60),
        noise in prop::collection::vec(any::<u8>(), 0..4),
        sizes in prop::collection::vec(0usize..12, 1..8),
    ) {
        let mut data = pieces.concat().into_bytes();
        data.extend(noise);
        let whole = read(Script::one(&data));
        let mut cut = read(Script::sizes(&data, &sizes));
        // What follows the last row belongs to no batch, once that has been handed on.
        (cut.batches, cut.bytes) = (whole.batches, whole.bytes);
        prop_assert_eq!(whole, cut);
    }
}

#[test]
fn what_follows_the_first_object_on_its_last_line_costs_it() {
    for text in ["{\n\"b\":2}}", "{\n\"b\":2}}\n{\"b\":3}\n", "{\n\"b\":2} x\n{\"b\":3}\n"] {
        let whole = read(Script::one(text.as_bytes()));
        for size in 1..text.len() {
            let cut = read(Script::cut(text.as_bytes(), size));
            assert_eq!((cut.rows, cut.broken), (whole.rows.clone(), whole.broken.clone()), "{size}: {text}");
        }
        assert_eq!(whole.faults(), [(1, "bad_line")], "{text}");
    }
}

#[test]
fn an_object_of_mebibytes_over_many_lines_is_one() {
    let lines = "    \"a line of an article\",\n".repeat(100_000);
    let text = format!("{{\"a\":1}}\n{{\n  \"b\": [\n{lines}    \"end\"\n  ]\n}}\n{{\"a\":2}}\n");
    for size in [50_000, text.len()] {
        let heard =
            Heard::of(&mut NdjsonDecoder::open(Box::new(Script::cut(text.as_bytes(), size))).unwrap());
        assert_eq!(heard.faults(), []);
        assert_eq!(heard.rows.len(), 3);
    }
}

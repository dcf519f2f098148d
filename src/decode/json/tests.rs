use super::*;
use crate::decode::Chunk;
use crate::decode::test_util::{Heard, Script};

fn options(rows_at: Option<&str>, columns: &[&str]) -> CsvOptions {
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    CsvOptions {
        columns: Some(columns).filter(|names| !names.is_empty()).map(Into::into),
        json: JsonOptions { rows_at: rows_at.map(Into::into), ..JsonOptions::default() },
        ..CsvOptions::default()
    }
}

/// Reads a file: it is looked through before.
fn read_file(text: &str, options: &CsvOptions) -> (Heard, Option<String>) {
    let found = match look_through(Box::new(Script::cut(text.as_bytes(), 7)), options) {
        Ok(found) => found,
        Err(error) => return (Heard { error: Some(error.to_string()), ..Heard::default() }, None),
    };
    let mut options = options.clone();
    options.json.found = Some(Arc::new(found));
    let mut decoder = JsonDecoder::open(Box::new(Script::cut(text.as_bytes(), 5)), options).unwrap();
    let heard = Heard::of(&mut decoder);
    (heard, decoder.told().map(str::to_owned))
}

/// Reads a pipe in pieces of that size.
fn read_pipe(text: &str, options: &CsvOptions, size: usize) -> (Heard, Option<String>) {
    let script = Script::cut(text.as_bytes(), size);
    let mut decoder = JsonDecoder::open(Box::new(script), options.clone()).unwrap();
    let heard = Heard::of(&mut decoder);
    (heard, decoder.told().map(str::to_owned))
}

/// Reads it as a file and as a pipe, which must give the same rows.
fn read(text: &str, options: &CsvOptions) -> (Heard, Option<String>) {
    let (file, told) = read_file(text, options);
    for size in [1, 3, 64, text.len()] {
        let (pipe, also) = read_pipe(text, options, size);
        assert_eq!((&pipe.rows, &pipe.broken), (&file.rows, &file.broken), "{size}: {text}");
        assert_eq!(also, told, "{size}: {text}");
    }
    (file, told)
}

/// The rows as `name=value`.
fn rows(heard: &Heard) -> Vec<String> {
    let cell = |(name, value): &(String, Option<String>)| Some(format!("{name}={}", value.as_ref()?));
    heard.rows.iter().map(|(_, cells)| cells.iter().filter_map(cell).collect::<Vec<_>>().join(" ")).collect()
}

fn found(text: &str) -> (Vec<String>, String) {
    let (heard, told) = read(text, &options(None, &[]));
    assert_eq!((heard.error.as_deref(), heard.broken.len()), (None, 0), "{text}");
    let numbers: Vec<u64> = heard.rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=heard.rows.len() as u64).collect::<Vec<_>>());
    (rows(&heard), told.unwrap_or_default())
}

fn refused(text: &str) -> String {
    let (heard, _) = read_file(text, &options(None, &[]));
    heard.error.unwrap_or_else(|| panic!("{text}: {:?}", heard.rows))
}

#[test]
fn rows_are_found_with_what_stands_beside_them() {
    let bar = r#""t":1,"o":2,"h":3,"l":1,"c":2.50"#;
    let row = "t=1 o=2 h=3 l=1 c=2.50";
    for (text, expected, told) in [
        (
            format!(r#"{{"ticker":"A","results":[{{{bar}}}],"count":1}}"#),
            format!("{row} ticker=A document.count=1"),
            "results",
        ),
        (
            format!(r#"{{"data":{{"candles":[{{{bar}}}],"cur":"USD"}},"cur":"EUR"}}"#),
            format!("{row} cur=USD document.cur=EUR"),
            "data.candles",
        ),
        (
            format!(r#"{{"bars":{{"AAPL":[{{{bar}}}]}},"next":null}}"#),
            format!("{row} symbol=AAPL"),
            "bars, by symbol",
        ),
        (
            format!(r#"{{"meta":{{"symbol":"A","c":9}},"values":[{{{bar}}}]}}"#),
            format!("{row} symbol=A meta.c=9"),
            "values",
        ),
        (format!(r#"[{{"symbol":"A","bars":[{{{bar}}}]}}]"#), format!("{row} symbol=A"), "[].bars"),
        (
            format!(r#"{{"x":{{"list":[{{"symbol":"A","bars":[{{{bar}}}]}}]}}}}"#),
            format!("{row} symbol=A"),
            "x.list[0].bars",
        ),
        (
            r#"{"Time Series (1min)":{"2024-01-02 16:00:00":{"1. open":"1","4. close":"2"}},"Meta Data":{"2. Symbol":"IBM"}}"#
                .to_owned(),
            "1. open=1 4. close=2 2. Symbol=IBM ts=2024-01-02 16:00:00".to_owned(),
            "Time Series (1min), by time",
        ),
        (
            r#"{"c":[1.5],"t":[7],"s":"ok","h":[2]}"#.to_owned(),
            "c=1.5 t=7 h=2 document.s=ok".to_owned(),
            "the top of the document, a list for each column",
        ),
        (
            r#"{"open":{"1704153600000":1.0},"close":{"1704153600000":2}}"#.to_owned(),
            "ts=1704153600000 open=1.0 close=2".to_owned(),
            "the top of the document, an object for each column",
        ),
        (
            r#"{"columns":["open","close"],"index":[1704153600000],"data":[[1,2]]}"#.to_owned(),
            "ts=1704153600000 open=1 close=2".to_owned(),
            "data, an array each, with times at index",
        ),
        (
            r#"{"columns":["date","close"],"index":[0],"data":[["2024-01-02",2]]}"#.to_owned(),
            "date=2024-01-02 close=2".to_owned(),
            "data, an array each",
        ),
    ] {
        assert_eq!(found(&text), (vec![expected], format!("rows are at {told}")), "{text}");
    }
}

#[test]
fn a_column_of_the_row_is_never_overridden_by_what_stands_beside_it() {
    let (rows, _) = found(
        r#"{"symbol":"X","results":[{"t":1,"o":2,"h":3,"l":1,"c":2,"symbol":"A"},{"t":2,"o":2,"h":3,"l":1,"c":2}]}"#,
    );
    assert_eq!(rows[0], "t=1 o=2 h=3 l=1 c=2 symbol=A document.symbol=X");
    // One that only a later row has counts for that row.
    let more = r#"{"t":1,"o":2,"h":3,"l":1,"c":2},"#.repeat(5);
    let (rows, _) =
        found(&format!(r#"{{"cur":"X","results":[{more}{{"t":2,"o":2,"h":3,"l":1,"c":2,"cur":"A"}}]}}"#));
    assert_eq!(rows[4], "t=1 o=2 h=3 l=1 c=2 cur=X");
    assert_eq!(rows[5], "t=2 o=2 h=3 l=1 c=2 cur=A");
}

#[test]
fn documents_follow_one_another() {
    let line = |symbol: &str, n: u8| {
        format!(r#"{{"symbol":"{symbol}","results":[{{"t":{n},"o":2,"h":3,"l":1,"c":2}}]}}"#)
    };
    let text =
        format!("{}\n{}\n{{\"symbol\":\"C\",\"results\":[]}}\n{}", line("A", 1), line("B", 2), line("D", 4));
    let (rows, _) = found(&text);
    let symbols: Vec<&str> = rows.iter().map(|row| row.rsplit_once('=').unwrap().1).collect();
    assert_eq!(symbols, ["A", "B", "D"]);
    // A line that is none costs itself.
    let text = format!("{}\n{{\"error\":\"limit\"}}\noops\n{}\n", line("A", 1), line("B", 2));
    let (heard, _) = read(&text, &options(None, &[]));
    assert_eq!(heard.faults(), [(2, "bad_line"), (3, "bad_line")]);
    assert_eq!(heard.broken[0].raw, b"{\"error\":\"limit\"}");
    assert_eq!(heard.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn what_is_a_row_stays_one() {
    for text in [
        r#"{"ts":1,"price":2,"size":3,"legs":[{"x":1}],"conditions":["@"]}"#,
        r#"{"a":{"x":1}}"#,
        r#"{"error":[]}"#,
        r#"{"t":1,"c":["@"],"x":["A"]}"#,
        "{}",
        "{\"a\":1}\n{\"results\":[{\"t\":1}]}",
        "{\"a\":1,\"b\":\n{\"a\":2}\n{\"a\":3}\n",
        "{\"lastUpdateId\":1,\"bids\":[[\"1\",\"2\"]],\"asks\":[[\"1\",\"2\"]]}",
    ] {
        let (_, told) = read(text, &options(None, &[]));
        assert_eq!(told, None, "{text}");
    }
}

#[test]
fn arrays_need_names() {
    let text = "[[1704153600000,1.0,2.0,0.5,1.50],[1704240000000,1.5,2.5,1.0,2.0]]";
    let error = refused(text);
    assert!(error.contains("[1704153600000, 1.0, 2.0, 0.5, 1.50]") && error.contains("--columns"), "{error}");
    let (heard, told) = read(text, &options(None, &["ts", "open", "high", "low", "close"]));
    assert_eq!(rows(&heard)[0], "ts=1704153600000 open=1.0 high=2.0 low=0.5 close=1.50");
    assert_eq!((heard.rows.len(), told.is_some()), (2, true));
    // A row of another width is broken, for itself.
    let text = "{\"candles\":[[1,2,3],[1,2],[4,5,6]]}";
    let (heard, _) = read(text, &options(None, &["ts", "open", "close"]));
    assert_eq!((heard.faults(), heard.rows.len()), (vec![(2, "bad_width")], 2));
    let (heard, _) = read_file(text, &options(None, &["ts", "open"]));
    assert!(heard.error.unwrap().contains("has 3 values, and there are 2 names"));
}

#[test]
fn rows_are_where_the_user_says() {
    let text =
        r#"{"trades":[{"t":1,"p":2,"s":3}],"quotes":[{"t":1,"bp":2,"ap":3}],"a.b":{"c":[[1,2],[3,4]]}}"#;
    let error = refused(text);
    assert_eq!(error, "a JSON document whose rows may be at trades or quotes; say which: --rows-at trades");
    let at = |path: &str, columns: &[&str]| read(text, &options(Some(path), columns));
    assert_eq!(rows(&at("trades", &[]).0), ["t=1 p=2 s=3"]);
    assert_eq!(rows(&at("quotes", &[]).0), ["t=1 bp=2 ap=3"]);
    assert_eq!(rows(&at("a.b.c", &["x", "y"]).0), ["x=1 y=2", "x=3 y=4"]);
    assert_eq!(at("trades", &[]).1, None);
    for (path, says) in [
        ("tradez", "nothing in the document is called tradez; found trades, quotes, a.b"),
        ("trades[4]", "the list has no element 4, but 1"),
        ("trades[0].p", "there is a single value, and no rows"),
        ("trades[x]", "[x] is no element of a list"),
    ] {
        let (heard, _) = read_file(text, &options(Some(path), &[]));
        let error = heard.error.unwrap();
        assert!(error.starts_with(&format!("--rows-at {path}: ")) && error.contains(says), "{error}");
    }
}

#[test]
fn a_document_that_is_damaged_gives_the_rows_before() {
    let row = r#"{"t":1,"o":2,"h":3,"l":1,"c":2}"#;
    let deep = format!("{{\"results\":[{row},{{\"x\":{}{}}}]}}", "[".repeat(2000), "]".repeat(2000));
    for (text, says) in [
        (
            format!("{{\"results\":[{row},{row}"),
            "the JSON document is not closed, the input ends early; 2 rows before that were read",
        ),
        (
            format!("{{\"results\":[{row} {row}]}}"),
            "the JSON document is damaged at byte 45; 1 row before that were read",
        ),
        (
            format!("{{\"results\":[{row}]}} x"),
            "there is text behind the JSON document, at byte 47; 1 row before it were read",
        ),
        (deep, "is nested deeper than 1024 levels at byte "),
    ] {
        let (heard, _) = read_file(&text, &options(None, &[]));
        let error = heard.error.clone().unwrap();
        assert!(error.contains(says), "{error}");
        assert_eq!(rows(&heard)[0], "t=1 o=2 h=3 l=1 c=2");
    }
    // The last row may be cut.
    let (heard, _) = read_file(&format!("{{\"results\":[{row},{{\"t\":2,\"o"), &options(None, &[]));
    assert_eq!((heard.rows.len(), heard.faults()), (1, vec![(2, "bad_line")]));
    let twice = refused(&format!("{{\"results\":[{row}],\"results\":[{row}]}}"));
    assert_eq!(twice, "the JSON document has \"results\" twice; leave one of both out");
    let uneven = refused(r#"{"t":[1,2],"o":[1],"c":[1,2]}"#);
    assert!(uneven.contains("the list o has 1 values, and t has 2"), "{uneven}");
}

#[test]
fn numbers_keep_their_digits_and_words_are_values() {
    let (rows, _) = found(
        r#"{"results":[{"t":1732351234123456789,"p":0.000000001000,"s":123456789012345678901234567890},{"t":2,"p":NaN,"s":-Infinity}]}"#,
    );
    assert_eq!(rows[0], "t=1732351234123456789 p=0.000000001000 s=123456789012345678901234567890");
    assert_eq!(rows[1], "t=2 p=NaN s=-Infinity");
}

#[test]
fn the_first_document_of_a_pipe_is_not_held_back() {
    let data = |text: &'static str| Ok(Chunk::Data(bytes::Bytes::from_static(text.as_bytes())));
    let first = data("{\"results\":[{\"t\":1,\"p\":2,\"s\":3}]}\n");
    let script = Script([first, Ok(Chunk::Idle), data("{\"results\":[{\"t\":2,\"p\":2,\"s\":3}]}\n")].into());
    let mut decoder = JsonDecoder::open(Box::new(script), CsvOptions::default()).unwrap();
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [1]);
    assert_eq!(decoder.next_batch().unwrap().unwrap().rows, [2]);
    assert!(decoder.next_batch().unwrap().is_none());
}

#[test]
fn what_is_followed_ends_its_batches_behind_documents() {
    let data = |text: String| Ok(Chunk::Data(bytes::Bytes::from(text)));
    let first = "{\"results\":[{\"t\":1,\"p\":2,\"s\":3},{\"t\":1,\"p\":2,\"s\":3,\"x\":1}]}\n".to_owned();
    let second = "{\"results\":[{\"t\":1,\"p\":2,\"s\":3,\"y\":1}]}\n".to_owned();
    let lengths = [first.len() as u64, second.len() as u64];
    let script = Script([data(first), Ok(Chunk::Idle), data(second), Ok(Chunk::Idle)].into());
    let mut decoder = JsonDecoder::open(Box::new(script), CsvOptions::default()).unwrap();
    for (length, numbers) in lengths.into_iter().zip([vec![1, 2], vec![3]]) {
        let batch = decoder.next_now().unwrap().unwrap();
        assert_eq!((batch.rows, batch.bytes), (numbers, length));
    }
}

#[test]
fn a_document_that_is_too_large_to_be_held_goes_through_a_file() {
    let long = "x".repeat(MAX_ROW + 10);
    let text = format!("{{\"results\":[{{\"t\":1,\"p\":2,\"s\":3}}],\"note\":\"{long}\",\"symbol\":\"A\"}}");
    let (heard, told) = read_pipe(&text, &options(None, &[]), 1 << 20);
    assert_eq!(rows(&heard), ["t=1 p=2 s=3 symbol=A"]);
    assert_eq!((heard.error, told.as_deref()), (None, Some("rows are at results")));
}

#[test]
fn a_list_that_is_written_while_it_is_followed_gives_its_rows_at_once() {
    let data = |text: &'static str| Ok(Chunk::Data(bytes::Bytes::from_static(text.as_bytes())));
    let script = Script([data("[\n{\"a\":1},\n"), Ok(Chunk::Idle), data("{\"a\":2}\n]\n")].into());
    let mut decoder = JsonDecoder::open(Box::new(script), CsvOptions::default()).unwrap();
    assert_eq!(decoder.next_now().unwrap().unwrap().rows, [1]);
    assert_eq!(decoder.next_now().unwrap().unwrap().rows, [2]);
}

#[test]
fn a_row_that_flags_complete_is_no_document() {
    let text = r#"{"title":"x","url":"y","insights":[{"ticker":"A","sentiment":"positive"}]}"#;
    assert_eq!(read(text, &options(None, &[])).1, None);
    let mut known = options(None, &[]);
    known.json.known = vec!["id".into(), "items".into()];
    let text = r#"[{"id":1,"items":[{"t":1,"p":2,"s":3}]}]"#;
    assert_eq!(read(text, &known).1, None);
    assert!(read(text, &options(None, &[])).1.is_some());
}

proptest::proptest! {
    #[test]
    fn garbage_is_read_the_same_however_chunks_are_cut(
        pieces in proptest::collection::vec(proptest::prop_oneof![
            proptest::strategy::Just("{"), proptest::strategy::Just("}"), proptest::strategy::Just("["),
            proptest::strategy::Just("]"), proptest::strategy::Just("\""), proptest::strategy::Just("\\"),
            proptest::strategy::Just("\n"), proptest::strategy::Just(","), proptest::strategy::Just(":"),
            proptest::strategy::Just("{\"results\":[{\"t\":1,\"p\":2,\"s\":3}]}"),
            proptest::strategy::Just("{\"results\":["), proptest::strategy::Just("{\"t\":1,\"p\":2,\"s\":3}"),
            proptest::strategy::Just("\"t\":[1,2],\"c\":[3,4]"), proptest::strategy::Just("\"AAPL\":"),
            proptest::strategy::Just("[[1,2,3]]"), proptest::strategy::Just("#"),
            proptest::strategy::Just("null"), proptest::strategy::Just(" "), proptest::strategy::Just("é"),
        ], 0..40),
        sizes in proptest::collection::vec(0usize..12, 1..8),
    ) {
        let text = pieces.concat();
        proptest::prop_assume!(!text.is_empty());
        for options in [options(None, &[]), options(Some("results"), &[]), options(None, &["a", "b", "c"])] {
            let (whole, _) = read_pipe(&text, &options, text.len());
            let mut decoder =
                JsonDecoder::open(Box::new(Script::sizes(text.as_bytes(), &sizes)), options.clone()).unwrap();
            let cut = Heard::of(&mut decoder);
            proptest::prop_assert_eq!(&whole.rows, &cut.rows);
            proptest::prop_assert_eq!(&whole.broken, &cut.broken);
            proptest::prop_assert_eq!(&whole.error, &cut.error);
            // A file is read to its end too, whatever it comes to.
            read_file(&text, &options);
        }
    }
}

/// Documents one after the other, with holes between them.
#[test]
fn a_hole_between_documents_is_one_wherever_the_input_is_cut() {
    let document = |number: u8| format!("{{\"status\":\"OK\",\"results\":[{{\"a\":{number}}}]}}");
    for (between, zeros, broken, passed) in [
        ("\n", 40, vec![], 40),
        ("\n \t", 40, vec!["\0"], 38),
        ("\n ", 14, vec![], 14),
        ("\n// said", 40, vec![], 38),
        ("", 40, vec!["\0"], 38),
    ] {
        let text = format!("{}{between}{}{}\n", document(1), "\0".repeat(zeros), document(2));
        let mut options = options(None, &[]);
        options.comment = Some("//".into());
        for size in 1..=text.len() {
            let script = Script::cut(text.as_bytes(), size);
            let mut decoder = JsonDecoder::open(Box::new(script), options.clone()).unwrap();
            let heard = Heard::of(&mut decoder);
            let values: Vec<&str> = heard.cells().iter().map(|cells| cells[0]).collect();
            assert_eq!(values, ["1", "2"], "{size}: {text:?}");
            let raw: Vec<&str> =
                heard.broken.iter().map(|row| std::str::from_utf8(&row.raw).unwrap()).collect();
            assert_eq!(raw, broken, "{size}: {text:?}");
            assert_eq!((decoder.passed().zeros, heard.error), (passed, None), "{size}: {text:?}");
        }
    }
}

//! Documents that are refused, or damaged: one sentence, the exit code, and what is stored nevertheless.

use super::{bars, load};
use crate::harness::on_every_store;

/// Name, document, flags, exit code, what the last line says.
const REFUSED: [(&str, &str, &[&str], i32, &str); 7] = [
    (
        "several",
        r#"{"trades":[{"t":1704205800000,"p":1.5,"s":2}],"quotes":[{"t":1704205800000,"bp":1.5,"bs":2,"ap":1.6,"as":3}]}"#,
        &[],
        2,
        "several.json: a JSON document whose rows may be at trades or quotes; say which: --rows-at trades",
    ),
    (
        "arrays",
        "{\"candles\":[[1704205800000,1,2,1,1.5,9],[1704205860000,1,2,1,2.5,9]]}",
        &[],
        2,
        "arrays.json: the rows at candles are arrays without names, the first of them [1704205800000, 1, 2, 1, 1.5, 9]; name the 6 columns in their order: --columns NAME,NAME,…",
    ),
    (
        "names",
        "{\"candles\":[[1704205800000,1,2,1,1.5,9]]}",
        &["--columns", "ts,open,high,low,close"],
        2,
        "names.json: the first row has 6 values, and there are 5 names for its columns: ts,open,high,low,close",
    ),
    (
        "elsewhere",
        r#"{"bars":[{"t":1,"o":1,"h":2,"l":1,"c":2}],"symbol":"A"}"#,
        &["--rows-at", "candles"],
        2,
        "elsewhere.json: --rows-at candles: nothing in the document is called candles; found bars, symbol",
    ),
    (
        "uneven",
        r#"{"t":[1704205800,1704205860],"o":[1],"h":[1,2],"l":[1,2],"c":[1,2]}"#,
        &[],
        6,
        "uneven.json: a JSON document with columns of different lengths: the list o has 1 values, and t has 2",
    ),
    (
        "twice",
        r#"{"bars":[{"t":1704205800000,"o":1,"h":2,"l":1,"c":2}],"bars":[{"t":1704205860000,"o":1,"h":2,"l":1,"c":2}]}"#,
        &[],
        6,
        "twice.json: the JSON document has \"bars\" twice; leave one of both out",
    ),
    ("values", "[1,2,3]", &[], 6, "values.json: a JSON array of values, and not of rows"),
];

#[test]
fn what_is_not_clear_is_refused_in_a_sentence_and_nothing_is_stored() {
    on_every_store(|work, store, workers, what| {
        for (name, document, flags, code, says) in REFUSED {
            work.write(&format!("{name}.json"), document);
            let flags: Vec<&str> =
                flags.iter().copied().chain(["--symbol", "X", "--timeframe", "1m"]).collect();
            let run = load(work, store, workers, &format!("{name}.json"), &flags).expect(code);
            assert!(run.error().contains(says), "{what}, {name}: {run}");
            assert!(store.count("bars").unwrap_or(0) == 0, "{what}, {name}: {run}");
        }
    });
}

#[test]
fn the_flag_that_a_refusal_names_loads_the_rows() {
    on_every_store(|work, store, workers, what| {
        let (name, document, ..) = REFUSED[0];
        let path = work.write(&format!("{name}.json"), document);
        let run = load(work, store, workers, &path, &["--symbol", "X", "--rows-at", "trades"]).expect(0);
        assert_eq!(super::ticks(store), ["2024-01-02T14:30:00.000000Z X 1.5 2 "], "{what}: {run}");
    });
}

#[test]
fn rows_before_the_damage_are_stored() {
    let row = |minute: u8, close: &str| {
        format!("{{\"t\":\"2024-01-02T14:3{minute}:00Z\",\"o\":1,\"h\":3,\"l\":1,\"c\":{close},\"v\":1}}")
    };
    let (one, two) = (row(0, "1.5"), row(1, "2.5"));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let whole = [
        "2024-01-02T14:30:00.000000Z X 1m 1 3 1 1.5 1 ∅ ∅",
        "2024-01-02T14:31:00.000000Z X 1m 1 3 1 2.5 1 ∅ ∅",
    ];
    for (name, text, says) in [
        (
            "cut",
            format!("{{\"symbol\":\"X\",\"bars\":[{one},{two}"),
            "the JSON document is not closed, the input ends early; 2 rows before that were read",
        ),
        (
            "broken",
            format!("{{\"symbol\":\"X\",\"bars\":[{one},{two} oops]}}"),
            "the JSON document is damaged at byte ",
        ),
        (
            "behind",
            format!("{{\"symbol\":\"X\",\"bars\":[{one},{two}]}} oops"),
            "there is text behind the JSON document, at byte ",
        ),
        (
            "deep",
            format!("{{\"symbol\":\"X\",\"bars\":[{one},{two},{deep}]}}"),
            "the JSON document is nested deeper than 1024 levels at byte ",
        ),
    ] {
        on_every_store(|work, store, workers, what| {
            let path = work.write(&format!("{name}.json"), &text);
            let run = load(work, store, workers, &path, &["--timeframe", "1m"]).expect(6);
            assert!(run.error().contains(says), "{what}, {name}: {run}");
            assert_eq!(bars(store), whole, "{what}, {name}: {run}");
        });
    }
}

#[test]
fn a_row_that_is_no_row_costs_itself() {
    on_every_store(|work, store, workers, what| {
        let document = r#"{"symbol":"X","bars":[{"t":1704205800000,"o":1,"h":2,"l":1,"c":NaN},7,{"t":1704205860000,"o":1,"h":2,"l":1,"c":oops},{"t":1704205920000,"o":1,"h":2,"l":1,"c":1.25,"c":1.5},{"t":1704205980000,"o":1,"h":2,"l":1,"c":2}]}"#;
        let path = work.write("rows.json", document);
        let run = load(work, store, workers, &path, &["--timeframe", "1m", "--dlq", "d"]).expect(3);
        let expected = [
            "2024-01-02T14:30:00.000000Z X 1m 1 2 1 ∅ ∅ ∅ ∅",
            "2024-01-02T14:33:00.000000Z X 1m 1 2 1 2 ∅ ∅ ∅",
        ];
        assert_eq!(bars(store), expected, "{what}: {run}");
        let mut rows: Vec<u64> = work.dlq("d").iter().flat_map(|letter| letter.rows.clone()).collect();
        rows.sort_unstable();
        assert_eq!(rows, [2, 3, 4], "{what}: {run}");
    });
}

#[test]
fn a_row_that_is_refused_is_replayed_with_what_stood_beside_it() {
    on_every_store(|work, store, workers, what| {
        let document = r#"{"bars":[{"t":1704205800000,"o":"x","h":2,"l":1,"c":1.5},{"t":1704205860000,"o":1,"h":2,"l":1,"c":2}],"symbol":"X"}"#;
        let path = work.write("bars.json", document);
        let run = load(work, store, workers, &path, &["--timeframe", "1m", "--dlq", "d"]).expect(3);
        assert_eq!(bars(store), ["2024-01-02T14:31:00.000000Z X 1m 1 2 1 2 ∅ ∅ ∅"], "{what}: {run}");
        assert_eq!(work.dlq("d")[0].rows, [1], "{what}: {run}");
        let replay =
            ["replay-dlq", "d", "--set", "open_price=1.25", "--dsn", &store.dsn(), "--workers", workers];
        let run = work.mdsctl(replay).run().expect(0);
        let expected = [
            "2024-01-02T14:30:00.000000Z X 1m 1.25 2 1 1.5 ∅ ∅ ∅",
            "2024-01-02T14:31:00.000000Z X 1m 1 2 1 2 ∅ ∅ ∅",
        ];
        assert_eq!(bars(store), expected, "{what}: {run}");
    });
}

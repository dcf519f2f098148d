//! Sides and ids of trades, by the many names that exchanges have for them.

use crate::harness::rows::in_every_format;
use crate::harness::store::on_both_stores;
use crate::harness::{Run, Store, Work};
use crate::layouts::stored;

fn load(work: &Work, store: &Store, file: &str, flags: &[&str]) -> Run {
    let always = ["load", file, "--vendor", file, "--symbol", "A", "--dsn", &store.dsn()].map(str::to_owned);
    work.mdsctl(always).arguments(flags.iter().copied()).run()
}

/// The parts behind the symbol of the trades of a vendor.
fn trades(store: &Store, vendor: &str) -> Vec<String> {
    let text = stored(store);
    let of_vendor = text.lines().filter(|line| line.contains(&format!("vendor={vendor} ")));
    of_vendor.map(|line| line.split_once("symbol=A ").expect("a symbol").1.to_owned()).collect()
}

/// The buyer's order stood in the book: the seller was the aggressor.
#[test]
fn a_side_is_that_of_the_aggressor_by_whatever_name() {
    on_both_stores(|work, store, which| {
        for (name, values, stored) in [
            ("isBuyerMaker", ["true", "false"], ["sell", "buy"]),
            ("buyer_maker", ["True", "False"], ["sell", "buy"]),
            ("direction", ["sell", "buy"], ["sell", "buy"]),
            ("ask_bid", ["ASK", "BID"], ["sell", "buy"]),
            ("type", ["ask", "bid"], ["sell", "buy"]),
            ("order_type", ["Sell", "Buy"], ["Sell", "Buy"]),
            ("taker_side", ["SELL", "BUY"], ["SELL", "BUY"]),
            // Words for something else are no side.
            ("heading", ["sell", "buy"], ["", ""]),
            ("type", ["limit", "market"], ["", ""]),
        ] {
            let columns = ["time", "trade_id", "price", "size", name];
            let row =
                |at: usize| [["1704067200000", "1704067201000"][at], ["7", "8"][at], "10", "0.5", values[at]];
            let (first, second) = (row(0), row(1));
            let file = format!("{name}-{}", values[0]);
            for file in in_every_format(work, &file, &columns, &[&first, &second]) {
                let run = load(work, store, &file, &[]).expect(0);
                let side = |at: usize| {
                    if stored[at].is_empty() { String::new() } else { format!(" side={}", stored[at]) }
                };
                let expected = [0, 1].map(|at| format!("trade_id={} price=10 size=0.5{}", 7 + at, side(at)));
                assert_eq!(trades(store, &file), expected, "{which}, {file}: {run}");
                // What was read as another word is told.
                let told = run.stderr.contains(&format!("{name}: {} is read as {}", values[0], stored[0]));
                let is_same =
                    stored[0].is_empty() || values[0] == stored[0] || values[0].eq_ignore_ascii_case("sell");
                assert_eq!(told, !is_same, "{which}, {file}: {run}");
            }
        }
        // A side of its own goes before.
        work.write("own.csv", "time,price,size,side,type\n1704067200,10,0.5,buy,ask\n");
        load(work, store, "own.csv", &[]).expect(0);
        assert!(trades(store, "own.csv")[0].ends_with("side=buy"), "{which}");
    });
}

#[test]
fn ids_of_trades_are_taken_by_the_names_that_exchanges_have_for_them() {
    on_both_stores(|work, store, which| {
        for name in ["trdMatchID", "execId", "tradeId", "tid", "trade_id", "matchId"] {
            let rows: [&[&str]; 2] =
                [&["1704067200", "x-1", "10", "0.5"], &["1704067200", "x-2", "10", "0.5"]];
            for file in in_every_format(work, name, &["time", name, "price", "size"], &rows) {
                load(work, store, &file, &[]).expect(0);
                let expected = ["x-1", "x-2"].map(|id| format!("trade_id={id} price=10 size=0.5"));
                assert_eq!(trades(store, &file), expected, "{which}, {file}");
            }
        }
    });
}

/// An id that is 0 in all rows would make one trade of those at one time.
#[test]
fn an_id_that_is_0_in_all_rows_is_none() {
    on_both_stores(|work, store, which| {
        let columns = ["time", "trade_id", "price", "size"];
        let zero: [&[&str]; 3] = [
            &["1704067200", "0", "10", "0.5"],
            &["1704067200", "0", "11", "0.5"],
            &["1704067200", "0", "11", "0.5"],
        ];
        let first: [&[&str]; 2] = [&["1704067200", "0", "10", "0.5"], &["1704067200", "1", "11", "0.5"]];
        for file in in_every_format(work, "zero", &columns, &zero) {
            let run = load(work, store, &file, &[]).expect(0);
            assert_eq!(trades(store, &file).len(), 3, "{which}, {file}: {run}");
            assert!(run.stderr.contains("trade_id: 0 is read as null in 3 rows"), "{which}, {file}: {run}");
        }
        for file in in_every_format(work, "first", &columns, &first) {
            load(work, store, &file, &[]).expect(0);
            assert!(trades(store, &file)[0].starts_with("trade_id=0 price=10"), "{which}, {file}");
        }
    });
}

/// A list that becomes a text is the same text however the document was laid out, in a table and in a dead letter.
#[test]
fn json_that_becomes_text_has_no_white_space_of_its_document() {
    let compact = r#"{"time":1704067200000,"id":"1","price":10,"size":1,"conditions":[12,{"a b":"c  d"}]}"#;
    let pretty = "{\n  \"time\": 1704067200000,\n  \"id\": \"1\",\n  \"price\": 10,\n  \"size\": 1,\n  \"conditions\": [\n    12,\n    {\n      \"a b\": \"c  d\"\n    }\n  ]\n}";
    let bad = pretty.replace("\"price\": 10", "\"price\": \"x\"").replace("\"1\"", "\"2\"");
    on_both_stores(|work, store, which| {
        work.write("compact.ndjson", format!("{compact}\n"));
        work.write(
            "spaced.ndjson",
            compact.replace(",{", ", {").replace(",\"", ", \"").replace("[12", "[ 12") + "\n",
        );
        work.write("pretty.json", pretty);
        work.write("list.json", format!("{{\"data\": [\n{pretty}\n]}}"));
        for file in ["compact.ndjson", "spaced.ndjson", "pretty.json", "list.json"] {
            let run = load(work, store, file, &[]).expect(0);
            let expected = r#"trade_id=1 price=10 size=1 conditions=[12,{"a b":"c  d"}]"#;
            assert_eq!(trades(store, file)[0], expected, "{which}, {file}: {run}");
        }
        work.write("bad.json", format!("[{bad}]"));
        load(work, store, "bad.json", &["--dlq", "d.ndjson"]).expect(3);
        let letters = std::fs::read_to_string(work.path("d.ndjson")).expect("dead letters");
        assert!(letters.contains(r#"[12,{\"a b\":\"c  d\"}]"#), "{which}: {letters}");
        let replay =
            ["replay-dlq", "d.ndjson", "--set", "price=10", "--dsn", &store.dsn()].map(str::to_owned);
        work.mdsctl(replay).run().expect(0);
        let expected = r#"trade_id=2 price=10 size=1 conditions=[12,{"a b":"c  d"}]"#;
        assert_eq!(trades(store, "bad.json"), [expected], "{which}");
    });
}

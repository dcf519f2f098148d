//! What is said of a queue is true and can be typed as it stands, and what programs get names what users named.

use serde_json::Value;

use crate::harness::{Postgres, Run, Work};

/// All that was said, in one line.
fn said(run: &Run) -> String {
    run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of the command behind a text, as a shell takes them; quotes are of whole words here.
fn command(text: &str, behind: &str) -> Vec<String> {
    let (_, rest) = text.split_once(behind).unwrap_or_else(|| panic!("no {behind:?}: {text}"));
    let words = rest.split_once("mdsctl ").map_or(rest, |(_, words)| words);
    let own = |word: &&str| !["error:", "note", "puts"].contains(word);
    words.split_whitespace().take_while(own).map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn the_replay_that_is_advised_goes_into_a_table_of_a_schema_of_its_own() {
    let db = Postgres::shared().database();
    db.execute("CREATE SCHEMA research; CREATE TABLE research.trades (id int PRIMARY KEY, v smallint)");
    let (work, dsn) = (Work::new(), db.dsn());
    let path = work.write("a.csv", "id,v\n1,70000\n2,2\n");
    let load = || work.mdsctl(["load", &path, "--table", "research.trades", "--dsn", &dsn]).run().expect(3);
    let run = load();
    let advised = command(&said(&run), "cures goes in with:");
    assert_eq!(advised, ["replay-dlq", ".dlq/research.trades.ndjson", "--table", "research.trades"], "{run}");
    let inspected = work.mdsctl(["inspect-dlq", ".dlq/research.trades.ndjson"]).run().expect(0);
    assert_eq!(command(&said(&inspected), "into the store:"), advised, "{inspected}");
    let health = work.mdsctl(["health", "--dlq", ".dlq", "--dlq-warn", "1"]).run();
    let text = health.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(command(&text, "inspect-dlq says why,"), advised, "{health}");
    db.execute("ALTER TABLE research.trades ALTER v TYPE int");
    let run = work.mdsctl(advised.clone()).arguments(["--dsn", &dsn]).run().expect(0);
    assert_eq!(
        db.value("SELECT string_agg(id || ':' || v, ',' ORDER BY id) FROM research.trades"),
        "1:70000,2:2",
        "{run}"
    );

    // A table that is looked in needs no name, and neither does a queue with rows of others.
    db.execute("CREATE TABLE trades (id int PRIMARY KEY, v smallint); ALTER TABLE research.trades ALTER v TYPE smallint USING 1");
    let run =
        work.mdsctl(["load", &path, "--table", "trades", "--dlq", "q.ndjson", "--dsn", &dsn]).run().expect(3);
    assert_eq!(command(&said(&run), "cures goes in with:"), ["replay-dlq", "q.ndjson"], "{run}");
    let run = work
        .mdsctl(["load", &path, "--table", "research.trades", "--dlq", "q.ndjson", "--dsn", &dsn])
        .run()
        .expect(3);
    assert_eq!(command(&said(&run), "cures goes in with:"), ["replay-dlq", "q.ndjson"], "{run}");
    // The same row of the same file for another table replaces nothing.
    assert_eq!(work.dlq("q.ndjson").len(), 2, "{run}");
}

#[test]
fn a_replay_names_the_queue_and_what_was_set_in_it() {
    let work = Work::new();
    let head = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
    work.write("a.csv", format!("{head}2024-01-02,v,,1d,1,2,1,1,5\n2024-01-03,v,B,1d,x,2,1,1,5\n"));
    work.mdsctl(["load", "a.csv", "--dataset", "bars"]).run().expect(3);
    let flags = ["replay-dlq", ".dlq/bars.ndjson", "--set", "symbol=AAPL", "--code", "missing", "--json"];
    let dry = work.mdsctl(flags).arguments(["--dry-run"]).run();
    assert_eq!(dry.json()["inputs"], serde_json::json!([".dlq/bars.ndjson"]), "{dry}");
    let code = work.mdsctl(["inspect-dlq", "--json"]).run().expect(0).json();
    let code = code["groups"].as_array().into_iter().flatten();
    let code = code.filter(|group| group["column"] == "symbol").map(|group| group["keys"]["code"].clone());
    let code: Vec<Value> = code.collect();
    let code = code.first().and_then(Value::as_str).unwrap_or_default().to_owned();
    let run = work
        .mdsctl(["replay-dlq", ".dlq/bars.ndjson", "--set", "symbol=AAPL", "--code", &code, "--json"])
        .run()
        .expect(0);
    assert_eq!(
        (run.json()["inputs"].clone(), run.books().inserted),
        (serde_json::json!([".dlq/bars.ndjson"]), 1),
        "{run}"
    );
    assert!(!run.json()["notes"].to_string().contains("not loaded"), "{run}");
    assert!(
        run.json()["notes"].to_string().contains("1 row: not meant, left in the queue as it is"),
        "{run}"
    );
}

#[test]
fn every_code_of_an_object_is_one_that_a_replay_takes() {
    let work = Work::new();
    let record = |code: &str, more: &str| {
        format!(
            r#"{{"ts":1,"error":"e","metadata":{{"dataset":"bars","code":"{code}"{more}}},"items":[{{"symbol":"A"}}]}}"#
        )
    };
    let lines = [
        record("bad_number", r#","column":"open_price""#),
        record("23514", r#","column":"close_price","constraint":"positive""#),
        record("bad_width", ""),
        r#"{"ts":1,"error":"e","metadata":{},"items":[{"symbol":"A"}]}"#.to_owned(),
    ];
    work.write(".dlq/bars.ndjson", lines.join("\n") + "\n");
    let json = work.mdsctl(["inspect-dlq", "--json", "--by", "stage,code"]).run().expect(0).json();
    let mut seen: Vec<String> = json["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| format!("{} {} {}", group["keys"]["code"], group["column"], group["constraint"]))
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            r#""(none)" null null"#,
            r#""23514" "close_price" "positive""#,
            r#""bad_number" "open_price" null"#,
            r#""bad_width" null null"#
        ]
    );
}

#[test]
fn parked_rows_are_replayed_as_health_advises() {
    let work = Work::new();
    let item = r#"{"ts":"2024-01-02","vendor":"v","symbol":"A","timeframe":"1d","open_price":1,"high_price":2,"low_price":1,"close_price":1}"#;
    work.write(
        "q 1/bars.parked.ndjson",
        format!("{{\"ts\":1,\"error\":\"e\",\"metadata\":{{\"dataset\":\"bars\"}},\"items\":[{item}]}}\n"),
    );
    let health = work.mdsctl(["health", "--json", "--dlq", "q 1"]).run();
    let findings = health.json()["findings"].clone();
    let parked = findings.as_array().into_iter().flatten().find(|finding| finding["check"] == "dlq_parked");
    let remedy = parked.and_then(|finding| finding["remedy"].as_str()).unwrap_or_default();
    assert!(remedy.ends_with("mdsctl replay-dlq 'q 1/bars.parked.ndjson'"), "{health}");
    let run = work.mdsctl(["replay-dlq", "q 1/bars.parked.ndjson", "--json"]).run().expect(0);
    assert_eq!(run.books().inserted, 1, "{run}");
}

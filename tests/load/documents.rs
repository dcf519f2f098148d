//! JSON documents that are no rows: what APIs answer with. They are refused whole, never cut into lines,
//! and the command that the message names makes rows of them.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::harness::{on_every_store, wait};

/// Name, document, what its refusal says, and the closing prices that its own advice loads.
const DOCUMENTS: [(&str, &str, &str, &[&str]); 5] = [
    (
        "columns",
        r#"{"timestamp":[1704205800,1704205860],"open":[1,2],"high":[1,2],"low":[1,2],"close":[1.5,2.5],"volume":[3,4]}"#,
        "a list of values for each column",
        &["1.5", "2.5"],
    ),
    (
        "envelope",
        r#"{"symbol":"X","results":[{"t":1704205800000,"o":1,"h":2,"l":1,"c":1.5,"v":1},{"t":1704205860000,"o":1,"h":2,"l":1,"c":2.5,"v":1}],"status":"OK"}"#,
        "its rows in a list (results)",
        &["1.5", "2.5"],
    ),
    (
        "spread",
        "{\n\"status\": \"OK\",\n\"data\": {\n\"candles\": [\n{\"t\":1704205800000,\"o\":1,\"h\":2,\"l\":1,\"c\":1.5,\"v\":1},\n{\"t\":1704205860000,\"o\":1,\"h\":2,\"l\":1,\"c\":2.5,\"v\":1}\n]\n}\n}\n",
        "its rows in a list (data.candles)",
        &["1.5", "2.5"],
    ),
    (
        "by-time",
        r#"{"Meta Data":{"Symbol":"X"},"Time Series (1min)":{"2024-01-02 14:30:00":{"open":"1","high":"2","low":"1","close":"1.5"},"2024-01-02 14:31:00":{"open":"1","high":"2","low":"1","close":"2.5"}}}"#,
        "its rows in an object by time",
        &["1.5", "2.5"],
    ),
    (
        "arrays",
        "[[1704205800000,1,2,1,1.5,9],[1704205860000,1,2,1,2.5,9]]",
        "whose values have no names",
        &[],
    ),
];

#[test]
fn a_document_is_refused_whole_and_its_advice_loads_it() {
    on_every_store(|work, store, workers, what| {
        for (name, document, says, closes) in DOCUMENTS {
            let path = work.write(&format!("{name}.json"), document);
            let flags = ["load", &path, "--vendor", name, "--dsn", &store.dsn(), "--workers", workers];
            let run = work.mdsctl(flags).arguments(["--symbol", "X"]).run().expect(6);
            assert!(run.stderr.contains(says), "{what}, {name}: {run}");
            assert!(store.count("bars").unwrap_or(0) == 0, "{what}, {name}: {run}");
            assert!(work.dlq(".dlq/bars.ndjson").is_empty(), "{what}, {name}: {run}");
            if closes.is_empty() || !has_jq() {
                continue;
            }
            let advice = run.stderr.split("jq -c ").nth(1).expect("a command");
            let (filter, _) = advice.split_once(" FILE | mdsctl load -").expect("a command");
            let rows = Command::new("sh")
                .args(["-c", &format!("jq -c {filter} '{path}'")])
                .output()
                .expect("jq runs");
            assert!(rows.status.success(), "{filter}: {rows:?}");
            let flags = ["load", "-", "--vendor", name, "--dsn", &store.dsn(), "--workers", workers];
            work.mdsctl(flags).arguments(["--symbol", "X"]).stdin(rows.stdout).run().expect(0);
            let loaded = store.rows("SELECT close_price FROM bars ORDER BY ts").concat();
            let loaded: Vec<&str> = loaded.iter().flatten().map(String::as_str).collect();
            assert_eq!(loaded, closes, "{what}, {name}");
            store.rows("DELETE FROM bars");
        }
    });
}

fn has_jq() -> bool {
    let found = Command::new("jq").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("jq is not here: the advice is not tried");
    }
    found
}

#[test]
fn rows_with_parts_are_rows() {
    on_every_store(|work, store, workers, what| {
        // Alone in its input, spread over lines of which some look like rows, one after the other.
        let alone = r#"{"ts":"2024-01-02T14:30:00Z","symbol":"A","price":1,"size":2,"conditions":["@","I"],"legs":[{"x":1}]}"#;
        let spread = "{\"ts\":\"2024-01-02T14:31:00Z\",\"symbol\":\"A\",\"price\":1,\"size\":2,\"legs\":[\n{\"x\":1}\n]}\n";
        let several = format!("{}\n{}\n", alone.replace("14:30", "14:32"), alone.replace("14:30", "14:33"));
        for (name, rows) in [("alone", alone.to_owned()), ("spread", spread.to_owned()), ("several", several)]
        {
            let path = work.write(&format!("{name}.ndjson"), rows);
            let flags = ["load", &path, "--vendor", "v", "--dsn", &store.dsn(), "--workers", workers];
            work.mdsctl(flags).run().expect(0);
        }
        assert_eq!(store.count("ticks"), Some(4), "{what}");
    });
}

#[test]
fn the_first_row_of_a_pipe_is_not_held_back_for_its_parts() {
    on_every_store(|work, store, workers, what| {
        let row = r#"{"ts":"2024-01-02T14:30:00Z","symbol":"A","price":1,"size":2,"legs":[{"x":1}]}"#;
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--vendor", "v", "--dsn", &store.dsn(), "--workers", workers];
        let running = work.mdsctl(flags).pipe(reader).spawn();
        writer.write_all(format!("{row}\n").as_bytes()).expect("a row is written");
        wait::until(Duration::from_secs(30), &format!("{what}: a stored row"), || {
            (store.count("ticks") == Some(1)).then_some(())
        });
        drop(writer);
        running.finish().expect(0);
    });
}

//! Documents one after the other: an answer of an interface a line, and what streams send.

use std::io::Write;

use super::{bars, load};
use crate::harness::{Store, Work, on_every_store, wait};

const LINES: &str = r#"{"ticker":"AAPL","results":[{"t":1704205800000,"o":1,"h":2,"l":1,"c":1.5,"v":1},{"t":1704205860000,"o":1,"h":3,"l":1,"c":2.5,"v":1}],"status":"OK"}
{"ticker":"MSFT","results":[{"t":1704205800000,"o":4,"h":5,"l":4,"c":4.5,"v":9}],"status":"OK"}
{"ticker":"IBM","results":[],"status":"OK"}
"#;

const STORED: [&str; 3] = [
    "2024-01-02T14:30:00.000000Z AAPL 1m 1 2 1 1.5 1 ∅ ∅",
    "2024-01-02T14:30:00.000000Z MSFT 1m 4 5 4 4.5 9 ∅ ∅",
    "2024-01-02T14:31:00.000000Z AAPL 1m 1 3 1 2.5 1 ∅ ∅",
];

#[test]
fn a_document_a_line_gives_its_rows() {
    super::loads(LINES, &["--timeframe", "1m"], "rows are at results", &STORED);
}

#[test]
fn a_line_without_rows_costs_itself_and_its_letter_is_the_line() {
    on_every_store(|work, store, workers, what| {
        let path = work.write("lines.ndjson", format!("{LINES}{{\"error\":\"limit\"}}\n"));
        let run = load(work, store, workers, &path, &["--timeframe", "1m", "--dlq", "d"]).expect(3);
        assert_eq!(bars(store), STORED, "{what}: {run}");
        let letters = work.dlq("d");
        assert_eq!(letters.len(), 1, "{what}: {run}");
        assert_eq!(letters[0].rows, [4], "{what}: {run}");
    });
}

#[test]
fn lists_of_messages_a_line_are_rows() {
    super::loads(
        "[{\"ev\":\"AM\",\"sym\":\"AAPL\",\"v\":3,\"o\":1,\"h\":2,\"l\":1,\"c\":1.5,\"s\":1704205800000,\"e\":1704205860000}]\n\
         [{\"ev\":\"AM\",\"sym\":\"MSFT\",\"v\":4,\"o\":1,\"h\":2,\"l\":1,\"c\":1.75,\"s\":1704205800000,\"e\":1704205860000},{\"ev\":\"AM\",\"sym\":\"IBM\",\"v\":5,\"o\":1,\"h\":2,\"l\":1,\"c\":1.25,\"s\":1704205800000,\"e\":1704205860000}]\n",
        &["--timeframe", "1m", "--map", "ts=s", "--dataset", "bars"],
        "Loaded",
        &[
            "2024-01-02T14:30:00.000000Z AAPL 1m 1 2 1 1.5 3 ∅ ∅",
            "2024-01-02T14:30:00.000000Z IBM 1m 1 2 1 1.25 5 ∅ ∅",
            "2024-01-02T14:30:00.000000Z MSFT 1m 1 2 1 1.75 4 ∅ ∅",
        ],
    );
}

#[test]
fn the_rows_of_a_line_are_stored_while_the_pipe_is_open() {
    on_every_store(|work, store, workers, what| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags =
            ["load", "-", "--vendor", "v", "--timeframe", "1m", "--dsn", &store.dsn(), "--workers", workers];
        let running = work.mdsctl(flags).pipe(reader).spawn();
        let first = LINES.lines().next().expect("a line");
        writer.write_all(format!("{first}\n").as_bytes()).expect("a line is written");
        wait::until(wait::PATIENCE, &format!("{what}: stored rows"), || {
            (store.count("bars") == Some(2)).then_some(())
        });
        drop(writer);
        running.finish().expect(0);
    });
}

#[test]
fn a_file_of_documents_that_grows_is_followed() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let lines: Vec<&str> = LINES.lines().collect();
    let path = work.write("grows.ndjson", format!("{}\n", lines[0]));
    let tail = || {
        let flags =
            ["tail", &path, "--vendor", "v", "--timeframe", "1m", "--idle-exit", "1s", "--dsn", &store.dsn()];
        work.mdsctl(flags).run().expect(0)
    };
    let run = tail();
    assert_eq!(store.count("bars"), Some(2), "{run}");
    let mut file = std::fs::File::options().append(true).open(&path).expect("the file");
    file.write_all(format!("{}\n", lines[1]).as_bytes()).expect("a line is written");
    let run = tail();
    assert_eq!(bars(&store), STORED, "{run}");
}

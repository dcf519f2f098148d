//! Texts that are not UTF-8: told by their beginning, or by --encoding.

use crate::harness::{Run, Store, Work, on_both_stores};

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, name text)";

fn with_table(test: impl Fn(&Work, &Store, &str)) {
    on_both_stores(|work, store, what| {
        match store {
            Store::Sqlite(path) => {
                let db = rusqlite::Connection::open(path).expect("a file");
                db.execute_batch(TABLE).expect("a table");
            }
            Store::Postgres(db) => db.execute(TABLE),
        }
        test(work, store, what);
    });
}

fn load(work: &Work, store: &Store, input: &str, more: &[&str]) -> Run {
    let flags = ["load", input, "--table", "t", "--json", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

fn names(store: &Store) -> Vec<String> {
    store
        .rows("SELECT name FROM t ORDER BY id")
        .into_iter()
        .map(|mut row| row.remove(0).expect("a name"))
        .collect()
}

/// The deductions and notes of a run.
fn said(run: &Run) -> String {
    format!("{} {}", run.json()["deductions"], run.json()["notes"])
}

#[test]
fn text_in_windows_1252_is_told_and_loaded_from_csv_and_ndjson_files_and_pipes() {
    let csv = b"id,name\n1,ACME\n2,Soci\xE9t\xE9 G\xE9n\xE9rale\n3,\x84Z\xFCrich\x93 12\xA0\x80\n";
    let ndjson =
        b"{\"id\":1,\"name\":\"ACME\"}\n{\"id\":2,\"name\":\"Soci\xE9t\xE9 G\xE9n\xE9rale\"}\n{\"id\":3,\"name\":\"\x84Z\xFCrich\x93 12\xA0\x80\"}\n";
    for (name, bytes) in [("names.csv", &csv[..]), ("names.ndjson", &ndjson[..])] {
        with_table(|work, store, what| {
            let path = work.write(name, bytes);
            let run = load(work, store, &path, &[]).expect(0);
            assert_eq!(names(store), ["ACME", "Société Générale", "„Zürich“ 12\u{A0}€"], "{what}: {run}");
            let words = format!("{name} is read as Windows-1252: \\\"Société\\\"");
            assert!(said(&run).contains(&words), "{what}: {run}");
            let flags = ["load", "-", "--table", "t", "--dsn", &store.dsn(), "--json"];
            let run = work.mdsctl(flags).stdin(bytes).run().expect(0);
            assert_eq!(run.books().unchanged, 3, "{what}: {run}");
            assert!(said(&run).contains("standard input is read as Windows-1252"), "{what}: {run}");
            // Said to be UTF-8 it is that, and the rows that are not are rejected.
            let run = load(work, store, &path, &["--encoding", "utf-8"]).expect(3);
            assert_eq!(run.books().rejected, 2, "{what}: {run}");
        });
    }
}

#[test]
fn a_text_that_begins_as_utf_8_stays_that_and_a_broken_line_costs_its_row() {
    let long = (1..=6_000).fold("id,name\n".to_owned(), |text, id| format!("{text}{id},name {id}\n"));
    for begins in ["id,name\n1,Zürich\n".to_owned(), long] {
        with_table(|work, store, what| {
            let path = work.write("names.csv", [begins.as_bytes(), b"70000,Z\xFCrich\n70001,end\n"].concat());
            let run = load(work, store, &path, &[]).expect(3);
            assert_eq!(run.books().rejected, 1, "{what}: {run}");
            assert_eq!(
                work.dlq(run.json()["dlq"]["path"].as_str().expect("a path"))[0].code,
                "bad_utf8",
                "{what}: {run}"
            );
            assert_eq!(names(store).last().map(String::as_str), Some("end"), "{what}: {run}");
        });
    }
}

#[test]
fn an_encoding_that_is_named_is_taken() {
    let text = "id,name\n1,テスト\n2,Zürich\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let sjis = b"id,name\n1,\x83\x65\x83\x58\x83\x67\n2,Zuerich\n".to_vec();
    for (name, bytes, second) in
        [("utf-16le", utf16, "Zürich"), ("UTF-16BE", big, "Zürich"), ("shift_jis", sjis, "Zuerich")]
    {
        with_table(|work, store, what| {
            let path = work.write("names.csv", &bytes);
            let run = load(work, store, &path, &["--encoding", name]).expect(0);
            assert_eq!(names(store), ["テスト", second], "{what}, {name}: {run}");
        });
    }
    let work = Work::new();
    let run = work.mdsctl(["load", "x.csv", "--encoding", "ebcdic"]).run().expect(2);
    assert!(run.stderr.contains("expected an encoding such as utf-8, windows-1252"), "{run}");
}

#[test]
fn a_dead_letter_of_a_text_that_was_not_utf_8_is_loaded_by_a_replay() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let text = b"ts,symbol,price,size,conditions\n2024-01-02T10:00:00Z,A,x,1,r\xE9gl\xE9\n";
    let path = work.write("fills.csv", text);
    let run = work.mdsctl(["load", &path, "--vendor", "v", "--dsn", &store.dsn()]).run().expect(3);
    assert_eq!(work.dlq(".dlq/ticks.ndjson")[0].items[0]["conditions"], "réglé", "{run}");
    work.mdsctl(["replay-dlq", "--set", "price=1.5", "--dsn", &store.dsn()]).run().expect(0);
    assert_eq!(store.rows("SELECT conditions FROM ticks"), [[Some("réglé".to_owned())]]);
}

/// Of delimiters that a time has as well.
#[test]
fn colons_are_delimiters_where_the_header_has_nothing_else() {
    on_both_stores(|work, store, what| {
        let path = work.write(
            "fills.txt",
            "symbol:price:size:ts\nAAPL:10.5:3:1704189600\nMSFT:20.25:4:\"2024-01-02 10:00:00\"\n",
        );
        let flags = ["load", &path, "--vendor", "v", "--json", "--dsn", &store.dsn()];
        let run = work.mdsctl(flags).arguments(["--timestamp-unit", "s"]).run();
        assert!(run.json()["deductions"].to_string().contains("delimited by :"), "{what}: {run}");
        let rows = store.rows("SELECT symbol, price, size FROM ticks ORDER BY symbol");
        let rows: Vec<Vec<&str>> =
            rows.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect()).collect();
        assert_eq!(rows[0], ["AAPL", "10.5", "3"], "{what}: {run}");
    });
}

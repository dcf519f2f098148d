//! Compressed files that have come in part: the row that the end cuts in two is no dead letter, since the file
//! has all of it once it is whole.

use std::io::Write as _;

use flate2::write::GzEncoder;

use crate::harness::{Postgres, Store, Work};

const ROWS: u64 = 4_000;

/// What the row says: of several lines, with a quote in it.
fn note(id: u64) -> String {
    format!("a \"{}\"\nand {}", id.wrapping_mul(0x9E37_79B9), id * 7)
}

/// Rows as CSV, as JSON a line, and as JSON of several lines.
fn text(form: &str) -> Vec<u8> {
    let row = |id: u64| match form {
        "csv" => format!("{id},\"{}\"\n", note(id).replace('"', "\"\"")),
        "ndjson" => serde_json::json!({"id": id, "note": note(id)}).to_string() + "\n",
        _ => format!("{:#}\n", serde_json::json!({"id": id, "note": note(id)})),
    };
    let header = if form == "csv" { "id,note\n" } else { "" };
    (header.to_owned() + &(1..=ROWS).map(row).collect::<String>()).into_bytes()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    // Stored blocks, which give up all that has come.
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(text).expect("into memory nothing fails");
    encoder.finish().expect("into memory nothing fails")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).expect("into memory nothing fails")
}

fn store(work: &Work, sqlite: bool) -> Store {
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, note text)";
    if sqlite {
        let path = work.path("store.db");
        rusqlite::Connection::open(&path).expect("a file").execute_batch(table).expect("a table");
        return Store::Sqlite(path);
    }
    let db = Postgres::shared().database();
    db.execute(table);
    Store::Postgres(db)
}

/// How many rows there are, all of them as they were written.
fn stored(store: &Store, what: &str) -> u64 {
    let rows = store.rows("SELECT id, note FROM t ORDER BY id");
    for (id, cells) in (1..).zip(&rows) {
        assert_eq!(
            (cells[0].as_deref(), cells[1].as_deref()),
            (Some(&*id.to_string()), Some(&*note(id))),
            "{what}"
        );
    }
    rows.len() as u64
}

#[test]
fn the_row_at_the_end_of_a_truncated_file_is_no_dead_letter() {
    for sqlite in [true, false] {
        for form in ["csv", "ndjson", "ndjson of lines"] {
            for (pack, suffix) in [(gzip as fn(&[u8]) -> Vec<u8>, "gz"), (zstd, "zst")] {
                let what = format!("SQLite {sqlite}, {form}, {suffix}");
                if !sqlite && (form == "csv") != (suffix == "gz") {
                    continue;
                }
                let work = Work::new();
                let store = store(&work, sqlite);
                let whole = pack(&text(form));
                let name = format!("a.{}.{suffix}", form.split(' ').next().unwrap_or_default());
                let flags =
                    ["load", &name, "--table", "t", "--dlq", "d.ndjson", "--json", "--dsn", &store.dsn()];
                let load = |more: &[&str]| work.mdsctl(flags).arguments(more.iter().copied()).run();
                let mut before = 0;
                // Wherever it is cut.
                for part in [300, 301, 317, 640, 999] {
                    work.write(&name, &whole[..whole.len() * part / 1000]);
                    let run = load(&["--resume"]).expect(6);
                    assert!(run.error().contains("ends early"), "{what}: {run}");
                    assert!(work.dlq("d.ndjson").is_empty(), "{what}: {run}");
                    assert_eq!(run.books().rejected, 0, "{what}: {run}");
                    let now = stored(&store, &what);
                    assert!(now >= before, "{what}: {run}");
                    before = now;
                }
                assert!(before > 0, "{what}");
                work.write(&name, &whole);
                let run = load(&["--resume"]).expect(0);
                assert_eq!(stored(&store, &what), ROWS, "{what}: {run}");
                assert!(work.dlq("d.ndjson").is_empty(), "{what}: {run}");
            }
        }
    }
}

/// A pipe does not come again, and a plain file does not say that it is cut: these keep what there is of the row.
#[test]
fn the_row_at_the_end_of_a_truncated_pipe_or_plain_file_is_kept() {
    for pipe in [true, false] {
        let work = Work::new();
        let store = store(&work, true);
        let flags = ["--table", "t", "--dlq", "d.ndjson", "--dsn", &store.dsn()];
        let text = b"id,note\n1,\"a \"\"2654435769\"\"\nand 7\"\n2,x,\"to be cut off somewhere".to_vec();
        let run = if pipe {
            let packed = gzip(&text);
            let bytes = packed[..packed.len() - 12].to_vec();
            work.mdsctl(["load", "-"]).arguments(flags).stdin(bytes).run().expect(6)
        } else {
            work.write("a.csv", &text[..text.len() - 4]);
            work.mdsctl(["load", "a.csv"]).arguments(flags).run().expect(3)
        };
        assert_eq!(stored(&store, "one"), 1, "{run}");
        let letters = work.dlq("d.ndjson");
        assert_eq!(letters.len(), 1, "{run}");
        assert!(letters[0].line.contains("to be cut off"), "{run}");
    }
}

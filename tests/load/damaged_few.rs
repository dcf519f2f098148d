//! Damaged lines near the start of a small input cost their rows, whatever share of the bytes they are; and of a
//! pipe that is refused as no text nothing is gone without a word.

use std::fs;

use crate::harness::{Run, Store, Work};

fn load(work: &Work, store: &Store, bytes: &[u8], name: &str) -> Run {
    let flags = |input: &str| {
        work.mdsctl(["load", input, "--table", "t", "--dlq", "q/d.ndjson", "--json", "--dsn", &store.dsn()])
    };
    match name {
        "-" => flags("-").stdin(bytes).run(),
        name => flags(&work.write(name, bytes)).run(),
    }
}

fn table(work: &Work) -> Store {
    let made = rusqlite::Connection::open(work.path("store.db")).expect("a file");
    made.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)").expect("a table");
    Store::sqlite(work)
}

#[test]
fn a_damaged_line_of_a_small_input_costs_its_row_at_most() {
    let csv: [&[u8]; 3] = [
        b"id,v\n1,ok\n2,a\x01\x02b\n3,ok\n",
        b"id,v\n1,ok\n\0\0\0\0\0\0\n3,ok\n",
        b"id,v\n1,ok\n\x01\x02\x03\x04,\x05\n3,ok\n",
    ];
    let ndjson: [&[u8]; 2] = [
        b"{\"id\":1,\"v\":\"a\"}\n\0\0\0\0\0\0\0\0\n{\"id\":3,\"v\":\"c\"}\n",
        b"{\"id\":1,\"v\":\"a\"}\n{\x01\x02\x03\x04\x05}\n{\"id\":3,\"v\":\"c\"}\n",
    ];
    for (kind, inputs) in [("t.csv", &csv[..]), ("t.ndjson", &ndjson[..])] {
        for bytes in inputs {
            for name in ["-", kind] {
                let work = Work::new();
                let store = table(&work);
                let run = load(&work, &store, bytes, name);
                let what = format!("{name}: {:?}", String::from_utf8_lossy(bytes));
                assert!(matches!(run.code, 0 | 3), "{what}: {run}");
                let made = rusqlite::Connection::open(work.path("store.db")).expect("a file");
                let ask = "SELECT count(*) FROM t WHERE id IN (1, 3)";
                let ids: i64 = made.query_row(ask, [], |row| row.get(0)).expect("rows");
                assert_eq!(ids, 2, "{what}: {run}");
            }
        }
    }
}

#[test]
fn what_was_read_of_a_pipe_that_is_no_text_is_kept() {
    let work = Work::new();
    let store = table(&work);
    let bytes = b"\x7FELF\x02\x01\x01\0\0\0\0\0\x03,\x01\n";
    let run = load(&work, &store, bytes, "-").expect(6);
    assert!(run.stderr.contains("are kept in q/refused-"), "{run}");
    let kept = fs::read_dir(work.path("q")).expect("the folder").flatten().map(|entry| entry.path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains("refused-")).collect();
    assert_eq!(fs::read(&kept[0]).expect("it"), bytes, "{run}");
}

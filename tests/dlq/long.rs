//! Rows that are long: up to 64 MiB they are rows like others, and of longer ones it is said where they are.

use std::fs;

use serde_json::Value;

use crate::harness::{Postgres, Store, Work};

const MIB: usize = 1 << 20;

fn table(store: &Store) {
    let sql = "CREATE TABLE t (id integer PRIMARY KEY, v integer CHECK (v < 9), s text)";
    match store {
        Store::Postgres(db) => db.execute(sql),
        Store::Sqlite(path) => {
            rusqlite::Connection::open(path).expect("a store").execute_batch(sql).expect("a table");
        }
    }
}

/// Three rows, the second of which is long and refused.
fn rows(ndjson: bool, long: &str) -> String {
    match ndjson {
        true => format!(
            "{{\"id\":1,\"v\":1,\"s\":\"a\"}}\n{{\"id\":2,\"v\":9,\"s\":\"{long}\"}}\n{{\"id\":3,\"v\":3,\"s\":\"c\"}}\n"
        ),
        false => format!("id,v,s\n1,1,a\n2,9,{long}\n3,3,c\n"),
    }
}

fn sizes(store: &Store) -> Vec<Vec<Option<String>>> {
    store.rows("SELECT id, v, length(s) FROM t ORDER BY id")
}

#[test]
fn a_row_of_20_mib_that_is_refused_can_be_got_back_from_the_queue() {
    let long = "y".repeat(20 * MIB);
    for (postgres, ndjson, pipe) in [(true, false, false), (false, true, true)] {
        let work = Work::new();
        let store =
            if postgres { Store::Postgres(Postgres::shared().database()) } else { Store::sqlite(&work) };
        table(&store);
        let (text, dsn) = (rows(ndjson, &long), store.dsn());
        let to = ["--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn];
        let name = if ndjson { "a.ndjson" } else { "a.csv" };
        match pipe {
            true => work.mdsctl(["load", "-"]).arguments(to).stdin(text).run().expect(3),
            false => work.mdsctl(["load", &work.write(name, text)]).arguments(to).run().expect(3),
        };
        assert_eq!(sizes(&store).len(), 2, "{store} {name}");
        work.mdsctl(["replay-dlq", "d.ndjson", "--set", "v=2", "--dsn", &dsn]).run().expect(0);
        let all = sizes(&store);
        let length = (20 * MIB).to_string();
        assert_eq!(all[1], [Some("2".into()), Some("2".into()), Some(length)], "{store} {name}");
    }
}

#[test]
fn a_line_of_fields_that_is_long_is_kept_whole_and_replayed_when_it_is_mended() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    table(&store);
    let (dsn, long) = (store.dsn(), "y".repeat(MIB));
    let path = work.write("a.csv", format!("id,v,s\n1,1,a\n2,2,{long},one too many\n3,3,c\n"));
    work.mdsctl(["load", &path, "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    let letter = work.dlq("d.ndjson").remove(0);
    assert_eq!(letter.raw.as_deref(), Some(&*format!("2,2,{long},one too many")));
    let mended = letter.line.replace(",one too many", "") + "\n";
    fs::write(work.path("d.ndjson"), mended).expect("the queue");
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run().expect(0);
    assert_eq!(sizes(&store)[1][2], Some(MIB.to_string()));
}

#[test]
fn a_long_row_that_is_no_text_keeps_all_of_its_bytes() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    table(&Store::sqlite(&work));
    let long = [b"2,2,".to_vec(), vec![0x81; 300_000]].concat();
    let path = work.write("a.csv", [b"id,v,s\n1,1,a\n", &*long, b"\n3,3,c\n"].concat());
    work.mdsctl(["load", &path, "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    let letter = work.dlq("d.ndjson").remove(0);
    let record: Value = serde_json::from_str(&letter.line).expect("JSON");
    let hex = record["metadata"]["raw_hex"].as_str().expect("hex");
    assert_eq!(hex.len(), 2 * long.len());
    assert!(hex.starts_with("322c322c8181") && record["metadata"]["truncated"].is_null());
}

#[test]
fn of_a_row_that_is_too_long_it_is_said_where_all_of_it_is() {
    let long = "y".repeat(64 * MIB + 5);
    for (ndjson, pipe) in [(false, false), (true, true)] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        table(&store);
        let (text, dsn) = (rows(ndjson, &long), store.dsn());
        let line = text.lines().find(|line| line.len() > MIB).expect("it").to_owned();
        let to = ["--table", "t", "--dlq", "q/d.ndjson", "--dsn", &dsn];
        let name = if ndjson { "a.ndjson" } else { "a.csv" };
        match pipe {
            true => work.mdsctl(["load", "-"]).arguments(to).stdin(text).run().expect(3),
            false => work.mdsctl(["load", &work.write(name, text)]).arguments(to).run().expect(3),
        };
        assert_eq!(sizes(&store).len(), 2, "{name} {pipe}");
        let letter = work.dlq("q/d.ndjson").remove(0);
        assert_eq!((&*letter.code, &*letter.rows), ("too_long", &[2][..]), "{name} {pipe}");
        let record: Value = serde_json::from_str(&letter.line).expect("JSON");
        assert_eq!(record["metadata"]["truncated"], true, "{name} {pipe}");
        let kept: Vec<_> = fs::read_dir(work.path("q"))
            .expect("the directory")
            .map(|entry| entry.expect("it").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .collect();
        match pipe {
            false => {
                assert!(letter.error.contains("stands whole in its source"), "{}", letter.error);
                assert!(kept.is_empty(), "{kept:?}");
            }
            true => {
                let told = letter.error.rsplit_once("kept whole in ").expect("a place").1;
                assert_eq!(work.path(told), kept[0], "{}", letter.error);
                assert!(fs::read_to_string(&kept[0]).expect("it") == line, "{name}: all of it");
            }
        }
        // It is never taken for a row.
        work.mdsctl(["replay-dlq", "q/d.ndjson", "--set", "v=2", "--dsn", &dsn]).run().expect(3);
        assert_eq!(sizes(&store).len(), 2, "{name} {pipe}");
        let again: Value = serde_json::from_str(&work.dlq("q/d.ndjson").remove(0).line).expect("JSON");
        assert_eq!((&again["metadata"]["truncated"], &again["error"]), (&true.into(), &record["error"]));
    }
}

//! Malformed lines that failed alike share a record: the queue is about as large as what it keeps, and each
//! line is looked at, mended and replayed as if it had a record of its own.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Store, Work};

const LINES: usize = 100_000;

fn table(store: &Store) {
    let sql = "CREATE TABLE t (id integer PRIMARY KEY, v integer, s text)";
    match store {
        Store::Postgres(db) => db.execute(sql),
        Store::Sqlite(path) => {
            rusqlite::Connection::open(path).expect("a store").execute_batch(sql).expect("a table");
        }
    }
}

/// The metadata of the records.
fn metas(work: &Work) -> Vec<Value> {
    work.dlq("d.ndjson")
        .iter()
        .map(|letter| serde_json::from_str::<Value>(&letter.line).expect("JSON")["metadata"].clone())
        .collect()
}

/// Each row number with its line.
fn lines(work: &Work) -> Vec<(u64, String)> {
    work.dlq("d.ndjson").into_iter().flat_map(|letter| letter.rows.into_iter().zip(letter.raws)).collect()
}

#[test]
fn many_short_malformed_lines_make_no_queue_many_times_their_size() {
    for (postgres, ndjson, pipe) in
        [(false, false, false), (false, true, false), (true, false, true), (false, true, true)]
    {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        table(&store);
        let (good, bad) = match ndjson {
            true => ("{\"id\":1,\"v\":1,\"s\":\"a\"}\n", "{\"id\":12345\n"),
            false => ("id,v,s\n1,1,a\n", "12345,7,ab,12\n"),
        };
        let text = good.to_owned() + &bad.repeat(LINES);
        let dsn = store.dsn();
        let to = ["--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn, "--json"];
        let name = if ndjson { "a.ndjson" } else { "a.csv" };
        let what = format!("{store} {name} {pipe}");
        let run = match pipe {
            true => work.mdsctl(["load", "-"]).arguments(to).stdin(text.clone()).run().expect(3),
            false => work.mdsctl(["load", &work.write(name, &text)]).arguments(to).run().expect(3),
        };
        assert_eq!((store.count("t"), run.books().rejected), (Some(1), LINES as u64), "{what}: {run}");
        let bytes = fs::metadata(work.path("d.ndjson")).expect("the queue").len();
        assert!(bytes < 3 * text.len() as u64, "{what}: {bytes} bytes of {}", text.len());
        let kept = lines(&work);
        let alike = |(place, (row, line)): (usize, &(u64, String))| {
            *row == place as u64 + 2 && line == bad.trim_end()
        };
        assert_eq!(kept.len(), LINES, "{what}");
        assert!(kept.iter().enumerate().all(alike), "{what}: each with its number");
        let seen = work.mdsctl(["inspect-dlq", "d.ndjson", "--format", "json"]).run().expect(0).json();
        assert_eq!((&seen["rows"], &seen["undecodable"]), (&json!(LINES), &json!(LINES)), "{what}");
        let sample = &seen["groups"][0]["samples"][1];
        assert_eq!((&sample["row"], &sample["raw"]), (&json!(3), &json!(bad.trim_end())), "{what}: {seen}");
        if !pipe {
            // Loaded again, its letters are replaced.
            work.mdsctl(["load", work.path(name).to_str().expect("UTF-8")]).arguments(to).run().expect(3);
            assert_eq!(lines(&work).len(), LINES, "{what}");
        }
    }
}

#[test]
fn a_huge_line_without_end_of_quote_makes_no_queue_larger_than_its_input() {
    const HUGE: usize = 20 << 20;
    let fields = "1234567,abcdefgh\n".repeat((1 << 20) / 17);
    let inputs = [
        ("a line.csv", format!("id,v,s\n1,1,a\n2,2,\"{}\n", "y".repeat(HUGE))),
        ("lines.csv", format!("id,v,s\n1,1,a\n2,2,\"{fields}")),
        (
            "a line.ndjson",
            format!("{{\"id\":1,\"v\":1,\"s\":\"a\"}}\n{{\"id\":2,\"s\":\"{}\n", "y".repeat(HUGE)),
        ),
    ];
    for (place, (name, text)) in inputs.into_iter().enumerate() {
        let work = Work::new();
        let store = Store::sqlite(&work);
        table(&store);
        let (dsn, size) = (store.dsn(), text.len() as u64);
        let to = ["--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn];
        match place % 2 {
            0 => work.mdsctl(["load", &work.write(name, text)]).arguments(to).run().expect(3),
            _ => work.mdsctl(["load", "-"]).arguments(to).stdin(text).run().expect(3),
        };
        assert_eq!(store.count("t"), Some(1), "{name}");
        let bytes = fs::metadata(work.path("d.ndjson")).expect("the queue").len();
        // Numbers and quotes of short lines are what is there beside the lines.
        let most = if name == "lines.csv" { 2 * size } else { size + (64 << 10) };
        assert!(bytes <= most, "{name}: {bytes} bytes of {size}");
    }
}

#[test]
fn lines_that_share_a_record_are_mended_and_replayed_one_by_one() {
    for (postgres, ndjson) in [(false, false), (true, false), (false, true)] {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        table(&store);
        let (header, bad): (&str, fn(usize) -> String) = match ndjson {
            true => ("", |n| format!("{{\"id\":{n},\"v\":{n},\"s\":\"a\"")),
            false => ("id,v,s\n", |n| format!("{n},{n},a,b")),
        };
        let text: String = (1..=40).map(|n| bad(n) + "\n").collect();
        let good = if ndjson { "{\"id\":0,\"v\":0,\"s\":\"a\"}\n" } else { "0,0,a\n" };
        let name = if ndjson { "a.ndjson" } else { "a.csv" };
        work.write(name, header.to_owned() + good + &text);
        let dsn = store.dsn();
        let what = format!("{store} {name}");
        work.mdsctl(["load", name, "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
        let [meta] = &metas(&work)[..] else { panic!("{what}: one record") };
        assert_eq!(meta["rows"], json!((2..=41).collect::<Vec<_>>()), "{what}");

        // Some of them are mended by hand: of those that are meant the others go back as they are.
        let queue = fs::read_to_string(work.path("d.ndjson")).expect("the queue");
        let mended = (3..=30).fold(queue, |queue, n| {
            let (line, whole) = match ndjson {
                true => (bad(n), bad(n) + "}"),
                false => (bad(n), format!("{n},{n},a")),
            };
            let quoted = |line: &str| Value::from(line).to_string();
            assert!(queue.contains(&quoted(&line)), "{what}: {line}");
            queue.replace(&quoted(&line), &quoted(&whole))
        });
        fs::write(work.path("d.ndjson"), mended).expect("the queue");
        let replay = |more: &[&str]| {
            let arguments = ["replay-dlq", "d.ndjson", "--dsn", &dsn].into_iter().chain(more.iter().copied());
            work.mdsctl(arguments).run()
        };
        // The last rows are the ones that a limit means; the rest of the record stays as it was.
        replay(&["--limit", "5"]).expect(3);
        let after = metas(&work);
        let rows = |attempts: u64| -> Vec<u64> {
            let of = after.iter().filter(|meta| meta["attempts"] == attempts);
            let rows = of.flat_map(|meta| meta["rows"].as_array().expect("rows"));
            rows.map(|row| row.as_u64().expect("a number")).collect()
        };
        assert_eq!((rows(1), rows(2)), ((2..=36).collect(), (37..=41).collect()), "{what}: {after:?}");
        assert!(
            after.iter().all(|now| now["id"] == meta["id"] && now["first_ts"] == meta["first_ts"]),
            "{what}"
        );
        assert_eq!(store.count("t"), Some(1), "{what}");

        replay(&[]).expect(3);
        let ids: Vec<String> =
            store.rows("SELECT id FROM t ORDER BY id").concat().into_iter().flatten().collect();
        let expected: Vec<String> = std::iter::once(0).chain(3..=30).map(|n: usize| n.to_string()).collect();
        assert_eq!(ids, expected, "{what}");
        let left = lines(&work);
        let expected: Vec<(u64, String)> =
            [1, 2].into_iter().chain(31..=40).map(|n| (n as u64 + 1, bad(n))).collect();
        let mut sorted = left.clone();
        sorted.sort();
        assert_eq!(sorted, expected, "{what}");
        assert!(metas(&work).iter().all(|now| now["id"] == meta["id"]), "{what}");

        // One of them alone, by its text.
        let one = format!("raw={}", bad(2));
        replay(&["--where", &one, "--discard"]).expect(0);
        assert_eq!(lines(&work).len(), expected.len() - 1, "{what}");
        assert!(lines(&work).iter().all(|(row, _)| *row != 3), "{what}");
    }
}

#[test]
fn lines_that_are_no_text_share_a_record_with_their_bytes() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    table(&store);
    let text = [b"id,v,s\n1,1,a\n".to_vec(), b"2,2,caf\x81\n".repeat(50)].concat();
    let path = work.write("a.csv", text);
    let dsn = store.dsn();
    work.mdsctl(["load", &path, "--table", "t", "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    let hexes = |meta: &Value| meta["raw_hex"].as_array().expect("a list").clone();
    let [meta] = &metas(&work)[..] else { panic!("one record") };
    assert_eq!(hexes(meta), vec![json!("322c322c63616681"); 50]);
    // What cannot be read goes back with all of its bytes.
    work.mdsctl(["replay-dlq", "d.ndjson", "--limit", "20", "--dsn", &dsn]).run().expect(3);
    let mut sizes: Vec<usize> = metas(&work).iter().map(|meta| hexes(meta).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 30]);
}

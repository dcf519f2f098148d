//! Several rows of an input that are one row of the table: said, before and after, and in `--json` with
//! everything else that there is to know of a run.

use crate::harness::{Run, Store, Work, on_every_store};

fn load(work: &Work, store: &Store, path: &str, more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags = ["load", path, "--vendor", "v", "--symbol", "X", "--timeframe", "1d", "--dsn", &dsn];
    work.mdsctl(flags).arguments(more.iter().copied()).run()
}

fn file(days: impl IntoIterator<Item = u64>) -> String {
    let day = |n: u64| format!("{}-{:02}-{:02},1,1,1,1,5\n", 1900 + n / 336, n / 28 % 12 + 1, n % 28 + 1);
    "date,open,high,low,close,volume\n".to_owned() + &days.into_iter().map(day).collect::<String>()
}

fn sentences(json: &serde_json::Value, field: &str) -> String {
    let list = json[field].as_array().unwrap_or_else(|| panic!("{field} of {json}"));
    list.iter().map(|sentence| sentence.as_str().expect("a sentence")).collect::<Vec<_>>().join("\n")
}

fn closes(json: &serde_json::Value) {
    let rows = json["rows"].as_object().expect("books");
    let all: u64 = rows.iter().filter(|(name, _)| *name != "read").filter_map(|(_, n)| n.as_u64()).sum();
    assert_eq!(rows["read"].as_u64(), Some(all), "{json}");
}

#[test]
fn rows_that_share_their_key_are_told_with_an_example() {
    on_every_store(|work, store, _, what| {
        let path = work.write("minutes.csv", file([1, 2, 3, 2, 2, 2]));
        // Before: what will be there, and not how many rows were read.
        let run = load(work, store, &path, &["--dry-run", "--json"]).expect(0);
        let json = run.json();
        closes(&json);
        assert_eq!(
            (&json["rows"]["inserted"], &json["rows"]["superseded"]),
            (&3.into(), &3.into()),
            "{what}: {run}"
        );
        assert_eq!(json["dry_run"], true, "{what}: {run}");
        assert!(store.count("bars").is_none_or(|rows| rows == 0), "{what}: {run}");
        assert!(run.stderr.contains("3 rows of bars can go into"), "{what}: {run}");
        // And after.
        let run = load(work, store, &path, &["--json"]).expect(0);
        assert_eq!(store.count("bars"), Some(3), "{what}: {run}");
        for said in
            [sentences(&run.json(), "notes"), run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")]
        {
            for words in
                ["4 of 6 rows share their key", "rows 2 and 4 of", "ts=1900-01-03T00:00:00Z", "symbol=X"]
            {
                assert!(said.contains(words), "{what}: {words}: {run}");
            }
        }
        assert!(run.stderr.contains("warning"), "{what}: {run}");
    });
}

#[test]
fn a_file_that_is_there_twice_is_told_whichever_row_stays() {
    for (how, code, words) in [
        ("update", 0, "the last row of a key stays"),
        ("skip", 0, "the first row of a key stays"),
        ("error", 3, "the others are rejected"),
    ] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        for name in ["in/a.csv", "in/b.csv"] {
            work.write(name, file(0..50));
        }
        let folder = work.path("in");
        let folder = folder.to_str().expect("a path");
        // A dry run says what would come of it, before and behind the load.
        let rehearsed = |inserted: u64| {
            let run = load(&work, &store, folder, &["--json", "--dry-run", "--on-conflict", how]);
            closes(&run.json());
            assert_eq!(run.json()["rows"]["inserted"], inserted, "{run}");
        };
        rehearsed(50);
        let run = load(&work, &store, folder, &["--json", "--on-conflict", how]).expect(code);
        let said = sentences(&run.json(), "notes");
        for words in ["100 of 100 rows share their key", words, "a.csv and row 1 of", "50 are left"] {
            assert!(said.contains(words), "{words}: {run}");
        }
        rehearsed(0);
    }
}

#[test]
fn few_rows_that_share_their_key_are_a_note_and_rejected_ones_none() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let run = load(&work, &store, &work.write("few.csv", file((0..500).chain([7]))), &["--json"]).expect(0);
    assert!(sentences(&run.json(), "notes").contains("2 of 501 rows share their key"), "{run}");
    assert!(!run.stderr.contains("warning") && run.stderr.contains("2 of 501 rows"), "{run}");
    let text = file([1, 2]) + "1900-01-02,x,1,1,1,1\n";
    let run = load(&work, &store, &work.write("bad.csv", text), &["--json"]).expect(3);
    assert!(!run.stderr.contains("share their key"), "{run}");
    closes(&run.json());
    // Of many rows the numbers are estimated.
    let run = load(
        &work,
        &store,
        &work.write("many.csv", file((0..80_000).map(|n| n % 40_000))),
        &["--json", "--dry-run"],
    );
    let json = run.expect(0).json();
    closes(&json);
    assert!(json["rows"]["inserted"].as_u64().is_some_and(|rows| rows.abs_diff(40_000) < 2_000), "{json}");
    assert!(sentences(&json, "notes").contains("about 80,000 of 80,000 rows"), "{json}");
}

#[test]
fn json_says_what_people_are_told() {
    on_every_store(|work, store, _, what| {
        let text = "# note\ntimestamp,open,high,low,close,volume,colour\n4000000000,-1,1,-1,1,1,red\n4000000060,-1,1,-1,1,1,red\n";
        let path = work.write("in.csv", text);
        let dsn = store.dsn();
        let flags = ["load", &path, "--vendor", "v", "--symbol", "X", "--json", "--dsn", &dsn];
        let run = work.mdsctl(flags).run().expect(0);
        let (notes, deductions) = (sentences(&run.json(), "notes"), sentences(&run.json(), "deductions"));
        for words in ["colour", "future", "comment line"] {
            assert!(notes.contains(words) && run.stderr.contains(words), "{what}: {words}: {run}");
        }
        for words in ["timeframe is 1m", "epoch in s", "format is csv", "dataset is bars"] {
            assert!(deductions.contains(words), "{what}: {words}: {run}");
        }
        assert!(run.json()["error"].is_null() && run.json()["dry_run"] == false, "{what}: {run}");
    });
}

#[test]
fn json_prints_an_object_at_every_end() {
    let work = Work::new();
    let path = work.write("in.csv", file([1]));
    let empty = work.write("empty.csv", "");
    let away = "postgres://127.0.0.1:1/none";
    for (flags, code) in [
        (vec!["load", "no/such/file.csv"], 6),
        (vec!["load", &empty], 6),
        (vec!["load", &path, "--timezone", "Mars/Olympus"], 2),
        (vec!["load", &path, "--map", "ts=nowhere"], 2),
        (vec!["load", &path, "--vendor", "v", "--symbol", "X", "--timeframe", "1d", "--dsn", away], 5),
        (vec!["tail", &path, "--dry-run"], 2),
        (vec!["tail", &path, "--idle-exit", "10ms", "--timezone", "Mars/Olympus"], 2),
        (vec!["replay-dlq", "no/such/queue.ndjson"], 6),
        (vec!["replay-dlq", &path], 2),
    ] {
        let run = work.mdsctl(flags).arguments(["--json"]).run();
        let json = run.json();
        assert_eq!(json["exit_code"], run.code, "{run}");
        assert_eq!(run.code, code, "{run}");
        assert!(json["error"].as_str().is_some_and(|text| run.stderr.contains(text)), "{run}");
        assert!(json["rows"]["read"] == 0 && json["notes"].is_array(), "{run}");
    }
}

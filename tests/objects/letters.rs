//! Dead letters in object stores.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::PATIENCE;
use super::inputs::days;
use crate::harness::bucket::{Bucket, Fault};
use crate::harness::{Work, wait};

/// Rows of which each seventh has no number.
fn text(rows: u64) -> String {
    let line =
        |seq: u64| if seq.is_multiple_of(7) { format!("x{seq},n{seq}\n") } else { format!("{seq},n{seq}\n") };
    "seq,note\n".to_owned() + &(0..rows).map(line).collect::<String>()
}

/// The rows of letters below a prefix.
fn letters(bucket: &Bucket, prefix: &str) -> Vec<u64> {
    let mut rows = Vec::new();
    for key in bucket.keys(prefix).into_iter().filter(|key| key.ends_with(".ndjson")) {
        for line in std::fs::read_to_string(bucket.path(&key)).expect("an object").lines() {
            let record: Value = serde_json::from_str(line).expect("a record");
            let numbers = record["metadata"]["rows"].as_array().cloned().unwrap_or_default();
            rows.extend(numbers.iter().map(|row| row.as_u64().expect("a number")));
        }
    }
    rows.sort_unstable();
    rows
}

#[test]
fn letters_go_to_objects_and_are_inspected_and_replayed_there() {
    for sqlite in [true, false] {
        let bucket = Bucket::new();
        let work = Work::new();
        let store = days(&work, sqlite);
        let file = work.write("a.csv", text(700));
        let dsn = store.dsn();
        let load = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", "s3://days/q/", "--json"];
        let run = bucket.open(work.mdsctl(load)).run().expect(3);
        assert_eq!(run.json()["dlq"]["path"], "s3://days/q/");
        let broken: Vec<u64> = (0..100).map(|n| n * 7 + 1).collect();
        assert_eq!(letters(&bucket, "q/"), broken, "{store}");
        assert!(!work.path("s3:").exists(), "nothing is beside the command");

        let run = bucket.open(work.mdsctl(["inspect-dlq", "s3://days/q/", "--json"])).run().expect(0);
        assert_eq!(run.json()["rows"], 100, "{run}");

        // Rows that fail again are put back, those that were before are gone.
        let before = bucket.keys("q/");
        let replay = ["replay-dlq", "s3://days/q/", "--dsn", &dsn, "--json"];
        let run = bucket.open(work.mdsctl(replay)).run().expect(3);
        assert_eq!(run.json()["dlq"]["path"], "s3://days/q/");
        assert!(!run.stderr.contains(".local/state"), "{run}");
        assert_eq!(letters(&bucket, "q/"), broken);
        assert!(bucket.keys("q/").iter().all(|key| !before.contains(key)));

        // Mended they are stored, and nothing is left.
        for key in bucket.keys("q/") {
            let mended = std::fs::read_to_string(bucket.path(&key)).expect("an object").replace("\"x", "\"");
            std::fs::write(bucket.path(&key), mended).expect("an object");
        }
        bucket.open(work.mdsctl(replay)).run().expect(0);
        assert_eq!(store.count("seqs"), Some(700), "{store}");
        assert_eq!(bucket.keys("q/"), Vec::<String>::new());
    }
}

#[test]
fn rows_count_once_their_object_is_there_whatever_happens_on_the_way() {
    let bucket = Bucket::new();
    let work = Work::new();
    let store = days(&work, true);
    let file = work.write("a.csv", text(70));
    bucket.fault("PUT", "/q/", 2, Fault::Status(503, "SlowDown"));
    let dsn = store.dsn();
    let load = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", "s3://days/q/"];
    bucket.open(work.mdsctl(load)).run().expect(3);
    assert_eq!(letters(&bucket, "q/").len(), 10);
    assert_eq!(bucket.faults_left(), 0);
    // A place that cannot be written is said before anything is loaded.
    let load = |queue: &str, code: i32| {
        let run =
            bucket.open(work.mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", queue])).run();
        run.expect(code).error().to_owned()
    };
    assert!(load("s3://nights/q/", 6).contains("there is no bucket nights"));
    assert!(load("https://h/q/", 2).contains("nothing can be written to a web server"));
}

#[test]
fn letters_need_credentials_which_is_said_before_a_row_is_stored() {
    let bucket = Bucket::google();
    for sqlite in [true, false] {
        let work = Work::new();
        let store = days(&work, sqlite);
        let file = work.write("a.csv", text(70));
        for queue in ["s3://days/q/", "gs://days/q/"] {
            let dsn = store.dsn();
            let run = work
                .mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", queue])
                .env("AWS_ENDPOINT_URL", bucket.endpoint())
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .run()
                .expect(2);
            let error = run.error();
            assert!(error.contains("without credentials, and none were found; set "), "{error}");
            assert_eq!(store.count("seqs"), Some(0), "{store}");
        }
    }
}

#[test]
fn a_replay_that_is_killed_loses_no_row_and_another_one_waits_for_it() {
    let bucket = Bucket::new();
    let work = Work::new();
    let store = days(&work, true);
    let file = work.write("a.csv", text(7_000));
    let dsn = store.dsn();
    let load = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", "s3://days/q/"];
    bucket.open(work.mdsctl(load)).run().expect(3);
    let replay = || bucket.open(work.mdsctl(["replay-dlq", "s3://days/q/", "--dsn", &dsn]));
    // Killed while the claim is written, while letters are fetched, put back, and removed.
    for (method, part) in
        [("PUT", ".replay.json"), ("GET", "Z-"), ("PUT", "Z-"), ("DELETE", "Z-"), ("DELETE", ".replay.json")]
    {
        bucket.fault(method, part, 1, Fault::Hang);
        let running = replay().spawn();
        wait::until(PATIENCE, "it hangs", || (bucket.faults_left() == 0).then_some(()));
        std::thread::sleep(Duration::from_millis(100));
        // Nobody else gets at them, wherever that is.
        let other = Work::new();
        let elsewhere = bucket.open(other.mdsctl(["replay-dlq", "s3://days/q/", "--dsn", &dsn])).run();
        if (method, part) != ("PUT", ".replay.json") {
            assert!(elsewhere.expect(2).error().contains("is being replayed by process"));
        }
        running.signal(Signal::KILL);
        running.finish_quietly();
        let there: std::collections::BTreeSet<u64> = letters(&bucket, "q/").into_iter().collect();
        assert_eq!(there.len(), 1_000, "{method} {part}");
        if (method, part) == ("PUT", ".replay.json") {
            // The other one has had them.
            assert_eq!(bucket.keys("q/.replay.json"), Vec::<String>::new());
        }
    }
    replay().run().expect(3);
    assert_eq!(letters(&bucket, "q/").len(), 1_000);
    assert_eq!(bucket.keys("q/.replay.json"), Vec::<String>::new());
}

#[test]
fn a_queue_of_objects_is_looked_at_like_one_of_files() {
    let bucket = Bucket::new();
    let work = Work::new();
    let store = days(&work, true);
    let (file, dsn) = (work.write("a.csv", text(70)), store.dsn());
    let health = || {
        let asked = ["health", "--dsn", &dsn, "--dlq", "s3://days/q/", "--dlq-warn", "5", "--json"];
        bucket.open(work.mdsctl(asked)).run().json()
    };
    let of = |report: &Value, check: &str| {
        let all = report["findings"].as_array().expect("findings");
        all.iter().find(|found| found["check"] == check).cloned().unwrap_or(Value::Null)
    };
    // A queue in which nothing has been put yet is well.
    let empty = health();
    assert_eq!(
        (&of(&empty, "dlq")["value"], &empty["perfdata"]["dlq_rows"]),
        (&0.into(), &0.0.into()),
        "{empty}"
    );

    let following = bucket.open(work.mdsctl(["inspect-dlq", "s3://days/q/", "--follow", "--json"])).spawn();
    let load = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", "s3://days/q/"];
    // What was there before it began is not new, so that it is loaded until some is.
    let told = wait::until(PATIENCE, "it is told of letters", || {
        bucket.open(work.mdsctl(load)).run().expect(3);
        std::thread::sleep(Duration::from_millis(1_500));
        Some(following.printed()).filter(|told| told.contains('\n'))
    });
    let record: Value = serde_json::from_str(told.lines().next().expect("a line")).expect("a record");
    assert_eq!(record["metadata"]["source"], file.as_str());
    following.signal(Signal::INT);
    following.finish().expect(130);

    let rows = letters(&bucket, "q/").len();
    let full = health();
    assert_eq!(of(&full, "dlq")["value"], rows, "{full}");
    let says = of(&full, "dlq")["message"].as_str().expect("a message").to_owned();
    assert!(says.contains(&format!("{rows} dead rows in s3://days/q/")), "{says}");

    // A look at what a replay would do claims nothing, and leaves all as it is.
    let before = bucket.keys("q/");
    let look = ["replay-dlq", "s3://days/q/", "--dsn", &dsn, "--dry-run", "--json"];
    let run = bucket.open(work.mdsctl(look)).run();
    assert_eq!(run.json()["rows"]["read"], rows, "{run}");
    assert!(!run.stderr.contains("letters.ndjson"), "{run}");
    assert_eq!(bucket.keys("q/"), before);

    // Tried too often they are parked, told, and taken again where it is said how often they may have been.
    let park = ["replay-dlq", "s3://days/q/", "--dsn", &dsn, "--max-attempts", "1"];
    bucket.open(work.mdsctl(park)).run().expect(3);
    assert!(bucket.keys("q/").iter().all(|key| key.ends_with(".parked.ndjson")), "{:?}", bucket.keys("q/"));
    let parked = health();
    assert_eq!(of(&parked, "dlq_parked")["value"], rows, "{parked}");
    let remedy = of(&parked, "dlq_parked")["remedy"].as_str().expect("a remedy").to_owned();
    assert!(
        remedy.contains("mdsctl replay-dlq s3://days/q/") && remedy.ends_with("--max-attempts 100"),
        "{remedy}"
    );
    for key in bucket.keys("q/") {
        let mended = std::fs::read_to_string(bucket.path(&key)).expect("an object").replace("\"x", "\"");
        std::fs::write(bucket.path(&key), mended).expect("an object");
    }
    let plain = ["replay-dlq", "s3://days/q/", "--dsn", &dsn];
    bucket.open(work.mdsctl(plain)).run().expect(0);
    assert_eq!(store.count("seqs"), Some(60));
    let again = ["replay-dlq", "s3://days/q/", "--dsn", &dsn, "--max-attempts", "100"];
    bucket.open(work.mdsctl(again)).run().expect(0);
    assert_eq!(store.count("seqs"), Some(70));
    assert_eq!(bucket.keys("q/"), Vec::<String>::new());
}

#[test]
fn who_replays_a_queue_is_told() {
    let bucket = Bucket::new();
    let work = Work::new();
    let store = days(&work, true);
    let (file, dsn) = (work.write("a.csv", text(70)), store.dsn());
    let load = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", "s3://days/q/"];
    bucket.open(work.mdsctl(load)).run().expect(3);
    bucket.fault("GET", "Z-", 1, Fault::Hang);
    let running = bucket.open(work.mdsctl(["replay-dlq", "s3://days/q/", "--dsn", &dsn])).spawn();
    wait::until(PATIENCE, "it hangs", || (bucket.faults_left() == 0).then_some(()));
    let claim = || {
        let asked = ["health", "--dsn", &dsn, "--dlq", "s3://days/q/", "--json"];
        let report = bucket.open(work.mdsctl(asked)).run().json();
        let all = report["findings"].as_array().expect("findings").clone();
        all.into_iter().find(|found| found["check"] == "dlq_claim").expect("a claim")
    };
    let (at_work, pid) = (claim(), running.pid());
    assert_eq!(at_work["status"], "ok", "{at_work}");
    assert!(at_work["message"].as_str().expect("text").contains(&format!("process {pid} on")), "{at_work}");
    running.signal(Signal::KILL);
    running.finish_quietly();
    let ended = claim();
    assert_eq!(ended["status"], "warning", "{ended}");
    assert_eq!(ended["remedy"], "run: mdsctl replay-dlq s3://days/q/", "{ended}");
}

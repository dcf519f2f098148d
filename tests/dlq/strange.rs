//! Queues as they grow in the wild: rotated, mixed, interrupted, named by mistake.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::wait;
use crate::harness::{Db, Postgres, Store, Work};

/// A bar of one minute, as an item.
fn bar(minute: u32, close: &str) -> Value {
    json!({"ts": format!("2024-01-01T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60), "vendor": "v", "symbol": "A",
        "timeframe": "1m", "open_price": "1", "high_price": "9", "low_price": "1", "close_price": close})
}

/// A record that failed so many seconds ago.
fn record(ago: f64, metadata: Value, items: &[Value]) -> String {
    let now = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
    json!({"ts": now - ago, "error": "bad", "metadata": metadata, "items": items}).to_string() + "\n"
}

fn id(number: u64) -> String {
    format!("0197a3f2-1b2c-7000-8000-{number:012}")
}

fn sqlite(work: &Work, sql: &str) -> Vec<String> {
    let rows = Store::sqlite(work).rows(sql);
    rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect()
}

fn stores(work: &Work) -> [(Store, &'static str); 2] {
    [(Store::sqlite(work), "bars"), (Store::postgres(), "bars")]
}

#[test]
fn of_a_rotated_queue_the_newest_row_of_a_key_stays() {
    for place in 0..2 {
        let work = Work::new();
        let (store, _) = stores(&work).into_iter().nth(place).expect("a store");
        let dataset = json!({"dataset": "bars"});
        work.write(".dlq/bars.1.ndjson", record(30.0, dataset.clone(), &[bar(0, "1.1")]));
        work.write(".dlq/bars.2.ndjson", record(20.0, dataset.clone(), &[bar(0, "1.2")]));
        // In one file, with and without the name of their dataset.
        let both =
            record(15.0, json!({}), &[bar(0, "1.25")]) + &record(10.0, dataset.clone(), &[bar(0, "1.3")]);
        work.write(".dlq/bars.ndjson", both + &record(5.0, json!({}), &[bar(0, "1.4")]));
        let run = work.mdsctl(["replay-dlq", "--dsn", &store.dsn()]).run().expect(0);
        let close = store.rows("SELECT close_price FROM bars");
        assert_eq!(close, [[Some("1.4".to_owned())]], "{store}: {run}");
    }
}

#[test]
fn a_limit_takes_the_newest_rows_so_that_parts_come_to_the_whole() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let records: String = (0..4)
        .map(|n| record(40.0 - f64::from(n), json!({"dataset": "bars"}), &[bar(0, &format!("1.{n}"))]))
        .collect();
    work.write(".dlq/bars.ndjson", records);
    for _ in 0..4 {
        work.mdsctl(["replay-dlq", "--limit", "1", "--dsn", &dsn]).run().expect(0);
    }
    assert_eq!(sqlite(&work, "SELECT close_price FROM bars"), ["1.3"]);
}

/// A table without a key.
fn log() -> Db {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE log (n bigint, code text)");
    db
}

fn counted(db: &Db) -> (u64, u64) {
    let row = db.rows("SELECT count(*), count(DISTINCT n) FROM log").remove(0);
    let number = |place: usize| row[place].as_ref().expect("a count").parse().expect("a number");
    (number(0), number(1))
}

#[test]
fn a_killed_replay_is_finished_as_it_was_begun_whatever_the_next_one_is_asked_for() {
    for second in [vec![], vec!["--code", "b"], vec!["--limit", "100"], vec!["--code", "a", "--discard"]] {
        let (work, db) = (Work::new(), log());
        let dsn = db.dsn();
        let (records, each) = (40u64, 200u64);
        let mut text = String::new();
        for n in 0..records {
            let code = if n % 2 == 0 { "a" } else { "b" };
            let items: Vec<Value> =
                (n * each..(n + 1) * each).map(|n| json!({"n": n, "code": code})).collect();
            text += &record(50.0, json!({"id": id(n), "dataset": "log", "code": code}), &items);
        }
        work.write(".dlq/log.ndjson", text);
        let engine = ["--dsn", &dsn, "--batch-size", "50", "--workers", "2"];
        let mut running = work.mdsctl(["replay-dlq", "--code", "a"]).arguments(engine).spawn();
        let some = wait::within(wait::PATIENCE, || {
            (db.count("log") > 500 || running.has_ended()).then(|| !running.has_ended())
        });
        if some.expect("rows") {
            running.signal(Signal::KILL);
        }
        running.finish_quietly();
        let first = db.count("log");
        assert!(first > 0);
        let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).arguments(second.clone()).run();
        assert!(matches!(run.code, 0 | 3), "{run}");
        work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(0);
        let all = records * each;
        assert_eq!(counted(&db), (all, all), "{second:?}: {run}");
    }
}

#[test]
fn two_tenants_of_one_table_without_a_key_survive_a_kill_between_them() {
    let (work, db) = (Work::new(), log());
    let dsn = db.dsn();
    let of = |tenant: Option<&str>, from: u64, to: u64| -> String {
        let chunks = (from..to).step_by(100).map(|first| {
            let items: Vec<Value> = (first..first + 100).map(|n| json!({"n": n, "code": "x"})).collect();
            let mut meta = json!({"id": id(first), "dataset": "log"});
            if let Some(tenant) = tenant {
                meta["tenant_id"] = json!(tenant);
            }
            record(50.0, meta, &items)
        });
        chunks.collect()
    };
    work.write(
        ".dlq/log.ndjson",
        of(None, 0, 1_000) + &of(Some("11111111-1111-4111-8111-111111111111"), 1_000, 9_000),
    );
    let engine = ["--dsn", &dsn, "--batch-size", "50", "--workers", "2"];
    let mut running = work.mdsctl(["replay-dlq"]).arguments(engine).spawn();
    let some = wait::within(wait::PATIENCE, || {
        (db.count("log") > 1_500 || running.has_ended()).then(|| !running.has_ended())
    });
    if some.expect("rows") {
        running.signal(Signal::KILL);
    }
    running.finish_quietly();
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(0);
    assert_eq!(counted(&db), (9_000, 9_000), "{run}");
}

#[test]
fn records_that_share_an_id_keep_all_their_rows() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let meta = |n| json!({"id": id(7), "dataset": "bars", "attempts": 4, "source": format!("s{n}")});
    let text: String = (0..5).map(|n| record(9.0, meta(n), &[bar(n, &format!("bad{n}"))])).collect();
    work.write(".dlq/bars.ndjson", text);
    work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(3);
    let parked = fs::read_to_string(work.path(".dlq/bars.parked.ndjson")).expect("they are parked");
    for n in 0..5 {
        assert!(parked.contains(&format!("\"bad{n}\"")), "{parked}");
    }
}

#[test]
fn one_record_that_fits_nowhere_stays_and_the_others_go_on() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let odd = record(9.0, json!({"dataset": "unknown"}), &[json!({"foo": 1})]);
    work.write(".dlq/a.ndjson", odd.clone() + &record(8.0, json!({"dataset": "bars"}), &[bar(1, "1.5")]));
    work.write(".dlq/z.ndjson", record(8.0, json!({"dataset": "bars"}), &[bar(2, "1.5")]));
    for _ in 0..2 {
        let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, "--json"]).run().expect(3);
        assert!(run.stderr.contains("foo") && run.stderr.contains("stay"), "{run}");
        assert_eq!(run.json()["exit_code"], 3, "{run}");
    }
    assert_eq!(sqlite(&work, "SELECT count(*) FROM bars"), ["2"]);
    let left = fs::read_to_string(work.path(".dlq/a.ndjson")).expect("the queue");
    let left: Value = serde_json::from_str(left.trim()).expect("one record");
    assert_eq!((&left["items"], &left["metadata"]["attempts"]), (&json!([{"foo": 1}]), &Value::Null));
}

#[test]
fn a_wrong_flag_costs_no_row_an_attempt() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let text = record(9.0, json!({"id": id(1), "dataset": "bars", "code": "bad_number"}), &[bar(1, "x")]);
    for wrong in ["--set=nope=1", "--map=close_price=nope", "--set=symbol="] {
        work.write(".dlq/bars.ndjson", &text);
        let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, wrong]).run().expect(2);
        assert!(run.stderr.contains("nope") || run.stderr.contains("symbol"), "{run}");
        let left = || fs::read_to_string(work.path(".dlq/bars.1.ndjson")).expect("the queue");
        assert_eq!(left(), text, "{wrong}");
        assert!(!work.path(".dlq/.bars.replay.json").exists(), "{wrong} binds nobody");
        work.mdsctl(["replay-dlq", "--dsn", &dsn, "--set", "close_price=1.5"]).run().expect(0);
    }
    assert_eq!(sqlite(&work, "SELECT count(*) FROM bars"), ["1"]);
}

#[test]
fn what_is_named_by_mistake_is_left_as_it_is() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let one = record(9.0, json!({"dataset": "bars"}), &[bar(1, "1.5")]);
    let csv = "ts,symbol\n\n2024,A\n";
    work.write("b.csv", csv);
    let refused = |arguments: &[&str], word: &str| {
        let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).arguments(arguments.to_vec()).run().expect(2);
        assert!(run.stderr.contains(word), "{run}");
    };
    refused(&["b.csv"], "is not a dead-letter queue");
    assert_eq!(fs::read_to_string(work.path("b.csv")).expect("it"), csv);
    work.write("q/bars.1.ndjson", &one);
    work.write("q/bars.ndjson", &one);
    refused(&["q/bars.1.ndjson", "--discard"], "a part of the queue");
    refused(&["q/bars.ndjson", "--archive", "q"], "another directory");
    refused(&["q/bars.ndjson", "--archive", "b.csv"], "--archive b.csv");
    let run =
        work.mdsctl(["inspect-dlq", "q/bars.ndjson", "--export", "q/bars.ndjson", "--force"]).run().expect(2);
    assert!(run.stderr.contains("which are read"), "{run}");
    for file in ["q/bars.1.ndjson", "q/bars.ndjson"] {
        assert_eq!(fs::read_to_string(work.path(file)).expect("it"), one, "{file}");
    }
    // A date in the name makes no part of another queue.
    work.write("q/days.20241122.ndjson", &one);
    work.write("q/days.20241123.ndjson", &one);
    work.mdsctl(["replay-dlq", "q/days.20241123.ndjson", "--discard"]).run().expect(0);
    assert!(work.path("q/days.20241122.ndjson").exists() && !work.path("q/days.20241123.ndjson").exists());
}

#[test]
fn a_link_a_table_of_ones_own_and_a_discard_of_tired_rows() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    work.mdsctl(["load", &crate::harness::run::fixture("bars.parquet"), "--dsn", &dsn]).run().expect(0);
    Store::sqlite(&work).rows("SELECT 1");
    work.write("data/kept.ndjson", record(9.0, json!({"dataset": "bars"}), &[bar(1, "1.5")]));
    fs::create_dir_all(work.path(".dlq")).expect("a directory");
    std::os::unix::fs::symlink("../data/kept.ndjson", work.path(".dlq/bars.ndjson")).expect("a link");
    work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(0);
    assert!(work.path(".dlq/bars.ndjson").is_symlink() && !work.path("data/kept.ndjson").exists());

    let tired = json!({"dataset": "bars", "attempts": 9});
    work.write("tired.ndjson", record(9.0, tired, &[bar(1, "x")]));
    work.mdsctl(["replay-dlq", "tired.ndjson", "--discard"]).run().expect(0);
    assert!(!work.path("tired.ndjson").exists() && !work.path("tired.parked.ndjson").exists());

    // Where no column is to blame, the row is shown.
    work.write("check.ndjson", record(9.0, json!({"code": "23514"}), &[bar(1, "13.5")]));
    let run = work.mdsctl(["inspect-dlq", "check.ndjson", "--json"]).run().expect(0);
    assert!(run.json()["groups"][0]["samples"][0]["value"].to_string().contains("13.5"), "{run}");

    // Times beyond all calendars are shown, not choked on.
    let line = |ts: &str| format!("{{\"ts\":{ts},\"error\":\"x\",\"metadata\":{{}},\"items\":[{{}}]}}\n");
    work.write("odd.ndjson", line("-1e18") + &line("1e300") + &line("1732351234"));
    for form in
        [["inspect-dlq", "odd.ndjson", "--by", "hour"], ["inspect-dlq", "odd.ndjson", "--format", "json"]]
    {
        let run = work.mdsctl(form).run().expect(0);
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
}

/// Begins a replay that gets nowhere, since the table is locked, and kills it.
fn cut_short(work: &Work, db: &Db, table: &str, flags: &[&str]) {
    cut_short_once(work, db, table, flags, "\"files\":[{");
}

/// The same, once its journal says so.
fn cut_short_once(work: &Work, db: &Db, table: &str, flags: &[&str], word: &str) {
    let blocker = db.session().expect("a session");
    blocker.execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
    let running = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).arguments(flags.to_vec()).spawn();
    wait::until(wait::PATIENCE, "the claim", || {
        let journal =
            fs::read_to_string(work.path(&format!(".dlq/.{table}.replay.json"))).unwrap_or_default();
        journal.contains(word).then_some(())
    });
    running.signal(Signal::KILL);
    running.finish_quietly();
    blocker.execute("COMMIT");
}

/// A table with a key, with the column that guards newer rows or without it.
fn keyed(guarded: bool) -> Db {
    let db = Postgres::shared().database();
    let updated = if guarded { ", updated_at timestamptz NOT NULL DEFAULT now()" } else { "" };
    db.execute(&format!(
        "CREATE TABLE k (ts timestamptz, symbol text, v numeric{updated}, PRIMARY KEY (ts, symbol))"
    ));
    db
}

fn k(v: u32) -> Value {
    json!({"ts": "2024-01-01T00:00:00Z", "symbol": "A", "v": v})
}

#[test]
fn the_last_letter_of_a_key_wins_whatever_file_it_stands_in() {
    for guarded in [false, true] {
        for force in [false, true] {
            let (work, db) = (Work::new(), keyed(guarded));
            let home = |table: &str| json!({"dataset": table});
            // One came back from a replay, and stands behind younger ones; the table has two names.
            let back = json!({"dataset": "k", "first_ts": 1_700_000_000.0, "attempts": 2});
            work.write(".dlq/k.1.ndjson", record(30.0, home("k"), &[k(1)]));
            work.write(
                ".dlq/k.2.ndjson",
                record(20.0, home("public.k"), &[k(2)]) + &record(10.0, home("k"), &[k(3)]),
            );
            work.write(".dlq/k.ndjson", record(5.0, back, &[k(4)]));
            let flags: &[&str] = if force { &["--force"] } else { &[] };
            let run =
                work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).arguments(flags.to_vec()).run().expect(0);
            assert_eq!(
                db.rows("SELECT v::text FROM k"),
                [[Some("3".to_owned())]],
                "{guarded} {force}: {run}"
            );
        }
    }
}

#[test]
fn a_newer_letter_that_comes_after_a_crash_stays() {
    for guarded in [false, true] {
        let (work, db) = (Work::new(), keyed(guarded));
        work.write(".dlq/k.ndjson", record(30.0, json!({"dataset": "k"}), &[k(1)]));
        cut_short(&work, &db, "k", &[]);
        work.write(".dlq/k.ndjson", record(10.0, json!({"dataset": "k"}), &[k(2)]));
        let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(0);
        assert_eq!(db.rows("SELECT v::text FROM k"), [[Some("2".to_owned())]], "{guarded}: {run}");
        assert!(!work.path(".dlq/.k.replay.json").exists());
    }
}

#[test]
fn who_takes_a_claim_up_mends_as_it_was_mended() {
    let (work, db) = (Work::new(), log());
    db.execute("CREATE TABLE other (n bigint, code text)");
    let items: Vec<Value> = (0..3_000).map(|n| json!({"n": n})).collect();
    let text: String = items
        .chunks(50)
        .enumerate()
        .map(|(n, c)| record(9.0, json!({"id": id(n as u64), "dataset": "log"}), c))
        .collect();
    work.write(".dlq/log.ndjson", text);
    let dsn = db.dsn();
    let engine = ["--dsn", &dsn, "--batch-size", "50", "--workers", "2", "--set", "code=one"];
    let mut running = work.mdsctl(["replay-dlq"]).arguments(engine).spawn();
    let some = wait::within(wait::PATIENCE, || {
        (db.count("log") > 300 || running.has_ended()).then(|| !running.has_ended())
    });
    if some.expect("rows") {
        running.signal(Signal::KILL);
    }
    running.finish_quietly();
    let run =
        work.mdsctl(["replay-dlq", "--dsn", &dsn, "--table", "other", "--set", "code=two"]).run().expect(0);
    assert_eq!(counted(&db), (3_000, 3_000), "{run}");
    let codes = db.rows("SELECT DISTINCT code FROM log");
    assert_eq!((codes, db.count("other")), (vec![vec![Some("one".to_owned())]], 0), "{run}");
}

#[test]
fn without_a_ledger_and_a_key_a_claim_is_not_taken_up_blindly() {
    let (work, db) = (Work::new(), log());
    let role = format!("{}_replays", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON log TO {role}"));
    let dsn = db.dsn_as(&role);
    work.write(".dlq/log.ndjson", record(9.0, json!({"dataset": "log"}), &[json!({"n": 1})]));
    let blocker = db.session().expect("a session");
    blocker.execute("BEGIN; LOCK TABLE log IN ACCESS EXCLUSIVE MODE");
    let running = work.mdsctl(["replay-dlq", "--dsn", &dsn]).spawn();
    wait::until(wait::PATIENCE, "the claim", || work.path(".dlq/.log.replay.json").exists().then_some(()));
    running.signal(Signal::KILL);
    running.finish_quietly();
    blocker.execute("COMMIT");
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(2);
    assert!(run.stderr.contains("--force") && run.stderr.contains("no ledger"), "{run}");
    work.mdsctl(["replay-dlq", "--dsn", &dsn, "--force"]).run().expect(0);
    assert_eq!(counted(&db), (1, 1));
}

#[test]
fn a_home_that_leads_nowhere_blocks_no_claim() {
    let (work, db) = (Work::new(), keyed(true));
    let odd = record(9.0, json!({"dataset": "gone"}), &[json!({"x": 1})]);
    work.write(".dlq/k.ndjson", record(8.0, json!({"dataset": "k"}), &[k(1)]) + &odd);
    cut_short(&work, &db, "k", &[]);
    for _ in 0..2 {
        let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(2);
        assert!(run.stderr.contains("gone") && run.stderr.contains("stay"), "{run}");
    }
    assert_eq!(db.count("k"), 1);
    assert!(!work.path(".dlq/.k.replay.json").exists());
}

#[test]
fn strays_beside_queues_are_passed_by_and_a_queue_is_taken_once() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let text = record(9.0, json!({"dataset": "bars"}), &[bar(1, "1.5"), bar(2, "x")]);
    work.write(".dlq/bars.ndjson", &text);
    let mended = bar(3, "1.5").to_string() + "\n";
    for stray in [".dlq/mended.ndjson", ".dlq/bars.3.ndjson"] {
        work.write(stray, &mended);
    }
    fs::create_dir(work.path(".dlq/z.ndjson")).expect("a directory");
    rustix::fs::mkfifoat(rustix::fs::CWD, work.path(".dlq/f.ndjson"), rustix::fs::Mode::RUSR)
        .expect("a pipe");
    let names = [".dlq", "./.dlq/bars.ndjson"];
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).arguments(names).run().expect(3);
    assert!(run.stderr.contains("mended.ndjson is passed by"), "{run}");
    let left: Value =
        serde_json::from_str(fs::read_to_string(work.path(".dlq/bars.ndjson")).expect("the queue").trim())
            .expect("one record");
    assert_eq!(left["metadata"]["attempts"], 2);
    for stray in [".dlq/mended.ndjson", ".dlq/bars.3.ndjson"] {
        assert_eq!(fs::read_to_string(work.path(stray)).expect("it"), mended);
    }
}

#[test]
fn a_table_that_is_away_or_has_lost_its_key_keeps_the_claim() {
    let (work, db) = (Work::new(), log());
    let dsn = db.dsn();
    let items: Vec<Value> = (0..3_000).map(|n| json!({"n": n})).collect();
    let letters = items.chunks(50).enumerate();
    let text: String =
        letters.map(|(n, items)| record(9.0, json!({"id": id(n as u64), "dataset": "log"}), items)).collect();
    work.write(".dlq/log.ndjson", text);
    let engine = ["--dsn", &dsn, "--batch-size", "50", "--workers", "2"];
    let mut running = work.mdsctl(["replay-dlq"]).arguments(engine).spawn();
    let some = wait::within(wait::PATIENCE, || {
        (db.count("log") > 300 || running.has_ended()).then(|| !running.has_ended())
    });
    if some.expect("rows") {
        running.signal(Signal::KILL);
    }
    running.finish_quietly();
    db.execute("ALTER TABLE log RENAME TO elsewhere");
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(2);
    assert!(run.stderr.contains("has begun to store rows there"), "{run}");
    assert!(work.path(".dlq/.log.replay.json").exists());
    db.execute("ALTER TABLE elsewhere RENAME TO log");
    // What the ledger has forgotten is not taken for never begun.
    db.execute(
        "ALTER TABLE mds_runs RENAME TO forgotten; CREATE TABLE mds_runs (LIKE forgotten INCLUDING ALL)",
    );
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(2);
    assert!(run.stderr.contains("--force"), "{run}");
    db.execute("DROP TABLE mds_runs; ALTER TABLE forgotten RENAME TO mds_runs");
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(0);
    assert_eq!(counted(&db), (3_000, 3_000), "{run}");

    let (work, db) = (Work::new(), keyed(false));
    work.write(".dlq/k.ndjson", record(9.0, json!({"dataset": "k"}), &[k(1)]));
    cut_short_once(&work, &db, "k", &[], "\"begun\":[{");
    db.execute("ALTER TABLE k DROP CONSTRAINT k_pkey");
    let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(2);
    assert!(run.stderr.contains("has lost its key"), "{run}");
    // Meanwhile what is parked stays out of it.
    work.write(".dlq/k.parked.ndjson", record(9.0, json!({"dataset": "k"}), &[k(2)]));
    let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn(), ".dlq/k.parked.ndjson"]).run().expect(2);
    assert!(run.stderr.contains("finish that first"), "{run}");
    db.execute("ALTER TABLE k ADD PRIMARY KEY (ts, symbol)");
    work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.count("k"), 1);
}

#[test]
fn files_that_are_settled_are_only_put_away() {
    use std::os::unix::fs::MetadataExt as _;
    let (work, db) = (Work::new(), keyed(false));
    db.execute("INSERT INTO k VALUES ('2024-01-01T00:00:00Z', 'A', 2)");
    let tired = json!({"id": id(2), "dataset": "k", "attempts": 7});
    let path = work.write(
        ".dlq/k.2.ndjson",
        record(9.0, json!({"id": id(1), "dataset": "k"}), &[k(1)]) + &record(9.0, tired, &[k(3)]),
    );
    let file = fs::metadata(&path).expect("it");
    let identity = format!("{}-{}-{}.{:09}", file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    let orders = json!({"filter": {"codes": [], "stages": [], "symbols": [], "wheres": [], "since": null,
        "until": null}, "take": null, "most_attempts": 5, "discard": false});
    let journal = json!({"way": {"store": "gone", "tenant": null, "mend": {"set": [], "map": [], "dataset": null,
            "table": null, "timestamp_unit": null, "timezone": null, "date_order": null, "null": [],
            "keep_case": false, "exact": false, "round": false, "on_conflict": "Update", "quality": "Warn"}},
        "files": [{"name": "k.2.ndjson", "identity": identity, "orders": orders, "generation": 0,
            "left_alone": []}],
        "begun": [], "settled": true});
    work.write(".dlq/.k.replay.json", journal.to_string());
    // Whatever comes later is replayed as ever.
    let later = json!({"ts": "2024-01-02T00:00:00Z", "symbol": "B", "v": 5});
    work.write(".dlq/k.ndjson", record(1.0, json!({"dataset": "k"}), &[later]));
    work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(3);
    let rows = db.rows("SELECT symbol || v FROM k ORDER BY 1");
    assert_eq!(rows, [[Some("A2".to_owned())], [Some("B5".to_owned())]]);
    let parked = fs::read_to_string(work.path(".dlq/k.parked.ndjson")).expect("the tired one");
    assert!(parked.contains(&id(2)) && parked.lines().count() == 1, "{parked}");
    assert!(!work.path(".dlq/k.2.ndjson").exists() && !work.path(".dlq/.k.replay.json").exists());
}

#[test]
fn after_a_crash_other_filters_and_limits_go_with_the_rest() {
    for flags in [&["--limit", "1000"][..], &["--max-attempts", "6"], &["--where", "dataset=k"]] {
        let (work, db) = (Work::new(), keyed(true));
        work.write(".dlq/k.ndjson", record(30.0, json!({"dataset": "k"}), &[k(1)]));
        cut_short(&work, &db, "k", flags);
        work.write(".dlq/k.ndjson", record(10.0, json!({"dataset": "k"}), &[k(2)]));
        let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).arguments(flags.to_vec()).run().expect(0);
        assert_eq!(db.rows("SELECT v::text FROM k"), [[Some("2".to_owned())]], "{flags:?}: {run}");
    }
}

#[test]
fn rows_of_one_input_stay_in_its_order_and_files_in_theirs() {
    let (work, db) = (Work::new(), keyed(true));
    db.execute("ALTER TABLE k ADD CHECK (v < 5)");
    work.write("in.csv", "ts,symbol,v\n2024-01-01,A,10\n2024-01-01,A,x7\n");
    work.mdsctl(["load", "in.csv", "--table", "k", "--dlq", ".dlq/k.ndjson", "--dsn", &db.dsn()])
        .run()
        .expect(3);
    db.execute("ALTER TABLE k DROP CONSTRAINT k_v_check; ALTER TABLE k ALTER v TYPE text");
    let run = work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.rows("SELECT v FROM k"), [[Some("x7".to_owned())]], "{run}");

    let (work, db) = (Work::new(), keyed(true));
    let at = |ts: f64, v: u32, symbol: &str| {
        let item = json!({"ts": "2024-01-01T00:00:00Z", "symbol": symbol, "v": v});
        json!({"ts": ts, "error": "x", "metadata": {"dataset": "k"}, "items": [item]}).to_string() + "\n"
    };
    work.write(".dlq/k.1.ndjson", at(1_700_000_005.0, 1, "A"));
    work.write(".dlq/k.ndjson", at(1_700_000_001.0, 9, "B") + &at(1_700_000_005.0, 2, "A"));
    work.mdsctl(["replay-dlq", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.rows("SELECT v::text FROM k WHERE symbol = 'A'"), [[Some("2".to_owned())]]);
}

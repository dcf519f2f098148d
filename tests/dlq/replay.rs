//! Replays: exactly what was cured moves, nothing is lost or doubled, whatever ends a replay.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::generator::random::Random;
use crate::harness::run::Run;
use crate::harness::{Db, Postgres, Work};

const QUEUE: &str = ".dlq/bars.ndjson";

/// Bars as strict as a table can be; `key` may be empty.
fn strict(key: &str) -> Db {
    let db = Postgres::shared().database();
    db.execute(&format!(
        "CREATE TABLE strict (
            ts timestamptz NOT NULL, vendor text NOT NULL, symbol varchar(8) NOT NULL, timeframe text NOT NULL,
            open_price numeric(10,4), high_price numeric(10,4), low_price numeric(10,4),
            close_price numeric(10,4) CHECK (close_price <> 13), volume bigint,
            updated_at timestamptz DEFAULT now(){key})"
    ));
    db
}

const KEYED: &str = ", PRIMARY KEY (ts, vendor, symbol, timeframe)";

/// What is wrong with a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    Nothing,
    /// The symbol is too long: cured by a wider column.
    Symbol,
    /// No vendor: cured by --set.
    Vendor,
    /// A number with a comma: cured by export, edit and load.
    Number,
    /// Breaks a CHECK: not cured.
    Check,
    /// No time: not cured.
    Time,
}

const WRONGS: [Wrong; 5] = [Wrong::Symbol, Wrong::Vendor, Wrong::Number, Wrong::Check, Wrong::Time];

fn csv(rows: impl IntoIterator<Item = (u64, Wrong)>) -> String {
    let mut text = String::from("ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    for (row, wrong) in rows {
        let time = if wrong == Wrong::Time { "yesterday".into() } else { time_of(row) };
        let vendor = if wrong == Wrong::Vendor { "" } else { "acme" };
        let symbol = if wrong == Wrong::Symbol { "FAR.TOO.LONG" } else { "A" };
        let open = if wrong == Wrong::Number { "\"1,5\"" } else { "1.5" };
        let close = if wrong == Wrong::Check { "13" } else { "1.25" };
        writeln!(text, "{time},{vendor},{symbol},1m,{open},2,1,{close},{row}").expect("a text grows");
    }
    text
}

fn time_of(row: u64) -> String {
    let time = chrono::DateTime::from_timestamp(1_700_000_000 + row as i64 * 60, 0).expect("a time");
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Rows of the queue's files, by their number in the source, with the attempts of each.
fn queued(work: &Work, names: &[&str]) -> BTreeMap<u64, Vec<u64>> {
    let mut all: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for letter in names.iter().flat_map(|name| work.dlq(name)) {
        let record: Value = serde_json::from_str(&letter.line).expect("JSON");
        let attempts = record["metadata"]["attempts"].as_u64().expect("attempts");
        letter.rows.iter().for_each(|row| all.entry(*row).or_default().push(attempts));
    }
    all
}

fn volumes(db: &Db) -> Vec<u64> {
    let rows = db.rows("SELECT volume FROM strict ORDER BY volume");
    rows.iter().map(|row| row[0].as_ref().expect("a volume").parse().expect("a number")).collect()
}

fn files(work: &Work) -> Vec<String> {
    let all = fs::read_dir(work.path(".dlq")).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let names = all.into_iter().map(|entry| entry.expect("it").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

fn assert_books_close(run: &Run) {
    let books = run.books();
    let settled = books.inserted + books.updated + books.unchanged + books.superseded;
    assert_eq!(books.read, settled + books.rejected + books.dropped + books.skipped, "{run}");
}

#[test]
fn three_kinds_of_five_are_cured_and_exactly_they_move() {
    let (work, db) = (Work::new(), strict(KEYED));
    let (of_each, good) = (2_000u64, 5_000u64);
    let bad = of_each * WRONGS.len() as u64;
    let wrong = |row: u64| if row <= bad { WRONGS[(row % 5) as usize] } else { Wrong::Nothing };
    let path = work.write("bars.csv", csv((1..=bad + good).map(|row| (row, wrong(row)))));
    let dsn = db.dsn();
    let to = ["--dataset", "bars", "--table", "strict", "--dsn", &dsn, "--json"];
    let first = work.mdsctl(["load", &path]).arguments(to).run().expect(3);
    let books = first.books();
    assert_eq!((books.read, books.inserted, books.rejected), (bad + good, good, bad), "{first}");
    assert_books_close(&first);

    // A schema change, a value for a column, and by hand.
    db.execute("ALTER TABLE strict ALTER symbol TYPE varchar(20)");
    let set = ["replay-dlq", "--where", "column=vendor", "--set", "vendor=acme", "--dsn", &dsn, "--json"];
    let run = work.mdsctl(set).run().expect(0);
    let books = run.books();
    assert_eq!((books.read, books.inserted), (of_each, of_each), "{run}");
    assert_books_close(&run);
    assert_eq!(queued(&work, &[QUEUE]).values().filter(|a| **a == [1]).count() as u64, bad - of_each);

    let export = ["inspect-dlq", "--where", "column=open_price", "--export", "mend.csv"];
    work.mdsctl(export).run().expect(0);
    let mended = fs::read_to_string(work.path("mend.csv")).expect("the export").replace("\"1,5\"", "1.5");
    assert_eq!(mended.lines().count() as u64, of_each + 1);
    work.write("mended.csv", mended);
    let run = work.mdsctl(["load", "mended.csv"]).arguments(to).run().expect(0);
    assert_eq!(run.books().inserted, of_each, "{run}");
    let run =
        work.mdsctl(["replay-dlq", "--where", "column=open_price", "--discard", "--json"]).run().expect(0);
    assert_eq!(run.json()["replay"]["discarded"], of_each, "{run}");

    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, "--json", "--archive", "done"]).run().expect(3);
    let books = run.books();
    assert_eq!((books.read, books.inserted, books.rejected), (3 * of_each, of_each, 2 * of_each), "{run}");
    assert_books_close(&run);
    let left = queued(&work, &[QUEUE]);
    let stays = |row: u64| matches!(wrong(row), Wrong::Check | Wrong::Time);
    let expected: BTreeMap<u64, Vec<u64>> =
        (1..=bad).filter(|row| stays(*row)).map(|row| (row, vec![2])).collect();
    assert_eq!(left, expected);
    let expected: Vec<u64> = (1..=bad + good).filter(|row| !stays(*row)).collect();
    assert_eq!(volumes(&db), expected);
    let archived: Vec<_> = fs::read_dir(work.path("done")).expect("the archive").collect();
    let text = fs::read_to_string(archived[0].as_ref().expect("a file").path()).expect("it");
    let rows: usize = text.lines().map(|line| line.matches("FAR.TOO.LONG").count()).sum();
    assert_eq!((archived.len(), rows as u64), (1, of_each));
    assert_eq!(files(&work), ["bars.ndjson"]);
}

#[test]
fn ids_and_first_times_stay_and_rows_tried_too_often_are_parked() {
    let (work, db) = (Work::new(), strict(KEYED));
    let path = work.write("bars.csv", csv((1..=10).map(|row| (row, Wrong::Check))));
    let dsn = db.dsn();
    work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn]).run().expect(3);
    let meta = |name: &str| {
        let letters = work.dlq(name);
        assert_eq!(letters.len(), 1, "{letters:#?}");
        serde_json::from_str::<Value>(&letters[0].line).expect("JSON")["metadata"].clone()
    };
    let first = meta(QUEUE);
    let run = work.mdsctl(["replay-dlq", "--max-attempts", "3", "--dsn", &dsn]).run().expect(3);
    assert!(!run.stderr.contains("parked"), "{run}");
    let second = meta(QUEUE);
    for name in ["id", "first_ts", "source", "rows", "dataset", "table"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert_eq!((&first["attempts"], &second["attempts"]), (&json!(1), &json!(2)));
    assert_ne!(first["run_id"], second["run_id"]);
    let run = work.mdsctl(["replay-dlq", "--max-attempts", "3", "--dsn", &dsn]).run().expect(3);
    assert!(run.stderr.contains("10 rows") && run.stderr.contains("parked"), "{run}");
    let third = meta(".dlq/bars.parked.ndjson");
    assert_eq!((&third["attempts"], &third["id"]), (&json!(3), &first["id"]));
    assert_eq!(files(&work), ["bars.parked.ndjson"]);
    // A cron has nothing to do now.
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(0);
    assert!(run.stderr.contains("nothing to replay"), "{run}");
    // Whoever names the parked file means it.
    db.execute("ALTER TABLE strict DROP CONSTRAINT strict_close_price_check");
    work.mdsctl(["replay-dlq", ".dlq/bars.parked.ndjson", "--dsn", &dsn]).run().expect(0);
    assert_eq!((volumes(&db).len(), files(&work).len()), (10, 0));
}

#[test]
fn a_newer_row_stays_and_the_summary_says_so() {
    for force in [false, true] {
        let (work, db) = (Work::new(), strict(KEYED));
        let dsn = db.dsn();
        let to = ["--dataset", "bars", "--table", "strict", "--dsn", &dsn];
        let bad = csv([(1, Wrong::Check), (2, Wrong::Check), (3, Wrong::Check)]);
        let path = work.write("bars.csv", bad);
        work.mdsctl(["load", &path]).arguments(to).run().expect(3);
        let right = work.write("right.csv", csv([(1, Wrong::Nothing)]));
        work.mdsctl(["load", &right]).arguments(to).run().expect(0);
        db.execute("ALTER TABLE strict DROP CONSTRAINT strict_close_price_check");
        let mut program = work.mdsctl(["replay-dlq", "--json", "--dsn", &dsn]);
        if force {
            program = program.arguments(["--force"]);
        }
        let run = program.run().expect(0);
        let books = run.books();
        let expected = if force { (0, 1, 2) } else { (1, 0, 2) };
        assert_eq!((books.superseded, books.updated, books.inserted), expected, "{run}");
        let closes = db.rows("SELECT trim_scale(close_price)::text FROM strict ORDER BY volume");
        let closes: Vec<&str> = closes.iter().filter_map(|row| row[0].as_deref()).collect();
        assert_eq!(closes, [if force { "13" } else { "1.25" }, "13", "13"], "{run}");
        assert_eq!(run.json()["replay"]["older_than_stored"], u64::from(!force), "{run}");
    }
}

#[test]
fn of_several_letters_with_one_key_the_last_one_stays() {
    for key in [KEYED, ", UNIQUE (ts, vendor, symbol, timeframe)"] {
        let (work, db) = (Work::new(), strict(key));
        let dsn = db.dsn();
        for (round, close) in ["13", "13.0", "13.00"].into_iter().enumerate() {
            let text = csv([(1, Wrong::Nothing)]).replace(",1.25,1\n", &format!(",{close},{round}\n"));
            let path = work.write("bars.csv", text);
            work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn])
                .run()
                .expect(3);
        }
        db.execute("ALTER TABLE strict DROP CONSTRAINT strict_close_price_check");
        work.mdsctl(["replay-dlq", "--batch-size", "1", "--dsn", &dsn]).run().expect(0);
        assert_eq!(volumes(&db), [2]);
    }
}

#[test]
fn filters_and_limits_leave_the_rest_as_it_is() {
    let (work, db) = (Work::new(), strict(KEYED));
    let dsn = db.dsn();
    let rows = (1..=40).map(|row| (row, if row % 2 == 0 { Wrong::Symbol } else { Wrong::Check }));
    let path = work.write("bars.csv", csv(rows));
    work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn]).run().expect(3);
    db.execute("ALTER TABLE strict ALTER symbol TYPE varchar(20)");
    let before = fs::read_to_string(work.path(QUEUE)).expect("the queue");
    let run = work.mdsctl(["replay-dlq", "--dry-run", "--json", "--dsn", &dsn]).run().expect(0);
    assert_eq!(run.json()["rows"]["read"], 40, "{run}");
    assert_eq!((fs::read_to_string(work.path(QUEUE)).expect("it"), db.count("strict")), (before, 0));
    work.mdsctl(["replay-dlq", "--code", "22001", "--limit", "5", "--dsn", &dsn]).run().expect(0);
    assert_eq!(volumes(&db), [32, 34, 36, 38, 40], "the newest");
    work.mdsctl(["replay-dlq", "--symbol", "far.too.long", "--dsn", &dsn]).run().expect(0);
    assert_eq!(db.count("strict"), 20);
    let left = queued(&work, &[QUEUE]);
    assert_eq!(left, (1..=40).step_by(2).map(|row| (row, vec![1])).collect());
    let run = work.mdsctl(["replay-dlq", "--code", "none", "--dsn", &dsn]).run().expect(0);
    assert!(run.stderr.contains("nothing to replay"), "{run}");
    assert_eq!(queued(&work, &[QUEUE]).len(), 20);
}

#[test]
fn the_python_system_reads_and_writes_the_same_lines() {
    let (work, db) = (Work::new(), strict(KEYED));
    let dsn = db.dsn();
    let item = |row: u64| {
        json!({"ts": time_of(row), "vendor": "acme", "symbol": "A", "timeframe": "1m", "open_price": 1.5,
            "high_price": 2, "low_price": 1, "close_price": 1.25, "volume": row})
    };
    let lines = [
        json!({"ts": 1732351234.123, "error": "boom", "metadata": {"batch": 7}, "items": [item(1), item(2)]})
            .to_string(),
        "{\"ts\": 1732351234, \"err".to_owned(),
        json!({"ts": 1732351234.5, "error": "boom", "metadata": {}, "items": [item(3)]}).to_string(),
    ];
    work.write("old.ndjson", lines.join("\n") + "\n");
    let run = work.mdsctl(["inspect-dlq", "old.ndjson", "--json"]).run().expect(0);
    assert!(run.stdout.contains("boom"), "{run}");
    let run = work
        .mdsctl(["replay-dlq", "old.ndjson", "--table", "strict", "--dsn", &dsn, "--json"])
        .run()
        .expect(3);
    assert_eq!(run.books().inserted, 3, "{run}");
    assert!(run.stderr.contains("line 2 is not a JSON object"), "{run}");
    assert_eq!(volumes(&db), [1, 2, 3]);
    // The damaged line is kept.
    let parked = fs::read_to_string(work.path("old.parked.ndjson")).expect("it is kept");
    assert_eq!(parked.trim_end(), lines[1]);

    // And what we write is what its reader takes: four fields, items a list of objects.
    let path = work.write("bars.csv", csv([(1, Wrong::Check), (2, Wrong::Time)]));
    work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn]).run().expect(3);
    let text = fs::read_to_string(work.path(QUEUE)).expect("the queue");
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let names: Vec<&String> = record.as_object().expect("an object").keys().collect();
        assert_eq!(names.len(), 4);
        assert!(record["ts"].is_f64() && record["error"].is_string() && record["metadata"].is_object());
        assert!(record["items"].as_array().expect("a list").iter().all(Value::is_object));
    }
}

#[test]
fn two_replays_and_a_load_share_a_queue() {
    let (work, db) = (Work::new(), strict(""));
    let dsn = db.dsn();
    let to = ["--dataset", "bars", "--table", "strict", "--dsn", &dsn];
    let path = work.write("bars.csv", csv((1..=1_200).map(|row| (row, Wrong::Check))));
    work.mdsctl(["load", &path]).arguments(to).run().expect(3);
    let more = work.write("more.csv", csv((1_201..=1_800).map(|row| (row, Wrong::Check))));
    db.execute(
        "ALTER TABLE strict DROP CONSTRAINT strict_close_price_check;
         ALTER TABLE strict ADD CHECK (close_price <> 13 OR volume % 2 = 0)",
    );
    // While the table is locked the first replay is under way.
    let blocker = db.session().expect("a session");
    blocker.execute("BEGIN; LOCK TABLE strict IN ACCESS EXCLUSIVE MODE");
    let first = work.mdsctl(["replay-dlq", "--dsn", &dsn]).spawn();
    crate::harness::wait::until(crate::harness::wait::PATIENCE, "the claim", || {
        work.path(".dlq/.bars.replay.json").exists().then_some(())
    });
    let load = work.mdsctl(["load", &more]).arguments(to).spawn();
    let second = work.mdsctl(["replay-dlq", "--dsn", &dsn]).run().expect(2);
    assert!(second.stderr.contains("is being replayed by process"), "{second}");
    blocker.execute("COMMIT");
    first.finish().expect(3);
    load.finish().expect(3);
    let stored = volumes(&db);
    let queued = queued(&work, &[QUEUE]);
    let from_load = |row: u64| row > 600;
    assert!(stored.iter().all(|row| row % 2 == 0), "odd ones break the CHECK");
    assert_eq!(stored, (1..=1_800).filter(|row| row % 2 == 0).collect::<Vec<_>>());
    // Rows of the second file have its own numbers, 1 to 600.
    let attempts = |row: u64| match (row, from_load(row)) {
        (row, true) => (row % 2 == 1).then(|| vec![2]),
        (row, false) => (row % 2 == 1).then(|| vec![1, 2]),
    };
    for row in 1..=1_200 {
        let mut have = queued.get(&row).cloned();
        if let Some(have) = &mut have {
            have.sort_unstable();
        }
        assert_eq!(have, attempts(row), "row {row}");
    }
}

/// Kills of a replay for each kind of table, unless `MDSCTL_REPLAY_KILLS` asks for more.
const KILLS: u64 = 4;

fn torment(key: &str, salt: u64) {
    let wanted: u64 =
        std::env::var("MDSCTL_REPLAY_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let mut random = Random::new(crate::harness::seed::seed(), salt);
    let mut hits = 0;
    while hits < wanted {
        let (work, db) = (Work::new(), strict(key));
        let dsn = db.dsn();
        let rows = 4_000u64;
        let path = work.write("bars.csv", csv((1..=rows).map(|row| (row, WRONGS[(row % 5) as usize]))));
        work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn]).run().expect(3);
        db.execute("ALTER TABLE strict ALTER symbol TYPE varchar(20)");
        let replay = || {
            let engine = ["--batch-size", "20", "--workers", "3", "--max-attempts", "1000", "--quiet"];
            work.mdsctl(["replay-dlq", "--where", "stage=write", "--dsn", &dsn]).arguments(engine)
        };
        for _ in 0..8 {
            let goal = db.count("strict") + random.between(0, 300) as u64;
            let mut running = replay().spawn();
            let ended = crate::harness::wait::within(crate::harness::wait::PATIENCE, || {
                (running.has_ended() || db.count("strict") > goal).then(|| running.has_ended())
            });
            if !ended.expect("it ends or stores something") {
                running.signal(Signal::KILL);
            }
            let killed = running.finish_quietly() == -(Signal::KILL.as_raw());
            hits += u64::from(killed);
            if !killed {
                break;
            }
        }
        let run = replay().run();
        assert!(matches!(run.code, 0 | 3), "{run}");
        let cured = |row: u64| WRONGS[(row % 5) as usize] == Wrong::Symbol;
        assert_eq!(volumes(&db), (1..=rows).filter(|row| cured(*row)).collect::<Vec<_>>(), "{key}");
        let queued = queued(&work, &[QUEUE]);
        assert_eq!(
            queued.iter().map(|(row, letters)| (*row, letters.len())).collect::<Vec<_>>(),
            (1..=rows).filter(|row| !cured(*row)).map(|row| (row, 1)).collect::<Vec<_>>(),
            "{key}"
        );
        assert_eq!(files(&work), ["bars.ndjson"], "{key}");
    }
}

#[test]
fn kill_9_of_a_replay_into_a_table_with_a_key() {
    torment(KEYED, 1);
}

#[test]
fn kill_9_of_a_replay_into_a_table_without_one() {
    torment("", 2);
}

#[test]
fn an_outage_leaves_the_claim_for_the_next_replay() {
    let (work, db) = (Work::new(), strict(KEYED));
    let dsn = db.dsn();
    let path = work.write("bars.csv", csv((1..=100).map(|row| (row, Wrong::Symbol))));
    work.mdsctl(["load", &path, "--dataset", "bars", "--table", "strict", "--dsn", &dsn]).run().expect(3);
    db.execute("ALTER TABLE strict ALTER symbol TYPE varchar(20)");
    let away = "host=127.0.0.1 port=1 dbname=x user=x connect_timeout=1";
    let run = work.mdsctl(["replay-dlq", "--dsn", away]).run().expect(5);
    assert!(!run.stderr.contains("panicked"), "{run}");
    // Nothing was begun, so that nobody is bound by it.
    assert_eq!(files(&work), ["bars.1.ndjson"]);
    assert!(!work.path(".dlq/.bars.replay.json").exists());
    let run = work.mdsctl(["replay-dlq", "--dsn", &dsn, "--json"]).run().expect(0);
    assert_eq!(run.books().inserted, 100, "{run}");
    assert!(Path::new(&work.path(".dlq")).exists() && files(&work).is_empty());
}

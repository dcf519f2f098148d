//! A table without a key, where nobody can tell by the rows what is there already: a tail that is killed
//! goes on just behind what the store has, whichever of its files that came from.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, append};
use crate::generator::random::Random;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::seed::seed;
use crate::harness::{Postgres, Store, Work, wait};

/// Kills of a running tail, unless `MDSCTL_TAIL_KILLS` asks for more.
const KILLS: u64 = 12;

const HEADER: &str = "seq,note\n";

/// A table without a key.
fn scene(kind: &str) -> (Work, Store) {
    let work = Work::new();
    let columns = "(seq BIGINT NOT NULL CONSTRAINT odd CHECK (seq % 101 <> 0), note TEXT)";
    let store = if kind == "sqlite" {
        let path = work.path("store.db");
        let table = format!("CREATE TABLE seqs {}", columns.replace("BIGINT", "INTEGER"));
        rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(&table)).expect("a table");
        Store::Sqlite(path)
    } else {
        let db = Postgres::shared().database();
        db.execute(&format!("CREATE TABLE seqs {columns}"));
        Store::Postgres(db)
    };
    (work, store)
}

fn tail(work: &Work, store: &Store, input: &str) -> Mdsctl {
    work.mdsctl([
        "tail",
        input,
        "--table",
        "seqs",
        "--json",
        "--dlq",
        "letters.ndjson",
        "--dsn",
        &store.dsn(),
    ])
    .within(PATIENCE)
}

fn line(seq: u64) -> String {
    match seq % 97 {
        0 => format!("{seq}x,bad\n"),
        _ => format!("{seq},\"a\nb\"\n"),
    }
}

/// How often each row is in the table, and in the dead letters.
fn found(work: &Work, store: &Store) -> (BTreeMap<u64, u64>, BTreeMap<u64, u64>) {
    let mut stored = BTreeMap::new();
    for row in store.rows("SELECT seq, count(*) FROM seqs GROUP BY seq") {
        let number = |at: usize| row[at].as_deref().and_then(|text| text.parse().ok()).expect("a number");
        stored.insert(number(0), number(1));
    }
    let mut buried: BTreeMap<u64, u64> = BTreeMap::new();
    for letter in work.dlq("letters.ndjson") {
        for item in &letter.items {
            let seq = item["seq"].as_str().map_or_else(|| item["seq"].to_string(), str::to_owned);
            *buried.entry(seq.trim_end_matches('x').parse().expect("a number")).or_default() += 1;
        }
    }
    (stored, buried)
}

/// Fails unless each of the rows up to that one is in the table once, or in the dead letters.
fn assert_exact(work: &Work, store: &Store, last: u64, what: &str) {
    let (stored, buried) = found(work, store);
    let good = |seq: &u64| !seq.is_multiple_of(97) && !seq.is_multiple_of(101);
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(twice.is_empty(), "{what}: twice in the table: {twice:?}");
    let missing: Vec<u64> = (1..=last).filter(good).filter(|seq| !stored.contains_key(seq)).take(5).collect();
    assert!(missing.is_empty(), "{what}: not in the table: {missing:?}");
    let lost: Vec<u64> = (1..=last).filter(|seq| !good(seq) && !buried.contains_key(seq)).take(5).collect();
    assert!(lost.is_empty(), "{what}: not in the dead letters: {lost:?}");
    assert!(stored.keys().chain(buried.keys()).all(|seq| (1..=last).contains(seq)), "{what}: more than that");
}

fn progress(store: &Store) -> u64 {
    let rows = store.try_rows("SELECT coalesce(max(seq), 0) FROM seqs").ok();
    rows.and_then(|rows| rows.first()?.first()?.as_ref()?.parse().ok()).unwrap_or(0)
}

/// Waits until a row above that one is in the table.
fn comes_to(store: &Store, goal: u64, running: &mut Running) {
    wait::until(PATIENCE, &format!("row {goal} in the table"), || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        (progress(store) >= goal).then_some(())
    });
}

/// Writes to so many files, now to this one and now to that one, and rotates them, while the tail is killed
/// again and again.
fn torment(kind: &str, files: u64) {
    let wanted = std::env::var("MDSCTL_TAIL_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let seed = seed();
    let (work, store) = scene(kind);
    for file in 0..files {
        append(&work, &format!("in/{file}.csv"), &(HEADER.to_owned() + &line(file + 1)));
    }
    // What is rotated away before any tail has seen it is none of theirs.
    tail(&work, &store, "in/*.csv").arguments(["--idle-exit", "300ms"]).run().expect(0);
    assert_eq!(store.count("seqs"), Some(files));
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(files));
    let what = format!("{store}, {files} files, seed {seed}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(seed, files);
            let mut rotated = 0;
            while !stop.load(Ordering::Relaxed) {
                let name = format!("in/{}.csv", random.next() % files);
                let first = written.load(Ordering::Relaxed) + 1;
                let last = first + random.between(0, 40) as u64;
                append(&work, &name, &(first..=last).map(line).collect::<String>());
                written.store(last, Ordering::Relaxed);
                if random.once_in(60) {
                    rotated += 1;
                    fs::rename(work.path(&name), work.path(&format!("{name}.{rotated}"))).expect("renamed");
                    append(&work, &name, HEADER);
                }
                // It is to be ahead of the tail at times, and behind it at others.
                if random.once_in(3) {
                    std::thread::sleep(Duration::from_micros(random.between(0, 4_000) as u64));
                }
                wait::until(PATIENCE, "the tail to come near", || {
                    let near = last < progress(&store) + 20_000 || stop.load(Ordering::Relaxed);
                    near.then_some(())
                });
            }
        });
        let mut random = Random::new(seed, 77);
        for _ in 0..wanted {
            let (workers, batch) = (random.between(1, 4).to_string(), random.between(5, 200).to_string());
            let flags = ["--workers", &workers, "--batch-size", &batch, "--capacity", "1000"];
            let goal = progress(&store) + random.between(1, 3_000) as u64;
            let mut running = tail(&work, &store, "in/*.csv").arguments(flags).spawn();
            if !random.once_in(6) {
                comes_to(&store, goal, &mut running);
            }
            running.signal(Signal::KILL);
            running.finish_quietly();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let run = tail(&work, &store, "in/*.csv").arguments(["--idle-exit", "1s"]).run();
    assert!([0, 3].contains(&run.code), "{what}: {run}");
    assert_exact(&work, &store, written.load(Ordering::Relaxed), &what);
    assert_eq!(store.count("mds_checkpoints"), Some(0), "{what}: nothing is left to go on with");
    // What has ended well is exact by its places alone.
    let again = tail(&work, &store, "in/*.csv").arguments(["--idle-exit", "300ms"]).run().expect(0);
    assert_eq!(again.books().read, 0, "{what}: {again}");
}

#[test]
fn one_file_into_postgresql() {
    torment("postgres", 1);
}

#[test]
fn many_files_into_postgresql() {
    torment("postgres", 4);
}

#[test]
fn one_file_into_sqlite() {
    torment("sqlite", 1);
}

#[test]
fn many_files_into_sqlite() {
    torment("sqlite", 4);
}

/// Where it cannot go on exactly it says so, and loses nothing.
#[test]
fn what_a_kill_leaves_in_doubt_is_said() {
    for kind in ["sqlite", "postgres"] {
        let (work, store) = scene(kind);
        append(&work, "in/a.csv", HEADER);
        let mut last = 0;
        let mut run = |flags: &[&str], signal: Signal| {
            let lines: String = (last + 1..=last + 10).map(line).collect();
            last += 10;
            append(&work, "in/a.csv", &lines);
            let mut running = tail(&work, &store, "in/*.csv").arguments(flags.iter().copied()).spawn();
            comes_to(&store, last, &mut running);
            running.signal(signal);
            running.finish().stderr
        };
        let doubt = |said: &str, why: &str| {
            assert!(said.contains("did not come to its end, and it") && said.contains(why), "{said}");
            assert!(said.contains("its last lines may be in"), "{said}");
        };
        let exact = |said: &str| assert!(!said.contains("twice"), "{said}");
        exact(&run(&[], Signal::KILL));
        exact(&run(&[], Signal::KILL));
        doubt(&run(&["--map", "note=note"], Signal::KILL), "differed in --map");
        doubt(&run(&[], Signal::INT), "differed in --map");
        // An end in order leaves no doubt.
        exact(&run(&["--map", "note=note"], Signal::TERM));
        let left = store.rows("SELECT count(DISTINCT run_id) FROM mds_checkpoints");
        assert_eq!(left[0][0].as_deref(), Some("2"), "of the two that were not gone on with");
        let said = run(&["--overflow", "drop-oldest"], Signal::TERM);
        assert!(said.contains("after a crash the last lines may be in it twice"), "{said}");
        exact(&run(&[], Signal::KILL));
    }
}

/// A scene after a tail that was killed as soon as it had stored those rows of a file.
fn killed(kind: &str, rows: u64) -> (Work, Store) {
    let (work, store) = scene(kind);
    append(&work, "in/a.csv", &(HEADER.to_owned() + &(1..=rows).map(line).collect::<String>()));
    let mut running = tail(&work, &store, "in/*.csv").spawn();
    comes_to(&store, rows, &mut running);
    running.signal(Signal::KILL);
    running.finish_quietly();
    (work, store)
}

fn all(work: &Work, store: &Store) -> crate::harness::Run {
    tail(work, store, "in/*.csv").arguments(["--idle-exit", "500ms"]).run()
}

/// A file with other content has none of its rows, though it begins as the one before.
#[test]
fn other_content_that_begins_alike_is_stored() {
    for kind in ["sqlite", "postgres"] {
        for again in [false, true] {
            let (work, store) = scene(kind);
            let first = HEADER.to_owned() + &line(1);
            append(&work, "in/a.csv", &first);
            let mut running = tail(&work, &store, "in/*.csv").spawn();
            comes_to(&store, 1, &mut running);
            append(&work, "in/a.csv", &(2..=3_000).map(line).collect::<String>());
            let settled = |store: &Store| {
                let (stored, buried) = found(&work, store);
                (stored.len() + buried.len() == 3_000).then_some(())
            };
            wait::until(PATIENCE, "all rows", || settled(&store));
            running.signal(Signal::KILL);
            running.finish_quietly();
            if again {
                fs::remove_file(work.path("in/a.csv")).expect("deleted");
            }
            work.write("in/a.csv", first + &(3_001..=6_000).map(line).collect::<String>());
            all(&work, &store);
            let (stored, buried) = found(&work, &store);
            let rows = stored.len() + buried.len();
            assert_eq!(rows, 6_000, "{kind}");
            // What it begins with may be the same, or the same once more.
            assert!(stored.iter().all(|(seq, count)| *seq == 1 || *count == 1), "{kind}");
        }
    }
}

/// A signal while what was there before a crash is read again ends nothing for good.
#[test]
fn interrupted_while_it_reads_again() {
    for kind in ["sqlite", "postgres"] {
        let (work, store) = scene(kind);
        let rows = 60_000;
        append(&work, "in/a.csv", &(HEADER.to_owned() + &(1..=rows).map(line).collect::<String>()));
        let mut running = tail(&work, &store, "in/*.csv").spawn();
        comes_to(&store, 1, &mut running);
        running.signal(Signal::KILL);
        running.finish_quietly();
        for _ in 0..4 {
            let runs = store.count("mds_runs");
            let mut running = tail(&work, &store, "in/*.csv").spawn();
            wait::until(PATIENCE, "the run", || (store.count("mds_runs") > runs).then_some(()));
            assert!(!running.has_ended());
            running.signal(Signal::TERM);
            running.finish_quietly();
        }
        all(&work, &store);
        assert_exact(&work, &store, rows, kind);
    }
}

/// Files that are away for one start are known again, and what was rotated over the last one is read.
#[test]
fn files_that_were_away() {
    let (work, store) = killed("sqlite", 50);
    all(&work, &store);
    fs::rename(work.path("in"), work.path("elsewhere")).expect("unmounted");
    fs::create_dir(work.path("in")).expect("the place of the mount");
    let run = all(&work, &store).expect(0);
    assert!(run.stderr.contains("what was read of in/a.csv (up to byte"), "{run}");
    fs::remove_dir(work.path("in")).expect("it is empty");
    fs::rename(work.path("elsewhere"), work.path("in")).expect("mounted");
    append(&work, "in/a.csv", &(51..=60).map(line).collect::<String>());
    let run = all(&work, &store).expect(0);
    assert_eq!(run.books().read, 10, "{run}");
    // Two rotations of which one copy is kept.
    append(&work, "in/a.csv", &line(61));
    fs::rename(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("renamed");
    append(&work, "in/a.csv", &(HEADER.to_owned() + &(62..=64).map(line).collect::<String>()));
    fs::rename(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("renamed over it");
    append(&work, "in/a.csv", &(HEADER.to_owned() + &(65..=66).map(line).collect::<String>()));
    all(&work, &store).expect(0);
    let stored = found(&work, &store).0;
    assert!(!stored.contains_key(&61) && (62..=66).all(|seq| stored.get(&seq) == Some(&1)), "{stored:?}");
}

/// Whether a checkpoint file has that text. Files that take the place of others come and go beside it.
fn is_noted(work: &Work, text: &str) -> bool {
    let mut kept = fs::read_dir(work.path(".mdsctl")).into_iter().flatten().flatten();
    kept.any(|kept| fs::read_to_string(kept.path()).is_ok_and(|kept| kept.contains(text)))
}

/// What the first rows have told holds for those after a restart, and a row that waits for more is not lost.
#[test]
fn what_was_learned_outlives_a_restart() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let header = "date,vendor,symbol,open,high,low,close,volume\n";
    let bar = |time: &str| format!("{time},v,A,1,1,1,1,1\n");
    let run = || {
        let flags = ["tail", "bars.csv", "--dataset", "bars", "--json", "--idle-exit", "300ms"];
        work.mdsctl(flags).arguments(["--dsn", &store.dsn()]).run()
    };
    let minutes = "25/12/2023 10:00\n25/12/2023 10:01\n25/12/2023 10:02";
    append(&work, "bars.csv", &(header.to_owned() + &minutes.lines().map(bar).collect::<String>()));
    run().expect(0);
    append(&work, "bars.csv", &(bar("04/01/2024 10:00") + &bar("04/01/2024 11:00")));
    run().expect(0);
    let sql = "SELECT ts, timeframe FROM bars ORDER BY ts";
    let rows = store.rows(sql);
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert!(rows.iter().all(|row| row[1].as_deref() == Some("1m")), "{rows:?}");
    assert!(rows[3][0].as_deref().is_some_and(|time| time.starts_with("2024-01-04")), "{rows:?}");

    // One bar alone tells nothing, and its file is rotated away.
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "bars.csv", &(header.to_owned() + &bar("2024-03-04 10:00")));
    let flags = ["tail", "bars.csv", "--dataset", "bars", "--json", "--dlq", "letters.ndjson", "--dsn"];
    let mut running = work.mdsctl(flags).arguments([store.dsn()]).spawn();
    wait::until(PATIENCE, "the file to be noted", || is_noted(&work, "bars.csv").then_some(()));
    std::fs::rename(work.path("bars.csv"), work.path("bars.csv.1")).expect("renamed");
    append(&work, "bars.csv", &(header.to_owned() + &bar("2024-03-04 10:01") + &bar("2024-03-04 10:02")));
    wait::until(PATIENCE, "the two bars", || (store.count("bars") == Some(2)).then_some(()));
    wait::until(PATIENCE, "the one bar among the dead letters", || {
        assert!(!running.has_ended(), "{}", running.said());
        let letters = fs::read_to_string(work.path("letters.ndjson")).unwrap_or_default();
        letters.contains("\"no_timeframe\"").then_some(())
    });
    running.signal(Signal::TERM);
    assert_eq!(running.finish().books().rejected, 1);
}

/// A tail whose rows another one has taken over writes nothing more, and says why.
#[test]
fn a_tail_that_is_taken_over() {
    for kind in ["sqlite", "postgres"] {
        let (work, store) = scene(kind);
        append(&work, "in/a.csv", &(HEADER.to_owned() + &line(1)));
        let running = {
            let mut running = tail(&work, &store, "in/*.csv").spawn();
            comes_to(&store, 1, &mut running);
            running
        };
        let other = "01a20faa-ce58-71e1-9af5-cf1eba01b024";
        let sql = format!("UPDATE mds_runs SET resumed_by = '{other}'");
        match &store {
            Store::Postgres(db) => db.execute(&sql),
            Store::Sqlite(path) => {
                rusqlite::Connection::open(path).and_then(|db| db.execute_batch(&sql)).expect("it is done");
            }
        }
        append(&work, "in/a.csv", &line(2));
        let run = running.finish().expect(2);
        assert!(run.stderr.contains(&format!("was taken over by run {other}")), "{run}");
        assert!(!run.stderr.contains("invalid input"), "{run}");
        assert_eq!(store.count("seqs"), Some(1), "{run}");
    }
}

/// Copied and truncated, or rotated twice over one copy, while no tail runs; the next one is killed before it
/// has stored any of it.
#[test]
fn rotations_while_no_tail_runs() {
    let (work, store) = killed("sqlite", 20);
    all(&work, &store);
    append(&work, "in/a.csv", &(21..=30).map(line).collect::<String>());
    fs::copy(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("copied");
    work.write("in/a.csv", HEADER.to_owned() + &line(31));
    all(&work, &store);
    assert_exact(&work, &store, 31, "copied and truncated");

    let (work, store) = killed("sqlite", 20);
    all(&work, &store);
    fs::rename(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("renamed");
    append(&work, "in/a.csv", &(HEADER.to_owned() + &(21..=40).map(line).collect::<String>()));
    fs::rename(work.path("in/a.csv"), work.path("in/a.csv.1")).expect("renamed over it");
    append(&work, "in/a.csv", &(HEADER.to_owned() + &line(41)));
    let Store::Sqlite(path) = &store else { unreachable!() };
    let runs = store.count("mds_runs");
    let running = tail(&work, &store, "in/*.csv").spawn();
    wait::until(PATIENCE, "the run", || (store.count("mds_runs") > runs).then_some(()));
    let lock = rusqlite::Connection::open(path).expect("the file");
    let _ = lock.execute_batch("BEGIN IMMEDIATE");
    wait::until(PATIENCE, "the note of what was found", || is_noted(&work, "a.csv.1\"").then_some(()));
    running.signal(Signal::KILL);
    running.finish_quietly();
    drop(lock);
    let run = all(&work, &store);
    assert_exact(&work, &store, 41, &format!("rotated twice: {run}"));
}

//! `--share`: one list of inputs, any number of loaders; each row once, whoever dies, hangs or is told to stop.

mod lines;
mod order;
mod pieces;
mod refusals;

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use rustix::process::Signal;
use serde_json::Value;

use crate::generator::random::Random;
#[cfg(feature = "objects")]
use crate::harness::bucket::Bucket;
use crate::harness::rows::parquet;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Work, wait};

/// A table in PostgreSQL, and a directory with files.
struct Scene {
    work: Work,
    db: Db,
}

impl Scene {
    fn new(keyed: bool) -> Self {
        let (work, db) = (Work::new(), Postgres::shared().database());
        let key = if keyed { ", PRIMARY KEY (symbol, ts)" } else { "" };
        db.execute(&format!(
            "CREATE TABLE t (ts timestamptz NOT NULL, symbol text NOT NULL, seq bigint NOT NULL{key})"
        ));
        Self { work, db }
    }

    /// A loader of the job.
    fn loader(&self, job: &str, more: &[&str]) -> Mdsctl {
        self.loader_of("in", job, more)
    }

    /// One whose list is of these inputs.
    fn loader_of(&self, inputs: &str, job: &str, more: &[&str]) -> Mdsctl {
        self.work
            .mdsctl(["load", inputs, "--share", job, "--table", "t", "--json", "--dsn", &self.db.dsn()])
            .arguments(["--workers", "1", "--batch-size", "50", "--capacity", "400"])
            .arguments(more)
            .within(PATIENCE)
    }

    fn job(&self, job: &str) -> Value {
        let run = self.work.mdsctl(["runs", job, "--json", "--dsn", &self.db.dsn()]).run().expect(0);
        run.json()
    }

    /// Waits until so many rows are in the table.
    fn comes_to(&self, rows: u64) {
        wait::until(PATIENCE, "rows in the table", || (self.db.count("t") >= rows).then_some(()));
    }
}

/// A file of rows with keys and numbers of their own, in the format that its place calls for.
fn write(work: &Work, place: u64, rows: u64) {
    let first = place * rows;
    let at = |row: u64| 1_700_000_000 + row * 60;
    let symbol = |row: u64| ["AAPL", "MSFT", "IBM"][row as usize % 3];
    let name = |extension: &str| format!("in/{place:03}.{extension}");
    match place % 3 {
        0 => {
            let mut text = String::from("ts,symbol,seq\n");
            (first..first + rows).for_each(|row| {
                let _ = writeln!(text, "{},{},{row}", at(row), symbol(row));
            });
            work.write(&name("csv"), text);
        }
        1 => {
            let mut text = String::new();
            (first..first + rows).for_each(|row| {
                let _ = writeln!(text, "{{\"ts\":{},\"symbol\":\"{}\",\"seq\":{row}}}", at(row), symbol(row));
            });
            work.write(&name("ndjson"), text);
        }
        _ => {
            let all = || first..first + rows;
            let times: ArrayRef =
                Arc::new(Int64Array::from_iter_values(all().map(|row| at(row).cast_signed())));
            let symbols: ArrayRef = Arc::new(StringArray::from_iter_values(all().map(symbol)));
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(all().map(u64::cast_signed)));
            work.write(&name("parquet"), "");
            let batch = RecordBatch::try_from_iter([("ts", times), ("symbol", symbols), ("seq", numbers)]);
            parquet(work, &name("parquet"), &batch.expect("columns of one length"));
        }
    }
}

/// Fails unless each of so many rows is in the table once.
fn assert_once(scene: &Scene, rows: u64, what: &str) {
    let found = scene.db.rows("SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM t");
    let expected = [rows, rows, 0, rows - 1].map(|n| Some(n.to_string()));
    assert_eq!(found, [expected.to_vec()], "{what}");
}

/// Fails unless the books of a job close over so many rows.
fn assert_closed(job: &Value, rows: u64, what: &str) {
    let count = |name: &str| job["rows"][name].as_u64().unwrap_or_else(|| panic!("{name}: {job}"));
    assert_eq!(count("read"), rows, "{what}: {job}");
    let outcomes = ["inserted", "updated", "unchanged", "superseded", "rejected", "dropped", "skipped"];
    assert_eq!(outcomes.iter().map(|name| count(name)).sum::<u64>(), rows, "{what}: {job}");
    assert_eq!((job["status"].as_str(), job["exit_code"].as_u64()), (Some("done"), Some(0)), "{what}: {job}");
}

/// Kills of loaders; scripts/campaign asks for more.
fn kills() -> u64 {
    std::env::var("MDSCTL_SHARE_KILLS").map_or(3, |kills| kills.parse().expect("a number"))
}

/// Stops a loader where it has no transaction open, whose locks others would wait for.
fn stop_between_transactions(loader: &Running, db: &Db) {
    let open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend' AND xact_start IS NOT NULL";
    wait::until(PATIENCE, "the loader to stand between two transactions", || {
        loader.signal(Signal::STOP);
        wait::until(PATIENCE, "it to stand still", || loader.stands_still().then_some(()));
        // What the server has been asked for already it ends.
        let closed = (0..20).any(|_| db.rows(open).is_empty());
        if !closed {
            loader.signal(Signal::CONT);
        }
        closed.then_some(())
    });
}

#[test]
fn four_loaders_share_the_files_and_three_of_them_are_killed() {
    for keyed in [true, false] {
        let scene = Scene::new(keyed);
        killed_at_random(
            &scene,
            keyed,
            kills(),
            |place| write(&scene.work, place, ROWS),
            || scene.loader("night", &[]),
        );
    }
}

#[cfg(feature = "objects")]
#[test]
fn four_loaders_share_the_objects_of_a_bucket_and_some_of_them_are_killed() {
    for keyed in [true, false] {
        let (scene, bucket) = (Scene::new(keyed), Bucket::new());
        let put = |place| {
            write(&scene.work, place, ROWS);
            let folder = std::fs::read_dir(scene.work.path("in")).expect("a folder");
            for file in folder.map(|entry| entry.expect("a file")) {
                let name = file.file_name().into_string().expect("a name");
                bucket.put(&format!("in/{name}"), std::fs::read(file.path()).expect("its bytes"));
                std::fs::remove_file(file.path()).expect("it was there");
            }
        };
        let loader = || bucket.open(scene.loader_of("s3://days/in/*", "night", &[]));
        killed_at_random(&scene, keyed, kills(), put, loader);
    }
}

/// Rows of a file.
const ROWS: u64 = 700;

/// Four loaders of files that `put` puts in their places, some of which are killed and followed by others.
fn killed_at_random(scene: &Scene, keyed: bool, kills: u64, put: impl Fn(u64), loader: impl Fn() -> Mdsctl) {
    let files = if kills > 3 { 10 * kills } else { 40 };
    (0..files).for_each(put);
    let mut random = Random::new(crate::harness::seed::seed(), u64::from(keyed));
    let mut loaders: Vec<Running> = (0..4).map(|_| loader().spawn()).collect();
    let between = (files * ROWS - 6_000) / kills;
    for kill in 0..kills {
        scene.comes_to(1_000 + kill * between + random.next() % (between / 2));
        let victim = random.next() as usize % loaders.len();
        let victim = loaders.swap_remove(victim);
        victim.signal(Signal::KILL);
        assert_eq!(victim.finish_quietly(), -9, "it was to be killed at its work");
        loaders.push(loader().spawn());
    }
    let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(0)).collect();
    let what =
        format!("keyed {keyed}\n{}", runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    assert_once(scene, files * ROWS, &what);
    let job = scene.job("night");
    assert_closed(&job, files * ROWS, &what);
    // One that was killed before its first claim was none.
    assert!(job["loaders"].as_u64().is_some_and(|loaders| (4..=4 + kills).contains(&loaders)), "{job}");
    assert_eq!(job["parts"]["total"], job["parts"]["done"], "{job}");
    assert!(job["parts"]["total"].as_u64().is_some_and(|parts| parts >= 40), "{job}");
    assert_eq!(job["settled"], 0, "no key is in two files: {job}");
    // Each loader counts what it did itself; those that were killed did the rest.
    let read: u64 = runs.iter().map(|run| run.books().read).sum();
    assert!(read <= files * ROWS, "{what}");
    let skipped = job["rows"]["skipped"].as_u64().unwrap_or_default();
    let inserted = job["rows"]["inserted"].as_u64().unwrap_or_default();
    assert_eq!(inserted + skipped, files * ROWS, "{job}");
    let left = scene.db.count("mds_checkpoints");
    assert_eq!(left, 0, "nothing is left to go on with");
    // Once more: nothing is loaded.
    let again = loader().run().expect(0);
    assert!(again.stderr.contains("everything is loaded"), "{again}");
    assert_eq!(again.books().read, 0, "{again}");
    assert_once(scene, files * ROWS, "run again");
}

#[test]
fn a_loader_that_is_told_to_stop_gives_its_part_back_at_once() {
    for keyed in [true, false] {
        let scene = Scene::new(keyed);
        (0..3).for_each(|place| write(&scene.work, place, 8_000));
        let first = scene.loader("j", &["--lease", "10m"]).spawn();
        scene.comes_to(500);
        first.signal(Signal::INT);
        let first = first.finish().expect(130);
        assert!(first.error().contains("the same command goes on with job j"), "{first}");
        let stored = scene.db.count("t");
        assert!(stored < 24_000, "it was over before the signal");
        let job = scene.job("j");
        assert_eq!((job["status"].as_str(), &job["parts"]["claimed"]), (Some("loading"), &0.into()), "{job}");
        assert_eq!((&job["eta_s"], &job["exit_code"]), (&Value::Null, &Value::Null), "{job}");
        let second = scene.loader("j", &["--lease", "10m"]).run().expect(0);
        assert!(second.stderr.contains("going on with part"), "{second}");
        assert_once(&scene, 24_000, &second.to_string());
        let job = scene.job("j");
        assert_closed(&job, 24_000, "a part was given back");
        assert_eq!(first.books().inserted + second.books().inserted, 24_000, "{first}\n{second}");
        assert_eq!(job["loaders"], 2);
    }
}

/// It sleeps until others have taken its part over, and may store nothing of it any more.
#[test]
fn a_loader_that_hangs_loses_its_part_and_can_commit_nothing_more() {
    for keyed in [true, false] {
        let scene = Scene::new(keyed);
        (0..4).for_each(|place| write(&scene.work, place, 6_000));
        let hung = scene.loader("j", &["--lease", "3s"]).spawn();
        scene.comes_to(300);
        hung.signal(Signal::STOP);
        let other = scene.loader("j", &["--lease", "3s"]).run().expect(0);
        assert!(other.stderr.contains("going on with part"), "{other}");
        assert_once(&scene, 24_000, &other.to_string());
        hung.signal(Signal::CONT);
        let hung = hung.finish().expect(0);
        assert!(hung.stderr.contains("taken over by another loader"), "{hung}");
        assert_once(&scene, 24_000, &hung.to_string());
        assert_closed(&scene.job("j"), 24_000, &format!("{hung}\n{other}"));
    }
}

#[test]
fn rows_that_fail_are_counted_over_all_loaders_and_end_every_one_with_3() {
    let scene = Scene::new(true);
    for place in 0..6u64 {
        let bad = if place == 4 { "1700009999,IBM,x\n" } else { "" };
        let mut text = String::from("ts,symbol,seq\n");
        (0..300u64).for_each(|row| {
            let _ = writeln!(text, "{},IBM,{}", 1_700_000_000 + place * 30_000 + row * 60, place * 300 + row);
        });
        scene.work.write(&format!("in/{place}.csv"), text + bad);
    }
    let loaders: Vec<_> =
        (0..2).map(|at| scene.loader("j", &["--dlq", &format!("d{at}.ndjson")]).spawn()).collect();
    let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(3)).collect();
    assert_once(&scene, 1_800, "the good ones");
    let letters: Vec<_> = (0..2).flat_map(|at| scene.work.dlq(&format!("d{at}.ndjson"))).collect();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let job = scene.job("j");
    assert_eq!((&job["rows"]["read"], &job["rows"]["rejected"]), (&1_801.into(), &1.into()), "{job}");
    assert_eq!(job["exit_code"], 3, "{job}");
    assert_eq!(runs.iter().map(|run| run.books().rejected).sum::<u64>(), 1);
    let again = scene.loader("j", &[]).run().expect(3);
    assert!(again.stderr.contains("everything is loaded"), "{again}");
}

/// While it goes on, who does what; at its end, all of it in the summary of one loader.
#[test]
fn what_is_told_of_a_job() {
    let scene = Scene::new(true);
    (0..6).for_each(|place| write(&scene.work, place, 3_000));
    let people = |more: &[&str]| {
        scene
            .work
            .mdsctl(["load", "in", "--share", "night", "--table", "t", "--dsn", &scene.db.dsn()])
            .arguments(["--workers", "1", "--batch-size", "50", "--capacity", "400"])
            .arguments(more)
            .within(PATIENCE)
    };
    let loaders = [people(&[]).spawn(), people(&[]).spawn()];
    scene.comes_to(4_000);
    let job = wait::until(PATIENCE, "two loaders at work, and a part done", || {
        let job = scene.job("night");
        let (working, done) = (job["working"].as_array()?.len(), job["parts"]["done"].as_u64()?);
        (working == 2 && done > 0).then_some(job)
    });
    assert_eq!((job["status"].as_str(), &job["inputs"]), (Some("loading"), &6.into()), "{job}");
    assert!(job["eta_s"].as_f64().is_some_and(|eta| eta < 600.0), "{job}");
    let pids: Vec<u64> =
        job["working"].as_array().expect("a list").iter().filter_map(|w| w["pid"].as_u64()).collect();
    assert!(loaders.iter().all(|loader| pids.contains(&loader.pid().into())), "{job}");
    let shown = scene.work.mdsctl(["runs", "night", "--dsn", &scene.db.dsn()]).run().expect(0).stdout;
    for words in ["job night", "being loaded", "at work", "progress", " to go", "load into public.t"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let runs = loaders.map(|loader| loader.finish().expect(0));
    let last: Vec<_> = runs.iter().filter(|run| run.stderr.contains("6 inputs by 2 loaders")).collect();
    assert_eq!(last.len(), 1, "{}\n{}", runs[0], runs[1]);
    assert!(last[0].stderr.contains("18,000 read = 18,000 inserted"), "{}", last[0]);
    // The list has a line for the job and none for its claims.
    let all = scene.work.mdsctl(["runs", "--dsn", &scene.db.dsn()]).run().expect(0).stdout;
    assert_eq!(all.lines().count(), 2, "{all}");
    assert!(all.contains("night") && all.contains("6/6") && all.contains("18,000"), "{all}");
    let all = scene.work.mdsctl(["runs", "--json", "--dsn", &scene.db.dsn()]).run().expect(0).json();
    assert_eq!((&all["runs"], &all["jobs"][0]["job"]), (&Value::Array(vec![]), &"night".into()), "{all}");
}

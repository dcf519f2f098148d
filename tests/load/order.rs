//! Last row wins, whatever the parallelism: the table equals what loading row by row would leave.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::generator::random::Random;
use crate::harness::seed::seed;
use crate::harness::truth::{Notation, Table, assert_same};
use crate::harness::{Store, Work, on_every_store};

const COLUMNS: [(&str, Notation); 6] = [
    ("symbol", Notation::Text),
    ("ts", Notation::Instant),
    ("open_price", Notation::Number),
    ("close_price", Notation::Number),
    ("volume", Notation::Number),
    ("timeframe", Notation::Text),
];

/// What loading row by row, in order, leaves.
#[derive(Default)]
struct Model {
    rows: BTreeMap<(String, String), Vec<String>>,
    good: u64,
    bad: u64,
}

impl Model {
    fn table(&self) -> Table {
        self.rows.values().cloned().collect()
    }
}

/// Rows of a few keys, again and again, as CSV or NDJSON; some of them broken.
fn file(random: &mut Random, model: &mut Model, rows: i64, keys: i64, json: bool, bad: bool) -> String {
    let mut text = String::new();
    if !json {
        text.push_str("ts,symbol,open,high,low,close,volume\n");
    }
    for row in 0..rows {
        // Never the first: a file in which no row fits is refused as a whole.
        if bad && row > 0 && random.once_in(40) {
            text.push_str(if json { "{\"ts\": \n" } else { "half a row,AAPL\n" });
            model.bad += 1;
            continue;
        }
        let key = random.between(0, keys - 1);
        let (symbol, minute) = (["AAPL", "BRK.B", "NAN", "TRUE"][key as usize % 4], key / 4);
        let ts = format!("2024-03-{:02}T{:02}:{:02}:00", 4 + minute / 1440, minute / 60 % 24, minute % 60);
        let open = format!("{}.{}", random.between(1, 3), random.between(1, 9));
        let close = format!("{}.25", random.between(1, 2));
        // Null now and then: a later null wins over an earlier number.
        let volume = if random.once_in(6) { String::new() } else { random.between(1, 4).to_string() };
        let _ = if json {
            let volume = if volume.is_empty() { "null" } else { &volume };
            writeln!(
                text,
                r#"{{"volume":{volume},"symbol":"{symbol}","ts":"{ts}Z","open":{open},"high":9,"low":0.5,"close":{close}}}"#
            )
        } else {
            writeln!(text, "{ts}Z,{symbol},{open},9,0.5,{close},{volume}")
        };
        let volume = if volume.is_empty() { "∅".to_string() } else { volume };
        let row = vec![symbol.to_string(), format!("{ts}.000000Z"), open, close, volume, "1m".to_string()];
        model.rows.insert((symbol.to_string(), ts), row);
        model.good += 1;
    }
    text
}

fn flags(store: &Store) -> Vec<String> {
    ["--json", "--vendor", "acme", "--timeframe", "1m", "--dataset", "bars", "--dsn", &store.dsn()]
        .map(String::from)
        .to_vec()
}

#[test]
fn the_last_of_many_rows_with_the_same_key_wins() {
    on_every_store(|work, store, workers, what| {
        let (mut random, mut model) = (Random::new(5, 0), Model::default());
        let text = file(&mut random, &mut model, 5_000, 60, false, false);
        let path = work.write("many.csv", text);
        let program = work.mdsctl(["load", &path, "--workers", workers, "--batch-size", "64"]);
        let books = program.arguments(flags(store)).run().expect(0).books();
        assert_eq!(books.read, 5_000, "{what}");
        assert_eq!(books.inserted, 60, "{what}");
        assert_same(&store.table("bars", &COLUMNS), &model.table(), what);
    });
}

#[test]
fn the_last_of_several_files_wins() {
    on_every_store(|work, store, workers, what| {
        let (mut random, mut model) = (Random::new(6, 0), Model::default());
        let paths: Vec<String> = (0..4)
            .map(|i| {
                let text = file(&mut random, &mut model, 700, 200, i % 2 == 1, false);
                // Named against the order in which they are given.
                work.write(&format!("{}.txt", 9 - i), text)
            })
            .collect();
        let program =
            work.mdsctl(["load", "--workers", workers, "--batch-size", "50"]).arguments(flags(store));
        program.arguments(paths).run().expect(0).books();
        assert_same(&store.table("bars", &COLUMNS), &model.table(), what);
    });
}

#[test]
fn files_of_a_directory_come_in_the_order_of_their_names() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let (mut random, mut model) = (Random::new(8, 0), Model::default());
    for name in ["in/2024-01.csv", "in/2024-02.csv", "in/2024-10.csv", "in/later/2023-01.csv"] {
        let text = file(&mut random, &mut model, 300, 40, false, false);
        work.write(name, text);
    }
    let program = work.mdsctl(["load", "in/**/*.csv", "--workers", "4"]).arguments(flags(&store));
    program.run().expect(0).books();
    assert_same(&store.table("bars", &COLUMNS), &model.table(), "a directory");
}

/// Random files, batches and workers against the model. `MDSCTL_TEST_SEED` replays a failure.
#[test]
fn random_loads_leave_what_the_model_leaves() {
    let seed = seed();
    for case in 0..10 {
        let mut random = Random::new(seed, case);
        let work = Work::new();
        let store = if case % 2 == 0 { Store::postgres() } else { Store::sqlite(&work) };
        let mut model = Model::default();
        // Two loads into the same store: the second meets the first one's rows.
        for load in 0..2 {
            let (good, bad) = (model.good, model.bad);
            let (keys, files) = (random.between(1, 500), random.between(1, 3));
            let paths: Vec<String> = (0..files)
                .map(|i| {
                    let (rows, json) = (random.between(1, 1_200), random.once_in(2));
                    let text = file(&mut random, &mut model, rows, keys, json, true);
                    let extension = if json { "ndjson" } else { "csv" };
                    work.write(&format!("{load}-{i}.{extension}"), text)
                })
                .collect();
            let (workers, batch) = (random.between(1, 6).to_string(), random.between(1, 300).to_string());
            let what =
                format!("seed {seed}, case {case}, load {load}: {workers} workers, batches of {batch}");
            let (good, bad) = (model.good - good, model.bad - bad);
            if good == 0 {
                continue;
            }
            let program = work.mdsctl(["load", "--workers", &workers, "--batch-size", &batch]);
            let run = program.arguments(flags(&store)).arguments(paths).run();
            let books = run.clone().expect(if bad == 0 { 0 } else { 3 }).books();
            assert_eq!((books.read, books.rejected), (good + bad, bad), "{what}: {run}");
            assert_same(&store.table("bars", &COLUMNS), &model.table(), &what);
        }
    }
}

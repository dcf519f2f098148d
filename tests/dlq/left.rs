//! The dead letters of a file have no room: its good rows are stored all the same, and a resume buries exactly
//! those that were refused.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::writer::{Full, numbers};
use crate::harness::{Postgres, Run, Store, Work};

const ROWS: u64 = 2000;

/// A row of each file: every tenth is refused by us, and another tenth by the store.
fn row(id: u64) -> (&'static str, String) {
    match id % 10 {
        7 => ("bad", id.to_string()),
        3 => ("fine", "many".to_owned()),
        _ => ("fine", (id * 2).to_string()),
    }
}

fn is_good(id: u64) -> bool {
    !matches!(id % 10, 3 | 7)
}

/// Rows of those numbers in a file of that format.
fn file(work: &Work, name: &str, format: &str, ids: std::ops::RangeInclusive<u64>) -> String {
    let name = format!("{name}.{format}");
    let bytes = match format {
        "csv" => {
            let line = |id| format!("{id},{},{}\n", row(id).0, row(id).1);
            ("id,v,n\n".to_owned() + &ids.map(line).collect::<String>()).into_bytes()
        }
        "ndjson" => {
            let line = |id| format!("{{\"id\": {id}, \"v\": {:?}, \"n\": {:?}}}\n", row(id).0, row(id).1);
            ids.map(line).collect::<String>().into_bytes()
        }
        _ => {
            let columns: [(&str, ArrayRef); 3] = [
                ("id", Arc::new(ids.clone().map(|id| id as i64).collect::<Int64Array>())),
                ("v", Arc::new(ids.clone().map(|id| Some(row(id).0)).collect::<StringArray>())),
                ("n", Arc::new(ids.map(|id| Some(row(id).1)).collect::<StringArray>())),
            ];
            let batch = RecordBatch::try_from_iter(columns).expect("rows");
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
            writer.write(&batch).expect("rows");
            writer.close().expect("a file");
            bytes
        }
    };
    work.write(&name, bytes)
}

/// A store with a table that refuses some rows, and a queue that has no room for dead letters until it is
/// `given`; `None` where that cannot be had.
struct Scene {
    work: Work,
    store: Store,
    full: Option<Full>,
}

impl Scene {
    fn new(postgres: bool, key: &str) -> Option<Self> {
        let sql = format!("CREATE TABLE m (id integer {key}, v text CHECK (v <> 'bad'), n integer)");
        let work = Work::new();
        if postgres {
            let db = Postgres::shared().database();
            db.execute(&sql);
            return Some(Self { work, store: Store::Postgres(db), full: None });
        }
        let store = Store::sqlite(&work);
        let Store::Sqlite(path) = &store else { unreachable!() };
        rusqlite::Connection::open(path).expect("it").execute_batch(&sql).expect("a table");
        // The limit of what a process may write would be one of the store, too.
        Some(Self { work, store, full: Some(Full::mount()?) })
    }

    fn load(&self, inputs: &[&str], flags: &[&str], room: bool) -> Run {
        let queue =
            self.full.as_ref().map_or_else(|| self.work.path("d.ndjson"), |full| full.path("d.ndjson"));
        let program = self.work.mdsctl(["load", "--table", "m", "--json", "--dsn", &self.store.dsn()]);
        let program = program.arguments(["--max-outage", "300ms", "--workers", "3", "--batch-size", "150"]);
        let program = program.arguments(inputs.iter().copied()).arguments(flags.iter().copied());
        let program = program.arguments(["--dlq".into(), queue.into_os_string()]);
        match (&self.full, room) {
            (None, false) => program.no_room().run(),
            (Some(full), true) => {
                drop(fs::remove_file(full.path("ballast")));
                program.run()
            }
            _ => program.run(),
        }
    }

    fn rows(&self) -> Vec<Vec<Option<String>>> {
        self.store.rows("SELECT id, v, n FROM m ORDER BY id")
    }

    fn letters(&self) -> BTreeSet<u64> {
        let path =
            self.full.as_ref().map_or_else(|| self.work.path("d.ndjson"), |full| full.path("d.ndjson"));
        numbers(&crate::harness::dlq::read(&path))
    }
}

fn good() -> u64 {
    (1..=ROWS).filter(|id| is_good(*id)).count() as u64
}

fn bad() -> BTreeSet<u64> {
    (1..=ROWS).filter(|id| !is_good(*id)).collect()
}

#[test]
fn good_rows_of_files_are_stored_and_a_resume_buries_the_refused_ones() {
    for postgres in [true, false] {
        for (format, conflict) in [("csv", "update"), ("ndjson", "skip"), ("parquet", "update")] {
            let what = format!("PostgreSQL: {postgres}, {format}, {conflict}");
            let Some(scene) = Scene::new(postgres, "PRIMARY KEY") else { return };
            let first = file(&scene.work, "a", format, 1..=ROWS);
            // The next input has good rows only.
            let second = file(&scene.work, "b", format, ROWS + 4..=ROWS + 6);
            let flags = ["--on-conflict", conflict];
            let run = scene.load(&[&first, &second], &flags, false).expect(5);
            assert_eq!(scene.rows().len() as u64, good() + 3, "{what}: {run}");
            let left = bad().len();
            assert!(
                run.stderr.contains(&format!("{left} refused rows are in neither the store nor")),
                "{what}: {run}"
            );
            assert!(run.stderr.contains("row 3 of "), "{what}: {run}");
            assert!(run.stderr.contains("--resume"), "{what}: {run}");
            assert!(!run.stderr.contains("bug"), "{what}: {run}");
            let books = run.books();
            assert_eq!((books.read, books.inserted), (good() + 3, good() + 3), "{what}: {run}");
            assert!(scene.letters().is_empty(), "{what}: {run}");

            let before = scene.rows();
            let flags = ["--on-conflict", conflict, "--resume"];
            let run = scene.load(&[&first, &second], &flags, true).expect(3);
            assert_eq!(scene.letters(), bad(), "{what}: {run}");
            let books = run.books();
            assert_eq!((books.inserted, books.updated, books.rejected), (0, 0, left as u64), "{what}: {run}");
            assert_eq!(books.read, ROWS + 3, "{what}: {run}");
            assert_eq!(scene.rows(), before, "{what}: {run}");
            if format != "csv" {
                continue;
            }
            // That was all.
            let run = scene.load(&[&first, &second], &flags, true).expect(3);
            assert_eq!(scene.letters(), bad(), "{what}: {run}");
            assert!(run.stderr.contains("nothing to resume"), "{what}: {run}");
        }
    }
}

/// Rows that are there twice when they are written twice, or refused the second time, are held back behind
/// the first refused one.
#[test]
fn without_a_key_and_on_error_no_row_is_stored_or_refused_twice() {
    for postgres in [true, false] {
        for (key, conflict) in [("", "update"), ("PRIMARY KEY", "error")] {
            let what = format!("PostgreSQL: {postgres}, {key} {conflict}");
            let Some(scene) = Scene::new(postgres, key) else { return };
            let input = file(&scene.work, "a", "csv", 1..=ROWS);
            let flags = ["--on-conflict", conflict];
            let run = scene.load(&[&input], &flags, false).expect(5);
            assert!((scene.rows().len() as u64) < good(), "{what}: {run}");
            assert!(run.stderr.contains("still ha") && run.stderr.contains("--resume"), "{what}: {run}");
            let flags = ["--on-conflict", conflict, "--resume"];
            let run = scene.load(&[&input], &flags, true).expect(3);
            assert_eq!(scene.letters(), bad(), "{what}: {run}");
            assert_eq!(scene.rows().len() as u64, good(), "{what}: {run}");
        }
    }
}

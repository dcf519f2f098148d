//! `--resume`: what an interrupted load has settled is not settled again, and nothing is left out.
//! For tables with a key and without one, in both stores.

mod inputs;
mod kills;
mod refusals;
mod rows;

use rustix::process::Signal;

use crate::generator::random::Random;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::{Citus, Db, Postgres, Run, Store, Work, wait};
use rows::{PATIENCE, Rows};

/// A table in a store, and a directory to work in.
struct Scene {
    work: Work,
    store: Store,
    keyed: bool,
    /// Whether loads go around the key.
    bulk: bool,
    what: String,
}

impl Scene {
    /// One of each kind of table in each kind of store.
    fn each(test: impl Fn(Self)) {
        for keyed in [true, false] {
            for kind in ["sqlite", "postgres"] {
                test(Self::new(kind, keyed));
            }
        }
    }

    /// One in a cluster, its table spread over the nodes by the first column of its key.
    fn spread(cluster: &Citus, keyed: bool) -> Self {
        let db = cluster.database();
        Self::in_database(db, keyed, |db| db.execute("SELECT create_distributed_table('quotes', 'series')"))
    }

    fn in_database(db: Db, keyed: bool, then: impl FnOnce(&Db)) -> Self {
        let key = if keyed { ", PRIMARY KEY (series, k)" } else { "" };
        db.execute(&format!(
            "CREATE TABLE quotes (series text, k int, seq bigint NOT NULL, note text, \
             price numeric CONSTRAINT price_is_positive CHECK (price > 0){key})"
        ));
        then(&db);
        let store = Store::Postgres(db);
        let what = format!("{store}, {}", if keyed { "a key" } else { "no key" });
        Self { work: Work::new(), store, keyed, bulk: false, what }
    }

    /// A table with a key in PostgreSQL, loaded in bulk.
    fn in_bulk(server: &Postgres) -> Self {
        let scene = Self::in_database(server.database(), true, |_| ());
        let what = format!("{}, in bulk", scene.what);
        Self { bulk: true, what, ..scene }
    }

    fn new(kind: &str, keyed: bool) -> Self {
        if kind != "sqlite" {
            return Self::in_database(Postgres::shared().database(), keyed, |_| ());
        }
        let work = Work::new();
        let key = if keyed { ", PRIMARY KEY (series, k)" } else { "" };
        let path = work.path("store.db");
        let table = format!(
            "CREATE TABLE quotes (series TEXT, k INTEGER, seq INTEGER NOT NULL, note TEXT, \
             price REAL CONSTRAINT price_is_positive CHECK (price > 0){key})"
        );
        rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(&table)).expect("a table");
        let store = Store::Sqlite(path);
        let what = format!("{store}, {}", if keyed { "a key" } else { "no key" });
        Self { work, store, keyed, bulk: false, what }
    }

    /// A load of these inputs into the table.
    fn load<'a>(&self, inputs: impl IntoIterator<Item = &'a str>, workers: u64, batch: u64) -> Mdsctl {
        let (workers, batch) = (workers.to_string(), batch.to_string());
        let bulk: &[&str] = if self.bulk { &["--bulk", "always"] } else { &[] };
        self.work
            .mdsctl(["load"])
            .arguments(inputs)
            .arguments(bulk.iter().copied())
            .arguments(["--table", "quotes", "--json", "--dlq", rows::DLQ, "--dsn", &self.store.dsn()])
            .arguments(["--capacity", "1000", "--batch-size", &batch, "--workers", &workers])
            .within(PATIENCE)
    }

    /// Rows in the table; 0 while the store does not say.
    fn count(&self) -> u64 {
        self.store.count("quotes").unwrap_or(0)
    }

    /// How far a load has come: the last row in the table, or beside it.
    fn progress(&self) -> u64 {
        let value = |sql: &str| self.store.try_rows(sql).ok()?.first()?.first()?.clone();
        let last = |table: &str| value(&format!("SELECT coalesce(max(seq), 0) FROM {table}"))?.parse().ok();
        let beside = self.bulk.then(|| value("SELECT 'mds_bulk_' || 'quotes'::regclass::oid")).flatten();
        let beside = beside.and_then(|table| last(&table));
        last("quotes").max(beside).unwrap_or(0)
    }

    /// Waits until a row after that one is in the table; `false` where the program ends before.
    fn comes_to(&self, row: u64, running: &mut Running) -> bool {
        wait::until(PATIENCE, &format!("row {row} in the table ({})", self.what), || {
            if running.has_ended() {
                return Some(false);
            }
            (self.progress() >= row).then_some(true)
        })
    }

    /// Fails unless table, dead letters and books are as if the rows had been loaded in one go.
    fn assert_loaded(&self, rows: &Rows, run: &Run, what: &str) {
        let what = format!("{}, {what}", self.what);
        let books = run.books();
        // Files that are settled whole are not read again.
        assert!(books.read <= rows.count(), "{what}: {run}");
        assert_eq!(run.code, if books.rejected > 0 { 3 } else { 0 }, "{what}: {run}");
        rows.assert_stored(&self.store, self.keyed, &format!("{what}: {run}"));
        rows.assert_buried(&self.work.dlq(rows::DLQ), &what);
        assert_eq!(self.store.count("mds_checkpoints"), Some(0), "{what}: nothing is left to resume");
        if self.bulk {
            let left = "SELECT count(*)::text FROM pg_class WHERE relname LIKE 'mds\\_bulk%'";
            assert_eq!(self.store.rows(left)[0][0].as_deref(), Some("0"), "{what}: a bulk table is left");
            let key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'quotes'::regclass AND conname = 'quotes_pkey'";
            assert_eq!(self.store.rows(key)[0][0].as_deref(), Some("PRIMARY KEY (series, k)"), "{what}");
        }
    }
}

/// A load that is interrupted in its middle, after it has settled some rows and not all.
fn interrupted(scene: &Scene, rows: &Rows, signal: Signal) -> Run {
    let path = scene.work.write("quotes.csv", rows.csv());
    let mut running = scene.load([path.as_str()], 2, 50).spawn();
    assert!(scene.comes_to(1, &mut running), "it ended before a row was seen");
    running.signal(signal);
    let run = running.finish();
    assert!(scene.count() < rows.count(), "{}: it was over before the signal: {run}", scene.what);
    run
}

#[test]
fn after_a_signal_with_other_workers_and_batches() {
    Scene::each(|scene| {
        let rows = Rows::new(Random::new(31, 0), 30_000);
        let first = interrupted(&scene, &rows, Signal::INT).expect(130);
        assert!(first.error().contains("--resume"), "{first}");
        let path = scene.work.write("quotes.csv", rows.csv());
        let second = scene.load([path.as_str()], 3, 333).arguments(["--resume"]).run();
        scene.assert_loaded(&rows, &second, "resumed");
        // Everything that was drained is passed over, dead letters included.
        let settled = first.books().read;
        assert_eq!(second.books().skipped, settled, "{first}\n{second}");
        assert_eq!(first.books().rejected + second.books().rejected, rows.bad(), "{first}\n{second}");
        let third = scene.load([path.as_str()], 1, 100).arguments(["--resume"]).run();
        if scene.keyed {
            assert!(third.stderr.contains("has loaded all of it"), "{third}");
            rows.assert_stored(&scene.store, true, "loaded again");
        } else {
            assert!(third.expect(2).error().contains("--force"));
        }
    });
}

#[test]
fn files_that_are_settled_whole_are_not_read_again() {
    Scene::each(|scene| {
        let parts = [(0, 400), (400, 30_000), (30_400, 300)];
        let parts = parts.map(|(before, count)| Rows::after(Random::new(33, before), before, count));
        let paths = [0, 1, 2].map(|at: usize| scene.work.write(&format!("{at}.csv"), parts[at].csv()));
        let load = || scene.load(paths.iter().map(String::as_str), 2, 50);
        let mut running = load().spawn();
        assert!(scene.comes_to(3_000, &mut running), "{}: it ended", scene.what);
        running.signal(Signal::INT);
        running.finish().expect(130);
        let first = parts[0].count();
        let rows = parts.into_iter().reduce(Rows::and).expect("some");
        let run = load().arguments(["--resume"]).run();
        assert!(run.stderr.contains("not read again: 1 file"), "{run}");
        assert_eq!(run.books().read, rows.count() - first, "{run}");
        scene.assert_loaded(&rows, &run, "files");
    });
}

#[test]
fn nothing_to_resume_is_said_and_all_is_loaded() {
    Scene::each(|scene| {
        let rows = Rows::new(Random::new(32, 0), 300);
        let path = scene.work.write("quotes.csv", rows.csv());
        let run = scene.load([path.as_str()], 2, 50).arguments(["--resume"]).run();
        assert!(run.stderr.contains("nothing to resume"), "{run}");
        assert_eq!(run.books().skipped, 0, "{run}");
        scene.assert_loaded(&rows, &run, "from the start");
    });
}

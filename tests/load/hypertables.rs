//! Hypertables of TimescaleDB, where that is installed: compressed chunks, late rows, space
//! partitions, chunks that several workers make at once, compression while a load goes on.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::generator::fixtures;
use crate::generator::market::{Dataset, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::Format;
use crate::harness::run::fixture;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Db, Postgres, Store, Work};

/// Compresses every chunk.
const COMPRESS: &str = "SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('bars') c";

/// Rows that are in compressed form.
const COMPRESSED: &str =
    "SELECT sum(numrows_pre_compression) FROM _timescaledb_catalog.compression_chunk_size";

/// A database with our tables, hypertables, in which the server lets a transaction take one row
/// out of compressed chunks.
fn strict(server: &Postgres, work: &Work) -> Db {
    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb");
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    let limit = "timescaledb.max_tuples_decompressed_per_dml_transaction";
    db.execute(&format!("ALTER DATABASE {} SET {limit} = 1", db.name()));
    db
}

fn load(work: &Work, db: &Db, path: &str, workers: &str) -> crate::harness::run::Books {
    let flags = ["load", path, "--json", "--workers", workers, "--dsn", &db.dsn()];
    work.mdsctl(flags).run().expect(0).books()
}

#[test]
fn compressed_chunks_take_new_changed_and_unchanged_rows() {
    let Some(server) = Postgres::with_timescale("compressed_chunks_take_new_changed_and_unchanged_rows")
    else {
        return;
    };
    for workers in ["1", "4"] {
        let work = Work::new();
        let db = strict(&server, &work);
        let plan = fixtures::bars();
        load(&work, &db, &fixture("bars.csv"), workers);
        // Newer rows, so that what follows is late.
        let header = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n";
        let newer =
            work.write("newer.csv", header.to_string() + "2024-03-04T14:30:00Z,acme,AAPL,1m,1,1,1,1,1\n");
        load(&work, &db, &newer, workers);
        db.execute(COMPRESS);
        let packed = db.value(COMPRESSED);
        assert_eq!(packed, "601");

        let books = load(&work, &db, &fixture("bars.csv"), workers);
        assert_eq!(books.unchanged, plan.rows, "{workers} workers");
        assert_eq!(db.value(COMPRESSED), packed);
        let unpacked = "SELECT count(*) FROM ONLY bars";
        assert_eq!(db.value(unpacked), "0");

        // Every fifth row with another close, every one again half a minute later: 600 of each.
        let (mut text, mut changed) = (header.to_string(), 0);
        let rows = db.rows(
            "SELECT to_char(ts, 'YYYY-MM-DD\"T\"HH24:MI'), symbol, open_price, high_price, low_price, close_price,
                volume FROM bars WHERE ts < '2024-01-01' ORDER BY ts, symbol",
        );
        for (number, row) in rows.iter().enumerate() {
            let cell = |at: usize| row[at].as_deref().expect("no null");
            let close = if number % 5 == 0 { cell(2) } else { cell(5) };
            changed += u64::from(close.parse::<f64>().ok() != cell(5).parse::<f64>().ok());
            for (seconds, close) in [("00", close), ("30", cell(5))] {
                let (minute, symbol, open, high, low, volume) =
                    (cell(0), cell(1), cell(2), cell(3), cell(4), cell(6));
                let _ = writeln!(
                    text,
                    "{minute}:{seconds}Z,acme,{symbol},1m,{open},{high},{low},{close},{volume}"
                );
            }
        }
        assert!(changed > 20, "{changed}");
        let path = work.write("late.csv", text);
        let books = load(&work, &db, &path, workers);
        assert_eq!(
            (books.inserted, books.updated, books.unchanged),
            (600, changed, 600 - changed),
            "{workers}"
        );
        assert_eq!(db.count("bars"), 1201);
        assert!(db.count("bars WHERE close_price = open_price AND extract(second FROM ts) = 0") >= 120);
        let books = load(&work, &db, &path, workers);
        assert_eq!(books.unchanged, 1200, "{workers} workers");

        // Packed again, and again the same.
        db.execute(COMPRESS);
        assert_eq!(load(&work, &db, &path, workers).unchanged, 1200);
        work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run().expect(0);
    }
}

#[test]
fn many_workers_make_chunks_of_a_table_that_is_partitioned_by_symbol_too() {
    let test = "many_workers_make_chunks_of_a_table_that_is_partitioned_by_symbol_too";
    let Some(server) = Postgres::with_timescale(test) else { return };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION timescaledb");
    // Half an hour a chunk, so that each batch makes some.
    work.mdsctl(["schema", "apply", "--chunk", "bars=1h", "--dsn", &db.dsn()]).run().expect(0);
    db.execute("SELECT add_dimension('bars', by_hash('symbol', 3))");
    let plan = Plan { symbols: 20, session: 60, ..Plan::new(Dataset::Bars, 6_000, 3) };
    let path = work.generate("bars.csv", &plan, Format::Csv, &Spoil::none());
    let mut errors = server.errors(&db);
    for times in 0..2 {
        let flags = ["load", &path, "--json", "--workers", "4", "--batch-size", "200", "--dsn", &db.dsn()];
        let run = work.mdsctl(flags).run().expect(0);
        let books = run.books();
        assert_eq!(if times == 0 { books.inserted } else { books.unchanged }, plan.rows, "{run}");
    }
    let chunks: u64 = db.value("SELECT count(*) FROM show_chunks('bars')").parse().expect("a count");
    assert!(chunks >= 30, "{chunks} chunks");
    assert_eq!(errors.count("40P01"), 0, "no worker waits for one that waits for it");
    assert_same(&Store::Postgres(db).stored(&plan), &truth(&plan), "space partitions");
}

#[test]
fn chunks_that_are_compressed_while_the_load_goes_on() {
    let Some(server) = Postgres::with_timescale("chunks_that_are_compressed_while_the_load_goes_on") else {
        return;
    };
    let work = Work::new();
    let db = strict(&server, &work);
    let plan = Plan { symbols: 10, session: 390, ..Plan::new(Dataset::Bars, 20_000, 5) };
    let path = work.generate("bars.csv", &plan, Format::Csv, &Spoil::none());
    for times in 0..2 {
        let over = AtomicBool::new(false);
        let (run, packed) = thread::scope(|scope| {
            let packer = scope.spawn(|| {
                let mut packed = 0;
                while !over.load(Ordering::Relaxed) {
                    // It may lose against the load, as the server's own job may.
                    packed += u32::from(db.try_rows(COMPRESS).is_ok_and(|chunks| !chunks.is_empty()));
                }
                packed
            });
            let flags =
                ["load", &path, "--json", "--workers", "4", "--batch-size", "500", "--dsn", &db.dsn()];
            let run = work.mdsctl(flags).run();
            over.store(true, Ordering::Relaxed);
            (run.expect(0), packer.join().expect("the packer"))
        });
        assert!(packed > 0, "nothing was packed");
        let books = run.books();
        assert_eq!(if times == 0 { books.inserted } else { books.unchanged }, plan.rows, "{run}");
        assert_same(&Store::Postgres(db.clone()).stored(&plan), &truth(&plan), "packed meanwhile");
    }
}

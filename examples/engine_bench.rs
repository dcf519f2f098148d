//! What the engine costs, and how long a single row takes through it.
//!
//! ```sh
//! cargo run --release --example engine_bench
//! ```
//!
//! - rows a second through the engine into a sink that does nothing, in batches of 8,192 rows with
//!   distinct keys, and the same with every key twice;
//! - with 1 % of rows that the sink refuses by handing them back;
//! - time from the submission of a single row to its commit on an idle engine, into SQLite with
//!   durable commits (a file beside the program's working directory).

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use mdsctl::batch::{Batch, Origin, Reason, Reject, Rows};
use mdsctl::coordinator::WriteCoordinator;
use mdsctl::dataset::{BARS, identity};
use mdsctl::port::{
    CommitMark, DeadLetterError, DeadLetters, Event, Observer, Session, Sink, SinkError, WriteMode, Written,
};
use mdsctl::settings::EngineSettings;
use mdsctl::sink::sqlite::{SqliteOptions, SqliteSink};
use tokio::sync::Notify;

/// Takes rows and forgets them; hands back those whose identity is below `refuse`.
struct Null {
    refuse: Option<u64>,
}

struct NullSession {
    refuse: Option<u64>,
    reason: Arc<Reason>,
}

impl Sink for Null {
    type Session = NullSession;

    fn name(&self) -> &str {
        "null"
    }

    async fn connect(&self, _worker: usize) -> Result<NullSession, SinkError> {
        Ok(NullSession { refuse: self.refuse, reason: Arc::new(Reason::new("23514", "refused")) })
    }
}

impl Session for NullSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, rows: Rows<'_>, _guard: WriteMode) -> Result<Written, SinkError> {
        let mut written = Written::default();
        if let Some(refuse) = self.refuse {
            for index in 0..rows.len() {
                let (batch, row) = rows.at(index);
                if (batch.identities[row] as u64) < refuse {
                    written.refused.push((index, self.reason.clone()));
                }
            }
        }
        written.inserted = (rows.len() - written.refused.len()) as u64;
        Ok(written)
    }

    async fn commit(&mut self, mark: &CommitMark, _now: bool) -> Result<u64, SinkError> {
        Ok(mark.serial)
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Forgotten;

impl DeadLetters for Forgotten {
    async fn bury(&self, _rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        Ok(())
    }
}

#[derive(Default)]
struct Commits {
    rows: AtomicU64,
    one: Notify,
}

impl Observer for Commits {
    fn on(&self, event: &Event<'_>) {
        if let Event::Committed { written, .. } = event {
            self.rows.fetch_add(written.stored(), Ordering::Relaxed);
            self.one.notify_one();
        }
    }
}

const ROWS: usize = 8_192;

fn null_batch(first: i64, distinct: i64) -> Result<Batch, Box<dyn Error>> {
    let keys: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|i| first + i % distinct)));
    let columns = RecordBatch::try_new(
        Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, false)])),
        vec![keys],
    )?;
    let identities = identity::of_keys(&[columns.column(0)], ROWS);
    let rows = (1..=ROWS as u64).collect();
    Ok(Batch {
        columns,
        rows,
        identities,
        origin: Arc::new(Origin::new("bench")),
        order: Default::default(),
        given: None,
    })
}

async fn throughput(name: &str, batches: Vec<Batch>, refuse: Option<u64>) -> f64 {
    let rows = (batches.len() * ROWS) as f64;
    let engine = WriteCoordinator::builder(Arc::new(Null { refuse }), Arc::new(Forgotten)).start();
    let start = Instant::now();
    for batch in batches {
        if engine.submit(batch).await.is_err() {
            break;
        }
    }
    engine.shutdown(true).await;
    let rate = rows / start.elapsed().as_secs_f64() / 1e6;
    println!("{name:<46} {rate:>8.1} M rows/s");
    rate
}

async fn latency() -> Result<(), Box<dyn Error>> {
    let path = Path::new("engine_bench.db");
    let sink = SqliteSink::open(path, &BARS, SqliteOptions::default())?;
    let commits = Arc::new(Commits::default());
    let settings = EngineSettings { workers: 1, ..EngineSettings::default() };
    let engine = WriteCoordinator::builder(Arc::new(sink), Arc::new(Forgotten))
        .settings(settings)
        .observer(commits.clone())
        .start();
    let mut times = Vec::new();
    for i in 0..2_000i64 {
        let text = |t: &str| Arc::new(StringArray::from(vec![t])) as ArrayRef;
        let zone = Some("UTC".into());
        let ts = TimestampNanosecondArray::from(vec![i * 60_000_000_000]).with_timezone("UTC");
        let fields = vec![
            Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, zone), true),
            Field::new("vendor", DataType::Utf8, true),
            Field::new("symbol", DataType::Utf8, true),
            Field::new("timeframe", DataType::Utf8, true),
        ];
        let arrays = vec![Arc::new(ts) as ArrayRef, text("acme"), text("AAPL"), text("1m")];
        let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        let identities = identity::of_keys(&columns.columns().iter().collect::<Vec<_>>(), 1);
        let batch = Batch {
            columns,
            rows: vec![i as u64 + 1],
            identities,
            origin: Arc::new(Origin::new("bench")),
            order: Default::default(),
            given: None,
        };
        let start = Instant::now();
        engine.submit(batch).await?;
        commits.one.notified().await;
        times.push(start.elapsed());
    }
    engine.shutdown(true).await;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        "submit to commit of one row, idle, SQLite        p50 {:.3} ms  p99 {:.3} ms",
        ms(at(0.5)),
        ms(at(0.99))
    );
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("engine_bench.db{suffix}"));
    }
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let batches = |distinct: i64| {
        (0..1_000).map(|i| null_batch(i * ROWS as i64, distinct)).collect::<Result<Vec<_>, _>>()
    };
    throughput("null sink, distinct keys", batches(ROWS as i64)?, None).await;
    throughput("null sink, every key twice", batches(ROWS as i64 / 2)?, None).await;
    let clean = throughput("null sink, distinct keys, again", batches(ROWS as i64)?, None).await;
    let bad = throughput("null sink, 1 % of rows refused", batches(ROWS as i64)?, Some(u64::MAX / 100)).await;
    println!("1 % bad rows cost {:.0} % of the engine's throughput", (1.0 - bad / clean) * 100.0);
    latency().await
}

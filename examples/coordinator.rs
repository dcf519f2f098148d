//! A program of one's own around the engine: a sink, policies, callbacks, dead letters; submit,
//! watch its health, drain.
//!
//! ```sh
//! cargo run --example coordinator
//! ```
//!
//! The store here is a map in memory that is away for a while and refuses negative prices, so
//! that there is something to see.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::datatypes::{Float64Type, Int64Type};
use mdsctl::batch::{Batch, Origin, Reason, Reject, Rows};
use mdsctl::coordinator::{End, WriteCoordinator};
use mdsctl::dataset::identity;
use mdsctl::port::{
    CommitMark, DeadLetterError, DeadLetters, Event, Observer, Session, Sink, SinkError, TransientKind,
    WriteMode, Written,
};
use mdsctl::settings::{BreakerSettings, EngineSettings};

/// What a row is stored under, and what is stored.
type Table = BTreeMap<(String, i64), f64>;

/// The store: a table, and until when it is away.
struct MapSink {
    table: Arc<Mutex<Table>>,
    away_until: Instant,
}

/// A connection to it: what the open transaction has written so far.
struct MapSession {
    table: Arc<Mutex<Table>>,
    away_until: Instant,
    pending: Vec<((String, i64), f64)>,
}

impl MapSession {
    fn reach(&self) -> Result<(), SinkError> {
        if Instant::now() < self.away_until {
            let reason = Reason::new("away", "the store is having its lunch");
            return Err(SinkError::Transient(TransientKind::Connection, reason));
        }
        Ok(())
    }
}

impl Sink for MapSink {
    type Session = MapSession;

    fn name(&self) -> &str {
        "map"
    }

    async fn connect(&self, _worker: usize) -> Result<MapSession, SinkError> {
        let session =
            MapSession { table: self.table.clone(), away_until: self.away_until, pending: Vec::new() };
        session.reach().map(|()| session)
    }
}

impl Session for MapSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.pending.clear();
        self.reach()
    }

    async fn write(&mut self, rows: Rows<'_>, _guard: WriteMode) -> Result<Written, SinkError> {
        let mut written = Written::default();
        let negative = Arc::new(Reason::new("23514", "price must not be negative").column("price"));
        for index in 0..rows.len() {
            let (batch, row) = rows.at(index);
            let symbol = batch.columns.column(0).as_string::<i32>().value(row).to_owned();
            let time = batch.columns.column(1).as_primitive::<Int64Type>().value(row);
            let price = batch.columns.column(2).as_primitive::<Float64Type>().value(row);
            if price < 0.0 {
                // A store that can tell says which rows; one that cannot returns SinkError::Data,
                // and the engine finds them.
                written.refused.push((index, negative.clone()));
            } else {
                self.pending.push(((symbol, time), price));
                written.inserted += 1;
            }
        }
        Ok(written)
    }

    async fn commit(&mut self, mark: &CommitMark, _now: bool) -> Result<u64, SinkError> {
        self.reach()?;
        if let Ok(mut table) = self.table.lock() {
            table.extend(self.pending.drain(..));
        }
        Ok(mark.serial)
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        self.pending.clear();
        Ok(())
    }
}

/// Dead letters on stdout; a real queue returns only when they are on disk.
struct Printed;

impl DeadLetters for Printed {
    async fn bury(&self, rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        for reject in rejects {
            println!("rejected row {}: {} ({:?})", reject.row, reject.reason.message, reject.remains);
        }
        Ok(())
    }
}

/// Tells of outages.
struct Watcher;

impl Observer for Watcher {
    fn on(&self, event: &Event<'_>) {
        if let Event::Circuit { state, trouble } = event {
            let why = trouble.map(|t| format!(": {}", t.message())).unwrap_or_default();
            println!("circuit {}{why}", state.as_str());
        }
    }
}

/// A batch of trades, its key the symbol and the time.
fn batch(first: u64) -> Result<Batch, Box<dyn Error>> {
    let rows = 1_000;
    let symbols = StringArray::from_iter_values((0..rows).map(|i| if i % 2 == 0 { "AAPL" } else { "MSFT" }));
    let times = Int64Array::from_iter_values((0..rows as i64).map(|i| first as i64 + i / 2));
    let prices = Float64Array::from_iter_values((0..rows).map(|i| if i == 500 { -1.0 } else { 100.0 }));
    let schema = Schema::new(vec![
        Field::new("symbol", DataType::Utf8, false),
        Field::new("time", DataType::Int64, false),
        Field::new("price", DataType::Float64, true),
    ]);
    let columns =
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(symbols), Arc::new(times), Arc::new(prices)])?;
    let identities = identity::of_keys(&[columns.column(0), columns.column(1)], rows);
    Ok(Batch {
        columns,
        rows: (first..first + rows as u64).collect(),
        identities,
        origin: Arc::new(Origin::new("example")),
        order: Default::default(),
        given: None,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let table = Arc::new(Mutex::new(Table::new()));
    let sink = MapSink { table: table.clone(), away_until: Instant::now() + Duration::from_secs(1) };
    let settings = EngineSettings {
        workers: 4,
        capacity: 10_000,
        high_watermark: 8_000,
        low_watermark: 5_000,
        breaker: BreakerSettings { failure_threshold: 3, half_open_after: Duration::from_millis(300) },
        ..EngineSettings::default()
    };
    let engine = WriteCoordinator::builder(Arc::new(sink), Arc::new(Printed))
        .settings(settings)
        .observer(Arc::new(Watcher))
        .on_high_watermark(|depth| println!("slow down: {depth} rows wait"))
        .on_low_watermark(|depth| println!("go on: {depth} rows wait"))
        .start();

    for first in (0..20_000).step_by(1_000) {
        // Waits while the queue is full: that is how a slow store slows its producer down.
        engine.submit(batch(first + 1)?).await?;
    }
    println!("submitted; {:?}", engine.health());

    let outcome = engine.shutdown(true).await;
    assert_eq!(outcome.end, End::Drained);
    println!("drained; {} rows stored", table.lock().map(|t| t.len()).unwrap_or(0));
    Ok(())
}

//! `mdsctl`: market data from files and streams into PostgreSQL / TimescaleDB or SQLite, with a
//! dead-letter queue for what the store refuses.
//!
//! The layers, top to bottom; each may use those below it (a test holds them to it):
//!
//! - `cli`: arguments to plans, what is told to the two streams, signals
//! - `app`: use cases: load, tail, replay, inspect, runs, schema, health
//! - `report`: progress, summaries, tables: what people read
//! - `telemetry`: listeners to engine events: counters, metrics, traces, HTTP
//! - `source`, `sink`, `dlq`: bytes in, rows out, dead letters
//! - `pipeline`: the way from a source to the engine: rejects, pace, what was found on it
//! - `decode`: bytes to Arrow columns
//! - `coordinator`: queue, workers, retry, breaker, isolation
//! - `dataset`: what rows mean
//! - `settings`
//! - `batch`, `brokers`, `model`, `port`, `error`, `files`, `objects`, `text`: the vocabulary
#![deny(missing_docs)]
// What one of these alone uses is not dead where it is left out; with all of them nothing is excused.
#![cfg_attr(
    not(all(
        feature = "postgres",
        feature = "sqlite",
        feature = "parquet",
        feature = "gzip",
        feature = "zstd",
        feature = "bzip2",
        feature = "xz",
        feature = "lz4",
        feature = "zip",
        feature = "arrow-ipc",
        feature = "dbn",
        feature = "xlsx",
        feature = "telemetry",
        feature = "otlp",
        feature = "objects"
    )),
    allow(dead_code, unused_imports)
)]

pub mod app;
pub mod batch;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod brokers;
#[doc(hidden)]
pub mod cli;
pub mod coordinator;
pub mod dataset;
mod decode;
mod dlq;
pub mod error;
mod files;
mod model;
mod objects;
mod pipeline;
pub mod port;
mod report;
pub mod settings;
pub mod sink;
mod source;
mod telemetry;
mod text;

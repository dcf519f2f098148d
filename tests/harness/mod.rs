//! What the tests stand on: a server of their own, the built program, its dead letters, and the
//! truth that a store is compared with.

pub mod authority;
#[cfg(feature = "objects")]
pub mod bucket;
pub mod chromium;
pub mod citus;
pub mod db;
pub mod dlq;
pub mod existing;
pub mod feed;
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod large;
pub mod listener;
#[cfg(feature = "nats")]
pub mod nats;
pub mod pack;
pub mod pgbouncer;
pub mod postgres;
pub mod programs;
pub mod proxy;
pub mod python;
pub mod quotes;
pub mod redis;
pub mod rows;
pub mod run;
pub mod seed;
pub mod store;
pub mod terminal;
pub mod truth;
pub mod wait;
pub mod without;
pub mod workbook;

mod self_test;

pub use citus::Citus;
pub use db::Db;
pub use postgres::Postgres;
pub use run::{Run, Work};
pub use store::{Store, on_both_stores, on_every_store};

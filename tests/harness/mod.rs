//! What the tests stand on: a server of their own, the built program, its dead letters, and the
//! truth that a store is compared with.

pub mod authority;
pub mod chromium;
pub mod db;
pub mod dlq;
pub mod existing;
pub mod feed;
pub mod http;
pub mod large;
pub mod listener;
pub mod pack;
pub mod pgbouncer;
pub mod postgres;
pub mod programs;
pub mod proxy;
pub mod quotes;
pub mod run;
pub mod seed;
pub mod store;
pub mod truth;
pub mod wait;
pub mod without;

mod self_test;

pub use db::Db;
pub use postgres::Postgres;
pub use run::{Run, Work};
pub use store::{Store, on_both_stores, on_every_store};

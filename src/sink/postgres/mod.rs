//! The PostgreSQL / TimescaleDB store.
//!
//! [`PgSink`] opens the store and reads the table's catalog; each worker gets a [`PgSession`].
//! Rows are copied right into the table; where rows of their key are there already, into a temporary
//! stage, which is then merged set-wise.
//! `schema` makes and compares our own tables.

mod ambient;
mod bulk;
pub(crate) mod catalog;
pub(crate) mod connection;
mod encode;
mod ledger;
pub(crate) mod schema;
#[cfg(test)]
mod server_tests;
mod store;
mod verify;
mod write;

pub use connection::dsn::Dsn;
pub use store::KIND;
pub use write::session::PgSession;
pub use write::sink::{PgOptions, PgSink};

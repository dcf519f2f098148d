//! The PostgreSQL / TimescaleDB store.
//!
//! [`PgSink`] opens the store and reads the table's catalog; each worker gets a [`PgSession`].
//! Rows are copied right into the table; where rows of their key are there already, into a temporary
//! stage, which is then merged set-wise.
//! [`schema`] makes and compares our own tables.

mod ambient;
pub mod catalog;
pub mod connection;
mod encode;
mod ledger;
pub mod schema;
#[cfg(test)]
mod server_tests;
mod store;
mod write;

pub use catalog::table::{Table, TableColumn};
pub use catalog::types::ColumnType;
pub use connection::dsn::Dsn;
pub use ledger::runs::PgRuns;
pub use schema::apply::{schema_apply, schema_check};
pub use schema::ddl::{schema_sql, schema_statements};
pub use schema::health::PgHealth;
pub use store::KIND;
pub use write::rehearsal::PgRehearsal;
pub use write::session::PgSession;
pub use write::sink::{PgOptions, PgSink};

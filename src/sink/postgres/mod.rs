//! The PostgreSQL / TimescaleDB store.
//!
//! [`PgSink`] opens the store and reads the table's catalog; each worker gets a [`PgSession`].
//! A write goes through binary COPY into a temporary stage and one set-wise merge.
//! [`schema`] makes and compares our own tables.

pub mod catalog;
pub mod classify;
pub mod connect;
mod conninfo;
pub mod ddl;
mod decimal;
mod diagnose;
pub mod dsn;
mod encode;
mod ids;
mod ledger;
#[cfg(test)]
mod live;
mod names;
mod numeric;
mod order;
mod parameters;
mod passfile;
mod place;
mod plan;
mod refusal;
pub mod schema;
mod service;
mod session;
mod sink;
mod source;
mod surroundings;
mod table;
mod tenant;
pub mod tls;
mod types;
mod wanted;
mod wide;

pub use connect::reachable;
pub use ddl::{SchemaOptions, schema_sql};
pub use dsn::Dsn;
pub use schema::{schema_apply, schema_check};
pub use session::PgSession;
pub use sink::{PgOptions, PgSink};
pub use table::{Table, TableColumn};
pub use tenant::resolve_tenant;
pub use types::ColumnType;

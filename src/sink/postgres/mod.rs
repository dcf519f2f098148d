//! The PostgreSQL / TimescaleDB store.
//!
//! [`PgSink`] opens the store and reads the table's catalog; each worker gets a [`PgSession`].
//! Rows are copied right into the table; where rows of their key are there already, into a temporary
//! stage, which is then merged set-wise.
//! [`schema`] makes and compares our own tables.

mod array;
mod array_literal;
mod blockers;
mod casts;
pub mod catalog;
mod chunks;
pub mod classify;
mod clock;
mod column;
pub mod connect;
mod conninfo;
mod copy;
pub mod ddl;
mod decimal;
mod diagnose;
mod digits;
pub mod dsn;
mod encode;
mod grant;
mod health;
mod ids;
mod job_runs;
mod labels;
mod ledger;
#[cfg(test)]
mod live;
mod long;
mod merge;
mod names;
mod newer;
mod numeric;
mod order;
mod out;
#[cfg(test)]
mod pairs;
mod parameters;
mod passfile;
mod period;
mod place;
mod plan;
mod proof;
mod refusal;
mod runs;
pub mod schema;
mod service;
mod session;
mod sink;
mod source;
mod surroundings;
mod table;
mod tenant;
mod timescale;
pub mod tls;
mod types;
mod upgrade;
mod wanted;
mod wide;

pub use connect::reachable;
pub use ddl::{SchemaOptions, schema_sql};
pub use dsn::Dsn;
pub use health::{FailingJob, PgHealth, TableHealth};
pub use period::{Period, Periods};
pub use runs::PgRuns;
pub use schema::{schema_apply, schema_check};
pub use session::PgSession;
pub use sink::{PgOptions, PgSink};
pub use table::{Table, TableColumn};
pub use tenant::resolve_tenant;
pub use types::ColumnType;

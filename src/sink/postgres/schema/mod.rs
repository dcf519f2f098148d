//! Our own tables: made, compared, brought up to date, granted; and how the server is.

pub mod apply;
pub mod citus;
pub(super) mod ddl;
pub(super) mod grant;
pub(super) mod health;
pub(super) mod packing;
pub(super) mod timescale;
pub(super) mod upgrade;

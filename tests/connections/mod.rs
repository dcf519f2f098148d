//! Ways to a server, as libpq's users know them.

mod failover;
mod libpq;
mod numbered;
mod pgbouncer;
mod relatives;
mod tls;

/// Wrong flags, wrong configuration, wrong credentials.
const USAGE: i32 = 2;
/// The store cannot be reached.
const UNAVAILABLE: i32 = 5;

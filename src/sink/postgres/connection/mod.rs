//! How a server is named, found and reached: what the user wrote, what the environment adds, hosts tried in
//! turn, TLS, passwords.

pub(super) mod blockers;
pub mod classify;
pub mod connect;
pub(super) mod conninfo;
pub mod dsn;
pub(super) mod environment;
pub(super) mod hosts;
pub(super) mod parameters;
pub(super) mod passfile;
pub(super) mod quoting;
mod relatives;
pub(super) mod service;
pub(super) mod session_attributes;
pub mod tls;

//! `mdsctl load`, end to end.

mod again;
mod bad_input;
mod casts;
mod conflict;
mod connection;
mod constraints;
mod contract;
mod decimals;
mod documents;
mod existing;
mod faults;
mod formats;
mod hypertables;
mod interrupt;
mod kept_keys;
mod keys;
mod lines;
mod meet;
mod metrics;
mod order;
mod outage;
mod own_table;
mod precision;
mod rejects;
mod resume;
mod types;

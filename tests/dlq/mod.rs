//! The dead-letter queue: written, looked into, replayed.

mod again;
mod asked;
mod doubtful;
mod full;
mod gone;
mod hints;
mod inspect;
mod left;
mod long;
mod no_queue;
mod predecessor;
mod remembered;
mod replay;
mod shared;
mod spelt;
mod strange;
mod tenants;
mod understood;
mod unknown_reading;
mod writer;

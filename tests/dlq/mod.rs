//! The dead-letter queue: written, looked into, replayed.

mod again;
mod asked;
mod doubtful;
mod earlier_names;
mod full;
mod gone;
mod hints;
mod inspect;
#[cfg(feature = "kafka")]
mod kafka;
mod left;
mod long;
#[cfg(feature = "nats")]
mod nats;
mod no_queue;
mod no_timeframe;
mod overflow;
mod predecessor;
mod remembered;
mod replay;
mod shared;
mod spelt;
mod stored_already;
mod strange;
mod tenants;
mod understood;
mod unknown_reading;
mod writer;

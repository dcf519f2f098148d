//! Brokers of messages, as inputs and dead letters have them in common: how they are named, and how they are reached.

pub mod address;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(any(feature = "nats", feature = "redis"))]
pub mod tls;

use crate::error::Error;

/// What is told where nothing is at the address of a broker.
pub const NOTHING_THERE: &str = "no connection to it comes about; start it, or mend the address";

/// Why a broker did not do what it was asked.
#[derive(Debug)]
pub enum Trouble {
    /// It is not there just now: one sentence.
    Away(String),
    /// It cannot be at the moment, while it is there: one sentence.
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "Kafka alone says so"))]
    Later(String),
    /// It refuses.
    Refused(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(why) | Trouble::Later(why) => Self::unavailable(why),
            Trouble::Refused(error) => error,
        }
    }
}

//! Streams of messages: what a tail follows at a broker. Each broker is a client behind `Broker` (`consumer`); the rest is the
//! same for all.
//!
//! - [`brokers`](crate::brokers): how a stream is named, and reached. [`bodies`]: from messages to rows. [`beside`]: columns of
//!   what is no body. [`places`]: the checkpoint file.
//! - [`group`]: what its consumers know of one another.
//! - [`stream`]: what is followed. [`tail`]: its rows. [`lag`]: how far it is behind. [`redis_streams`], [`nats`], [`kafka`]: the clients.
//!
//! A message is acknowledged once its rows are in the store or in the dead letters. Where the store's ledger keeps an
//! account of the rows, the messages are noted in the store, with the ordinals of their rows, before a row of them is
//! handed on ([`group`]): whoever is given them after a crash passes over what the ledger has.

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod beside;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod bodies;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod consumer;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod group;
#[cfg(feature = "kafka")]
pub(super) mod kafka;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod lag;
#[cfg(feature = "nats")]
pub(super) mod nats;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod places;
#[cfg(feature = "redis")]
pub(super) mod redis_streams;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod stream;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod tail;

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
use crate::brokers::Trouble;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
use consumer::{About, Behind, Broker, Message, OfOthers};

use std::ffi::OsStr;

use crate::error::{Error, left_out};

/// The brokers that there are clients for: what the addresses of each begin with, the name of its feature, and its own
/// name.
const KNOWN: [(&str, &str, &str); 4] = [
    ("kafka", "kafka", "Kafka"),
    ("nats", "nats", "NATS"),
    ("redis", "redis", "Redis"),
    ("rediss", "redis", "Redis"),
];

/// The error for an address of a broker that nothing can be followed at here: its client was left out of this program.
pub(super) fn without_client(name: &OsStr) -> Option<Error> {
    let scheme = known(name)?;
    let (_, feature, broker) = KNOWN.into_iter().find(|(known, ..)| *known == scheme)?;
    Some(Error::usage(left_out(broker, feature)).at(&format!("{scheme}://")))
}

/// What an address begins with, where it is one of a stream.
pub(super) fn known(name: &OsStr) -> Option<&'static str> {
    let (scheme, _) = name.to_str()?.split_once("://")?;
    KNOWN.into_iter().map(|(known, ..)| known).find(|known| known.eq_ignore_ascii_case(scheme))
}

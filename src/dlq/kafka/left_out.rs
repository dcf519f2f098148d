//! Dead letters at Kafka, in a program that was built without it.

use uuid::Uuid;

use super::destination::Destination;
use super::remote::RemoteQueue;
use crate::error::{Error, Result, left_out};

fn missing() -> Error {
    Error::usage(left_out("dead letters at Kafka", "kafka"))
}

/// Refuses an address of Kafka: this program was built without its client.
pub(super) fn queue(_: &str) -> Result<Box<dyn RemoteQueue>> {
    Err(missing())
}

/// As [`queue`].
pub(super) fn destination(_: &str, _: Uuid) -> Result<Box<dyn Destination>> {
    Err(missing())
}

//! A message as it has come.

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::source::broker::Message;
use crate::source::broker::beside::{Beside, Told, Values, What};
use crate::source::broker::kafka::part::id;

/// A message as it has come.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The time that the topic has for it, in milliseconds, or 0.
    pub(super) at: i64,
    pub(super) body: Vec<u8>,
    /// What of it goes into columns beside that.
    beside: Values,
}

impl Raw {
    /// What is needed of a message of the client.
    pub(super) fn of(message: &BorrowedMessage<'_>, beside: &Beside) -> Self {
        let (partition, offset, at) =
            (message.partition(), message.offset(), message.timestamp().to_millis());
        let name = if beside.is_empty() { String::new() } else { format!("{partition}:{offset}") };
        let beside = beside.values(|what| match what {
            What::Key => message.key().map(Told::Bytes),
            What::Id => Some(Told::Bytes(name.as_bytes())),
            What::Time => at.map(Told::Time),
            // Of several of one name the last one counts.
            What::Header(name) => {
                let all = message.headers()?.iter();
                all.filter(|header| header.key == name).last()?.value.map(Told::Bytes)
            }
        });
        let body = message.payload().unwrap_or_default().to_vec();
        Self { partition, offset, at: at.unwrap_or(0), body, beside }
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        let beside = self.beside.iter().flatten().flatten().map(String::len);
        size_of::<Self>() + self.body.len() + beside.sum::<usize>()
    }

    /// As it is given.
    pub(super) fn into_message(self, again: bool) -> Message {
        let id = id(self.partition, self.offset, self.at).into();
        Message { id, body: Some(self.body), beside: self.beside, again }
    }
}

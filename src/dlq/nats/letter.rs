//! A message of letters: how it is sent, and why it is not confirmed.

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::{self, ErrorCode};

use super::subject::Subject;
use crate::dlq::messages::Outgoing;
use crate::error::Error;

/// The header that says that the rows were tried too often.
pub(super) const PARKED: &str = "mds-parked";

/// The header by which a stream knows a message again.
pub(super) const ID: &str = "Nats-Msg-Id";

/// A message of letters.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// By which the stream knows it again.
    pub(super) id: String,
    /// Whether its rows were tried too often.
    pub(super) parked: bool,
    pub(super) message: Outgoing,
    /// Whether it may be in the stream all the same: the last try had no answer.
    pub(super) perhaps: bool,
}

impl Letter {
    pub(super) fn new(id: String, parked: bool, message: Outgoing) -> Self {
        Self { id, parked, message, perhaps: false }
    }

    /// Its place in the stream, once that has it.
    pub(super) async fn publish(
        self,
        context: jetstream::Context,
        subject: String,
    ) -> std::result::Result<u64, Unconfirmed> {
        let Outgoing { headers, body } = self.message;
        let mut all = HeaderMap::new();
        all.insert(ID, self.id);
        headers.into_iter().for_each(|(name, value)| all.insert(name, value));
        if self.parked {
            all.insert(PARKED, "true");
        }
        let taken = context.publish_with_headers(subject, all, body.into()).await;
        let taken = taken.map_err(|error| Unconfirmed::of(&error))?;
        taken.await.map(|known| known.sequence).map_err(|error| Unconfirmed::of(&error))
    }
}

/// Why a message was not confirmed.
pub(super) enum Unconfirmed {
    /// The stream does not take it.
    Refused(Refusal),
    /// Nobody answered.
    Silent,
}

/// Why a stream does not take a message.
pub(super) enum Refusal {
    NoStream,
    Other(Option<ErrorCode>),
}

impl Unconfirmed {
    pub(super) fn of(error: &jetstream::context::PublishError) -> Self {
        use std::error::Error as _;
        match error.kind() {
            PublishErrorKind::StreamNotFound => Self::Refused(Refusal::NoStream),
            PublishErrorKind::Other => {
                let said = error.source().and_then(|error| error.downcast_ref::<jetstream::Error>());
                Self::Refused(Refusal::Other(said.map(jetstream::Error::error_code)))
            }
            _ => Self::Silent,
        }
    }
}

impl Refusal {
    pub(super) fn of(self, subject: &Subject) -> Error {
        let stream = &subject.stream.cached_info().config.name;
        Error::usage(match self {
            Self::NoStream => format!("no stream takes the subject {} any more", subject.subject),
            Self::Other(Some(ErrorCode::STREAM_STORE_FAILED)) => {
                format!("the stream {stream} is full; replay its letters, or raise its limits")
            }
            Self::Other(Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => {
                format!("the message is larger than the stream {stream} takes; raise its max_msg_size")
            }
            Self::Other(Some(code)) => format!("the stream {stream} does not take it (code {})", code.0),
            Self::Other(None) => format!("the stream {stream} does not take it"),
        })
    }
}

/// Messages that were sent in vain.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) error: Error,
    /// The places of those that the stream has.
    pub(super) confirmed: Vec<u64>,
    /// Those that it may have.
    pub(super) perhaps: Vec<Letter>,
}

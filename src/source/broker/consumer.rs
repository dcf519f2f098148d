//! What a broker's client does for its tail, and what is told of the messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::brokers::Trouble;
use crate::source::broker::beside::{Beside, Values};
use crate::source::followed::From;

/// Bytes of messages that are asked for at once, as far as a broker can be told or their sizes are known.
#[cfg(any(feature = "nats", feature = "redis"))]
pub(super) const POLLED: usize = 16 << 20;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What the broker knows it by.
    pub(super) id: Arc<str>,
    /// What is in it. `None`: it has been deleted from the stream.
    pub(super) body: Option<Vec<u8>>,
    /// What is told of it beside that.
    pub(super) beside: Values,
    /// Whether it may have been given to somebody before.
    pub(super) again: bool,
}

impl Message {
    /// Its id as people know it: without what only tells it from messages of another stream of that name.
    pub(super) fn name(&self) -> &str {
        self.id.split_once('@').map_or(&*self.id, |(name, _)| name)
    }
}

/// How many messages wait that others of the group have been given.
pub(super) type OfOthers = Vec<(String, u64)>;

/// Tells how many messages the group has not settled: those that nobody was given yet, and those that are on their way.
/// `None` where nobody knows just now. It has a connection of its own, or shares one that others need not wait for.
pub(super) type Behind = Box<dyn FnMut() -> Option<u64> + Send>;

/// What is known of a stream before it is read.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// As messages and dead letters name it.
    pub(super) name: Arc<str>,
    /// The stream and the group: by that its consumers know one another.
    pub(super) group: String,
    /// The stream, the group and the consumer.
    pub(super) consumer: String,
    /// The parameter that gives a second program of this place a name of its own.
    pub(super) other: &'static str,
    /// What of a message beside its body goes into columns.
    pub(super) beside: Beside,
    /// How long others may leave a message before it is taken over from them.
    pub(super) claim: Option<Duration>,
}

/// The client of a broker, as one consumer of a group. Every call but [`Broker::connect`] needs the connection, and
/// one that finds it broken gives it up.
pub(super) trait Broker: Send {
    /// Connects, where there is no connection.
    fn connect(&mut self) -> Result<(), Trouble>;

    /// Makes the group, where it is not there.
    fn join(&mut self, from: From) -> Result<(), Trouble>;

    /// Since when this consumer has asked for nothing, where the group knows it.
    fn silence(&mut self) -> Result<Option<Duration>, Trouble>;

    /// The last messages of the stream, the oldest first; none is taken.
    fn latest(&mut self, count: usize) -> Result<Vec<Message>, Trouble>;

    /// Messages that this consumer was given and has not acknowledged, in their order, behind `after`.
    fn pending(&mut self, after: Option<&str>) -> Result<Vec<Message>, Trouble>;

    /// Whether this consumer was given that message and has not acknowledged it.
    fn is_pending(&mut self, id: &str) -> Result<bool, Trouble>;

    /// New messages; waits for a moment where there is none.
    fn poll(&mut self) -> Result<Vec<Message>, Trouble>;

    /// Takes over messages that others were given so long ago and have not acknowledged; whether there may be more.
    fn claim(&mut self, idle: Duration) -> Result<(Vec<Message>, bool), Trouble> {
        let _ = idle;
        Ok((Vec::new(), false))
    }

    /// Acknowledges messages for good.
    fn acknowledge(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble>;

    /// Messages that were given and are not handed on now are to come again in a moment.
    fn later(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        let _ = ids;
        Ok(())
    }

    /// For how long after it was asked for them nobody else is given the messages.
    fn certain(&self) -> Duration;

    /// Others may have noted what was given here until then. Who has looked since knows all that they have.
    fn noted_until(&self) -> Instant {
        Instant::now()
    }

    /// Whether it may give what is on its way already.
    fn repeats(&self) -> bool {
        true
    }

    /// Whether what was there when this consumer came has been given, or is not for it.
    fn is_caught_up(&self) -> bool {
        true
    }

    /// Whether a part of the stream is to go to another consumer, once what was given of it is settled.
    fn is_leaving(&self) -> bool {
        false
    }

    /// Leaves the group, so that others are given its part of the stream at once.
    fn leave(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// How many messages anybody in the group was given and has not acknowledged, where the broker knows; at least those of
    /// the ones that were noted which may be given again.
    fn outstanding(&mut self, noted: &[Arc<str>]) -> Result<Option<u64>, Trouble>;

    /// What tells how far the group is behind the end of the stream.
    fn behind(&mut self) -> Option<Behind>;

    /// What the other consumers of the group have been given and have not acknowledged.
    fn of_others(&mut self) -> Result<OfOthers, Trouble>;
}

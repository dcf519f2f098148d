//! The connection of a consumer, and what keeps it in its group while nothing is asked for.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use crate::source::broker::Trouble;
use crate::source::broker::beside::Beside;
use crate::source::broker::kafka::context::{self, Change, Context, code};
use crate::source::broker::kafka::raw::Raw;
use crate::source::broker::kafka::settings::Settings;
use crate::source::broker::kafka::{MOST, MOST_BYTES};

/// Time between two looks whether it is asked for messages.
const LOOK: Duration = Duration::from_secs(1);

/// Who is asked for nothing for so long is waiting for the store.
const WAITS: Duration = Duration::from_secs(3);

/// How long the group is told that this consumer leaves it.
const LAST: Duration = Duration::from_secs(5);

/// What the client has told and nobody has taken yet.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) messages: VecDeque<Raw>,
    /// Partitions whose ends were reached.
    pub(super) ends: Vec<i32>,
    pub(super) faults: Vec<Code>,
    pub(super) changes: Vec<Change>,
}

/// What has come, and has not been asked for.
struct Turn {
    heard: Heard,
    beside: Beside,
    asked: Instant,
    /// Whether nothing is fetched, of the partitions that were here then.
    paused: bool,
    /// Whether partitions have come since.
    more: bool,
}

/// A commit of offsets of partitions: when it began, and what comes of it.
type Pending = (Instant, Vec<(i32, i64)>, Receiver<Result<(), Option<Code>>>);

pub(super) struct Session {
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    turn: Arc<Mutex<Turn>>,
    /// A commit of which nothing is known yet.
    commit: Option<Pending>,
    /// Keeps it in the group; ends with the channel.
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Makes a client, which connects by itself.
pub(super) fn consumer(settings: &Settings) -> Result<BaseConsumer<Context>, Trouble> {
    let made = settings.connection.client.create_with_context(Context::default());
    made.map_err(|error| Trouble::Refused(settings.connection.unusable(&error)))
}

fn lock(turn: &Mutex<Turn>) -> MutexGuard<'_, Turn> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    /// Takes in so many messages, or so many bytes of them: one, where there are more already, since who asks for
    /// nothing leaves the group.
    fn hear(&mut self, consumer: &BaseConsumer<Context>, mut wait: Duration, most: usize, most_bytes: usize) {
        let mut bytes: usize = self.heard.messages.iter().map(Raw::size).sum();
        for _ in 0..most {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let raw = Raw::of(&message, &self.beside);
                    bytes += raw.size();
                    self.heard.messages.push_back(raw);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.heard.ends.push(partition),
                Some(Err(error)) => self.heard.faults.extend(code(&error)),
            }
            if bytes >= most_bytes {
                break;
            }
            wait = Duration::ZERO;
        }
    }

    /// Fetches nothing from now on. What cannot be done now is at the next time.
    fn pause(&mut self, consumer: &BaseConsumer<Context>) {
        match consumer.assignment().and_then(|all| consumer.pause(&all)) {
            Ok(()) => (self.paused, self.more) = (true, false),
            Err(error) => tracing::debug!("Kafka: {error}"),
        }
    }
}

impl Session {
    pub(super) fn open(settings: &Settings) -> Result<Self, Trouble> {
        let (heard, beside) = (Heard::default(), settings.beside.clone());
        let turn = Turn { heard, beside, asked: Instant::now(), paused: false, more: false };
        Ok(Self {
            consumer: Arc::new(consumer(settings)?),
            turn: Arc::new(Mutex::new(turn)),
            commit: None,
            keeper: None,
        })
    }

    /// What has come; waits so long for it. Where no message is wanted, none is fetched.
    pub(super) fn hear(&self, wait: Duration, most: usize, most_bytes: usize) -> Heard {
        let mut turn = lock(&self.turn);
        turn.asked = Instant::now();
        if most == 0 {
            if !turn.paused || turn.more {
                turn.pause(&self.consumer);
            }
        } else if turn.paused {
            // What does not go on now does at the next time.
            let resumed = self.consumer.assignment().and_then(|all| self.consumer.resume(&all));
            turn.paused = resumed.is_err();
        }
        turn.hear(&self.consumer, wait, most.max(1), most_bytes);
        let mut heard = std::mem::take(&mut turn.heard);
        heard.changes = self.consumer.context().changes();
        heard
    }

    /// Commits offsets of partitions; when that began, or `None` where nothing is known of it after so long.
    pub(super) fn commit(
        &mut self,
        topic: &str,
        offsets: Vec<(i32, i64)>,
        patience: Duration,
    ) -> Option<Result<Instant, Option<Code>>> {
        // One that comes about late must not take back what a later one has committed.
        if let Some((began, of, earlier)) = &self.commit {
            match earlier.recv_timeout(patience) {
                Ok(Ok(())) if *of == offsets => {
                    let began = *began;
                    self.commit = None;
                    return Some(Ok(began));
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Ok(_) | Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        let (began, (tell, hear)) = (Instant::now(), mpsc::channel());
        let (consumer, topic, all) = (self.consumer.clone(), topic.to_owned(), offsets.clone());
        // The client waits as long as it likes.
        std::thread::spawn(move || {
            let mut list = TopicPartitionList::new();
            let add =
                |(partition, offset)| list.add_partition_offset(&topic, partition, Offset::Offset(offset));
            let added = all.into_iter().try_for_each(add);
            let came = added.and_then(|()| consumer.commit(&list, CommitMode::Sync));
            drop(consumer);
            // Whoever does not wait any more asks again.
            let _ = tell.send(came.map_err(|error| code(&error)));
        });
        let came = hear.recv_timeout(patience);
        self.commit = came.is_err().then_some((began, offsets, hear));
        came.ok().map(|came| came.map(|()| began))
    }

    pub(super) fn assign(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        // Those that come are fetched, while the others may be paused.
        lock(&self.turn).more = true;
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.consumer.assign(list),
        }
    }

    pub(super) fn unassign(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        context::unassign(&self.consumer, list)
    }

    /// From now on it stays in the group though nothing is asked for: then nothing is fetched.
    pub(super) fn keep(&mut self) {
        let (tie, end) = mpsc::channel::<()>();
        let (consumer, turn) = (self.consumer.clone(), self.turn.clone());
        let keeper = std::thread::spawn(move || {
            while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let mut turn = match turn.try_lock() {
                    Ok(turn) => turn,
                    Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
                    Err(TryLockError::WouldBlock) => continue,
                };
                if turn.asked.elapsed() < WAITS {
                    continue;
                }
                if !turn.paused || turn.more {
                    tracing::debug!("Kafka: nothing is fetched until more is asked for");
                    turn.pause(&consumer);
                }
                turn.hear(&consumer, Duration::ZERO, MOST, MOST_BYTES);
            }
        });
        self.keeper = Some((tie, keeper));
    }

    /// Leaves the group. Where it cannot be told, it finds out by itself.
    pub(super) fn close(self) {
        let Self { consumer, keeper, .. } = self;
        if let Some((tie, keeper)) = keeper {
            drop(tie);
            // It has nothing to tell.
            let _ = keeper.join();
        }
        consumer.context().close();
        // Changes that nobody will answer any more.
        if consumer.context().changes().iter().any(|change| matches!(change, Change::Goes { .. })) {
            let _ = consumer.assignment().and_then(|all| context::unassign(&consumer, &all));
        }
        let (tell, hear) = mpsc::channel();
        std::thread::spawn(move || {
            drop(consumer);
            // Nobody waits for ever.
            let _ = tell.send(());
        });
        let _ = hear.recv_timeout(LAST);
    }
}

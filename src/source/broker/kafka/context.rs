//! What the client of Kafka tells while it is asked for messages.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

/// A change of the partitions that are read here; it has not come about before it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// They come here.
    Comes(Vec<i32>),
    /// They are to be given up; `lost`: another consumer may have them already.
    Goes { partitions: Vec<i32>, lost: bool },
}

/// What the client has told and nobody has taken yet.
#[derive(Default)]
pub(super) struct Context {
    changes: Mutex<Vec<Change>>,
    /// Nothing is answered any more.
    closing: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The code of an error; `None` where it has none.
pub(super) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    error.rdkafka_error_code()
}

impl Context {
    /// The changes since this was asked last.
    pub(super) fn changes(&self) -> Vec<Change> {
        mem::take(&mut *lock(&self.changes))
    }

    /// From now on partitions are given up at once.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

/// Gives up partitions.
pub(super) fn unassign(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

impl ClientContext for Context {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, about: &str, message: &str) {
        tracing::debug!("Kafka: {about}: {message}");
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(|one| one.partition()).collect();
        let comes = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            let done =
                if comes { consumer.assign(&TopicPartitionList::new()) } else { unassign(consumer, list) };
            if let Err(error) = done {
                tracing::debug!("Kafka: {error}");
            }
            return;
        }
        let change = match comes {
            true => Change::Comes(partitions),
            false => Change::Goes { partitions, lost: consumer.assignment_lost() },
        };
        lock(&self.changes).push(change);
    }
}

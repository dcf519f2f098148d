//! Letters of a run on their way to a topic.

use uuid::Uuid;

use super::log::{Letter, withdrawals};
use super::topic::Topic;
use crate::dlq::destination::{Destination, unwritable};
use crate::dlq::file::Appended;
use crate::dlq::messages::outgoing;
use crate::error::{Error, Result};
use crate::port::DeadLetterError;

/// What writes to an address.
pub(in crate::dlq) fn destination(text: &str, run: Uuid) -> Result<Box<dyn Destination>> {
    Ok(Box::new(KafkaDestination { topic: Topic::open(text)?, run, number: 0, vain: Vec::new() }))
}

/// Publishes a message for each record.
#[derive(Debug)]
struct KafkaDestination {
    topic: Topic,
    run: Uuid,
    /// Messages that were sent, or tried to.
    number: u64,
    /// The ids of messages of writes that have failed, which may be there: their rows are written again.
    vain: Vec<String>,
}

impl KafkaDestination {
    /// Says of what may be there in vain that it does not count.
    fn withdraw(&mut self) -> Result<()> {
        if self.vain.is_empty() {
            return Ok(());
        }
        let controls = withdrawals(&self.vain);
        let letters = controls.iter().map(Letter::control).collect::<Result<Vec<_>>>()?;
        self.topic.publish(&letters).map_err(|torn| torn.error)?;
        self.vain.clear();
        Ok(())
    }
}

impl Destination for KafkaDestination {
    fn append(&mut self, lines: &[u8]) -> Result<Appended, DeadLetterError> {
        self.withdraw().map_err(|error| told(&self.topic, &error))?;
        let letters = outgoing(lines, self.topic.most()).into_iter().map(|message| {
            self.number += 1;
            Letter::new(format!("{}-{}", self.run, self.number), false, message)
        });
        let letters: Vec<Letter> = letters.collect();
        self.topic.publish(&letters).map_err(|torn| {
            let error = told(&self.topic, &torn.error);
            self.vain.extend(torn.perhaps);
            error
        })?;
        Ok(Appended { repaired: false, rotated: 0 })
    }
}

fn told(topic: &Topic, error: &Error) -> DeadLetterError {
    unwritable(&topic.address, error)
}

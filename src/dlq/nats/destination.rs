//! Letters of a run on their way to a subject.

use std::time::Duration;

use uuid::Uuid;

use super::letter::{Letter, Torn};
use super::subject::{OUTAGE, Subject};
use crate::dlq::destination::{Destination, unwritable};
use crate::dlq::file::Appended;
use crate::dlq::messages::outgoing;
use crate::error::{Error, Result};
use crate::port::DeadLetterError;

/// What writes to an address.
pub(in crate::dlq) fn destination(text: &str, run: Uuid) -> Result<Box<dyn Destination>> {
    let subject = Subject::open(text)?;
    subject.forgets().into_iter().chain(subject.doubles()).for_each(|told| tracing::warn!("{told}"));
    Ok(Box::new(NatsDestination { subject, run, number: 0, torn: None }))
}

/// Publishes a message for each record.
#[derive(Debug)]
struct NatsDestination {
    subject: Subject,
    run: Uuid,
    /// Messages that were sent, or tried to.
    number: u64,
    /// What the last write has left in the stream, though it failed: its rows are written again.
    torn: Option<Torn>,
}

impl NatsDestination {
    /// Takes back what a write has left that failed.
    fn withdraw(&mut self) -> Result<()> {
        let Some(Torn { error, mut confirmed, perhaps }) = self.torn.take() else { return Ok(()) };
        if self.subject.stream.cached_info().config.deny_delete {
            tracing::warn!(
                "{}: letters may be there twice, since its stream permits no message to be deleted (deny_delete)",
                self.subject.address
            );
            return Ok(());
        }
        // Under their ids again the stream says where it has them.
        let known = self.subject.publish(perhaps, Duration::ZERO);
        let (perhaps, why) = match known {
            Ok(more) => {
                confirmed.extend(more);
                (Vec::new(), None)
            }
            Err(torn) => {
                confirmed.extend(torn.confirmed);
                (torn.perhaps, Some(torn.error))
            }
        };
        let deleted = self.subject.delete(&confirmed);
        if deleted.is_ok() {
            confirmed.clear();
        }
        match (deleted.err(), why.filter(|_| !perhaps.is_empty())) {
            (None, None) => Ok(()),
            (Some(told), _) | (None, Some(told)) => {
                self.torn = Some(Torn { error, confirmed, perhaps });
                Err(told)
            }
        }
    }
}

impl Destination for NatsDestination {
    fn append(&mut self, lines: &[u8]) -> Result<Appended, DeadLetterError> {
        self.withdraw().map_err(|error| told(&self.subject, &error))?;
        let (most, _) = self.subject.most();
        let letters = outgoing(lines, most).into_iter().map(|message| {
            self.number += 1;
            Letter::new(format!("{}-{}", self.run, self.number), false, message)
        });
        let letters = letters.collect();
        self.subject.publish(letters, OUTAGE).map_err(|torn| {
            let error = told(&self.subject, &torn.error);
            self.torn = Some(torn);
            error
        })?;
        Ok(Appended { repaired: false, rotated: 0 })
    }
}

fn told(subject: &Subject, error: &Error) -> DeadLetterError {
    unwritable(&subject.address, error)
}

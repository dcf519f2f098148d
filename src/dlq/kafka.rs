//! Dead letters in a topic of Kafka: a message for each record, in the first partition, so that all of them have one order.
//!
//! No message of a topic can be taken out. So what becomes of letters is written behind them, as messages that say so
//! (`log`): that some were replayed, that some were sent in vain, that a replay claims the queue, and that it gives it
//! up. Who reads the partition knows what is left. Of two replays that claim it at once that one has it whose claim
//! stands first.

mod destination;
mod log;
mod topic;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use self::log::{Control, Letter, Log, PARKED, header};
use self::topic::Topic;
use super::messages::outgoing;
use super::remote::{Entry, Holder, News, Piece, RemoteQueue};
use crate::error::{Error, Result};

pub(super) use destination::destination;

/// The queue of an address.
pub(super) fn queue(text: &str) -> Result<Box<dyn RemoteQueue>> {
    Ok(Box::new(KafkaQueue(Arc::new(Topic::open(text)?))))
}

/// A queue in a topic.
#[derive(Debug)]
struct KafkaQueue(Arc<Topic>);

impl KafkaQueue {
    fn log(&self) -> Result<Log> {
        Log::read(&self.0)
    }

    fn note(&self, control: &Control) -> Result<()> {
        self.0.publish(&[Letter::control(control)?]).map_err(|torn| torn.error)
    }
}

impl RemoteQueue for KafkaQueue {
    fn name(&self) -> String {
        self.0.address.clone()
    }

    fn each(&self, hand_on: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        let log = self.log()?;
        log.gone.iter().for_each(|told| tracing::warn!("{told}"));
        self.0.each(log.begin, log.end, &mut |message| {
            if !log.is_live(message.offset) {
                return Ok(());
            }
            let parked = header(message.headers, PARKED).is_some();
            let lines = Bytes::copy_from_slice(message.body.unwrap_or_default());
            hand_on(Entry { id: message.offset.to_string(), name: None, parked, lines })
        })
    }

    fn news(&self) -> Result<News> {
        let (topic, mut next) = (self.0.clone(), self.0.ends()?.1);
        Ok(Box::new(move || {
            let mut new = Vec::new();
            let (_, end) = topic.ends()?;
            topic.each(next, end, &mut |message| {
                next = message.offset + 1;
                if Control::of(&message).is_none() {
                    let parked = header(message.headers, PARKED).is_some();
                    let lines = Bytes::copy_from_slice(message.body.unwrap_or_default());
                    new.push(Entry { id: message.offset.to_string(), name: None, parked, lines });
                }
                Ok(())
            })?;
            next = next.max(end);
            Ok(new)
        }))
    }

    fn put(&self, pieces: &[Piece]) -> Result<()> {
        let mut letters = Vec::new();
        for Piece { name, parked, lines } in pieces {
            let all = outgoing(lines, self.0.most()).into_iter().enumerate();
            letters
                .extend(all.map(|(place, message)| Letter::new(format!("{name}-{place}"), *parked, message)));
        }
        if letters.is_empty() {
            return Ok(());
        }
        let log = self.log()?;
        let there = log.ids();
        letters.retain(|letter| !there.contains(letter.id.as_str()));
        self.0.publish(&letters).map_err(|torn| match torn.error {
            away @ Error::Unavailable(_) => away,
            other => Error::usage(format!("{}: {other}", self.0.address)),
        })
    }

    fn remove(&self, ids: &[String]) -> Result<()> {
        let wanted: HashSet<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let log = self.log()?;
        let all = log.with_doubles(&wanted);
        log::removals(&all).iter().try_for_each(|control| self.note(control))
    }

    fn holder(&self) -> Result<Option<Holder>> {
        Ok(self.log()?.holder)
    }

    fn claim(&self, holder: &Holder) -> Result<bool> {
        self.note(&Control::Claim(holder.clone()))?;
        let own = self.holder()?.is_some_and(|there| there.claim == holder.claim);
        if !own {
            // Or it would be the first one for who begins to read behind the other one.
            self.note(&Control::Release(holder.claim))?;
        }
        Ok(own)
    }

    fn release(&self) -> Result<()> {
        if let Some(there) = self.holder()? {
            self.note(&Control::Release(there.claim))?;
        }
        // What is settled need not be read again; whoever does not know it reads from the beginning.
        let log = self.log()?;
        self.0.begin_at(log.first_live());
        Ok(())
    }
}

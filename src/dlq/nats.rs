//! Dead letters in a stream of NATS JetStream: a message for each record, under one subject.
//!
//! A record counts once the stream has confirmed it; an answer that was lost is no second message, since each has an id
//! by which the stream knows it again. What was sent in vain is taken back before its rows are written again. A replay claims the subject by a durable consumer that nobody reads from: it can be
//! made only once, since where it begins cannot be changed. What was replayed is deleted.

mod destination;
mod letter;
mod subject;

use std::collections::HashSet;
use std::sync::Arc;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use bytes::Bytes;

use self::letter::{ID, Letter, PARKED};
use self::subject::{OUTAGE, Subject};
use super::messages::outgoing;
use super::remote::{Entry, Holder, News, Piece, RemoteQueue};
use crate::error::{Error, Result};

pub(super) use destination::destination;

fn header<'m>(message: &'m jetstream::Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref()?.get(name).map(|value| value.as_str())
}

fn sequence(message: &jetstream::Message) -> Option<u64> {
    message.info().ok().map(|info| info.stream_sequence)
}

fn entry(message: &jetstream::Message) -> Option<Entry> {
    let id = sequence(message)?.to_string();
    let parked = header(message, PARKED).is_some();
    Some(Entry { id, name: None, parked, lines: Bytes::copy_from_slice(&message.payload) })
}

/// The queue of an address.
pub(super) fn queue(text: &str) -> Result<Box<dyn RemoteQueue>> {
    Ok(Box::new(NatsQueue(Arc::new(Subject::open(text)?))))
}

/// A queue at a subject.
#[derive(Debug)]
struct NatsQueue(Arc<Subject>);

impl RemoteQueue for NatsQueue {
    fn name(&self) -> String {
        self.0.address.clone()
    }

    fn each(&self, hand_on: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        self.0.each(false, |message| entry(&message).map_or(Ok(()), &mut *hand_on))
    }

    fn news(&self) -> Result<News> {
        let subject = self.0.clone();
        let asked = subject.stream.clone();
        let info =
            subject.run(async move { asked.get_info().await.ok().map(|info| info.state.last_sequence) })?;
        let mut next = info.ok_or_else(|| subject.silent())? + 1;
        let mut reader = None;
        Ok(Box::new(move || {
            let open = match reader.take() {
                Some(open) => open,
                None => subject.reader(Some(next), false)?,
            };
            let mut new = Vec::new();
            loop {
                // A reader that the server has forgotten gives nothing and tells nothing.
                let (messages, behind) = match subject.next(&open) {
                    Ok(got) => got,
                    // Those that came are shown; the others are asked for anew.
                    Err(_) if !new.is_empty() => return Ok(new),
                    Err(error) => return Err(error),
                };
                next = messages.last().and_then(sequence).map_or(next, |last| last + 1);
                new.extend(messages.iter().filter_map(entry));
                if messages.is_empty() || behind == 0 {
                    break;
                }
            }
            reader = Some(open);
            Ok(new)
        }))
    }

    fn put(&self, pieces: &[Piece]) -> Result<()> {
        let (most, _) = self.0.most();
        let mut letters = Vec::new();
        for Piece { name, parked, lines } in pieces {
            let all = outgoing(lines, most).into_iter().enumerate();
            letters
                .extend(all.map(|(place, message)| Letter::new(format!("{name}-{place}"), *parked, message)));
        }
        if letters.is_empty() {
            return Ok(());
        }
        // The stream knows ids again for a while only, and this may be tried again much later.
        let wanted: HashSet<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
        let mut there = HashSet::new();
        self.0.each(true, |message| {
            there.extend(header(&message, ID).filter(|id| wanted.contains(id)).map(str::to_owned));
            Ok(())
        })?;
        letters.retain(|letter| !there.contains(&letter.id));
        self.0.publish(letters, OUTAGE).map(drop).map_err(|torn| match torn.error {
            away @ Error::Unavailable(_) => away,
            other => Error::usage(format!("{}: {other}", self.0.address)),
        })
    }

    fn remove(&self, ids: &[String]) -> Result<()> {
        let sequences: Vec<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.0.delete(&sequences)
    }

    fn holder(&self) -> Result<Option<Holder>> {
        use jetstream::context::ConsumerInfoErrorKind as Kind;
        let (stream, claim) = (self.0.stream.clone(), self.0.claim());
        let named = claim.clone();
        let there = self.0.run(async move { stream.consumer_info(claim).await })?;
        let description = match there {
            Ok(info) => info.config.description.unwrap_or_default(),
            Err(error) => match error.kind() {
                Kind::NotFound => return Ok(None),
                Kind::JetStream(error) if error.code() == 404 => return Ok(None),
                Kind::JetStream(error) => return Err(self.0.failed(&error)),
                _ => return Err(self.0.silent()),
            },
        };
        serde_json::from_str(&description).map(Some).map_err(|_| {
            Error::usage(format!(
                "{}: its consumer {named} does not say who replays the queue; remove it if nobody does",
                self.0.address
            ))
        })
    }

    fn claim(&self, holder: &Holder) -> Result<bool> {
        if self.0.stream.cached_info().config.deny_delete {
            return Err(Error::usage(format!(
                "{}: its stream permits no message to be deleted (deny_delete), so that what was replayed would stay; inspect-dlq reads it",
                self.0.address
            )));
        }
        let limits = self.0.stream.cached_info().config.consumer_limits.as_ref();
        if limits.is_some_and(|limits| !limits.inactive_threshold.is_zero()) {
            return Err(Error::usage(format!(
                "{}: its stream forgets consumers that nobody reads from (consumer_limits), and the claim of a replay is one; lift that limit",
                self.0.address
            )));
        }
        let config = Config {
            durable_name: Some(self.0.claim()),
            description: Some(String::from_utf8_lossy(&holder.text()?).into_owned()),
            // Nobody reads from it. It is another one for each claim, and cannot be changed later.
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: (holder.claim.as_u128() as u64 >> 2) | 1 << 61,
            },
            ack_policy: AckPolicy::Explicit,
            filter_subject: self.0.subject.clone(),
            ..Config::default()
        };
        let stream = self.0.stream.clone();
        let made = self.0.run(async move { stream.create_consumer(config).await.map(drop) });
        // Whatever was answered: who has it is who stands there.
        match (self.holder()?, made) {
            (Some(there), _) => Ok(there.claim == holder.claim),
            (None, Ok(Err(error))) => Err(match error.kind() {
                jetstream::stream::ConsumerErrorKind::JetStream(error) => self.0.failed(&error),
                _ => self.0.silent(),
            }),
            (None, Ok(Ok(()))) => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    fn release(&self) -> Result<()> {
        let (stream, claim) = (self.0.stream.clone(), self.0.claim());
        let gone = self.0.run(async move { stream.delete_consumer(&claim).await.map(drop) })?;
        match (gone, self.holder()?) {
            (Ok(()), _) | (_, None) => Ok(()),
            (Err(_), Some(_)) => Err(Error::unavailable(format!(
                "{}: the claim of this replay cannot be given up; remove the consumer {} of its stream",
                self.0.address,
                self.0.claim()
            ))),
        }
    }
}

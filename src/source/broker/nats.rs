//! Streams of NATS JetStream, read through a durable consumer that any number of programs share.
//!
//! A message is asked for (pull), acknowledged once all of its rows are settled, and the acknowledgement is confirmed by
//! the server. While its rows wait for the store the server is told that the message is in progress, so that it is given to
//! nobody else. What a program that has died was given comes to the others once the server has waited for it
//! (`ack_wait`).

mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::Stream as JetStream;
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, HeaderMap, Subject};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::brokers::NOTHING_THERE;
use crate::brokers::nats::{PATIENCE, Threads};
use crate::error::{Error, Result};
use crate::source::broker::beside::{Told, Values, What};
use crate::source::broker::consumer::POLLED;
use crate::source::broker::group::REMEMBERED;
use crate::source::broker::nats::settings::{ACK_WAIT, LEAST_WAIT, Settings};
use crate::source::broker::stream::Stream;
use crate::source::broker::{About, Behind, Broker, Message, OfOthers, Trouble};
use crate::source::followed::{FollowOptions, FollowedKind, From};

/// Streams of JetStream.
pub const KIND: FollowedKind =
    FollowedKind { scheme: Some("nats"), open: |options| Box::new(Stream { options, open }) };

/// Messages that are asked for at once.
const MOST: usize = 500;

/// Messages that may be given and not acknowledged, for all programs together.
const MOST_OPEN: i64 = 50_000;

/// How long it is waited where there is no message.
const PAUSE: Duration = Duration::from_millis(50);

/// Messages that are on their way here, by id: where their acknowledgement goes, and when the server last heard of them.
type Given = Arc<Mutex<HashMap<Arc<str>, (Subject, Instant)>>>;

/// A durable consumer.
struct Nats {
    settings: Settings,
    threads: Arc<Threads>,
    client: Option<Client>,
    stream: Option<JetStream>,
    consumer: Option<Consumer<Config>>,
    given: Given,
    ack_wait: Duration,
    /// Whether it is asked for so many bytes at most.
    is_bounded: bool,
}

fn open(options: &FollowOptions) -> Result<(Box<dyn Broker>, About)> {
    let (settings, about) = settings::of(options)?;
    let threads = Arc::new(Threads::new()?);
    let ack_wait = settings.ack_wait.unwrap_or(Duration::from_secs(ACK_WAIT));
    let (client, stream, consumer, given) = (None, None, None, Given::default());
    Ok((
        Box::new(Nats { settings, threads, client, stream, consumer, given, ack_wait, is_bounded: true }),
        about,
    ))
}

/// The id of a message: its number in the stream, and when it came there, since a stream that is made anew numbers anew.
fn id_of(message: &jetstream::Message) -> Option<(Arc<str>, i64, bool)> {
    let info = message.info().ok()?;
    let id = format!("{}@{}", info.stream_sequence, info.published.unix_timestamp_nanos());
    let nanos = info.published.unix_timestamp_nanos();
    Some((id.into(), (nanos / 1_000_000) as i64, info.delivered > 1))
}

impl Nats {
    /// Does something on the connection's own threads, and waits for it.
    fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        act: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.threads.run(limit, act).ok_or_else(|| self.away("it gives no answer"))
    }

    /// What is told of a message beside its body.
    fn beside(&self, id: &str, subject: &str, at: i64, headers: Option<&HeaderMap>) -> Values {
        self.settings.beside.values(|what| match what {
            What::Key => Some(Told::Bytes(subject.as_bytes())),
            What::Id => Some(Told::Bytes(id.split('@').next()?.as_bytes())),
            What::Time => Some(Told::Time(at)),
            What::Header(name) => {
                let value = headers?.get_last(name.as_str())?;
                Some(Told::Bytes(value.as_str().as_bytes()))
            }
        })
    }

    fn away(&self, what: &str) -> Trouble {
        self.settings.connection.away(what)
    }

    fn refused(&self, what: &str) -> Trouble {
        Trouble::Refused(Error::input(format!("{}: {what}", self.settings.connection.name)))
    }

    /// What an answer of JetStream that is an error means.
    fn failed(&self, error: &jetstream::Error) -> Trouble {
        match (error.code(), error.error_code()) {
            (_, jetstream::ErrorCode::STREAM_NOT_FOUND) => {
                self.refused(&format!("there is no stream {}", self.settings.stream))
            }
            (403, _) => self.refused("NATS does not permit this"),
            (404, _) => self.refused(&format!("the durable consumer {} is gone", self.settings.durable)),
            (400, _) => self.refused(&format!(
                "NATS refuses it (code {}); see what this user may do, and the limits of the stream",
                error.error_code().0
            )),
            _ => self.away("JetStream is not ready"),
        }
    }

    fn client(&self) -> Result<Client, Trouble> {
        self.client.clone().ok_or_else(|| self.away(NOTHING_THERE))
    }

    fn stream(&mut self) -> Result<JetStream, Trouble> {
        if let Some(stream) = &self.stream {
            return Ok(stream.clone());
        }
        let (client, name) = (self.client()?, self.settings.stream.clone());
        // It begins a task of its own.
        let stream = self
            .run(PATIENCE, async move { jetstream::new(client).get_stream(name).await })?
            .map_err(|error| {
                use async_nats::jetstream::context::GetStreamErrorKind as Kind;
                match error.kind() {
                    Kind::JetStream(error) => self.failed(&error),
                    Kind::EmptyName | Kind::InvalidStreamName => self.refused("that is no name of a stream"),
                    Kind::Request => self
                        .away("JetStream gives no answer; is it on, and is this user permitted to ask it?"),
                }
            })?;
        self.stream = Some(stream.clone());
        Ok(stream)
    }

    fn consumer(&self) -> Result<Consumer<Config>, Trouble> {
        self.consumer.clone().ok_or_else(|| self.away("there is no consumer"))
    }

    /// Acknowledges in some way, one message after the other, without waiting for answers.
    fn tell(&self, ids: &[Arc<str>], kind: AckKind) -> Result<(), Trouble> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let replies: Vec<Subject> = ids.iter().filter_map(|id| Some(given.remove(id)?.0)).collect();
        drop(given);
        let client = self.client()?;
        let told = self.run(PATIENCE, async move {
            for reply in replies {
                client.publish(reply, kind.into()).await.ok()?;
            }
            Some(())
        })?;
        told.ok_or_else(|| self.away(NOTHING_THERE))
    }

    /// Tells the server now and then that messages are still wanted.
    fn keep(&self, client: Client) {
        let (given, every) = (self.given.clone(), self.ack_wait / 4);
        self.threads.begin(async move {
            loop {
                tokio::time::sleep(every / 4).await;
                if client.connection_state() != State::Connected {
                    continue;
                }
                let mut replies = Vec::new();
                for (reply, heard) in given.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
                    if heard.elapsed() >= every {
                        *heard = Instant::now();
                        replies.push(reply.clone());
                    }
                }
                for reply in replies {
                    // If it is not heard, the next one is.
                    let _ = timeout(every, client.publish(reply, AckKind::Progress.into())).await;
                }
            }
        });
    }
}

impl Broker for Nats {
    fn connect(&mut self) -> Result<(), Trouble> {
        if let Some(client) = &self.client {
            return match client.connection_state() {
                State::Connected => Ok(()),
                // It connects by itself.
                State::Pending | State::Disconnected => Err(self.away(NOTHING_THERE)),
            };
        }
        let client = self.settings.connection.open(&self.threads)?;
        self.client = Some(client);
        Ok(())
    }

    fn join(&mut self, from: From) -> Result<(), Trouble> {
        let stream = self.stream()?;
        let durable = self.settings.durable.clone();
        let (asked, name) = (stream.clone(), durable.clone());
        let there = self.run(PATIENCE, async move { asked.consumer_info(name).await })?;
        use async_nats::jetstream::context::ConsumerInfoErrorKind;
        use async_nats::jetstream::stream::ConsumerErrorKind;
        let known = match there {
            Ok(info) => Some(info.config),
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => None,
                ConsumerInfoErrorKind::JetStream(error) if error.code() == 404 => None,
                ConsumerInfoErrorKind::JetStream(error) => return Err(self.failed(&error)),
                _ => return Err(self.away("JetStream gives no answer")),
            },
        };
        if let Some(config) = &known {
            let begins = from != From::Checkpoint;
            let refused = |what: &str| {
                let what = format!(
                    "{}: the durable consumer {durable} is there already, and {what}",
                    self.settings.connection.name
                );
                Err(Trouble::Refused(Error::usage(what)))
            };
            if begins {
                return refused("goes on where it is; name another one to begin elsewhere");
            }
            if config.deliver_subject.is_some() {
                return refused(
                    "messages are pushed to it; name one that they are pulled from, or none that is there",
                );
            }
            if config.ack_policy != AckPolicy::Explicit {
                return refused("messages are not acknowledged one by one; name another one");
            }
            if config.ack_wait < Duration::from_secs(LEAST_WAIT) {
                return refused(
                    "waits less than 5 seconds for acknowledgements (ack_wait); name another one",
                );
            }
            if config.max_deliver > 0 {
                return refused(
                    "gives a message up once it was given so often (max_deliver); name another one",
                );
            }
            if config.headers_only {
                return refused("gives no bodies (headers_only); name another one");
            }
            let own = match config.filter_subjects.is_empty() {
                true => std::slice::from_ref(&config.filter_subject),
                false => config.filter_subjects.as_slice(),
            };
            if self.settings.subject.as_ref().is_some_and(|subject| own != std::slice::from_ref(subject)) {
                return refused("reads other subjects; leave subject= out, or name another one");
            }
            if self.settings.ack_wait.is_some_and(|wait| wait != config.ack_wait) {
                return refused(&format!(
                    "waits {} s for acknowledgements; leave ack_wait= out",
                    config.ack_wait.as_secs()
                ));
            }
            self.ack_wait = config.ack_wait;
        }
        let made = match known {
            Some(_) => {
                let got = self.run(PATIENCE, async move { stream.get_consumer::<Config>(&durable).await })?;
                got.map_err(|_| self.away("JetStream gives no answer"))?
            }
            None => {
                let config = Config {
                    durable_name: Some(durable),
                    deliver_policy: if from == From::End { DeliverPolicy::New } else { DeliverPolicy::All },
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: self.ack_wait,
                    max_ack_pending: MOST_OPEN,
                    filter_subject: self.settings.subject.clone().unwrap_or_default(),
                    ..Config::default()
                };
                let made = self.run(PATIENCE, async move { stream.create_consumer(config).await })?;
                made.map_err(|error| match error.kind() {
                    ConsumerErrorKind::JetStream(error) => self.failed(&error),
                    _ => self.away("JetStream gives no answer"),
                })?
            }
        };
        self.consumer = Some(made);
        self.keep(self.client()?);
        Ok(())
    }

    fn silence(&mut self) -> Result<Option<Duration>, Trouble> {
        Ok(None)
    }

    fn latest(&mut self, count: usize) -> Result<Vec<Message>, Trouble> {
        self.stream = None;
        let stream = self.stream()?;
        let state = &stream.cached_info().state;
        let count = u64::try_from(count.min(50)).unwrap_or(0);
        let first = state.first_sequence.max(state.last_sequence.saturating_add(1).saturating_sub(count));
        let wanted = first..=state.last_sequence;
        if state.messages == 0 {
            return Ok(Vec::new());
        }
        let asked = self.run(PATIENCE, async move {
            join_all(wanted.map(|sequence| stream.get_raw_message(sequence))).await
        })?;
        // What was deleted has no body; of another subject may be anything.
        let wanted = |subject: &str| self.settings.subject.as_deref().is_none_or(|own| is_of(subject, own));
        let found = asked.into_iter().flatten().filter(|message| wanted(&message.subject));
        let message = |message: jetstream::message::StreamMessage| {
            let id: Arc<str> = message.sequence.to_string().into();
            let at = (message.time.unix_timestamp_nanos() / 1_000_000) as i64;
            let beside = self.beside(&id, &message.subject, at, Some(&message.headers));
            Message { id, body: Some(message.payload.to_vec()), beside, again: false }
        };
        Ok(found.map(message).collect())
    }

    fn pending(&mut self, _: Option<&str>) -> Result<Vec<Message>, Trouble> {
        // The server gives them again by itself.
        Ok(Vec::new())
    }

    fn is_pending(&mut self, _: &str) -> Result<bool, Trouble> {
        Ok(false)
    }

    fn poll(&mut self) -> Result<Vec<Message>, Trouble> {
        let consumer = self.consumer()?;
        let given = Arc::new(Mutex::new(Vec::new()));
        let kept = given.clone();
        // A message that is larger by itself is not given at all, and one of an earlier limit of the server may be.
        let most = self.client()?.server_info().max_payload.saturating_mul(2).max(POLLED);
        let is_bounded = self.is_bounded;
        let done = self.run(PATIENCE, async move {
            let asked = match is_bounded {
                true => consumer.fetch().max_messages(MOST).max_bytes(most),
                false => consumer.fetch().max_messages(1),
            };
            let mut batch = asked.messages().await.map_err(|e| e.to_string())?;
            while let Some(message) = batch.next().await {
                let message = message.map_err(|error| error.to_string())?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            }
            Ok::<(), String>(())
        });
        // What has come is here, whatever happened then.
        let came = std::mem::take(&mut *given.lock().unwrap_or_else(PoisonError::into_inner));
        let mut messages = Vec::with_capacity(came.len());
        let mut open = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        for message in came {
            let (Some((id, at, again)), Some(reply)) = (id_of(&message), message.reply.clone()) else {
                continue;
            };
            open.insert(id.clone(), (reply, Instant::now()));
            let beside = self.beside(&id, &message.subject, at, message.headers.as_ref());
            messages.push(Message { id, body: Some(message.message.payload.to_vec()), beside, again });
        }
        drop(open);
        self.is_bounded = !messages.is_empty() || !matches!(done, Ok(Err(_)));
        if !messages.is_empty() {
            return Ok(messages);
        }
        match done? {
            Ok(()) => {
                std::thread::sleep(PAUSE);
                Ok(messages)
            }
            Err(_) => {
                // It is told only to who asks in the moment in which it is deleted.
                use async_nats::jetstream::context::ConsumerInfoErrorKind as Kind;
                let consumer = self.consumer()?;
                let info = self.run(PATIENCE, async move { consumer.get_info().await.map(drop) })?;
                match info.map_err(|error| error.kind()) {
                    Err(Kind::NotFound) => {
                        Err(self
                            .refused(&format!("the durable consumer {} was deleted", self.settings.durable)))
                    }
                    Err(Kind::JetStream(error)) => Err(self.failed(&error)),
                    _ => Err(self.away("JetStream gives no messages")),
                }
            }
        }
    }

    fn acknowledge(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        let replies: Vec<(Arc<str>, Subject)> = {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().filter_map(|id| Some((id.clone(), given.get(id)?.0.clone()))).collect()
        };
        let client = self.client()?;
        let (all, open) = (replies.len(), self.given.clone());
        let confirmed = self.run(PATIENCE * 2, async move {
            let mut confirmed = 0;
            for some in replies.chunks(MOST) {
                let asked = some.iter().map(|(id, reply)| {
                    let (client, open) = (&client, &open);
                    async move {
                        let sent = client.request(reply.clone(), AckKind::Ack.into()).await.is_ok();
                        if sent {
                            open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
                        }
                        sent
                    }
                });
                confirmed += join_all(asked).await.into_iter().filter(|sent| *sent).count();
            }
            confirmed
        })?;
        // What was confirmed is not asked for again.
        if confirmed == all { Ok(()) } else { Err(self.away("it does not confirm acknowledgements")) }
    }

    fn later(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        self.tell(ids, AckKind::Nak(Some(Duration::from_secs(1))))
    }

    fn certain(&self) -> Duration {
        (self.ack_wait / 2).min(REMEMBERED / 2)
    }

    fn outstanding(&mut self, _: &[Arc<str>]) -> Result<Option<u64>, Trouble> {
        let consumer = self.consumer()?;
        let info = self.run(PATIENCE, async move { consumer.get_info().await })?;
        let info = info.map_err(|_| self.away("JetStream gives no answer"))?;
        Ok(Some(info.num_ack_pending as u64))
    }

    fn behind(&mut self) -> Option<Behind> {
        let (consumer, threads) = (self.consumer.clone()?, self.threads.clone());
        Some(Box::new(move || {
            let asked = consumer.clone();
            let info = threads.run(PATIENCE, async move { asked.get_info().await })?.ok()?;
            Some(info.num_pending.saturating_add(info.num_ack_pending as u64))
        }))
    }

    fn of_others(&mut self) -> Result<OfOthers, Trouble> {
        Ok(Vec::new())
    }
}

/// Whether a subject is one of those that a pattern of NATS stands for.
fn is_of(subject: &str, pattern: &str) -> bool {
    let (mut words, mut wanted) = (subject.split('.'), pattern.split('.'));
    loop {
        match (words.next(), wanted.next()) {
            (Some(_), Some(">")) => return true,
            (Some(word), Some(one)) if one == "*" || one == word => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_subjects() {
        for (subject, pattern, is) in [
            ("ticks.a", "ticks.a", true),
            ("ticks.a", "ticks.*", true),
            ("ticks.a.b", "ticks.*", false),
            ("ticks.a.b", "ticks.>", true),
            ("ticks", "ticks.>", false),
            ("ticks.a", "ticks.b", false),
        ] {
            assert_eq!(is_of(subject, pattern), is, "{subject} {pattern}");
        }
    }
}

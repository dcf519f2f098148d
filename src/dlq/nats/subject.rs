//! A subject of a stream: opened, written, read, and deleted from.

use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::context::{GetStreamByNameErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy, Stream};
use async_nats::jetstream::{self, ErrorCode};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use xxhash_rust::xxh3::xxh3_64;

use super::letter::{Letter, Torn, Unconfirmed};
use crate::brokers::address::{Address, Parameters};
use crate::brokers::nats::{Connection, OF_PASSWORD, PARAMETERS, PATIENCE, Threads};
use crate::dlq::messages::HEADERS;
use crate::error::{Error, Result};

const ADDRESS: Parameters = Parameters {
    names: PARAMETERS,
    many: true,
    password: OF_PASSWORD,
    example: "nats://HOST[,HOST]/SUBJECT",
};

/// Messages that are on their way at once.
pub(super) const MOST: usize = 256;

/// How long it is tried again where a message is not confirmed.
pub(super) const OUTAGE: Duration = Duration::from_secs(15);

/// For how long a stream has to know ids again: longer than all tries at a message take.
const KNOWN: Duration = Duration::from_secs(60);

/// Fetches in a row that bring nothing, though there are messages.
const EMPTY: usize = 3;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a reader may rest before the server forgets it.
const REST: Duration = Duration::from_secs(300);

/// A subject of a stream.
#[derive(Debug)]
pub(super) struct Subject {
    /// As it was named: nothing in it is secret.
    pub(super) address: String,
    pub(super) subject: String,
    connection: Connection,
    client: Client,
    pub(super) stream: Stream,
    threads: Threads,
}

impl Subject {
    pub(super) fn open(text: &str) -> Result<Self> {
        let address = Address::parse(text, &ADDRESS)?;
        let connection = Connection::of(&address)?;
        let (name, subject) = (connection.name.clone(), address.stream);
        let refused = |what: String| Error::usage(format!("{name}: {what}"));
        if subject.contains(['*', '>', ' ', '\t', '\r', '\n']) || subject.split('.').any(str::is_empty) {
            return Err(refused(
                "dead letters go to one subject: words with dots between them, without * and >".into(),
            ));
        }
        let threads = Threads::new()?;
        let client = connection.open(&threads)?;
        let (asked, wanted) = (client.clone(), subject.clone());
        let found = threads.run(PATIENCE * 2, async move {
            let context = jetstream::new(asked);
            let stream = context.stream_by_subject(wanted).await.map_err(|error| error.kind())?;
            Ok((context.get_stream(&stream).await, stream))
        });
        let silent = || {
            Error::from(
                connection.away("JetStream gives no answer; is it on, and is this user permitted to ask it?"),
            )
        };
        let (stream, of) = match found.ok_or_else(silent)? {
            Ok(found) => found,
            Err(GetStreamByNameErrorKind::NotFound) => {
                return Err(refused(format!(
                    "no stream of JetStream takes the subject {subject}; make one that does, with retention limits and discard new"
                )));
            }
            Err(_) => return Err(silent()),
        };
        let stream = stream.map_err(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error) => {
                refused(format!("the stream {of} cannot be used (code {})", error.error_code().0))
            }
            _ => silent(),
        })?;
        let config = &stream.cached_info().config;
        if config.retention != RetentionPolicy::Limits || config.no_ack {
            return Err(refused(format!(
                "the stream {of} keeps no message for good (retention interest or workqueue, or no acknowledgements); dead letters need one whose retention is limits"
            )));
        }
        Ok(Self { address: text.to_owned(), subject, connection, client, stream, threads })
    }

    /// What the stream may do to letters that nobody has replayed.
    pub(super) fn forgets(&self) -> Option<String> {
        let config = &self.stream.cached_info().config;
        let full = config.discard == DiscardPolicy::Old && (config.max_messages > 0 || config.max_bytes > 0);
        let limits = [
            (!config.max_age.is_zero()).then(|| format!("those older than {} s", config.max_age.as_secs())),
            full.then(|| "the oldest once it is full".to_owned()),
            (config.max_messages_per_subject > 0 && !config.discard_new_per_subject)
                .then(|| format!("all but the last {} of a subject", config.max_messages_per_subject)),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        (!limits.is_empty()).then(|| {
            format!(
                "{}: the stream {} deletes letters by itself: {}",
                self.address,
                config.name,
                limits.join(", ")
            )
        })
    }

    /// That letters may be in it twice, where the stream forgets too soon which messages it has.
    pub(super) fn doubles(&self) -> Option<String> {
        let config = &self.stream.cached_info().config;
        (config.duplicate_window < KNOWN).then(|| {
            format!(
                "{}: the stream {} knows a message again for {} s only, so that letters may be there twice after an outage; raise its duplicate window to 2m",
                self.address,
                config.name,
                config.duplicate_window.as_secs()
            )
        })
    }

    /// The largest body of a message, and what bounds it.
    pub(super) fn most(&self) -> (usize, &'static str) {
        let server = self.client.server_info().max_payload;
        let stream = usize::try_from(self.stream.cached_info().config.max_message_size).unwrap_or(0);
        let (most, bound) = match stream {
            0 => (server, "the server's max_payload"),
            stream if stream < server => (stream, "the stream's max_msg_size"),
            _ => (server, "the server's max_payload"),
        };
        (most.saturating_sub(HEADERS), bound)
    }

    pub(super) fn run<T: Send + 'static>(&self, act: impl Future<Output = T> + Send + 'static) -> Result<T> {
        self.threads.run(PATIENCE * 2, act).ok_or_else(|| self.silent())
    }

    pub(super) fn silent(&self) -> Error {
        self.connection.away("JetStream gives no answer").into()
    }

    pub(super) fn failed(&self, error: &jetstream::Error) -> Error {
        match error.code() {
            503 | 504 => self.connection.away("JetStream is not ready").into(),
            _ => Error::usage(format!(
                "{}: NATS refuses it (code {}); see what this user may do, and the limits of the stream",
                self.address,
                error.error_code().0
            )),
        }
    }

    /// Publishes messages until all are confirmed, or it has been tried for long enough.
    pub(super) fn publish(
        &self,
        mut left: Vec<Letter>,
        patience: Duration,
    ) -> std::result::Result<Vec<u64>, Torn> {
        let (most, bound) = self.most();
        let too_large = left.iter().map(|letter| letter.message.body.len()).find(|bytes| *bytes > most);
        if let Some(bytes) = too_large {
            let error = Error::usage(format!(
                "a row has {bytes} bytes as a dead letter, and {most} are room in a message; raise {bound}"
            ));
            return Err(Torn { error, confirmed: Vec::new(), perhaps: Vec::new() });
        }
        let (end, mut confirmed, mut why) = (Instant::now() + patience, Vec::new(), self.silent());
        while !left.is_empty() {
            let count = left.len().min(MOST);
            let some: Vec<Letter> = left.iter().take(count).cloned().collect();
            let (client, subject) = (self.client.clone(), self.subject.clone());
            let sent = self.run(async move {
                let context = jetstream::new(client);
                join_all(some.into_iter().map(|letter| letter.publish(context.clone(), subject.clone())))
                    .await
            });
            // The answers come in the order of the letters; where there are none, all of them may have been taken.
            let mut answers = sent.unwrap_or_default().into_iter();
            let before = left.len();
            let mut behind = left.split_off(count);
            left.retain_mut(|letter| match answers.next() {
                Some(Ok(sequence)) => {
                    confirmed.push(sequence);
                    false
                }
                Some(Err(Unconfirmed::Refused(error))) => {
                    (letter.perhaps, why) = (false, error.of(self));
                    true
                }
                Some(Err(Unconfirmed::Silent)) | None => {
                    (letter.perhaps, why) = (true, self.silent());
                    true
                }
            });
            left.append(&mut behind);
            if left.len() == before {
                if Instant::now() >= end {
                    let perhaps = left.into_iter().filter(|letter| letter.perhaps).collect();
                    return Err(Torn { error: why, confirmed, perhaps });
                }
                std::thread::sleep(PAUSE);
            }
        }
        Ok(confirmed)
    }

    /// Deletes messages; those that are gone already are as they should be.
    pub(super) fn delete(&self, sequences: &[u64]) -> Result<()> {
        for some in sequences.chunks(MOST) {
            let (stream, some) = (self.stream.clone(), some.to_vec());
            let deleted = self.run(async move {
                join_all(some.into_iter().map(|sequence| {
                    let stream = stream.clone();
                    async move {
                        match stream.delete_message(sequence).await {
                            Ok(_) => true,
                            Err(_) => match stream.get_raw_message(sequence).await {
                                Err(gone) => is_gone(&gone),
                                Ok(_) => false,
                            },
                        }
                    }
                }))
                .await
            })?;
            if deleted.contains(&false) {
                return Err(Error::unavailable(format!(
                    "{}: messages cannot be deleted; see that the server is there, and that this user may delete them (STREAM.MSG.DELETE)",
                    self.address
                )));
            }
        }
        Ok(())
    }

    /// What reads the subject from that message on.
    pub(super) fn reader(&self, from: Option<u64>, heads: bool) -> Result<Consumer<Config>> {
        let config = Config {
            deliver_policy: match from {
                Some(start_sequence) => DeliverPolicy::ByStartSequence { start_sequence },
                None => DeliverPolicy::All,
            },
            ack_policy: AckPolicy::None,
            filter_subject: self.subject.clone(),
            headers_only: heads,
            inactive_threshold: REST,
            ..Config::default()
        };
        let stream = self.stream.clone();
        let made = self.run(async move { stream.create_consumer(config).await })?;
        made.map_err(|error| match error.kind() {
            jetstream::stream::ConsumerErrorKind::JetStream(error) => self.failed(&error),
            _ => self.silent(),
        })
    }

    /// The next messages of a reader, and how many are behind them; none where there is none now.
    pub(super) fn next(&self, reader: &Consumer<Config>) -> Result<(Vec<jetstream::Message>, u64)> {
        let reader = reader.clone();
        let got = self.run(async move {
            let mut batch = reader.fetch().max_messages(MOST).messages().await.ok()?;
            let mut all = Vec::new();
            while let Some(message) = batch.next().await {
                all.push(message.ok()?);
            }
            Some(all)
        })?;
        let got = got.ok_or_else(|| self.silent())?;
        let behind = got.last().and_then(|last| Some(last.info().ok()?.pending)).unwrap_or(0);
        Ok((got, behind))
    }

    /// Hands on what is there now.
    pub(super) fn each(
        &self,
        heads: bool,
        mut hand_on: impl FnMut(jetstream::Message) -> Result<()>,
    ) -> Result<()> {
        let reader = self.reader(None, heads)?;
        let (name, stream) = (reader.cached_info().name.clone(), self.stream.clone());
        // As many as there were; what comes meanwhile is not waited for.
        let (mut left, mut empty) = (reader.cached_info().num_pending, 0);
        while left > 0 {
            let (messages, behind) = self.next(&reader)?;
            if messages.is_empty() {
                let asked = reader.clone();
                let pending =
                    self.run(async move { asked.get_info().await.ok().map(|info| info.num_pending) })?;
                match pending {
                    // Somebody has deleted them.
                    Some(0) => break,
                    Some(_) if empty < EMPTY => {
                        empty += 1;
                        continue;
                    }
                    Some(_) | None => return Err(self.silent()),
                }
            }
            empty = 0;
            left = left.saturating_sub(messages.len() as u64).min(behind);
            messages.into_iter().try_for_each(&mut hand_on)?;
        }
        self.threads.begin(async move {
            // The server forgets it in any case.
            let _ = stream.delete_consumer(&name).await;
        });
        Ok(())
    }

    /// The name of the consumer that is the claim of a replay.
    pub(super) fn claim(&self) -> String {
        format!("mdsctl-replay-{:016x}", xxh3_64(self.subject.as_bytes()))
    }
}

fn is_gone(error: &jetstream::stream::RawMessageError) -> bool {
    use jetstream::stream::LastRawMessageErrorKind as Kind;
    match error.kind() {
        Kind::NoMessageFound => true,
        Kind::JetStream(error) => error.error_code() == ErrorCode::NO_MESSAGE_FOUND || error.code() == 404,
        _ => false,
    }
}

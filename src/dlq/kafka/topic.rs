//! The first partition of a topic: opened, read, and written to.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::log::{ID, Letter};
use crate::brokers::Trouble;
use crate::brokers::address::{Address, Parameters};
use crate::brokers::kafka::{Connection, OF_PASSWORD};
use crate::dlq::messages::HEADERS;
use crate::error::{Error, Result};
use crate::text::number_format::plural;

const ADDRESS: Parameters = Parameters {
    names: &[
        "config",
        "sasl.mechanism",
        "sasl.username",
        "security.protocol",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
    ],
    many: true,
    password: OF_PASSWORD,
    example: "kafka://BROKER[,BROKER]/TOPIC",
};

/// Settings of a client that writes, which letters depend on.
const FIXED: [&str; 8] = [
    "acks",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "isolation.level",
    "message.timeout.ms",
    "request.required.acks",
    "transactional.id",
];

/// The partition with the letters.
const PARTITION: i32 = 0;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it is tried to send a message, or to get an answer.
const OUTAGE: Duration = Duration::from_secs(15);

/// Who hears nothing for so long while there is more to read gives up.
const SILENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(100);

/// The largest message of a client, unless its settings say otherwise.
const MOST: usize = 1_000_000;

/// A message as it was read.
pub(super) struct Message<'m> {
    pub(super) offset: i64,
    pub(super) headers: &'m [(String, Vec<u8>)],
    pub(super) body: Option<&'m [u8]>,
}

/// What a client tells on the side.
#[derive(Default)]
struct Told {
    /// The last fault, by its number, or 0.
    fault: AtomicI32,
    /// What has become of messages, by their places.
    delivered: Mutex<Vec<(usize, Option<Option<Code>>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Told {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, about: &str, message: &str) {
        tracing::debug!("Kafka: {about}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.fault.store(code as i32, Ordering::Relaxed);
        }
        tracing::debug!("Kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let failed = result.as_ref().err().map(|(error, _)| error.rdkafka_error_code());
        lock(&self.delivered).push((place, failed));
    }
}

/// Faults that time does not mend, which the client tells on the side.
const LASTING: [Code; 8] = [
    Code::Authentication,
    Code::SaslAuthenticationFailed,
    Code::UnsupportedSASLMechanism,
    Code::SSL,
    Code::Resolve,
    Code::TopicAuthorizationFailed,
    Code::UnknownTopicOrPartition,
    Code::UnknownTopic,
];

/// Why messages are not all there.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) error: Error,
    /// The ids of those that may be.
    pub(super) perhaps: Vec<String>,
}

/// A topic.
pub(super) struct Topic {
    /// As it was named: nothing in it is secret.
    pub(super) address: String,
    connection: Connection,
    /// One reads at a time.
    reading: Mutex<()>,
    reader: Arc<BaseConsumer<Told>>,
    writer: Mutex<Option<BaseProducer<Told>>>,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Topic {
    pub(super) fn open(text: &str) -> Result<Self> {
        let address = Address::parse(text, &ADDRESS)?;
        let connection = Connection::of(&address, &[], &FIXED)?;
        let mut client = connection.client.clone();
        client
            // Nobody is a member of it. It keeps where the letters begin that are left.
            .set("group.id", format!("mdsctl-replay-{}", connection.topic))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "16384")
            .set("allow.auto.create.topics", "false");
        let reader: BaseConsumer<Told> =
            client.create_with_context(Told::default()).map_err(|error| connection.unusable(&error))?;
        let topic = Self {
            address: text.to_owned(),
            connection,
            reading: Mutex::default(),
            reader: Arc::new(reader),
            writer: Mutex::default(),
        };
        let found = topic.ask(|reader| {
            let found = reader.fetch_metadata(Some(&topic.connection.topic), PATIENCE)?;
            match found.topics().first().and_then(|found| found.error()).map(Code::from) {
                Some(code @ Code::LeaderNotAvailable) => Err(KafkaError::MetadataFetch(code)),
                _ => Ok(found),
            }
        })?;
        let found = found.topics().first();
        let known = found.filter(|found| found.error().is_none() && !found.partitions().is_empty());
        match (known, found.and_then(|found| found.error()).map(Code::from)) {
            (Some(_), _) => Ok(topic),
            (None, None | Some(Code::UnknownTopic | Code::UnknownTopicOrPartition)) => {
                Err(Error::usage(format!(
                    "{}: there is no topic {}; make one that deletes nothing by itself (retention.ms=-1, cleanup.policy=delete)",
                    topic.connection.name, topic.connection.topic
                )))
            }
            (None, code) => Err(topic.connection.failed(code).into()),
        }
    }

    /// Asks the servers, and again while no connection to them comes about or an answer is late: one that has just been
    /// started, or has much to do, is not away.
    fn ask<T>(&self, request: impl Fn(&BaseConsumer<Told>) -> KafkaResult<T>) -> Result<T> {
        let end = Instant::now() + OUTAGE;
        loop {
            let code = match request(&self.reader) {
                Ok(answer) => return Ok(answer),
                Err(error) => error.rdkafka_error_code(),
            };
            let lasting = self.lasting();
            let trouble = self.connection.failed(lasting.or(code));
            if lasting.is_some() || !matches!(trouble, Trouble::Away(_)) || Instant::now() > end {
                return Err(trouble.into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What the client has told on the side, if time does not mend it.
    fn lasting(&self) -> Option<Code> {
        let mut told = None;
        for _ in 0..10 {
            match self.reader.poll(Duration::ZERO) {
                Some(Err(error)) => {
                    told = told.or(error.rdkafka_error_code().filter(|code| LASTING.contains(code)))
                }
                Some(Ok(_)) => {}
                None => break,
            }
        }
        let aside = self.reader.context().fault.load(Ordering::Relaxed);
        told.or(LASTING.into_iter().find(|code| *code as i32 == aside))
    }

    /// The first message that is there, and behind the last one.
    pub(super) fn ends(&self) -> Result<(i64, i64)> {
        self.ask(|reader| reader.fetch_watermarks(&self.connection.topic, PARTITION, PATIENCE))
    }

    fn place(&self, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        if list.add_partition_offset(&self.connection.topic, PARTITION, offset).is_err() {
            tracing::debug!("{}: no offset {offset:?}", self.address);
        }
        list
    }

    /// Where letters may begin that are left, behind the last message, and what is to be told of those that are gone.
    pub(super) fn bounds(&self) -> Result<(i64, i64, Option<String>)> {
        let (low, high) = self.ends()?;
        let known = self.ask(|reader| reader.committed_offsets(self.place(Offset::Invalid), PATIENCE))?;
        let known = known.elements().first().map(|one| one.offset());
        let told = |count: i64| {
            let count = plural(u64::try_from(count).unwrap_or(0), "message");
            format!(
                "{}: {count} were deleted by the topic itself (its retention), perhaps with letters that were not replayed; with retention.ms=-1 it keeps them",
                self.address
            )
        };
        Ok(match known {
            Some(Offset::Offset(known)) if (low..=high).contains(&known) => (known, high, None),
            Some(Offset::Offset(known)) if known < low => (low, high, Some(told(low - known))),
            _ if low > 0 => (low, high, Some(told(low))),
            _ => (low, high, None),
        })
    }

    /// Hands on the messages from one offset up to another one.
    pub(super) fn each(
        &self,
        from: i64,
        to: i64,
        hand_on: &mut dyn FnMut(Message<'_>) -> Result<()>,
    ) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        let _one = lock(&self.reading);
        self.ask(|reader| reader.assign(&self.place(Offset::Offset(from))))?;
        let read = self.read(to, hand_on);
        if let Err(error) = self.reader.unassign() {
            tracing::debug!("{}: {error}", self.address);
        }
        read
    }

    fn read(&self, to: i64, hand_on: &mut dyn FnMut(Message<'_>) -> Result<()>) -> Result<()> {
        let (mut heard, mut at_end, mut last) = (Instant::now(), false, None);
        loop {
            match self.reader.poll(PAUSE) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let offset = message.offset();
                    if offset >= to {
                        return Ok(());
                    }
                    let all = message.headers().map(|headers| {
                        let one = |header: Header<'_, &[u8]>| {
                            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
                        };
                        headers.iter().map(one).collect::<Vec<_>>()
                    });
                    let headers = all.unwrap_or_default();
                    hand_on(Message { offset, headers: &headers, body: message.payload() })?;
                    if offset + 1 >= to {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => at_end = true,
                Some(Err(error)) => {
                    let code = error.rdkafka_error_code();
                    if code.is_some_and(|code| LASTING.contains(&code)) {
                        return Err(self.connection.failed(code).into());
                    }
                    last = last.or(code);
                }
                None => {}
            }
            // The last messages may be none that are given.
            if at_end && heard.elapsed() > PATIENCE {
                return Ok(());
            }
            if heard.elapsed() > SILENCE {
                return Err(self.connection.failed(last.or(Some(Code::OperationTimedOut))).into());
            }
        }
    }

    /// Keeps where the letters begin that are left. Where that cannot be, more is read than has to be.
    pub(super) fn begin_at(&self, offset: i64) {
        let (reader, list) = (self.reader.clone(), self.place(Offset::Offset(offset)));
        let (tell, hear) = mpsc::channel();
        // The client waits as long as it likes.
        std::thread::spawn(move || {
            if let Err(error) = reader.commit(&list, CommitMode::Sync) {
                tracing::debug!("Kafka: {error}");
            }
            drop(reader);
            // Whoever does not wait any more needs no answer.
            let _ = tell.send(());
        });
        let _ = hear.recv_timeout(PATIENCE);
    }

    /// The largest body of a message.
    pub(super) fn most(&self) -> usize {
        let set = self.connection.client.get("message.max.bytes").and_then(|most| most.parse().ok());
        set.unwrap_or(MOST).saturating_sub(HEADERS)
    }

    fn producer(&self) -> Result<BaseProducer<Told>> {
        let mut client = self.connection.client.clone();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", OUTAGE.as_millis().to_string())
            .set("linger.ms", "5");
        client.create_with_context(Told::default()).map_err(|error| self.connection.unusable(&error))
    }

    /// Sends messages, and waits until all servers that have to have them, or it has been tried for long enough. What the
    /// client sends a second time the server knows again.
    pub(super) fn publish(&self, letters: &[Letter]) -> std::result::Result<(), Torn> {
        let most = self.most();
        if let Some(bytes) = letters.iter().map(|letter| letter.body.len()).find(|bytes| *bytes > most) {
            let error = Error::usage(format!(
                "a row has {bytes} bytes as a dead letter, and {most} are room in a message; raise message.max.bytes in the file of config=, and the topic's max.message.bytes"
            ));
            return Err(Torn { error, perhaps: Vec::new() });
        }
        let mut writer = lock(&self.writer);
        // One that has given up for good is of no use any more.
        if writer.as_ref().is_some_and(|writer| writer.client().fatal_error().is_some()) {
            *writer = None;
        }
        if writer.is_none() {
            *writer = Some(self.producer().map_err(|error| Torn { error, perhaps: Vec::new() })?);
        }
        let Some(producer) = &*writer else { return Ok(()) };
        let told = producer.context();
        lock(&told.delivered).clear();
        told.fault.store(0, Ordering::Relaxed);
        let end = Instant::now() + OUTAGE * 2;
        let (mut sent, mut failed) = (0, None);
        'letters: for (place, letter) in letters.iter().enumerate() {
            let mut headers = OwnedHeaders::new().insert(Header { key: ID, value: Some(&letter.id) });
            for (key, value) in &letter.headers {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            let record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.connection.topic, place);
            let mut record = record.partition(PARTITION).payload(&letter.body).headers(headers);
            loop {
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(Code::QueueFull), back)) if Instant::now() < end => {
                        record = back;
                        producer.poll(PAUSE);
                    }
                    Err((error, _)) => {
                        failed = Some(error.rdkafka_error_code());
                        break 'letters;
                    }
                }
            }
            sent += 1;
        }
        // The client gives each of them up in time.
        while lock(&told.delivered).len() < sent && Instant::now() < end {
            producer.poll(PAUSE);
        }
        let delivered = std::mem::take(&mut *lock(&told.delivered));
        let failed = failed.or_else(|| delivered.iter().find_map(|(_, failed)| *failed));
        let failed = failed.or((delivered.len() < sent).then_some(Some(Code::MessageTimedOut)));
        let Some(code) = failed else { return Ok(()) };
        let aside = told.fault.load(Ordering::Relaxed);
        let aside = LASTING.into_iter().find(|code| *code as i32 == aside);
        let error = match code {
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => Error::usage(
                "a row is larger as a dead letter than the topic takes; raise its max.message.bytes"
                    .to_owned(),
            ),
            Some(Code::InvalidRecord) => Error::usage(
                "the topic takes no messages without a key; its cleanup.policy has to be delete".to_owned(),
            ),
            code => self.connection.failed(aside.or(code)).into(),
        };
        Err(Torn { error, perhaps: letters.iter().take(sent).map(|letter| letter.id.clone()).collect() })
    }
}

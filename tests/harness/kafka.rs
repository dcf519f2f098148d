//! A mock cluster of Kafka in this process, which programs reach over TCP.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::wait;
use super::wait::PATIENCE;

/// Servers, and who publishes at them. They keep 5 MB, and 100,000 messages, of a partition.
pub struct Kafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    brokers: i32,
}

/// A message, as [`Kafka::send`] takes it.
#[derive(Default)]
pub struct Sent<'s> {
    pub key: Option<&'s [u8]>,
    /// Milliseconds since 1970; else now.
    pub at: Option<i64>,
    pub headers: &'s [(&'s str, Option<&'s [u8]>)],
    pub body: Option<&'s [u8]>,
}

/// A message, as [`Kafka::read`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub offset: i64,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

fn producer(cluster: &MockCluster<'static, DefaultProducerContext>) -> BaseProducer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", cluster.bootstrap_servers()).set("linger.ms", "5");
    settings.create().expect("a producer")
}

impl Kafka {
    /// So many servers.
    pub fn start(brokers: i32) -> Self {
        let cluster = MockCluster::new(brokers).expect("a mock cluster");
        Self { producer: producer(&cluster), cluster, brokers }
    }

    /// Its servers, as an address has them.
    pub fn servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// The address of a topic, with these parameters.
    pub fn address(&self, topic: &str, parameters: &str) -> String {
        format!("kafka://{}/{topic}?session.timeout.ms=6000&{parameters}", self.servers())
    }

    /// The address of a topic with dead letters.
    pub fn queue(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.servers())
    }

    /// The next requests to write are answered so, one after the other.
    pub fn answer_writes(&self, answers: &[RDKafkaRespErr]) {
        self.cluster.request_errors(RDKafkaApiKey::Produce, answers);
    }

    /// All messages of the first partition.
    pub fn read(&self, topic: &str) -> Vec<Read> {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", self.servers())
            .set("group.id", "tests")
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = settings.create().expect("a consumer");
        let (low, high) = wait::until(PATIENCE, "the ends of a partition", || {
            consumer.fetch_watermarks(topic, 0, Duration::from_secs(5)).ok()
        });
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low)).expect("a partition");
        consumer.assign(&list).expect("it is assigned");
        let (mut all, mut next) = (Vec::new(), low);
        while next < high {
            let message =
                wait::until(PATIENCE, "a message", || consumer.poll(Duration::from_millis(100))?.ok());
            next = message.offset() + 1;
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            let headers = headers.map(|header| (header.key.to_owned(), text(header.value))).collect();
            all.push(Read { offset: message.offset(), headers, body: text(message.payload()) });
        }
        all
    }

    pub fn make(&self, topic: &str, partitions: i32) {
        self.cluster.create_topic(topic, partitions, 1).expect("a topic");
    }

    /// Publishes a message in that partition; of a message without a body it has a key alone.
    pub fn publish_in(&self, topic: &str, partition: i32, body: Option<&[u8]>) {
        self.send(topic, partition, &Sent { key: Some(b"k"), body, ..Sent::default() });
    }

    /// Publishes a message in that partition.
    pub fn send(&self, topic: &str, partition: i32, message: &Sent<'_>) {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        (record.key, record.payload, record.timestamp) = (message.key, message.body, message.at);
        if !message.headers.is_empty() {
            let mut headers = OwnedHeaders::new();
            for (key, value) in message.headers {
                headers = headers.insert(Header { key, value: *value });
            }
            record = record.headers(headers);
        }
        let mut left = Some(record);
        wait::until(PATIENCE, "a message to be taken", || {
            match self.producer.send(left.take().expect("a message")) {
                Ok(()) => Some(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    left = Some(record);
                    self.producer.poll(Duration::from_millis(10));
                    None
                }
                Err((error, _)) => panic!("no message: {error}"),
            }
        });
    }

    /// Publishes bodies in the partitions by turns, and waits until they are there.
    pub fn publish(&self, topic: &str, partitions: i32, bodies: impl IntoIterator<Item = String>) {
        for (body, partition) in bodies.into_iter().zip((0..partitions).cycle()) {
            self.publish_in(topic, partition, Some(body.as_bytes()));
        }
        self.flush();
    }

    pub fn flush(&self) {
        self.producer.flush(PATIENCE).expect("the messages to be there");
    }

    /// How many messages the group has not committed; `None` while nobody knows.
    pub fn lag(&self, topic: &str, group: &str, partitions: i32) -> Option<i64> {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", self.servers()).set("group.id", group);
        let consumer: BaseConsumer = settings.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let committed = consumer.committed_offsets(list, Duration::from_secs(5)).ok()?;
        let mut lag = 0;
        for one in committed.elements() {
            let (low, high) =
                consumer.fetch_watermarks(topic, one.partition(), Duration::from_secs(5)).ok()?;
            lag += high
                - match one.offset() {
                    Offset::Offset(offset) => offset,
                    _ => low,
                };
        }
        Some(lag)
    }

    /// Takes all servers away, or brings them back.
    pub fn set_up(&mut self, up: bool) {
        let turn = |up: bool| {
            for broker in 1..=self.brokers {
                match up {
                    true => self.cluster.broker_up(broker),
                    false => self.cluster.broker_down(broker),
                }
                .expect("the mock cluster answers");
            }
        };
        turn(up);
        // One that has lost its connections waits before it tries again.
        self.producer = producer(&self.cluster);
        if !up {
            return;
        }
        // The mock cluster does not tell where it could not listen again, and then nobody reaches it.
        let ask = |producer: &BaseProducer| producer.client().fetch_metadata(None, Duration::from_secs(5));
        self.producer = wait::until(PATIENCE, "the servers are back", || {
            let fresh = producer(&self.cluster);
            match ask(&fresh) {
                Ok(_) => Some(fresh),
                Err(error) => {
                    eprintln!("the mock cluster is not back: {error}");
                    turn(false);
                    turn(true);
                    None
                }
            }
        });
    }
}

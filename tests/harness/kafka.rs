//! A mock cluster of Kafka, which programs reach over TCP.
//!
//! It is in a process of its own: a server that goes away and comes back binds its port again, and a process that other
//! tests start has that port open, too, in the moment between `fork` and `exec`. The client aborts the process then.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::wait;
use super::wait::PATIENCE;

/// Servers, and who publishes at them. They keep 5 MB, and 100,000 messages, of a partition.
pub struct Kafka {
    host: RefCell<Host>,
    servers: String,
    producer: BaseProducer,
}

/// The process that the servers are in.
struct Host {
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// What its answers begin with.
const ANSWER: &str = "mock: ";

impl Host {
    fn start(brokers: i32) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "--nocapture", "harness::kafka::hosts_a_cluster"])
            .env("MDSCTL_TEST_BROKERS", brokers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, answers }
    }

    /// Its next answer.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).expect("a line") > 0, "the mock cluster has ended");
            if let Some((_, answer)) = line.trim_end().split_once(ANSWER) {
                return answer.to_owned();
            }
        }
    }

    fn ask(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().expect("a pipe"), "{order}").expect("the mock cluster is there");
        assert_eq!(self.answer(), "done", "{order}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Run by [`Host::start`] in a process of its own, until nobody gives orders any more.
#[test]
#[ignore = "part of other tests"]
fn hosts_a_cluster() {
    let Some(brokers) = std::env::var("MDSCTL_TEST_BROKERS").ok() else { return };
    let brokers: i32 = brokers.parse().expect("a number");
    let cluster = MockCluster::new(brokers).expect("a mock cluster");
    println!("\n{ANSWER}{}", cluster.bootstrap_servers());
    for order in std::io::stdin().lines() {
        let order = order.expect("an order");
        let words: Vec<&str> = order.split(' ').collect();
        match words[..] {
            ["make", topic, partitions] => {
                cluster.create_topic(topic, partitions.parse().expect("a number"), 1).expect("a topic");
            }
            ["answer", writes] => {
                let answers = writes.chars().map(|write| match write {
                    'x' => RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
                    _ => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                });
                cluster.request_errors(RDKafkaApiKey::Produce, &answers.collect::<Vec<_>>());
            }
            ["up"] => (1..=brokers).for_each(|broker| cluster.broker_up(broker).expect("it is up")),
            ["down"] => (1..=brokers).for_each(|broker| cluster.broker_down(broker).expect("it is down")),
            _ => panic!("{order}"),
        }
        println!("{ANSWER}done");
    }
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

fn producer(servers: &str) -> BaseProducer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", servers).set("linger.ms", "5");
    settings.create().expect("a producer")
}

impl Kafka {
    /// So many servers.
    pub fn start(brokers: i32) -> Self {
        let mut host = Host::start(brokers);
        let servers = host.answer();
        Self { producer: producer(&servers), servers, host: RefCell::new(host) }
    }

    /// Its servers, as an address has them.
    pub fn servers(&self) -> String {
        self.servers.clone()
    }

    /// The address of a topic, with these parameters.
    pub fn address(&self, topic: &str, parameters: &str) -> String {
        format!("kafka://{}/{topic}?session.timeout.ms=6000&{parameters}", self.servers())
    }

    /// The address of a topic with dead letters.
    pub fn queue(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.servers())
    }

    /// Of the next requests to write those are refused by a policy for which there is an `x`.
    pub fn answer_writes(&self, answers: &str) {
        self.host.borrow_mut().ask(&format!("answer {answers}"));
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
        self.host.borrow_mut().ask(&format!("make {topic} {partitions}"));
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
        self.host.get_mut().ask(if up { "up" } else { "down" });
        // One that has lost its connections waits before it tries again.
        self.producer = producer(&self.servers);
    }
}

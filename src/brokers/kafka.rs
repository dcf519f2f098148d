//! Clients of Kafka: what the address of a topic and the file that it names say of them.

use std::path::Path;
use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaConfRes;

use super::address::Address;
use super::{NOTHING_THERE, Trouble};
use crate::error::{Error, Result, words};
use crate::files::read_small_text;

/// Where a password comes from.
pub const OF_PASSWORD: &str = "sasl.password in a file that config= names, as the file of kcat is written: a line NAME=VALUE for each setting";

/// The port of a broker that names none.
const PORT: &str = "9092";

/// The parameter that names a file of settings.
pub const CONFIG: &str = "config";

/// Parameters of an address that are settings of the client.
pub const SETTINGS: [&str; 6] =
    [MECHANISM, USER, PROTOCOL, "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];

/// Settings that nobody but this program decides on.
const FIXED: [&str; 11] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "metadata.broker.list",
    "test.mock.num.brokers",
    "topic.auto.offset.reset",
];

const PROTOCOL: &str = "security.protocol";
const MECHANISM: &str = "sasl.mechanism";
const USER: &str = "sasl.username";

/// Ways to prove who one is that the client knows.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Where a topic is, and how its servers are spoken to.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The address as messages name it.
    pub name: Arc<str>,
    /// The topic.
    pub topic: String,
    /// The settings of a client, to be added to.
    pub client: ClientConfig,
}

/// The settings in a file: a line `NAME=VALUE` for each, `#` before what is none.
fn in_file(name: &str, file: &str) -> Result<Vec<(String, String)>> {
    let failed = |why: &str| {
        Error::usage(format!("{name}: the file of settings that config= names cannot be read: {file}: {why}"))
    };
    let text = read_small_text(Path::new(file)).map_err(|error| failed(&words(&error)))?;
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let one = |(line, number): (&str, u64)| {
        // Of a line that may have a password in it nothing is repeated.
        let (key, value) = line.split_once('=').ok_or_else(|| {
            Error::usage(format!("{file}, line {number}: a setting of Kafka is written NAME=VALUE"))
        })?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    lines.map(one).collect()
}

impl Connection {
    /// What an address says of it; `own`: parameters of it that are settings of the client too, and `fixed`: more settings
    /// that the file may not have.
    ///
    /// # Errors
    /// Usage, for settings that mean nothing, and files that cannot be read.
    pub fn of(address: &Address, own: &[&str], fixed: &[&str]) -> Result<Self> {
        let name: Arc<str> = address.name().into();
        let usage = |what: String| Error::usage(format!("{name}: {what}"));
        let topic = address.stream.clone();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if topic.len() > 249 || !topic.bytes().all(legal) || matches!(&*topic, "." | "..") {
            return Err(usage(format!("{topic} is no name of a topic")));
        }
        let mut given: Vec<(String, String)> = Vec::new();
        if let Some(file) = address.parameter(CONFIG) {
            for (key, value) in in_file(&name, file)? {
                // It has two names.
                let key = if key == "sasl.mechanisms" { MECHANISM.to_owned() } else { key };
                if FIXED.iter().chain(fixed).any(|known| *known == key) {
                    return Err(Error::usage(format!(
                        "{file}: {key} is not for you to set, since what is stored depends on it; leave it out"
                    )));
                }
                given.push((key, value));
            }
        }
        let all = SETTINGS.iter().chain(own);
        given.extend(all.filter_map(|key| Some(((*key).to_owned(), address.parameter(key)?.to_owned()))));
        given.extend(address.user.clone().map(|user| (USER.to_owned(), user)));
        let of = |key: &str| given.iter().rev().find(|(own, _)| own == key).map(|(_, value)| &**value);
        let by_sasl = of(PROTOCOL).is_some_and(|protocol| protocol.to_ascii_lowercase().starts_with("sasl_"));
        if of(USER).is_some() && !by_sasl {
            return Err(usage(format!(
                "a user is named, who is asked for where {PROTOCOL}= is SASL_SSL (or SASL_PLAINTEXT) alone; say so, or leave the user out"
            )));
        }
        let mechanism = of(MECHANISM).map(str::to_ascii_uppercase).unwrap_or_default();
        if by_sasl && !MECHANISMS.contains(&&*mechanism) {
            return Err(usage(format!("{MECHANISM}= has to be one of {}", MECHANISMS.join(", "))));
        }
        if by_sasl && (of(USER).is_none() || of("sasl.password").is_none()) {
            return Err(usage(format!(
                "{USER}= has to name a user, and a file that config= names has to have the password, as sasl.password"
            )));
        }
        for (key, file) in given.iter().filter(|(key, _)| key.ends_with(".location")) {
            if let Err(error) = std::fs::metadata(file) {
                let why = words(&error);
                return Err(usage(format!("the file of {key}= cannot be read: {file}: {why}")));
            }
        }
        let servers = address.servers().into_iter().map(|server| match server.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => server,
            _ => format!("{server}:{PORT}"),
        });
        let servers = servers.collect::<Vec<_>>().join(",");
        let mut client = ClientConfig::new();
        client.set("client.id", "mdsctl");
        for (key, value) in &given {
            client.set(key, value);
        }
        client.set("bootstrap.servers", servers);
        Ok(Self { name, topic, client })
    }

    /// Why a client does not take its settings. What it says itself has the value in it, which may be a password.
    pub fn unusable(&self, error: &KafkaError) -> Error {
        let what = match error {
            KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
                format!("{key} is no setting of this client of Kafka (librdkafka)")
            }
            KafkaError::ClientConfig(_, _, key, _) => format!("{key}= cannot have that value"),
            _ => "the client of Kafka does not take these settings together; do the files that they name hold certificates and keys, and fits the password of a key?".to_owned(),
        };
        Error::usage(format!("{}: {what}", self.name))
    }

    /// That the servers are not there just now.
    pub fn away(&self, what: &str) -> Trouble {
        Trouble::Away(format!("{}: Kafka cannot be reached: {what}", self.name))
    }

    /// That they refuse it.
    pub fn refused(&self, what: &str) -> Trouble {
        Trouble::Refused(Error::input(format!("{}: {what}", self.name)))
    }

    /// What the failure of a request means.
    pub fn failed(&self, code: Option<Code>) -> Trouble {
        let topic = &self.topic;
        match code {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                self.refused(&format!("there is no topic {topic}"))
            }
            Some(Code::InvalidTopic) => self.refused(&format!("{topic} is no name of a topic")),
            Some(Code::TopicAuthorizationFailed) => {
                self.refused(&format!("Kafka does not permit this user to use the topic {topic}"))
            }
            Some(Code::ClusterAuthorizationFailed) => self.refused("Kafka does not permit this user to ask it"),
            Some(
                Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism,
            ) => Trouble::Refused(Error::usage(format!(
                "{}: Kafka does not take the user or the password",
                self.name
            ))),
            Some(Code::SSL) => {
                self.away("no secure connection comes about; ssl.ca.location= names the certificate of who signed the server's")
            }
            Some(Code::Resolve) => self.away("its host is not known"),
            Some(Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut) => {
                self.away("it gives no answer")
            }
            Some(
                Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::NetworkException
                | Code::BrokerDestroy
                | Code::Retry,
            ) => self.away(NOTHING_THERE),
            Some(
                Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::WaitingForCoordinator
                | Code::PreferredLeaderNotAvailable
                | Code::EligibleLeadersNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch,
            ) => self.away("the broker that has to answer is being chosen or started"),
            // Numbers of Kafka's own protocol are positive, those of its client negative.
            Some(code) => self.away(&match code as i32 {
                number @ 1.. => format!("it answers with error {number} of its protocol ({code:?})"),
                number => format!("its client gives up with error {number} ({code:?})"),
            }),
            None => self.away("its client gives no reason"),
        }
    }
}

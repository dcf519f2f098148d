//! What the address of a topic of Kafka says.

use std::time::Duration;

use crate::brokers::address::{Address, Parameters};
use crate::brokers::kafka::{Connection, OF_PASSWORD};
use crate::error::{Error, Result};
use crate::source::broker::About;
use crate::source::broker::beside::Beside;
use crate::source::followed::{FollowOptions, From};
use crate::source::shown;

const PARAMETERS: Parameters = Parameters {
    names: &[
        "config",
        "group",
        "header.",
        "id_as",
        "instance",
        "key_as",
        "sasl.mechanism",
        "sasl.username",
        "security.protocol",
        "session.timeout.ms",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "time_as",
    ],
    many: true,
    password: OF_PASSWORD,
    example: "kafka://BROKER[,BROKER]/TOPIC?group=GROUP",
};

const SESSION: &str = "session.timeout.ms";

/// After how long without a sign of life the group takes a consumer for dead, unless it is told otherwise; and the shortest
/// such time, in milliseconds.
const SESSION_TIME: u64 = 45_000;
const LEAST_SESSION: u64 = 6_000;

/// What stands in the address.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) group: String,
    pub(super) session: Duration,
    pub(super) from: From,
    /// What of a message beside its body goes into columns.
    pub(super) beside: Beside,
}

/// Reads the address.
///
/// # Errors
/// Usage, for what is none, for settings that there are not, and files that cannot be read.
pub(super) fn of(options: &FollowOptions) -> Result<(Settings, About)> {
    let text = options.patterns.first().map(shown).unwrap_or_default();
    let address = Address::parse(&text, &PARAMETERS)?;
    let mut connection = Connection::of(&address, &[SESSION], &[])?;
    let (name, topic) = (connection.name.clone(), connection.topic.clone());
    let usage = |what: String| Error::usage(format!("{name}: {what}"));
    let Some(group) = address.parameter("group").map(str::to_owned) else {
        return Err(usage(format!(
            "a topic is read by a group of consumers; name one, as in {name}?group=mdsctl"
        )));
    };
    let client = &mut connection.client;
    let session = match client.get(SESSION).map(str::parse::<u64>) {
        None => SESSION_TIME,
        Some(Ok(session)) if session >= LEAST_SESSION => session,
        Some(_) => return Err(usage(format!("{SESSION}= takes milliseconds, {LEAST_SESSION} at least"))),
    };
    for (key, value) in [
        ("partition.assignment.strategy", "cooperative-sticky"),
        // What waits in memory to be asked for.
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.wait.max.ms", "100"),
    ] {
        if client.get(key).is_none() {
            client.set(key, value);
        }
    }
    client
        .set("group.id", &group)
        .set(SESSION, session.to_string())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let instance = address.parameter("instance").unwrap_or(&host);
    // Ids name a message wherever it is read.
    let shared = format!("Kafka, topic {topic}, group {group}");
    let consumer = format!("{name}, group {group}, instance {instance}");
    let beside = Beside::of(&address, Some("key_as"))?;
    let about = About {
        name: name.clone(),
        group: shared,
        consumer,
        other: "instance",
        beside: beside.clone(),
        claim: None,
    };
    let (session, from) = (Duration::from_millis(session), options.from);
    Ok((Settings { connection, group, session, from, beside }, about))
}

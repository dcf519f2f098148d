//! What the address of a stream of NATS says.

use std::time::Duration;

use crate::brokers::address::{Address, Parameters};
use crate::brokers::nats::{Connection, OF_PASSWORD};
use crate::error::{Error, Result};
use crate::source::broker::About;
use crate::source::broker::beside::Beside;
use crate::source::followed::FollowOptions;
use crate::source::shown;

const PARAMETERS: Parameters = Parameters {
    names: &[
        "ack_wait",
        "ca",
        "cert",
        "creds",
        "durable",
        "header.",
        "id_as",
        "instance",
        "key",
        "subject",
        "subject_as",
        "time_as",
        "tls",
    ],
    many: true,
    password: OF_PASSWORD,
    example: "nats://HOST[,HOST]/STREAM?durable=NAME",
};

/// How long the server waits for acknowledgements, unless it is told otherwise, in seconds.
pub(super) const ACK_WAIT: u64 = 30;

/// Shortest such time.
pub(super) const LEAST_WAIT: u64 = 5;

/// What stands in the address.
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) stream: String,
    pub(super) durable: String,
    pub(super) subject: Option<String>,
    pub(super) ack_wait: Option<Duration>,
    pub(super) beside: Beside,
}

/// Reads the address.
///
/// # Errors
/// Usage, for what is none, and files that cannot be read.
pub(super) fn of(options: &FollowOptions) -> Result<(Settings, About)> {
    let text = options.patterns.first().map(shown).unwrap_or_default();
    let address = Address::parse(&text, &PARAMETERS)?;
    let connection = Connection::of(&address)?;
    let name = connection.name.clone();
    let given = |parameter: &str| address.parameter(parameter).map(str::to_owned);
    let bad = |parameter: &str, what: &str| Error::usage(format!("{name}: {parameter}= takes {what}"));
    let durable = given("durable").ok_or_else(|| {
        Error::usage(format!(
            "{name}: a stream is read through a durable consumer; name one, as in {name}?durable=mdsctl"
        ))
    })?;
    let simple = |text: &str| !text.contains(['.', '*', '>', ' ', '/', '\\']);
    if !simple(&durable) {
        return Err(bad("durable", "a name without blanks, dots and slashes"));
    }
    if !simple(&address.stream) {
        return Err(Error::usage(format!(
            "{name}: {} is no name of a stream; a subject of it stands behind subject=",
            address.stream
        )));
    }
    let seconds = |text: String| {
        let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds >= LEAST_WAIT);
        seconds.map(Duration::from_secs).ok_or_else(|| bad("ack_wait", "seconds, 5 at least"))
    };
    let ack_wait = given("ack_wait").map(seconds).transpose()?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let instance = given("instance").unwrap_or(host);
    let beside = Beside::of(&address, Some("subject_as"))?;
    // Ids name a message wherever it is read.
    let group = format!("NATS, stream {}, durable {durable}", address.stream);
    let consumer = format!("{name}, durable {durable}, instance {instance}");
    let about =
        About { name: name.clone(), group, consumer, other: "instance", beside: beside.clone(), claim: None };
    let settings = Settings {
        connection,
        stream: address.stream.clone(),
        durable,
        subject: given("subject"),
        ack_wait,
        beside,
    };
    Ok((settings, about))
}

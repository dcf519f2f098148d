//! Streams of Redis, read as a consumer of a group.
//!
//! `XREADGROUP` gives messages, which stay pending until `XACK`. An entry with a single field that holds JSON is
//! what the field says, as is the one field that `field=` names; any other is a row of its fields.

mod behind;
mod tls;
mod values;

use std::sync::Arc;
use std::time::Duration;

use redis::{
    Client, Cmd, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, ServerErrorKind, Value, cmd,
};

use crate::brokers::NOTHING_THERE;
use crate::brokers::address::{Address, Parameters};
use crate::error::{Error, Result};
use crate::source::broker::beside::{Beside, Told, What};
use crate::source::broker::consumer::POLLED;
use crate::source::broker::redis_streams::values::{append, bytes_of, list, number, of_name, text};
use crate::source::broker::stream::{JSON, Stream};
use crate::source::broker::{About, Behind, Broker, Message, OfOthers, Trouble};
use crate::source::followed::{FollowOptions, FollowedKind, From};
use crate::source::shown;

/// Streams of Redis.
pub const KIND: FollowedKind =
    FollowedKind { scheme: Some("redis"), open: |options| Box::new(Stream { options, open }) };

/// Streams of Redis over TLS, with certificates that the system trusts, or those that `ca=` names.
pub const OVER_TLS: FollowedKind = FollowedKind { scheme: Some("rediss"), open: KIND.open };

/// The variable with the password, which redis-cli reads too.
const PASSWORD: &str = "REDISCLI_AUTH";

const PARAMETERS: Parameters = Parameters {
    names: &["ca", "cert", "claim", "consumer", "db", "field", "group", "header.", "id_as", "key", "time_as"],
    many: false,
    password: "the environment variable REDISCLI_AUTH, which redis-cli reads too",
    example: "redis://HOST/STREAM?group=GROUP",
};

const PORT: u16 = 6379;

/// Messages that are asked for at once, and how many of them at first, since nobody knows how large they are.
const MOST: usize = 500;
const FIRST: usize = 16;

/// How long new messages are waited for, in milliseconds.
const BLOCK: u64 = 50;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The beginning of a stream.
const BEGIN: &str = "0-0";

/// How long messages are certainly this consumer's: less than others leave them before they take them over.
const CERTAIN: Duration = Duration::from_secs(2);

/// A consumer of a group.
struct Redis {
    client: Client,
    link: Option<Connection>,
    /// As messages name it.
    name: Arc<str>,
    stream: String,
    group: String,
    consumer: String,
    /// The field that the rows are in.
    field: Option<String>,
    /// Whether the one field of an entry is what it has, whatever stands there.
    whole: bool,
    beside: Beside,
    /// Up to where what others leave has been looked through.
    claimed: String,
    /// Messages that are asked for next.
    count: usize,
}

fn open(options: &FollowOptions) -> Result<(Box<dyn Broker>, About)> {
    let text = options.patterns.first().map(shown).unwrap_or_default();
    let address = Address::parse(&text, &PARAMETERS)?;
    let name: Arc<str> = address.name().into();
    let given = |parameter: &str| address.parameter(parameter).map(str::to_owned);
    let bad = |parameter: &str, what: &str| Error::usage(format!("{name}: {parameter}= takes {what}"));
    let group = given("group").ok_or_else(|| {
        Error::usage(format!(
            "{name}: a stream is read by a group of consumers; name one, as in {name}?group=mdsctl"
        ))
    })?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let consumer = given("consumer").unwrap_or(host);
    let db = given("db").map(|db| db.parse::<u32>().map_err(|_| bad("db", "the number of a database")));
    let seconds = |text: String| {
        let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds > 0);
        seconds.map(Duration::from_secs).ok_or_else(|| bad("claim", "seconds, as a whole number"))
    };
    let claim = given("claim").map(seconds).transpose()?;
    let (field, beside) = (given("field"), Beside::of(&address, None)?);
    if field.is_none() && beside.has_headers() {
        return Err(Error::usage(format!(
            "{name}: header.NAME= is for fields beside the one that the rows are in; name that with field="
        )));
    }
    let wrong = |error: redis::RedisError| Error::internal(format!("{name}: {}", error.category()));
    let (host, port) = (address.host.clone(), address.port.unwrap_or(PORT));
    let certificates = tls::certificates(&address)?;
    let place = match certificates {
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        None => ConnectionAddr::Tcp(host, port),
    };
    let place = place.into_connection_info().map_err(wrong)?;
    let mut settings = place.redis_settings().clone().set_lib_name("mdsctl", env!("CARGO_PKG_VERSION"));
    let db = db.transpose()?;
    if let Some(db) = db {
        settings = settings.set_db(db.into());
    }
    if let Some(user) = &address.user {
        settings = settings.set_username(user);
    }
    if let Ok(password) = std::env::var(PASSWORD) {
        settings = settings.set_password(password);
    }
    let place = place.set_redis_settings(settings);
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(place, certificates).map_err(|_| {
            Error::usage(format!(
                "{name}: the files of ca=, cert= or key= are no certificates, or no key, in PEM"
            ))
        })?,
        None => Client::open(place).map_err(wrong)?,
    };
    let of_group = match db.unwrap_or(0) {
        0 => format!("{name}, group {group}"),
        db => format!("{name}, database {db}, group {group}"),
    };
    let about = About {
        name: name.clone(),
        consumer: format!("{of_group}, consumer {consumer}"),
        group: of_group,
        other: "consumer",
        beside: beside.clone(),
        claim,
    };
    let stream = address.stream.clone();
    let claimed = BEGIN.to_owned();
    let whole = options.open.format.is_some_and(|format| format.name != JSON);
    let redis = Redis {
        client,
        link: None,
        name,
        stream,
        group,
        consumer,
        field,
        whole,
        beside,
        claimed,
        count: FIRST,
    };
    Ok((Box::new(redis), about))
}

impl Redis {
    /// What is in an entry, as JSON unless a field has the rows; or the entry, which is then no row, and why it has none.
    fn body(&self, mut fields: Vec<Vec<u8>>) -> (Vec<u8>, Result<(), Arc<str>>) {
        let named = self.field.as_deref();
        let place = match named {
            Some(name) => fields.iter().step_by(2).position(|field| field == name.as_bytes()),
            None if fields.len() == 2 => {
                let first = fields.get(1).and_then(|value| value.trim_ascii_start().first());
                (self.whole || matches!(first, Some(b'{' | b'['))).then_some(0)
            }
            None => None,
        };
        if let Some(value) = place.and_then(|place| fields.get_mut(place * 2 + 1)) {
            return (std::mem::take(value), Ok(()));
        }
        let why = match named {
            Some(name) => {
                Err(format!("the entry has no field {name}, which field= says that the rows are in").into())
            }
            None if self.whole => {
                Err("the entry has several fields; field= says which one has the rows".into())
            }
            None => Ok(()),
        };
        let mut json = vec![b'{'];
        for pair in fields.chunks_exact(2) {
            let [name, value] = pair else { continue };
            if json.len() > 1 {
                json.push(b',');
            }
            append(name, &mut json);
            json.push(b':');
            append(value, &mut json);
        }
        // A replay must not take it for a row either.
        json.push(if why.is_err() { b']' } else { b'}' });
        (json, why)
    }

    /// The messages of a list of entries.
    fn messages(&self, entries: Value, again: bool) -> Vec<Message> {
        let message = |entry: Value| {
            let mut parts = list(entry).into_iter();
            let id: Arc<str> = text(&parts.next()?)?.into();
            let fields = match parts.next()? {
                // Deleted, or cut off with the beginning of the stream.
                Value::Nil => return Some(Message { id, body: None, beside: Ok(Box::default()), again }),
                fields => list(fields).into_iter().map(bytes_of).collect::<Vec<_>>(),
            };
            let beside = self.beside.values(|what| match what {
                What::Key => None,
                What::Id => Some(Told::Bytes(id.as_bytes())),
                What::Time => Some(Told::Time(id.split('-').next()?.parse().ok()?)),
                What::Header(name) => {
                    let mut pairs = fields.chunks_exact(2);
                    Some(Told::Bytes(
                        pairs
                            .rfind(|pair| pair.first().is_some_and(|field| field == name.as_bytes()))?
                            .get(1)?,
                    ))
                }
            });
            let (body, is_row) = self.body(fields);
            Some(Message { body: Some(body), id, beside: is_row.and(beside), again })
        };
        list(entries).into_iter().filter_map(message).collect()
    }

    /// The messages of the one stream that was read.
    fn of_stream(&self, answer: Value, again: bool) -> Vec<Message> {
        let mut parts = match answer {
            Value::Map(mut pairs) => {
                return pairs.pop().map(|(_, all)| self.messages(all, again)).unwrap_or_default();
            }
            answer => list(answer).pop().map(list).unwrap_or_default(),
        };
        parts.pop().map(|entries| self.messages(entries, again)).unwrap_or_default()
    }

    /// Asks for more messages the next time, or for fewer, by the size of those that came.
    fn sized(&mut self, messages: Vec<Message>) -> Vec<Message> {
        let sizes = messages.iter().filter_map(|message| Some(message.body.as_ref()?.len()));
        if let Some(largest) = sizes.max() {
            self.count = (POLLED / largest.max(1)).clamp(1, MOST.min(self.count * 2));
        }
        messages
    }

    fn trouble(&mut self, error: &redis::RedisError) -> Trouble {
        let name = &self.name;
        if let Some(refused) = tls::refused(name, error) {
            self.link = None;
            return Trouble::Refused(refused);
        }
        // What a server says in its own words is left out: sentences here are ours.
        let refused = |what: &str| Trouble::Refused(Error::input(format!("{name}: {what}")));
        let of_user = |what: &str| Trouble::Refused(Error::usage(format!("{name}: {what}")));
        let busy = |what: &str| Trouble::Away(format!("{name}: Redis takes no commands just now: {what}"));
        let trouble = match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) => of_user(&format!(
                "Redis does not take the user or the password; the password is that of {PASSWORD}"
            )),
            (_, Some("NOAUTH")) => of_user(&format!("Redis wants a password; set {PASSWORD}")),
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
                return of_user(
                    "Redis does not permit this user what a tail needs: XREADGROUP, XACK, XAUTOCLAIM, XGROUP, XINFO, XPENDING and XREVRANGE on that stream",
                );
            }
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => busy("it is loading what it had stored"),
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
                busy("it is a replica, which takes no writes")
            }
            (ErrorKind::Server(ServerErrorKind::MasterDown), _) => {
                busy("it is a replica that has lost its master")
            }
            (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => busy("its cluster is down"),
            (ErrorKind::Server(ServerErrorKind::TryAgain), _) => busy("its cluster is being rearranged"),
            (_, Some("OOM")) => busy("its memory is full (maxmemory)"),
            (_, Some("MISCONF")) => busy("it cannot save to its disk"),
            (ErrorKind::Io, _) => {
                let why = match error.is_timeout() {
                    true if tls::is_meant(name) => "it gives no answer; see that the port is the one for TLS",
                    true => "it gives no answer",
                    false => NOTHING_THERE,
                };
                Trouble::Away(format!("{name}: Redis cannot be reached: {why}"))
            }
            (_, Some("WRONGTYPE")) => refused(&format!("the key {} is there and is no stream", self.stream)),
            (_, Some("NOGROUP")) => refused(&format!(
                "the group {} or its stream was deleted; start the tail again to make it",
                self.group
            )),
            (_, Some(code)) => refused(&format!(
                "Redis refuses it (code {code}); see that it is of version 6.2 or later, and has the database that db= names"
            )),
            _ => refused("what answers there does not speak as Redis does"),
        };
        self.link = None;
        trouble
    }

    fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        let Some(link) = &mut self.link else {
            return Err(Trouble::Away(format!("{}: there is no connection to Redis", self.name)));
        };
        command.query(link).map_err(|error| self.trouble(&error))
    }

    /// A command about the stream.
    fn about(&self, words: &[&str]) -> Cmd {
        let mut command = Cmd::new();
        words.iter().for_each(|word| {
            command.arg(*word);
        });
        command.arg(&self.stream);
        command
    }

    fn read(&self, from: &str, block: Option<u64>) -> Cmd {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.group).arg(&self.consumer).arg("COUNT").arg(self.count);
        if let Some(block) = block {
            command.arg("BLOCK").arg(block);
        }
        command.arg("STREAMS").arg(&self.stream).arg(from);
        command
    }

    /// What is known of each consumer.
    fn consumers(&mut self) -> Result<Vec<Vec<Value>>, Trouble> {
        let mut command = self.about(&["XINFO", "CONSUMERS"]);
        command.arg(&self.group);
        Ok(list(self.ask(&command)?).into_iter().map(list).collect())
    }
}

impl Broker for Redis {
    fn connect(&mut self) -> Result<(), Trouble> {
        if self.link.is_some() {
            return Ok(());
        }
        self.link = Some(behind::connected(&self.client).map_err(|error| self.trouble(&error))?);
        Ok(())
    }

    fn join(&mut self, from: From) -> Result<(), Trouble> {
        let mut command = self.about(&["XGROUP", "CREATE"]);
        command.arg(&self.group).arg(if from == From::End { "$" } else { "0" }).arg("MKSTREAM");
        let made = match &mut self.link {
            Some(link) => command.query::<Value>(link),
            None => return self.ask(&command).map(drop),
        };
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("BUSYGROUP") => match from {
                From::Checkpoint => Ok(()),
                From::Start | From::End => Err(Trouble::Refused(Error::usage(format!(
                    "{}: the group {} is there already, and goes on where it is; name another group to begin elsewhere",
                    self.name, self.group
                )))),
            },
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn silence(&mut self) -> Result<Option<Duration>, Trouble> {
        let all = self.consumers()?;
        let own = all.iter().find(|one| of_name(one, "name").and_then(text).as_ref() == Some(&self.consumer));
        Ok(own.and_then(|own| number(of_name(own, "idle")?)).map(Duration::from_millis))
    }

    fn latest(&mut self, count: usize) -> Result<Vec<Message>, Trouble> {
        let mut command = self.about(&["XREVRANGE"]);
        command.arg("+").arg("-").arg("COUNT").arg(count);
        let entries = self.ask(&command)?;
        let mut messages = self.messages(entries, false);
        messages.reverse();
        Ok(messages)
    }

    fn pending(&mut self, after: Option<&str>) -> Result<Vec<Message>, Trouble> {
        let command = self.read(after.unwrap_or("0"), None);
        let answer = self.ask(&command)?;
        let messages = self.of_stream(answer, true);
        Ok(self.sized(messages))
    }

    fn is_pending(&mut self, id: &str) -> Result<bool, Trouble> {
        let mut command = self.about(&["XPENDING"]);
        command.arg(&self.group).arg(id).arg(id).arg(1).arg(&self.consumer);
        Ok(!list(self.ask(&command)?).is_empty())
    }

    fn poll(&mut self) -> Result<Vec<Message>, Trouble> {
        let command = self.read(">", Some(BLOCK));
        let answer = self.ask(&command)?;
        let messages = self.of_stream(answer, false);
        Ok(self.sized(messages))
    }

    fn claim(&mut self, idle: Duration) -> Result<(Vec<Message>, bool), Trouble> {
        let mut command = self.about(&["XAUTOCLAIM"]);
        let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        command
            .arg(&self.group)
            .arg(&self.consumer)
            .arg(idle)
            .arg(&self.claimed)
            .arg("COUNT")
            .arg(self.count);
        let mut parts = list(self.ask(&command)?).into_iter();
        self.claimed = parts.next().as_ref().and_then(text).unwrap_or_else(|| BEGIN.to_owned());
        let messages = parts.next().map(|entries| self.messages(entries, true)).unwrap_or_default();
        let mut messages = self.sized(messages);
        // Those that are not in the stream any more are pending with nobody from now on.
        let deleted = parts.next().map(list).unwrap_or_default();
        messages.extend(deleted.iter().filter_map(text).map(|id| Message {
            id: id.into(),
            body: None,
            beside: Ok(Box::default()),
            again: true,
        }));
        Ok((messages, self.claimed != BEGIN))
    }

    fn acknowledge(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        let mut command = self.about(&["XACK"]);
        command.arg(&self.group);
        ids.iter().for_each(|id| {
            command.arg(&**id);
        });
        self.ask(&command).map(drop)
    }

    fn certain(&self) -> Duration {
        CERTAIN
    }

    fn outstanding(&mut self, _: &[Arc<str>]) -> Result<Option<u64>, Trouble> {
        let mut command = self.about(&["XPENDING"]);
        command.arg(&self.group);
        Ok(list(self.ask(&command)?).first().and_then(number))
    }

    fn behind(&mut self) -> Option<Behind> {
        Some(behind::of(self.client.clone(), self.group.clone(), self.about(&["XINFO", "GROUPS"])))
    }

    fn of_others(&mut self) -> Result<OfOthers, Trouble> {
        let all = self.consumers()?;
        let of = |one: &Vec<Value>| {
            Some((text(of_name(one, "name")?)?, number(of_name(one, "pending")?).filter(|count| *count > 0)?))
        };
        Ok(all.iter().filter_map(of).filter(|(name, _)| *name != self.consumer).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_messages_are_asked_for_where_they_are_large_and_more_again_where_they_are_not() {
        let mut redis = Redis {
            client: Client::open("redis://localhost").unwrap(),
            link: None,
            name: "redis://localhost/s".into(),
            stream: "s".into(),
            group: "g".into(),
            consumer: "c".into(),
            field: None,
            whole: false,
            beside: Beside::default(),
            claimed: BEGIN.into(),
            count: FIRST,
        };
        let mut after = |sizes: &[usize]| {
            let body = |size: &usize| Message {
                id: "1-0".into(),
                body: Some(vec![0; *size]),
                beside: Ok(Box::default()),
                again: false,
            };
            redis.sized(sizes.iter().map(body).collect());
            redis.count
        };
        assert_eq!([after(&[10]), after(&[]), after(&[10, 20])], [32, 32, 64]);
        // As many as have room where all are as large as the largest; one at least.
        assert_eq!([after(&[10, 4 << 20]), after(&[POLLED * 2]), after(&[0])], [4, 1, 2]);
        let more: Vec<usize> = (0..10).map(|_| after(&[100])).collect();
        assert_eq!(more, [4, 8, 16, 32, 64, 128, 256, 500, 500, 500]);
    }
}

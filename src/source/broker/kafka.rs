//! Topics of Kafka, read as a consumer of a group that any number of programs share.
//!
//! The group gives each partition to one of its consumers. What is settled of it is committed, as the offset behind which nothing
//! is; so a partition that goes to another consumer goes on there. One that is to be given up is given up once all that was
//! given of it is settled ([`Broker::is_leaving`]), unless the group has taken this consumer for dead.
//!
//! Whether it has is not told by the messages, which the servers give to anybody. So none is given unless a commit, which the group
//! takes from its consumers alone, has succeeded a short while before; by the time that the group could give its partition to
//! another one, it is noted, and the other one looks.

mod behind;
mod context;
mod faults;
mod part;
mod partitions;
mod raw;
mod session;
mod settings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::{Error, Result};
use crate::source::broker::group::REMEMBERED;
use crate::source::broker::kafka::context::{Change, Context, code};
use crate::source::broker::kafka::part::{Part, place};
use crate::source::broker::kafka::raw::Raw;
use crate::source::broker::kafka::session::Session;
use crate::source::broker::kafka::settings::Settings;
use crate::source::broker::stream::Stream;
use crate::source::broker::{About, Behind, Broker, Message, OfOthers, Trouble};
use crate::source::followed::{FollowOptions, FollowedKind, From};

/// Topics of Kafka.
pub const KIND: FollowedKind =
    FollowedKind { scheme: Some("kafka"), open: |options| Box::new(Stream { options, open }) };

/// Messages that are given at once, and their bytes.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 1 << 20;

/// How long it is waited where there is no message.
const PAUSE: Duration = Duration::from_millis(50);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has heard nothing for so long finds out whether there still is a connection: the client does not tell.
const SILENCE: Duration = Duration::from_secs(5);

/// Time until what was left for later is asked for again.
const LATER: Duration = Duration::from_secs(1);

/// A consumer of a group.
struct Kafka {
    settings: Settings,
    session: Option<Session>,
    /// Reads what is not taken.
    beside: Option<BaseConsumer<Context>>,
    /// Whether it has to be found out first whether there is a connection.
    away: bool,
    /// All partitions that have ever been here.
    parts: BTreeMap<i32, Part>,
    /// Those that are here.
    own: BTreeSet<i32>,
    /// Those that are to be given up.
    leaving: Vec<i32>,
    /// Changes that have not come about yet.
    changes: VecDeque<Change>,
    /// Messages that have come and have not been given.
    raw: VecDeque<Raw>,
    /// Whether the group has shared out its partitions.
    joined: bool,
    /// Since when partitions are lost of which nobody knows whose they are.
    lost: Option<Instant>,
    /// When it was certain last that the group knows this consumer.
    proven: Option<Instant>,
    /// Until when others may have noted what is given here.
    until: Instant,
    /// When what was left for later is asked for again.
    due: Option<Instant>,
    /// When there was a sign of life last.
    heard: Instant,
}

fn open(options: &FollowOptions) -> Result<(Box<dyn Broker>, About)> {
    let (settings, about) = settings::of(options)?;
    let kafka = Kafka {
        settings,
        session: None,
        beside: None,
        away: true,
        parts: BTreeMap::new(),
        own: BTreeSet::new(),
        leaving: Vec::new(),
        changes: VecDeque::new(),
        raw: VecDeque::new(),
        joined: false,
        lost: None,
        proven: None,
        until: Instant::now(),
        due: None,
        heard: Instant::now(),
    };
    Ok((Box::new(kafka), about))
}

impl Kafka {
    fn session(&mut self) -> Result<&mut Session, Trouble> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.settings)?);
        }
        self.session.as_mut().ok_or_else(|| Trouble::Away("there is no connection".to_owned()))
    }

    fn consumer(&mut self) -> Result<Arc<BaseConsumer<Context>>, Trouble> {
        self.session().map(|session| session.consumer.clone())
    }

    /// Takes in what has come; what has gone wrong.
    fn take_in(&mut self, wait: Duration) -> Result<Vec<Code>, Trouble> {
        let wait = if self.raw.is_empty() { wait } else { Duration::ZERO };
        // While the group is not known to know this consumer they cannot be given.
        let bytes = MOST_BYTES.saturating_sub(self.raw.iter().map(Raw::size).sum());
        let most = if bytes == 0 { 0 } else { MOST.saturating_sub(self.raw.len()) };
        let heard = self.session()?.hear(wait, most, bytes);
        if !heard.messages.is_empty() || !heard.ends.is_empty() {
            self.heard = Instant::now();
        }
        self.raw.extend(heard.messages);
        for partition in heard.ends {
            self.parts.entry(partition).or_default().read = true;
        }
        self.changes.extend(heard.changes);
        Ok(heard.faults)
    }

    /// Takes in what has come, and answers changes of the partitions.
    fn hear(&mut self, wait: Duration) -> Result<(), Trouble> {
        let faults = self.take_in(wait)?;
        while let Some(change) = self.changes.pop_front() {
            let done = match &change {
                Change::Comes(partitions) => self.come(partitions),
                Change::Goes { partitions, lost: false } => {
                    self.leaving.extend(partitions);
                    Ok(())
                }
                Change::Goes { partitions, lost: true } => {
                    self.lost = Some(Instant::now());
                    self.proven = None;
                    self.go(partitions)
                }
            };
            if let Err(trouble) = done {
                self.changes.push_front(change);
                return Err(trouble);
            }
        }
        for fault in faults {
            match fault {
                Code::AutoOffsetReset | Code::OffsetOutOfRange => self.find_again()?,
                Code::AllBrokersDown
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::SSL
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InconsistentGroupProtocol
                | Code::InvalidSessionTimeout => return Err(self.failed(Some(fault))),
                fault => tracing::debug!("{}: {fault}", self.settings.connection.name),
            }
        }
        Ok(())
    }

    /// Commits offsets, and waits until the group has taken them.
    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<(), Trouble> {
        let topic = self.settings.connection.topic.clone();
        let Some(came) = self.session()?.commit(&topic, offsets.to_vec(), PATIENCE) else {
            return Err(self.not_now());
        };
        match came {
            Ok(began) => {
                self.proven = Some(began);
                for (partition, offset) in offsets {
                    self.parts.entry(*partition).or_default().committed = Some(*offset);
                }
                Ok(())
            }
            Err(Some(
                Code::RebalanceInProgress
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::StaleMemberEpoch
                | Code::AssignmentLost
                | Code::InvalidRequest,
            )) => Err(self.not_now()),
            Err(code) => Err(self.failed(code)),
        }
    }

    /// What is to be committed: of all partitions here, or of those where it is not what it was.
    fn positions(&mut self, all: bool) -> Vec<(i32, i64)> {
        let mut positions = Vec::new();
        for partition in &self.own {
            let Some(part) = self.parts.get_mut(partition) else { continue };
            let position = part.position();
            if all || part.committed != Some(position) {
                positions.push((*partition, position));
            }
        }
        positions
    }

    /// Whether the group is certain to know this consumer; asks where that has to be.
    fn is_known(&mut self) -> Result<bool, Trouble> {
        let fresh = self.proven.is_some_and(|proven| proven.elapsed() < self.certain());
        let begins =
            self.own.iter().any(|own| self.parts.get(own).is_some_and(|part| part.committed.is_none()));
        if (fresh || self.raw.is_empty()) && !begins {
            return Ok(fresh);
        }
        let positions = self.positions(true);
        match self.commit(&positions) {
            Ok(()) => Ok(true),
            Err(Trouble::Later(why)) => {
                tracing::debug!("{why}");
                std::thread::sleep(PAUSE);
                Ok(false)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Messages that are to be given.
    fn given(&mut self) -> Vec<Message> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while bytes < MOST_BYTES
            && let Some(raw) = self.raw.pop_front()
        {
            let here = self.own.contains(&raw.partition);
            let Some(part) = self.parts.get_mut(&raw.partition).filter(|_| here) else { continue };
            if part.give(raw.offset) {
                bytes += raw.size();
                let again = raw.offset < part.shared;
                messages.push(raw.into_message(again));
            }
        }
        messages
    }
}

impl Broker for Kafka {
    fn connect(&mut self) -> Result<(), Trouble> {
        if self.away {
            self.partitions()?;
            self.away = false;
        }
        Ok(())
    }

    fn join(&mut self, from: From) -> Result<(), Trouble> {
        self.beside = None;
        let partitions = self.partitions()?;
        if from != From::Checkpoint && !self.committed(&partitions)?.is_empty() {
            let what = format!(
                "{}: the group {} is there already, and goes on where it is; name another one to begin elsewhere",
                self.settings.connection.name, self.settings.group
            );
            return Err(Trouble::Refused(Error::usage(what)));
        }
        let (consumer, topic) = (self.consumer()?, self.settings.connection.topic.clone());
        let subscribed = consumer.subscribe(&[&topic]);
        subscribed.map_err(|error| self.failed(code(&error)))?;
        self.session()?.keep();
        Ok(())
    }

    fn silence(&mut self) -> Result<Option<Duration>, Trouble> {
        Ok(None)
    }

    fn latest(&mut self, count: usize) -> Result<Vec<Message>, Trouble> {
        let partitions = self.partitions()?;
        let each = i64::try_from(count.div_ceil(partitions.len())).unwrap_or(1);
        let (mut from, mut wanted) = (Vec::new(), BTreeMap::new());
        for partition in partitions {
            let (low, high) = self.ends(partition)?;
            let start = low.max(high - each);
            if start < high {
                from.push((partition, Offset::Offset(start)));
                wanted.insert(partition, high);
            }
        }
        let list = self.list(from);
        if self.beside.is_none() {
            self.beside = Some(session::consumer(&self.settings)?);
        }
        let Some(beside) = &self.beside else { return Ok(Vec::new()) };
        if let Err(error) = beside.assign(&list) {
            return Err(self.failed(code(&error)));
        }
        let (began, mut found) = (Instant::now(), Vec::new());
        while !wanted.is_empty() && began.elapsed() < PATIENCE {
            match beside.poll(PAUSE) {
                Some(Ok(message)) => {
                    let raw = Raw::of(&message, &self.settings.beside);
                    let Some(end) = wanted.get(&raw.partition) else { continue };
                    if raw.offset.saturating_add(1) >= *end {
                        wanted.remove(&raw.partition);
                    }
                    found.push(raw);
                }
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                    wanted.remove(&partition);
                }
                Some(Err(error)) => tracing::debug!("{}: {error}", self.settings.connection.name),
                None => {}
            }
        }
        found.sort_unstable_by_key(|raw| (raw.at, raw.partition, raw.offset));
        Ok(found.into_iter().map(|raw| raw.into_message(false)).collect())
    }

    fn pending(&mut self, _: Option<&str>) -> Result<Vec<Message>, Trouble> {
        // What is not committed comes by itself.
        Ok(Vec::new())
    }

    fn is_pending(&mut self, id: &str) -> Result<bool, Trouble> {
        let Some((partition, offset)) = place(id) else { return Ok(false) };
        let committed = self.committed(&[partition])?;
        Ok(committed.get(&partition).is_none_or(|committed| *committed <= offset))
    }

    fn poll(&mut self) -> Result<Vec<Message>, Trouble> {
        self.hear(PAUSE)?;
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            self.until = Instant::now();
            let again = |own: &i32| Some((*own, self.parts.get(own)?.first_again()?));
            let again: Vec<(i32, i64)> = self.own.iter().filter_map(again).collect();
            again.into_iter().try_for_each(|(partition, offset)| self.seek(partition, offset))?;
        }
        if self.raw.is_empty() && self.heard.elapsed() > SILENCE {
            self.partitions()?;
        }
        if !self.leaving.is_empty() || !self.is_known()? {
            return Ok(Vec::new());
        }
        Ok(self.given())
    }

    fn acknowledge(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        let mut elsewhere = false;
        for (partition, offset) in ids.iter().filter_map(|id| place(id)) {
            elsewhere |= !self.own.contains(&partition);
            self.parts.entry(partition).or_default().settle(offset);
        }
        let positions = self.positions(false);
        if !positions.is_empty() {
            self.commit(&positions)?;
        }
        // The next one to have it looks at what is noted as soon as it has it, and would not find this noted after a while.
        match elsewhere && self.lost.is_some_and(|since| since.elapsed() < self.settings.session) {
            true => Err(self.not_now()),
            false => Ok(()),
        }
    }

    fn later(&mut self, ids: &[Arc<str>]) -> Result<(), Trouble> {
        for (partition, offset) in ids.iter().filter_map(|id| place(id)) {
            self.parts.entry(partition).or_default().again(offset);
        }
        self.due = Some(Instant::now() + LATER);
        Ok(())
    }

    fn certain(&self) -> Duration {
        (self.settings.session / 3).min(REMEMBERED / 2)
    }

    fn noted_until(&self) -> Instant {
        self.until
    }

    fn repeats(&self) -> bool {
        false
    }

    fn is_caught_up(&self) -> bool {
        self.joined && self.own.iter().all(|own| self.parts.get(own).is_some_and(|part| part.read))
    }

    fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    fn leave(&mut self) -> Result<(), Trouble> {
        let leaving = std::mem::take(&mut self.leaving);
        self.go(&leaving)
    }

    fn outstanding(&mut self, noted: &[Arc<str>]) -> Result<Option<u64>, Trouble> {
        // Who was given what it does not know; what is behind the committed offsets is given to nobody any more.
        let places: Vec<(i32, i64)> = noted.iter().filter_map(|id| place(id)).collect();
        let partitions: BTreeSet<i32> = places.iter().map(|(partition, _)| *partition).collect();
        let committed = self.committed(&partitions.into_iter().collect::<Vec<_>>())?;
        let open = |(partition, offset): &&(i32, i64)| committed.get(partition).is_none_or(|at| at <= offset);
        Ok(Some(places.iter().filter(open).count() as u64))
    }

    fn behind(&mut self) -> Option<Behind> {
        behind::of(&self.settings)
    }

    fn of_others(&mut self) -> Result<OfOthers, Trouble> {
        Ok(Vec::new())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}

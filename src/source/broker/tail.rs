//! The rows of a stream, whatever its broker.

mod settle;
mod sift;
mod told;
mod waits;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::batch::{OpenRows, Origin, Parts, Replayable};
use crate::dataset::inferred::Learned;
use crate::dataset::{Mapped, Mapper};
use crate::decode::RawBatch;
use crate::error::{Error, Result};
use crate::pipeline::skip_committed::Resumed;
use crate::pipeline::source::{Source, Step};
use crate::pipeline::{Feed, Rest, Stop};
use crate::source::broker::bodies::{Bodies, Cut};
use crate::source::broker::group::{Group, Stored};
use crate::source::broker::lag::Lag;
use crate::source::broker::places::Places;
use crate::source::broker::tail::told::Told;
use crate::source::broker::tail::waits::Waits;
use crate::source::broker::{About, Broker, Message, Trouble};
use crate::source::fault::decode_error;
use crate::source::followed::{FollowOptions, FollowWith};
use crate::text::number_format::plural;

/// Time between two acknowledgements.
const SAVE: Duration = Duration::from_millis(200);

/// Longest wait in one piece, so that a stop is seen.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// Longest time between two attempts to reach the broker.
const RETRY: Duration = Duration::from_secs(1);

/// Time until it is asked again for what another consumer may be about to store.
const LATER: Duration = Duration::from_secs(1);

/// Shortest time after which messages of others are taken over whose rows have no key.
const LEAST_CLAIM: Duration = Duration::from_secs(5);

/// Time between two looks, while nothing comes, whether what ended runs have left can be forgotten.
const TIDY: Duration = Duration::from_secs(10);

/// How long the last acknowledgements are tried.
const LAST: Duration = Duration::from_secs(5);

/// A consumer that has asked for something so shortly before is another program's.
const ALIVE: Duration = Duration::from_secs(5);

/// Messages whose rows were handed on.
struct Mark {
    ids: Vec<Arc<str>>,
    /// The ordinal of the first row.
    first: u64,
    open: OpenRows,
    /// Whether no row of them, or before them, waits for others.
    firm: bool,
    /// How many rows without an id there were with them.
    equals: u64,
}

/// Does what needs the store or the disk, once that is possible; not where the stop is set.
fn patiently(stop: &Stop, mut act: impl FnMut() -> Result<()>) -> Result<()> {
    let mut said = false;
    loop {
        match act() {
            Err(error @ Error::Unavailable(_)) if !stop.is_set() => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(
                        "{error}; waiting, since after a crash nobody would know which rows are there"
                    );
                }
                std::thread::sleep(SLICE);
            }
            done => return done,
        }
    }
}

/// What is asked for.
enum Way {
    /// What was given before and is not acknowledged, behind that message.
    Pending(Option<Arc<str>>),
    /// What is new.
    New,
}

pub(super) struct Tail {
    options: FollowOptions,
    broker: Box<dyn Broker>,
    about: About,
    places: Places,
    with: FollowWith,
    mapper: Option<Mapper>,
    bodies: Bodies,
    marks: VecDeque<Mark>,
    /// The last one given.
    ordinal: u64,
    /// The other consumers, where the store knows of them.
    group: Option<Group>,
    /// What they have stored of the rows that may wait for others.
    stored: Stored,
    way: Way,
    /// When it is asked again what was given before.
    again: Option<Instant>,
    /// When what runs have left that have ended was put in order last.
    tidied: Instant,
    /// What is noted of what the rows have told.
    told: Learned,
    /// Whether what was to be acknowledged last has been.
    acknowledged: bool,
    /// The messages of rows that may wait for others.
    parts: Option<Arc<Parts>>,
    /// Messages that were gone before they could be read.
    deleted: u64,
    /// Tells how far the group is behind.
    lag: Option<Lag>,
    /// Whether it was said what the first rows lack.
    lacks: bool,
    /// For others to store what they were given, or to end.
    others: Waits,
    /// For the store to be fast enough with notes.
    slow: Waits,
    /// Since when the broker is away, and how long the next wait is.
    away: Option<(Instant, Duration)>,
    saved: Instant,
    moved: Instant,
    claimed: Instant,
}

impl Tail {
    /// Nothing is read or asked yet.
    pub(super) fn new(
        mut options: FollowOptions,
        broker: Box<dyn Broker>,
        about: About,
        places: Places,
        mut with: FollowWith,
    ) -> Self {
        let group = with.notes.take().map(Group::new);
        options.open.csv.json.known = with.mapper.own_names();
        let bodies = Bodies::new(options.open.format, options.open.csv.clone());
        let now = Instant::now();
        Self {
            options,
            broker,
            about,
            places,
            with,
            mapper: None,
            bodies,
            marks: VecDeque::new(),
            ordinal: 0,
            group,
            stored: Stored::default(),
            way: Way::Pending(None),
            again: None,
            tidied: now,
            told: Learned::default(),
            acknowledged: true,
            parts: None,
            deleted: 0,
            lag: None,
            lacks: false,
            others: Waits::default(),
            slow: Waits::default(),
            away: None,
            saved: now,
            moved: now,
            claimed: now,
        }
    }

    /// The next messages.
    fn fetch(&mut self) -> Result<Vec<Message>, Trouble> {
        self.broker.connect()?;
        if self.again.is_some_and(|when| when <= Instant::now()) {
            self.again = None;
            self.way = Way::Pending(None);
        }
        if let Way::Pending(after) = &self.way {
            let messages = self.broker.pending(after.as_deref())?;
            if let Some(last) = messages.last() {
                self.way = Way::Pending(Some(last.id.clone()));
                return Ok(messages);
            }
            self.way = Way::New;
        }
        if let Some(idle) = self.about.claim
            && self.claimed.elapsed() >= (idle / 2).min(Duration::from_secs(10))
        {
            let (messages, more) = self.broker.claim(idle)?;
            if !more {
                self.claimed = Instant::now();
            }
            if !messages.is_empty() {
                return Ok(messages);
            }
        }
        self.broker.poll()
    }

    /// Hands on the rows of messages; returns those that are left for the next time, where rows take much room.
    fn take(
        &mut self,
        mut messages: Vec<Message>,
        fetched: Instant,
        feed: &mut Feed<'_>,
    ) -> Result<Vec<Message>> {
        let name = self.about.name.clone();
        let span = tracing::trace_span!("read", source = &*name, bytes = tracing::field::Empty);
        let _reading = span.enter();
        let mut cut = self.bodies.cut(&mut messages).map_err(|error| decode_error(error, &name))?;
        let rest = messages.split_off(cut.rows.len());
        let (bytes, deleted) = (cut.bytes, cut.deleted);
        span.record("bytes", bytes as i64);
        let first = match self.ordinals(&messages, &cut.rows, fetched) {
            Ok(Some(first)) => first,
            Ok(None) => return Ok(rest),
            // Nothing of them was handed on, nor is anything more.
            Err(Error::Unavailable(_)) if feed.stop.is_set() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        self.deleted += deleted;
        let ordinals = cut.ordinals(&first);
        let named = messages.iter().zip(&first).zip(&cut.rows).filter(|(_, rows)| **rows > 0);
        let named =
            named.map(|((message, first), _)| (*first, Arc::from(format!("{name}#{}", message.name()))));
        let mut parts = Parts::new(named.collect());
        let waits = self.mapper.as_ref().is_some_and(Mapper::is_waiting);
        let mut stored =
            self.group.as_ref().map(|group| group.stored_of(&messages, &first)).unwrap_or_default();
        if let Some(before) = self.parts.take().filter(|_| waits) {
            parts = before.and(parts);
            stored = std::mem::take(&mut self.stored).and(stored);
        }
        self.stored = stored;
        let parts = Some(Arc::new(parts));
        self.parts.clone_from(&parts);
        let origin = Arc::new(Origin { replayable: Replayable::Kept, parts, ..Origin::new(name.clone()) });
        let open = origin.open.clone();
        let (ids, values): (Vec<_>, Vec<_>) =
            messages.into_iter().map(|message| (message.id, message.beside.unwrap_or_default())).unzip();
        let told = Told { origin: &origin, first: &first, ordinals: &ordinals, values: &values };
        self.marks.push_back(Mark {
            ids,
            first: first.first().copied().unwrap_or(self.ordinal),
            open: open.clone(),
            firm: false,
            equals: 0,
        });
        let handed = match self.stored.is_empty() {
            true => self.hand_on(&mut cut, told, feed),
            false => {
                let observer = self.with.observer.clone();
                let mut sink = Resumed::new(&mut *feed.sink, self.stored.clone(), observer);
                let report = std::mem::take(&mut feed.report);
                let Feed { observer, stop, scope, time, enough, .. } = *feed;
                let mut passing = Feed { sink: &mut sink, observer, stop, scope, time, enough, report };
                let handed = self.hand_on(&mut cut, told, &mut passing);
                feed.report = passing.report;
                handed
            }
        };
        if handed.is_err() {
            // What is left of it is never taken for settled.
            open.open(1);
        }
        handed?;
        if let (Some(mapper), Some(mark)) = (&self.mapper, self.marks.back_mut()) {
            (mark.firm, mark.equals) = (!mapper.is_waiting(), mapper.equals_rows());
        }
        self.with.meter.consumed.fetch_add(bytes, Ordering::Relaxed);
        self.with.meter.decoded.fetch_add(bytes, Ordering::Relaxed);
        Ok(rest)
    }

    fn hand_on(&mut self, cut: &mut Cut, told: Told<'_>, feed: &mut Feed<'_>) -> Result<()> {
        let name = self.about.name.clone();
        let failed = |error| decode_error(error, &name);
        let broken = cut.take_broken(told.first);
        if !broken.is_empty() {
            feed.read(broken.len() as u64);
            feed.report.rows += broken.len() as u64;
            let rejects = self.rejects(broken, told);
            // The broker has what is not taken.
            feed.hand_on([Mapped { rejects, ..Mapped::default() }], None, Rest::Return)?;
        }
        self.bodies.push(cut).map_err(failed)?;
        let mut given = 0;
        loop {
            let wanted = self.mapper.as_mut().and_then(Mapper::wanted);
            let Some(raw) = self.bodies.next(wanted, told.ordinals, &mut given).map_err(failed)? else {
                break;
            };
            self.map(raw, told, feed)?;
        }
        match given == told.ordinals.len() {
            true => Ok(()),
            false => Err(Error::internal("messages do not come apart into their rows").at(&name)),
        }
    }

    fn map(&mut self, raw: RawBatch, told: Told<'_>, feed: &mut Feed<'_>) -> Result<()> {
        let beside = raw.rows.iter().map(|row| told.of(*row));
        let columns = self.about.beside.add(&raw.columns, beside).map_err(|e| e.at(&self.about.name))?;
        let Some(mapper) = &mut self.mapper else { return Ok(()) };
        let read = (raw.rows.len() + raw.broken.len()) as u64;
        if mapper.rekeys() {
            feed.sink.settle();
        }
        mapper.continues(told.origin.clone());
        let span = tracing::trace_span!("decode", rows = read as i64, bytes = raw.bytes as i64);
        let mut mapped = span.in_scope(|| mapper.map(&columns, &raw.rows))?;
        if let Some(lack) = mapper.lack().filter(|_| !std::mem::replace(&mut self.lacks, true)) {
            tracing::warn!("{lack}; waiting for rows that have it");
        }
        let learned = mapper.learned();
        if learned != self.told {
            // Before a row is stored by it.
            self.told = learned.clone();
            patiently(&self.with.stop, || self.places.tell(learned.clone()))?;
        }
        feed.read(read);
        feed.report.rows += read;
        if !raw.broken.is_empty() {
            mapped.rejects.extend(self.rejects(raw.broken, told));
        }
        feed.hand_on([mapped], self.mapper.as_ref(), Rest::Return)
    }
}

impl Source for Tail {
    fn begin(&mut self, _: &mut Feed<'_>) -> Result<()> {
        let name = self.about.name.clone();
        let settings = self.with.mapper.clone();
        if let Some(claim) = self.about.claim.filter(|_| !settings.target.is_keyed()) {
            let table = &settings.target.table;
            if self.group.is_none() {
                return Err(Error::usage(format!(
                    "{name}: {table} has no key, and the store keeps no account of its rows, so that nobody could tell which rows of a message are stored that is taken over from another consumer; leave claim= out"
                )));
            }
            if claim < LEAST_CLAIM {
                return Err(Error::usage(format!(
                    "{name}: {table} has no key; give claim= {} seconds at least, within which consumers note what they were given",
                    LEAST_CLAIM.as_secs()
                )));
            }
        }
        self.mapper = Some(Mapper::new(settings.clone(), Arc::new(Origin::new(name.clone())))?);
        self.broker.connect().map_err(Error::from)?;
        self.broker.join(self.options.from).map_err(Error::from)?;
        if self.places.is_new {
            let silence = self.broker.silence().map_err(Error::from)?;
            if silence.is_some_and(|silence| silence < ALIVE) {
                return Err(Error::usage(format!(
                    "{}: another program reads as that consumer just now, or did a moment ago; give this one a name of its own, as in …&consumer=second",
                    self.about.consumer
                )));
            }
        }
        self.go_on()?;
        let observer = self.with.observer.clone();
        self.lag = self.broker.behind().map(|behind| Lag::told(observer, behind));
        Ok(())
    }

    fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step> {
        let fetched = Instant::now();
        let messages = match self.fetch() {
            Ok(messages) => messages,
            // The signal that ends it ends the waiting for an answer too.
            Err(Trouble::Away(_)) if feed.stop.is_set() => return Ok(Step::Done),
            Err(Trouble::Away(why)) => {
                self.wait(&why);
                return Ok(Step::More);
            }
            Err(Trouble::Later(why)) => {
                tracing::debug!("{why}");
                std::thread::sleep(SLICE);
                return Ok(Step::More);
            }
            Err(Trouble::Refused(error)) => {
                feed.report.errors.push((error, false));
                return Ok(Step::Done);
            }
        };
        if let Some((since, _)) = self.away.take() {
            tracing::info!("{}: reached again after {} s", self.about.name, since.elapsed().as_secs());
        }
        // They stay pending, and are not noted: the next tail takes them for new ones.
        if feed.stop.is_set() {
            return Ok(Step::Done);
        }
        if self.broker.is_leaving() {
            self.part(feed);
        }
        let messages = match self.sift(messages) {
            Ok(messages) => messages,
            Err(Error::Unavailable(_)) if feed.stop.is_set() => return Ok(Step::Done),
            Err(error) => return Err(error),
        };
        if messages.is_empty() {
            self.tidy(TIDY);
            if !self.broker.is_caught_up() {
                self.moved = Instant::now();
            }
            if self.options.idle_exit.is_some_and(|most| self.moved.elapsed() >= most) {
                feed.report.finished = 1;
                return Ok(Step::Done);
            }
            return Ok(Step::More);
        }
        self.moved = Instant::now();
        let mut rest = messages;
        while !rest.is_empty() && !feed.stop.is_set() {
            rest = match self.take(rest, fetched, feed) {
                Ok(rest) => rest,
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                Err(error) => {
                    feed.report.errors.push((error, false));
                    return Ok(Step::Done);
                }
            };
        }
        feed.judge(feed.report.rows);
        self.moved = Instant::now();
        Ok(Step::More)
    }

    fn acknowledge(&mut self) {
        if self.saved.elapsed() < SAVE || self.away.is_some() {
            return;
        }
        self.saved = Instant::now();
        match self.settle() {
            Ok(()) => {}
            Err(Trouble::Away(why)) => self.wait(&why),
            Err(Trouble::Later(why)) => tracing::debug!("{why}"),
            // What is asked for next is refused too.
            Err(Trouble::Refused(error)) => tracing::warn!("{error}"),
        }
    }

    fn finish(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let name = &self.about.name;
        if let Some(mapper) = &mut self.mapper {
            if !feed.stop.is_set()
                && let Err(error) = mapper.finish()
            {
                feed.report.errors.push((error, false));
            }
            feed.returned(mapper.take_waiting().iter().map(|(_, rows)| rows.len() as u64).sum());
            for note in mapper.notes() {
                *feed.report.notes.entry(note).or_default() += 1;
            }
            for (what, count) in mapper.findings() {
                *feed.report.findings.entry(what.clone()).or_default() += count;
            }
        }
        feed.report.passed.add(&self.bodies.passed());
        if self.deleted > 0 {
            let count = plural(self.deleted, "message");
            let note = format!(
                "{count} of {name} had been given to a consumer, and deleted from the stream before they were read again: what of them was not stored is lost"
            );
            *feed.report.notes.entry(note).or_default() += 1;
        }
        // Whoever cannot say it now has said why.
        let others = self.broker.of_others().unwrap_or_default();
        let listed: Vec<String> = others.iter().map(|(name, count)| format!("{count} with {name}")).collect();
        if !listed.is_empty() {
            let note = format!("messages of {name} are pending with other consumers: {}", listed.join(", "));
            *feed.report.notes.entry(note).or_default() += 1;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<bool> {
        let closed = self.closed();
        if let Some(lag) = self.lag.take() {
            lag.last();
        }
        closed
    }
}

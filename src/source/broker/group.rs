//! What the consumers of a group know of one another: which messages each has handed on, and what of them is stored.
//!
//! A message is noted in the store, with the ordinals of its rows, before a row of it is handed on. Whoever is given a
//! message that was given to somebody before looks there first. Where nobody has noted it, nobody has handed it on.
//! Where a run has that can commit nothing more, its checkpoints tell which rows are stored; where one has that still
//! may, the message is left for later.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::{Identity, Origin, Stage};
use crate::dataset::identity::of_ordinals;
use crate::error::{Error, Result};
use crate::pipeline::skip_committed::Settled;
use crate::port::runs::Checkpoints;
use crate::source::broker::Message;
use crate::source::followed::Notes;

pub(super) use crate::port::messages::REMEMBERED;

/// Messages whose rows were handed on together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The ordinal of the first row.
    pub(super) first: u64,
    /// The messages.
    pub(super) ids: Vec<Arc<str>>,
    /// How many rows each has; none where each has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<u64>,
}

impl Note {
    /// Of those messages, with so many rows each.
    fn of(first: u64, ids: Vec<Arc<str>>, rows: &[u64]) -> Self {
        let rows = if rows.iter().all(|rows| *rows == 1) { Vec::new() } else { rows.to_vec() };
        Self { first, ids, rows }
    }

    /// Each message with the ordinal of its first row and the number of its rows.
    fn messages(&self) -> impl Iterator<Item = (&Arc<str>, u64, u64)> {
        let rows = self.rows.iter().copied().chain(std::iter::repeat(1));
        self.ids.iter().zip(rows).scan(self.first, |next, (id, rows)| {
            let first = *next;
            *next += rows;
            Some((id, first, rows))
        })
    }
}

/// The rows of a message, as a run that has ended had handed them on.
#[derive(Debug, Clone)]
struct Earlier {
    settled: Arc<Checkpoints>,
    first: u64,
    rows: u64,
}

/// Messages by what is to be done with them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Their rows are to be handed on.
    pub(super) take: Vec<Message>,
    /// All of their rows are stored; they are to be acknowledged once more.
    pub(super) stored: Vec<Arc<str>>,
    /// Another consumer may be about to store them.
    pub(super) later: Vec<Arc<str>>,
    /// The run of one such consumer.
    pub(super) with: Option<Uuid>,
}

/// The consumers of a group, as one of them sees it.
pub(super) struct Group {
    notes: Box<dyn Notes>,
    /// Messages that runs had handed on which have ended.
    again: HashMap<Arc<str>, Vec<Earlier>>,
    /// Those that others have handed on and have not acknowledged.
    living: HashMap<Arc<str>, Uuid>,
    /// Those that others have acknowledged.
    done: HashSet<Arc<str>>,
    /// Runs that have ended, and whether all that they had noted was acknowledged a while ago.
    over: Vec<(Uuid, bool)>,
    /// What was acknowledged lately.
    recent: VecDeque<(Instant, Vec<Arc<str>>)>,
    /// What is noted with ordinals below that is acknowledged, which the store does not know yet.
    below: Option<u64>,
    /// When it was looked last at what the others have noted.
    looked: Option<Instant>,
}

impl Group {
    pub(super) fn new(notes: Box<dyn Notes>) -> Self {
        Self {
            notes,
            again: HashMap::new(),
            living: HashMap::new(),
            done: HashSet::new(),
            over: Vec::new(),
            recent: VecDeque::new(),
            below: None,
            looked: None,
        }
    }

    /// Sorts messages of which some were given to somebody before; none of them is on its way here, and others may have
    /// noted them until then.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    pub(super) fn sort(&mut self, messages: &[Message], until: Instant) -> Result<()> {
        if self.looked.is_some_and(|looked| looked > until) {
            return Ok(());
        }
        // One that an earlier look told of may have been given to somebody else since.
        if messages.iter().any(|message| message.again) { self.look() } else { Ok(()) }
    }

    /// Looks at what the others have noted.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    pub(super) fn look(&mut self) -> Result<()> {
        let began = Instant::now();
        let others = self.notes.of_others()?;
        self.again.clear();
        self.living.clear();
        self.done.clear();
        self.over.clear();
        for other in others {
            if other.settled.is_some() {
                self.over.push((other.run, other.finished));
            }
            for (text, acknowledged) in other.noted {
                let note: Note = serde_json::from_str(&text).map_err(|_| {
                    Error::internal(format!("what run {} has noted of messages cannot be read; follow the stream with the version of mdsctl that the others have", other.run))
                })?;
                if acknowledged {
                    self.done.extend(note.ids);
                } else if let Some(settled) = &other.settled {
                    for (id, first, rows) in note.messages() {
                        let earlier = Earlier { settled: settled.clone(), first, rows };
                        self.again.entry(id.clone()).or_default().push(earlier);
                    }
                } else {
                    self.living.extend(note.ids.into_iter().map(|id| (id, other.run)));
                }
            }
        }
        self.looked = Some(began);
        Ok(())
    }

    /// What is to be done with messages, by what was seen last.
    pub(super) fn sorted(&mut self, messages: Vec<Message>) -> Sorted {
        while self.recent.front().is_some_and(|(when, _)| when.elapsed() > REMEMBERED) {
            self.recent.pop_front();
        }
        let recent: HashSet<&Arc<str>> = match messages.iter().any(|message| message.again) {
            true => self.recent.iter().flat_map(|(_, ids)| ids).collect(),
            false => HashSet::new(),
        };
        let mut sorted = Sorted::default();
        for message in messages {
            if !message.again {
                sorted.take.push(message);
            } else if self.done.contains(&message.id) || recent.contains(&message.id) {
                sorted.stored.push(message.id);
            } else if let Some(run) = self.living.get(&message.id) {
                sorted.with = Some(*run);
                sorted.later.push(message.id);
            } else {
                sorted.take.push(message);
            }
        }
        sorted
    }

    /// Notes messages with their numbers of rows, whose first row gets that ordinal.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    pub(super) fn note(&mut self, first: u64, messages: &[Message], rows: &[u64]) -> Result<()> {
        let note = Note::of(first, messages.iter().map(|message| message.id.clone()).collect(), rows);
        self.notes.note(first, &serde_json::to_string(&note).unwrap_or_default())
    }

    /// Takes that note back.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    pub(super) fn withdraw(&mut self, first: u64) -> Result<()> {
        self.notes.withdraw(first)
    }

    /// What earlier runs have stored of these messages, whose first rows have those ordinals now.
    pub(super) fn stored_of(&self, messages: &[Message], first: &[u64]) -> Stored {
        let known = messages.iter().zip(first);
        Stored(
            known
                .filter_map(|(message, first)| Some((*first, self.again.get(&message.id)?.clone())))
                .collect(),
        )
    }

    /// These messages are acknowledged, and with them all whose rows have ordinals below that one.
    pub(super) fn acknowledged(&mut self, ids: Vec<Arc<str>>, below: u64) {
        ids.iter().for_each(|id| {
            self.again.remove(id);
        });
        self.recent.push_back((Instant::now(), ids));
        self.below = Some(below);
        self.tell();
    }

    /// Tells the store what is acknowledged; whoever asks there until it knows waits.
    pub(super) fn tell(&mut self) {
        if let Some(below) = self.below
            && self.notes.settle(below).is_ok()
        {
            self.below = None;
        }
    }

    /// Forgets runs that have ended where no message of theirs can come again: `pending` tells whether any may, given
    /// those that they had noted and not acknowledged, once those runs can commit nothing more.
    ///
    /// # Errors
    /// Unavailable, while the store is.
    pub(super) fn tidy(&mut self, pending: impl FnOnce(&[Arc<str>]) -> bool) -> Result<()> {
        self.look()?;
        if self.over.is_empty() {
            return Ok(());
        }
        let noted: Vec<Arc<str>> = self.again.keys().cloned().collect();
        let all = !pending(&noted);
        let gone: Vec<Uuid> =
            self.over.iter().filter(|(_, finished)| all || *finished).map(|(run, _)| *run).collect();
        if all {
            self.again.clear();
        }
        self.notes.forget(&gone)
    }
}

/// What earlier runs have stored of messages, by the ordinal that the first row of each has now, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored(Vec<(u64, Vec<Earlier>)>);

impl Stored {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those and the ones behind them.
    pub(super) fn and(mut self, behind: Self) -> Self {
        self.0.extend(behind.0);
        self
    }

    /// Whether one of the earlier runs has settled that row, by the ordinal that it had there.
    fn any(&self, ordinal: u64, has: impl Fn(&Checkpoints, u64) -> bool) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= ordinal);
        let found = behind.checked_sub(1).and_then(|place| self.0.get(place));
        found.is_some_and(|(first, earlier)| {
            let row = ordinal - first;
            earlier.iter().any(|run| row < run.rows && has(&run.settled, run.first + row))
        })
    }
}

impl Settled for Stored {
    fn last(&self) -> u64 {
        let end = |(first, earlier): &(u64, Vec<Earlier>)| {
            first + earlier.iter().map(|run| run.rows).max().unwrap_or(0)
        };
        self.0.iter().map(end).max().unwrap_or(0)
    }

    fn has_row(&self, ordinal: u64, _: Identity) -> bool {
        // The slot of a row without a key follows from its ordinal.
        let identity = |ordinal| of_ordinals(&Origin::new(""), &[ordinal]).pop().unwrap_or_default();
        self.any(ordinal, |settled, then| settled.has_row(then, identity(then)))
    }

    fn has_reject(&self, ordinal: u64, stage: Stage) -> bool {
        self.any(ordinal, |settled, then| settled.has_reject(then, stage))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::source::followed::OtherRun;

    /// A run, what of it is settled, what it has noted, and whether that is acknowledged.
    type Line = (Uuid, Option<Arc<Checkpoints>>, String, bool);

    /// What others have noted, for whoever asks.
    #[derive(Default, Clone)]
    struct Written(Arc<Mutex<Vec<Line>>>);

    impl Notes for Written {
        fn note(&mut self, _: u64, text: &str) -> Result<()> {
            self.0.lock().unwrap().push((Uuid::nil(), None, text.to_owned(), false));
            Ok(())
        }

        fn withdraw(&mut self, _: u64) -> Result<()> {
            Ok(())
        }

        fn settle(&mut self, _: u64) -> Result<()> {
            Err(Error::unavailable("away"))
        }

        fn of_others(&mut self) -> Result<Vec<OtherRun>> {
            let all = self.0.lock().unwrap();
            let one = |(run, settled, text, done): &Line| OtherRun {
                run: *run,
                settled: settled.clone(),
                noted: vec![(text.clone(), *done)],
                finished: false,
            };
            Ok(all.iter().map(one).collect())
        }

        fn forget(&mut self, runs: &[Uuid]) -> Result<()> {
            self.0.lock().unwrap().retain(|(run, ..)| !runs.contains(run));
            Ok(())
        }
    }

    fn message(id: &str, again: bool) -> Message {
        Message { id: id.into(), body: None, beside: Ok(Box::default()), again }
    }

    fn text(first: u64, ids: &[&str], rows: &[u64]) -> String {
        let ids = ids.iter().map(|id| Arc::from(*id)).collect();
        serde_json::to_string(&Note::of(first, ids, rows)).unwrap()
    }

    fn ids(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| &*message.id).collect()
    }

    #[test]
    fn a_message_is_taken_by_what_the_others_have_noted() {
        let written = Written::default();
        let slots = |upto: u64| Some(Arc::new(Checkpoints::new((0..64).map(|slot| (slot, upto)))));
        let (dead, heir, alive) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        *written.0.lock().unwrap() = vec![
            (dead, slots(4), text(1, &["a", "b", "c"], &[2, 3, 1]), false),
            // It had gone on with what the other one had left, and ended as well.
            (heir, slots(11), text(10, &["b", "c"], &[3, 1]), false),
            (dead, slots(4), text(7, &["d"], &[1]), true),
            (alive, None, text(1, &["e"], &[1]), false),
        ];
        let mut group = Group::new(Box::new(written.clone()));
        let given: Vec<Message> = ["a", "b", "c", "d", "e", "f"].map(|id| message(id, true)).into();
        group.sort(&given, Instant::now()).unwrap();
        let sorted = group.sorted([given, vec![message("e2", false)]].concat());
        assert_eq!(ids(&sorted.take), ["a", "b", "c", "f", "e2"]);
        assert_eq!((&*sorted.stored, &*sorted.later), (&["d".into()][..], &["e".into()][..]));

        // Rows of a, b and c begin at 100, 102 and 105 now.
        let stored = group.stored_of(&sorted.take, &[100, 102, 105, 106, 107]);
        let has = |from: u64, to: u64| (from..to).map(|row| stored.has_row(row, 0)).collect::<Vec<_>>();
        assert_eq!(has(100, 102), [true, true]);
        assert_eq!(has(102, 105), [true, true, false], "two of one run, which the other one has too");
        assert_eq!(has(105, 108), [false; 3]);
        assert_eq!((stored.last(), stored.has_reject(102, Stage::Write)), (106, false));
        assert!(stored.has_reject(103, Stage::Decode) && !stored.has_reject(104, Stage::Decode));

        group.acknowledged(vec!["a".into()], 102);
        let sorted = group.sorted(vec![message("a", true)]);
        assert_eq!(&*sorted.stored, &[Arc::<str>::from("a")]);
        let asked = |noted: &[Arc<str>]| {
            let mut noted: Vec<&str> = noted.iter().map(|id| &**id).collect();
            noted.sort_unstable();
            assert_eq!(
                noted,
                ["a", "b", "c"],
                "those of the ones that have ended, but for what is acknowledged"
            );
            true
        };
        group.tidy(asked).unwrap();
        assert_eq!(written.0.lock().unwrap().len(), 4);
        group.tidy(|_| false).unwrap();
        assert_eq!(written.0.lock().unwrap().len(), 1, "that of the one that is alive");
    }
}

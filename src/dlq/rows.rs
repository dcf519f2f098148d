//! From the records of a window to rows for the engine.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use crate::batch::{
    Origin, PastRecord, Reading, Reason, Reject, RejectedData, ReplayHistory, Replayable, Stage,
};
use crate::dataset::quality::Findings;
use crate::dataset::reading::Readings;
use crate::dataset::{Mapped, Mapper, MapperSettings};
use crate::decode::{Decoder, NdjsonDecoder, RawBatch};
use crate::dlq::claim::{Destination, Moved, is_meant};
use crate::dlq::letter::{Letter, is_row};
use crate::dlq::line::{self, Once};
use crate::dlq::read_plan::{PlannedRange, ReadPlan};
use crate::error::{Error, Result, words};
use crate::text::flags::{MAP, SET};

/// Sources that keep what their times have taught, at most.
const MOST_SOURCES: usize = 1024;

/// What is said of an item that is none of the forms that rows have.
const NO_ROW: &str = "the item is not a row: it is neither an object, nor JSON in a text, nor what Python prints of a model with fields";

/// Makes rows of dead letters again: one for the rows that go to one place.
pub struct LetterRows {
    course: Arc<ReadPlan>,
    homes: HashSet<Destination>,
    settings: Arc<MapperSettings>,
    /// Of each file of the course what an earlier replay of it has moved elsewhere, where there was one.
    moved: Vec<Option<Arc<Moved>>>,
    /// Whether the last row comes first.
    reverse: bool,
    /// Of each file of the course: records that have been tried so often are left out.
    most_attempts: Vec<u32>,
    /// By source, and by how its rows are to be read.
    mappers: HashMap<(Arc<str>, Option<Arc<Reading>>), Mapper>,
    notes: Vec<String>,
    findings: Findings,
}

/// The rows of a leg.
#[derive(Debug, Default)]
pub struct Rowed {
    /// Rows read.
    pub read: u64,
    /// Rows that an earlier replay of the same file has moved elsewhere already.
    pub moved: u64,
    /// What became of them, in the order in which they are to be written.
    pub mapped: Vec<Mapped>,
}

/// A row on its way.
struct Piece {
    number: u64,
    source: Arc<str>,
    /// How it is to be read, if its record says it.
    reading: Option<Arc<Reading>>,
    /// Rows of one shape have the same fields.
    shape: u64,
    /// Of which records it is one, by their order.
    group: usize,
    /// Its number in its source.
    row: u64,
    text: Range<usize>,
}

impl LetterRows {
    /// The rows of those homes.
    pub fn new(
        course: Arc<ReadPlan>,
        homes: HashSet<Destination>,
        settings: Arc<MapperSettings>,
        moved: Vec<Option<Arc<Moved>>>,
        reverse: bool,
        most_attempts: Vec<u32>,
    ) -> Self {
        Self {
            course,
            homes,
            settings,
            moved,
            reverse,
            most_attempts,
            mappers: HashMap::new(),
            notes: Vec::new(),
            findings: Findings::new(),
        }
    }

    /// The rows of a leg.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn leg(&mut self, leg: &PlannedRange) -> Result<Rowed> {
        let mut taken = Taken {
            past: ReplayHistory { first: leg.before + 1, ..ReplayHistory::default() },
            ..Taken::default()
        };
        for place in 0..leg.pieces.len() {
            self.take(leg, place, &mut taken)?;
        }
        if self.course.by_age {
            let groups = std::mem::take(&mut taken.groups);
            let key = |piece: &Piece| (groups.get(piece.group).copied(), piece.group, piece.row);
            if !taken.pieces.is_sorted_by_key(key) {
                taken.pieces.sort_by_key(key);
            }
        }
        let past = Arc::new(std::mem::take(&mut taken.past));
        let origin = |source: &Arc<str>| {
            Arc::new(Origin {
                replayable: Replayable::Kept,
                past: Some(past.clone()),
                ..Origin::new(source.clone())
            })
        };
        let mut rowed = Rowed { read: taken.read, moved: taken.moved, mapped: Vec::new() };
        if !taken.raw.is_empty() {
            let reject = |(number, source, stage, reason, remains, reading): RawRow| Reject {
                stage,
                reason: Arc::new(reason),
                origin: origin(&source),
                row: number,
                remains,
                reading,
                attempts: 1,
            };
            let rejects = taken.raw.drain(..).map(reject).collect();
            rowed.mapped.push(Mapped { rejects, ..Mapped::default() });
        }
        if self.reverse {
            taken.pieces.reverse();
        }
        for alike in
            taken.pieces.chunk_by(|a, b| a.shape == b.shape && a.source == b.source && a.reading == b.reading)
        {
            let Some(first) = alike.first() else { continue };
            let origin = origin(&first.source);
            self.map(alike, &taken.text, &origin, &mut rowed.mapped)?;
        }
        Ok(rowed)
    }

    /// Whether the next rows will be told apart by another key than those before: see
    /// [`Mapper::rekeys`].
    pub fn rekeys(&self) -> bool {
        self.mappers.values().any(Mapper::rekeys)
    }

    /// What was found out on the way, for the user; at the end, and once.
    pub fn finish(&mut self) -> (Vec<String>, Findings) {
        self.forget();
        self.notes.sort();
        self.notes.dedup();
        (std::mem::take(&mut self.notes), std::mem::take(&mut self.findings))
    }

    fn forget(&mut self) {
        for (_, mapper) in self.mappers.drain() {
            self.notes.extend(mapper.notes());
            for (what, rows) in mapper.findings() {
                *self.findings.entry(what.clone()).or_default() += rows;
            }
        }
    }

    /// Reads a piece of a leg.
    fn take(&self, leg: &PlannedRange, piece: usize, taken: &mut Taken) -> Result<()> {
        let Some((file, window)) = leg.pieces.get(piece) else { return Ok(()) };
        let (Some(claim), moved) = (self.course.claims.get(*file), self.moved.get(*file)) else {
            return Ok(());
        };
        let moved = moved.and_then(Option::as_deref);
        let most_attempts = self.most_attempts.get(*file).copied().unwrap_or(u32::MAX);
        let mut sources: HashMap<String, Arc<str>> = HashMap::new();
        let read = claim.read(window, |line, letter, _| {
            let Some(letter) = letter else { return Ok(()) };
            let before = leg.before + taken.past.rows.len() as u64;
            let name = letter.meta.source.as_deref().unwrap_or_default();
            let source = match sources.get(name) {
                Some(source) => source.clone(),
                None => sources.entry(name.to_owned()).or_insert_with(|| name.into()).clone(),
            };
            let record = taken.past.records.len() as u32;
            let (id, rows) = (claim.id(letter, line), letter.rows() as usize);
            taken.past.records.push(PastRecord {
                id,
                source: source.clone(),
                path: letter.meta.path.as_deref().map(Into::into),
                attempts: letter.attempts(),
                first_us: letter.first_us(),
            });
            taken.past.rows.extend((0..rows).map(|row| (record, letter.row_number(row))));
            if letter.attempts() >= most_attempts || !self.homes.contains(&Destination::of(letter)) {
                return Ok(());
            }
            let (meant, group) = (claim.choice.meant(letter, line), taken.group(letter));
            let reading = letter.meta.reading.clone().map(|reading| taken.reading(reading));
            // Rows of ours have been through one mapping, so that the first speaks for all.
            let of_all = letter.is_ours().then(|| letter.first().map_or(0, shape));
            for row in (0..rows).filter(|row| is_meant(&meant, *row)) {
                taken.read += 1;
                if moved.is_some_and(|moved| moved.has(id, letter.row_number(row))) {
                    taken.moved += 1;
                    continue;
                }
                let number = before + row as u64 + 1;
                let own = letter.items.get(row).map(|item| &**item).filter(|item| is_row(item));
                let item = own.map(RawValue::get);
                let raw = letter.meta.raw.get(row).filter(|_| letter.items.is_empty());
                let raw = raw.filter(|_| !letter.meta.truncated && letter.meta.raw_hex.get(row).is_none());
                let object = raw.map(str::trim).filter(|raw| raw.starts_with('{') && is_json(raw));
                // A line of fields that somebody has mended is read as its neighbours were.
                let fields =
                    raw.filter(|_| object.is_none()).and_then(|raw| line::read(raw, reading.as_ref()));
                match item.or(object).or(fields.as_deref()) {
                    Some(item) => {
                        let shape = of_all.unwrap_or_else(|| own.map_or(0, shape));
                        let start = taken.text.len();
                        taken.text.extend_from_slice(item.as_bytes());
                        // Between tokens a line end means the same as a blank.
                        let written = taken.text.get_mut(start..).unwrap_or_default();
                        written.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
                        let text = start..taken.text.len();
                        let (source, row) = (source.clone(), letter.row_number(row));
                        let reading = reading.clone();
                        taken.pieces.push(Piece { number, source, reading, shape, group, row, text });
                    }
                    None => taken.raw.push(unreadable(letter, row, number, &source, reading.clone())),
                }
            }
            Ok(())
        });
        read.map_err(|error: io::Error| {
            Error::input(format!("{}: it cannot be read: {}", claim.path.display(), words(&error)))
                .caused_by(error)
        })
    }

    fn map(
        &mut self,
        pieces: &[Piece],
        text: &[u8],
        origin: &Arc<Origin>,
        into: &mut Vec<Mapped>,
    ) -> Result<()> {
        let mut lines = Vec::with_capacity(pieces.iter().map(|piece| piece.text.len() + 1).sum());
        for piece in pieces {
            lines.extend_from_slice(text.get(piece.text.clone()).unwrap_or_default());
            lines.push(b'\n');
        }
        let reading = pieces.first().and_then(|piece| piece.reading.clone());
        let number = |line: u64| pieces.get(line as usize - 1).map_or(0, |piece| piece.number);
        let item = |line: u64| {
            let text = pieces.get(line as usize - 1).and_then(|piece| text.get(piece.text.clone()));
            RejectedData::Item(String::from_utf8_lossy(text.unwrap_or_default()).into_owned())
        };
        let reject = |line: u64, stage: Stage, reason: &Arc<Reason>| Reject {
            stage,
            reason: reason.clone(),
            origin: origin.clone(),
            row: number(line),
            remains: item(line),
            reading: reading.clone(),
            attempts: 1,
        };
        let all_from = |line: u64, stage: Stage, reason: Reason| {
            let reason = Arc::new(reason);
            let lines = line..=pieces.len() as u64;
            Mapped { rejects: lines.map(|line| reject(line, stage, &reason)).collect(), ..Mapped::default() }
        };
        let how = self.settings.how();
        let known = |reading: &Reading| Readings::unknown(reading, &how);
        if let Some(why) = reading.as_deref().and_then(known) {
            into.push(all_from(1, Stage::Validate, Reason::new("bad_reading", why)));
            return Ok(());
        }
        let mut decoder = match NdjsonDecoder::open(Box::new(Once(Some(lines)))) {
            // A text of CSV or Parquet that is JSON travels as that JSON.
            Ok(decoder) => decoder.keeping_space(),
            Err(error) => {
                let reason = Reason::new("bad_json", error.to_string());
                into.push(all_from(1, Stage::Decode, reason));
                return Ok(());
            }
        };
        let mut next = 1;
        loop {
            let raw = match decoder.next_batch() {
                Ok(Some(raw)) => raw,
                Ok(None) if next > pieces.len() as u64 => break,
                Ok(None) => {
                    let reason = Reason::new("bad_json", "the row could not be read again");
                    into.push(all_from(next, Stage::Decode, reason));
                    break;
                }
                Err(error) => {
                    let reason = Reason::new("bad_json", error.to_string());
                    into.push(all_from(next, Stage::Decode, reason));
                    return Ok(());
                }
            };
            let last = raw.rows.iter().copied().chain(raw.broken.iter().map(|broken| broken.row)).max();
            next = last.map_or(next, |last| last + 1);
            let RawBatch { columns, rows: of_lines, broken, .. } = raw;
            let mut rejects: Vec<Reject> = broken
                .into_iter()
                .map(|b| reject(b.row, Stage::Decode, &Arc::new(Reason::new(b.code, b.message))))
                .collect();
            let rows: Vec<u64> = of_lines.iter().map(|line| number(*line)).collect();
            match self.mapper(origin, reading.as_ref()).and_then(|mapper| mapper.map(&columns, &rows)) {
                Ok(mapped) => {
                    rejects.extend(mapped.rejects);
                    into.push(Mapped { rejects, ..mapped });
                }
                // A flag at fault is no fault of the rows.
                Err(error) if self.blames_a_flag(&error) => return Err(error),
                Err(error) => {
                    let reason = Arc::new(Reason::new("bad_columns", error.to_string()));
                    rejects.extend(of_lines.iter().map(|line| reject(*line, Stage::Validate, &reason)));
                    into.push(Mapped { rejects, ..Mapped::default() });
                }
            }
        }
        Ok(())
    }

    /// Whether an error is about what the user typed.
    fn blames_a_flag(&self, error: &Error) -> bool {
        let (columns, text) = (&self.settings.columns, error.to_string());
        let typed = |flag: &str, (name, value): &(String, String)| {
            text.contains(&format!("{flag} {name}={value}:"))
                || text.contains(&format!("has no column {name:?}"))
        };
        columns.sets.iter().any(|set| typed(SET, set)) || columns.maps.iter().any(|map| typed(MAP, map))
    }

    fn mapper(&mut self, origin: &Arc<Origin>, reading: Option<&Arc<Reading>>) -> Result<&mut Mapper> {
        let key = (origin.source.clone(), reading.cloned());
        if self.mappers.len() >= MOST_SOURCES && !self.mappers.contains_key(&key) {
            self.forget();
        }
        let mapper = match self.mappers.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let mut mapper = Mapper::new(self.settings.clone(), origin.clone())?;
                if let Some(reading) = reading {
                    mapper.reads_by(reading.clone());
                }
                place.insert(mapper)
            }
        };
        mapper.continues(origin.clone());
        Ok(mapper)
    }
}

type RawRow = (u64, Arc<str>, Stage, Reason, RejectedData, Option<Arc<Reading>>);

/// What a window holds.
#[derive(Default)]
struct Taken {
    past: ReplayHistory,
    read: u64,
    moved: u64,
    text: Vec<u8>,
    pieces: Vec<Piece>,
    raw: Vec<RawRow>,
    /// When each group of records failed first, in microseconds since 1970.
    groups: Vec<i64>,
    known: HashMap<u64, usize>,
    readings: HashSet<Arc<Reading>>,
}

impl Taken {
    /// The reading, the same for all records that have the same.
    fn reading(&mut self, reading: Reading) -> Arc<Reading> {
        match self.readings.get(&reading) {
            Some(known) => known.clone(),
            None => {
                let reading = Arc::new(reading);
                self.readings.insert(reading.clone());
                reading
            }
        }
    }

    /// The group that a record is of. Rows of one input that failed in one run are in the order of that
    /// input, whatever they failed of; others in the order in which they failed first.
    fn group(&mut self, letter: &Letter<'_>) -> usize {
        let (age, fresh) = (letter.first_us(), letter.attempts() == 1);
        let known = match (&letter.meta.run_id, &letter.meta.source) {
            (Some(run), Some(source)) if fresh => {
                let next = self.groups.len();
                let key = xxh3_64_with_seed(source.as_bytes(), xxh3_64(run.as_bytes()));
                Some(*self.known.entry(key).or_insert(next))
            }
            _ => None,
        };
        match known.and_then(|group| Some((group, self.groups.get_mut(group)?))) {
            Some((group, first)) => {
                *first = age.min(*first);
                group
            }
            None => {
                self.groups.push(age);
                self.groups.len() - 1
            }
        }
    }
}

/// A row of which no object was ever made, or none is left: it stays what it is.
fn unreadable(
    letter: &Letter<'_>,
    row: usize,
    number: u64,
    source: &Arc<str>,
    reading: Option<Arc<Reading>>,
) -> RawRow {
    let meta = &letter.meta;
    let remains = match (letter.items.get(row), meta.raw_hex.get(row), meta.raw.get(row)) {
        // It stays what it is, so that it is a row once somebody has mended it.
        (Some(item), ..) => RejectedData::Item(item.get().to_owned()),
        (None, Some(hex), _) if meta.truncated => {
            RejectedData::Cut(bytes_of(hex).unwrap_or_else(|| hex.as_bytes().to_vec()))
        }
        (None, None, Some(raw)) if meta.truncated => RejectedData::Cut(raw.as_bytes().to_vec()),
        (None, Some(hex), _) => RejectedData::Raw(bytes_of(hex).unwrap_or_else(|| hex.as_bytes().to_vec())),
        (None, None, Some(raw)) => RejectedData::Raw(raw.as_bytes().to_vec()),
        (None, None, None) => RejectedData::Raw(Vec::new()),
    };
    let code = meta.code.as_deref().unwrap_or("bad_line").to_owned();
    let message = match letter.error.is_empty() {
        _ if letter.items.get(row).is_some() && !letter.is_ours() => NO_ROW.to_owned(),
        true => "the record holds no row".to_owned(),
        false => letter.error.to_string(),
    };
    let stage = match meta.stage.as_deref() {
        Some("abort") => Stage::Abort,
        Some("validate") => Stage::Validate,
        _ => Stage::Decode,
    };
    let mut reason = Reason::new(code, message);
    reason.column = meta.column.as_deref().map(Into::into);
    (number, source.clone(), stage, reason, remains, reading)
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A hash of the names of an item's fields in their order.
fn shape(item: &RawValue) -> u64 {
    struct Names(Xxh3);
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = u64;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            mut self,
            mut map: A,
        ) -> std::result::Result<u64, A::Error> {
            while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                name.hash(&mut self.0);
                map.next_value::<serde::de::IgnoredAny>()?;
            }
            Ok(self.0.finish())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(item.get());
    serde::Deserializer::deserialize_map(&mut reader, Names(Xxh3::new())).unwrap_or_default()
}

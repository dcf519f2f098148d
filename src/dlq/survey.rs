//! What is in a queue, and why: counted in one reading, by several threads.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::value::RawValue;

use crate::dlq::claim::{Choice, count, is_meant};
use crate::dlq::filter::{Filter, Meant};
use crate::dlq::letter::{Letter, field};
use crate::dlq::lines::{Line, Lines};

/// Bytes of a piece that a thread takes.
const PIECE: u64 = 8 << 20;

/// Buffer of a reading.
const BUFFER: usize = 1 << 18;

/// Groups that are told apart at most; what comes later is counted under no name.
const MOST_GROUPS: usize = 10_000;

/// Characters of a value or of a message that are kept.
const MOST_TEXT: usize = 200;

/// Minutes that are told apart at most.
const MOST_MINUTES: usize = 200_000;

/// What groups are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Code, column and constraint.
    Code,
    /// Where rows failed.
    Stage,
    /// The dataset or table.
    Dataset,
    /// The input.
    Source,
    /// The symbol of each row.
    Symbol,
    /// The hour in which they failed last, in UTC.
    Hour,
}

/// A row to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where its record begins in the file, in bytes.
    pub offset: u64,
    /// The input.
    pub source: String,
    /// Its number there.
    pub row: u64,
    /// The value of the column that the fault is about, or the line that could not be read.
    pub value: Option<String>,
}

/// Rows that have something in common.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Rows.
    pub rows: u64,
    /// Records that hold some of them.
    pub records: u64,
    /// `ts` of the first and the last, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// The column that the fault is about, as the first record has it.
    pub column: Option<String>,
    /// The reason in words, as the first record has it.
    pub message: String,
    /// The first rows.
    pub samples: Vec<Sample>,
}

/// What is in a queue.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Records.
    pub records: u64,
    /// Rows.
    pub rows: u64,
    /// Those of which there is only the input as it came.
    pub raw: u64,
    /// Lines that are no records.
    pub damaged: u64,
    /// Where the first of those begins, in bytes, and what is wrong with it.
    pub damage: Option<(u64, String)>,
    /// `ts` of the first and the last record, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// When the record that failed first did so for the first time, in microseconds since 1970.
    pub first: Option<i64>,
    /// The most attempts of a record.
    pub attempts: u32,
    /// By what they have in common; rows of groups too many are under an empty name.
    pub groups: HashMap<String, Group>,
    /// Rows by the minute in which they failed last.
    pub minutes: BTreeMap<i64, u64>,
}

/// How a survey is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which rows are meant.
    pub filter: Filter,
    /// Rows at most.
    pub limit: Option<u64>,
    /// What groups are made by.
    pub by: By,
    /// Rows that are kept of each group.
    pub samples: usize,
}

impl Survey {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(path: &Path, plan: &Plan) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        if plan.limit.is_some() || length <= PIECE || threads == 1 {
            return Self::piece(file, 0, u64::MAX, plan);
        }
        let next = AtomicU64::new(0);
        let work = || -> io::Result<Self> {
            let mut mine = Self::default();
            loop {
                let start = next.fetch_add(PIECE, Ordering::Relaxed);
                if start >= length {
                    return Ok(mine);
                }
                let piece = Self::piece(File::open(path)?, start, start + PIECE, plan)?;
                mine.merge(piece, plan.samples);
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut all = Self::default();
            for worker in workers {
                let part = worker.join().map_err(|_| io::Error::other("a thread has failed"))??;
                all.merge(part, plan.samples);
            }
            Ok(all)
        })
    }

    /// Lines that begin in a piece of a file.
    fn piece(mut file: File, start: u64, end: u64, plan: &Plan) -> io::Result<Self> {
        let mut survey = Self::default();
        let mut offset = start;
        if let Some(before) = start.checked_sub(1) {
            // The line that the byte before belongs to is the one of the piece before.
            file.seek(SeekFrom::Start(before))?;
            let mut reader = BufReader::with_capacity(BUFFER, &file);
            offset = before + rest_of_line(&mut reader)?;
            file.seek(SeekFrom::Start(offset))?;
        }
        let mut lines = Lines::at(BufReader::with_capacity(BUFFER, file), offset, 0);
        let choice = Choice { filter: plan.filter.clone(), cut: None };
        while lines.offset() < end
            && let Some(line) = lines.next()?
        {
            if line.offset >= end {
                break;
            }
            survey.add(&line, &choice, plan);
            if plan.limit.is_some_and(|limit| survey.rows >= limit) {
                break;
            }
        }
        Ok(survey)
    }

    fn add(&mut self, line: &Line<'_>, choice: &Choice, plan: &Plan) {
        let letter = match Letter::read(line) {
            Ok(letter) => letter,
            Err(why) => {
                self.damaged += 1;
                let damage = (line.offset, why.to_string());
                if self.damage.as_ref().is_none_or(|known| known.0 > damage.0) {
                    self.damage = Some(damage);
                }
                return;
            }
        };
        let mut meant = choice.meant(&letter, line);
        let mut rows = count(&meant, &letter);
        let room = plan.limit.map_or(u64::MAX, |limit| limit - self.rows.min(limit));
        if rows > room {
            let mut left = room;
            let mut take = |meant: bool| {
                let take = meant && left > 0;
                left -= u64::from(take);
                take
            };
            meant = Meant::Some((0..letter.items.len()).map(|row| take(is_meant(&meant, row))).collect());
            rows = room;
        }
        if rows == 0 {
            return;
        }
        self.records += 1;
        self.rows += rows;
        self.raw += if letter.items.is_empty() { rows } else { 0 };
        self.attempts = self.attempts.max(letter.attempts());
        let at = letter.ts.map(|seconds| (seconds * 1e6).round() as i64);
        self.span = joined(self.span, at.map(|at| (at, at)));
        let first = letter.first_ts().map(|seconds| (seconds * 1e6).round() as i64);
        self.first = self.first.into_iter().chain(first).min();
        if let Some(at) = at {
            let minute = at.div_euclid(60_000_000);
            let minute = match self.minutes.contains_key(&minute) || self.minutes.len() < MOST_MINUTES {
                true => minute,
                false => minute.div_euclid(60) * 60,
            };
            *self.minutes.entry(minute).or_default() += rows;
        }
        let text = |value: &Option<Cow<'_, str>>| value.as_deref().unwrap_or("(none)").to_owned();
        let meta = &letter.meta;
        match plan.by {
            By::Symbol => {
                let places = (0..letter.rows() as usize).filter(|row| is_meant(&meant, *row));
                let mut seen: Vec<String> = Vec::new();
                for row in places {
                    let symbol = letter.items.get(row).and_then(|item| field(item, "symbol"));
                    let symbol = symbol.map_or_else(|| "(none)".to_owned(), |s| short(&s));
                    let first = !seen.contains(&symbol) && seen.len() < 64;
                    self.count(&symbol, &letter, line, 1, first, at, std::iter::once(row), plan.samples);
                    if first {
                        seen.push(symbol);
                    }
                }
            }
            By::Hour => {
                let hour = at.and_then(|at| {
                    let time = chrono::DateTime::from_timestamp_micros(at)?;
                    Some(time.format("%Y-%m-%d %H:00").to_string())
                });
                self.of_record(
                    &hour.unwrap_or_else(|| "(none)".to_owned()),
                    &letter,
                    line,
                    rows,
                    at,
                    &meant,
                    plan,
                );
            }
            By::Code => {
                let mut key = text(&meta.code);
                if let Some(column) = &meta.column {
                    key = format!("{key} in {column}");
                }
                if let Some(constraint) = &meta.constraint {
                    key = format!("{key} by {constraint}");
                }
                self.of_record(&short(&key), &letter, line, rows, at, &meant, plan);
            }
            By::Stage => self.of_record(&short(&text(&meta.stage)), &letter, line, rows, at, &meant, plan),
            By::Dataset => {
                let name = meta.table.as_ref().or(meta.dataset.as_ref()).map_or("(none)", |name| name);
                self.of_record(&short(name), &letter, line, rows, at, &meant, plan);
            }
            By::Source => self.of_record(&short(&text(&meta.source)), &letter, line, rows, at, &meant, plan),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a record in its parts")]
    fn of_record(
        &mut self,
        key: &str,
        letter: &Letter<'_>,
        line: &Line<'_>,
        rows: u64,
        at: Option<i64>,
        meant: &Meant,
        plan: &Plan,
    ) {
        let places = (0..letter.rows() as usize).filter(|row| is_meant(meant, *row));
        self.count(key, letter, line, rows, true, at, places, plan.samples);
    }

    #[expect(clippy::too_many_arguments, reason = "a record in its parts")]
    fn count(
        &mut self,
        key: &str,
        letter: &Letter<'_>,
        line: &Line<'_>,
        rows: u64,
        new_record: bool,
        at: Option<i64>,
        places: impl Iterator<Item = usize>,
        samples: usize,
    ) {
        let known = self.groups.contains_key(key) || self.groups.len() < MOST_GROUPS;
        let key = if known { key } else { "" };
        if !self.groups.contains_key(key) {
            let message = if letter.error.is_empty() { String::new() } else { short(&letter.error) };
            let column = letter.meta.column.as_deref().map(short);
            self.groups.insert(key.to_owned(), Group { message, column, ..Group::default() });
        }
        let Some(group) = self.groups.get_mut(key) else { return };
        group.rows += rows;
        group.records += u64::from(new_record);
        group.span = joined(group.span, at.map(|at| (at, at)));
        let room = samples.saturating_sub(group.samples.len());
        for row in places.take(room) {
            let value = match (letter.items.get(row), letter.meta.column.as_deref()) {
                (Some(item), Some(column)) => Some(value_of(item, column)),
                // No column is to blame, as where a CHECK was broken: the row itself.
                (Some(item), None) => Some(short(item.get())),
                (None, _) => letter.meta.raw.as_deref().map(short),
            };
            let source = letter.meta.source.as_deref().unwrap_or("(no source)");
            group.samples.push(Sample {
                offset: line.offset,
                source: source.to_owned(),
                row: letter.row_number(row),
                value,
            });
        }
    }

    /// Adds another one; of each group so many samples stay, the first of the file.
    pub fn merge(&mut self, other: Self, samples: usize) {
        self.records += other.records;
        self.rows += other.rows;
        self.raw += other.raw;
        self.damaged += other.damaged;
        self.damage = match (self.damage.take(), other.damage) {
            (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
            (a, b) => a.or(b),
        };
        self.span = joined(self.span, other.span);
        self.first = self.first.into_iter().chain(other.first).min();
        self.attempts = self.attempts.max(other.attempts);
        for (minute, rows) in other.minutes {
            *self.minutes.entry(minute).or_default() += rows;
        }
        for (key, group) in other.groups {
            let known = self.groups.contains_key(&key) || self.groups.len() < MOST_GROUPS;
            let mine = self.groups.entry(if known { key } else { String::new() }).or_default();
            if mine.message.is_empty() {
                mine.message = group.message;
                mine.column = group.column;
            }
            mine.rows += group.rows;
            mine.records += group.records;
            mine.span = joined(mine.span, group.span);
            mine.samples.extend(group.samples);
            mine.samples.sort_by_key(|sample| sample.offset);
            mine.samples.truncate(samples);
        }
    }

    /// The groups, the largest first.
    pub fn sorted(&self) -> Vec<(&str, &Group)> {
        let mut groups: Vec<(&str, &Group)> =
            self.groups.iter().map(|(key, group)| (key.as_str(), group)).collect();
        groups.sort_by(|a, b| b.1.rows.cmp(&a.1.rows).then_with(|| a.0.cmp(b.0)));
        groups
    }
}

/// Bytes up to the end of the line, its line feed included.
fn rest_of_line(reader: &mut impl io::BufRead) -> io::Result<u64> {
    let mut passed = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(passed);
        }
        let end = memchr::memchr(b'\n', bytes);
        let used = end.map_or(bytes.len(), |end| end + 1);
        passed += used as u64;
        reader.consume(used);
        if end.is_some() {
            return Ok(passed);
        }
    }
}

fn joined(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn value_of(item: &RawValue, column: &str) -> String {
    field(item, column).map_or_else(
        || "(no value)".to_owned(),
        |value| if value.is_empty() { "\"\"".to_owned() } else { format!("{:?}", short(&value)) },
    )
}

fn short(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    match text.char_indices().nth(MOST_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn pieces_add_up_to_the_whole() {
        let mut text = String::new();
        for record in 0..60_000u64 {
            let code = if record % 3 == 0 { "22003" } else { "bad_number" };
            let ts = 1_700_000_000 + record;
            writeln!(text, "{{\"ts\":{ts},\"error\":\"no number in it\",\"metadata\":{{\"code\":\"{code}\",\"column\":\"v\",\"source\":\"a.csv\",\"rows\":[{record},7]}},\"items\":[{{\"symbol\":\"A\",\"v\":{record},\"text\":\"{:>100}\"}},{{\"symbol\":\"B\",\"v\":1}}]}}", "x").unwrap();
        }
        text += "torn";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("q.ndjson");
        std::fs::write(&path, &text).unwrap();
        assert!(text.len() as u64 > PIECE);
        for by in [By::Code, By::Symbol, By::Hour] {
            let plan = Plan { filter: Filter::default(), limit: None, by, samples: 2 };
            let all = Survey::of(&path, &plan).unwrap();
            let one = Survey::piece(File::open(&path).unwrap(), 0, u64::MAX, &plan).unwrap();
            assert_eq!((all.records, all.rows, all.damaged), (60_000, 120_000, 1));
            assert_eq!((one.records, one.rows, one.span), (all.records, all.rows, all.span));
            assert_eq!(one.minutes, all.minutes);
            let seen = |survey: &Survey| -> Vec<(String, u64, u64, Vec<Sample>)> {
                let groups = survey.sorted().into_iter();
                groups.map(|(key, g)| (key.to_owned(), g.rows, g.records, g.samples.clone())).collect()
            };
            assert_eq!(seen(&one), seen(&all), "{by:?}");
        }
        let plan = Plan { filter: Filter::default(), limit: Some(3), by: By::Code, samples: 5 };
        let some = Survey::of(&path, &plan).unwrap();
        assert_eq!((some.rows, some.records), (3, 2));
        assert_eq!(some.sorted()[0].1.samples[0].value.as_deref(), Some("\"0\""));
    }
}

//! What is in a queue, and why: counted in one reading, by several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dlq::byte_range::ByteRange;
use crate::dlq::claim::{Choice, count, is_meant};
use crate::dlq::groups::{By, Counted, Groups, LinePosition, joined, key};
use crate::dlq::letter::Letter;
use crate::dlq::lines::{Line, Lines};

/// Bytes of a piece that a thread takes.
const PIECE: u64 = 8 << 20;

/// Most threads.
const MOST_THREADS: usize = 8;

/// Minutes that are told apart at most; what comes later is counted by the hour.
const MOST_MINUTES: usize = 200_000;

/// Keys of one record that are told apart where its rows have several, so that it counts as one record
/// of each.
const MOST_KEYS: usize = 64;

/// Tables that are kept; more of them say no more than that there are several.
const MOST_TABLES: usize = 8;

/// The years that a `ts` can be in, in seconds since 1970: 1 to 9999. What is outside counts as unknown.
const YEARS: std::ops::Range<f64> = -62_135_596_800.0..253_402_300_800.0;

/// What is in a queue.
#[derive(Debug, Clone, Default)]
pub struct QueueStats {
    /// Records.
    pub records: u64,
    /// Rows.
    pub rows: u64,
    /// Those of which there is only the input as it came.
    pub raw: u64,
    /// Lines that are not records.
    pub damaged: u64,
    /// Where the first of those is, and what is wrong with it.
    pub damage: Option<(LinePosition, String)>,
    /// `ts` of the first and the last record, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// When the record that failed first did so for the first time, in microseconds since 1970.
    pub first: Option<i64>,
    /// The most attempts of a record.
    pub attempts: u32,
    /// Rows by what they have in common.
    pub groups: Groups,
    /// Rows by the minute in which they failed last.
    pub minutes: BTreeMap<i64, u64>,
    /// The tables, or datasets, that records name, and nothing for one that names none: a few of them.
    pub tables: BTreeSet<Option<String>>,
}

/// How a survey is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which rows are meant.
    pub choice: Choice,
    /// What groups are made by.
    pub by: Vec<By>,
    /// Rows that are kept of each group.
    pub samples: usize,
    /// The place of the file among those that are read.
    pub file: usize,
}

/// `ts` of a record in microseconds since 1970, where it is one.
pub fn moment(letter: &Letter<'_>) -> Option<i64> {
    letter.ts.filter(|seconds| YEARS.contains(seconds)).map(|seconds| (seconds * 1e6).round() as i64)
}

impl QueueStats {
    /// Reads a file, by as many threads as there are cores.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_file(file: &File, plan: &Plan) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        if length <= PIECE || threads == 1 {
            return Self::of_lines(Lines::new(ByteRange::new(file, 0..length).buffered()), u64::MAX, plan);
        }
        let next = AtomicU64::new(0);
        let work = || -> io::Result<Self> {
            let mut mine = Self::default();
            loop {
                let start = next.fetch_add(PIECE, Ordering::Relaxed);
                if start >= length {
                    return Ok(mine);
                }
                mine.merge(Self::of_piece(file, start, length, plan)?, plan.samples);
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

    /// Reads what has no end that is known, in one go.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_stream(from: impl BufRead, plan: &Plan) -> io::Result<Self> {
        Self::of_lines(Lines::new(from), u64::MAX, plan)
    }

    /// Lines that begin in the piece of a file that begins there.
    fn of_piece(file: &File, start: u64, length: u64, plan: &Plan) -> io::Result<Self> {
        let mut offset = start;
        if let Some(before) = start.checked_sub(1) {
            // The line that the byte before belongs to is the one of the piece before.
            offset = before + rest_of_line(&mut ByteRange::new(file, before..length).buffered())?;
        }
        let end = start + PIECE;
        let lines = Lines::at(ByteRange::new(file, offset..length).buffered(), offset, 0);
        if offset < end { Self::of_lines(lines, end, plan) } else { Ok(Self::default()) }
    }

    /// Lines that begin before `end`.
    fn of_lines(mut lines: Lines<impl BufRead>, end: u64, plan: &Plan) -> io::Result<Self> {
        let mut survey = Self::default();
        while lines.offset() < end
            && let Some(line) = lines.next()?
        {
            // Blank lines may lie between.
            if line.offset >= end {
                break;
            }
            survey.add(&line, plan);
        }
        Ok(survey)
    }

    fn add(&mut self, line: &Line<'_>, plan: &Plan) {
        let place = (plan.file, line.offset);
        let letter = match Letter::read(line) {
            Ok(letter) => letter,
            Err(why) => {
                self.damaged += 1;
                self.damage.get_or_insert_with(|| (place, why.to_string()));
                return;
            }
        };
        let meant = plan.choice.meant(&letter, line);
        let rows = count(&meant, &letter);
        if rows == 0 {
            return;
        }
        self.records += 1;
        self.rows += rows;
        // A table that is of no dataset of ours stands in the place of one.
        let table = letter.meta.table.as_deref().or(letter.meta.dataset.as_deref());
        let known = |known: &Option<String>| known.as_deref() == table;
        if self.tables.len() < MOST_TABLES && !self.tables.iter().any(known) {
            self.tables.insert(table.map(str::to_owned));
        }
        self.raw += if letter.items.is_empty() { rows } else { 0 };
        self.attempts = self.attempts.max(letter.attempts());
        let at = moment(&letter);
        self.span = joined(self.span, at.map(|at| (at, at)));
        let first = letter.first_ts().map(|seconds| (seconds * 1e6).round() as i64);
        self.first = self.first.into_iter().chain(first).min();
        if let Some(at) = at {
            self.at(at.div_euclid(60_000_000), rows);
        }
        let places = (0..letter.rows() as usize).filter(|row| is_meant(&meant, *row));
        let letter = &letter;
        if !plan.by.contains(&By::Symbol) {
            let counted = Counted { letter, place, at, rows, first: true };
            return self.groups.count(&key(&plan.by, letter, at, None), &counted, places, plan.samples);
        }
        let mut seen: Vec<String> = Vec::new();
        for row in places {
            let key = key(&plan.by, letter, at, Some(row));
            let first = seen.len() < MOST_KEYS && !seen.contains(&key);
            let counted = Counted { letter, place, at, rows: 1, first };
            self.groups.count(&key, &counted, std::iter::once(row), plan.samples);
            if first {
                seen.push(key);
            }
        }
    }

    fn at(&mut self, minute: i64, rows: u64) {
        let known = self.minutes.contains_key(&minute) || self.minutes.len() < MOST_MINUTES;
        *self.minutes.entry(if known { minute } else { minute.div_euclid(60) * 60 }).or_default() += rows;
    }

    /// Adds another one; of each group so many samples stay, the first ones.
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
        other.minutes.into_iter().for_each(|(minute, rows)| self.at(minute, rows));
        self.groups.merge(other.groups, samples);
        self.tables.extend(other.tables.into_iter().take(MOST_TABLES));
    }
}

/// Bytes up to the end of the line, its line feed included.
fn rest_of_line(reader: &mut impl BufRead) -> io::Result<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::filter::Filter;
    use crate::dlq::groups::{Sample, Shown};
    use std::fmt::Write as _;
    use std::os::unix::fs::FileExt as _;

    fn plan(by: &[By], samples: usize) -> Plan {
        Plan { choice: Choice::default(), by: by.to_vec(), samples, file: 0 }
    }

    fn file(text: &str) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
        file
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        let mut text = String::new();
        for record in 0..60_000u64 {
            let code = if record % 3 == 0 { "22003" } else { "bad_number" };
            let ts = 1_700_000_000 + record;
            writeln!(text, "{{\"ts\":{ts},\"error\":\"no {record}\",\"metadata\":{{\"code\":\"{code}\",\"column\":\"v\",\"source\":\"a.csv\",\"rows\":[{record},7]}},\"items\":[{{\"symbol\":\"A\",\"v\":{record},\"text\":\"{:>100}\"}},{{\"symbol\":\"B\",\"v\":1}}]}}", "x").unwrap();
        }
        text += "torn";
        assert!(text.len() as u64 > PIECE);
        let file = file(&text);
        for by in [&[By::Code][..], &[By::Symbol], &[By::Hour, By::Symbol]] {
            let plan = plan(by, 2);
            let all = QueueStats::of_file(&file, &plan).unwrap();
            let one = QueueStats::of_stream(text.as_bytes(), &plan).unwrap();
            assert_eq!((all.records, all.rows, all.damaged), (60_000, 120_000, 1));
            assert_eq!((one.records, one.rows, one.span), (all.records, all.rows, all.span));
            assert_eq!((&one.minutes, &one.damage), (&all.minutes, &all.damage));
            let seen = |survey: &QueueStats| -> Vec<(String, u64, u64, String, Vec<Sample>)> {
                let groups = survey.groups.sorted().into_iter();
                groups
                    .map(|(key, g)| (key.join("+"), g.rows, g.records, g.message.clone(), g.samples.clone()))
                    .collect()
            };
            assert_eq!(seen(&one), seen(&all), "{by:?}");
        }
        let lines = || Ok(Lines::new(ByteRange::new(&file, 0..text.len() as u64).buffered()));
        let (choice, rows) = Choice::last(&Filter::default(), 3, lines).unwrap();
        assert_eq!(rows, 3);
        let plan = Plan { choice, ..plan(&[By::Code], 5) };
        let some = QueueStats::of_file(&file, &plan).unwrap();
        assert_eq!((some.rows, some.records), (3, 2));
        assert_eq!(some.groups.sorted()[0].1.samples[0].shown, Shown::Json("1".into()));
    }

    #[test]
    fn times_that_are_none_do_no_harm() {
        let line = |ts: &str| format!("{{\"ts\":{ts},\"error\":\"x\",\"items\":[{{}}]}}\n");
        let text =
            ["1e300", "-1e300", "-1e11", "1732351234123", "\"soon\"", "null", "1.5"].map(line).concat();
        let survey = QueueStats::of_file(&file(&text), &plan(&[By::Hour], 1)).unwrap();
        assert_eq!((survey.rows, survey.span), (7, Some((1_500_000, 1_500_000))));
        assert_eq!(survey.groups.sorted()[0].0, ["(none)"]);
    }
}

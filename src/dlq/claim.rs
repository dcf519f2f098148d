//! A file of the queue that a replay has claimed: which of its rows are meant, and where they stand.
//!
//! A first reading counts rows, cuts the file into windows of bounded size and tells for which tables
//! its rows are. Rows are numbered through the whole file, from 1, so that a later replay of the same
//! file gives each of them the same number, whatever it selects.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::batch::Commit;
use crate::dlq::filter::{Filter, Meant};
use crate::dlq::letter::{Letter, fields, id_of_place};
use crate::dlq::lines::{Line, Lines};

/// Rows of a window, and bytes, after which the next record begins another.
pub(super) const WINDOW_ROWS: u64 = 16_384;
pub(super) const WINDOW_BYTES: u64 = 4 << 20;

/// Buffer of a reading.
const BUFFER: usize = 1 << 18;

/// Which rows of a file are meant.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// What they have to be.
    pub filter: Filter,
    /// Where the first line that counts begins, in bytes, and how many of its meant rows do not.
    pub cut: Option<(u64, u64)>,
}

impl Choice {
    /// The last `limit` of the rows of a file that a filter means, and how many those are. `lines` begins
    /// to read it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last<R: BufRead>(
        filter: &Filter,
        limit: u64,
        lines: impl Fn() -> io::Result<Lines<R>>,
    ) -> io::Result<(Self, u64)> {
        let all = Self { filter: filter.clone(), cut: None };
        let each = |take: &mut dyn FnMut(u64, u64) -> bool| -> io::Result<()> {
            let mut lines = lines()?;
            while let Some(line) = lines.next()? {
                let Ok(letter) = Letter::read(&line) else { continue };
                if take(line.offset, count(&all.meant(&letter, &line), &letter)) {
                    break;
                }
            }
            Ok(())
        };
        let mut total = 0;
        each(&mut |_, meant| {
            total += meant;
            false
        })?;
        if total <= limit {
            return Ok((all, total));
        }
        let (mut over, mut cut) = (total - limit, (u64::MAX, 0));
        each(&mut |offset, meant| {
            cut = (offset, over);
            let here = meant > over;
            over -= meant.min(over);
            here
        })?;
        if limit == 0 {
            cut = (u64::MAX, 0);
        }
        Ok((Self { cut: Some(cut), ..all }, limit))
    }

    /// Which rows of that record are meant.
    pub fn meant(&self, letter: &Letter<'_>, line: &Line<'_>) -> Meant {
        let mut passed = match self.cut {
            Some((first, _)) if line.offset < first => return Meant::None,
            Some((first, rows)) if line.offset == first => rows,
            _ => 0,
        };
        let meant = self.filter.meant(letter, line);
        if passed == 0 || meant == Meant::None {
            return meant;
        }
        let mut take = |meant: bool| {
            let take = meant && passed == 0;
            passed -= u64::from(meant && passed > 0);
            take
        };
        let rows: Vec<bool> = (0..letter.rows() as usize).map(|row| take(is_meant(&meant, row))).collect();
        if rows.iter().any(|row| *row) { Meant::Some(rows) } else { Meant::None }
    }
}

/// The first `most` of the rows that are meant.
pub fn at_most(meant: Meant, letter: &Letter<'_>, most: u64) -> Meant {
    if count(&meant, letter) <= most {
        return meant;
    }
    let mut left = most;
    let mut take = |meant: bool| {
        let take = meant && left > 0;
        left -= u64::from(take);
        take
    };
    Meant::Some((0..letter.rows() as usize).map(|row| take(is_meant(&meant, row))).collect())
}

/// How many rows of a record are meant.
pub fn count(meant: &Meant, letter: &Letter<'_>) -> u64 {
    match meant {
        Meant::None => 0,
        Meant::All => letter.rows(),
        Meant::Some(rows) => rows.iter().filter(|meant| **meant).count() as u64,
    }
}

/// Whether the row at that place of a record is meant.
pub fn is_meant(meant: &Meant, row: usize) -> bool {
    match meant {
        Meant::None => false,
        Meant::All => true,
        Meant::Some(rows) => rows.get(row).copied().unwrap_or(false),
    }
}

/// Where rows belong, as their record says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destination {
    /// The dataset, or a table that is none of ours.
    pub dataset: Option<String>,
    /// The table, where it is not the dataset's own.
    pub table: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// Where neither of the first two is said: what the names of its fields come to, the same for the same
    /// names. Records of several datasets may stand in one file, and their fields alone tell them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<u64>,
    /// Whether the store may have them already: their commit got no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
    /// By what their store can be asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
}

/// The code of rows whose commit got no answer, and of which nobody could be asked.
pub const COMMIT_UNKNOWN: &str = "commit_unknown";

/// What dead letters say in place of a dataset that was not known yet.
pub const UNKNOWN: &str = "unknown";

impl Destination {
    /// Of a record.
    pub fn of(letter: &Letter<'_>) -> Self {
        let text = |value: &Option<std::borrow::Cow<'_, str>>| {
            value.as_deref().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let meta = &letter.meta;
        let (dataset, table) = (text(&meta.dataset).filter(|name| name != UNKNOWN), text(&meta.table));
        let names = match (&dataset, &table) {
            (None, None) => letter.first().map(names_of),
            _ => None,
        };
        let doubtful = meta.code.as_deref() == Some(COMMIT_UNKNOWN);
        let commit = meta.commit.clone().filter(|_| doubtful);
        Self { dataset, table, tenant: text(&meta.tenant_id), names, doubtful, commit }
    }
}

/// A hash of the names of an item's fields that does not depend on their order.
fn names_of(item: &RawValue) -> u64 {
    fields(item).iter().fold(0, |all: u64, (name, _)| all.wrapping_add(xxh3_64(name.as_bytes())))
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where it begins, in bytes.
    pub(super) offset: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// Lines before it.
    lines: u64,
    /// Rows before it.
    pub(super) rows: u64,
    /// Rows in it.
    pub(super) count: u64,
    /// When the first and the last of its meant rows failed first, in microseconds since 1970; the other way
    /// round where none is meant.
    pub(super) ages: (i64, i64),
}

impl Window {
    /// Nothing yet.
    fn at(offset: u64, lines: u64, rows: u64) -> Self {
        Self { offset, end: offset, lines, rows, count: 0, ages: (i64::MAX, i64::MIN) }
    }

    /// One record of a window of this one.
    pub(super) fn record(line: &Line<'_>, letter: &Letter<'_>, rows: u64) -> Self {
        let end = line.offset + line.length + 1;
        let age = letter.first_us();
        Self { end, count: letter.rows(), ages: (age, age), ..Self::at(line.offset, line.number - 1, rows) }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.end - self.offset
    }
}

/// A file of the queue, as its first reading found it.
#[derive(Debug)]
pub struct Claim {
    /// The file.
    pub path: PathBuf,
    /// Its pieces.
    pub windows: Vec<Window>,
    /// Where its meant rows belong, with their number; in the order in which they come up.
    pub homes: Vec<(Destination, u64)>,
    /// The first meant record of each home that has items: its first item, for its columns.
    pub samples: HashMap<Destination, String>,
    /// Which rows are meant.
    pub choice: Choice,
    /// Rows in all.
    pub rows: u64,
    /// Rows that are meant.
    pub meant: u64,
    /// Rows of another tenant than the one that is meant, and who that is of the first of them.
    pub foreign: (u64, Option<String>),
    /// Lines that are not records.
    pub damaged: u64,
    /// The first of them, and why.
    pub damage: Option<(u64, String)>,
    /// Whether there is a line that is too long to be read.
    pub too_long: bool,
    /// Where the records begin that have a row which an earlier one of their id has already, in bytes.
    again: HashSet<u64>,
}

impl Claim {
    /// Reads a file through. `limit` is the number of rows that are meant at most: the last of those that
    /// the filter means, since an older row of a key must not come before a newer one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn survey(path: &Path, filter: &Filter, limit: Option<u64>) -> io::Result<Self> {
        let choice = Choice { filter: filter.clone(), cut: None };
        let all = Self::surveyed(path, &choice)?;
        let Some(mut over) = limit.map(|limit| all.meant.saturating_sub(limit)).filter(|over| *over > 0)
        else {
            return Ok(all);
        };
        let mut cut = None;
        for window in &all.windows {
            all.read(window, |line, letter, _| {
                let meant = letter.map_or(0, |letter| count(&choice.meant(letter, line), letter));
                match cut {
                    Some(_) => {}
                    None if meant > over => cut = Some((line.offset, over)),
                    None if meant == over && meant > 0 => cut = Some((line.offset + 1, 0)),
                    None => over -= meant,
                }
                Ok(())
            })?;
        }
        Self::surveyed(path, &Choice { cut, ..choice })
    }

    fn surveyed(path: &Path, choice: &Choice) -> io::Result<Self> {
        let mut claim = Self {
            path: path.to_owned(),
            windows: Vec::new(),
            homes: Vec::new(),
            samples: HashMap::new(),
            choice: choice.clone(),
            rows: 0,
            meant: 0,
            foreign: (0, None),
            damaged: 0,
            damage: None,
            too_long: false,
            again: HashSet::new(),
        };
        let (mut ids, mut repeated): (HashSet<u64>, HashSet<u64>) = Default::default();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        let mut lines = Lines::new(BufReader::with_capacity(BUFFER, File::open(path)?));
        let mut window = Window::at(0, 0, 0);
        while let Some(line) = lines.next()? {
            if line.offset - window.offset >= WINDOW_BYTES || claim.rows - window.rows >= WINDOW_ROWS {
                claim.windows.push(Window { end: line.offset, ..window });
                window = Window::at(line.offset, line.number - 1, claim.rows);
            }
            let letter = match Letter::read(&line) {
                Ok(letter) => letter,
                Err(why) => {
                    claim.too_long |= line.bytes.is_err();
                    claim.damaged += 1;
                    claim.damage.get_or_insert((line.number, why.to_string()));
                    continue;
                }
            };
            claim.rows += letter.rows();
            window.count += letter.rows();
            if let Some(id) = letter.meta.id.map(|id| xxh3_64(id.as_bytes()))
                && !ids.insert(id)
            {
                repeated.insert(id);
            }
            let (foreign, whose) = claim.choice.filter.foreign(&letter);
            claim.foreign.0 += foreign;
            claim.foreign.1 = claim.foreign.1.take().or(whose);
            let meant = count(&claim.choice.meant(&letter, &line), &letter);
            if meant == 0 {
                continue;
            }
            claim.meant += meant;
            let age = letter.first_us();
            window.ages = (window.ages.0.min(age), window.ages.1.max(age));
            let home = Destination::of(&letter);
            if let Some(item) = letter.first()
                && !claim.samples.contains_key(&home)
            {
                claim.samples.insert(home.clone(), item.get().to_owned());
            }
            let place = *places.entry(home).or_insert_with_key(|home| {
                claim.homes.push((home.clone(), 0));
                claim.homes.len() - 1
            });
            if let Some((_, rows)) = claim.homes.get_mut(place) {
                *rows += meant;
            }
        }
        let end = lines.offset();
        if end > window.offset {
            claim.windows.push(Window { end, ..window });
        }
        if !repeated.is_empty() {
            claim.find_again(&repeated)?;
        }
        Ok(claim)
    }

    /// Finds records which their id and the numbers of their rows do not tell from earlier ones. Parts of
    /// one record, as they come back from a replay, have the same id and other rows.
    fn find_again(&mut self, repeated: &HashSet<u64>) -> io::Result<()> {
        let (mut seen, mut again) = (Moved::default(), HashSet::new());
        for window in &self.windows {
            self.read(window, |line, letter, _| {
                let Some(letter) = letter else { return Ok(()) };
                let Some(id) = letter.meta.id.filter(|id| repeated.contains(&xxh3_64(id.as_bytes()))) else {
                    return Ok(());
                };
                let rows = || (0..letter.rows() as usize).map(|row| letter.row_number(row));
                if rows().any(|row| seen.has(id, row)) {
                    again.insert(line.offset);
                }
                rows().for_each(|row| seen.note(id, row));
                Ok(())
            })?;
        }
        self.again = again;
        Ok(())
    }

    /// The id of a record: its own, unless an earlier record of the file has that and the same rows.
    pub fn id(&self, letter: &Letter<'_>, line: &Line<'_>) -> Uuid {
        match self.again.contains(&line.offset) {
            true => id_of_place(line),
            false => letter.id(line),
        }
    }

    /// Reads a window: each line with its record, and the number of the row before the record's first.
    ///
    /// # Errors
    /// Those of reading, and those of `each`.
    pub fn read(
        &self,
        window: &Window,
        mut each: impl FnMut(&Line<'_>, Option<&Letter<'_>>, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(window.offset))?;
        let buffer = usize::try_from(window.bytes()).unwrap_or(BUFFER).clamp(1 << 9, BUFFER);
        let buffered = BufReader::with_capacity(buffer, file);
        let mut lines = Lines::at(buffered, window.offset, window.lines);
        let mut rows = window.rows;
        while lines.offset() < window.end
            && let Some(line) = lines.next()?
        {
            let letter = Letter::read(&line).ok();
            each(&line, letter.as_ref(), rows)?;
            rows += letter.as_ref().map_or(0, Letter::rows);
        }
        Ok(())
    }
}

/// Rows that have left a claimed file for other files of the queue.
#[derive(Debug, Default)]
pub struct Moved {
    rows: HashSet<u64>,
    lines: HashSet<u64>,
}

impl Moved {
    /// All rows that are in those files; a file that is not there has none.
    ///
    /// # Errors
    /// Those of reading.
    pub fn into(files: &[PathBuf]) -> io::Result<Self> {
        let mut moved = Self::default();
        for path in files {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut lines = Lines::new(BufReader::with_capacity(BUFFER, file));
            while let Some(line) = lines.next()? {
                match (Letter::read(&line), line.bytes.is_ok()) {
                    (Ok(letter), _) => {
                        let Some(id) = letter.meta.id else { continue };
                        (0..letter.rows() as usize).for_each(|row| moved.note(id, letter.row_number(row)));
                    }
                    (Err(_), true) => {
                        moved.lines.insert(xxh3_64(line.stands));
                    }
                    (Err(_), false) => {}
                }
            }
        }
        Ok(moved)
    }

    /// Notes a row, by its record and its number in its source.
    pub fn note(&mut self, record: Uuid, row: u64) {
        self.rows.insert(xxh3_64_with_seed(record.as_bytes(), row));
    }

    /// Whether it is there.
    pub fn has(&self, record: Uuid, row: u64) -> bool {
        self.rows.contains(&xxh3_64_with_seed(record.as_bytes(), row))
    }

    /// Whether that line, which is not a record, is there.
    pub fn has_line(&self, bytes: &[u8]) -> bool {
        self.lines.contains(&xxh3_64(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bars.ndjson");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn record(code: &str, rows: std::ops::Range<u64>) -> String {
        let items: Vec<String> = rows.clone().map(|row| format!("{{\"symbol\":\"S{row}\"}}")).collect();
        let rows: Vec<u64> = rows.collect();
        let id = Uuid::now_v7();
        format!(
            "{{\"ts\":1,\"error\":\"x\",\"metadata\":{{\"id\":\"{id}\",\"dataset\":\"bars\",\"code\":\"{code}\",\"rows\":{rows:?}}},\"items\":[{}]}}\n",
            items.join(",")
        )
    }

    #[test]
    fn windows_cover_the_file_and_rows_keep_their_numbers() {
        let mut text = String::from("garbage\n");
        for first in 0..40 {
            text += &record(if first % 2 == 0 { "a" } else { "b" }, first * 1000..(first + 1) * 1000);
        }
        let (_directory, path) = file(&text);
        let filter = Filter { codes: vec!["a".into()], ..Filter::default() };
        let claim = Claim::survey(&path, &filter, Some(2500)).unwrap();
        assert_eq!((claim.rows, claim.meant, claim.damaged, claim.windows.len()), (40_000, 2500, 1, 3));
        assert_eq!(claim.homes.iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [2500]);
        let (mut numbers, mut meant) = (Vec::new(), 0);
        for window in claim.windows.iter().rev() {
            claim
                .read(window, |line, letter, before| {
                    let Some(letter) = letter else { return Ok(()) };
                    assert_eq!(letter.row_number(0), before);
                    numbers.push(before);
                    let here = count(&claim.choice.meant(letter, line), letter);
                    assert!(here == 0 || before >= 34_000, "the newest ones");
                    meant += count(&claim.choice.meant(letter, line), letter);
                    Ok(())
                })
                .unwrap();
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).map(|first| first * 1000).collect::<Vec<_>>());
        assert_eq!(meant, 2500);
    }

    #[test]
    fn what_has_moved_is_known_by_record_and_row() {
        let (_directory, path) = file(&(record("a", 3..5) + "torn"));
        let mut lines = Lines::new(BufReader::new(File::open(&path).unwrap()));
        let line = lines.next().unwrap().unwrap();
        let id = Letter::read(&line).unwrap().meta.id.unwrap();
        let moved = Moved::into(&[path.clone(), path.with_extension("none")]).unwrap();
        assert_eq!([2, 3, 4, 5].map(|row| moved.has(id, row)), [false, true, true, false]);
        assert!(moved.has_line(b"torn") && !moved.has_line(b"else"));
    }
}

//! Rows that have something in common, counted in bounded memory.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dlq::letter::{Letter, value, words};
use crate::text::choice::choices;

/// Groups that are told apart at most; rows of later ones are counted together.
const MOST_GROUPS: usize = 10_000;

/// Characters of a value or of a message that are kept.
const MOST_TEXT: usize = 200;

/// Stands between the parts of a key.
const BETWEEN: char = '\u{1f}';

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

choices!(By:
    Code = "code",
    Stage = "stage",
    Dataset = "dataset",
    Source = "source",
    Symbol = "symbol",
    Hour = "hour",
);

/// Most rows of a group that can be shown, since all groups have them in memory.
const MOST_SAMPLES: usize = 100;

/// Reads how many rows of a group are shown; there may be none.
///
/// # Errors
/// Where it is no number of them.
pub fn samples(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count) if count <= MOST_SAMPLES => Ok(count),
        _ => Err(format!("expected a whole number from 0 to {MOST_SAMPLES}")),
    }
}

/// Where a record is: the place of its file among those that are read, and its first byte there.
pub type LinePosition = (usize, u64);

/// What a sample shows of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nothing: no row and no input is kept.
    Nothing,
    /// The column that the fault is about has no value.
    Missing,
    /// Its value, where that is a text.
    Text(String),
    /// Its value as JSON, where it is none.
    Json(String),
    /// The input as it came, which could not be read.
    Raw(String),
}

/// A row to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where its record is.
    pub place: LinePosition,
    /// The input.
    pub source: String,
    /// Its number there.
    pub row: u64,
    /// The column that the fault is about.
    pub column: Option<String>,
    /// The offending value.
    pub shown: Shown,
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
    /// The code alone, as the first record has it.
    pub code: Option<String>,
    /// The column that the fault is about, as the first record has it.
    pub column: Option<String>,
    /// The constraint that was broken, as the first record has it.
    pub constraint: Option<String>,
    /// The reason in words, as the first record has it.
    pub message: String,
    /// Whether other records have other reasons.
    pub mixed: bool,
    /// The first rows.
    pub samples: Vec<Sample>,
    /// Where the first record is.
    first: Option<LinePosition>,
}

/// The groups by their keys.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    groups: HashMap<String, Group>,
    others: Option<Group>,
}

/// Rows of one record that go to one group.
pub(super) struct Counted<'l> {
    pub(super) letter: &'l Letter<'l>,
    pub(super) place: LinePosition,
    /// `ts` of the record, in microseconds since 1970.
    pub(super) at: Option<i64>,
    pub(super) rows: u64,
    /// Whether no rows of the record have gone to this group before.
    pub(super) first: bool,
}

impl Groups {
    /// Counts rows; `which` gives their places in the record, `samples` is how many of a group are kept.
    pub(super) fn count(
        &mut self,
        key: &str,
        counted: &Counted<'_>,
        which: impl Iterator<Item = usize>,
        samples: usize,
    ) {
        let Counted { letter, place, at, rows, first } = *counted;
        if !self.groups.contains_key(key) && self.groups.len() < MOST_GROUPS {
            self.groups.insert(key.to_owned(), Group::default());
        }
        let group = match self.groups.get_mut(key) {
            Some(group) => group,
            None => self.others.get_or_insert_default(),
        };
        if group.first.is_none() {
            group.first = Some(place);
            group.message = short(&letter.error);
            group.code = letter.meta.code.as_deref().map(short);
            group.column = letter.meta.column.as_deref().map(short);
            group.constraint = letter.meta.constraint.as_deref().map(short);
        } else if !group.mixed {
            group.mixed = *group.message != *brief(&letter.error);
        }
        group.rows += rows;
        group.records += u64::from(first);
        group.span = joined(group.span, at.map(|at| (at, at)));
        let room = samples.saturating_sub(group.samples.len());
        group.samples.extend(which.take(room).map(|row| Sample {
            place,
            source: letter.meta.source.as_deref().map_or_else(|| "(no source)".to_owned(), short),
            row: letter.row_number(row),
            column: letter.meta.column.as_deref().map(short),
            shown: shown(letter, row),
        }));
    }

    /// Adds others; of each group so many samples stay, the first ones.
    pub(super) fn merge(&mut self, other: Self, samples: usize) {
        for (key, group) in other.groups {
            let known = self.groups.contains_key(&key) || self.groups.len() < MOST_GROUPS;
            let mine = match known {
                true => self.groups.entry(key).or_default(),
                false => self.others.get_or_insert_default(),
            };
            mine.merge(group, samples);
        }
        if let Some(others) = other.others {
            self.others.get_or_insert_default().merge(others, samples);
        }
    }

    /// The groups, the largest first, with the parts of their keys; last, without a key, what is over.
    pub fn sorted(&self) -> Vec<(Vec<&str>, &Group)> {
        let mut groups: Vec<(&String, &Group)> = self.groups.iter().collect();
        groups.sort_by(|a, b| b.1.rows.cmp(&a.1.rows).then_with(|| a.0.cmp(b.0)));
        let named = groups.into_iter().map(|(key, group)| (key.split(BETWEEN).collect(), group));
        named.chain(self.others.iter().map(|group| (Vec::new(), group))).collect()
    }
}

impl Group {
    fn merge(&mut self, other: Self, samples: usize) {
        let differ = self.first.is_some() && other.first.is_some() && self.message != other.message;
        self.mixed |= other.mixed || differ;
        if self.first.is_none_or(|mine| other.first.is_some_and(|first| first < mine)) {
            (self.first, self.message) = (other.first, other.message);
            (self.code, self.column, self.constraint) = (other.code, other.column, other.constraint);
        }
        self.rows += other.rows;
        self.records += other.records;
        self.span = joined(self.span, other.span);
        self.samples.extend(other.samples);
        self.samples.sort_by_key(|sample| sample.place);
        self.samples.truncate(samples);
    }
}

/// The key of a record's rows, or of one of them where symbols count.
pub(super) fn key(by: &[By], letter: &Letter<'_>, at: Option<i64>, row: Option<usize>) -> String {
    let mut key = String::new();
    for (number, by) in by.iter().enumerate() {
        if number > 0 {
            key.push(BETWEEN);
        }
        let part = part(*by, letter, at, row);
        match part.contains(BETWEEN) {
            false => key.push_str(&part),
            // A value with this character in it must not look like two.
            true => key.push_str(&part.replace(BETWEEN, " ")),
        }
    }
    key
}

fn part<'l>(by: By, letter: &'l Letter<'_>, at: Option<i64>, row: Option<usize>) -> Cow<'l, str> {
    let meta = &letter.meta;
    let named = |text: Option<&'l str>| text.map_or(Cow::Borrowed("(none)"), cut);
    match by {
        By::Code => {
            let code = named(meta.code.as_deref());
            match (&meta.column, &meta.constraint) {
                (None, None) => code,
                (column, constraint) => {
                    let mut text = code.into_owned();
                    for (word, what) in [(" in ", column), (" by ", constraint)] {
                        if let Some(what) = what {
                            text = text + word + &cut(what);
                        }
                    }
                    Cow::Owned(text)
                }
            }
        }
        By::Stage => named(meta.stage.as_deref()),
        By::Dataset => named(meta.table.as_deref().or(meta.dataset.as_deref())),
        By::Source => named(meta.source.as_deref()),
        By::Symbol => {
            let item = row.and_then(|row| letter.items.get(row));
            match item.and_then(|item| value(item, "symbol")) {
                Some(symbol) => Cow::Owned(cut(&words(symbol)).into_owned()),
                None => Cow::Borrowed("(none)"),
            }
        }
        By::Hour => at
            .and_then(chrono::DateTime::from_timestamp_micros)
            .map_or(Cow::Borrowed("(none)"), |time| Cow::Owned(time.format("%Y-%m-%d %H:00").to_string())),
    }
}

/// What there is to see of a row.
fn shown(letter: &Letter<'_>, row: usize) -> Shown {
    let Some(item) = letter.items.get(row) else {
        let raw = letter.meta.raw.get(row).or(letter.meta.raw_hex.get(row));
        return raw.map_or(Shown::Nothing, |raw| Shown::Raw(short(raw)));
    };
    // No column is to blame, as where a CHECK was broken: the row itself.
    let Some(column) = letter.meta.column.as_deref() else { return Shown::Json(short(item.get())) };
    match value(item, column) {
        None => Shown::Missing,
        Some(value) if value.get().starts_with('"') => Shown::Text(short(&words(value))),
        Some(value) => Shown::Json(short(value.get())),
    }
}

pub(super) fn joined(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// The beginning of a text, and a word for an empty one.
fn cut(text: &str) -> Cow<'_, str> {
    // So many bytes are so many characters at most.
    if text.len() <= MOST_TEXT {
        return Cow::Borrowed(if text.is_empty() { "(empty)" } else { text });
    }
    match text.char_indices().nth(MOST_TEXT) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// A text for a table, cut to what is shown; an empty one stays empty.
fn brief(text: &str) -> Cow<'_, str> {
    if text.is_empty() { Cow::Borrowed("") } else { cut(text) }
}

fn short(text: &str) -> String {
    brief(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::lines::Line;

    fn counted(groups: &mut Groups, by: &[By], text: &str, offset: u64) {
        let line = Line { offset, ..Line::of(text) };
        let letter = Letter::read(&line).unwrap();
        for row in 0..letter.rows() as usize {
            let place = (0, offset);
            let counted = Counted { letter: &letter, place, at: Some(0), rows: 1, first: row == 0 };
            groups.count(&key(by, &letter, Some(0), Some(row)), &counted, std::iter::once(row), 2);
        }
    }

    #[test]
    fn samples_show_the_offending_value() {
        let mut groups = Groups::default();
        let lines = [
            r#"{"error":"a","metadata":{"column":"v","rows":[7,8,9]},"items":[{"v":"1,5"},{"v":1.50},{}]}"#,
            r#"{"error":"b","metadata":{"raw":"1;2"},"items":[]}"#,
            r#"{"error":"b","items":[1]}"#,
        ];
        for (place, line) in lines.iter().enumerate() {
            counted(&mut groups, &[By::Hour, By::Code], line, place as u64);
        }
        let sorted = groups.sorted();
        let seen: Vec<(String, u64)> =
            sorted.iter().map(|(key, group)| (key.join("+"), group.rows)).collect();
        let hour = "1970-01-01 00:00";
        assert_eq!(seen, [(format!("{hour}+(none) in v"), 3), (format!("{hour}+(none)"), 2)]);
        let samples = sorted.iter().flat_map(|(_, group)| &group.samples);
        let samples: Vec<(u64, Shown)> = samples.map(|sample| (sample.row, sample.shown.clone())).collect();
        let expected = [
            (7, Shown::Text("1,5".into())),
            (8, Shown::Json("1.50".into())),
            (1, Shown::Raw("1;2".into())),
            (1, Shown::Json("1".into())),
        ];
        assert_eq!(samples, expected);
    }

    #[test]
    fn groups_too_many_are_counted_together() {
        let (mut groups, mut more) = (Groups::default(), Groups::default());
        for number in 0..MOST_GROUPS + 5 {
            counted(&mut groups, &[By::Symbol], &format!(r#"{{"items":[{{"symbol":"S{number}"}}]}}"#), 1);
            counted(&mut more, &[By::Symbol], &format!(r#"{{"items":[{{"symbol":"T{number}\u001f"}}]}}"#), 0);
        }
        groups.merge(more, 1);
        let sorted = groups.sorted();
        assert_eq!(sorted.len(), MOST_GROUPS + 1);
        assert_eq!(sorted.iter().map(|(_, group)| group.rows).sum::<u64>(), 2 * (MOST_GROUPS as u64 + 5));
        let (key, others) = sorted.last().unwrap();
        assert_eq!((key.len(), others.rows), (0, MOST_GROUPS as u64 + 10));
        assert_eq!((others.samples.len(), others.samples[0].place), (1, (0, 0)));
    }
}

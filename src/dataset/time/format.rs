//! Times in a form that the user spells out: `--time-format FORMAT`, as strftime has it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::format::{Fixed, Item, Numeric, ParseErrorKind, Parsed, StrftimeItems, parse_and_remainder};
use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveTime, Timelike as _};

use super::zone::Place;
use super::{TimeError, TimeReader};
use crate::dataset::describe::{Dataset, Kind};
use crate::dataset::mapping::target_of;
use crate::dataset::target::Target;
use crate::error::{Error, Result};
use crate::text::flags::{TIME_FORMAT, TIMEZONE};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// A form of times.
#[derive(Debug)]
pub struct TimeFormat {
    text: String,
    items: Vec<Item<'static>>,
    /// Whether it tells the day alone.
    day_alone: bool,
    /// Whether it ends in a `Z` as it stands, which is UTC.
    utc: bool,
}

impl PartialEq for TimeFormat {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TimeFormat {}

/// What a text says by its format.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// A day in days since 1970, the nanoseconds since its midnight, and how far its clock is ahead of UTC in seconds.
    Local(i64, i64, Option<i64>),
    /// Nanoseconds since 1970.
    Instant(i128),
}

impl TimeFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// Where it is none, tells no day, or would read times otherwise than they are written.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let known = StrftimeItems::new(text).parse_to_owned();
        let items = known.map_err(|_| {
            format!("{text:?} is not a format; it is written as for strftime, for instance %d.%m.%Y %H:%M")
        })?;
        for item in &items {
            match item {
                Item::Numeric(Numeric::Nanosecond, _) => {
                    return Err("%f counts nanoseconds; write %.f for the decimals of a second with their point, %3f, %6f or %9f for so many of them without it".to_owned());
                }
                Item::Fixed(Fixed::TimezoneName) => {
                    return Err(format!(
                        "%Z reads no zone; write %z for an offset from UTC, or give the zone of all times with {TIMEZONE}"
                    ));
                }
                _ => {}
            }
        }
        let utc = matches!(items.last(), Some(Item::Literal(text)) if text.ends_with(['Z', 'z']))
            || matches!(items.last(), Some(Item::OwnedLiteral(text)) if text.ends_with(['Z', 'z']));
        let mut format = Self { text: text.to_owned(), items, day_alone: false, utc };
        format.day_alone = format.tried()?;
        Ok(format)
    }

    /// Whether it tells the day alone, by what it makes of a time that it has written itself.
    fn tried(&self) -> std::result::Result<bool, String> {
        let day = NaiveDate::from_ymd_opt(2024, 11, 23).unwrap_or_default();
        let clock = NaiveTime::from_hms_nano_opt(15, 4, 5, 678_912_345).unwrap_or_default();
        let time = DateTime::<FixedOffset>::from(day.and_time(clock).and_utc());
        let mut written = String::new();
        let unread = || format!("{:?} does not read the times that it writes", self.text);
        write!(written, "{}", time.format_with_items(self.items.iter())).map_err(|_| unread())?;
        let mut parsed = Parsed::new();
        let rest = parse_and_remainder(&mut parsed, &written, self.items.iter()).map_err(|_| unread())?;
        if !rest.is_empty() {
            return Err(unread());
        }
        match told(&mut parsed, self.utc) {
            Ok(Told::Instant(nanos)) if nanos.div_euclid(SECOND.into()) == time.timestamp().into() => {
                Ok(false)
            }
            Ok(Told::Local(days, _, _)) if days == days_of(day) => Ok(!has_clock(&parsed)),
            Ok(_) => Err(unread()),
            Err(_) => Err(format!(
                "{:?} does not tell a time: it needs a year, a month and a day, or %s, and with %I also %p",
                self.text
            )),
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn days_of(date: NaiveDate) -> i64 {
    /// 1970-01-01, in days of the common era.
    const EPOCH: i64 = 719_163;
    i64::from(date.num_days_from_ce()) - EPOCH
}

fn has_clock(parsed: &Parsed) -> bool {
    parsed.hour_div_12().is_some()
        || parsed.hour_mod_12().is_some()
        || parsed.minute().is_some()
        || parsed.second().is_some()
        || parsed.nanosecond().is_some()
}

fn wrong(error: chrono::ParseError) -> TimeError {
    match error.kind() {
        ParseErrorKind::OutOfRange | ParseErrorKind::Impossible => TimeError::NoSuchTime,
        _ => TimeError::Format,
    }
}

/// What fields come to.
fn told(parsed: &mut Parsed, utc: bool) -> std::result::Result<Told, TimeError> {
    if let Some(seconds) = parsed.timestamp() {
        let below = parsed.nanosecond().unwrap_or_default();
        return Ok(Told::Instant(i128::from(seconds) * i128::from(SECOND) + i128::from(below)));
    }
    let day = parsed.to_naive_date().map_err(wrong)?;
    let nanos = if has_clock(parsed) {
        // A full hour.
        if parsed.minute().is_none() {
            parsed.set_minute(0).map_err(wrong)?;
        }
        let clock = parsed.to_naive_time().map_err(wrong)?;
        i64::from(clock.num_seconds_from_midnight()) * SECOND + i64::from(clock.nanosecond())
    } else {
        0
    };
    let offset = parsed.offset().map(i64::from).or(utc.then_some(0));
    Ok(Told::Local(days_of(day), nanos, offset))
}

impl TimeReader {
    /// Reads a text in the form that the user has spelled out.
    pub(super) fn formatted(
        &mut self,
        format: &TimeFormat,
        text: &str,
    ) -> std::result::Result<i64, TimeError> {
        let mut parsed = Parsed::new();
        let rest = parse_and_remainder(&mut parsed, text.trim(), format.items.iter()).map_err(wrong)?;
        // The time of day of a column that is made of two.
        let is_clock = format.day_alone && rest.starts_with([' ', 'T']);
        if !rest.is_empty() && !is_clock {
            return Err(TimeError::Format);
        }
        match told(&mut parsed, format.utc)? {
            Told::Instant(nanos) => self.instant(nanos),
            Told::Local(days, nanos, Some(offset)) => self.compose(days, nanos, Place::Offset(offset)),
            Told::Local(days, _, None) if is_clock => match self.clock(days, rest.as_bytes()) {
                Err(TimeError::Syntax) => Err(TimeError::Format),
                read => read,
            },
            Told::Local(days, nanos, None) => self.compose(days, nanos, Place::Unsaid),
        }
    }
}

/// Columns, and the form of their times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeFormats(Arc<[(Option<String>, Arc<TimeFormat>)]>);

/// A column, where one is named, and its format: what stands before a `=` is a column if no `%` is in it.
fn parts(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, format)) if !name.contains('%') && !name.trim().is_empty() => (Some(name.trim()), format),
        _ => (None, text),
    }
}

impl TimeFormats {
    /// As the flags say it, the columns by whatever name.
    ///
    /// # Errors
    /// Usage, where a format is none.
    pub fn read(texts: &[String]) -> Result<Self> {
        let read = |text: &String| {
            let (name, format) = parts(text);
            match TimeFormat::parse(format) {
                Ok(format) => Ok((name.map(str::to_owned), Arc::new(format))),
                Err(why) => Err(Error::usage(format!("{TIME_FORMAT} {text}: {why}"))),
            }
        };
        texts.iter().map(read).collect::<Result<Vec<_>>>().map(|all| Self(all.into()))
    }

    /// As a dead letter has it; what means nothing here, or has no place in the table, is left out.
    pub fn remembered(noted: &[String], dataset: &Dataset, target: &Target) -> Self {
        let known = |text: &String| {
            let format = Self::read(std::slice::from_ref(text)).ok()?;
            Some(format.of_table(dataset, target).ok()?.0.first()?.clone())
        };
        Self(noted.iter().filter_map(known).collect())
    }

    /// By the names of that table.
    ///
    /// # Errors
    /// Usage, where it has no such column, or one that holds no times, or a column is named twice.
    pub fn of_table(&self, dataset: &Dataset, target: &Target) -> Result<Self> {
        let kind = |name: &str| {
            let own = dataset.column(name).map(|column| column.kind);
            own.or_else(|| target.column(name).map(|column| column.kind))
        };
        let of_time = |kind: Kind| matches!(kind, Kind::Timestamp | Kind::Date);
        let mut all: Vec<(Option<String>, Arc<TimeFormat>)> = Vec::with_capacity(self.0.len());
        for (name, format) in self.0.iter() {
            let said =
                name.as_ref().map_or_else(|| format.text.clone(), |name| format!("{name}={}", format.text));
            let wrong = |why: String| Error::usage(format!("{TIME_FORMAT} {said}: {why}"));
            let column = match name {
                Some(name) => target_of(name, dataset, target).map_err(|error| wrong(error.to_string()))?,
                None => {
                    let times = target.columns.iter().filter(|column| of_time(column.kind));
                    let times: Vec<&str> = times.map(|column| column.name.as_str()).collect();
                    match (dataset.time.as_deref(), &*times) {
                        (Some(time), _) => time.to_owned(),
                        (None, [one]) => (*one).to_owned(),
                        (None, []) => return Err(wrong(format!("{} has no column of times", target.table))),
                        (None, some) => {
                            return Err(wrong(format!(
                                "{} has several columns of times; say which is meant, for instance {TIME_FORMAT} {}={}",
                                target.table, some[0], format.text
                            )));
                        }
                    }
                }
            };
            if !kind(&column).is_some_and(of_time) {
                return Err(wrong(format!("column {column} does not hold times")));
            }
            if all.iter().any(|(known, _)| known.as_deref() == Some(&*column)) {
                return Err(wrong(format!("column {column} has two formats; give one")));
            }
            all.push((Some(column), format.clone()));
        }
        Ok(Self(all.into()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The format of that column.
    pub fn of(&self, column: &str) -> Option<&Arc<TimeFormat>> {
        self.0.iter().find(|(name, _)| name.as_deref() == Some(column)).map(|(_, format)| format)
    }

    /// For a dead letter, where it does not say it already.
    pub fn note(&self, into: &mut Vec<String>) {
        let known: BTreeSet<Option<String>> =
            into.iter().map(|text| parts(text).0.map(str::to_owned)).collect();
        for (name, format) in self.0.iter().filter(|(name, _)| !known.contains(name)) {
            into.push(match name {
                Some(name) => format!("{name}={}", format.text),
                None => format.text.clone(),
            });
        }
    }
}

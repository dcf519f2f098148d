//! Times, days and zones as Python writes them.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::{Arguments, Value};

/// From what a time is counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    /// A zone by its name.
    Named(String),
}

impl Zone {
    pub(super) fn utc() -> Self {
        Self::Offset(0)
    }

    /// Its name, where it stands alone.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Offset(_) => "UTC",
            Self::Named(name) => name,
        }
    }

    /// What stands between `<` and `>`: `UTC`, `StaticTzInfo 'Etc/GMT+5'`,
    /// `DstTzInfo 'America/New_York' EST-1 day, 19:00:00 STD`.
    pub(super) fn of_angle(text: &str) -> Option<Self> {
        if text == "UTC" {
            return Some(Self::utc());
        }
        let (kind, rest) = text.split_once(" '")?;
        if !kind.contains("Tz") && !kind.contains("tz") {
            return None;
        }
        let (name, rest) = rest.split_once('\'')?;
        // The offset that this very time has, which for one of two equal hours the name alone does not tell.
        let offset = rest.trim().rsplit_once(' ').and_then(|(offset, _)| seconds_of(offset));
        Some(offset.map_or_else(|| Self::Named(name.to_owned()), Self::Offset))
    }

    /// `TzInfo(UTC)`, `TzInfo(+05:30)`, `TzInfo(-18000)`, of pydantic.
    pub(super) fn of_call(name: &str, inner: &str) -> Option<Self> {
        if !name.ends_with("TzInfo") {
            return None;
        }
        if inner == "UTC" {
            return Some(Self::utc());
        }
        let offset = inner.parse().ok().or_else(|| {
            let (sign, clock) = inner.split_at_checked(1)?;
            let sign = if sign == "-" { -1 } else { 1 };
            Some(sign * clock_seconds(clock)?)
        });
        offset.filter(|offset: &i64| offset.abs() < 86_400).map(Self::Offset)
    }

    /// The offset of that local time; `None`: the zone is not known here.
    fn offset_at(&self, local: NaiveDateTime, second: bool) -> Option<i64> {
        let name = match self {
            Self::Offset(offset) => return Some(*offset),
            Self::Named(name) => name,
        };
        let zone: Tz = name.parse().ok()?;
        let east = |offset: &<Tz as chrono::TimeZone>::Offset| i64::from(offset.fix().local_minus_utc());
        Some(match zone.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) => east(&offset),
            LocalResult::Ambiguous(first, later) => east(if second { &later } else { &first }),
            // In a gap Python counts by what was before it, or with `fold` by what comes behind it.
            LocalResult::None => {
                let hours = TimeDelta::hours(if second { 3 } else { -3 });
                east(&zone.offset_from_local_datetime(&(local + hours)).earliest()?)
            }
        })
    }
}

/// Seconds of `EST-1 day, 19:00:00` or `CET+1:00:00`.
fn seconds_of(text: &str) -> Option<i64> {
    let sign = text.find(['+', '-'])?;
    let text = text.get(sign..)?;
    match text.split_once(" day, ").or_else(|| text.split_once(" days, ")) {
        Some((days, clock)) => Some(days.parse::<i64>().ok()? * 86_400 + clock_seconds(clock)?),
        None => clock_seconds(text.strip_prefix('+')?),
    }
}

/// Seconds of `H:MM` or `H:MM:SS`.
fn clock_seconds(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok().filter(|n| (0..100).contains(n)));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    parts.next().is_none().then_some(hours * 3600 + minutes * 60 + seconds)
}

/// The number of that name, or at that place; nothing said is 0.
fn part(given: &Arguments, place: usize, name: &str) -> Option<u32> {
    given.get(place, name).map_or(Some(0), |value| u32::try_from(value.int()?).ok())
}

fn day(given: &Arguments) -> Option<NaiveDate> {
    let year = i32::try_from(given.get(0, "year")?.int()?).ok().filter(|year| (1..=9999).contains(year))?;
    NaiveDate::from_ymd_opt(year, part(given, 1, "month")?, part(given, 2, "day")?)
}

/// `datetime.date(2024, 3, 1)`.
pub(super) fn date(given: &Arguments) -> Option<String> {
    Some(day(given)?.format("%Y-%m-%d").to_string())
}

/// `datetime.datetime(2024, 1, 2, 9, 30, 0, 500, tzinfo=…, fold=1)`.
pub(super) fn datetime(given: &Arguments) -> Option<String> {
    let clock = |place: usize, name| part(given, place + 3, name);
    let (hour, minute, second) = (clock(0, "hour")?, clock(1, "minute")?, clock(2, "second")?);
    let local = day(given)?.and_hms_micro_opt(hour, minute, second, clock(3, "microsecond")?)?;
    let mut text = local.format("%Y-%m-%dT%H:%M:%S").to_string();
    text.push_str(&micros(clock(3, "microsecond")?));
    let zone = match given.get(7, "tzinfo") {
        None => return Some(text),
        Some(Value::Zone(zone)) => zone,
        Some(Value::Json(null)) if null == "null" => return Some(text),
        Some(_) => return None,
    };
    match zone.offset_at(local, given.get(8, "fold").and_then(Value::int) == Some(1)) {
        Some(offset) => text.push_str(&suffix(offset)),
        // Whoever reads the time may know it, or says that nobody does.
        None => text = format!("{} {}", text.replace('T', " "), zone.name()),
    }
    Some(text)
}

/// `datetime.time(9, 30)`.
pub(super) fn time(given: &Arguments) -> Option<String> {
    let clock = |place, name| part(given, place, name);
    let (hour, minute, second) = (clock(0, "hour")?, clock(1, "minute")?, clock(2, "second")?);
    let time = chrono::NaiveTime::from_hms_micro_opt(hour, minute, second, clock(3, "microsecond")?)?;
    let mut text = time.format("%H:%M:%S").to_string();
    text.push_str(&micros(clock(3, "microsecond")?));
    if let Some(Value::Zone(Zone::Offset(offset))) = given.get(4, "tzinfo") {
        text.push_str(&suffix(*offset));
    }
    Some(text)
}

/// `datetime.timedelta(days=-1, seconds=68400)`, in microseconds.
pub(super) fn span(given: &Arguments) -> Option<i64> {
    let part = |place, name| given.get(place, name).map_or(Some(0), Value::int);
    let seconds = part(0, "days")?.checked_mul(86_400)?.checked_add(part(1, "seconds")?)?;
    seconds.checked_mul(1_000_000)?.checked_add(part(2, "microseconds")?)
}

/// A call that makes a zone.
pub(super) fn zone(call: &str, given: &Arguments) -> Option<Zone> {
    let offset = |value: &Value, unit: i64| match value {
        Value::Span(micros) => Some(Zone::Offset(micros / 1_000_000)),
        value => value.int()?.checked_mul(unit).map(Zone::Offset),
    };
    let zone = match call {
        "tzutc" => Zone::utc(),
        "ZoneInfo" => Zone::Named(given.get(0, "key")?.text()?.to_owned()),
        "tzfile" => Zone::Named(given.get(0, "filename")?.text()?.rsplit_once("zoneinfo/")?.1.to_owned()),
        "tzoffset" => offset(given.get(1, "offset")?, 1)?,
        // In minutes, where they are numbers.
        "FixedOffset" | "FixedOffsetTimezone" => offset(given.get(0, "offset")?, 60)?,
        _ => offset(given.get(0, "offset")?, 1)?,
    };
    let known = !matches!(zone, Zone::Offset(offset) if offset.abs() >= 86_400);
    known.then_some(zone)
}

fn micros(micros: u32) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}") }
}

fn suffix(offset: i64) -> String {
    let (sign, east) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    match (east / 3600, east / 60 % 60, east % 60) {
        (0, 0, 0) => "Z".to_owned(),
        (hours, minutes, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

//! Names of zones behind a time, and local times in UTC.

use chrono::{DateTime, LocalResult, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

use super::TimeError;

/// Short names that mean one offset wherever a market is, in seconds.
const SHORT: [(&str, i64); 25] = [
    ("Z", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("WET", 0),
    ("WEST", 3600),
    ("CET", 3600),
    ("CEST", 7200),
    ("EET", 7200),
    ("EEST", 10_800),
    ("MSK", 10_800),
    ("SGT", 28_800),
    ("HKT", 28_800),
    ("JST", 32_400),
    ("KST", 32_400),
    ("AEST", 36_000),
    ("AEDT", 39_600),
    ("NZST", 43_200),
    ("NZDT", 46_800),
    ("EST", -18_000),
    ("EDT", -14_400),
    ("CDT", -18_000),
    ("MDT", -21_600),
    ("PST", -28_800),
    ("PDT", -25_200),
];

/// Short names that several zones of different offsets have.
const SHARED: [&str; 9] = ["CST", "IST", "BST", "MST", "AST", "ADT", "SST", "GST", "WST"];

/// What a time is to be counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'t> {
    /// It names no zone.
    Unsaid,
    /// Seconds east of UTC.
    Offset(i64),
    /// A zone by its name.
    Zone(Tz),
    /// A short name that only the zone that the user names settles.
    Shared(&'t [u8]),
}

/// The zone that a name stands for.
pub(super) fn named(name: &[u8]) -> Result<Place<'_>, TimeError> {
    let text = std::str::from_utf8(name).map_err(|_| TimeError::Syntax)?;
    if let Some((_, offset)) = SHORT.iter().find(|(short, _)| text.eq_ignore_ascii_case(short)) {
        return Ok(Place::Offset(*offset));
    }
    if SHARED.contains(&text) {
        return Ok(Place::Shared(name));
    }
    text.parse().map(Place::Zone).map_err(|_| TimeError::Syntax)
}

/// What a local time is in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    /// So many seconds ahead of UTC.
    Once(i64),
    /// The clocks were put back: the offsets of the first and the second of both times.
    Twice(i64, i64),
    /// The clocks were put forward over it.
    Never,
}

/// Looks up a local time, in seconds since 1970 as if it were UTC.
pub(super) fn local(zone: Tz, seconds: i64) -> Result<Local, TimeError> {
    let naive = DateTime::from_timestamp(seconds, 0).ok_or(TimeError::Range)?.naive_utc();
    let east = |offset: &<Tz as TimeZone>::Offset| i64::from(offset.fix().local_minus_utc());
    Ok(match zone.offset_from_local_datetime(&naive) {
        LocalResult::Single(offset) => Local::Once(east(&offset)),
        LocalResult::Ambiguous(first, second) => Local::Twice(east(&first), east(&second)),
        LocalResult::None => Local::Never,
    })
}

/// The offset of the zone at that local time that goes by that short name.
pub(super) fn by_short_name(zone: Tz, seconds: i64, name: &[u8]) -> Option<i64> {
    let naive = DateTime::from_timestamp(seconds, 0)?.naive_utc();
    let fits =
        |offset: &<Tz as TimeZone>::Offset| offset.abbreviation().is_some_and(|a| a.as_bytes() == name);
    let offset = match zone.offset_from_local_datetime(&naive) {
        LocalResult::Single(offset) => Some(offset).filter(fits),
        LocalResult::Ambiguous(first, second) => [first, second].into_iter().find(fits),
        LocalResult::None => None,
    };
    offset.map(|offset| i64::from(offset.fix().local_minus_utc()))
}

/// Seconds that the zone is ahead of UTC at that instant.
pub(super) fn offset_at(zone: Tz, seconds: i64) -> i64 {
    let Some(at) = DateTime::from_timestamp(seconds, 0) else { return 0 };
    i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
}

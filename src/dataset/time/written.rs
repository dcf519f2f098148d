//! Dates and times as they are written.

use super::calendar::days_of;
use super::order::{self, DateOrder, Orders};
use super::unit::Unit;
use super::zone::{Place, named};
use super::{TimeError, TimeReader, digits};
use crate::model::calendar::civil;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl TimeReader {
    /// A date that does not begin `YYYY-MM-DD`, with what follows it.
    pub(super) fn written(&mut self, text: &[u8], leading: usize) -> Result<i64, TimeError> {
        match text {
            [sign @ (b'+' | b'-'), years @ ..] => {
                let end = years.iter().take_while(|b| b.is_ascii_digit()).count();
                if !(4..=7).contains(&end) || years.get(end) != Some(&b'-') {
                    return Err(TimeError::Syntax);
                }
                let year = digits(&years[..end])? * if *sign == b'-' { -1 } else { 1 };
                let (b, rest) = number(&years[end + 1..]).ok_or(TimeError::Syntax)?;
                let (c, rest) = rest.strip_prefix(b"-").and_then(number).ok_or(TimeError::Syntax)?;
                self.clock(days_of(year, b, c)?, rest)
            }
            _ if (1..=7).contains(&leading) && matches!(text.get(leading), Some(b'/' | b'-' | b'.')) => {
                if text.get(leading + 1).is_some_and(u8::is_ascii_alphabetic) {
                    return self.worded(text);
                }
                self.separated(text)
            }
            _ if text.iter().any(u8::is_ascii_alphabetic) => self.worded(text),
            _ => Err(TimeError::Syntax),
        }
    }

    /// `D/M/Y`, `M/D/Y` or `Y/M/D` with any of `/ - .`, and perhaps a time.
    fn separated(&mut self, text: &[u8]) -> Result<i64, TimeError> {
        let of_date = |b: &u8| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.');
        let end = text.iter().position(|b| !of_date(b)).unwrap_or(text.len());
        let (mut date, mut rest) = text.split_at(end);
        // `14/01/2020-09:30:00`.
        if rest.first() == Some(&b':')
            && let Some(at) = date.iter().rposition(|b| *b == b'-')
            && date.iter().filter(|b| matches!(b, b'/' | b'-' | b'.')).count() == 3
        {
            (date, rest) = text.split_at(at);
        }
        let days = match order::numbers(date) {
            Some((numbers, long)) => {
                let order = match self.order {
                    Some(order) => order,
                    None => {
                        let orders = Orders::of(numbers, long);
                        if orders.none() {
                            return Err(TimeError::NoSuchTime);
                        }
                        let Some(only) = orders.only() else {
                            self.doubt = orders;
                            return Err(TimeError::Ambiguous);
                        };
                        self.order = Some(only);
                        only
                    }
                };
                order.day(numbers, long)?
            }
            None => {
                let mut fields = date.split(|b| matches!(b, b'/' | b'-' | b'.'));
                let (Some(a), Some(b), c, None) =
                    (fields.next(), fields.next(), fields.next(), fields.next())
                else {
                    return Err(TimeError::Syntax);
                };
                if !(4..=7).contains(&a.len()) {
                    return Err(TimeError::Syntax);
                }
                match c {
                    Some(c) => days_of(digits(a)?, digits(b)?, digits(c)?)?,
                    // `2024-01`, as the flag for months has it.
                    None if a.len() == 4 && b.len() == 2 => return self.month(digits(a)? * 100 + digits(b)?),
                    None => return Err(TimeError::Syntax),
                }
            }
        };
        let rest = if let [b',', b' ', rest @ ..] | [b',', rest @ ..] = rest { rest } else { rest };
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return self.time(days, rest);
        }
        self.clock(days, rest)
    }

    /// `YYYYMM` in digits.
    pub(super) fn month(&mut self, month: i64) -> Result<i64, TimeError> {
        let days = days_of(month / 100, month % 100, 1)?;
        if self.options.unit == Some(Unit::Month) {
            return self.clock(days, b"");
        }
        self.refused = (super::Shape::Count(Unit::Month), i128::from(month));
        Err(TimeError::Count)
    }

    /// A date with the name of its month: `Jan 17, 2018`, `18-Jan-2018`, `19-JAN-18`, `02JAN2024`,
    /// RFC 822 and 850, asctime, with a time of day behind or within.
    fn worded(&mut self, text: &[u8]) -> Result<i64, TimeError> {
        let (mut month, mut numbers, mut count) = (None, [(0i64, 0usize); 2], 0);
        let (mut rest, mut time, mut zone): (&[u8], &[u8], &[u8]) = (text, b"", b"");
        let mut weekday = false;
        while month.is_none() || count < 2 {
            let Some(first) = rest.first() else { break };
            match first {
                b' ' | b',' | b'-' | b'/' | b'.' => rest = &rest[1..],
                b if b.is_ascii_alphabetic() => {
                    let end = rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
                    let (word, after) = rest.split_at(end);
                    rest = after;
                    if let (Some(place), None) = (place_of(word, &MONTHS), month) {
                        month = Some(place);
                    } else if place_of(word, &WEEKDAYS).is_some() && month.is_none() && count == 0 {
                        weekday = true;
                    } else if !time.is_empty() && zone.is_empty() {
                        // The zone between the time and the year, as `date` writes it.
                        zone = word;
                    } else {
                        return Err(TimeError::Syntax);
                    }
                }
                b if b.is_ascii_digit() => {
                    let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
                    if end <= 2 && rest.get(end) == Some(&b':') {
                        if !time.is_empty() {
                            return Err(TimeError::Syntax);
                        }
                        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
                        (time, rest) = rest.split_at(end);
                        continue;
                    }
                    if count == 2 || end > 4 {
                        return Err(TimeError::Syntax);
                    }
                    numbers[count] = (digits(&rest[..end])?, end);
                    count += 1;
                    rest = &rest[end..];
                    let ordinal = [b"st", b"nd", b"rd", b"th"].into_iter().find(|o| {
                        rest.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(*o))
                            && !rest.get(2).is_some_and(u8::is_ascii_alphabetic)
                    });
                    if ordinal.is_some() {
                        rest = &rest[2..];
                    }
                }
                _ => return Err(TimeError::Syntax),
            }
        }
        let (Some(month), 2) = (month, count) else { return Err(TimeError::Syntax) };
        let (year, day) = match numbers {
            [(year, 4), (day, 1..=2)] | [(day, 1..=2), (year, 4)] => (year, day),
            // With the name of the month, two digits of a year stand at the end.
            [(day, 1..=2), (year, 2)] if self.order != Some(DateOrder::Ymd) => (order::full(year), day),
            [(year, 2), (day, 1..=2)] => (order::full(year), day),
            _ => return Err(TimeError::Syntax),
        };
        let days = days_of(year, month, day)?;
        if !time.is_empty() {
            return self.time(days, &[time, b" ", zone, rest].concat());
        }
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii();
        let rest = rest.strip_prefix(b"at ").unwrap_or(rest);
        match rest.first() {
            None => self.clock(days, b""),
            Some(b':') => self.time(days, &rest[1..]),
            Some(b'T' | b't' | b'-') if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                self.time(days, &rest[1..])
            }
            // RFC 822 names the zones of its country.
            Some(_) if weekday && rest.ends_with(b" CST") => {
                self.time(days, &[&rest[..rest.len() - 3], b"-0600"].concat())
            }
            Some(_) if weekday && rest.ends_with(b" MST") => {
                self.time(days, &[&rest[..rest.len() - 3], b"-0700"].concat())
            }
            Some(_) => self.time(days, rest),
        }
    }

    /// What follows a date: nothing, a time of day, a zone.
    pub(super) fn clock(&mut self, days: i64, rest: &[u8]) -> Result<i64, TimeError> {
        match rest {
            [] => self.compose(days, 0, Place::Unsaid),
            [b'T' | b't' | b' ' | b'D', time @ ..] => self.time(days, time),
            // A day with an offset, as XML Schema has it, is no day with a time.
            [b'-', _, _, b':', _, _] | [b'+', ..] | [b'Z' | b'z'] => {
                let place = self.place(rest)?;
                match place {
                    Place::Offset(offset) if offset.abs() > 14 * 3600 => Err(TimeError::NoSuchTime),
                    place => self.compose(days, 0, place),
                }
            }
            [b'-', time @ ..] if time.len() >= 6 => self.time(days, time),
            [b':', time @ ..] => self.time(days, time),
            _ => Err(TimeError::Syntax),
        }
    }

    /// The time of day and the zone behind a date.
    pub(super) fn time(&mut self, days: i64, text: &[u8]) -> Result<i64, TimeError> {
        if !text.first().is_some_and(u8::is_ascii_digit) {
            let text = text.trim_ascii();
            return match text {
                [] => self.compose(days, 0, Place::Unsaid),
                [b'0'..=b'9', ..] => self.time(days, text),
                _ => {
                    let (days, text) = era(days, text)?;
                    let place = self.place(text)?;
                    self.compose(days, 0, place)
                }
            };
        }
        let (mut seconds, mut nanos, mut rest) = clock_fields(text)?;
        if let [b'.' | b',', fraction @ ..] = rest {
            let width = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if width == 0 || width > 9 && fraction[9..width].iter().any(|b| *b != b'0') {
                return Err(TimeError::Syntax);
            }
            nanos =
                (0..9).fold(0i64, |n, i| n * 10 + if i < width { i64::from(fraction[i] - b'0') } else { 0 });
            rest = &fraction[width..];
        } else if let [b':', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..] = rest {
            // Milliseconds behind a colon.
            let millis = [a, b, c].into_iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
            (nanos, rest) = (millis * 1_000_000, after);
        }
        if rest.is_empty() || rest == b"Z" {
            let place = if rest.is_empty() { Place::Unsaid } else { Place::Offset(0) };
            return self.compose(days, midnight(seconds, nanos)?, place);
        }
        let mut rest = rest.trim_ascii();
        if let Some((afternoon, after)) = half_of_day(rest) {
            let hour = seconds / 3600;
            if !(1..=12).contains(&hour) {
                return Err(TimeError::NoSuchTime);
            }
            seconds += (hour % 12 + if afternoon { 12 } else { 0 } - hour) * 3600;
            rest = after.trim_ascii();
        }
        let (days, rest) = era(days, rest)?;
        let place = self.place(rest)?;
        self.compose(days, midnight(seconds, nanos)?, place)
    }

    /// The zone behind a time.
    fn place<'t>(&mut self, text: &'t [u8]) -> Result<Place<'t>, TimeError> {
        let text = text.trim_ascii();
        match text {
            [] => Ok(Place::Unsaid),
            [sign @ (b'+' | b'-'), offset @ ..] => {
                // A name of the zone may stand behind: `[Europe/Paris]`, `(CET)`.
                let end = offset.iter().position(|b| matches!(b, b'[' | b'(')).unwrap_or(offset.len());
                let (offset, name) = offset.split_at(end);
                if !(name.is_empty() || name.ends_with(b"]") || name.ends_with(b")")) {
                    return Err(TimeError::Syntax);
                }
                let east = offset_seconds(offset.trim_ascii())?;
                Ok(Place::Offset(if *sign == b'-' { -east } else { east }))
            }
            [b'[', name @ .., b']'] | [b'(', name @ .., b')'] => self.zone_named(name),
            [first, second, third, sign @ (b'+' | b'-'), ..]
                if [*first, *second, *third] == *b"UTC" || [*first, *second, *third] == *b"GMT" =>
            {
                let east = offset_seconds(&text[4..])?;
                Ok(Place::Offset(if *sign == b'-' { -east } else { east }))
            }
            [b'Z' | b'z', b'[', .., b']'] => Ok(Place::Offset(0)),
            _ => self.zone_named(text),
        }
    }

    fn zone_named<'t>(&mut self, name: &'t [u8]) -> Result<Place<'t>, TimeError> {
        let place = named(name)?;
        if matches!(place, Place::Shared(_)) {
            self.zone_name = String::from_utf8_lossy(name).into_owned();
        }
        Ok(place)
    }
}

/// Takes the era off the end: the year 44 BC is -43.
fn era(days: i64, text: &[u8]) -> Result<(i64, &[u8]), TimeError> {
    if let Some(before) = text.strip_suffix(b"BC") {
        let (year, month, day) = civil(days);
        return match year {
            1.. => Ok((days_of(1 - year, month, day)?, before.trim_ascii())),
            _ => Err(TimeError::NoSuchTime),
        };
    }
    Ok((days, text.strip_suffix(b"AD").unwrap_or(text).trim_ascii()))
}

/// The nanoseconds since midnight. 24:00:00 is the midnight that comes.
fn midnight(seconds: i64, nanos: i64) -> Result<i64, TimeError> {
    let nanos = seconds * 1_000_000_000 + nanos;
    // A leap second at the end of the day is the first second of the next.
    if seconds >= 86_400 && nanos > DAY { Err(TimeError::NoSuchTime) } else { Ok(nanos) }
}

/// `AM` or `PM`, with points or without, and what follows.
fn half_of_day(text: &[u8]) -> Option<(bool, &[u8])> {
    let (first, rest) = text.split_first()?;
    let afternoon = match first {
        b'A' | b'a' => false,
        b'P' | b'p' => true,
        _ => return None,
    };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    let (b'M' | b'm', rest) = rest.split_first()? else { return None };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    (!rest.first().is_some_and(u8::is_ascii_alphanumeric)).then_some((afternoon, rest))
}

/// The place of a word among names, by the whole name or by its first letters.
fn place_of(word: &[u8], names: &[&str]) -> Option<i64> {
    let fits = |name: &&str| {
        let name = name.as_bytes();
        word.len() >= 3
            && word.len() <= name.len()
            && word.eq_ignore_ascii_case(&name[..word.len()])
            && (word.len() <= 5 || word.len() == name.len())
    };
    names.iter().position(fits).map(|at| at as i64 + 1)
}

/// A number of one or two digits, and what follows.
fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=2).contains(&end) {
        return None;
    }
    Some((digits(&text[..end]).ok()?, &text[end..]))
}

/// The seconds and nanoseconds of `HH:MM[:SS]`, `H:MM`, `HHMMSS`, `HHMM` or `HHMMSSmmm`, and what
/// follows.
fn clock_fields(text: &[u8]) -> Result<(i64, i64, &[u8]), TimeError> {
    let width = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (hour, minute, second, rest);
    let mut nanos = 0;
    match width {
        1 | 2 if text.get(width) == Some(&b':') => {
            let after = &text[width + 1..];
            hour = digits(&text[..width])?;
            minute = digits(after.get(..2).ok_or(TimeError::Syntax)?)?;
            match &after[2..] {
                [b':', tail @ ..] => {
                    second = digits(tail.get(..2).ok_or(TimeError::Syntax)?)?;
                    rest = &tail[2..];
                }
                tail => (second, rest) = (0, tail),
            }
        }
        // As Oracle writes times.
        2 if matches!(text.get(2..8), Some([b'.', _, _, b'.', _, _])) => {
            hour = digits(&text[..2])?;
            minute = digits(&text[3..5])?;
            second = digits(&text[6..8])?;
            rest = &text[8..];
        }
        4 | 6 | 9 => {
            hour = digits(&text[..2])?;
            minute = digits(&text[2..4])?;
            second = if width > 4 { digits(&text[4..6])? } else { 0 };
            if width == 9 {
                nanos = digits(&text[6..9])? * 1_000_000;
            }
            rest = &text[width..];
        }
        _ => return Err(TimeError::Syntax),
    }
    if hour > 24 || minute > 59 || second > 60 {
        return Err(TimeError::NoSuchTime);
    }
    Ok((hour * 3600 + minute * 60 + second, nanos, rest))
}

/// `H`, `HH`, `HHMM`, `H:MM`, `HH:MM` or `HH:MM:SS` in seconds.
fn offset_seconds(text: &[u8]) -> Result<i64, TimeError> {
    let (hours, minutes, seconds) = match text.len() {
        1 | 2 => (digits(text)?, 0, 0),
        4 if text[1] == b':' => (digits(&text[..1])?, digits(&text[2..])?, 0),
        4 => (digits(&text[..2])?, digits(&text[2..])?, 0),
        5 if text[2] == b':' => (digits(&text[..2])?, digits(&text[3..])?, 0),
        8 if text[2] == b':' && text[5] == b':' => {
            (digits(&text[..2])?, digits(&text[3..5])?, digits(&text[6..])?)
        }
        _ => return Err(TimeError::Syntax),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(TimeError::NoSuchTime);
    }
    Ok(hours * 3600 + minutes * 60 + seconds)
}

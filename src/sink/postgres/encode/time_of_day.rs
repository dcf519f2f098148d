//! The time of day from text.

/// Microseconds of a day: 24:00:00, the last value of the type `time`.
const DAY: i64 = 86_400_000_000;

/// Why a text is not a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum NoClock {
    /// It is not written as one.
    Syntax,
    /// Its hours, minutes or seconds are out of range.
    Range,
}

/// Reads `HH:MM[:SS[.f…]]`, with blanks around it, as microseconds since midnight; and whether
/// digits below the microsecond were rounded off.
///
/// The server itself reads more, and drops what `time` does not hold (a zone, a date): that is
/// refused here.
pub(in crate::sink::postgres) fn clock(text: &str) -> Result<(i64, bool), NoClock> {
    let text = text.trim_ascii().as_bytes();
    let (hours, rest) = number(text, 1).ok_or(NoClock::Syntax)?;
    let (minutes, rest) = rest.strip_prefix(b":").and_then(|rest| number(rest, 2)).ok_or(NoClock::Syntax)?;
    let (seconds, rest) = match rest.strip_prefix(b":") {
        Some(rest) => number(rest, 2).ok_or(NoClock::Syntax)?,
        None if rest.is_empty() => (0, rest),
        None => return Err(NoClock::Syntax),
    };
    let (fraction, rounded) = match rest {
        [] => (0, false),
        point => fraction(point).ok_or(NoClock::Syntax)?,
    };
    // A leap second is the first of the next minute, as the server has it.
    let micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction;
    if hours > 24 || minutes > 59 || seconds > 60 || micros > DAY {
        return Err(NoClock::Range);
    }
    Ok((micros, rounded))
}

/// A number of up to two digits, and at least so many, and what follows it.
fn number(text: &[u8], least: usize) -> Option<(i64, &[u8])> {
    let len = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    (len >= least).then_some((value, rest))
}

/// The fraction of a second, its point before it, as the nearest microseconds.
fn fraction(text: &[u8]) -> Option<(i64, bool)> {
    let digits = text.strip_prefix(b".").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let (kept, below) = digits.split_at(digits.len().min(6));
    if below.iter().all(|digit| *digit == b'0') {
        let micros = kept.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some((micros * 10i64.pow(6 - kept.len() as u32), false));
    }
    // The server reads the fraction as a double, which decides where it is in the middle.
    let second: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(((second * 1e6).round_ties_even() as i64, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_to_the_microsecond() {
        for (text, micros, rounded) in [
            ("00:00", 0, false),
            ("9:30", 34_200_000_000, false),
            ("09:30:00", 34_200_000_000, false),
            (" 12:34:56.789 ", 45_296_789_000, false),
            ("12:34:56.", 45_296_000_000, false),
            ("12:34:56.1234560", 45_296_123_456, false),
            ("12:34:56.1234566", 45_296_123_457, true),
            ("00:00:00.0000005", 0, true),
            ("00:00:00.0000015", 2, true),
            ("23:59:59.9999999", DAY, true),
            ("23:59:60", DAY, false),
            ("24:00:00", DAY, false),
        ] {
            assert_eq!(clock(text), Ok((micros, rounded)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_of_day_is_told_from_what_is_none_of_this_day() {
        for text in ["", "12", "12:", "12:3", "1230", "12:30:5", "12:30Z", "12:30:00+02", "2024-01-01 12:30"]
        {
            assert_eq!(clock(text), Err(NoClock::Syntax), "{text}");
        }
        for text in ["12:30 PM", "a:30", "12:30:00.x", "12:30:00,5", "-1:30", "12:30:00.-5"] {
            assert_eq!(clock(text), Err(NoClock::Syntax), "{text}");
        }
        for text in ["25:00", "12:60", "12:30:61", "24:00:01", "24:00:00.000001", "99:99"] {
            assert_eq!(clock(text), Err(NoClock::Range), "{text}");
        }
    }
}

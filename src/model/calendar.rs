//! Days and instants as text, however far they are from today.

use std::fmt::Write as _;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Year, month and day of a day since 1970, in the calendar that is used today (Hinnant's algorithm).
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Appends the day as `YYYY-MM-DD`; as in ISO 8601 years of more than four digits have a sign, and the year
/// before 1 is 0.
pub fn write_day(days: i64, out: &mut String) {
    let (year, month, day) = civil(days);
    // Writing into a text cannot fail.
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        _ => write!(out, "{year:+05}-{month:02}-{day:02}"),
    };
}

/// Appends an instant of so many ticks since 1970, with all digits that it has; in UTC if so said, else
/// of no zone.
pub fn write_instant(ticks: i64, in_second: i64, utc: bool, out: &mut String) {
    let (seconds, rest) = (ticks.div_euclid(in_second), ticks.rem_euclid(in_second));
    write_day(seconds.div_euclid(DAY), out);
    out.push('T');
    let clock = seconds.rem_euclid(DAY);
    let _ = write!(out, "{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60);
    write_fraction(rest.unsigned_abs(), in_second.unsigned_abs(), out);
    if utc {
        out.push('Z');
    }
}

/// Appends a time of day of so many ticks since midnight.
pub fn write_clock(ticks: i64, in_second: i64, out: &mut String) {
    let (seconds, rest) = (ticks.div_euclid(in_second), ticks.rem_euclid(in_second));
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    write_fraction(rest.unsigned_abs(), in_second.unsigned_abs(), out);
}

/// Appends a fraction of a second with its point: three, six or nine digits, or none.
pub fn write_fraction(rest: u64, in_second: u64, out: &mut String) {
    let nanos = rest * (1_000_000_000 / in_second.max(1));
    let _ = match nanos {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(out, ".{:06}", n / 1_000),
        n => write!(out, ".{n:09}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for days in (-1_000_000..1_000_000).step_by(997) {
            let date = chrono::NaiveDate::from_epoch_days(days).unwrap();
            let (year, month, day) = civil(days.into());
            assert_eq!(chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32), Some(date));
        }
    }

    #[test]
    fn instants_of_any_size_have_all_digits() {
        let text = |ticks, in_second, utc| {
            let mut out = String::new();
            write_instant(ticks, in_second, utc, &mut out);
            out
        };
        assert_eq!(text(1_704_205_800_000_000_001, 1_000_000_000, true), "2024-01-02T14:30:00.000000001Z");
        assert_eq!(text(1_704_205_800, 1, false), "2024-01-02T14:30:00");
        assert_eq!(text(1_704_205_800_250, 1_000, false), "2024-01-02T14:30:00.250");
        assert_eq!(text(-1, 1_000_000, true), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MAX, 1_000_000, false), "+294247-01-10T04:00:54.775807");
        let mut day = String::new();
        write_day(-719_529, &mut day);
        assert_eq!(day, "-0001-12-31");
    }
}

//! Instants and days as the text that SQLite sorts and its date functions read.
//!
//! `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC and `YYYY-MM-DD`; trailing zeros of the fraction are left
//! out, and so is an empty fraction, so that text order is time order.

use chrono::{DateTime, Datelike as _, NaiveDate};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds of the Unix epoch now.
pub(super) fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// Writes instants and days. Remembers the day before, since rows come in order of time.
#[derive(Debug)]
pub(super) struct Clock {
    day: Option<i64>,
    text: [u8; 26],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { day: None, text: *b"0000-00-00 00:00:00.000000" }
    }

    /// Text of an instant in microseconds of the Unix epoch, or `None` outside the years 0 to
    /// 9999, where text would not sort.
    pub(super) fn instant(&mut self, micros: i64) -> Option<&str> {
        let (seconds, fraction) =
            (micros.div_euclid(MICROS_PER_SECOND), micros.rem_euclid(MICROS_PER_SECOND));
        self.turn_to(seconds.div_euclid(SECONDS_PER_DAY))?;
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        put(&mut self.text[11..13], second / 3600);
        put(&mut self.text[14..16], second / 60 % 60);
        put(&mut self.text[17..19], second % 60);
        let mut end = 19;
        if fraction != 0 {
            put(&mut self.text[20..26], fraction);
            end = 26;
            while self.text[end - 1] == b'0' {
                end -= 1;
            }
        }
        std::str::from_utf8(&self.text[..end]).ok()
    }

    /// Text of a day, counted from 1970-01-01.
    pub(super) fn day(&mut self, day: i64) -> Option<&str> {
        self.turn_to(day)?;
        std::str::from_utf8(&self.text[..10]).ok()
    }

    fn turn_to(&mut self, day: i64) -> Option<()> {
        if self.day == Some(day) {
            return Some(());
        }
        let date: NaiveDate = DateTime::from_timestamp(day.checked_mul(SECONDS_PER_DAY)?, 0)?.date_naive();
        if !(0..=9999).contains(&date.year()) {
            return None;
        }
        put(&mut self.text[0..4], i64::from(date.year()));
        put(&mut self.text[5..7], i64::from(date.month()));
        put(&mut self.text[8..10], i64::from(date.day()));
        self.day = Some(day);
        Some(())
    }
}

/// Writes a number with leading zeros into the whole of `place`.
fn put(place: &mut [u8], mut value: i64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fractions_lose_their_trailing_zeros() {
        let mut clock = Clock::new();
        assert_eq!(clock.instant(0), Some("1970-01-01 00:00:00"));
        assert_eq!(clock.instant(1_704_067_200_500_000), Some("2024-01-01 00:00:00.5"));
        assert_eq!(clock.instant(1_704_067_261_000_010), Some("2024-01-01 00:01:01.00001"));
        assert_eq!(clock.instant(-1), Some("1969-12-31 23:59:59.999999"));
        assert_eq!(clock.day(19_723), Some("2024-01-01"));
        assert_eq!(clock.day(-62_091), Some("1800-01-01"));
    }

    #[test]
    fn years_that_do_not_sort_are_refused() {
        let mut clock = Clock::new();
        assert_eq!(clock.day(3_000_000), None);
        assert_eq!(clock.day(-800_000), None);
        assert_eq!(clock.instant(i64::MAX), None);
        assert_eq!(clock.day(0), Some("1970-01-01"));
    }

    proptest! {
        #[test]
        fn agrees_with_the_calendar_and_sorts(a in -5_000_000_000_000_000_i64..9_000_000_000_000_000, b in -5_000_000_000_000_000_i64..9_000_000_000_000_000) {
            let text = |micros| Clock::new().instant(micros).unwrap().to_owned();
            prop_assert_eq!(text(a).cmp(&text(b)), a.cmp(&b));
            let expected = DateTime::from_timestamp_micros(a).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
            prop_assert!(text(a).starts_with(&expected));
        }
    }
}

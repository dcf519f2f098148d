//! Days of the Gregorian calendar, as far as PostgreSQL counts them.

use super::TimeError;

/// The first and the last day that a column `date` holds, counted from 1970: 4713 BC and 5874897.
pub const DAYS: std::ops::RangeInclusive<i64> = -2_440_588..=2_145_042_905;
/// The microseconds since 1970 that a column `timestamp` holds: from 4713 BC, and as far as 64 bits go,
/// to 294247; the last of them stands for infinity.
pub const MICROS: std::ops::Range<i64> = -210_866_803_200_000_000..i64::MAX;

/// Days since 1970 of a date that exists; the year before 1 is 0.
pub fn days_of(year: i64, month: i64, day: i64) -> Result<i64, TimeError> {
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        1..=12 => LENGTHS[month as usize - 1],
        _ => return Err(TimeError::NoSuchTime),
    };
    if !(1..=length).contains(&day) {
        return Err(TimeError::NoSuchTime);
    }
    // Years begin in March, so that the day that comes and goes is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calendar::civil;

    #[test]
    fn the_calendar_agrees_with_chrono_and_goes_further() {
        for days in (-700_000..2_000_000).step_by(97) {
            let date = chrono::NaiveDate::from_epoch_days(days).unwrap();
            let (y, m, d) = civil(days.into());
            assert_eq!(format!("{y:04}-{m:02}-{d:02}"), date.format("%Y-%m-%d").to_string());
            assert_eq!(days_of(y, m, d), Ok(days.into()));
        }
        assert_eq!(days_of(-4712, 1, 1).map(|day| day - 10_957 >= -2_451_545), Ok(true));
        assert_eq!(days_of(-4713, 11, 24), Ok(*DAYS.start()));
        assert_eq!(MICROS.start, DAYS.start() * 86_400_000_000);
        assert_eq!(days_of(5_874_897, 12, 31), Ok(*DAYS.end()));
        assert_eq!(days_of(2023, 2, 29), Err(TimeError::NoSuchTime));
        assert_eq!(days_of(2000, 2, 29), Ok(11_016));
    }
}

//! Times that stand for the day of the place that they are written at: midnights with an offset, and times of bars that
//! are known to be of days.

use arrow::array::Array;
use chrono_tz::Tz;

use crate::dataset::time::zone::{self, Place};
use crate::dataset::time::{DAY, FIRST, LAST, TimeError, TimeReader};

/// Nanoseconds of an hour: by so much a change of clocks moves the beginning of a day.
const HOUR: i64 = 3_600_000_000_000;

/// What the offsets behind the times of some rows show.
#[derive(Default)]
pub(super) struct Places {
    /// Midnights, and those of them whose clocks are not those of UTC.
    midnights: usize,
    elsewhere: usize,
    /// Times with an offset that are no midnight, and that no change of clocks explains.
    clocks: usize,
    /// All that are no midnight with an offset.
    others: usize,
}

impl Places {
    /// Looks at a text.
    pub(super) fn count(&mut self, text: &[u8]) {
        match written(text) {
            Some((0, offset)) => {
                self.midnights += 1;
                self.elsewhere += usize::from(offset);
            }
            Some((clock, _)) => {
                self.others += 1;
                self.clocks += usize::from(clock != 10_000);
            }
            None => self.others += 1,
        }
    }
}

/// The time of day as digits (`HHMMSS`, and 1 for any fraction), and whether the offset behind it is another than that
/// of UTC; `None` where the text has no offset.
fn written(text: &[u8]) -> Option<(u32, bool)> {
    let rest = text.trim_ascii().get(10..)?;
    let (time, offset) = match rest.strip_suffix(b"Z").or(rest.strip_suffix(b"z")) {
        Some(time) => (time, &rest[..0]),
        None => rest.split_at(rest.iter().rposition(|b| matches!(b, b'+' | b'-'))?),
    };
    let mut clock = 0;
    let mut digits = 0;
    for digit in time.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0')) {
        match digits {
            0..6 => clock = clock * 10 + digit,
            _ => clock += u32::from(digit != 0),
        }
        digits += 1;
    }
    let clock = match digits {
        4 => clock * 100,
        6.. => clock,
        _ => return None,
    };
    Some((clock, offset.iter().any(|b| matches!(b, b'1'..=b'9'))))
}

/// Whether a text has an offset behind its time of day.
pub fn has_offset(text: &str) -> bool {
    written(text.as_bytes()).is_some()
}

impl TimeReader {
    /// Takes note of what the offsets of some rows show.
    pub(super) fn learn_places(&mut self, places: &Places) {
        self.midnights |= places.midnights > 1 && places.elsewhere > 0 && places.others == 0;
        self.clocked |= places.clocks > 0;
    }

    /// Whether a time stands for the day of its place. One with an offset does where it is midnight there, or an hour
    /// later where the clocks were put forward.
    pub(super) fn stands_for_day(&self, nanos: i64, place: Place<'_>) -> bool {
        let told = self.options.local_days;
        let midnights = self.midnights && nanos == 0 && !self.wide && !self.within_days;
        match place {
            Place::Unsaid => self.options.zone.is_some() && (told || midnights),
            Place::Offset(0) => false,
            Place::Offset(_) | Place::Zone(_) | Place::Shared(_) => {
                told && !self.clocked && matches!(nanos, 0 | HOUR) || midnights
            }
        }
    }

    /// The midnight of UTC that begins a day.
    pub(super) fn day_of_place(&mut self, days: i64, nanos: i64) -> Result<i64, TimeError> {
        self.placed += 1;
        self.lost += u64::from(!matches!(nanos, 0 | HOUR));
        days.checked_mul(DAY).filter(|_| (FIRST..LAST).contains(&days)).ok_or(TimeError::Range)
    }

    /// Whether a time was stored as the day of its place.
    pub fn is_placed(&self) -> bool {
        self.placed > 0
    }

    /// Whether times of day have been met that name no zone.
    pub fn is_unplaced(&self) -> bool {
        self.unplaced
    }

    /// Looks at times that name no zone and are taken as they are.
    pub fn look_unplaced(&mut self, ticks: &[i64], factor: i64) {
        let day = DAY / factor;
        self.unplaced |= !self.days && !self.unplaced && ticks.iter().any(|tick| tick.rem_euclid(day) != 0);
    }

    /// What was stored so far is read again.
    pub fn forget_placed(&mut self) {
        (self.placed, self.lost) = (0, 0);
    }

    /// How many times were stored as their day that were no midnight.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// A copy of the reader that stores instants as they are, and no days of places.
    pub fn without_days(&self) -> Self {
        let mut reader = self.clone();
        (reader.options.local_days, reader.midnights) = (false, false);
        reader
    }

    /// The days that instants stand for which are seen in a zone: where all of them are midnights there. `ticks` are of
    /// so many nanoseconds each.
    pub fn days_in(&mut self, zone: Tz, ticks: &[i64], factor: i64, array: &dyn Array) -> Option<Vec<i64>> {
        let told = self.options.local_days;
        if self.days || self.wide || self.within_days || zone == Tz::UTC {
            return None;
        }
        let (mut days, mut all, mut elsewhere) = (Vec::new(), 0_u64, false);
        for (row, tick) in ticks.iter().enumerate() {
            if array.is_null(row) {
                days.push(0);
                continue;
            }
            let nanos = tick.checked_mul(factor)?;
            let offset = zone::offset_at(zone, nanos.div_euclid(1_000_000_000));
            let local = nanos.checked_add(offset * 1_000_000_000)?;
            if !matches!(local.rem_euclid(DAY), 0 | HOUR) || !told && local.rem_euclid(DAY) != 0 {
                return None;
            }
            elsewhere |= offset != 0;
            all += 1;
            days.push(local - local.rem_euclid(DAY));
        }
        let known = told || self.midnights || all > 1;
        (known && elsewhere).then(|| {
            self.midnights = true;
            self.placed += all;
            days
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_behind_a_time_is_found() {
        for (text, found) in [
            ("2024-01-02 00:00:00-05:00", Some((0, true))),
            ("2024-01-02T00:00:00+00:00", Some((0, false))),
            ("2024-01-02T00:00Z", Some((0, false))),
            ("2024-01-02 01:00:00.000+0100", Some((10_000, true))),
            ("2024-01-02 00:00:00.001+01:00", Some((1, true))),
            ("2024-01-02 15:22:16.9074469+02:00", Some((152_221, true))),
            ("2024-01-02 00:00:00", None),
            ("2024-01-02", None),
            ("1704153600", None),
        ] {
            let found_now = written(text.as_bytes());
            assert_eq!(
                found_now.map(|(clock, elsewhere)| (clock != 0, elsewhere)),
                found.map(|(c, e)| (c != 0, e)),
                "{text}"
            );
        }
        assert!(has_offset("2024-01-02 09:30:00-05:00") && !has_offset("2024-01-02 09:30:00"));
    }
}

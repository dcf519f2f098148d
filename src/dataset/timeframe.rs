//! The timeframe of bars from the spacing of their rows.

use std::collections::HashMap;

use arrow_array::{Array, TimestampNanosecondArray};

use crate::dataset::text::Texts;

/// The name of an interval (`1m`, `4h`, `1d`), if it is one that bars have.
pub fn name_of(nanos: i64) -> Option<String> {
    const SECOND: i64 = 1_000_000_000;
    let seconds = nanos / SECOND;
    if nanos % SECOND != 0 || seconds <= 0 {
        return None;
    }
    let days = seconds / 86_400;
    Some(match seconds {
        1..60 if 60 % seconds == 0 => format!("{seconds}s"),
        60..3_600 if seconds % 60 == 0 && 60 % (seconds / 60) == 0 => format!("{}m", seconds / 60),
        3_600..86_400 if seconds % 3_600 == 0 && 24 % (seconds / 3_600) == 0 => {
            format!("{}h", seconds / 3_600)
        }
        _ if seconds % 86_400 != 0 => return None,
        _ => match days {
            1 => "1d".into(),
            7 => "1w".into(),
            28..=31 => "1mo".into(),
            _ => return None,
        },
    })
}

/// Spacings between the successive rows of each symbol, as far as they have been seen.
#[derive(Debug, Default)]
pub struct Spacings {
    last: HashMap<String, i64>,
    votes: HashMap<i64, usize>,
}

impl Spacings {
    /// Looks at more rows.
    pub fn look(&mut self, times: &TimestampNanosecondArray, symbols: Option<Texts<'_>>) {
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            let time = times.value(row);
            let symbol = symbols.and_then(|s| s.get(row)).unwrap_or("");
            match self.last.get_mut(symbol) {
                Some(before) => {
                    if *before != time {
                        *self.votes.entry((time - *before).abs()).or_default() += 1;
                        *before = time;
                    }
                }
                None => {
                    self.last.insert(symbol.to_owned(), time);
                }
            }
        }
    }

    /// The most frequent spacing, as a timeframe; an error with it where no bars are so far apart;
    /// `None` where no symbol has had two rows.
    pub fn timeframe(&self) -> Option<Result<String, i64>> {
        let best = self.votes.iter().max_by_key(|(spacing, count)| (**count, std::cmp::Reverse(**spacing)));
        best.map(|(spacing, _)| name_of(*spacing).ok_or(*spacing))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn names_of_intervals() {
        for (seconds, name) in [
            (1, "1s"),
            (60, "1m"),
            (300, "5m"),
            (3600, "1h"),
            (14_400, "4h"),
            (86_400, "1d"),
            (604_800, "1w"),
        ] {
            assert_eq!(name_of(seconds * 1_000_000_000).as_deref(), Some(name));
        }
        assert_eq!(name_of(7_000_000_000), None);
        assert_eq!(name_of(86_400_000_000_000 * 3), None);
    }

    #[test]
    fn nights_and_weekends_do_not_deceive() {
        let day = 86_400i64 * 1_000_000_000;
        let times: TimestampNanosecondArray = [0, 0, 1, 1, 2, 2, 5, 5, 6, 6].map(|d| d * day).to_vec().into();
        let symbols: ArrayRef = Arc::new(StringArray::from(["A", "B"].repeat(5)));
        let mut spacings = Spacings::default();
        spacings.look(&TimestampNanosecondArray::from(vec![0]), None);
        assert_eq!(spacings.timeframe(), None);
        spacings.look(&times, Texts::of(&symbols));
        assert_eq!(spacings.timeframe(), Some(Ok("1d".into())));
    }
}

//! By what the server reads the texts that it casts: ranges, arrays, intervals, composites.

use chrono_tz::Tz;

use crate::batch::{Reading, Rows};
use crate::dataset::time::{DateOrder, TimeOptions};
use crate::sink::postgres::connection::quoting::literal;

/// Zone of times that name none, and the order of dates of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Casts {
    zone: Option<Tz>,
    order: Option<DateOrder>,
}

impl Casts {
    /// As the flags have it.
    pub fn told(options: &TimeOptions) -> Self {
        Self { zone: options.zone, order: options.order }
    }

    fn remembered(reading: &Reading) -> Self {
        Self {
            zone: reading.zone.as_deref().and_then(|zone| zone.parse().ok()),
            order: reading.order.as_deref().and_then(DateOrder::of_word),
        }
    }

    /// By what all of those rows are to be read, where that is the same: rows out of dead letters may each
    /// remember something else. Rows that say nothing are read as the flags have it.
    pub fn of(self, rows: Rows<'_>) -> Option<Self> {
        let (mut all, mut last) = (None, None);
        for pick in rows.picks.iter().filter(|pick| last.replace(pick.part) != Some(pick.part)) {
            let given = rows.parts.get(pick.part as usize).and_then(|part| part.given.as_ref());
            let reading = given.and_then(|given| given.reading.as_deref());
            let reading =
                reading.filter(|reading| reading.columns.as_ref().is_none_or(|own| !own.is_empty()));
            let own = reading.map_or(self, Self::remembered);
            if *all.get_or_insert(own) != own {
                return None;
            }
        }
        Some(all.unwrap_or(self))
    }

    /// Has the server read the texts as it would with no setting of the role's or the database's. For the
    /// transaction alone, behind a pooler too; triggers and defaults of the table see the same settings
    /// there.
    pub fn settings(self) -> String {
        let style = match self.order {
            None | Some(DateOrder::Ymd) => "ISO, YMD",
            Some(DateOrder::Mdy) => "ISO, MDY",
            Some(DateOrder::Dmy) => "ISO, DMY",
        };
        let all = [
            ("TimeZone", self.zone.map_or("UTC", |zone| zone.name())),
            ("DateStyle", style),
            ("IntervalStyle", "postgres"),
            ("lc_monetary", "C"),
            ("timezone_abbreviations", "Default"),
            ("array_nulls", "on"),
            ("xmloption", "content"),
            // Values are compared by their texts where a type has no other comparison.
            ("extra_float_digits", "1"),
        ];
        let each =
            all.map(|(name, value)| format!("pg_catalog.set_config('{name}', {}, true)", literal(value)));
        format!(" SELECT {};", each.join(", "))
    }
}

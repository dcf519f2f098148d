//! What the values of a column tell of how all of its times are written: the unit of numbers, the order of dates.

use crate::dataset::time::change::Twice;
use crate::dataset::time::message::looks_like;
use crate::dataset::time::order::{OrderVotes, Orders};
use crate::dataset::time::place::Places;
use crate::dataset::time::unit::{Elected, Unit, Votes, pattern};
use crate::dataset::time::{TimeReader, order, small, split, width, width_of};
use crate::text::flags::TIMESTAMP_UNIT;

impl TimeReader {
    /// What was deduced and what is to be known of the values so far: sentences that follow the name
    /// of the column.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(unit) = self.unit {
            notes.push(format!("is an epoch in {}", unit.as_str()));
        }
        if self.placed > 0 {
            notes.push(match self.placed {
                1 => "is written with a place, of which the day is stored, in 1 row".to_owned(),
                placed => format!("is written with a place, of which the day is stored, in {placed} rows"),
            });
        }
        if let Some(digits) = self.digits {
            notes.push(format!("is written {}", pattern(digits)));
        }
        if let Some(order) = self.deduced_order() {
            notes.push(format!("is written {}", order.in_words()));
        }
        if let (1.., Some(shape), Some(unit)) = (self.odd.0, self.odd.1, self.options.unit) {
            notes.push(format!(
                "has {} numbers that were read in {}, as {TIMESTAMP_UNIT} says, and look like {}",
                self.odd.0,
                unit.as_str(),
                looks_like(shape)
            ));
        }
        if self.cut > 0 {
            notes.push(match self.cut {
                1 => "is a day: the time of day of 1 value was cut off".to_owned(),
                cut => format!("is a day: the time of day of {cut} values was cut off"),
            });
        }
        if self.series.told > 0 {
            notes.push(format!(
                "has {} that the change of clocks repeats: the order of the rows tells which of both {}{}",
                if self.series.told == 1 { "1 local time".to_owned() } else { format!("{} local times", self.series.told) },
                if self.series.told == 1 { "it is" } else { "they are" },
                match self.series.taken {
                    0 => String::new(),
                    taken => format!(
                        ", and {taken} were taken as the first, since the rows before them go on without a break"
                    ),
                }
            ));
        }
        notes
    }

    /// Settles the times that came twice by the order of the rows, and remembers what the next rows
    /// need for that; returns the rows that nothing settles. `valid` says which other rows have a
    /// time in `values`, and `series_of` which rows are of one series.
    pub fn settle_order(
        &mut self,
        values: &mut [i64],
        valid: &dyn Fn() -> Vec<bool>,
        twice: &[Twice],
        series_of: &dyn Fn(usize) -> u64,
    ) -> Vec<usize> {
        if self.days || twice.is_empty() && self.options.zone.is_none() {
            return Vec::new();
        }
        if !twice.is_empty() {
            return self.series.settle(values, &valid(), twice, series_of);
        }
        let (low, high) = values.iter().fold((i64::MAX, i64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        if low <= high && self.series.is_near(self.options.zone, low, high) {
            self.series.look(values, &valid(), series_of);
        } else {
            self.series.forget();
        }
        Vec::new()
    }

    /// Looks through texts for what holds for the whole input: the order of day and month that its
    /// dates allow, and the form that most of its numbers have. Where most of the texts are dates
    /// that could be read in several ways and none settles which: what to say of them.
    pub fn learn<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Option<String> {
        if self.options.format.is_some() {
            return None;
        }
        let (mut votes, mut orders, mut all) = (Votes::default(), OrderVotes::default(), 0);
        let (mut number_form, mut plausible) = (self.unit.is_none() && self.digits.is_none(), 0);
        number_form |= self.options.unit.is_some() && !self.fits;
        if !number_form && self.order.is_some() {
            return None;
        }
        let mut places = Places::default();
        for text in texts {
            all += 1;
            let bytes = text.as_bytes();
            places.count(bytes);
            // A year in full at the beginning tells nothing.
            if matches!(bytes, [_, _, _, _, b'-', ..]) && bytes[..4].iter().all(u8::is_ascii_digit) {
                continue;
            }
            let bytes = bytes.trim_ascii();
            let leading = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            match bytes.get(leading) {
                Some(b'/' | b'-' | b'.') if leading <= 2 && self.order.is_none() => {
                    let of_date = |b: &u8| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.');
                    let end = bytes.iter().position(|b| !of_date(b)).unwrap_or(bytes.len());
                    if let Some((numbers, long)) = order::numbers(&bytes[..end]) {
                        orders.count(Orders::of(numbers, long));
                        continue;
                    }
                }
                _ => {}
            }
            if number_form
                && leading > 0
                && let Some((value, scale)) = small(bytes)
            {
                let (whole, part) = split(value, scale);
                votes.count(whole, width_of(bytes, leading, whole), part);
                plausible += usize::from(self.options.unit.is_some_and(|unit| unit.is_plausible(whole)));
            }
        }
        self.learn_places(&places);
        self.elect(&votes, plausible);
        if self.order.is_some() {
            return None;
        }
        match orders.elected() {
            Ok(order) => {
                self.order = order;
                None
            }
            Err(doubt) if orders.dates * 2 > all => Some(doubt.doubt()),
            Err(_) => None,
        }
    }

    /// As [`TimeReader::learn`], from whole numbers.
    pub fn learn_integers(&mut self, values: impl Iterator<Item = i64>) {
        let spelled = self.options.format.is_some();
        if spelled
            || self.options.unit.is_none() && (self.unit.is_some() || self.digits.is_some())
            || self.fits
        {
            return;
        }
        let (mut votes, mut plausible) = (Votes::default(), 0);
        for value in values.map(i128::from) {
            votes.count(value, width(value), false);
            plausible += usize::from(self.options.unit.is_some_and(|unit| unit.is_plausible(value)));
        }
        self.elect(&votes, plausible);
    }

    pub(super) fn elect(&mut self, votes: &Votes, plausible: usize) {
        if self.options.unit.is_some() {
            self.fits |= plausible * 2 > votes.all;
            return;
        }
        match votes.elected() {
            _ if self.unit.is_some() || self.digits.is_some() => {}
            Some(Elected::Epoch(unit)) => self.settle(unit),
            Some(Elected::Digits(digits)) => self.digits = Some(digits),
            Some(Elected::Stamps) => self.stamps = true,
            None => {}
        }
    }

    pub(super) fn settle(&mut self, unit: Unit) {
        self.unit = Some(unit);
        if let Some(nanos) = unit.nanos() {
            let bound = |seconds: i64| seconds * (1_000_000_000 / nanos);
            self.plain = (bound(100_000_000), bound(4_102_444_800), nanos);
        }
    }
}

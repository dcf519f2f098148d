//! The order of day, month and year in dates such as `10/9/2020` and `24/01/15`.

use serde::{Deserialize, Serialize};

use super::TimeError;
use super::calendar::days_of;
use super::digits;
use crate::text::choice::choices;
use crate::text::flags::DATE_ORDER;

/// Order of day, month and year in dates such as `10/9/2020`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

choices!(DateOrder: Mdy = "mdy", Dmy = "dmy", Ymd = "ymd");

impl DateOrder {
    pub(super) const ALL: [Self; 3] = [Self::Mdy, Self::Dmy, Self::Ymd];

    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Mdy => "month/day/year",
            Self::Dmy => "day/month/year",
            Self::Ymd => "year/month/day",
        }
    }

    /// The flag's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mdy => "mdy",
            Self::Dmy => "dmy",
            Self::Ymd => "ymd",
        }
    }

    /// The order of the flag's word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.as_str() == word)
    }

    /// The day that three numbers are in this order; `long` where the last is a year in full.
    pub(super) fn day(self, [a, b, c]: [i64; 3], long: bool) -> Result<i64, TimeError> {
        match self {
            Self::Mdy => days_of(if long { c } else { full(c) }, a, b),
            Self::Dmy => days_of(if long { c } else { full(c) }, b, a),
            Self::Ymd if long => Err(TimeError::NoSuchTime),
            Self::Ymd => days_of(full(a), b, c),
        }
    }
}

/// A year of two digits, as POSIX strptime reads it.
pub(super) fn full(year: i64) -> i64 {
    match year {
        0..69 => year + 2000,
        69..100 => year + 1900,
        _ => year,
    }
}

/// The orders in which a date may be read, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orders(u8);

impl Orders {
    /// The orders in which three numbers are a date.
    pub(super) fn of(numbers: [i64; 3], long: bool) -> Self {
        let exists = |order: &DateOrder| order.day(numbers, long).is_ok();
        Self(DateOrder::ALL.iter().filter(|o| exists(o)).fold(0, |bits, order| bits | 1 << *order as u8))
    }

    fn has(self, order: DateOrder) -> bool {
        self.0 & 1 << order as u8 != 0
    }

    /// The only one.
    pub(super) fn only(self) -> Option<DateOrder> {
        if self.0.count_ones() == 1 {
            DateOrder::ALL.into_iter().find(|order| self.has(*order))
        } else {
            None
        }
    }

    pub(super) fn kind(self) -> u64 {
        self.0.into()
    }

    pub(super) fn none(self) -> bool {
        self.0 == 0
    }

    /// What is wrong with a date that may be read in all of these, and what to do.
    pub(super) fn doubt(self) -> String {
        let orders = DateOrder::ALL.into_iter().rev().filter(|order| self.has(*order));
        let (mut words, mut flags) = (String::new(), String::new());
        for order in orders {
            if !words.is_empty() {
                words.push_str(" or ");
                flags.push_str(" or ");
            }
            words.push_str(order.in_words());
            flags.push_str(&format!("{DATE_ORDER} {}", order.as_str()));
        }
        format!("could be {words}; say which with {flags}")
    }
}

/// The three numbers of a date such as `10/9/2020` or `24/01/15`, with whether the last is a year in
/// full; `None` for what begins with a year in full, and for what is none.
pub(super) fn numbers(date: &[u8]) -> Option<([i64; 3], bool)> {
    let mut fields = date.split(|b| matches!(b, b'/' | b'-' | b'.'));
    let (a, b, c) = (fields.next()?, fields.next()?, fields.next()?);
    let short = |field: &[u8]| (1..=2).contains(&field.len());
    let long = c.len() == 4;
    if fields.next().is_some() || !short(a) || !short(b) || !(long || c.len() == 2) {
        return None;
    }
    Some(([digits(a).ok()?, digits(b).ok()?, digits(c).ok()?], long))
}

/// Votes of the dates of a column.
#[derive(Debug)]
pub(super) struct OrderVotes {
    common: u8,
    support: [usize; 3],
    pub(super) dates: usize,
}

impl Default for OrderVotes {
    fn default() -> Self {
        Self { common: 0b111, support: [0; 3], dates: 0 }
    }
}

impl OrderVotes {
    pub(super) fn count(&mut self, orders: Orders) {
        if orders.none() {
            return;
        }
        self.dates += 1;
        self.common &= orders.0;
        for order in DateOrder::ALL.into_iter().filter(|order| orders.has(*order)) {
            self.support[order as usize] += 1;
        }
    }

    /// The order that fits all, else the one that fits the most; or the orders between which nothing
    /// decides.
    pub(super) fn elected(&self) -> Result<Option<DateOrder>, Orders> {
        match Orders(self.common) {
            _ if self.dates == 0 => Ok(None),
            Orders(0) => {
                let most = self.support.into_iter().max().unwrap_or(0);
                let fits = |order: &DateOrder| self.support[*order as usize] == most;
                let mut best = DateOrder::ALL.into_iter().filter(fits);
                Ok(best.next().filter(|_| best.next().is_none()))
            }
            common => common.only().map(Some).ok_or(common),
        }
    }
}

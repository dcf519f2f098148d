//! Rows that are of another kind than their columns say: kinds of ticks in one list, bars of futures and options, times
//! at which bars end.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;

use super::Mapper;
use crate::dataset::derivatives::Derivative;
use crate::dataset::describe::Derivation;
use crate::dataset::mapping::Mapping;
use crate::dataset::names::plain;
use crate::dataset::vocabulary::{place_of, texts_of};
use crate::error::{Error, Result};
use crate::model::text::Texts;
use crate::text::flags::MAP;
use crate::text::phrases::enumerated;

/// Names of columns that say which kind of tick a row is.
pub(super) const TICK_TYPES: [&str; 4] = ["ticktype", "tickfield", "field", "fieldname"];
/// What they say of a trade; the numbers are those of Interactive Brokers.
const TRADES: [&str; 8] = ["last", "trade", "trades", "alllast", "lastprice", "4", "48", "68"];
/// And of what is none.
const OTHERS: [&str; 14] = [
    "bid", "ask", "bidsize", "asksize", "lastsize", "bidask", "midpoint", "quote", "volume", "open", "high",
    "low", "close", "vwap",
];

/// Nanoseconds of a minute, and of all but its last second.
const MINUTE: i64 = 60_000_000_000;
const LAST_SECOND: i64 = 59_000_000_000;

/// Whether all times so far stand in the last second of a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ends {
    #[default]
    Unseen,
    /// So many of them do.
    All(usize),
    Some,
}

impl Mapper {
    /// Trades among bids, asks and volumes in one list are no list of trades.
    pub(super) fn refuse_other_ticks(&self, mapping: &Mapping, source: &RecordBatch) -> Result<()> {
        if self.settings.dataset.name != "ticks" || self.origin.past.is_some() {
            return Ok(());
        }
        for name in mapping.unused.iter().filter(|name| TICK_TYPES.contains(&plain(name).as_str())) {
            let Some(place) = place_of(source, name.trim()) else { continue };
            let Ok(texts) = texts_of(source.column(place)) else { continue };
            let Some(texts) = Texts::of(&texts) else { continue };
            let values: BTreeSet<&str> = texts.iter().flatten().map(str::trim).collect();
            let numbered = plain(name) == "ticktype";
            let is_other = |text: &&&str| match text.parse::<u32>() {
                Ok(_) => numbered && !TRADES.contains(*text),
                Err(_) => OTHERS.contains(&plain(text).as_str()),
            };
            let others: Vec<String> =
                values.iter().filter(is_other).take(5).map(|text| (*text).to_owned()).collect();
            if others.is_empty() {
                continue;
            }
            let trade = values.iter().find(|text| TRADES.contains(&plain(text).as_str()));
            let trade = trade.copied().unwrap_or(if numbered && others[0].parse::<u32>().is_ok() {
                "4"
            } else {
                "LAST"
            });
            return Err(Error::usage(format!(
                "column {name:?} has {}: these rows are not all trades; a layout in the configuration file takes those that are: only-rows = {{{name:?} = [{trade:?}]}}",
                enumerated(&others, "and")
            ))
            .at(&self.origin.source));
        }
        Ok(())
    }

    /// Takes note of where in its minute each bar stands.
    pub(super) fn look_at_ends(&mut self, columns: &RecordBatch) {
        let spaced = |derive: Option<Derivation>| matches!(derive, Some(Derivation::SpacingOf(_)));
        if self.ends == Ends::Some
            || !self.settings.dataset.columns.iter().any(|column| spaced(column.derive))
        {
            return;
        }
        let name = self.settings.dataset.time.as_deref();
        let times =
            name.and_then(|name| columns.column_by_name(name)?.as_primitive_opt::<TimestampNanosecondType>());
        let Some(times) = times else { return };
        let all = times.iter().flatten().all(|time| time.rem_euclid(MINUTE) >= LAST_SECOND);
        self.ends = match (all, self.ends) {
            (true, Ends::All(before)) => Ends::All(before + times.len()),
            (true, _) => Ends::All(times.len()),
            (false, _) => Ends::Some,
        };
    }

    /// What is to be said of rows that may be of another kind.
    pub(super) fn of_another_kind(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let dataset = &self.settings.dataset.name;
        if matches!(self.ends, Ends::All(2..)) {
            notes.push(format!(
                "every time is in the last second of a minute, so these look like the ends of bars and are stored as their starts; {MAP} ts=COLUMN takes a column with the start"
            ));
        }
        if matches!(dataset.as_ref(), "bars" | "ticks" | "quotes")
            && let Some((name, what)) =
                self.unused.iter().find_map(|name| Some((name, Derivative::of(&plain(name))?)))
        {
            notes.push(format!(
                "{:?} says that these are {}, and {dataset} do not keep it: contracts of one symbol take the place of one another",
                name.trim(),
                what.words()
            ));
        }
        notes
    }
}

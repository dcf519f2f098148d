//! What the first rows of an input tell of all that follow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::seam::SeamNote;
use crate::dataset::separators::Decimal;
use crate::dataset::time::{DateOrder, Last, Unit};

/// What a mapper has deduced, for the one that goes on with the same input: whose first rows may tell
/// another thing, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// The timeframe, from the spacing of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeframe: Option<String>,
    /// Forms of times, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<String, TimeForm>,
    /// By column, the last rows of its series where the clocks are changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, BTreeMap<u64, Last>>,
    /// What stands before the decimals of numbers that are not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// What the first rows without an id have to do with the last ones of the file before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seam: Option<SeamNote>,
}

impl Learned {
    /// Whether that is nothing.
    pub fn is_empty(&self) -> bool {
        self.timeframe.is_none()
            && self.times.is_empty()
            && self.series.is_empty()
            && self.decimal.is_none()
            && self.seam.is_none()
    }

    /// What holds for another input of the same writer too: not the timeframe.
    pub fn forms(&self) -> Self {
        Self { times: self.times.clone(), decimal: self.decimal, ..Self::default() }
    }
}

/// The form of the times of a column, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeForm {
    /// The unit of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The order of day and month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<DateOrder>,
    /// Digits of dates that are written as one number, from `YYYYMMDD` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u8>,
    /// Whether most numbers have the magnitude of the unit that the user gave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fits: bool,
    /// Whether its times are midnights of a place, of which the day is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub midnights: bool,
}

//! How the texts of a dead letter were to be read: `metadata.reading`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// How the columns of a dead letter that stand as the input's own text were to be read. All others
/// stand as they were understood: times in UTC, exact numbers, symbols in their case.
///
/// A replay reads those columns by it, unless its own flags say otherwise. Fields that say nothing are
/// left out; a record without any reading is of an earlier version, or of another program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// The columns that stand as the input's own text; `None`: all of them, under the input's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// `--timezone`: the zone of times that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `--timestamp-unit`: the unit of epochs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `--date-order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Whether times are stored as the day of their place, since they are those of bars of days.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local_days: bool,
    /// `--null`: further texts that stand for null.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub null: Vec<String>,
    /// `--decimal`: what stands before the decimals of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// `--scale`: what the numbers of columns are multiplied by where they stand as the input's own text; those that
    /// stand as they were understood have been.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scale: BTreeMap<String, String>,
    /// `--time-format`: how times are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_format: Vec<String>,
    /// `--keep-case`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_case: bool,
    /// What the input told of a column, by the column's canonical name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub forms: BTreeMap<String, Form>,
    /// Whether the row is one of a JSON input, whose strings are strings and no JSON in quotes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub typed: bool,
    /// Of a line that could not be read: the character between its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Of such a line: the names of its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
    /// Of a row under the input's own names: what columns have that no field of it tells, by `--set` and its
    /// short forms, by the name of the file or by the spacing of the rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Whether that goes before fields that mean the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_set: bool,
    /// Of such a row: `--map`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, String>,
    /// Of such a row: the day of its times of day, by the name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
}

/// What was deduced of a column from its other rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// The unit of epochs: `s`, `ms`, `us` or `ns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The order of day and month: `mdy`, `dmy` or `ymd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// What stands before the decimals of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// What stands between the thousands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<String>,
}

impl Form {
    /// Whether that is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Reading {
    /// Of rows that stand throughout as they were understood.
    pub fn understood() -> Arc<Self> {
        static UNDERSTOOD: LazyLock<Arc<Reading>> =
            LazyLock::new(|| Arc::new(Reading { columns: Some(Vec::new()), ..Reading::default() }));
        UNDERSTOOD.clone()
    }

    /// Whether the column stands as the input's own text.
    pub fn is_own_text(&self, column: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name == column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_left_out() {
        let json = |reading: &Reading| serde_json::to_string(reading).unwrap();
        assert_eq!(json(&Reading::default()), "{}");
        assert_eq!(json(&Reading::understood()), r#"{"columns":[]}"#);
        let form = Form { unit: Some("ms".into()), ..Form::default() };
        let reading = Reading {
            columns: Some(vec!["ts".into()]),
            zone: Some("Asia/Tokyo".into()),
            forms: [("ts".to_owned(), form)].into(),
            ..Reading::default()
        };
        let text = r#"{"columns":["ts"],"zone":"Asia/Tokyo","forms":{"ts":{"unit":"ms"}}}"#;
        assert_eq!(json(&reading), text);
        assert_eq!(serde_json::from_str::<Reading>(text).unwrap(), reading);
        assert!(serde_json::from_str::<Reading>(r#"{"later":1}"#).unwrap().is_own_text("x"));
    }
}

//! How values are read and written: the part of a plan that a replay shares with a load, and notes in its journal.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::app::plan::DataPlan;
use crate::error::{Error, Result, of_json};
use crate::settings::OnConflict;
use crate::text::choice::{self, Choice};

// What the fields are made of.
pub use crate::dataset::quality::Quality;
pub use crate::dataset::separators::Decimal;
pub use crate::dataset::time::{DateOrder, Unit};

/// How values are read and written, in loads and in replays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValuePlan {
    /// Columns, and the column or field of the input that each is taken from.
    pub map: Vec<(String, String)>,
    /// Columns that have the same value in every row.
    pub set: Vec<(String, String)>,
    /// What numbers are as times; else it is deduced.
    #[serde(with = "choice")]
    pub timestamp_unit: Option<Unit>,
    /// The zone of times that name none; else UTC.
    pub timezone: Option<String>,
    /// The order of dates; else it is deduced.
    #[serde(with = "choice")]
    pub date_order: Option<DateOrder>,
    /// What stands before the decimals of a number; else it is judged by all numbers of the input.
    pub decimal: Option<Decimal>,
    /// Further texts that stand for null.
    pub null: Vec<String>,
    /// Whether symbols stay in the case that they have.
    pub keep_case: bool,
    /// Whether values with more decimals than their column are rejected.
    pub exact: bool,
    /// Whether fractions are rounded for columns of whole numbers.
    pub round: bool,
    /// What happens to a row whose key is there already.
    #[serde(with = "word_alone")]
    pub on_conflict: OnConflict,
    /// What to do with implausible rows.
    #[serde(with = "word_alone")]
    pub quality: Quality,
}

impl ValuePlan {
    /// Refuses a value for `tenant_id` that is another tenant than the one that was given: neither may take
    /// precedence over the other in silence. `tenant` is the one that the store knows under the name `given`.
    ///
    /// # Errors
    /// Usage, where they are two.
    pub(crate) fn one_tenant(&self, given: &str, tenant: &str) -> Result<()> {
        let is = |value: &str, name: &str| match (Uuid::try_parse(value), Uuid::try_parse(name)) {
            (Ok(value), Ok(name)) => value == name,
            _ => value.eq_ignore_ascii_case(name),
        };
        match self.tenant() {
            Some(value) if !tenant.is_empty() && !is(value, tenant) && !is(value, given) => {
                Err(Error::usage(format!(
                    "--tenant {given} (or MDS_TENANT_ID) and --set tenant_id={value} name two tenants; leave one of them out"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The tenant that is given to every row.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.set.iter().rev().find(|(name, _)| name == "tenant_id").map(|(_, value)| value.trim())
    }
}

/// What a replay does to rows on the way, as its journal notes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MendPlan {
    /// Version of the form: 1 since values have the words of the flags. What has none is of the versions before, which
    /// noted the names of their own types; both are read.
    #[serde(default)]
    version: u32,
    /// The name of the dataset; else as the records say, or detected.
    #[serde(default, deserialize_with = "lowercase")]
    pub dataset: Option<String>,
    /// The table; else the one that the rows were meant for.
    #[serde(default)]
    pub table: Option<String>,
    /// How values are read and written.
    #[serde(flatten)]
    pub values: ValuePlan,
}

/// The version of a [`MendPlan`] that is written.
const VERSION: u32 = 1;

impl Default for MendPlan {
    /// Rows go as they are to where they were meant to go.
    fn default() -> Self {
        Self::new(None, None, ValuePlan::default())
    }
}

impl MendPlan {
    /// For that dataset and table.
    pub fn new(dataset: Option<String>, table: Option<String>, values: ValuePlan) -> Self {
        Self { version: VERSION, dataset, table, values }
    }

    /// As a journal has it.
    ///
    /// # Errors
    /// Usage, where a later version has noted it.
    pub(crate) fn read(noted: &Value) -> Result<Self> {
        let read = serde_json::from_value::<Self>(noted.clone()).map_err(|error| of_json(&error));
        let read = read.and_then(|plan| match plan.version {
            0..=VERSION => Ok(Self { version: VERSION, ..plan }),
            later => Err(format!("their form is {later}, and {VERSION} is known")),
        });
        read.map_err(|why| {
            Error::usage(format!(
                "the flags of an earlier replay are not understood: {why}; another version of mdsctl has noted them, finish the replay with that"
            ))
        })
    }

    /// As a load has it.
    pub(crate) fn data(&self) -> DataPlan {
        DataPlan {
            dataset: self.dataset.clone(),
            table: self.table.clone(),
            // What is set mends the rows.
            force_set: true,
            values: self.values.clone(),
            ..DataPlan::default()
        }
    }
}

fn lowercase<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|name| name.to_ascii_lowercase()))
}

mod word_alone {
    use super::*;

    pub(super) fn serialize<T: Choice, S: Serializer>(
        choice: &T,
        to: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(choice.word())
    }

    pub(super) fn deserialize<'de, T: Choice, D: Deserializer<'de>>(
        from: D,
    ) -> std::result::Result<T, D::Error> {
        T::of_word(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_journal_of_the_version_before_is_read() {
        // As 0.9 wrote it.
        let noted = json!({"dataset": "Bars", "table": null, "map": [["ts", "T"]], "set": [["vendor", "v"]],
            "timestamp_unit": "Ms", "timezone": "UTC", "date_order": "Dmy", "decimal": "comma", "null": ["n/a"],
            "keep_case": true, "exact": false, "round": true, "on_conflict": "Skip", "quality": "Reject"});
        let read = MendPlan::read(&noted).unwrap();
        let values = ValuePlan {
            map: vec![("ts".into(), "T".into())],
            set: vec![("vendor".into(), "v".into())],
            timestamp_unit: Some(Unit::Milli),
            timezone: Some("UTC".into()),
            date_order: Some(DateOrder::Dmy),
            decimal: Some(Decimal::Comma),
            null: vec!["n/a".into()],
            keep_case: true,
            exact: false,
            round: true,
            on_conflict: OnConflict::Skip,
            quality: Quality::Reject,
        };
        let plan = MendPlan::new(Some("bars".into()), None, values);
        assert_eq!(read, plan);
        // And as this one writes it.
        let noted = serde_json::to_value(&plan).unwrap();
        assert_eq!((&noted["version"], &noted["timestamp_unit"]), (&json!(1), &json!("ms")));
        assert_eq!(MendPlan::read(&noted).unwrap(), plan);
    }

    #[test]
    fn what_a_later_version_has_noted_is_left_to_it() {
        for noted in [json!({"version": 2}), json!({"version": 1, "quality": "guess"})] {
            let why = MendPlan::read(&noted).unwrap_err().to_string();
            assert!(why.contains("finish the replay with that"), "{why}");
        }
    }
}

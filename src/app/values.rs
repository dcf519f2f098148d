//! How values are read and written: the part of a plan that a replay shares with a load, and notes in its journal.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::app::plan::DataPlan;
use crate::app::spec::Spec;
use crate::error::{Error, Result, of_json};
use crate::settings::OnConflict;
use crate::source::OpenOptions;
use crate::text::flags::{SET, TENANT};

// What the fields are made of.
pub use crate::dataset::quality::Quality;
pub use crate::dataset::separators::Decimal;
pub use crate::dataset::time::{DateOrder, Unit};

/// How values are read and written, in loads and in replays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ValuePlan {
    /// Columns, and the column or field of the input that each is taken from.
    pub map: Vec<(String, String)>,
    /// Columns that have the same value in every row.
    pub set: Vec<(String, String)>,
    /// What numbers are as times; else it is deduced.
    pub timestamp_unit: Option<Unit>,
    /// The zone of times that name none; else UTC.
    pub timezone: Option<String>,
    /// The order of dates; else it is deduced.
    pub date_order: Option<DateOrder>,
    /// What stands before the decimals of a number; else it is judged by all numbers of the input.
    pub decimal: Option<Decimal>,
    /// Columns, and the factor that the numbers of the input are multiplied by.
    pub scale: Vec<(String, String)>,
    /// How times are written: formats as strftime has them, each with its column before a `=`, or that of the time
    /// column.
    pub time_format: Vec<String>,
    /// Further texts that stand for null.
    pub null: Vec<String>,
    /// Whether symbols stay in the case that they have.
    pub keep_case: bool,
    /// Whether values with more decimals than their column are rejected.
    pub exact: bool,
    /// Whether fractions are rounded for columns of whole numbers.
    pub round: bool,
    /// What happens to a row whose key is there already.
    pub on_conflict: OnConflict,
    /// What to do with implausible rows.
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
                    "{TENANT} {given} (or MDS_TENANT_ID) and {SET} tenant_id={value} name two tenants; leave one of them out"
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

/// What a replay does to rows on the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MendPlan {
    /// The name of the dataset; else as the records say, or detected.
    pub dataset: Option<String>,
    /// The table; else the one that the rows were meant for.
    pub table: Option<String>,
    /// How values are read and written.
    pub values: ValuePlan,
}

/// The version of the form that a journal has: a [`Spec`] since 2. Before, its names had underscores; that without a
/// version had the names of types for words, too. All are read.
const VERSION: u64 = 2;

impl MendPlan {
    /// For that dataset and table.
    pub fn new(dataset: Option<String>, table: Option<String>, values: ValuePlan) -> Self {
        Self { dataset, table, values }
    }

    /// For a journal.
    pub(crate) fn noted(&self) -> Result<Value> {
        let mut noted =
            serde_json::to_value(Spec::of(&self.data(), &OpenOptions::default())).map_err(|error| {
                Error::internal(format!("the journal cannot be written: {error}")).caused_by(error)
            })?;
        noted["version"] = VERSION.into();
        Ok(noted)
    }

    /// As a journal has it.
    ///
    /// # Errors
    /// Usage, where a later version has noted it.
    pub(crate) fn read(noted: &Value) -> Result<Self> {
        let fields = noted.as_object().into_iter().flatten();
        let mut fields: Map<String, Value> =
            fields.map(|(name, value)| (name.replace('_', "-"), value.clone())).collect();
        let version = fields.remove("version").unwrap_or_else(|| 0.into());
        if version.as_u64().is_none_or(|version| version > VERSION) {
            return Err(not_understood(&format!("their form is {version}, and {VERSION} is known")));
        }
        let spec = serde_json::from_value::<Spec>(fields.into())
            .map_err(|error| not_understood(&of_json(&error)).caused_by(error))?;
        let (data, _) = spec.plan();
        Ok(Self::new(data.dataset.map(|name| name.to_ascii_lowercase()), data.table, data.values))
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

fn not_understood(why: &str) -> Error {
    Error::usage(format!(
        "the flags of an earlier replay are not understood: {why}; another version of mdsctl has noted them, finish the replay with that"
    ))
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
            ..ValuePlan::default()
        };
        let plan = MendPlan::new(Some("bars".into()), None, values);
        assert_eq!(read, plan);
        // As the next ones did.
        let noted = json!({"version": 1, "dataset": "bars", "table": null, "map": [["ts", "T"]],
            "set": [["vendor", "v"]], "timestamp_unit": "ms", "timezone": "UTC", "date_order": "dmy",
            "decimal": "comma", "null": ["n/a"], "keep_case": true, "exact": false, "round": true,
            "on_conflict": "skip", "quality": "reject"});
        assert_eq!(MendPlan::read(&noted).unwrap(), plan);
        // And as this one writes it.
        let noted = plan.noted().unwrap();
        assert_eq!((&noted["version"], &noted["timestamp-unit"]), (&json!(2), &json!("ms")));
        assert_eq!(MendPlan::read(&noted).unwrap(), plan);
    }

    #[test]
    fn what_a_later_version_has_noted_is_left_to_it() {
        for noted in [json!({"version": 3}), json!({"version": 2, "quality": "guess"})] {
            let why = MendPlan::read(&noted).unwrap_err().to_string();
            assert!(why.contains("finish the replay with that"), "{why}");
        }
    }
}

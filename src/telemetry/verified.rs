//! What a comparison of files with a table has found.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// The table, for people.
    pub table: String,
    /// The dataset.
    pub dataset: String,
    /// Inputs, as the user named them.
    pub inputs: Vec<String>,
    /// Rows of the inputs, good and bad.
    pub read: u64,
    /// Rows of the inputs that the table cannot hold, or that could not be read.
    pub rejected: u64,
    /// Rows of the inputs that were compared, with those that a later row of their key replaces.
    pub compared: u64,
    /// Rows of the inputs that a later one of the same key replaces, as far as they lie in days that differ.
    pub superseded: u64,
    /// Rows of the table in the days that were compared.
    pub stored: u64,
    /// Rows of the table in that time that are of other series than those of the inputs.
    pub outside: u64,
    /// Rows that are in the inputs alone.
    pub missing: u64,
    /// Rows that have another value in the table.
    pub different: u64,
    /// Rows that are in the table alone.
    pub extra: u64,
    /// The same by symbol and day (`2024-03-07`), both empty where rows have none: rows that are missing in the table, that
    /// are different there, that are there alone.
    pub days: BTreeMap<(String, String), [u64; 3]>,
    /// Whether there are more days that differ than are listed.
    pub more_days: bool,
    /// The first rows that differ.
    pub differences: Vec<Difference>,
    /// Columns that were not compared.
    pub uncompared: Vec<String>,
    /// What was deduced, left out and passed over.
    pub notes: Vec<String>,
    /// What went wrong with the inputs.
    pub errors: Vec<String>,
    /// How long it took, in seconds.
    pub elapsed_s: f64,
}

impl Verified {
    /// Whether all that was compared is the same.
    pub fn is_equal(&self) -> bool {
        self.missing + self.different + self.extra + self.rejected == 0
    }
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is in the input, and not in the table.
    Missing,
    /// It is in both, with other values.
    Different,
    /// It is in the table, and not in the input.
    OnlyInStore,
}

impl Kind {
    /// As JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Different => "different",
            Self::OnlyInStore => "only_in_store",
        }
    }
}

/// A row that differs. Values are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// The columns of its key.
    pub key: Vec<(String, String)>,
    /// The columns that differ, with the value of the input and that of the table; of a row that is on one side alone its
    /// other columns, `null` on the other side.
    pub values: Vec<(String, String, String)>,
    /// Where the row of the input stands: the input, and the row in it.
    pub at: Option<(Arc<str>, u64)>,
}

impl Difference {
    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        let name = |name: &str| serde_json::Value::from(name).to_string();
        let list = |values: Vec<String>| format!("{{{}}}", values.join(","));
        let mut line = format!("{{\"difference\":\"{}\",\"key\":", self.kind.as_str());
        line += &list(self.key.iter().map(|(column, value)| format!("{}:{value}", name(column))).collect());
        if self.kind != Kind::OnlyInStore {
            line += ",\"input\":";
            line += &list(
                self.values.iter().map(|(column, value, _)| format!("{}:{value}", name(column))).collect(),
            );
        }
        if self.kind != Kind::Missing {
            line += ",\"store\":";
            line += &list(
                self.values.iter().map(|(column, _, value)| format!("{}:{value}", name(column))).collect(),
            );
        }
        if let Some((source, row)) = &self.at {
            line += &format!(",\"source\":{},\"row\":{row}", name(source));
        }
        line.push('}');
        line
    }
}

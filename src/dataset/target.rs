//! The table that rows go to, as a store describes it to the mapping.

use crate::dataset::Kind;

/// A column of an existing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetColumn {
    /// Name in the table.
    pub name: String,
    /// How text for it is read, from its type.
    pub kind: Kind,
    /// Its type as the store writes it, for messages (`numeric(20,8)`).
    pub type_name: String,
    /// Whether it takes null.
    pub nullable: bool,
    /// Whether the store fills it when it is not given.
    pub has_default: bool,
}

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Its name as messages show it (`public.bars`).
    pub table: String,
    /// Its columns, in the order of the table; generated columns left out.
    pub columns: Vec<TargetColumn>,
    /// Columns of the primary key or of the unique index that settles conflicts, in the order of
    /// that index; empty where rows are only appended.
    pub key: Vec<String>,
}

impl Target {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|c| c.name == name)
    }
}

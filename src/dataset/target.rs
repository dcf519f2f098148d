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
    /// Whether it fills it with the same value in every row.
    pub constant_default: bool,
    /// Which values are the same value to it.
    pub grain: Grain,
}

/// Which values become the same value in a column: what makes two rows of the input the same row
/// of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Only equal ones.
    Exact,
    /// Times in the same microsecond.
    Micros,
    /// Numbers that are equal when rounded to so many decimals.
    Scale(u8),
    /// Texts that are equal when cut to so many characters, where only blanks are cut off.
    Chars(u32),
    /// Only the store knows (a float's width, a collation, an expression).
    Opaque,
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
    /// Columns of a unique index that the store fills by itself (`id bigserial`), where there is no
    /// other: the key of rows that bring them.
    pub surrogate: Vec<String>,
}

impl Target {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether the column of that name takes no null.
    pub fn refuses_null(&self, name: &str) -> bool {
        self.column(name).is_some_and(|column| !column.nullable)
    }
}

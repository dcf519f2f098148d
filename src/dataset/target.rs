//! The table that rows go to, as a store describes it to the mapping.

mod changes;

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
    pub grain: KeyPrecision,
}

/// Which values become the same value in a column: what makes two rows of the input the same row
/// of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPrecision {
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

/// What a null in the key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyNulls {
    /// There is none.
    #[default]
    Never,
    /// The row is like no other: it is appended, as often as it comes.
    Apart,
    /// It is a value like others (`NULLS NOT DISTINCT`).
    Alike,
}

/// A constraint by which what becomes of a row depends on the rows before it: a unique or exclusion
/// constraint, the key's own among them, or a foreign key to the table itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its columns; none where it is about expressions.
    pub columns: Vec<String>,
    /// Whether it forbids that two rows are equal in them, and nothing else.
    pub unique: bool,
    /// Whether it lets a row pass with a null in one of them.
    pub passes_null: bool,
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
    /// Columns of a unique index that the store fills by itself (`id bigserial`): the key of rows that bring them.
    pub surrogate: Vec<String>,
    /// What a null in `key` means.
    pub nulls: KeyNulls,
    /// What makes the order of rows count.
    pub rules: Vec<Rule>,
}

/// The key of rows that bring these columns: that which the store numbers by itself for those that bring it, since
/// by the other one such a row would change the number of the row that is there.
pub fn key_of<'k>(
    (key, nulls): (&'k [String], KeyNulls),
    surrogate: &'k [String],
    brings: impl Fn(&str) -> bool,
) -> (&'k [String], KeyNulls) {
    match !surrogate.is_empty() && surrogate.iter().all(|name| brings(name)) {
        true => (surrogate, KeyNulls::Never),
        false => (key, nulls),
    }
}

impl Target {
    /// The key of rows that bring these columns.
    pub fn key_of(&self, brings: impl Fn(&str) -> bool) -> (&[String], KeyNulls) {
        key_of((&self.key, self.nulls), &self.surrogate, brings)
    }

    /// Whether every row has a key, so that writing rows again leaves the same table.
    pub fn is_keyed(&self) -> bool {
        !self.key.is_empty() && self.nulls != KeyNulls::Apart
    }

    /// Whether what becomes of a row that brings these columns depends on other rows than those of its
    /// key.
    pub fn is_ordered(&self, brings: impl Fn(&str) -> bool) -> bool {
        let (key, nulls) = self.key_of(&brings);
        self.rules.iter().any(|rule| {
            let has_key = !key.is_empty() && key.iter().all(|name| rule.columns.contains(name));
            // The key itself, or less than it forbids already.
            let implied =
                rule.unique && has_key && (nulls == KeyNulls::Never || rule.columns.len() == key.len());
            // A number of the store's own meets no other, and neither does what is left empty.
            let passed = |name: &String| {
                self.column(name).is_some_and(|column| {
                    let own = column.has_default && !column.constant_default;
                    !brings(name) && (own || !column.has_default && rule.passes_null)
                })
            };
            !implied && !rule.columns.iter().any(passed)
        })
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether the column of that name takes no null.
    pub fn refuses_null(&self, name: &str) -> bool {
        self.column(name).is_some_and(|column| !column.nullable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Target {
        let column = |name: &str, nullable, has_default, constant_default| TargetColumn {
            name: name.into(),
            kind: Kind::Text,
            type_name: "text".into(),
            nullable,
            has_default,
            constant_default,
            grain: KeyPrecision::Exact,
        };
        Target {
            columns: vec![
                column("id", false, true, false),
                column("a", false, false, false),
                column("b", true, false, false),
                column("ticket", true, false, false),
                column("desk", true, true, true),
            ],
            key: vec!["a".into()],
            ..Target::default()
        }
    }

    fn ordered(rules: &[(&[&str], bool)], brings: &[&str]) -> bool {
        let rule = |(columns, unique): &(&[&str], bool)| Rule {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            unique: *unique,
            passes_null: true,
        };
        let target = Target { rules: rules.iter().map(rule).collect(), ..table() };
        target.is_ordered(|name| brings.contains(&name))
    }

    #[test]
    fn a_constraint_that_no_row_can_meet_leaves_all_lanes_open() {
        let (all, some) = (["id", "a", "b", "ticket"], ["a", "b"]);
        for (rules, with_all, with_some) in [
            // The key itself, and what it forbids already.
            (&[(&["a"][..], true), (&["b", "a"][..], true)][..], false, false),
            // A number of the server's own, and a column that stays empty.
            (&[(&["id"], true)], true, false),
            (&[(&["ticket", "b"], true)], true, false),
            (&[(&["desk"], true)], true, true),
            (&[(&["b"], true)], true, true),
            // An exclusion by the key and more, an expression, a reference to the table itself.
            (&[(&["a", "b"], false)], true, true),
            (&[(&[], true)], true, true),
            (&[(&["ticket"], false)], true, false),
        ] {
            assert_eq!((ordered(rules, &all), ordered(rules, &some)), (with_all, with_some), "{rules:?}");
        }
    }

    #[test]
    fn a_numbered_key_is_that_of_rows_that_bring_it() {
        let target =
            Target { key: vec!["b".into()], surrogate: vec!["id".into()], nulls: KeyNulls::Apart, ..table() };
        assert_eq!(target.key_of(|name| name != "id"), (&["b".to_owned()][..], KeyNulls::Apart));
        assert_eq!(target.key_of(|_| true), (&["id".to_owned()][..], KeyNulls::Never));
        assert!(!target.is_keyed() && table().is_keyed());
    }
}

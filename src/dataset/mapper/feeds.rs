//! What feeds each column of the table, as far as it is known.

use std::sync::Arc;

use super::Mapper;
use crate::dataset::daytime::Day;
use crate::dataset::mapping::ColumnSource;

/// A column of the table, and what its values are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// The column.
    pub target: Arc<str>,
    /// What feeds it.
    pub by: FedBy,
}

/// What the values of a column are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FedBy {
    /// Columns of the input, by their places and their names.
    Columns(Vec<(usize, String)>),
    /// A value that a flag or a layout gives to every row.
    Value,
    /// Nothing feeds it: it is null in every row.
    Nothing,
    /// The row as a whole.
    Row,
}

impl Mapper {
    /// What feeds the columns, in their order; nothing before the first rows.
    pub fn feeds(&self) -> Vec<Fed> {
        let Some((schema, mapping)) = &self.mapping else { return Vec::new() };
        let fields = schema.fields();
        let named = |index: usize| Some((index, fields.get(index)?.name().clone()));
        let by = |source: &ColumnSource| match source {
            ColumnSource::Source(index) if *index < fields.len() => {
                FedBy::Columns(named(*index).into_iter().collect())
            }
            ColumnSource::Source(index) => {
                let Some(join) = mapping.joins.get(index - fields.len()) else { return FedBy::Row };
                let day = match &join.day {
                    Day::Source(day) => Some(*day),
                    Day::Constant(_) => None,
                };
                let parts = day.into_iter().chain([join.clock]).chain(join.minutes);
                FedBy::Columns(parts.filter_map(named).collect())
            }
            ColumnSource::Constant(_) => FedBy::Value,
            ColumnSource::Null => FedBy::Nothing,
            ColumnSource::Derived(_) => FedBy::Row,
        };
        let fed =
            |(_, name, source): &(_, Arc<str>, ColumnSource)| Fed { target: name.clone(), by: by(source) };
        mapping.columns.iter().map(fed).collect()
    }
}

//! Rows at fault, as dead letters keep them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::FilterBuilder;

use super::{Mapper, current};
use crate::batch::{Form, Reading, Reject, RejectedData, Stage};
use crate::dataset::describe::{Column, Derivation, NO_TENANT};
use crate::dataset::faults::Faults;
use crate::dataset::json_row;
use crate::dataset::mapping::{ColumnSource, Mapping};
use crate::dataset::quality;
use crate::dataset::reading::form_of;
use crate::dataset::time::TimeReader;
use crate::error::{Error, Result};
use crate::model::text::Texts;

impl Mapper {
    /// Rows at fault: each column as it was understood, and those that were not as the input's own text.
    /// What of the input a replay makes the column of again, where it is made of the whole row: the
    /// text that the input has, or nothing.
    pub(super) fn made_of<'t>(
        &self,
        column: &Column,
        given: Option<Texts<'t>>,
        row: usize,
    ) -> Option<Option<&'t str>> {
        let said = given?.get(row);
        let text = said.map(str::trim).filter(|text| !text.is_empty() && !self.settings.nulls.matches(text));
        match (column.derive, text) {
            (Some(Derivation::ContentHash | Derivation::Article { .. }), None) => Some(None),
            // A UUID stays, unless another row has it already.
            (Some(Derivation::Article { .. }), Some(text)) if uuid::Uuid::try_parse(text).is_err() => {
                Some(Some(text))
            }
            _ => None,
        }
    }

    pub(super) fn rejects(
        &self,
        mapping: &Mapping,
        source: &RecordBatch,
        columns: &RecordBatch,
        rows: &[u64],
        faults: &Faults,
    ) -> Vec<Reject> {
        if faults.is_empty() {
            return Vec::new();
        }
        let texts: Vec<Option<Texts<'_>>> = source.columns().iter().map(Texts::of).collect();
        let item = |row: usize| {
            let unread = faults.unread(row);
            let mut out = String::from("{");
            let understood = columns.schema_ref().fields().iter().zip(columns.columns());
            for ((column, name, feed), (field, made)) in mapping.columns.iter().zip(understood) {
                let again = match feed {
                    ColumnSource::Source(index) => self.made_of(column, texts[*index], row),
                    _ => None,
                };
                match feed {
                    _ if again.is_some() => {
                        if let Some(text) = again.flatten() {
                            json_row::begin_field(&mut out, name);
                            json_row::write_text(text, &mut out);
                        }
                    }
                    ColumnSource::Source(index) if unread.iter().any(|(unread, _)| unread == name) => {
                        json_row::begin_field(&mut out, name);
                        match texts[*index].and_then(|t| t.get(row)) {
                            Some(text)
                                if column.kind.is_number() && json_row::is_number_everywhere(text.trim()) =>
                            {
                                out.push_str(text.trim());
                            }
                            _ => json_row::write_value(source.column(*index), row, &mut out),
                        }
                    }
                    ColumnSource::Source(_) | ColumnSource::Null => {
                        json_row::begin_field(&mut out, name);
                        json_row::write_understood(field, made, row, &mut out);
                    }
                    ColumnSource::Constant(text) if text != NO_TENANT => {
                        json_row::begin_field(&mut out, name);
                        json_row::write_understood(field, made, row, &mut out);
                    }
                    // Alone, the row would not tell it again.
                    ColumnSource::Derived(Derivation::SpacingOf(_)) => {
                        if let Some(timeframe) = &self.timeframe {
                            json_row::begin_field(&mut out, name);
                            json_row::write_text(timeframe, &mut out);
                        }
                    }
                    _ => {}
                }
            }
            out.push('}');
            out
        };
        let mut readings: HashMap<&[(Arc<str>, &'static str)], Arc<Reading>> = HashMap::new();
        let mut rejects = Vec::new();
        for (row, reason) in faults.sorted() {
            if reason.code == quality::EMPTY {
                continue;
            }
            let unread = faults.unread(row);
            let reading =
                readings.entry(unread).or_insert_with(|| Arc::new(self.reading_of(mapping, unread)));
            rejects.push(Reject {
                stage: Stage::Validate,
                reason,
                origin: self.origin.clone(),
                row: rows[row],
                remains: RejectedData::Item(item(row)),
                reading: Some(reading.clone()),
                attempts: 1,
            });
        }
        rejects
    }

    /// What stands before the decimals of that column's numbers, where others told it.
    pub(super) fn decimal_of(&self, name: &str) -> Option<String> {
        let own = self.settings.dataset.column(name).map(|column| column.kind);
        let kind = own.or_else(|| self.settings.target.column(name).map(|column| column.kind))?;
        let decimal = self.signs.learned().filter(|_| kind.is_number())?;
        Some(decimal.sign().to_string())
    }

    /// How a row is to be read of which those columns were not.
    pub(super) fn reading_of(&self, mapping: &Mapping, unread: &[(Arc<str>, &'static str)]) -> Reading {
        // An epoch that speaks for another unit than its neighbours is not read by theirs. (That it has no
        // value is noted too.)
        let other = |name: &str| unread.iter().any(|(of, code)| &**of == name && *code == "timestamp_unit");
        let forms = unread.iter().filter_map(|(name, _)| {
            let form = form_of(self.times.get(name)?, !other(name));
            let form = Form { decimal: self.decimal_of(name), ..form };
            (!form.is_empty()).then(|| (name.to_string(), form))
        });
        let mut columns: Vec<String> = unread.iter().map(|(name, _)| name.to_string()).collect();
        columns.extend(current::words(mapping));
        let mut named = HashSet::new();
        columns.retain(|name| named.insert(name.clone()));
        let mut reading = self.readings.note(Some(columns), forms.collect());
        let placed = self.settings.time.zone.is_some() || self.times.values().any(TimeReader::is_placed);
        reading.local_days |= self.days_now == Some(true) && placed;
        // Nor by the unit that was given for all of them.
        if unread.iter().any(|(_, code)| *code == "timestamp_unit") {
            reading.unit = None;
        }
        reading
    }
}

pub(super) fn without(
    columns: &RecordBatch,
    rows: &[u64],
    faults: &Faults,
) -> Result<(RecordBatch, Vec<u64>)> {
    let keep: BooleanArray = (0..rows.len()).map(|row| Some(faults.of(row).is_none())).collect();
    let filter = FilterBuilder::new(&keep).optimize().build();
    let kept = filter
        .filter_record_batch(columns)
        .map_err(|e| Error::internal(format!("rows cannot be set aside: {e}")))?;
    let numbers =
        rows.iter().enumerate().filter(|(row, _)| faults.of(*row).is_none()).map(|(_, n)| *n).collect();
    Ok((kept, numbers))
}

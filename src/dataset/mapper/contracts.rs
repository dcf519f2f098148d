//! Columns of an option that the symbol of its contract says.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::Mapper;
use super::input::rank;
use crate::dataset::contracts::Contract;
use crate::dataset::describe::{Column, Kind};
use crate::dataset::mapping::target_of;
use crate::dataset::names::plain;
use crate::error::{Error, Result};
use crate::model::text::Texts;
use crate::text::phrases::enumerated;

/// Values of a column that are looked at.
const SAMPLE: usize = 256;

impl Mapper {
    /// The rows with what the symbols of their contracts say, where they have no columns for it.
    pub(super) fn with_contracts(&mut self, source: &RecordBatch) -> Result<RecordBatch> {
        let missing = self.untold_by_columns(source);
        if missing.is_empty() {
            return Ok(source.clone());
        }
        let schema = source.schema_ref();
        let known = self.contracts.clone();
        let place = match &known {
            Some(name) => schema.fields().iter().position(|field| field.name() == name),
            None => (0..source.num_columns()).find(|place| holds_contracts(source.column(*place))),
        };
        let Some(place) = place else { return Ok(source.clone()) };
        let column = source.column(place).clone();
        let Some(texts) = Texts::of(&column) else { return Ok(source.clone()) };
        let name = schema.field(place).name().clone();
        let symbol = self.symbol_by(source, place);
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        let mut columns = source.columns().to_vec();
        let mut told: Vec<String> = Vec::new();
        for (what, part) in symbol
            .as_ref()
            .map(|(symbol, _)| (symbol, "symbol"))
            .into_iter()
            .chain(missing.iter().map(|(name, part)| (name, *part)))
        {
            let mut made = StringBuilder::with_capacity(texts.len(), texts.len() * 8);
            let mut text = String::new();
            for row in 0..texts.len() {
                let Some(given) = texts.get(row) else {
                    made.append_null();
                    continue;
                };
                text.clear();
                match Contract::read(given) {
                    Some(contract) => match part {
                        "symbol" => text.push_str(contract.root),
                        "expiry" => contract.write_expiry(&mut text),
                        "strike" => contract.write_strike(&mut text),
                        _ => text.push_str(contract.right),
                    },
                    // For the reader of the column to refuse.
                    None => text.push_str(given),
                }
                made.append_value(&text);
            }
            let made: ArrayRef = Arc::new(made.finish());
            let field = Arc::new(Field::new(what.as_str(), DataType::Utf8, true));
            told.push(what.clone());
            match part {
                // A column of symbols has that of the underlying from here on.
                "symbol" if symbol.as_ref().is_some_and(|(_, replaces)| *replaces) => {
                    if let (Some(old), Some(array)) = (fields.get_mut(place), columns.get_mut(place)) {
                        *old = Arc::new(Field::new(name.as_str(), DataType::Utf8, true));
                        *array = made;
                    }
                }
                _ => {
                    fields.push(field);
                    columns.push(made);
                }
            }
        }
        if known.is_none() {
            let are = if told.len() == 1 { "is" } else { "are" };
            self.notes.push(format!("{} {are} read from the contracts in {name}", enumerated(&told, "and")));
            self.contracts = Some(name);
        }
        let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|e| Error::internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    /// Columns that neither the rows nor anybody else has, and that a contract says; with which part of it.
    fn untold_by_columns(&self, source: &RecordBatch) -> Vec<(String, &'static str)> {
        let dataset = &self.settings.dataset;
        if !dataset.columns.iter().any(|column| column.kind == Kind::OptionType) {
            return Vec::new();
        }
        let part = |column: &Column| match column.kind {
            Kind::OptionType => Some("right"),
            Kind::Date => Some("expiry"),
            Kind::Number if column.name == "strike" => Some("strike"),
            _ => None,
        };
        let columns = dataset.columns.iter().filter_map(|column| Some((column, part(column)?)));
        let untold = columns.filter(|(column, _)| !self.is_told(column, source));
        untold.map(|(column, part)| (column.name.to_string(), part)).collect()
    }

    /// Whether a column of the rows, a flag, a layout or the name of the file tells it.
    fn is_told(&self, column: &Column, source: &RecordBatch) -> bool {
        let options = &self.options;
        let (dataset, target) = (&self.settings.dataset, &self.settings.target);
        let is_it = |name: &str| target_of(name, dataset, target).is_ok_and(|name| *name == *column.name);
        let has = |wanted: &str| {
            source.schema_ref().fields().iter().any(|field| plain(field.name()) == plain(wanted))
        };
        let mut said = options.sets.iter().chain(&options.from_name).chain(&options.maps);
        said.any(|(name, _)| is_it(name))
            || options.soft_maps.iter().any(|(name, source)| is_it(name) && has(source))
            || source.schema_ref().fields().iter().any(|field| rank(column, field.name().trim()).is_some())
    }

    /// The column for the symbol of the underlying, which the contracts in that place say, and whether that takes their
    /// place; `None` where something else tells it.
    fn symbol_by(&self, source: &RecordBatch, place: usize) -> Option<(String, bool)> {
        let columns = self.settings.dataset.columns.iter();
        let column = columns.into_iter().find(|column| column.kind == Kind::Symbol)?;
        let name = source.schema_ref().field(place).name().trim();
        let (dataset, target) = (&self.settings.dataset, &self.settings.target);
        let by_layout = |(own, source): &(String, String)| {
            source == name && target_of(own, dataset, target).is_ok_and(|own| *own == *column.name)
        };
        if rank(column, name).is_some() || self.options.soft_maps.iter().any(by_layout) {
            // Unless another column has the underlying by the better name.
            return Some((name.to_owned(), true));
        }
        (!self.is_told(column, source)).then(|| (column.name.to_string(), false))
    }
}

/// Whether most of the first values of a column are contracts. A stray word costs its own row.
fn holds_contracts(column: &ArrayRef) -> bool {
    let Some(texts) = Texts::of(column) else { return false };
    let seen = texts.iter().flatten().filter(|text| !text.trim().is_empty()).take(SAMPLE);
    let (mut contracts, mut others) = (0, 0);
    for text in seen {
        *if Contract::read(text).is_some() { &mut contracts } else { &mut others } += 1;
    }
    contracts > 0 && contracts >= others
}

//! The columns of the table, made of those of the input.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{Field, Schema, TimestampNanosecondType};
use uuid::Uuid;

use super::{Mapper, current};
use crate::dataset::articles::{article, article_id};
use crate::dataset::convert::{CastError, Conversion, Unreadable};
use crate::dataset::describe::{Check, Column, Derivation, Kind};
use crate::dataset::faults::Faults;
use crate::dataset::json_text::{StringRows, is_json};
use crate::dataset::mapping::{ColumnSource, Mapping};
use crate::dataset::nulls::{NullTokens, Nulled};
use crate::dataset::time::TimeReader;
use crate::dataset::{dictionary, json_row};
use crate::error::{Error, Result};
use crate::model::text::Texts;
use crate::model::values::Values;
use crate::text::flags::{MAP, SET, TENANT};
use crate::text::phrases::list;

impl Mapper {
    pub(super) fn columns(
        &mut self,
        mapping: &Mapping,
        source: &RecordBatch,
        faults: &mut Faults,
    ) -> Result<RecordBatch> {
        let rows = source.num_rows();
        let settings = self.settings.clone();
        let mut made: Vec<Option<ArrayRef>> = vec![None; mapping.columns.len()];
        self.nulled_now.clear();
        let series = self.series(mapping, source);
        let (keeps_given, days_now) = (self.keeps_given(), self.days_now);
        self.given.clear();
        let numbers = mapping.columns.iter().filter_map(|(column, name, feed)| match feed {
            ColumnSource::Source(index) if column.kind.is_number() && self.readings.signs(name).is_none() => {
                strings(source, *index)
            }
            _ => None,
        });
        let numbers: Vec<ArrayRef> = numbers.collect();
        self.signs.look(&numbers.iter().filter_map(Texts::of).collect::<Vec<_>>());
        for (at, (place, (column, name, feed))) in made.iter_mut().zip(&mapping.columns).enumerate() {
            if matches!(feed, ColumnSource::Constant(_))
                && let Some(made) = self.constants.get(name).filter(|made| made.len() >= rows)
            {
                *place = Some(made.slice(0, rows));
                continue;
            }
            let given: ArrayRef = match feed {
                ColumnSource::Source(index) => {
                    // What is multiplied, or spelled out, is made anew of what came of it.
                    let is_plain = self.readings.scale(name).is_none()
                        && self.readings.time_options(name).format.is_none();
                    if keeps_given && is_plain {
                        current::keep(&mut self.given, at, source.column(*index));
                    }
                    source.column(*index).clone()
                }
                ColumnSource::Constant(text) => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
                }
                ColumnSource::Null => Arc::new(StringArray::new_null(rows)),
                ColumnSource::Derived(_) => continue,
            };
            let constant = matches!(feed, ColumnSource::Constant(_));
            let given = match feed {
                ColumnSource::Source(_) => self.in_numbers(given, name),
                _ => given,
            };
            let (given, is_text) = match feed {
                ColumnSource::Source(index) if column.kind == Kind::Json => {
                    self.json(given, source.schema_ref(), *index, name)
                }
                _ => (given, true),
            };
            // What has a type of its own is no JSON in quotes: a time is a JSON string.
            let of_time = is_text && column.kind == Kind::Json && given.data_type().is_temporal();
            let readings = &self.readings;
            let times = self.times.entry(name.clone()).or_insert_with(|| match constant {
                true => TimeReader::new(settings.time.clone()),
                false => readings.times(name),
            });
            if let Some(days) = days_now {
                times.are_local_days(days);
            }
            let how = readings.of(name);
            // What a flag says is meant.
            let none = NullTokens::default();
            let (nulls, keep_case) = match constant {
                true => (&none, settings.keep_case),
                false => (&how.nulls, how.keep_case),
            };
            let (mut own, mut nulled) = (Faults::default(), Nulled::default());
            let mut remembered = readings.signs(name);
            let separators = match &mut remembered {
                _ if constant => None,
                Some(remembered) => remembered.as_mut(),
                None => Some(&mut self.signs),
            };
            let mut conversion = Conversion {
                column,
                name,
                nulls,
                times,
                keep_case,
                folds: self.folds.entry(name.clone()).or_default(),
                wide: settings.dataset.signature.is_empty(),
                series: &series,
                telling_key: !settings.dataset.signature.is_empty(),
                separators,
                scale: readings.scale(name).filter(|_| matches!(feed, ColumnSource::Source(_))),
                strings: match feed {
                    ColumnSource::Source(index) if column.kind.is_number() || column.kind == Kind::Nanos => {
                        StringRows::of(source.schema_ref(), *index)
                    }
                    _ => StringRows::All,
                },
                faults: if constant { &mut own } else { faults },
                nulled: &mut nulled,
            };
            let converted = conversion.run(&given).map_err(|unreadable| {
                let named = match feed {
                    ColumnSource::Source(index) => source.schema_ref().field(*index).name().clone(),
                    _ => name.to_string(),
                };
                let what = match unreadable {
                    Unreadable::Type(CastError(what)) => {
                        format!("column {named:?} {what}; map another one to {name}: {MAP} {name}=COLUMN")
                    }
                    Unreadable::DateOrder(doubt) => format!(
                        "none of the first rows settles the order of the dates in column {named:?}: each {doubt}"
                    ),
                };
                Error::usage(what).at(&self.origin.source)
            })?;
            if settings.time.local_days
                && self.origin.past.is_none()
                && settings.dataset.time.as_deref() == Some(name)
                && let ColumnSource::Source(index) = feed
                && let Some((times, days)) = conversion.several_a_day(&given, &converted)
            {
                let column = source.schema_ref().field(*index).name().trim();
                return Err(self.no_days(column, times, days));
            }
            let converted = match Texts::of(&converted).filter(|_| of_time) {
                Some(texts) => {
                    let quoted = texts.iter().map(|text| text.map(|text| format!("\"{text}\"")));
                    Arc::new(quoted.collect::<StringArray>()) as ArrayRef
                }
                None => converted,
            };
            if column.kind == Kind::Json
                && is_text
                && !constant
                && let Some(texts) = Texts::of(&converted)
            {
                for (row, text) in texts.iter().enumerate() {
                    if text.is_some_and(|text| !is_json(text)) {
                        faults.add(row, name, "22P02", || format!("{name} is not JSON"));
                    }
                }
            }
            if !constant && !nulled.is_empty() {
                self.nulled_now.push((name.clone(), nulled));
            }
            if matches!(column.kind, Kind::Symbol | Kind::UpperSymbol) && !constant {
                self.codes.entry(name.clone()).or_default().look(&given, &converted);
            }
            if let (ColumnSource::Source(_), "tenant_id", Some(tenant)) = (feed, &**name, &settings.tenant) {
                let texts = Texts::of(&converted);
                for row in 0..rows {
                    if texts.and_then(|t| t.get(row)).is_some_and(|t| !t.eq_ignore_ascii_case(tenant)) {
                        faults.refuse(row, name, "wrong_tenant", || {
                            format!("tenant_id is another one than {TENANT}")
                        });
                    }
                }
            }
            if let (ColumnSource::Constant(text), Some(reason)) = (feed, own.of(0)) {
                return Err(Error::usage(format!("{SET} {name}={text}: {}", reason.message)));
            }
            *place = Some(if constant {
                let empty = column.derive == Some(Derivation::Empty) && settings.target.refuses_null(name);
                let converted = if empty { or_empty(&converted) } else { converted };
                let column = dictionary::constant(&converted);
                self.constants.insert(name.clone(), column.clone());
                column
            } else {
                converted
            });
        }
        // The tenant goes before what the name of a file, a folder or a dead letter says: such rows are
        // refused, like those that say another one themselves.
        if let Some(tenant) = &settings.tenant {
            let other = |text: &str| match (Uuid::try_parse(text.trim()), Uuid::try_parse(tenant)) {
                (Ok(text), Ok(tenant)) => text != tenant,
                _ => !text.trim().eq_ignore_ascii_case(tenant),
            };
            let told = mapping.columns.iter().find(|(_, name, _)| **name == *"tenant_id");
            if let Some((_, name, ColumnSource::Constant(text))) = told
                && other(text)
            {
                for row in 0..rows {
                    faults.refuse(row, name, "wrong_tenant", || {
                        format!("tenant_id is another one than {TENANT}")
                    });
                }
            }
        }
        for index in 0..made.len() {
            let (column, name, feed) = &mapping.columns[index];
            let given = made[index].clone();
            let derive = match (feed, column.derive) {
                (ColumnSource::Derived(derive), _) => *derive,
                (_, Some(derive @ Derivation::Article { .. })) => derive,
                (_, Some(Derivation::ContentHash)) if has_null(given.as_ref()) => Derivation::ContentHash,
                _ => continue,
            };
            let array = self.derive(derive, given, mapping, &mut made, rows)?;
            if matches!(derive, Derivation::Article { .. }) {
                for row in (0..rows).filter(|row| array.is_null(*row)) {
                    faults.add(row, name, "missing_value", || {
                        format!("{name} has no value and none to make it of")
                    });
                }
            }
            made[index] = Some(array);
        }
        // Last, since to what is derived a column that is empty and one that is missing are the same.
        for (place, (column, name, _)) in made.iter_mut().zip(&mapping.columns) {
            if column.derive == Some(Derivation::Empty)
                && settings.target.refuses_null(name)
                && let Some(array) = place.as_ref().filter(|array| array.null_count() > 0)
            {
                *place = Some(or_empty(array));
            }
        }
        let arrays: Vec<ArrayRef> = made.into_iter().flatten().collect();
        if arrays.is_empty() {
            let found = list(source.schema_ref().fields().iter().map(|f| f.name().as_str()));
            return Err(Error::usage(format!(
                "{}: none of its columns goes into {}: found {found}; name one with {MAP} TARGET=COLUMN",
                self.origin.source, settings.target.table
            )));
        }
        let same = self.output.as_ref().is_some_and(|s| {
            s.fields().len() == arrays.len()
                && s.fields().iter().zip(&arrays).zip(&mapping.columns).all(|((f, a), (_, name, _))| {
                    f.data_type() == a.data_type() && f.name().as_str() == &**name
                })
        });
        if !same {
            let fields = mapping.columns.iter().zip(&arrays);
            let fields: Vec<Field> = fields
                .map(|((column, name, _), a)| {
                    let field = Field::new(name.as_ref(), a.data_type().clone(), true);
                    if column.kind == Kind::Json { json_row::marked_as_json(field) } else { field }
                })
                .collect();
            self.output = Some(Arc::new(Schema::new(fields)));
        }
        let schema = self.output.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
        RecordBatch::try_new(schema, arrays)
            .map_err(|e| Error::internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    /// A column with the numbers that its words stand for, where the dataset knows some.
    fn in_numbers(&mut self, given: ArrayRef, name: &str) -> ArrayRef {
        let known = self.settings.dataset.checks.iter().find_map(|check| match *check {
            Check::Words(column, words) if column == name => Some(words),
            _ => None,
        });
        let (Some(words), Some(texts)) = (known, Texts::of(&given)) else { return given };
        let number = |text: &str| {
            let is_it = |(word, _): &&(&str, &'static str)| text.trim().eq_ignore_ascii_case(word);
            words.iter().find(is_it).map(|(_, number)| *number)
        };
        if !texts.iter().flatten().any(|text| number(text).is_some()) {
            return given;
        }
        let all: Vec<String> = words.iter().map(|(word, number)| format!("{word} as {number}")).collect();
        let note = format!("words of {name} are read as numbers: {}", all.join(", "));
        let made: StringArray =
            texts.iter().map(|text| text.map(|text| number(text).unwrap_or(text))).collect();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        Arc::new(made)
    }

    /// The columns of the input that name the series of a row, where the order of its rows matters.
    pub(super) fn series(&self, mapping: &Mapping, source: &RecordBatch) -> Vec<ArrayRef> {
        const NAMES: [&str; 5] = ["symbol", "exchange", "vendor", "timeframe", "interval"];
        let ours = !self.settings.dataset.signature.is_empty();
        let names_one = |column: &Column, name: &str| match column.kind {
            Kind::Symbol | Kind::UpperSymbol => true,
            Kind::Text | Kind::Words | Kind::OptionType if !ours => {
                self.settings.target.key.iter().any(|key| key == name)
            }
            _ => NAMES.contains(&name),
        };
        let of = |(column, name, feed): &(Column, Arc<str>, ColumnSource)| match feed {
            ColumnSource::Source(index) if names_one(column, name) => Some(source.column(*index).clone()),
            _ => None,
        };
        mapping.columns.iter().filter_map(of).collect()
    }

    pub(super) fn derive(
        &mut self,
        derive: Derivation,
        given: Option<ArrayRef>,
        mapping: &Mapping,
        made: &mut [Option<ArrayRef>],
        rows: usize,
    ) -> Result<ArrayRef> {
        let index = |name: &str| mapping.columns.iter().position(|(c, ..)| c.name == name);
        let column = |made: &[Option<ArrayRef>], name: &str| index(name).and_then(|i| made[i].clone());
        match derive {
            Derivation::NanosOf(name) => {
                let times = column(made, name);
                Ok(Arc::new(match times.as_ref().and_then(|times| Values::of(times)) {
                    Some(Values::Instant(times)) => times.unary(|nanos| nanos.rem_euclid(1000)),
                    // Times that nanoseconds do not hold have none.
                    Some(Values::Far(times)) => times.unary(|_| 0),
                    _ => Int64Array::new_null(rows),
                }))
            }
            Derivation::Article { told_by, apart } => {
                let key = &self.settings.target.key;
                let by_id_alone = key.iter().any(|name| name == "id")
                    && !apart.iter().all(|name| key.iter().any(|other| other == name));
                let given = given.as_ref().and_then(Texts::of);
                let sources: Vec<ArrayRef> = told_by.iter().filter_map(|n| column(made, n)).collect();
                let texts: Vec<Texts<'_>> = sources.iter().filter_map(Texts::of).collect();
                let apart = apart.map(|name| column(made, name));
                let [vendors, symbols] = apart.each_ref().map(|array| array.as_ref().and_then(Texts::of));
                fn text<'a>(of: Option<&Texts<'a>>, row: usize) -> &'a str {
                    of.and_then(|texts| texts.get(row)).unwrap_or("")
                }
                let mut ids = StringBuilder::with_capacity(rows, rows * 36);
                for row in 0..rows {
                    let (vendor, symbol) = (text(vendors.as_ref(), row), text(symbols.as_ref(), row));
                    let said = given.as_ref().and_then(|texts| texts.get(row));
                    let id = match said.map(|said| (said, uuid::Uuid::try_parse(said))) {
                        Some((_, Ok(id))) if by_id_alone => Some(self.articles.id(id, vendor, symbol)),
                        Some((_, Ok(id))) => Some(id),
                        Some((said, Err(_))) => Some(article_id(article(said), vendor, symbol)),
                        None => {
                            let told = texts.iter().find_map(|texts| texts.get(row));
                            told.map(|told| article_id(article(told), vendor, symbol))
                        }
                    };
                    match id {
                        Some(id) => ids.append_value(id.hyphenated().encode_lower(&mut [0; 36])),
                        None => ids.append_null(),
                    }
                }
                Ok(Arc::new(ids.finish()))
            }
            Derivation::Empty => {
                let empty: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows)));
                Ok(dictionary::constant(&empty))
            }
            Derivation::ContentHash => {
                // Everything that the source says of the row; tags are places in the dataset.
                let content: Vec<(u8, &ArrayRef)> = mapping
                    .columns
                    .iter()
                    .zip(made.iter())
                    .filter(|((column, _, feed), _)| {
                        !matches!(feed, ColumnSource::Derived(_))
                            && column.derive != Some(Derivation::ContentHash)
                    })
                    .filter_map(|((c, ..), a)| {
                        let tag = self.settings.dataset.columns.iter().position(|d| d.name == c.name)?;
                        Some((tag as u8, a.as_ref()?))
                    })
                    .collect();
                let time = self.settings.dataset.time.as_deref().and_then(|name| column(made, name));
                let given = given.as_ref().and_then(Texts::of);
                Ok(Arc::new(self.content.ids(&content, time.as_ref(), given, rows)))
            }
            Derivation::SpacingOf(name) => {
                if self.settings.sparse {
                    return Err(self.no_timeframe());
                }
                if self.timeframe.is_none() {
                    let times = column(made, name);
                    let symbols = column(made, "symbol");
                    if let Some(times) =
                        times.as_ref().and_then(|t| t.as_primitive_opt::<TimestampNanosecondType>())
                    {
                        self.spacings.look(times, symbols.as_ref().and_then(Texts::of));
                    }
                    match self.spacings.timeframe() {
                        Some(Ok(deduced)) => {
                            self.notes.push(format!("timeframe is {deduced}, from the spacing of the rows"));
                            self.timeframe = Some(deduced);
                        }
                        Some(Err(_)) => return Err(self.no_timeframe()),
                        None => self.spacing_unknown = true,
                    }
                }
                let text = self.timeframe.as_deref().unwrap_or_default();
                let same: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)));
                Ok(dictionary::constant(&same))
            }
        }
    }
}

/// The texts of a column that tell how numbers are written: the strings of JSON, not its numbers.
pub(super) fn strings(source: &RecordBatch, column: usize) -> Option<ArrayRef> {
    let array = source.column(column);
    let texts = Texts::of(array)?;
    match StringRows::of(source.schema_ref(), column) {
        StringRows::All => Some(array.clone()),
        StringRows::These(rows) if rows.is_empty() => None,
        StringRows::These(rows) => {
            let some = (0..texts.len()).map(|row| texts.get(row).filter(|_| rows.contains(&row)));
            Some(Arc::new(some.collect::<StringArray>()))
        }
    }
}

pub(super) fn has_null(array: Option<&ArrayRef>) -> bool {
    array.is_some_and(|array| array.logical_null_count() > 0)
}

/// The texts, the empty one where there is none.
pub(super) fn or_empty(array: &ArrayRef) -> ArrayRef {
    match Texts::of(array) {
        Some(texts) => Arc::new(StringArray::from_iter_values(texts.iter().map(Option::unwrap_or_default))),
        None => array.clone(),
    }
}

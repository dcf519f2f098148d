//! Which columns of the input feed which of the table, and the rows with those put together that two of them give.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::Mapper;
use crate::dataset::daytime::{self, Day, Look};
use crate::dataset::describe::{Column, Kind};
use crate::dataset::faults::Faults;
use crate::dataset::json_text::{is_marked, json_texts};
use crate::dataset::mapping::{ColumnSource, Mapping};
use crate::dataset::names::{Names, plain};
use crate::error::{Error, Result};
use crate::model::text::Texts;

/// A second name of a column, in rows that do not have it by its first.
#[derive(Debug)]
pub(super) struct Other {
    /// The column's place in the input by its first name.
    main: usize,
    /// And by the second.
    index: usize,
    /// The second name.
    name: String,
    /// What the table calls it.
    column: Arc<str>,
    /// Whether a row that has both goes by the first.
    worse: bool,
    /// Whether any text is a value of it.
    is_text: bool,
}

impl Mapper {
    pub(super) fn mapping_of(&mut self, source: &RecordBatch) -> Result<Arc<Mapping>> {
        let schema = source.schema_ref();
        if let Some((known, mapping)) = &self.mapping
            && (Arc::ptr_eq(known, schema) || known == schema)
        {
            return Ok(mapping.clone());
        }
        let mut options = self.options.clone();
        self.hints.add_to(&mut options);
        let names = Names::new(schema.fields().iter().map(|f| f.name().as_str()));
        options.maps.extend(self.pinned.iter().filter(|(_, source)| names.has_source(source)).cloned());
        let (clocks, settings) = (self.clocks.clone(), self.settings.clone());
        let minutes = self.minutes.clone();
        let look = |index: usize| match clocks.get(names.all[index]) {
            // What the first rows have told stays so.
            Some(form) => Look::Clocks(*form, false),
            None => match minutes.iter().any(|name| *name == names.all[index]) {
                true => Look::Minutes,
                false => daytime::look(source.column(index), names.plain(index), &settings.nulls),
            },
        };
        let mapping = Arc::new(self.resolved(schema, &look, &options)?);
        let shown = |index: usize| names.all[index].to_owned();
        for (_, name, feed) in &mapping.columns {
            let ColumnSource::Source(index) = feed else { continue };
            if self.pinned.iter().any(|(pinned, _)| **pinned == **name) {
                continue;
            }
            let place = match index.checked_sub(names.all.len()).and_then(|join| mapping.joins.get(join)) {
                None => shown(*index),
                Some(join) => match join.day {
                    Day::Source(day) => format!("{}+{}", shown(day), shown(join.clock)),
                    Day::Constant(_) => continue,
                },
            };
            self.pinned.push((name.to_string(), place));
        }
        for join in &mapping.joins {
            self.clocks.insert(names.all[join.clock].to_owned(), join.form);
            self.minutes.extend(join.minutes.map(|index| names.all[index].to_owned()));
        }
        self.unused.clone_from(&mapping.unused);
        self.others = match &self.names {
            Some(first) => others(&mapping, schema, first),
            None => Vec::new(),
        };
        let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
        self.names.get_or_insert_with(names);
        self.unused.retain(|name| !self.others.iter().any(|other| other.name == *name));
        self.unmapped_targets.clone_from(&mapping.unmapped_targets);
        self.empty.clone_from(&mapping.empty);
        self.mapping = Some((schema.clone(), mapping.clone()));
        Ok(mapping)
    }

    /// A column for JSON: values of a JSON input as JSON texts, and whether the texts are others, of which
    /// nobody knows whether they are JSON.
    pub(super) fn json(
        &self,
        given: ArrayRef,
        schema: &Schema,
        index: usize,
        name: &str,
    ) -> (ArrayRef, bool) {
        // A letter of an earlier version has JSON in quotes.
        let own = self.readings.is_own_text(name).unwrap_or(self.origin.past.is_some());
        if own || !is_marked(schema) {
            return (given, true);
        }
        match given.as_string_opt::<i32>() {
            Some(texts) => (Arc::new(json_texts(schema.field(index), texts)), false),
            None => (given, true),
        }
    }

    /// The rows with the values of a column that has another name in some of them in one place.
    pub(super) fn coalesced(&mut self, source: &RecordBatch, faults: &mut Faults) -> Result<RecordBatch> {
        let mut columns = source.columns().to_vec();
        let mut any = false;
        for other in &self.others {
            let second = source.column(other.index).clone();
            let first = columns[other.main].clone();
            let (Some(firsts), Some(seconds)) = (Texts::of(&first), Texts::of(&second)) else { continue };
            if second.null_count() == second.len() {
                continue;
            }
            any = true;
            let main = source.schema_ref().field(other.main).name().clone();
            self.twofold.entry(other.column.clone()).or_insert_with(|| (main.clone(), other.name.clone()));
            let value = |row: usize| match (firsts.get(row), seconds.get(row)) {
                (Some(one), Some(two)) if one.trim() != two.trim() && !other.worse => {
                    faults.add(row, &other.column, "two_values", || {
                        format!("{} has two values, one as {main} and one as {}", other.column, other.name)
                    });
                    // Both, so that a replay does not choose one of them.
                    let both = || Cow::Owned(format!("{one} as {main}, {two} as {}", other.name));
                    Some(if other.is_text { Cow::Borrowed(one) } else { both() })
                }
                (one, two) => one.or(two).map(Cow::Borrowed),
            };
            columns[other.main] = Arc::new((0..source.num_rows()).map(value).collect::<StringArray>());
        }
        if !any {
            return Ok(source.clone());
        }
        let fields: Vec<Field> = source
            .schema_ref()
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
            .collect();
        let schema = Schema::new_with_metadata(fields, source.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|e| Error::internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    /// The rows with the columns behind them that are made of two, where there are such.
    pub(super) fn joined(&mut self, mapping: &Mapping, source: &RecordBatch) -> Result<RecordBatch> {
        if mapping.joins.is_empty() {
            return Ok(source.clone());
        }
        let mut fields: Vec<FieldRef> = source.schema_ref().fields().iter().cloned().collect();
        let mut columns = source.columns().to_vec();
        for join in &mapping.joins {
            let named = |index: usize| source.schema_ref().field(index).name().trim().to_owned();
            let made = daytime::join(join, source.columns(), source.num_rows());
            let (day, clock) = (
                match &join.day {
                    Day::Source(day) => named(*day),
                    Day::Constant(day) => day.clone(),
                },
                named(join.clock),
            );
            let both = match join.minutes {
                Some(minutes) => format!("{day}, {clock} and {}", named(minutes)),
                None => format!("{day} and {clock}"),
            };
            if !self.notes.iter().any(|note| note.starts_with(&format!("{both} are read together")))
                && let Some(example) =
                    Texts::of(&made).and_then(|texts| texts.iter().flatten().next().map(str::to_owned))
            {
                let told = match &join.day {
                    Day::Constant(day) => {
                        format!(" ({day} is the date in the name of the file or of its folder)")
                    }
                    Day::Source(_) => String::new(),
                };
                self.notes
                    .push(format!("{both} are read together as one time, the first as {example}{told}"));
            }
            fields.push(Arc::new(Field::new(format!("{day}+{clock}"), DataType::Utf8, true)));
            columns.push(made);
        }
        let schema = Schema::new_with_metadata(fields, source.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|e| Error::internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }
}

/// Names that turn up in later rows for columns that are there by another one. A single letter in another
/// case is another field: in the streams of exchanges `t` and `T` are two times.
pub(super) fn others(mapping: &Mapping, schema: &SchemaRef, first: &HashSet<String>) -> Vec<Other> {
    let later = mapping.unused.iter().filter(|name| !first.contains(*name));
    let found = later.filter_map(|name| {
        let index = schema.index_of(name).ok()?;
        mapping.columns.iter().find_map(|(column, canonical, feed)| {
            let ColumnSource::Source(main) = feed else { return None };
            let known = schema.fields().get(*main)?.name();
            let letter = known.chars().count() == 1 && known.eq_ignore_ascii_case(name);
            let rank = rank(column, name).filter(|_| !letter)?;
            // A name that is not the column's best gives way to the better one.
            let worse = self::rank(column, known).is_some_and(|known| known < rank);
            let is_text = !(column.kind.is_number() || matches!(column.kind, Kind::Timestamp | Kind::Date));
            Some(Other { main: *main, index, name: name.clone(), column: canonical.clone(), worse, is_text })
        })
    });
    found.collect()
}

/// How well a name fits a column, the best first, in whatever writing.
pub(super) fn rank(column: &Column, name: &str) -> Option<u8> {
    let name = plain(name);
    if name.is_empty() {
        None
    } else if name == plain(&column.name) {
        Some(0)
    } else {
        column.synonyms.iter().any(|synonym| name == plain(synonym)).then_some(1)
    }
}

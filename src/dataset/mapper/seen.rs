//! What the values of columns tell that their names do not: a letter that is a symbol, a side in other words, ids that
//! are none, and which of two times is the start of a bar.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Mapper;
use super::input::rank;
use super::suspect::TICK_TYPES;
use crate::batch::Reading;
use crate::dataset::daytime::{self, Look};
use crate::dataset::describe::{Column, Derivation, Kind};
use crate::dataset::mapping::{MapOptions, target_of};
use crate::dataset::names::plain;
use crate::dataset::vocabulary::{Words, texts_of};
use crate::model::decimal::Decimal;
use crate::model::text::Texts;

/// Values of a column that are looked at.
const SAMPLE: usize = 256;

/// Whether the buyer's order stood in the book: then the seller was the aggressor.
const BUYER_IS_MAKER: [&str; 4] = ["isbuyermaker", "buyermaker", "buyerismaker", "isbuyerthemaker"];
/// Who of both was the aggressor, where the values are words for that.
const SIDES: [&str; 5] = ["direction", "askbid", "ordertype", "tradetype", "type"];
/// When a bar begins.
const STARTS: [&str; 15] = [
    "timeopen",
    "start",
    "starttime",
    "opentime",
    "openedat",
    "startedat",
    "startdate",
    "begin",
    "begintime",
    "barstart",
    "intervalbegin",
    "intervalstart",
    "periodstart",
    "timestampbucket",
    "windowstart",
];
/// Those that a range of time begins with too, as one that was asked for.
const RANGES: [&str; 5] = ["start", "starttime", "startdate", "begin", "begintime"];
/// When it ends.
const ENDS: [&str; 11] = [
    "timeclose",
    "closetime",
    "closedat",
    "end",
    "endtime",
    "endedat",
    "enddate",
    "barend",
    "intervalend",
    "periodend",
    "windowend",
];

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The columns of the rows that were looked at last, and the names of those that had values.
    schema: Option<SchemaRef>,
    names: HashSet<String>,
    soft_maps: Vec<(String, String)>,
    barred: Vec<String>,
    /// The words of the layout, and those that were found.
    pub(super) words: Arc<Words>,
}

impl Seen {
    /// Notes it, for rows that stay under the names of their input.
    pub(super) fn note(&self, reading: &mut Reading) {
        for (name, source) in &self.soft_maps {
            reading.map.entry(name.clone()).or_insert_with(|| source.clone());
        }
    }

    /// Adds it to what is said of the columns.
    pub(super) fn add_to(&self, options: &mut MapOptions) {
        options.soft_maps.extend(self.soft_maps.iter().cloned());
        options.barred.extend(self.barred.iter().cloned());
    }
}

/// A column of the input that was not looked at before.
struct Sampled<'a> {
    name: &'a str,
    plain: String,
    /// Its first values.
    values: Vec<String>,
}

impl Mapper {
    /// Looks at the values of columns that were not there before.
    pub(super) fn look_at_values(&mut self, source: &RecordBatch) {
        let schema = source.schema_ref();
        let known =
            self.hints.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema) || known == schema);
        if known || self.settings.dataset.signature.is_empty() {
            return;
        }
        if self.hints.words.is_empty() {
            self.hints.words = self.settings.words.clone();
        }
        let columns: Vec<Column> = self.settings.dataset.columns.to_vec();
        let (mut all, mut rest) = (Vec::new(), false);
        for (field, array) in schema.fields().iter().zip(source.columns()) {
            let (name, plain) = (field.name().trim(), plain(field.name()));
            let matters = is_told_by_values(&plain) || columns.iter().any(|column| self.is_id(column, name));
            if !matters || self.hints.names.contains(name) {
                continue;
            }
            let Some(texts) = texts_of(array).ok().filter(|texts| Texts::of(texts).is_some()) else {
                continue;
            };
            let texts = Texts::of(&texts).into_iter().flat_map(|texts| {
                texts.iter().flatten().map(str::trim).map(str::to_owned).collect::<Vec<_>>()
            });
            let values: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
            match values.is_empty() {
                true => rest = true,
                false => all.push(Sampled { name, plain, values }),
            }
        }
        for column in &all {
            self.hints.names.insert(column.name.to_owned());
        }
        self.look_at_letters(&all, source, &columns);
        self.look_at_sides(&all, source, &columns);
        self.look_at_ids(&all, &columns);
        self.look_at_starts(&all, source, &columns);
        self.hints.schema = (!rest).then(|| schema.clone());
    }

    /// `s` with words in it is a symbol, and no size.
    fn look_at_letters(&mut self, all: &[Sampled<'_>], source: &RecordBatch, columns: &[Column]) {
        let is_word = |text: &String| {
            text.bytes().any(|b| b.is_ascii_alphabetic()) && Decimal::parse(text.as_bytes()).is_err()
        };
        for letter in all.iter().filter(|column| column.plain == "s" && column.name.len() == 1) {
            if !letter.values.iter().take(SAMPLE).all(is_word) {
                continue;
            }
            self.hints.barred.push(letter.name.to_owned());
            let symbol = columns.iter().find(|column| column.kind == Kind::Symbol);
            if let Some(symbol) = symbol.filter(|symbol| letter.name == "s" && !has(source, symbol)) {
                self.hints.soft_maps.push((symbol.name.to_string(), letter.name.to_owned()));
            }
        }
    }

    /// The side of the aggressor, where a column has it in other words.
    fn look_at_sides(&mut self, all: &[Sampled<'_>], source: &RecordBatch, columns: &[Column]) {
        let Some(side) = columns.iter().find(|column| column.name == "side") else { return };
        if has(source, side) || self.is_mapped(side) {
            return;
        }
        let spelt = |word: &str, meaning: &str| {
            let title =
                word.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect();
            [word.to_owned(), title, word.to_ascii_uppercase()].map(|word| (word, meaning.to_owned()))
        };
        let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().flat_map(|(word, meaning)| spelt(word, meaning)).collect()
        };
        let maker = pairs(&[
            ("true", "sell"),
            ("t", "sell"),
            ("1", "sell"),
            ("false", "buy"),
            ("f", "buy"),
            ("0", "buy"),
        ]);
        let words = pairs(&[("ask", "sell"), ("bid", "buy")]);
        let all_in = |column: &Sampled<'_>, known: &[&str]| {
            column.values.iter().all(|value| known.iter().any(|known| value.eq_ignore_ascii_case(known)))
        };
        let names =
            BUYER_IS_MAKER.iter().map(|name| (name, &maker, &["true", "t", "1", "false", "f", "0"][..]));
        let names = names.chain(SIDES.iter().map(|name| (name, &words, &["buy", "sell", "ask", "bid"][..])));
        let found = names.filter_map(|(name, words, known)| {
            let column = all.iter().find(|column| column.plain == *name && all_in(column, known))?;
            Some((column.name, words))
        });
        let Some((name, words)) = found.into_iter().next() else { return };
        if self.hints.words.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return;
        }
        self.hints.soft_maps.push((side.name.to_string(), name.to_owned()));
        Arc::make_mut(&mut self.hints.words).insert(name.to_owned(), words.clone());
    }

    /// An id that is 0 in all rows is none.
    fn look_at_ids(&mut self, all: &[Sampled<'_>], columns: &[Column]) {
        let is_zero = |text: &String| Decimal::parse(text.as_bytes()).is_ok_and(|number| number.is_zero());
        for id in all.iter().filter(|id| id.values.len() > 1 && id.values.iter().all(is_zero)) {
            if columns.iter().any(|column| self.is_id(column, id.name)) {
                let words = Arc::make_mut(&mut self.hints.words).entry(id.name.to_owned()).or_default();
                words.entry("0".to_owned()).or_default();
            }
        }
    }

    /// Of the start of a bar and another time beside it the start is the time of the bar.
    fn look_at_starts(&mut self, all: &[Sampled<'_>], source: &RecordBatch, columns: &[Column]) {
        let dataset = &self.settings.dataset;
        let spaced = dataset.columns.iter().any(|c| matches!(c.derive, Some(Derivation::SpacingOf(_))));
        let Some(time) = dataset.time.as_deref().filter(|_| spaced) else { return };
        let Some(time) = columns.iter().find(|column| *column.name == *time) else { return };
        let mut starts = all.iter().filter(|column| STARTS.contains(&column.plain.as_str()));
        let (Some(start), None) = (starts.next(), starts.next()) else { return };
        let schema = source.schema_ref();
        let others =
            || schema.fields().iter().map(|field| field.name().trim()).filter(|name| *name != start.name);
        if self.is_mapped(time) || others().any(|name| plain(name) == plain(&time.name)) {
            return;
        }
        let look = |name: &str| {
            let array = schema.fields().iter().position(|field| field.name().trim() == name);
            array.map(|at| daytime::look(source.column(at), &plain(name), &self.settings.nulls))
        };
        let is_time = match look(start.name) {
            Some(Look::Instants) => true,
            // Another column may have the time of day of it.
            Some(Look::Days | Look::Midnights) => {
                let clock =
                    |name: &str| matches!(look(name), Some(Look::Clocks(..) | Look::Part | Look::Minutes));
                !others().any(|name| daytime::is_clock_name(&plain(name)) && clock(name))
            }
            _ => false,
        };
        if !is_time {
            return;
        }
        let timed = others().any(|name| rank(time, name).is_some());
        let is_same = start.values.iter().all(|value| *value == start.values[0]);
        if timed && is_same && RANGES.contains(&start.plain.as_str()) {
            return;
        }
        let other = others().find(|name| rank(time, name).is_some() || ENDS.contains(&plain(name).as_str()));
        if let Some(other) = other {
            self.notes
                .push(format!("{} is {}, the start of the bar, and not {other}", time.name, start.name));
        }
        self.hints.soft_maps.push((time.name.to_string(), start.name.to_owned()));
    }

    /// Whether a column of that name has the id of a row, without which one is made.
    fn is_id(&self, column: &Column, name: &str) -> bool {
        column.derive == Some(Derivation::ContentHash)
            && (rank(column, name).is_some()
                || self.mapped_to(column).any(|source| source.eq_ignore_ascii_case(name)))
    }

    /// What flags and a layout take a column from.
    fn mapped_to<'a>(&'a self, column: &'a Column) -> impl Iterator<Item = &'a String> {
        let (dataset, target) = (&self.settings.dataset, &self.settings.target);
        let is_it = move |name: &str| target_of(name, dataset, target).is_ok_and(|own| *own == *column.name);
        let maps = self.options.maps.iter().chain(&self.options.soft_maps);
        maps.filter(move |(name, _)| is_it(name)).map(|(_, source)| source)
    }

    /// Whether a flag or a layout says where a column comes from.
    fn is_mapped(&self, column: &Column) -> bool {
        let set = self.options.sets.iter().any(|(name, _)| *name == *column.name);
        set || self.mapped_to(column).next().is_some()
    }
}

/// Whether the values of a column of that name, without case and punctuation, tell what it is.
fn is_told_by_values(plain: &str) -> bool {
    plain == "s" || [&BUYER_IS_MAKER[..], &SIDES, &STARTS].iter().any(|names| names.contains(&plain))
}

/// Whether values of a column of that name are looked at though no column of a table goes by it.
pub(in crate::dataset) fn is_looked_at(plain: &str) -> bool {
    is_told_by_values(plain) || TICK_TYPES.contains(&plain)
}

/// Whether a column of the input goes by a name of that one.
fn has(source: &RecordBatch, column: &Column) -> bool {
    source.schema_ref().fields().iter().any(|field| rank(column, field.name().trim()).is_some())
}

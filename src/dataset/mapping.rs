//! Which column of the input feeds which column of the table.

mod finder;
mod lacks;
mod of_table;
mod times;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::Schema;
use finder::{Failure, Finder};
pub(in crate::dataset) use lacks::flag_of;
use lacks::{Lack, lacking, no_measure, of_another};
pub use of_table::of_table;

use crate::batch::Reading;
use crate::dataset::daytime::{Day, Join, Look};
use crate::dataset::describe::{Column, Dataset, Derivation, Kind, Requirement};
use crate::dataset::names::{Names, plain};
use crate::dataset::target::Target;
use crate::error::{Error, Result};
use crate::text::phrases::list;

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSource {
    /// The column of the input with that index; behind its own stand the ones that are joined of two.
    Source(usize),
    /// A text that a flag, a layout or the name of the file gives to every row.
    Constant(String),
    /// Null in every row.
    Null,
    /// Made from the row.
    Derived(Derivation),
}

/// What the user said about columns.
#[derive(Debug, Clone, Default)]
pub struct MapOptions {
    /// `--map TARGET=SOURCE`; a time may be `TARGET=DAY+TIME`.
    pub maps: Vec<(String, String)>,
    /// Further ones that count where the input has such columns and nothing above says otherwise: what a layout
    /// knows. Of several for one target the first one that can counts.
    pub soft_maps: Vec<(String, String)>,
    /// Columns that no column of the input is taken for by its name: a layout knows that it means another thing.
    pub unmapped: Vec<String>,
    /// Columns of the input that are taken for nothing by their names: their values are of another kind.
    pub barred: Vec<String>,
    /// `--set COLUMN=VALUE`, and its short forms.
    pub sets: Vec<(String, String)>,
    /// Values from the name of the file, used where neither a column nor `sets` has one.
    pub from_name: Vec<(String, String)>,
    /// Which of those the names of folders tell.
    pub folders: Vec<String>,
    /// Which of those the name of the file tells.
    pub named: Vec<String>,
    /// Columns that are null by the names of folders, where nothing has a value.
    pub nulls: Vec<String>,
    /// The day that the name of the file tells, for rows that have a time of day alone.
    pub day: Option<String>,
    /// Whether `sets` go before columns of the input that mean the same, and a day alone is a time even
    /// where another column has the time of day.
    pub force_set: bool,
    /// Whether the rows are out of dead letters, where no flag but `--set` gives a column a value.
    pub mending: bool,
}

impl MapOptions {
    /// Notes them, for rows that stay under the names of their input.
    pub fn note(&self, reading: &mut Reading) {
        let told = self.from_name.iter().filter(|(name, _)| name != "tenant_id").chain(&self.sets);
        reading.set.extend(told.cloned());
        reading.force_set = self.force_set && !self.sets.is_empty();
        reading.map.extend(self.maps.iter().chain(&self.soft_maps).cloned());
        reading.day.clone_from(&self.day);
    }

    /// Takes over what was noted, where these say nothing.
    pub fn remember(&mut self, reading: &Reading) {
        let unsaid = |said: &[(String, String)], name: &str| said.iter().all(|(known, _)| known != name);
        let set: Vec<_> = reading.set.iter().filter(|(name, _)| unsaid(&self.sets, name)).collect();
        let set = set.into_iter().map(|(name, value)| (name.clone(), value.clone()));
        if reading.force_set {
            self.sets.extend(set)
        } else {
            self.from_name.extend(set)
        }
        let map: Vec<_> = reading.map.iter().filter(|(name, _)| unsaid(&self.maps, name)).collect();
        self.soft_maps.extend(map.into_iter().map(|(name, source)| (name.clone(), source.clone())));
        self.day = self.day.take().or_else(|| reading.day.clone());
    }

    /// The options with the table's own names for what `maps` and `sets` name by a synonym.
    fn canonical(&self, dataset: &Dataset, target: &Target) -> Result<Self> {
        let mut same = self.clone();
        for (name, _) in same.maps.iter_mut().chain(&mut same.sets) {
            *name = target_of(name, dataset, target)?;
        }
        // A table of the user's own need not have them.
        same.soft_maps.retain_mut(|(name, _)| {
            target_of(name, dataset, target).ok().filter(|own| target.column(own).is_some()).is_some_and(
                |own| {
                    *name = own;
                    true
                },
            )
        });
        Ok(same)
    }
}

/// The column that a flag's target names: by its own name, or by a synonym that only one column has.
pub fn target_of(name: &str, dataset: &Dataset, target: &Target) -> Result<String> {
    if dataset.column(name).is_some() || target.column(name).is_some() {
        return Ok(name.to_owned());
    }
    let wanted = plain(name);
    let own = target.columns.iter().map(|c| c.name.as_str()).chain(dataset.columns.iter().map(|c| &*c.name));
    if let Some(own) = own.into_iter().find(|own| !wanted.is_empty() && plain(own) == wanted) {
        return Ok(own.to_owned());
    }
    let by_synonym: Vec<&str> = dataset
        .columns
        .iter()
        .filter(|column| column.synonyms.iter().any(|synonym| plain(synonym) == wanted))
        .map(|column| &*column.name)
        .collect();
    match by_synonym[..] {
        [one] => Ok(one.to_owned()),
        _ => Err(Error::usage(format!(
            "{} has no column {name:?}; its columns are {}",
            target.table,
            list(target.columns.iter().map(|c| c.name.as_str()))
        ))),
    }
}

/// The mapping of one input.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The columns to make, each with where it comes from; in the order of the dataset.
    pub columns: Vec<(Column, Arc<str>, ColumnSource)>,
    /// Columns that are made of two of the input's; they stand behind the input's own, in that order.
    pub joins: Vec<Join>,
    /// Names of the input's columns that feed nothing.
    pub unused: Vec<String>,
    /// Columns of the dataset that the input has and the table has not.
    pub unmapped_targets: Vec<String>,
    /// Columns that nothing feeds, each with those of the input whose names speak of it.
    pub empty: Vec<(String, Vec<String>)>,
}

/// Finds the mapping of an input with these columns into that table. `look` tells what a column holds.
pub fn resolve(
    dataset: &Dataset,
    target: &Target,
    source: &Schema,
    look: &dyn Fn(usize) -> Look,
    options: &MapOptions,
) -> Result<Mapping> {
    let names = Names::new(source.fields().iter().map(|f| f.name().as_str()));
    let options = &options.canonical(dataset, target)?;
    let mut finder =
        Finder { dataset, target, names: &names, look, options, taken: Vec::new(), joins: Vec::new() };
    let soft = finder.soft_maps();
    let options =
        &MapOptions { maps: options.maps.iter().chain(&soft).cloned().collect(), ..options.clone() };
    finder.options = options;
    finder.taken = finder.taken_by_maps()?;
    finder.taken.extend(options.barred.iter().flat_map(|barred| names.named(barred)));
    let mut used = vec![false; names.all.len()];
    let mut lacks: Vec<Lack> = Vec::new();
    let mut mapping = Mapping {
        columns: Vec::new(),
        joins: Vec::new(),
        unused: Vec::new(),
        unmapped_targets: Vec::new(),
        empty: Vec::new(),
    };
    let mut unfed: Vec<Column> = Vec::new();

    for column in dataset.columns.iter().cloned().chain(extra_columns(dataset, target, options)) {
        let name = column.name.as_ref();
        let place = target.column(name);
        if place.is_none() && options.sets.iter().chain(&options.maps).any(|(n, _)| n == name) {
            return Err(Error::usage(format!("{} has no column {name:?}", target.table)));
        }
        let feed = match finder.find(&column) {
            Ok(feed) => feed,
            Err(Failure::Flag(error)) => return Err(error),
            Err(Failure::Lack(_)) if place.is_none() => continue,
            Err(Failure::Lack(lack)) => {
                lacks.push(lack);
                continue;
            }
        };
        match feed {
            Some(ColumnSource::Source(index)) if index < used.len() => used[index] = true,
            Some(ColumnSource::Source(index)) => {
                let join = &finder.joins[index - used.len()];
                used[join.clock] = true;
                if let Some(minutes) = join.minutes {
                    used[minutes] = true;
                }
                if let Day::Source(day) = join.day {
                    used[day] = true;
                }
            }
            _ => {}
        }
        let Some(place) = place else {
            if feed.is_some() {
                mapping.unmapped_targets.push(name.to_owned());
            }
            continue;
        };
        let is_null = options.nulls.iter().any(|null| null == name);
        let feed = match (feed, column.derive) {
            (Some(feed), _) => Some(feed),
            // A row without a value, as one with an empty field is.
            (None, None | Some(Derivation::Empty)) if is_null && (place.nullable || !place.has_default) => {
                Some(ColumnSource::Null)
            }
            // What a dead letter lacks nobody can give it any more.
            (None, None) if options.mending && place.nullable && column.need == Requirement::Expected => {
                unfed.push(column);
                continue;
            }
            // The table's own default, or null, says it as well.
            (None, Some(Derivation::Empty)) if place.has_default || place.nullable => {
                unfed.push(column);
                continue;
            }
            (None, derive) => derive.map(ColumnSource::Derived),
        };
        match feed {
            Some(feed) => {
                let kind = match (column.kind, place.kind) {
                    (Kind::Symbol, Kind::UpperSymbol) => Kind::UpperSymbol,
                    (kind, _) => kind,
                };
                let column = Column { kind, need: need_of(&column, place.nullable, &feed), ..column };
                let name: Arc<str> = column.name.as_ref().into();
                mapping.columns.push((column, name, feed));
            }
            None if !place.has_default && (column.need != Requirement::Optional || !place.nullable) => {
                lacks.push(Lack::Missing(name.to_owned()));
            }
            None => unfed.push(column),
        }
    }
    // What is made of a column that is missing needs no words of its own.
    let underivable = drop_underivable(&mut mapping);
    if lacks.is_empty() {
        lacks.extend(underivable.clone().map(Lack::Missing));
    }
    for place in &target.columns {
        let fed = mapping.columns.iter().any(|(c, ..)| c.name == place.name);
        let said = lacks.iter().any(|lack| match lack {
            Lack::Missing(name) | Lack::Repeated(name, _) => *name == place.name,
            Lack::Doubt(_) | Lack::Wrong(..) => dataset.column(&place.name).is_some(),
        });
        let said = said || underivable.as_ref() == Some(&place.name);
        if !fed && !said && !place.nullable && !place.has_default {
            lacks.push(Lack::Missing(place.name.clone()));
        }
    }
    if lacks.is_empty() {
        lacks.extend(no_measure(dataset, &mapping));
    }
    if !lacks.is_empty() {
        if let Some(other) = of_another(source, dataset, &names, options) {
            return Err(other);
        }
        return Err(lacking(&lacks, &names, options.mending));
    }
    mapping.joins = finder.joins;
    let unused = |index: &usize| !used[*index];
    for column in unfed {
        let speaking = names.speaking_of(&column, |index| unused(&index));
        if !speaking.is_empty() {
            let speaking = speaking.into_iter().map(|index| names.all[index].to_owned()).collect();
            mapping.empty.push((column.name.into_owned(), speaking));
        }
    }
    mapping.unused = (0..used.len()).filter(unused).map(|index| source.field(index).name().clone()).collect();
    Ok(mapping)
}

/// A key column stays one, unless what it lacks is made; any other may be null where the table lets it.
fn need_of(column: &Column, nullable: bool, feed: &ColumnSource) -> Requirement {
    let made = !matches!(feed, ColumnSource::Derived(_)) && column.derive.is_some_and(Derivation::fills);
    match column.need {
        Requirement::Key if made => Requirement::Optional,
        Requirement::Expected | Requirement::Optional if !nullable => Requirement::Required,
        need => need,
    }
}

/// Columns of the table that the dataset does not know, and that the user or a name of the input's names.
fn extra_columns<'a>(
    dataset: &'a Dataset,
    target: &'a Target,
    options: &'a MapOptions,
) -> impl Iterator<Item = Column> + 'a {
    target.columns.iter().filter_map(move |place| {
        let told = options.from_name.iter().filter(|(name, _)| name != "tenant_id");
        let named = options.maps.iter().chain(&options.sets).chain(told).any(|(name, _)| *name == place.name);
        let named = named || options.nulls.contains(&place.name);
        (named && dataset.column(&place.name).is_none()).then(|| Column {
            name: Cow::Owned(place.name.clone()),
            kind: place.kind,
            need: Requirement::Optional,
            synonyms: &[],
            derive: None,
        })
    })
}

/// A derived column whose source is not there cannot be made.
fn drop_underivable(mapping: &mut Mapping) -> Option<String> {
    let present: Vec<String> = mapping.columns.iter().map(|(c, ..)| c.name.to_string()).collect();
    let has = |name: &str| present.iter().any(|p| p == name);
    let mut failed = None;
    mapping.columns.retain(|(column, _, feed)| {
        let made = match feed {
            ColumnSource::Derived(Derivation::Article { told_by, .. }) => told_by.iter().any(|s| has(s)),
            ColumnSource::Derived(Derivation::NanosOf(source) | Derivation::SpacingOf(source)) => has(source),
            _ => true,
        };
        if !made && column.need != Requirement::Optional {
            failed = Some(column.name.to_string());
        }
        made
    });
    failed
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::dataset::target::{KeyPrecision, TargetColumn};
    use crate::dataset::{BARS, NEWS};

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect::<Vec<_>>())
    }

    fn table(dataset: &Dataset) -> Target {
        Target {
            table: dataset.table.to_string(),
            columns: dataset
                .columns
                .iter()
                .map(|c| TargetColumn {
                    name: c.name.to_string(),
                    kind: c.kind,
                    type_name: "text".into(),
                    nullable: c.need != Requirement::Key,
                    has_default: c.name == "tenant_id",
                    constant_default: c.name == "tenant_id",
                    grain: if c.kind == Kind::Timestamp { KeyPrecision::Micros } else { KeyPrecision::Exact },
                })
                .collect(),
            key: dataset.key.iter().map(|k| (*k).to_owned()).collect(),
            ..Target::default()
        }
    }

    fn set(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    fn bars(names: &[&str], options: &MapOptions) -> Result<Mapping> {
        resolve(&BARS, &table(&BARS), &schema(names), &|_| Look::Unknown, options)
    }

    #[test]
    fn vendors_names_find_their_columns() {
        let names = ["ticker", "volume", "open", "close", "high", "low", "window_start", "transactions", "x"];
        let options =
            MapOptions { sets: vec![set("vendor", "v"), set("timeframe", "1m")], ..Default::default() };
        let mapping = bars(&names, &options).unwrap();
        let of = |name: &str| mapping.columns.iter().find(|(c, ..)| c.name == name).map(|(.., f)| f.clone());
        assert_eq!(of("ts"), Some(ColumnSource::Source(6)));
        assert_eq!(of("high_price"), Some(ColumnSource::Source(4)));
        assert_eq!(of("trades"), Some(ColumnSource::Source(7)));
        assert_eq!(of("vendor"), Some(ColumnSource::Constant("v".into())));
        assert_eq!(of("tenant_id"), None);
        assert_eq!(mapping.unused, ["x"]);
    }

    #[test]
    fn the_canonical_name_goes_before_its_synonyms() {
        let names = ["ts", "date", "symbol", "vendor", "timeframe", "open", "high", "low", "close"];
        let mapping = bars(&names, &MapOptions::default()).unwrap();
        assert_eq!(mapping.columns[0].2, ColumnSource::Source(0));
        assert_eq!(mapping.unused, ["date"]);
    }

    #[test]
    fn doubt_and_absence_are_said_with_the_remedy() {
        let options = MapOptions { sets: vec![set("vendor", "v")], ..Default::default() };
        let error =
            bars(&["datetime", "timestamp", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("--map ts=datetime or --map ts=timestamp"), "{error}");
        let error = bars(&["when", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("no column for \"ts\": found when, symbol"), "{error}");
        let options = MapOptions { maps: vec![set("ts", "whn")], ..options };
        let error = bars(&["when", "symbol", "open", "high", "low", "close"], &options).unwrap_err();
        assert!(error.to_string().contains("there is no column \"whn\""), "{error}");
        let options = MapOptions { sets: vec![set("opne", "1")], ..Default::default() };
        let error = bars(&["ts"], &options).unwrap_err();
        assert!(error.to_string().contains("has no column \"opne\""), "{error}");
    }

    #[test]
    fn an_id_is_derived_where_the_news_have_none() {
        let names = ["published_utc", "headline", "url", "vendor"];
        let mapping =
            resolve(&NEWS, &table(&NEWS), &schema(&names), &|_| Look::Unknown, &MapOptions::default())
                .unwrap();
        assert!(
            mapping.columns.iter().any(|(c, _, f)| c.name == "id" && matches!(f, ColumnSource::Derived(_)))
        );
    }
}

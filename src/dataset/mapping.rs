//! Which column of the input feeds which column of the table.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::Schema;

use crate::batch::Reading;
use crate::dataset::daytime::{self, Clock, Day, Join, Look};
use crate::dataset::describe::{self, Check, Column, Dataset, Derivation, Kind, Requirement};
use crate::dataset::detection;
use crate::dataset::names::{Names, plain};
use crate::dataset::target::{KeyNulls, Target, TargetColumn};
use crate::dataset::timeframe;
use crate::error::{Error, Result};

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSource {
    /// The column of the input with that index; behind its own stand the ones that are joined of two.
    Source(usize),
    /// The same text in every row.
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
    /// `--set COLUMN=VALUE`, and its short forms.
    pub sets: Vec<(String, String)>,
    /// Values from the name of the file, used where neither a column nor `sets` has one.
    pub from_name: Vec<(String, String)>,
    /// Which of those the names of folders tell.
    pub folders: Vec<String>,
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
        reading.map.extend(self.maps.iter().cloned());
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
        self.maps.extend(map.into_iter().map(|(name, source)| (name.clone(), source.clone())));
        self.day = self.day.take().or_else(|| reading.day.clone());
    }

    /// The same with the table's own names for what `maps` and `sets` name by a synonym.
    fn canonical(&self, dataset: &Dataset, target: &Target) -> Result<Self> {
        let mut same = self.clone();
        for (name, _) in same.maps.iter_mut().chain(&mut same.sets) {
            *name = target_of(name, dataset, target)?;
        }
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

/// Why a column has no feed.
enum Lack {
    /// Several columns could be it.
    Doubt(String),
    /// The name of its column stands in the header more than once: its own name, theirs.
    Repeated(String, Vec<String>),
    /// A sentence that says what is wrong, and a flag.
    Wrong(String, String),
    /// There is none.
    Missing(String),
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
    finder.taken = finder.taken_by_maps()?;
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

/// What is wrong with rows that say nothing beside their key: they are of another kind.
fn no_measure(dataset: &Dataset, mapping: &Mapping) -> Option<Lack> {
    let measures = dataset.checks.iter().find_map(|check| match check {
        Check::Says(names) => Some(*names),
        _ => None,
    })?;
    let fed = |name: &&str| mapping.columns.iter().any(|(column, ..)| column.name == **name);
    if measures.iter().any(fed) {
        return None;
    }
    let quoted: Vec<String> = measures.iter().map(|name| format!("{name:?}")).collect();
    Some(Lack::Wrong(
        format!(
            "rows of {} need one of {}, and the input has a column for none",
            dataset.name,
            enumerated(&quoted, "and")
        ),
        format!("--map {}=COLUMN if it has one of them by another name", measures.first()?),
    ))
}

/// What is said of an input that has nothing of the dataset, and all of another one: no flag makes it fit.
fn of_another(source: &Schema, dataset: &Dataset, names: &Names<'_>, options: &MapOptions) -> Option<Error> {
    let own = |name: &&str| dataset.column(name).is_some_and(|column| names.has(column));
    if options.mending || dataset.signature.is_empty() || dataset.signature.iter().any(own) {
        return None;
    }
    let other = detection::detect(source, options).ok().filter(|other| other.name != dataset.name)?;
    Some(Error::usage(format!(
        "these columns look like {}, and not like {}: {}; load it by itself, with --dataset {}",
        other.name,
        dataset.name,
        list(names.all.iter().copied()),
        other.name
    )))
}

/// Everything that is lacking, in one sentence, with all the flags that it takes.
fn lacking(lacks: &[Lack], names: &Names<'_>, mending: bool) -> Error {
    let missing: Vec<&str> = lacks
        .iter()
        .filter_map(|lack| if let Lack::Missing(name) = lack { Some(&**name) } else { None })
        .collect();
    let mut said: Vec<String> = Vec::new();
    let mut flags: Vec<String> = Vec::new();
    for lack in lacks {
        match lack {
            Lack::Doubt(sentence) => said.push(sentence.clone()),
            Lack::Wrong(sentence, flag) => {
                said.push(sentence.clone());
                flags.push(flag.clone());
            }
            Lack::Missing(_) | Lack::Repeated(..) => {}
        }
    }
    let repeated: Vec<(&String, &Vec<String>)> = lacks
        .iter()
        .filter_map(|lack| if let Lack::Repeated(name, all) = lack { Some((name, all)) } else { None })
        .collect();
    if let Some((_, all)) = repeated.first() {
        let quoted: Vec<String> = repeated.iter().map(|(_, all)| format!("{:?}", all[0])).collect();
        let (stand, second) = (if quoted.len() == 1 { "stands" } else { "stand" }, &all[1]);
        said.push(format!(
            "{} {stand} in the header more than once (the second {:?} is called {second:?}); say which of them to take",
            enumerated(&quoted, "and"),
            all[0]
        ));
        flags.extend(repeated.iter().map(|(name, all)| {
            let choices: Vec<String> = all.iter().map(|source| shell_word(source)).collect();
            format!("--map {name}={}", choices.join("|"))
        }));
    }
    if !missing.is_empty() {
        let quoted: Vec<String> = missing.iter().map(|name| format!("{name:?}")).collect();
        let found = list(names.all.iter().copied());
        said.insert(0, format!("no column for {}: found {found}", enumerated(&quoted, "and")));
        flags.extend(missing.iter().map(|name| match *name {
            "vendor" | "symbol" | "timeframe" if !mending => format!("--{name} VALUE"),
            "vendor" | "symbol" | "timeframe" => format!("--set {name}=VALUE"),
            "tenant_id" => "--tenant UUID or --tenant NAME".to_owned(),
            _ if missing.len() == 1 => format!("--map {name}=COLUMN or --set {name}=VALUE"),
            _ => format!("--map {name}=COLUMN"),
        }));
    }
    let flags = if flags.is_empty() { String::new() } else { format!("; add {}", flags.join(" ")) };
    Error::usage(format!("{}{flags}", said.join("; ")))
}

/// `a, b and c`.
pub fn enumerated(words: &[String], and: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
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

/// Why no feed was found.
enum Failure {
    /// A flag is wrong.
    Flag(Error),
    /// The input does not say it.
    Lack(Lack),
}

/// Looks for the columns of an input.
struct Finder<'a> {
    dataset: &'a Dataset,
    target: &'a Target,
    names: &'a Names<'a>,
    look: &'a dyn Fn(usize) -> Look,
    options: &'a MapOptions,
    /// Columns that a `--map` gives to another one.
    taken: Vec<usize>,
    joins: Vec<Join>,
}

/// The last value that is given to a name.
fn given<'l>(list: &'l [(String, String)], name: &str) -> Option<&'l String> {
    list.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value)
}

impl Finder<'_> {
    fn find(&mut self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
        let name = column.name.as_ref();
        if let Some(value) = given(&self.options.sets, name) {
            self.settable(column, value)?;
            return Ok(Some(ColumnSource::Constant(value.clone())));
        }
        if let Some(source) = given(&self.options.maps, name) {
            return self.mapped(column, &source.clone()).map(|index| Some(ColumnSource::Source(index)));
        }
        let feed = if column.kind == Kind::Timestamp { self.time(column) } else { self.other(column) }?;
        match feed {
            Some(ColumnSource::Source(index)) if index < self.names.all.len() => {
                let again = self.names.repeated(index);
                if !again.is_empty() {
                    let all = std::iter::once(index).chain(again).map(|i| self.names.all[i].to_owned());
                    return Err(Failure::Lack(Lack::Repeated(name.to_owned(), all.collect())));
                }
            }
            _ => {}
        }
        Ok(feed)
    }

    /// The feed of a column that no flag speaks of, and that is no time.
    fn other(&self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
        let name = column.name.as_ref();
        let found = self.names.best(column, |index| !self.taken.contains(&index));
        match found[..] {
            [] => Ok(given(&self.options.from_name, name).cloned().map(ColumnSource::Constant)),
            [one] => Ok(Some(ColumnSource::Source(one))),
            _ => Err(self.doubt(name, &found)),
        }
    }

    /// The columns that the `--map`s name.
    fn taken_by_maps(&self) -> Result<Vec<usize>> {
        let mut taken = Vec::new();
        for (_, source) in &self.options.maps {
            match self.names.named(source)[..] {
                [] => taken.extend(self.halves(source).into_iter().flatten()),
                ref found => taken.extend_from_slice(found),
            }
        }
        Ok(taken)
    }

    /// The two columns of `DAY+TIME`.
    fn halves(&self, source: &str) -> Option<[usize; 2]> {
        source.match_indices('+').find_map(|(at, _)| {
            let (left, right) = (self.names.named(&source[..at]), self.names.named(&source[at + 1..]));
            match (&left[..], &right[..]) {
                (&[left], &[right]) => Some([left, right]),
                _ => None,
            }
        })
    }

    /// The column of `--map NAME=SOURCE`.
    fn mapped(&mut self, column: &Column, source: &str) -> Result<usize, Failure> {
        let name = &column.name;
        let wrong = |what: String| Failure::Flag(Error::usage(format!("--map {name}={source}: {what}")));
        let found = self.names.named(source);
        match found[..] {
            [one] => {
                if column.kind == Kind::Timestamp {
                    return self.mapped_time(column, source, one);
                }
                Ok(one)
            }
            [] => {
                let Some(halves) = self.halves(source) else {
                    return Err(wrong(format!(
                        "there is no column {source:?}; found {}",
                        list(self.names.all.iter().copied())
                    )));
                };
                if column.kind != Kind::Timestamp {
                    return Err(wrong(format!("two columns make a time, and {name} is none")));
                }
                let [left, right] = halves;
                match ((self.look)(left), (self.look)(right)) {
                    (_, Look::Clocks(form, _)) => Ok(self.join(Day::Source(left), right, form)),
                    (Look::Clocks(form, _), _) => Ok(self.join(Day::Source(right), left, form)),
                    (_, Look::Unknown) => Ok(self.join(Day::Source(left), right, Clock::Text)),
                    _ => {
                        let (left, right) = (self.names.all[left], self.names.all[right]);
                        Err(wrong(format!("neither {left:?} nor {right:?} holds times of day alone")))
                    }
                }
            }
            _ => Err(wrong(format!(
                "columns {} are called so; write it as it stands there",
                list(found.iter().map(|i| self.names.all[*i]))
            ))),
        }
    }

    /// A time that the user takes from one column.
    fn mapped_time(&mut self, column: &Column, source: &str, index: usize) -> Result<usize, Failure> {
        let name = &column.name;
        let own = self.names.all[index];
        match (self.look)(index) {
            Look::Clocks(form, _) => match (self.options.day.clone(), &self.days(column, &[index])[..]) {
                (Some(day), _) => Ok(self.join(Day::Constant(day), index, form)),
                (None, &[day]) => Err(Failure::Flag(Error::usage(format!(
                    "--map {name}={source}: {own:?} holds times of day alone, and {:?} the days; write --map {name}={}",
                    self.names.all[day],
                    shell_word(&format!("{}+{own}", self.names.all[day]))
                )))),
                _ => Err(Failure::Flag(Error::usage(format!(
                    "--map {name}={source}: {own:?} holds times of day alone; {}",
                    no_day(name, own)
                )))),
            },
            Look::Days | Look::Midnights
                if !self.options.force_set
                    && self.dataset.time.as_deref() == Some(name)
                    && !self.is_of_days() =>
            {
                let clocks = self.clocks(column, &[index]);
                match clocks.iter().find(|(_, _, midnight)| !midnight) {
                    Some((clock, ..)) => Err(Failure::Flag(Error::usage(format!(
                        "--map {name}={source}: {own:?} holds the day alone, and {:?} the time of day; write --map {name}={} for both, or add --force-set for the day alone",
                        self.names.all[*clock],
                        shell_word(&format!("{own}+{}", self.names.all[*clock]))
                    )))),
                    None => match self.day_alone(column, index) {
                        Err(failure) => Err(failure),
                        Ok(_) => Ok(index),
                    },
                }
            }
            _ => Ok(index),
        }
    }

    /// Whether the rows are known to be of whole days, so that a day alone is a time.
    fn is_of_days(&self) -> bool {
        let timeframe =
            self.dataset.columns.iter().find(|c| matches!(c.derive, Some(Derivation::SpacingOf(_))));
        timeframe.is_some_and(|column| {
            let known =
                given(&self.options.sets, &column.name).or(given(&self.options.from_name, &column.name));
            known.is_some_and(|text| timeframe::is_of_days(text))
        })
    }

    fn join(&mut self, day: Day, clock: usize, form: Clock) -> usize {
        let minutes = (form == Clock::Hours)
            .then(|| (0..self.names.all.len()).find(|index| (self.look)(*index) == Look::Minutes))
            .flatten();
        self.joins.push(Join { day, clock, form, minutes });
        self.names.all.len() + self.joins.len() - 1
    }

    /// Columns with the days of that column's times of day.
    fn days(&self, column: &Column, but: &[usize]) -> Vec<usize> {
        let named: Vec<usize> = self.names.steps(column, |_| true).into_iter().flatten().collect();
        (0..self.names.all.len())
            .filter(|index| !but.contains(index) && !self.is_elsewhere(column, *index))
            .filter(|index| named.contains(index) || daytime::is_day_name(self.names.plain(*index)))
            .filter(|index| matches!((self.look)(*index), Look::Days | Look::Midnights))
            .collect()
    }

    /// Columns with the times of day of that column's days; whether all are midnight.
    fn clocks(&self, column: &Column, but: &[usize]) -> Vec<(usize, Clock, bool)> {
        let named: Vec<usize> = self.names.steps(column, |_| true).into_iter().flatten().collect();
        (0..self.names.all.len())
            .filter(|index| !but.contains(index) && !self.is_elsewhere(column, *index))
            .filter(|index| named.contains(index) || daytime::is_clock_name(self.names.plain(*index)))
            .filter_map(|index| match (self.look)(index) {
                Look::Clocks(form, midnight) => Some((index, form, midnight)),
                _ => None,
            })
            .collect()
    }

    /// Whether a column of the input has a place of its own in the table, or goes elsewhere by a flag.
    fn is_elsewhere(&self, column: &Column, index: usize) -> bool {
        let name = self.names.all[index];
        self.taken.contains(&index) || name != column.name && self.target.column(name).is_some()
    }

    /// The feed of a column of times: a column that has them whole, else a day and a time of day.
    fn time(&mut self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
        let name = column.name.as_ref();
        let steps = self.names.steps(column, |index| !self.taken.contains(&index));
        let found = steps.iter().find(|found| !found.is_empty()).cloned().unwrap_or_default();
        // The table's own name for it is no matter of choice.
        let own = !steps[0].is_empty() || !steps[1].is_empty();
        let looks: Vec<Look> = found.iter().map(|index| (self.look)(*index)).collect();
        if let ([one], [Look::Instants | Look::Unknown]) = (&found[..], &looks[..]) {
            return Ok(Some(ColumnSource::Source(*one)));
        }
        let all: Vec<usize> = match own {
            true => found.clone(),
            false => steps.into_iter().flatten().collect(),
        };
        let of = |wanted: &dyn Fn(Look) -> bool| -> Vec<usize> {
            all.iter().copied().filter(|index| wanted((self.look)(*index))).collect()
        };
        let instants = of(&|look| look == Look::Instants);
        let dated = of(&|look| matches!(look, Look::Days | Look::Midnights));
        let unknown = of(&|look| look == Look::Unknown);
        let only_found = |list: &[usize]| list.iter().any(|index| found.contains(index));
        match (&instants[..], &dated[..]) {
            // What tells the time of day goes before what tells the day alone.
            (&[one], _) if unknown.is_empty() || !only_found(&unknown) => {
                return Ok(Some(ColumnSource::Source(one)));
            }
            ([], days) if !days.is_empty() && (unknown.is_empty() || !only_found(&unknown)) => {
                let clocks = self.clocks(column, days);
                let days_alone: Vec<usize> =
                    days.iter().copied().filter(|index| (self.look)(*index) == Look::Days).collect();
                let day = match (days, &days_alone[..]) {
                    (&[day], _) | (_, &[day]) => Some(day),
                    _ => None,
                };
                match (day, &clocks[..]) {
                    (Some(day), &[(clock, form, _)]) => {
                        return Ok(Some(ColumnSource::Source(self.join(Day::Source(day), clock, form))));
                    }
                    (Some(day), [_, _, ..]) => {
                        let clocks = clocks.iter().map(|(index, ..)| self.names.all[*index]);
                        return Err(Failure::Lack(Lack::Doubt(format!(
                            "column {:?} holds days, and {} times of day; say which: --map {name}={}",
                            self.names.all[day],
                            list(clocks),
                            shell_word(&format!("{}+COLUMN", self.names.all[day]))
                        ))));
                    }
                    _ => {}
                }
                let midnights: Vec<usize> =
                    days.iter().copied().filter(|index| (self.look)(*index) == Look::Midnights).collect();
                match (days, &midnights[..], &found[..]) {
                    (&[one], ..) | (_, &[one], _) | (.., &[one]) => return self.day_alone(column, one),
                    _ => return Err(self.doubt(name, days)),
                }
            }
            ([_, _, ..], _) => return Err(self.doubt(name, &instants)),
            _ => {}
        }
        let clocks: Vec<(usize, Clock, bool)> = match self.dataset.time.as_deref() == Some(name) {
            _ if !instants.is_empty() || !unknown.is_empty() || !dated.is_empty() => Vec::new(),
            true => self.clocks(column, &[]),
            false => self.clocks(column, &[]).into_iter().filter(|(index, ..)| all.contains(index)).collect(),
        };
        if let &[(clock, form, _)] = &clocks[..] {
            let own = self.names.all[clock];
            return match (&self.days(column, &[])[..], self.options.day.clone()) {
                (&[day], _) => Ok(Some(ColumnSource::Source(self.join(Day::Source(day), clock, form)))),
                ([], Some(day)) => Ok(Some(ColumnSource::Source(self.join(Day::Constant(day), clock, form)))),
                // Months and years look like times of day too: the reader of times tells them apart.
                ([], None) if !matches!(form, Clock::Text | Clock::Typed) && all.contains(&clock) => {
                    Ok(Some(ColumnSource::Source(clock)))
                }
                ([], None) => Err(Failure::Lack(Lack::Wrong(
                    format!("column {own:?} holds times of day alone"),
                    no_day_flag(name, own),
                ))),
                (days, _) => Err(Failure::Lack(Lack::Doubt(format!(
                    "column {own:?} holds times of day, and {} days; say which: --map {name}={}",
                    list(days.iter().map(|index| self.names.all[*index])),
                    shell_word(&format!("COLUMN+{own}"))
                )))),
            };
        }
        match found[..] {
            [] => Ok(given(&self.options.from_name, name).cloned().map(ColumnSource::Constant)),
            [one] => Ok(Some(ColumnSource::Source(one))),
            _ => Err(self.doubt(name, &found)),
        }
    }

    /// The feed of a column of times whose day another column tells, where none seems to have the time of
    /// day: a column of epochs all the same, or the day; not where a column has a part of the time.
    fn day_alone(&self, column: &Column, day: usize) -> Result<Option<ColumnSource>, Failure> {
        let name = column.name.as_ref();
        if self.dataset.time.as_deref() != Some(name) {
            return Ok(Some(ColumnSource::Source(day)));
        }
        let others = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let free = |index: &usize| *index != day && !self.is_elsewhere(column, *index);
            (0..self.names.all.len()).filter(free).filter(|index| wanted(*index)).collect()
        };
        let epochs = others(&|index| {
            daytime::is_epoch_name(self.names.plain(index)) && (self.look)(index) == Look::Instants
        });
        if let [epoch] = epochs[..] {
            return Ok(Some(ColumnSource::Source(epoch)));
        }
        let parts = others(&|index| matches!((self.look)(index), Look::Minutes | Look::Part));
        let Some(part) = parts.first() else { return Ok(Some(ColumnSource::Source(day))) };
        if self.options.force_set || self.is_of_days() {
            return Ok(Some(ColumnSource::Source(day)));
        }
        let (day, part) = (self.names.all[day], self.names.all[*part]);
        Err(Failure::Lack(Lack::Wrong(
            format!(
                "{day:?} holds the day alone, and {part:?} a part of the time of day, in numbers that tell no time; make one column of both in the input, as in 2024-01-02 09:30"
            ),
            format!("--map {name}={} --force-set where the day alone is meant", shell_word(day)),
        )))
    }

    /// A flag that gives a column one value, where the input has a column that means the same.
    fn settable(&self, column: &Column, value: &str) -> Result<(), Failure> {
        if self.options.force_set {
            return Ok(());
        }
        let name = column.name.as_ref();
        let flag = flag_of(name, value);
        if let Some(source) = given(&self.options.maps, name) {
            return Err(Failure::Flag(Error::usage(format!(
                "{flag} and --map {name}={source} both say what {name} is; leave one of them out"
            ))));
        }
        let found = self.names.best(column, |index| !self.taken.contains(&index));
        let Some(first) = found.first() else { return Ok(()) };
        Err(Failure::Flag(Error::usage(format!(
            "{flag}: the input has a column {:?}, which says what {name} is; leave the flag out to take it from there, or add --force-set to give every row that one value",
            self.names.all[*first]
        ))))
    }

    fn doubt(&self, name: &str, found: &[usize]) -> Failure {
        let candidates = list(found.iter().map(|i| self.names.all[*i]));
        // One of both would be half a time.
        let day = found.iter().find(|index| daytime::is_day_name(self.names.plain(**index)));
        let clock = found.iter().find(|index| {
            let plain = self.names.plain(**index);
            plain == "time" && (self.look)(**index) == Look::Unknown
        });
        if let (Some(day), Some(clock)) = (day, clock) {
            return Failure::Lack(Lack::Doubt(format!(
                "{:?} and {:?} seem to be the day and the time of day, but not in a form that mdsctl joins; write them in the input as in 2024-01-02 and 09:30:00",
                self.names.all[*day], self.names.all[*clock]
            )));
        }
        Failure::Lack(Lack::Doubt(format!(
            "columns {candidates} could each be {name:?}; say which: --map {name}=COLUMN"
        )))
    }
}

/// The flag that gives a column one value.
pub(super) fn flag_of(name: &str, value: &str) -> String {
    match name {
        "vendor" | "symbol" | "timeframe" => format!("--{name} {}", shell_word(value)),
        _ => format!("--set {name}={}", shell_word(value)),
    }
}

/// What to do about times of day without their day.
fn no_day(name: &str, clock: &str) -> String {
    format!("add {}", no_day_flag(name, clock))
}

fn no_day_flag(name: &str, clock: &str) -> String {
    format!(
        "--map {name}={} with the column of the days, or --name-pattern with {{date}} where the name of the file tells the day",
        shell_word(&format!("COLUMN+{clock}"))
    )
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

/// A list for a message, bounded.
pub fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let cut = |n: &&str| {
        if n.chars().count() > 40 { n.chars().take(40).chain(['…']).collect() } else { (*n).to_owned() }
    };
    let shown: Vec<String> = names.iter().map(cut).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".into(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A word as a shell takes it.
pub fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:+=,@%".contains(&b);
    let comment = text.starts_with('#');
    if !text.is_empty() && !comment && text.bytes().all(|b| plain(b) || b == b'#') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The dataset that an existing table is, for `--table`: columns, types and key are the table's;
/// kinds and synonyms of a column are borrowed from the datasets where they have one of that name, or
/// from the one whose columns the table has by other names.
pub fn of_table(target: &Target) -> Dataset {
    let alike = describe::ALL.iter().find(|dataset| is_like(target, dataset));
    let columns = target.columns.iter().map(|place| {
        let by_name = describe::ALL.iter().find_map(|d| d.column(&place.name));
        let by_other_name = || alike.and_then(|d| d.columns.iter().find(|c| named(place, c)));
        let known = by_name.or_else(by_other_name);
        let in_key = target.key.contains(&place.name);
        let need = match (in_key, place.nullable || place.has_default) {
            (true, false) => Requirement::Key,
            (true, true) if place.has_default || target.nulls != KeyNulls::Never => Requirement::Optional,
            (true, true) => Requirement::Key,
            (false, false) => Requirement::Required,
            (false, true) => Requirement::Optional,
        };
        let text = |kind: Kind| {
            matches!(kind, Kind::Text | Kind::Symbol | Kind::UpperSymbol | Kind::Timeframe | Kind::OptionType)
        };
        // What a column called `interval` holds is only known where the rest is like bars.
        let known =
            known.filter(|known| known.kind != Kind::Timeframe || alike.is_some_and(|d| d.name == "bars"));
        Column {
            name: Cow::Owned(place.name.clone()),
            kind: match known {
                Some(_) if place.kind == Kind::UpperSymbol => place.kind,
                Some(known) if text(known.kind) && text(place.kind) => known.kind,
                _ => place.kind,
            },
            need,
            synonyms: known.map_or(&[], |known| names_but(known, &place.name)),
            derive: None,
        }
    });
    let time = target
        .columns
        .iter()
        .find(|c| c.kind == Kind::Timestamp && target.key.contains(&c.name))
        .map(|c| Cow::Owned(c.name.clone()));
    Dataset {
        name: Cow::Owned(target.table.clone()),
        table: Cow::Owned(target.table.clone()),
        columns: columns.collect(),
        key: Cow::Borrowed(&[]),
        earlier_keys: &[],
        time,
        chunk_days: 7,
        segment_by: &[],
        compress_days: 0,
        signature: &[],
        checks: &[],
    }
}

/// Whether the table's column is called as the dataset's is, or by one of its synonyms.
fn named(place: &TargetColumn, column: &Column) -> bool {
    place.name == column.name || column.synonyms.contains(&place.name.as_str())
}

/// Whether the table has the dataset's key, the tenant aside, and all that tells it from others, each
/// under one name or another, and only one.
fn is_like(target: &Target, dataset: &Dataset) -> bool {
    let once = |name: &&str| {
        let column = dataset.column(name);
        column.is_some_and(|column| target.columns.iter().filter(|place| named(place, column)).count() == 1)
    };
    let empty =
        |name: &&str| dataset.column(name).is_some_and(|column| column.derive == Some(Derivation::Empty));
    dataset.key.iter().filter(|name| **name != "tenant_id" && !empty(name)).all(once)
        && dataset.signature.iter().all(once)
}

/// The names of a column, its own among them where the table calls it otherwise. Those are made
/// once a table and stay, as a description's names do.
fn names_but(known: &'static Column, name: &str) -> &'static [&'static str] {
    if known.name == name {
        return known.synonyms;
    }
    let own: &'static str = known.name.as_ref();
    let others = known.synonyms.iter().copied().filter(|other| *other != name);
    Box::leak(std::iter::once(own).chain(others).collect::<Box<[&'static str]>>())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::dataset::target::KeyPrecision;
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
        assert!(error.to_string().contains("--map ts=COLUMN"), "{error}");
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

//! The search for the column of the input, or the value, that feeds a column of the target.

use crate::dataset::daytime;
use crate::dataset::daytime::{Clock, Day, Join, Look};
use crate::dataset::describe::{Column, Dataset, Kind};
use crate::dataset::mapping::{ColumnSource, Lack, MapOptions, flag_of};
use crate::dataset::names::Names;
use crate::dataset::target::{Target, TargetColumn};
use crate::error::{Error, Result};
use crate::text::flags::{FORCE_SET, MAP};
use crate::text::phrases::{list, shell_word};

/// Why no feed was found.
pub(super) enum Failure {
    /// A flag is wrong.
    Flag(Error),
    /// The input does not say it.
    Lack(Lack),
}

/// Looks for the columns of an input.
pub(super) struct Finder<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) target: &'a Target,
    pub(super) names: &'a Names<'a>,
    pub(super) look: &'a dyn Fn(usize) -> Look,
    pub(super) options: &'a MapOptions,
    /// Columns that a `--map` gives to another one.
    pub(super) taken: Vec<usize>,
    pub(super) joins: Vec<Join>,
}

impl Finder<'_> {
    pub(super) fn find(&mut self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
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
    pub(super) fn other(&self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
        let name = column.name.as_ref();
        let by_name = !self.options.unmapped.iter().any(|unmapped| unmapped == name);
        let found = self.names.best(column, |index| by_name && !self.taken.contains(&index));
        match found[..] {
            [] => Ok(given(&self.options.from_name, name).cloned().map(ColumnSource::Constant)),
            [one] => Ok(Some(ColumnSource::Source(one))),
            _ => Err(self.doubt(name, &found)),
        }
    }

    /// The columns that the `--map`s name.
    /// What a layout knows of columns that are there, and that nobody else speaks of.
    pub(super) fn soft_maps(&self) -> Vec<(String, String)> {
        let options = self.options;
        let mut soft: Vec<(String, String)> = Vec::new();
        for (name, source) in &options.soft_maps {
            let said = options.maps.iter().chain(&options.sets).chain(&soft).any(|(known, _)| known == name);
            let there = !self.names.named(source).is_empty() || self.halves(source).is_some();
            if !said && there {
                soft.push((name.clone(), source.clone()));
            }
        }
        soft
    }

    pub(super) fn taken_by_maps(&self) -> Result<Vec<usize>> {
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
    pub(super) fn halves(&self, source: &str) -> Option<[usize; 2]> {
        source.match_indices('+').find_map(|(at, _)| {
            let (left, right) = (self.names.named(&source[..at]), self.names.named(&source[at + 1..]));
            match (&left[..], &right[..]) {
                (&[left], &[right]) => Some([left, right]),
                _ => None,
            }
        })
    }

    /// The column of `--map NAME=SOURCE`.
    pub(super) fn mapped(&mut self, column: &Column, source: &str) -> Result<usize, Failure> {
        let name = &column.name;
        let wrong = |what: String| Failure::Flag(Error::usage(format!("{MAP} {name}={source}: {what}")));
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

    /// A flag that gives a column one value, where the input has a column that means the same.
    pub(super) fn settable(&self, column: &Column, value: &str) -> Result<(), Failure> {
        if self.options.force_set {
            return Ok(());
        }
        let name = column.name.as_ref();
        let flag = flag_of(name, value);
        if let Some(source) = given(&self.options.maps, name) {
            return Err(Failure::Flag(Error::usage(format!(
                "{flag} and {MAP} {name}={source} both say what {name} is; leave one of them out"
            ))));
        }
        let found = self.names.best(column, |index| !self.taken.contains(&index));
        let Some(first) = found.first() else { return Ok(()) };
        Err(Failure::Flag(Error::usage(format!(
            "{flag}: the input has a column {:?}, which says what {name} is; leave the flag out to take it from there, or add {FORCE_SET} to give every row that one value",
            self.names.all[*first]
        ))))
    }

    pub(super) fn doubt(&self, name: &str, found: &[usize]) -> Failure {
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
            "columns {candidates} could each be {name:?}; say which: {}",
            choices(name, found.iter().map(|index| self.names.all[*index]))
        )))
    }
}

/// Most columns that a sentence has a flag for.
const CHOICES: usize = 4;

/// The flags that map a column from one of those, of which one has to be chosen.
pub(super) fn choices<'l>(name: &str, sources: impl Iterator<Item = &'l str>) -> String {
    let flags =
        sources.take(CHOICES).map(|source| format!("{MAP} {}", shell_word(&format!("{name}={source}"))));
    flags.collect::<Vec<_>>().join(" or ")
}

/// The last value that is given to a name.
pub(super) fn given<'l>(list: &'l [(String, String)], name: &str) -> Option<&'l String> {
    list.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value)
}

/// Whether the table's column is called as the dataset's is, or by one of its synonyms.
pub(super) fn named(place: &TargetColumn, column: &Column) -> bool {
    place.name == column.name || column.synonyms.contains(&place.name.as_str())
}

/// The names of a column, its own among them where the table calls it otherwise. Those are made
/// once a table and stay, as a description's names do.
pub(super) fn names_but(known: &'static Column, name: &str) -> &'static [&'static str] {
    if known.name == name {
        return known.synonyms;
    }
    let own: &'static str = known.name.as_ref();
    let others = known.synonyms.iter().copied().filter(|other| *other != name);
    Box::leak(std::iter::once(own).chain(others).collect::<Box<[&'static str]>>())
}

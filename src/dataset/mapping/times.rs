//! The search for the column of times: one of instants, or a day and a time of day.

use crate::dataset::daytime::{Clock, Day, Join, Look};
use crate::dataset::describe::{Column, Derivation};
use crate::dataset::mapping::finder::{Failure, Finder, given};
use crate::dataset::mapping::{ColumnSource, Lack};
use crate::dataset::{daytime, timeframe};
use crate::error::{Error, Result};
use crate::text::flags::{FORCE_SET, MAP, NAME_PATTERN};
use crate::text::phrases::{list, shell_word};

impl Finder<'_> {
    /// A time that the user takes from one column.
    pub(super) fn mapped_time(
        &mut self,
        column: &Column,
        source: &str,
        index: usize,
    ) -> Result<usize, Failure> {
        let name = &column.name;
        let own = self.names.all[index];
        match (self.look)(index) {
            Look::Clocks(form, _) => match (self.options.day.clone(), &self.days(column, &[index])[..]) {
                (Some(day), _) => Ok(self.join(Day::Constant(day), index, form)),
                (None, &[day]) => Err(Failure::Flag(Error::usage(format!(
                    "{MAP} {name}={source}: {own:?} holds times of day alone, and {:?} the days; write {MAP} {name}={}",
                    self.names.all[day],
                    shell_word(&format!("{}+{own}", self.names.all[day]))
                )))),
                _ => Err(Failure::Flag(Error::usage(format!(
                    "{MAP} {name}={source}: {own:?} holds times of day alone; {}",
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
                        "{MAP} {name}={source}: {own:?} holds the day alone, and {:?} the time of day; write {MAP} {name}={} for both, or add {FORCE_SET} for the day alone",
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
    pub(super) fn is_of_days(&self) -> bool {
        let timeframe =
            self.dataset.columns.iter().find(|c| matches!(c.derive, Some(Derivation::SpacingOf(_))));
        timeframe.is_some_and(|column| {
            let known =
                given(&self.options.sets, &column.name).or(given(&self.options.from_name, &column.name));
            known.is_some_and(|text| timeframe::is_of_days(text))
        })
    }

    pub(super) fn join(&mut self, day: Day, clock: usize, form: Clock) -> usize {
        let minutes = (form == Clock::Hours)
            .then(|| (0..self.names.all.len()).find(|index| (self.look)(*index) == Look::Minutes))
            .flatten();
        self.joins.push(Join { day, clock, form, minutes });
        self.names.all.len() + self.joins.len() - 1
    }

    /// Columns with the days of that column's times of day.
    pub(super) fn days(&self, column: &Column, but: &[usize]) -> Vec<usize> {
        let named: Vec<usize> = self.names.steps(column, |_| true).into_iter().flatten().collect();
        (0..self.names.all.len())
            .filter(|index| !but.contains(index) && !self.is_elsewhere(column, *index))
            .filter(|index| named.contains(index) || daytime::is_day_name(self.names.plain(*index)))
            .filter(|index| matches!((self.look)(*index), Look::Days | Look::Midnights))
            .collect()
    }

    /// Columns with the times of day of that column's days; whether all are midnight.
    pub(super) fn clocks(&self, column: &Column, but: &[usize]) -> Vec<(usize, Clock, bool)> {
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
    pub(super) fn is_elsewhere(&self, column: &Column, index: usize) -> bool {
        let name = self.names.all[index];
        self.taken.contains(&index) || name != column.name && self.target.column(name).is_some()
    }

    /// The feed of a column of times: a column that has them whole, else a day and a time of day.
    pub(super) fn time(&mut self, column: &Column) -> Result<Option<ColumnSource>, Failure> {
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
                            "column {:?} holds days, and {} times of day; say which: {MAP} {name}={}",
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
                    "column {own:?} holds times of day, and {} days; say which: {MAP} {name}={}",
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
    pub(super) fn day_alone(&self, column: &Column, day: usize) -> Result<Option<ColumnSource>, Failure> {
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
            format!("{MAP} {name}={} {FORCE_SET} where the day alone is meant", shell_word(day)),
        )))
    }
}

/// What to do about times of day without their day.
pub(super) fn no_day(name: &str, clock: &str) -> String {
    format!("add {}", no_day_flag(name, clock))
}

pub(super) fn no_day_flag(name: &str, clock: &str) -> String {
    format!(
        "{MAP} {name}={} with the column of the days, or {NAME_PATTERN} with {{date}} where the name of the file tells the day",
        shell_word(&format!("COLUMN+{clock}"))
    )
}

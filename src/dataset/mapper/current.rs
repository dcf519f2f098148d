//! How a mapper follows a table that is changed while rows are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Schema;

use super::{MapOptions, Mapper, MapperSettings};
use crate::batch::Given;
use crate::dataset::daytime::{Day, Look};
use crate::dataset::describe::{Kind, Requirement};
use crate::dataset::faults::Faults;
use crate::dataset::mapping::{ColumnSource, Mapping, resolve};
use crate::dataset::target::{KeyPrecision, Target};
use crate::dataset::wanted::{self, Wanted, is_left_out};
use crate::error::Result;

impl MapperSettings {
    /// The settings for the table as it is in that version.
    fn at(&self, version: u64) -> Option<Self> {
        let live = self.live.as_ref()?;
        let dataset = match self.by_table {
            true => (*live.dataset(version)?).clone(),
            false => self.dataset.clone(),
        };
        Some(Self { dataset, target: (*live.target(version)?).clone(), ..self.clone() })
    }
}

/// What tells the rows of a table apart.
fn key_of(target: &Target) -> impl Iterator<Item = (&str, Option<KeyPrecision>)> {
    target.tells_by().iter().map(|name| (name.as_str(), target.column(name).map(|column| column.grain)))
}

impl Mapper {
    /// The version of the table, where it is another one than was seen last.
    fn newer(&self) -> Option<u64> {
        let now = self.settings.live.as_ref()?.version();
        (now != self.seen).then_some(now)
    }

    /// Whether the next rows will be told apart by another key than those before, which then have to be
    /// settled first.
    pub fn rekeys(&self) -> bool {
        let next = self.newer().and_then(|version| self.settings.live.as_ref()?.target(version));
        next.is_some_and(|next| !key_of(&next).eq(key_of(&self.settings.target)))
    }

    /// Which names of columns matter; `None` where that has been said of the table as it is now.
    pub fn wanted(&mut self) -> Option<Wanted> {
        if self.wanted.replace(self.version) == Some(self.version) {
            return None;
        }
        Some(self.names(&self.settings))
    }

    /// The names of columns whose values may be loaded, or looked at for how others are read. `None` where that may be any.
    pub fn needed(&self) -> Option<Wanted> {
        let now = self.newer().and_then(|version| self.settings.at(version));
        let settings = now.as_ref().unwrap_or(&self.settings);
        // A contract is known by its look, whatever its column is called.
        let contracts = settings.dataset.columns.iter().any(|column| column.kind == Kind::OptionType);
        (!contracts).then(|| self.names(settings))
    }

    fn names(&self, settings: &MapperSettings) -> Wanted {
        let zone = settings.zone_from.as_deref();
        wanted::names(&settings.dataset, &settings.target, &self.options, &settings.words, zone)
    }

    /// Whether values of those rows are needed that were not read: the table has come by a column since it was said which
    /// are.
    pub(super) fn lacks(mapping: &Mapping, schema: &Schema) -> bool {
        let is_out = |index: &usize| schema.fields().get(*index).is_some_and(|field| is_left_out(field));
        let joined = mapping.joins.iter().any(|join| {
            let day = match &join.day {
                Day::Source(day) => Some(*day),
                Day::Constant(_) => None,
            };
            day.iter().chain([&join.clock]).chain(&join.minutes).any(is_out)
        });
        joined
            || mapping
                .columns
                .iter()
                .any(|(.., feed)| matches!(feed, ColumnSource::Source(index) if is_out(index)))
    }

    /// Goes by the table as it is now.
    pub(super) fn follow(&mut self) {
        let Some(version) = self.newer() else { return };
        self.seen = version;
        if let Some(settings) = self.settings.at(version) {
            self.go_by(Arc::new(settings), version);
        }
    }

    fn go_by(&mut self, settings: Arc<MapperSettings>, version: u64) {
        self.settings = settings;
        self.version = version;
        self.mapping = None;
        self.output = None;
        self.constants.clear();
    }

    /// The mapping for the table as it is now. Where that lacks something that the rows have had a place
    /// for, they are mapped as before: whether they can wait for that place is for the store to say.
    pub(super) fn resolved(
        &mut self,
        schema: &Schema,
        look: &dyn Fn(usize) -> Look,
        options: &MapOptions,
    ) -> Result<Mapping> {
        let now = resolve(&self.settings.dataset, &self.settings.target, schema, look, options);
        if self.version == self.good.1 {
            return now;
        }
        let good = resolve(&self.good.0.dataset, &self.good.0.target, schema, look, options);
        let has =
            |mapping: &Mapping, name: &str| mapping.columns.iter().any(|(_, known, _)| **known == *name);
        match (now, good) {
            (now, Err(_)) => now,
            (Ok(now), Ok(good)) if good.columns.iter().all(|(_, name, _)| has(&now, name)) => {
                self.good = (self.settings.clone(), self.version);
                Ok(now)
            }
            (_, Ok(good)) => {
                let (settings, version) = self.good.clone();
                self.go_by(settings, version);
                Ok(good)
            }
        }
    }

    /// Whether rows that are about to be refused may have a place in the table after all: it is looked at,
    /// and is another one than it was when they were mapped. Then it is followed.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(live) = self.settings.live.clone() else { return false };
        live.look();
        // Under another key the rows before come first: the next batch sees to that.
        let changed = self.newer().is_some() && !self.rekeys();
        if changed {
            self.follow();
        }
        changed
    }

    /// Takes back what only the table had against rows, where it has nothing against them any more.
    pub(super) fn forgive(&self, faults: &mut Faults) {
        let nullable = |name: &str| {
            let known = self.settings.dataset.column(name);
            known.is_some_and(|column| !matches!(column.need, Requirement::Key | Requirement::Required))
                && self.settings.target.column(name).is_some_and(|column| column.nullable)
        };
        faults.retain(|reason| {
            reason.code != "missing_value" || !reason.column.as_deref().is_some_and(nullable)
        });
    }

    /// Whether batches keep what the input gave: only where kinds of columns may change with the table.
    pub(super) fn keeps_given(&self) -> bool {
        self.settings.by_table && self.settings.live.is_some()
    }

    /// What the input gave for the rows that are not at fault.
    pub(super) fn given(&mut self, mapping: &Mapping, faults: &Faults, rows: usize) -> Option<Arc<Given>> {
        let (anew, scales) = (self.keeps_given(), self.readings.scales());
        if !anew && !scales {
            return None;
        }
        let columns = std::mem::take(&mut self.given);
        let words = words(mapping);
        let told = scales || !words.is_empty();
        let reading = told.then(|| Arc::new(self.readings.note(Some(words), BTreeMap::new())));
        let given = Given { version: self.version, anew, columns, reading };
        if faults.is_empty() {
            return Some(Arc::new(given));
        }
        let keep: BooleanArray = (0..rows).map(|row| Some(faults.of(row).is_none())).collect();
        given.only(&keep).ok()
    }
}

/// Keeps what was given for a column.
pub(super) fn keep(kept: &mut Vec<Option<ArrayRef>>, place: usize, given: &ArrayRef) {
    if kept.len() <= place {
        kept.resize(place + 1, None);
    }
    kept[place] = Some(given.clone());
}

/// The columns of the input whose texts the store reads by itself.
pub(super) fn words(mapping: &Mapping) -> Vec<String> {
    let columns = mapping.columns.iter();
    let words = columns
        .filter(|(column, _, feed)| column.kind == Kind::Words && matches!(feed, ColumnSource::Source(_)));
    words.map(|(_, name, _)| name.to_string()).collect()
}

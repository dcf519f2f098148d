//! What is kept of an input, so that its later rows are read as its first ones were.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;

use super::Mapper;
use crate::batch::{Form, Origin, Reading};
use crate::dataset::inferred::{Learned, TimeForm};
use crate::dataset::narrow::Narrow;
use crate::dataset::reading::form_of;
use crate::dataset::scale::Scales;
use crate::dataset::seam::After;
use crate::dataset::time::{TimeFormats, TimeReader};

impl Mapper {
    /// The rows are out of dead letters that are to be read so.
    pub fn reads_by(&mut self, reading: Arc<Reading>) {
        // Under the names of its table a row has all of its columns.
        if reading.columns.is_none() {
            self.options.remember(&reading);
        }
        let (dataset, target) = (&self.settings.dataset, &self.settings.target);
        let scales = Scales::remembered(&reading.scale, dataset, target);
        let formats = TimeFormats::remembered(&reading.time_format, dataset, target);
        self.readings.remember(reading, scales, formats);
    }

    /// How rows are to be read that stay as the input gives them.
    pub fn reading(&self) -> Arc<Reading> {
        let forms = self.times.iter().map(|(name, times)| {
            (name.to_string(), Form { decimal: self.decimal_of(name), ..form_of(times, true) })
        });
        let mut reading = self.readings.note(None, forms.filter(|(_, form)| !form.is_empty()).collect());
        reading.set.extend(self.timeframe.iter().map(|deduced| ("timeframe".to_owned(), deduced.clone())));
        self.options.note(&mut reading);
        self.hints.note(&mut reading);
        Arc::new(reading)
    }

    /// The rows so far have been read for what they tell of all: they are none of those of which something is said.
    pub fn counts_anew(&mut self) {
        self.findings.clear();
        self.nulled.clear();
        self.words.clear();
        self.narrow = Narrow::of(&self.settings.dataset, &self.settings.target);
    }

    /// Whether some of its times may be told by those of the rows before alone: local ones, of which the clock shows some
    /// twice.
    pub fn has_clock(&self) -> bool {
        self.settings.zone_from.is_some() || self.settings.time.zone.is_some_and(|zone| zone != Tz::UTC)
    }

    /// The rows that follow are of that origin.
    pub fn continues(&mut self, origin: Arc<Origin>) {
        self.origin = origin;
    }

    /// What the rows so far have told of all.
    pub fn learned(&self) -> Learned {
        let known = |(name, reader): (&Arc<str>, &TimeReader)| {
            let form = reader.form();
            (form != TimeForm::default()).then(|| (name.to_string(), form))
        };
        let series = |(name, reader): (&Arc<str>, &TimeReader)| {
            let last: BTreeMap<_, _> = reader.last_rows().collect();
            (!last.is_empty()).then(|| (name.to_string(), last))
        };
        Learned {
            timeframe: self.timeframe.clone(),
            times: self.times.iter().filter_map(known).collect(),
            series: self.times.iter().filter_map(series).collect(),
            decimal: self.signs.learned(),
            seam: self.content.seam(),
        }
    }

    /// Goes on with an input of which that is known.
    pub fn knows(&mut self, learned: &Learned) {
        self.timeframe.clone_from(&learned.timeframe);
        self.signs.knows(learned.decimal);
        if let Some(seam) = &learned.seam {
            self.content.has_seam(seam.clone());
        }
        for (name, form) in &learned.times {
            let reader = TimeReader::knowing(self.readings.time_options(name), *form);
            self.times.insert(name.as_str().into(), reader);
        }
        for (name, last) in &learned.series {
            let options = self.readings.time_options(name);
            let reader = self.times.entry(name.as_str().into());
            reader
                .or_insert_with(|| TimeReader::new(options))
                .goes_on_after(last.iter().map(|(series, last)| (*series, *last)));
        }
    }

    /// The last rows that have no id of their own, by which equal ones are counted on after them.
    pub fn equals(&self) -> Option<String> {
        self.content.latest()
    }

    /// How many of those there were.
    pub fn equals_rows(&self) -> u64 {
        self.content.rows()
    }

    /// It is asked from now on what [`Self::equals`] was after so many of them, or after more.
    pub fn hold_equals(&mut self, rows: u64) {
        self.content.hold(rows);
    }

    /// What it was then.
    pub fn equals_at(&self, rows: u64) -> Option<String> {
        self.content.latest_at(rows)
    }

    /// Goes on behind rows of which those were the last.
    pub fn knows_equals(&mut self, equals: &str) {
        self.content.goes_on_after(equals);
    }

    /// The file before this one ended with those rows, as far as they have no id.
    pub fn comes_after(&mut self, equals: &str, after: After) {
        self.content.comes_after(equals, after);
    }

    /// The name of the column that orders the rows in time.
    pub fn time(&self) -> Option<&str> {
        self.settings.dataset.time.as_deref()
    }
}

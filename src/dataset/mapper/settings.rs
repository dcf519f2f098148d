//! What the mapping of all inputs of a run goes by.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use crate::dataset::convert::Conversion;
use crate::dataset::describe::{Dataset, Kind};
use crate::dataset::faults::Faults;
use crate::dataset::folds::Folds;
use crate::dataset::json_text::StringRows;
use crate::dataset::live::LiveTarget;
use crate::dataset::mapping::{MapOptions, target_of};
use crate::dataset::name_pattern::{Meaning, NamePattern, stem};
use crate::dataset::nulls::{NullTokens, Nulled};
use crate::dataset::quality::Quality;
use crate::dataset::reading::How;
use crate::dataset::scale::Scales;
use crate::dataset::separators::Decimal;
use crate::dataset::target::Target;
use crate::dataset::time::{TimeFormats, TimeOptions, TimeReader};
use crate::dataset::vocabulary::Words;
use crate::dataset::{folders, identity, timeframe};
use crate::error::{Error, Result};

/// What the mapping of all inputs of a run goes by.
#[derive(Debug, Clone)]
pub struct MapperSettings {
    /// The dataset.
    pub dataset: Dataset,
    /// The table.
    pub target: Target,
    /// The table while others may change it; none where nothing is to be written.
    pub live: Option<Arc<LiveTarget>>,
    /// Whether the dataset is what the table is by itself, so that its kinds change with the table.
    pub by_table: bool,
    /// `--map`, `--set` and their short forms; `from_name` is filled in per input.
    pub columns: MapOptions,
    /// `--name-pattern`.
    pub name_pattern: Option<NamePattern>,
    /// `--timestamp-unit`, `--timezone`, `--date-order`.
    pub time: TimeOptions,
    /// The column that names the zone of the times, where none is given.
    pub zone_from: Option<Arc<str>>,
    /// Whether a layout knows in which zone times are that name none.
    pub zone_known: bool,
    /// Columns of the input, and what their values are read as.
    pub words: Arc<Words>,
    /// `--null`.
    pub nulls: NullTokens,
    /// `--decimal`.
    pub decimal: Option<Decimal>,
    /// `--scale`, by the names of the table.
    pub scales: Scales,
    /// `--time-format`, by the names of the table.
    pub formats: TimeFormats,
    /// `--keep-case`.
    pub keep_case: bool,
    /// `--quality`.
    pub quality: Quality,
    /// Tells the time after which a row is in the future, in nanoseconds since 1970: asked for each batch,
    /// since a tail runs for months.
    pub now: fn() -> i64,
    /// The tenant that all rows must be of, as a UUID.
    pub tenant: Option<String>,
    /// Whether the rows are no series, so that their spacing tells no timeframe.
    pub sparse: bool,
    /// Whether all rows go through one lane, whatever the table.
    pub one_lane: bool,
}

impl MapperSettings {
    /// The names of the table's columns, where its rows are of no dataset.
    pub fn own_names(&self) -> Vec<String> {
        let names = self.target.columns.iter().filter(|_| self.by_table);
        names.map(|column| column.name.clone()).collect()
    }

    /// How columns are read, as the flags say.
    pub fn how(&self) -> How {
        How {
            time: self.time.clone(),
            nulls: self.nulls.clone(),
            keep_case: self.keep_case,
            decimal: self.decimal,
            scales: self.scales.clone(),
            formats: self.formats.clone(),
        }
    }

    /// What is said of the columns of an input of that name, with what the name tells.
    ///
    /// # Errors
    /// Usage, where the name does not fit `--name-pattern`, or in two ways, or a folder says otherwise than a flag.
    pub fn named(&self, source: &str) -> Result<MapOptions> {
        let mut options = self.columns.clone();
        if let Some(pattern) = &self.name_pattern {
            self.by_pattern(pattern, source, &mut options)?;
        }
        // A queue lies where its rows did not come from.
        if !self.sparse {
            let same = |name: &str, texts: [&str; 2]| texts[0] == texts[1] || self.is_one_value(name, texts);
            folders::add(&mut options, source, (&self.dataset, &self.target), &same)?;
        }
        Ok(options)
    }

    /// Whether two texts become the same value of that column.
    fn is_one_value(&self, name: &str, texts: [&str; 2]) -> bool {
        let Some(column) = self.dataset.column(name) else { return false };
        let (mut times, mut faults) = (TimeReader::new(self.time.clone()), Faults::default());
        let mut conversion = Conversion {
            column,
            name: &name.into(),
            nulls: &self.nulls,
            times: &mut times,
            keep_case: self.keep_case,
            folds: &mut Folds::default(),
            wide: self.dataset.signature.is_empty(),
            series: &[],
            telling_key: false,
            separators: None,
            scale: None,
            strings: StringRows::All,
            faults: &mut faults,
            nulled: &mut Nulled::default(),
        };
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let made = conversion.run(&texts);
        let one = made.is_ok_and(|made| {
            let [one, other] = [0, 1].map(|row| identity::of_keys(&[&made.slice(row, 1)], 1));
            one == other
        });
        one && faults.is_empty()
    }

    /// Adds what the name tells by `--name-pattern`.
    fn by_pattern(&self, pattern: &NamePattern, source: &str, options: &mut MapOptions) -> Result<()> {
        let column_of = |field: &str| {
            let name = target_of(field, &self.dataset, &self.target).ok()?;
            let known = self.target.column(&name)?;
            // The day of a file is no time of its rows.
            (known.kind != Kind::Timestamp || name == field).then_some(name)
        };
        let is_timeframe =
            |name: &str| self.dataset.column(name).is_some_and(|column| column.kind == Kind::Timeframe);
        let meaning = |field: &str| match column_of(field) {
            Some(name) if is_timeframe(&name) => Meaning::Timeframe,
            Some(_) => Meaning::Column,
            None if field == "minutes" => Meaning::Minutes,
            None if matches!(field, "date" | "day") => Meaning::Date,
            None => Meaning::Nothing,
        };
        let fields = pattern
            .fields(stem(source), &meaning)
            .map_err(|what| Error::usage(what.to_string()).at(source))?;
        for (field, value) in fields {
            match meaning(&field) {
                Meaning::Date => options.day = Some(value),
                Meaning::Nothing => {}
                Meaning::Minutes => {
                    let all = self.dataset.columns.iter();
                    let column =
                        all.filter(|column| column.kind == Kind::Timeframe).map(|column| &column.name);
                    let column = column.into_iter().find(|name| self.target.column(name).is_some());
                    let timeframe = timeframe::of_minutes(&value);
                    options.from_name.extend(column.map(|name| name.to_string()).zip(timeframe));
                }
                Meaning::Column | Meaning::Timeframe => {
                    options.named.extend(column_of(&field));
                    options.from_name.extend(column_of(&field).map(|name| (name, value)));
                }
            }
        }
        Ok(())
    }
}

//! At which place times are days: bars of a day and longer are stored under the day of their exchange, and a column may
//! name its zone.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::DataType;
use chrono_tz::Tz;

use super::{Mapped, Mapper, is_zone_name};
use crate::dataset::describe::{Derivation, Kind};
use crate::dataset::mapping::{ColumnSource, Mapping};
use crate::dataset::names::plain;
use crate::dataset::reading::Readings;
use crate::dataset::time::{TimeReader, has_offset};
use crate::dataset::timeframe;
use crate::error::{Error, Result};
use crate::model::text::Texts;
use crate::text::flags::TIMEZONE;

/// Times that are looked at for a place.
const SAMPLE: usize = 64;

/// Which rows are bars of a day or longer.
enum Daily {
    /// All, or none.
    All(bool),
    /// These.
    Some(BooleanArray),
}

impl Mapper {
    /// Reads the zone of the times from the column that a layout says it is in.
    pub(super) fn look_for_zone(&mut self, source: &RecordBatch) -> Result<()> {
        let Some(name) = self.settings.zone_from.clone() else { return Ok(()) };
        let fields = source.schema_ref().fields().iter();
        let Some(place) = fields.into_iter().position(|field| field.name().trim() == &*name) else {
            return Ok(());
        };
        let column = source.column(place).clone();
        let Some(texts) = Texts::of(&column) else { return Ok(()) };
        for text in texts.iter().flatten() {
            if self.zone_told.as_deref() == Some(text) {
                continue;
            }
            let wrong = |what: String| {
                Err(Error::usage(format!("{name} {what}; {TIMEZONE} ZONE reads all times in one zone"))
                    .at(&self.origin.source))
            };
            if let Some(known) = &self.zone_told {
                return wrong(format!("names two zones of the times, {known:?} and {text:?}"));
            }
            let Ok(zone) = text.trim().parse() else {
                return wrong(format!("names the zone {text:?}, which is not known"));
            };
            let mut settings = (*self.settings).clone();
            settings.time.zone = Some(zone);
            self.readings = Readings::new(settings.how());
            self.settings = settings.into();
            self.times.clear();
            self.zone_told = Some(text.to_owned());
            self.notes.push(format!("times are read in {}, as {name} says", text.trim()));
        }
        Ok(())
    }

    /// Reads the zone of the times from a column that is called so and names one, where times of day have none.
    pub(super) fn look_for_stated_zone(&mut self, mapping: &Mapping, source: &RecordBatch) -> Result<()> {
        let settings = &self.settings;
        let said = settings.time.zone.is_some() || settings.zone_from.is_some() || settings.zone_known;
        if said || settings.dataset.signature.is_empty() || self.origin.past.is_some() {
            return Ok(());
        }
        let names_one = |name: &&String| {
            let place = source.schema_ref().index_of(name).ok().filter(|_| is_zone_name(&plain(name)));
            let Some(texts) = place.and_then(|place| Texts::of(source.column(place))) else { return false };
            let mut values = texts.iter().flatten().map(str::trim).filter(|text| !text.is_empty());
            let Some(first) = values.next() else { return false };
            // A short name is that of several zones.
            let is_zone = first.contains('/') || first.eq_ignore_ascii_case("utc");
            is_zone && first.parse::<Tz>().is_ok() && values.all(|other| other == first)
        };
        let Some(name) = mapping.unused.iter().find(names_one) else { return Ok(()) };
        if !self.has_clocks_alone(mapping, source) {
            return Ok(());
        }
        let mut settings = (*self.settings).clone();
        settings.zone_from = Some(name.trim().into());
        self.settings = settings.into();
        self.look_for_zone(source)
    }

    /// Whether there are times of day without a zone.
    fn has_clocks_alone(&self, mapping: &Mapping, source: &RecordBatch) -> bool {
        let time = mapping.columns.iter().find(|(_, name, _)| self.time() == Some(name));
        let Some((_, _, ColumnSource::Source(place))) = time else { return false };
        // Of two columns one has the time of day.
        let Some(column) = source.columns().get(*place) else { return true };
        match Texts::of(column) {
            Some(texts) => {
                texts.iter().flatten().take(SAMPLE).any(|text| text.contains(':') && !has_offset(text))
            }
            None => matches!(column.data_type(), DataType::Timestamp(_, None)),
        }
    }

    /// Which rows are bars of days, where that is seen in the rows and a zone tells which day is meant.
    fn daily(&self, mapping: &Mapping, source: &RecordBatch) -> Option<Daily> {
        let time = &self.settings.time;
        if time.local_days || self.origin.past.is_some() {
            return None;
        }
        let column = mapping.columns.iter().find(|(column, ..)| column.kind == Kind::Timeframe);
        match column.map(|(.., feed)| feed)? {
            ColumnSource::Derived(Derivation::SpacingOf(_)) => {
                Some(Daily::All(timeframe::is_of_days(self.timeframe.as_deref()?)))
            }
            ColumnSource::Source(place) if time.zone.is_some() || self.has_places(mapping, source) => {
                let column = source.columns().get(*place)?;
                let texts = Texts::of(column)?;
                let mut last: Option<(&str, bool)> = None;
                let daily: BooleanArray = (0..texts.len())
                    .map(|row| {
                        let text = texts.get(row).unwrap_or_default();
                        let (_, is) = *match &mut last {
                            Some(known) if known.0 == text => known,
                            other => other.insert((text, timeframe::is_of_days(text))),
                        };
                        Some(is)
                    })
                    .collect();
                match daily.true_count() {
                    0 => Some(Daily::All(false)),
                    all if all == daily.len() => Some(Daily::All(true)),
                    _ => Some(Daily::Some(daily)),
                }
            }
            ColumnSource::Source(_)
            | ColumnSource::Constant(_)
            | ColumnSource::Null
            | ColumnSource::Derived(_) => None,
        }
    }

    /// Whether the times of some rows are written with a place.
    fn has_places(&self, mapping: &Mapping, source: &RecordBatch) -> bool {
        let time = mapping.columns.iter().find(|(_, name, _)| self.time() == Some(name));
        let Some((_, _, ColumnSource::Source(place))) = time else { return false };
        let Some(column) = source.columns().get(*place) else { return false };
        match Texts::of(column) {
            Some(texts) => texts.iter().flatten().take(SAMPLE).any(has_offset),
            None => matches!(column.data_type(), DataType::Timestamp(_, Some(_))),
        }
    }

    /// Takes note of whether the rows at hand are bars of days. Where some are and others are not, both are mapped for
    /// themselves.
    pub(super) fn by_days(
        &mut self,
        mapping: &Mapping,
        source: &RecordBatch,
        rows: &[u64],
    ) -> Result<Option<Mapped>> {
        let daily = match self.daily(mapping, source) {
            Some(Daily::Some(daily)) => daily,
            other => {
                self.days_now = match other {
                    Some(Daily::All(all)) => Some(all),
                    _ => None,
                };
                return Ok(None);
            }
        };
        let mut all = Mapped::default();
        let others = not(&daily);
        for keep in [Ok(daily), others] {
            let wrong = |error: arrow::error::ArrowError| {
                Error::internal(format!("rows of days cannot be told from others: {error}"))
            };
            let keep = keep.map_err(wrong)?;
            let part = filter_record_batch(source, &keep).map_err(wrong)?;
            let numbers = rows.iter().zip(keep.values()).filter_map(|(row, keep)| keep.then_some(*row));
            let made = self.map_now(&part, &numbers.collect::<Vec<_>>())?.unwrap_or_default();
            if made.lacks {
                return Ok(Some(made));
            }
            all.batches.extend(made.batches);
            all.rejects.extend(made.rejects);
            all.empty += made.empty;
        }
        Ok(Some(all))
    }

    /// Whether the spacing of the rows at hand has just told that they are bars of days: then they are read again.
    pub(super) fn has_learned_days(&mut self, mapping: &Mapping, source: &RecordBatch) -> bool {
        let placed = self.settings.time.zone.is_some() || self.has_places(mapping, source);
        if self.days_now.is_none()
            && placed
            && let Some(Daily::All(true)) = self.daily(mapping, source)
        {
            self.days_now = Some(true);
            self.times.values_mut().for_each(TimeReader::forget_placed);
            return true;
        }
        false
    }
}

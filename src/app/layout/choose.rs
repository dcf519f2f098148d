//! Which layout an input has, and how it is read by that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::layout::sign::{Match, Sign};
use crate::app::layout::{Layout, Sample, shipped};
use crate::app::plan::DataPlan;
use crate::app::spec::{Spec, mapped};
use crate::dataset::MapperSettings;
use crate::decode::Format;
use crate::error::{Error, Result};
use crate::source::{Chosen, OpenOptions, ReadBy};
use crate::text::flags::{DATASET, LAYOUT, TIMEZONE};
use crate::text::number_format::plural;
use crate::text::phrases::enumerated;

/// What the user says of layouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one whose signs are there, if there is one.
    #[default]
    Auto,
    /// None.
    None,
    /// That one.
    Named(String),
}

impl From<&str> for Choice {
    fn from(text: &str) -> Self {
        match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            name => Self::Named(name.to_owned()),
        }
    }
}

/// Layouts that a sample has, with the weight of the sign and how it is there; and those that it may have, with how much
/// their sign asks for.
type Found<'l> = (Vec<(usize, &'l Layout, Match)>, Vec<(usize, &'l str)>);

/// The layouts that come into question for the inputs of a run, and what has been chosen.
#[derive(Default)]
pub struct Layouts {
    choice: Choice,
    all: Vec<Layout>,
    /// What the user says of the data.
    said: Spec,
    /// What is said of the data of each layout that was chosen, by the layout and the pattern that the file's name fits.
    plans: Mutex<BTreeMap<String, DataPlan>>,
}

impl Layouts {
    /// Those of the user and the shipped ones, for data of which that is said.
    ///
    /// # Errors
    /// Usage, where none has the name that is asked for.
    pub fn new(choice: Choice, own: &[Layout], data: &DataPlan, open: &OpenOptions) -> Result<Self> {
        let hidden = |layout: &&Layout| own.iter().all(|own| own.name != layout.name);
        let mut all: Vec<Layout> = own.to_vec();
        all.extend(shipped()?.iter().filter(hidden).cloned());
        match &choice {
            Choice::None => all.clear(),
            Choice::Auto => {}
            Choice::Named(name) => {
                all.retain(|layout| layout.name == *name);
                if all.is_empty() {
                    return Err(Error::usage(format!(
                        "there is no layout {name:?}; mdsctl load {LAYOUT} help lists them"
                    )));
                }
            }
        }
        let said = Spec::of(data, open).said();
        if choice == Choice::Auto && said.describes_the_file() {
            // Who says where the rows are and what their columns are called has no use for a guess.
            all.clear();
        }
        if let Some(dataset) = &said.dataset {
            let fits = |layout: &Layout| layout.spec.dataset.as_ref().is_none_or(|own| own == dataset);
            match &choice {
                Choice::Named(name) if !all.iter().all(fits) => {
                    return Err(Error::usage(format!(
                        "{LAYOUT} {name} is not of {dataset}; leave {DATASET} out"
                    )));
                }
                _ => all.retain(fits),
            }
        }
        Ok(Self { choice, all, said, plans: Mutex::default() })
    }

    /// What is said of the data of an input with that layout.
    pub fn data(&self, chosen: &str) -> Option<DataPlan> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(chosen).cloned()
    }

    /// Of each layout the first sign that is there: those that are sure with their weight, and those that are not with what
    /// they ask for.
    fn signs(&self, sample: &Sample) -> Found<'_> {
        let (mut sure, mut unsure) = Found::default();
        for layout in &self.all {
            let delimiter = self.said.delimiter.or(layout.spec.delimiter);
            let there = |sign| Some((sign, Sign::find(sign, sample, &layout.patterns, delimiter)?));
            let all = layout.signs.iter().filter_map(there);
            let is_unsure =
                |sign: &Sign| sign.unsure || sign.shared && self.is_named_by_another(layout, &sample.stem);
            let Some((sign, found)) = all.min_by_key(|(sign, _)| is_unsure(sign)) else { continue };
            match is_unsure(sign) {
                true => unsure.push((sign.telling(), layout.name.as_str())),
                false => {
                    let found = Match { sign: Some(sign.words(&layout.names)), ..found };
                    sure.push((sign.weight(), layout, found));
                }
            }
        }
        (sure, unsure)
    }

    /// Whether the name of a file names a vendor that is known, and not the layout's own.
    fn is_named_by_another(&self, layout: &Layout, stem: &str) -> bool {
        let own = layout.spec.vendor.as_deref().unwrap_or_default();
        let names = |vendor: &str| {
            let mut parts = stem.split(|letter: char| !letter.is_alphanumeric());
            parts.any(|part| {
                part.eq_ignore_ascii_case(vendor)
                    || vendor.len() >= TELLING
                        && part.get(..vendor.len()).is_some_and(|start| start.eq_ignore_ascii_case(vendor))
            })
        };
        let mut vendors = self.all.iter().filter_map(|layout| layout.spec.vendor.as_deref());
        !names(own) && vendors.any(|vendor| vendor != own && names(vendor))
    }

    /// The layout that the sample has, with how; and those that it may have.
    fn find(&self, sample: &Sample) -> (Option<(&Layout, Match)>, Vec<&str>) {
        if let (Choice::Named(_), Some(layout)) = (&self.choice, self.all.first()) {
            return (Some((layout, forced(layout, sample))), Vec::new());
        }
        let (mut sure, mut unsure) = self.signs(sample);
        if sure.is_empty()
            && let Some(names) = sample.by_names()
        {
            let more = self.signs(&names);
            sure.extend(more.0);
            unsure.extend(more.1);
        }
        // Of those that may be it the ones count that ask for most.
        let most = unsure.iter().map(|(telling, _)| *telling).max();
        unsure.retain(|(telling, _)| Some(*telling) == most);
        let unsure = unsure.into_iter().map(|(_, name)| name).collect();
        let Some(most) = sure.iter().map(|(weight, ..)| *weight).max() else { return (None, unsure) };
        sure.retain(|(weight, ..)| *weight == most);
        match sure.len() {
            1 => (sure.pop().map(|(_, layout, found)| (layout, found)), unsure),
            // What two layouts claim is neither's for sure.
            _ => (None, sure.iter().map(|(_, layout, _)| layout.name.as_str()).collect()),
        }
    }
}

/// Letters of a vendor's name that stand for it where others follow: YahooFinance.
const TELLING: usize = 5;

/// How a layout that is asked for by name is read: by the sign that is there, else as the first line says.
fn forced(layout: &Layout, sample: &Sample) -> Match {
    let delimiter = layout.spec.delimiter;
    let found = layout.signs.iter().find_map(|sign| sign.find_inside(sample, delimiter));
    let columns =
        || layout.signs.iter().find(|sign| !sign.columns.is_empty()).map(|sign| sign.columns.clone());
    found.unwrap_or_else(|| {
        let no_header = sample.begins_with_data(delimiter) && columns().is_some();
        let columns = if no_header { columns() } else { None }.unwrap_or_default();
        Match { skip_lines: 0, header: false, no_header, columns, sign: None }
    })
}

impl ReadBy for Layouts {
    fn of_head(&self, name: &str, format: Format, head: &[u8]) -> Result<Chosen> {
        self.of(&Sample::of(name, format, head))
    }

    fn of_names(&self, name: &str, format: Format, names: &[Arc<str>]) -> Result<Chosen> {
        self.of(&Sample::of_names(name, format, names.iter().map(|name| &**name)))
    }

    fn mapper(&self, chosen: &str, base: &MapperSettings) -> Result<MapperSettings> {
        match self.data(chosen) {
            Some(data) => data.mapper(MapperSettings { zone_known: true, ..base.clone() }),
            None => Ok(base.clone()),
        }
    }
}

impl Layouts {
    fn of(&self, sample: &Sample) -> Result<Chosen> {
        let (found, perhaps) = self.find(sample);
        let perhaps = match perhaps[..] {
            [] => None,
            _ => {
                let flags: Vec<String> = perhaps.iter().map(|name| format!("{LAYOUT} {name}")).collect();
                Some(format!("by its looks it may be of a layout: {}", enumerated(&flags, "or")))
            }
        };
        let Some((layout, found)) = found else { return Ok(Chosen { perhaps, ..Chosen::default() }) };
        let perhaps = perhaps.or_else(|| layout.hint.clone());
        let mut below = layout.spec.clone();
        let mut said = self.said.clone();
        if said.name_pattern.is_none() {
            below.name_pattern = layout.pattern_of(&sample.stem).map(str::to_owned);
        }
        if found.skip_lines > 0 {
            below.skip_lines = Some(found.skip_lines);
        }
        if found.no_header {
            below.no_header = Some(true);
        }
        if !found.columns.is_empty() {
            below.columns = Some(found.columns);
        }
        // What a layout says of a column is for rows that have it not; what the user says goes before the row.
        let mut assumed: Vec<(String, String)> = below.set.take().unwrap_or_default();
        for (name, value) in [
            ("vendor", below.vendor.take()),
            ("symbol", below.symbol.take()),
            ("timeframe", below.timeframe.take()),
        ] {
            assumed.extend(value.map(|value| (name.to_owned(), value)));
        }
        if said.table.is_some() && said.dataset.is_none() {
            below.dataset = None;
        }
        said.dataset = said.dataset.or(below.dataset.take());
        let dataset = said.dataset.clone();
        let maps = below.map.take().unwrap_or_default();
        let (mut data, mut open) = said.over(below).plan();
        data.assumed_maps.clone_from(&maps);
        data.unmapped.clone_from(&layout.unmap);
        data.zone_from.clone_from(&layout.zone_from);
        open.csv.sure_header |= found.header;
        // Of a document: names without a path in them may stand above its rows.
        let chosen_by = open.only_rows.keys().chain(open.split.keys()).cloned();
        let parts = mapped(&maps).into_iter().chain(chosen_by).filter(|source| source.contains(['.', '[']));
        open.csv.json.mapped.extend(parts);
        data.assumed.clone_from(&assumed);
        let key = format!("{}\u{0}{}", layout.name, data.name_pattern.as_deref().unwrap_or_default());
        let known: Vec<String> =
            data.assumed.iter().map(|(name, value)| format!("{name} is {value}")).collect();
        let above = match found.skip_lines {
            0 => String::new(),
            lines => format!(", {} before its header passed over", plural(lines, "line")),
        };
        let known = if known.is_empty() { String::new() } else { format!(": {}", enumerated(&known, "and")) };
        let told = format!(
            "layout is {} ({}){known}{above}; {LAYOUT} none reads it without",
            layout.name, layout.title
        );
        let told = match layout.zone_is_unknown && data.values.timezone.is_none() {
            true => format!(
                "{told}; its times are read as UTC, and no file of it tells their zone: {TIMEZONE} ZONE reads them in it"
            ),
            false => told,
        };
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), data);
        Ok(Chosen {
            layout: Some(key.into()),
            open: Some(open),
            dataset,
            told: Some(told),
            sign: found.sign,
            perhaps,
        })
    }
}

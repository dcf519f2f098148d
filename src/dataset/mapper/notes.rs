//! What is said of an input: what was deduced, left out, let through.

use super::Mapper;
use crate::dataset::describe::Kind;
use crate::dataset::mapping::ColumnSource;
use crate::dataset::names::plain;
use crate::dataset::quality::Findings;
use crate::dataset::seam::Told;
use crate::text::flags::{MAP, SCALE, TIMEZONE};
use crate::text::phrases::{enumerated, list, shell_word};

/// What is said of rows without an id that the file before ended with, and that are taken for the same ones, since
/// the files seem to overlap; the sentence is made where the number of rows is known.
pub const SHARED: &str = "equal ticks without an id at the seam of two files";

/// How a sentence ends on a symbol that the name of the file tells: `symbol is AAPL, from the file's name`.
pub const FROM_NAME: &str = ", from the file's name";

/// What is said of rows without an id that are taken for others than those that the file before ended with, since
/// the files seem to be one that was cut.
pub const CUT: &str = "equal ticks without an id where one file was cut in two";

impl Mapper {
    /// Columns whose numbers were to be multiplied, and are not.
    fn not_scaled(&self) -> Vec<String> {
        let Some((_, mapping)) = &self.mapping else { return Vec::new() };
        let why = |name: &str| {
            let fed = mapping.columns.iter().find(|(_, known, _)| **known == *name);
            match fed {
                Some((_, _, ColumnSource::Source(_))) if self.readings.scale(name).is_some() => None,
                Some((_, _, ColumnSource::Source(_))) => {
                    Some("was multiplied when these rows were read first, and stays as it is")
                }
                _ => Some("is not taken from the input, and stays as it is"),
            }
        };
        let told = |name: &str| why(name).map(|why| format!("{name} {why}, whatever {SCALE} says"));
        self.settings.scales.columns().filter_map(told).collect()
    }

    /// What was deduced and what was left out, one sentence each, for the user.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        notes.extend(self.signs.note());
        notes.extend(self.signs.note_of_marks());
        notes.extend(self.codes.iter().filter_map(|(name, codes)| codes.note(name)));
        for (name, (main, other)) in &self.twofold {
            notes.push(format!("{name} is {main} in some rows and {other} in others"));
        }
        for (name, folds) in &self.folds {
            notes.extend(folds.note().map(|note| format!("{name} {note}")));
        }
        for (name, reader) in &self.times {
            notes.extend(reader.notes().into_iter().map(|note| format!("{name} {note}")));
        }
        notes.extend(self.zone_passed_over().or_else(|| self.zone_unsaid()));
        notes.extend(self.of_another_kind());
        notes.extend(self.of_folders());
        notes.extend(self.symbol_of_name());
        notes.extend(self.beside_folders());
        let (replaced, unused): (Vec<&String>, Vec<&String>) =
            self.unused.iter().partition(|name| self.is_replaced(name));
        if !unused.is_empty() {
            notes.push(format!("columns not loaded: {}", list(unused.into_iter().map(String::as_str))));
        }
        if !replaced.is_empty() {
            let names = list(replaced.into_iter().map(String::as_str));
            notes.push(format!("set by flags, whatever the rows have: {names}"));
        }
        for (name, speaking) in &self.empty {
            let quoted: Vec<String> = speaking.iter().map(|source| format!("{source:?}")).collect();
            let (are, source) = match &speaking[..] {
                [one] => ("is", shell_word(one)),
                _ => ("are", "COLUMN".to_owned()),
            };
            notes.push(format!(
                "{name} is null in every row: no column is called so, and {} {are} not loaded; {MAP} {name}={source} takes it from there",
                enumerated(&quoted, "and")
            ));
        }
        notes.extend(self.not_scaled());
        if !self.unmapped_targets.is_empty() {
            notes.push(format!(
                "{} has no column for {}",
                self.settings.target.table,
                list(self.unmapped_targets.iter().map(String::as_str))
            ));
        }
        notes.extend(self.narrow.note(&self.settings.target.table));
        notes.sort();
        notes
    }

    /// Whether a flag gives what a column of the input has by that name.
    pub(super) fn is_replaced(&self, name: &str) -> bool {
        let name = plain(name);
        let Some((_, mapping)) = self.mapping.as_ref() else { return false };
        mapping.columns.iter().any(|(column, own, feed)| {
            matches!(feed, ColumnSource::Constant(_))
                && self.options.sets.iter().any(|(set, _)| **set == **own)
                && (plain(own) == name || column.synonyms.iter().any(|synonym| plain(synonym) == name))
        })
    }

    /// Which columns folders have told that the input has itself.
    pub(super) fn beside_folders(&self) -> Option<String> {
        let (_, mapping) = self.mapping.as_ref()?;
        let own = mapping.columns.iter().filter(|(_, name, feed)| {
            let from_input = !matches!(feed, ColumnSource::Constant(_) | ColumnSource::Null);
            from_input && self.options.folders.iter().any(|told| **told == **name)
        });
        let own: Vec<String> = own.map(|(_, name, _)| name.to_string()).collect();
        let comes = if own.len() == 1 { "comes" } else { "come" };
        (!own.is_empty()).then(|| {
            format!("{} {comes} from the rows, whatever the names of folders say", enumerated(&own, "and"))
        })
    }

    /// Which columns folders have told.
    pub(super) fn of_folders(&self) -> Option<String> {
        let (_, mapping) = self.mapping.as_ref()?;
        let told = mapping.columns.iter().filter(|(_, name, feed)| {
            matches!(feed, ColumnSource::Constant(_) | ColumnSource::Null)
                && self.options.folders.iter().any(|told| **told == **name)
        });
        let told: Vec<String> = told.map(|(_, name, _)| name.to_string()).collect();
        let is = if told.len() == 1 { "is" } else { "are" };
        (!told.is_empty())
            .then(|| format!("{} {is} taken from the names of folders", enumerated(&told, "and")))
    }

    /// The symbol that the name of the file has told.
    fn symbol_of_name(&self) -> Option<String> {
        let (_, mapping) = self.mapping.as_ref()?;
        mapping.columns.iter().find_map(|(column, name, feed)| match feed {
            ColumnSource::Constant(value)
                if column.kind == Kind::Symbol && self.options.named.iter().any(|told| **told == **name) =>
            {
                Some(format!("{name} is {value}{FROM_NAME}"))
            }
            _ => None,
        })
    }

    /// What there is to say of a column that may tell the zone of the times, which nothing reads.
    pub(super) fn zone_passed_over(&self) -> Option<String> {
        let time = self.time()?;
        let reader = self.times.get(time)?;
        let written =
            reader.is_unplaced() && reader.deduced_unit().is_none() && self.settings.time.unit.is_none();
        let (_, mapping) = self.mapping.as_ref()?;
        let from_input = mapping
            .columns
            .iter()
            .any(|(_, name, feed)| **name == *time && matches!(feed, ColumnSource::Source(_)));
        let zone = self.unused.iter().find(|name| is_zone_name(&plain(name)))?;
        (written && from_input && self.settings.time.zone.is_none()).then(|| {
            format!(
                "times without an offset were read as UTC, whatever {:?} says: {TIMEZONE} ZONE reads them in another zone",
                zone.trim()
            )
        })
    }

    /// What there is to say of times of day without a zone, where nobody says in which one they are.
    fn zone_unsaid(&self) -> Option<String> {
        let name = self.time()?;
        let (settings, reader) = (&self.settings, self.times.get(name)?);
        let (schema, mapping) = self.mapping.as_ref()?;
        let (.., feed) = mapping.columns.iter().find(|(_, known, _)| **known == *name)?;
        let ColumnSource::Source(place) = feed else { return None };
        let says = |name: &str| ["utc", "gmt"].iter().any(|zone| plain(name).contains(zone));
        let said = schema.fields().get(*place).is_some_and(|field| says(field.name()));
        let is_own = settings.dataset.signature.is_empty() || self.origin.past.is_some();
        (reader.is_unplaced() && !said && !is_own && !settings.zone_known && settings.time.zone.is_none())
            .then(|| {
                format!("times name no zone and are read as UTC: {TIMEZONE} ZONE reads them in another one")
            })
    }

    /// What there is to say of how many rows: implausible ones that were let through, and values
    /// that became null.
    pub fn findings(&self) -> Findings {
        let implausible =
            |(what, rows): (&String, &u64)| (format!("implausible, not rejected for that: {what}"), *rows);
        let mut findings: Findings = self.findings.iter().map(implausible).collect();
        findings.extend(self.words.iter().map(|(what, rows)| (what.clone(), *rows)));
        for (name, nulled) in &self.nulled {
            nulled.tell(name, &mut findings);
        }
        let Told { same, others } = self.content.shared();
        for (what, rows) in [(SHARED, same), (CUT, others)].into_iter().filter(|(_, rows)| *rows > 0) {
            findings.insert(what.to_owned(), rows);
        }
        findings
    }
}

/// Whether a note says how values were understood, and not what became of them.
pub fn is_deduction(note: &str) -> bool {
    [
        "layout is ",
        "rows are at ",
        "timeframe is ",
        " is an epoch in ",
        " is written ",
        "numbers are written with ",
        " are read together",
        " are read as numbers: ",
        " read from the contracts in ",
        "times are read in ",
        " and are read as UTC: ",
        ", the start of the bar, and not ",
        " taken from the names of folders",
        FROM_NAME,
        ", from the files' names",
        " is read as Windows-1252: ",
    ]
    .iter()
    .any(|said| note.contains(said))
}

/// Whether a column of that name, without case and punctuation, tells the zone of the times beside it.
pub(in crate::dataset) fn is_zone_name(plain: &str) -> bool {
    matches!(
        plain,
        "timezone"
            | "tz"
            | "tzname"
            | "zone"
            | "zoneid"
            | "utcoffset"
            | "gmtoffset"
            | "tzoffset"
            | "timezoneoffset"
    ) || plain.ends_with("timezone")
        || plain.ends_with("timezonename")
}

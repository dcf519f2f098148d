//! What a layout is known by.

use serde::Deserialize;

use super::sample::Sample;
use crate::dataset::name_pattern::{Field, Meaning, NamePattern};
use crate::text::flags::LAYOUT;

/// What a layout is known by: all of it has to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sign {
    /// Names that stand in the header, in any order and case.
    pub header: Vec<String>,
    /// How many lines that say something stand before the header.
    pub above: usize,
    /// What the first lines begin with, blank ones left out of account.
    pub begins: Vec<String>,
    /// Whether the header has no others.
    pub only: bool,
    /// What the fields of the first line are, where there is no header: `epoch` (`epoch-s`, `epoch-ms`, `epoch-us`,
    /// `epoch-ns`), `number`, `integer`, `decimal` (a number with a point), `zero`, `positive`, `billionths`, `text`, `bool`,
    /// `any`, or a form in which 9 is a digit: `9999-99-99`, or `*.9999` for what ends so.
    pub shape: Vec<String>,
    /// What columns of a header hold in the first rows behind it, by their names: `open=integer`, of the kinds and forms
    /// that `shape` has; `time=falling` where each is less than the one before.
    pub values: Vec<String>,
    /// Where values stand in a document or a line of JSON: `results[].t`, `bars.*[].o`.
    pub json: Vec<String>,
    /// Whether the name of the file has to fit one of the layout's patterns.
    pub name: bool,
    /// The format, where that says it all.
    pub format: Option<String>,
    /// The names of the columns of rows without a header.
    pub columns: Vec<String>,
    /// Whether others may look the same: then it is named where rows cannot be loaded, and not taken by itself.
    pub unsure: bool,
    /// Whether others write the same: then a file whose name is that of another vendor is not taken for one unasked.
    pub shared: bool,
}

/// How a sign is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Lines before the header.
    pub skip_lines: u64,
    /// Whether the header is known by its names.
    pub header: bool,
    /// Whether there is no header.
    pub no_header: bool,
    /// The names of the columns then.
    pub columns: Vec<String>,
    /// Which sign it is, in words, where one was looked for.
    pub sign: Option<String>,
}

impl Sign {
    /// The words for what may be said.
    pub const NAMES: [&str; 12] = [
        "header", "above", "begins", "only", "shape", "values", "json", "name", "format", "columns",
        "unsure", "shared",
    ];

    /// Whether it is there. `patterns` are those of the layout.
    pub fn find(&self, sample: &Sample, patterns: &[NamePattern], delimiter: Option<u8>) -> Option<Match> {
        if self.name && !patterns.iter().any(|pattern| fits(pattern, &sample.stem)) {
            return None;
        }
        self.find_inside(sample, delimiter)
    }

    /// Whether it is there, whatever the input is called.
    pub fn find_inside(&self, sample: &Sample, delimiter: Option<u8>) -> Option<Match> {
        if self.format.as_deref().is_some_and(|format| format != sample.format.name) {
            return None;
        }
        if !sample.begins_with(&self.begins) {
            return None;
        }
        let mut found =
            Match { skip_lines: 0, header: false, no_header: false, columns: Vec::new(), sign: None };
        if !self.header.is_empty() {
            let line = sample.header(&self.header, delimiter)?;
            // Rows may stand before what looks like a header.
            if sample.said_before(line) != self.above {
                return None;
            }
            if self.only && sample.names_at(line, delimiter).len() != self.header.len() {
                return None;
            }
            if !self.values.iter().all(|value| holds(sample, line, value, delimiter)) {
                return None;
            }
            (found.skip_lines, found.header) = (if self.above > 0 { line as u64 } else { 0 }, true);
        }
        if !self.shape.is_empty() {
            let is_it = |row: &Vec<String>| {
                row.len() == self.shape.len()
                    && self.shape.iter().zip(row).all(|(shape, field)| is_shaped(field, shape))
            };
            // One of the first may be damaged.
            if !sample.begins_with_data(delimiter) || !sample.first(delimiter).iter().any(is_it) {
                return None;
            }
            (found.no_header, found.columns) = (true, self.columns.clone());
        }
        if !self.json.is_empty() {
            let all = self.json.iter().all(|path| sample.has_path(path));
            if !all || self.is_wider(sample) {
                return None;
            }
            found.columns.clone_from(&self.columns);
        }
        let says = !self.header.is_empty() || !self.shape.is_empty() || !self.json.is_empty();
        (says || self.format.is_some() || self.name).then_some(found)
    }

    /// Whether the rows of a document, where they are arrays, have more values than there are names.
    fn is_wider(&self, sample: &Sample) -> bool {
        let last = self.json.iter().filter_map(|path| path.strip_suffix(']')?.rsplit_once('['));
        let rows = last.filter(|(_, place)| !place.is_empty()).map(|(rows, _)| rows).next();
        !self.columns.is_empty()
            && rows.is_some_and(|rows| sample.has_path(&format!("{rows}[{}]", self.columns.len())))
    }

    /// How much it says: of two signs that are there the one that says more is taken.
    pub fn weight(&self) -> usize {
        self.header.len()
            + self.values.len()
            + self.shape.len()
            + self.json.len()
            + self.shape.iter().filter(|shape| matches!(shape.as_str(), "zero" | "positive")).count()
            + usize::from(self.name)
            + usize::from(self.only)
    }

    /// How many fields of a first line have to be of a kind that not every number is of.
    pub fn telling(&self) -> usize {
        let loose = |shape: &&String| matches!(shape.as_str(), "any" | "number");
        self.weight() + self.shape.iter().filter(|shape| !loose(shape)).count()
    }

    /// In words, for lists.
    pub fn words(&self, names: &[String]) -> String {
        let mut said = Vec::new();
        if let Some(format) = &self.format {
            said.push(format!("format {format}"));
        }
        if !self.header.is_empty() {
            let only = if self.only { " alone" } else { "" };
            said.push(format!("header with {}{only}", self.header.join(", ")));
        }
        if !self.values.is_empty() {
            said.push(format!("first row with {}", self.values.join(", ")));
        }
        if !self.shape.is_empty() {
            said.push(format!("no header, {} fields: {}", self.shape.len(), self.shape.join(", ")));
        }
        if !self.json.is_empty() {
            said.push(format!("JSON with {}", self.json.join(", ")));
        }
        if self.name {
            said.push(format!("name like {}", names.join(" or ")));
        }
        let unsure = if self.unsure { format!(" (only with {LAYOUT})") } else { String::new() };
        format!("{}{unsure}", said.join("; "))
    }
}

/// Whether a name fits a pattern, its timeframes and days being some.
pub(super) fn fits(pattern: &NamePattern, stem: &str) -> bool {
    fields(pattern, stem).is_some()
}

/// What a name that fits a pattern has for its fields, its timeframes and days being some.
pub(super) fn fields(pattern: &NamePattern, stem: &str) -> Option<Vec<Field>> {
    let meaning = |field: &str| match field {
        "timeframe" => Meaning::Timeframe,
        "minutes" => Meaning::Minutes,
        "date" | "day" => Meaning::Date,
        _ => Meaning::Column,
    };
    let has_day = |fields: &Vec<Field>| {
        fields
            .iter()
            .filter(|(name, _)| name == "date")
            .all(|(_, day)| day.bytes().any(|b| b.is_ascii_digit()))
    };
    pattern.fields(stem, &meaning).ok().filter(has_day)
}

/// Whether the first rows behind the header in that line have values of a kind in a column, as far as they have some:
/// `open=integer`.
fn holds(sample: &Sample, line: usize, value: &str, delimiter: Option<u8>) -> bool {
    let Some((name, shape)) = value.split_once('=') else { return false };
    let names = sample.names_at(line, delimiter);
    let Some(place) = names.iter().position(|own| own.eq_ignore_ascii_case(name.trim())) else {
        return false;
    };
    let rows = sample.behind(line, delimiter);
    let mut fields =
        rows.iter().filter_map(|row| row.get(place)).filter(|field| !field.is_empty()).peekable();
    if shape.trim() == "falling" {
        let all: Vec<&String> = fields.collect();
        return all.len() > 1 && all.is_sorted_by(|one, next| one > next);
    }
    fields.peek().is_some() && fields.all(|field| is_shaped(field, shape.trim()))
}

fn is_shaped(field: &str, shape: &str) -> bool {
    let digits = !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
    let number = || field.parse::<f64>().is_ok_and(f64::is_finite);
    match shape {
        "any" => true,
        "epoch" => digits && matches!(field.len(), 10 | 13 | 16 | 19),
        "epoch-s" => digits && field.len() == 10,
        "epoch-ms" => digits && field.len() == 13,
        "epoch-us" => digits && field.len() == 16,
        "epoch-ns" => digits && field.len() == 19,
        "integer" => field.strip_prefix('-').unwrap_or(field).bytes().all(|b| b.is_ascii_digit()) && number(),
        "number" => number(),
        "decimal" => field.contains('.') && number(),
        "zero" => field.parse() == Ok(0.0),
        "positive" => field.parse::<f64>().is_ok_and(|number| number > 0.0),
        // Billionths of a price of a cent and more.
        "billionths" => field.len() >= 8 && number() && !field.contains(['.', 'e', 'E']),
        "bool" => matches!(field.to_ascii_lowercase().as_str(), "true" | "false" | "0" | "1"),
        "text" => !field.is_empty() && !number(),
        form => {
            let (form, field) = match form.strip_prefix('*') {
                Some(form) => (form, field.get(field.len().saturating_sub(form.len())..).unwrap_or_default()),
                None => (form, field),
            };
            form.len() == field.len()
                && form.bytes().zip(field.bytes()).all(|(form, byte)| match form {
                    b'9' => byte.is_ascii_digit(),
                    form => form == byte,
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Format;

    #[test]
    fn a_header_is_told_from_the_same_one_by_the_first_row_behind_it() {
        let sample = |text: &str| Sample::of("x.csv", Format::CSV, text.as_bytes());
        let header: Vec<String> = vec!["time".into(), "price".into()];
        let sign =
            |value: &str| Sign { header: header.clone(), values: vec![value.into()], ..Sign::default() };
        let scaled = sample("Time,Price\n\n1704153600000000000,3720250000000\n");
        let plain = sample("Time,Price\n2024-01-02D00:00:00.5,3720.25\n");
        for (value, of_scaled, of_plain) in [
            ("price=integer", true, false),
            ("price=number", true, true),
            ("time=epoch-ns", true, false),
            ("time=9999-99-99D99:99:99.9", false, true),
            ("size=any", false, false),
            ("price", false, false),
        ] {
            assert_eq!(sign(value).find(&scaled, &[], None).is_some(), of_scaled, "{value}");
            assert_eq!(sign(value).find(&plain, &[], None).is_some(), of_plain, "{value}");
        }
        assert!(sign("price=any").find(&sample("time,price\n"), &[], None).is_none());
    }

    #[test]
    fn fields_have_shapes() {
        for (field, shape) in [
            ("1704153600000", "epoch"),
            ("1704153600000", "epoch-ms"),
            ("1704153600000123", "epoch-us"),
            ("-1.5", "number"),
            ("-15", "integer"),
            ("-15.0", "decimal"),
            ("True", "bool"),
            ("buy", "text"),
            ("2024.01.02", "9999.99.99"),
            ("", "any"),
        ] {
            assert!(is_shaped(field, shape), "{field} {shape}");
        }
        for (field, shape) in [
            ("17041536", "epoch"),
            ("1.5", "integer"),
            ("15", "decimal"),
            (".", "decimal"),
            ("-", "integer"),
            ("inf", "number"),
            ("1", "text"),
            ("2024-01-02", "9999.99.99"),
            ("", "number"),
        ] {
            assert!(!is_shaped(field, shape), "{field} {shape}");
        }
    }
}

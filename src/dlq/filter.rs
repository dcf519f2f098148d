//! Which rows of a queue are meant.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dlq::letter::{Letter, field};
use crate::dlq::lines::Line;
use crate::settings::quantity::duration;

/// What rows have to be. A condition with several values is met by any of them; what is empty is met by
/// all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// `metadata.code`.
    pub codes: Vec<String>,
    /// `metadata.stage`.
    pub stages: Vec<String>,
    /// Symbols of rows, without regard to case.
    pub symbols: Vec<String>,
    /// Fields and their values: of the metadata, the record (`error`), or the rows, as text.
    pub wheres: Vec<(String, String)>,
    /// Earliest `ts`, in microseconds since 1970.
    pub since: Option<i64>,
    /// The `ts` before which all are, in microseconds since 1970.
    pub until: Option<i64>,
    /// The tenant alone whose rows are meant, by all of its names; rows that say none are meant too.
    #[serde(default)]
    pub tenant: Option<Tenant>,
}

/// Reads a moment, in microseconds since 1970: a time in RFC 3339, a date (its beginning in UTC), or how long ago
/// it is.
///
/// # Errors
/// Where it is none.
pub fn moment(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_micros());
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
    }
    if text.ends_with(|c: char| c.is_ascii_alphabetic())
        && let Ok(ago) = duration(text)
    {
        return Ok(chrono::Utc::now().timestamp_micros() - i64::try_from(ago.as_micros()).unwrap_or(0));
    }
    Err("expected a time such as 2024-11-23T08:00:00Z, a date, or 2h or 7d for so long ago".to_owned())
}

/// A tenant, for whom alone a replay writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// As the user gave it.
    pub given: String,
    /// Its id, where the store knows tenants.
    pub id: Option<String>,
}

/// Which rows of some queues are meant, and how many of them.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What rows have to be.
    pub filter: Filter,
    /// How many of them at most.
    pub limit: Option<u64>,
}

impl Tenant {
    fn is(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.given)
            || self.id.as_ref().is_some_and(|id| name.eq_ignore_ascii_case(id))
    }

    /// Who a record says that it is of, where that is another one: its metadata, or what its rows were to
    /// be read with (`--set tenant_id=…`). Of a short name in the former the store alone may know whose it is.
    fn is_foreign<'l>(&self, letter: &'l Letter<'_>) -> Option<&'l str> {
        let known = |of: &&str| self.id.is_none() || uuid::Uuid::try_parse(of).is_ok();
        let said = letter.meta.tenant_id.as_deref().filter(known);
        let reading = letter.meta.reading.as_ref();
        let set = reading.and_then(|reading| reading.set.get("tenant_id")).map(|of| of.trim());
        [said, set].into_iter().flatten().find(|of| !of.is_empty() && !self.is(of))
    }

    /// Who a row is of, where that is another one: by its own field, or by one that it was to be read from
    /// (`--map tenant_id=…`).
    fn is_other(&self, letter: &Letter<'_>, item: &RawValue) -> Option<String> {
        let reading = letter.meta.reading.as_ref();
        let mapped = reading.and_then(|reading| reading.map.get("tenant_id")).map(|name| &**name);
        mapped
            .into_iter()
            .chain(["tenant_id", "tenant"])
            .filter_map(|name| field(item, name))
            .find(|of| !of.trim().is_empty() && !self.is(of.trim()))
            .map(Cow::into_owned)
    }
}

/// Which rows of a record are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// None.
    None,
    /// All.
    All,
    /// Those, by place in its items.
    Some(Vec<bool>),
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many rows of a record are of another tenant than the one that is meant, and of which.
    pub fn foreign(&self, letter: &Letter<'_>) -> (u64, Option<String>) {
        let Some(tenant) = &self.tenant else { return (0, None) };
        if let Some(whose) = tenant.is_foreign(letter) {
            return (letter.rows(), Some(whose.to_owned()));
        }
        let others: Vec<String> =
            letter.items.iter().filter_map(|item| tenant.is_other(letter, item)).collect();
        (others.len() as u64, others.into_iter().next())
    }

    /// Which rows of that record are meant. `line` is the one that it was read from.
    pub fn meant(&self, letter: &Letter<'_>, line: &Line<'_>) -> Meant {
        let any = |values: &[String], value: Option<&str>| {
            values.is_empty() || value.is_some_and(|value| values.iter().any(|v| v == value))
        };
        if !any(&self.codes, letter.meta.code.as_deref()) || !any(&self.stages, letter.meta.stage.as_deref())
        {
            return Meant::None;
        }
        let ts = letter.ts.map(|seconds| (seconds * 1e6).round() as i64);
        if self.since.is_some_and(|since| ts.is_none_or(|ts| ts < since))
            || self.until.is_some_and(|until| ts.is_none_or(|ts| ts >= until))
        {
            return Meant::None;
        }
        let mut of_rows: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.wheres {
            // Lines that failed alike share a record.
            if name == "raw" && letter.items.is_empty() {
                of_rows.push((name, value));
                continue;
            }
            match metadata(letter, line, name) {
                Some(have) if have == *value => {}
                Some(_) => return Meant::None,
                None => of_rows.push((name, value)),
            }
        }
        if self.tenant.as_ref().is_some_and(|tenant| tenant.is_foreign(letter).is_some()) {
            return Meant::None;
        }
        let tenant = self.tenant.as_ref().filter(|_| !letter.items.is_empty());
        if letter.items.is_empty() && !of_rows.is_empty() && self.symbols.is_empty() {
            let is = |row: usize, name: &str, value: &str| {
                name == "raw" && letter.meta.raw.get(row) == Some(value)
            };
            let fits = |row: usize| of_rows.iter().all(|(name, value)| is(row, name, value));
            return of(&(0..letter.rows() as usize).map(fits).collect::<Vec<_>>());
        }
        if of_rows.is_empty() && self.symbols.is_empty() && tenant.is_none() {
            return Meant::All;
        }
        let fits = |item: &RawValue| {
            let symbol = || {
                field(item, "symbol").is_some_and(|have| {
                    self.symbols.iter().any(|wanted| wanted.eq_ignore_ascii_case(have.trim()))
                })
            };
            of_rows.iter().all(|(name, value)| field(item, name).as_deref() == Some(*value))
                && (self.symbols.is_empty() || symbol())
                && tenant.is_none_or(|tenant| tenant.is_other(letter, item).is_none())
        };
        of(&letter.items.iter().map(|item| fits(item)).collect::<Vec<_>>())
    }
}

fn of(meant: &[bool]) -> Meant {
    match meant.iter().filter(|meant| **meant).count() {
        0 => Meant::None,
        some if some == meant.len() => Meant::All,
        _ => Meant::Some(meant.to_vec()),
    }
}

/// A field of the record or of its metadata as text.
fn metadata<'a>(letter: &'a Letter<'_>, line: &Line<'_>, name: &str) -> Option<Cow<'a, str>> {
    let text = |value: &'a Option<Cow<'_, str>>| value.as_deref().map(Cow::Borrowed);
    let meta = &letter.meta;
    match name {
        "error" => Some(Cow::Borrowed(&*letter.error)),
        "id" => meta.id.map(|id| id.to_string().into()),
        "attempts" => Some(letter.attempts().to_string().into()),
        "dataset" => text(&meta.dataset),
        "table" => text(&meta.table),
        "stage" => text(&meta.stage),
        "code" => text(&meta.code),
        "constraint" => text(&meta.constraint),
        "column" => text(&meta.column),
        "source" => text(&meta.source),
        "run_id" => text(&meta.run_id),
        "tenant_id" => text(&meta.tenant_id).filter(|_| letter.items.is_empty() || meta.tenant_id.is_some()),
        _ => other(line, name).map(Cow::Owned),
    }
}

/// A field of the metadata that is none of ours, as the Python system's callers put them there.
fn other(line: &Line<'_>, name: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        metadata: BTreeMap<Cow<'a, str>, &'a RawValue>,
    }
    let record: Record<'_> = serde_json::from_slice(line.bytes.ok()?).ok()?;
    let value = record.metadata.get(name)?.get();
    Some(serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"ts":100.5,"error":"bad","metadata":{"stage":"write","code":"22003","column":"volume","batch":7},"items":[{"symbol":"A","volume":1},{"symbol":"B","volume":2.0}]}"#;

    fn meant(filter: Filter) -> Meant {
        let line = Line::of(RECORD);
        filter.meant(&Letter::read(&line).unwrap(), &line)
    }

    #[test]
    fn records_and_rows() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let where_ = |name: &str, value: &str| Filter {
            wheres: vec![(name.into(), value.into())],
            ..Filter::default()
        };
        assert_eq!(meant(Filter::default()), Meant::All);
        assert_eq!(meant(Filter { codes: texts(&["x", "22003"]), ..Filter::default() }), Meant::All);
        assert_eq!(meant(Filter { codes: texts(&["x"]), ..Filter::default() }), Meant::None);
        assert_eq!(meant(Filter { stages: texts(&["decode"]), ..Filter::default() }), Meant::None);
        assert_eq!(
            meant(Filter { symbols: texts(&["b"]), ..Filter::default() }),
            Meant::Some(vec![false, true])
        );
        assert_eq!(meant(where_("volume", "1")), Meant::Some(vec![true, false]));
        assert_eq!(meant(where_("volume", "2")), Meant::None);
        assert_eq!(meant(where_("column", "volume")), Meant::All);
        assert_eq!(meant(where_("batch", "7")), Meant::All);
        assert_eq!(meant(where_("batch", "8")), Meant::None);
        assert_eq!(meant(Filter { since: Some(100_500_000), ..Filter::default() }), Meant::All);
        assert_eq!(meant(Filter { until: Some(100_500_000), ..Filter::default() }), Meant::None);
    }
}

//! A line of the queue as a record: ours, the Python system's, or what somebody has mended by hand.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::batch::{Commit, Reading};
use crate::decode::with_quoted_words;
use crate::dlq::lines::{Line, MOST_LINE};
use crate::dlq::python;
use crate::error::of_json;

/// A record of the queue. What a line does not say is absent; what it says wrongly too.
#[derive(Debug, Clone, Default)]
pub struct Letter<'a> {
    /// When the rows failed last, in seconds of the Unix epoch.
    pub ts: Option<f64>,
    /// The reason in words; empty where none is given.
    pub error: Cow<'a, str>,
    /// What else is known of it.
    pub meta: Meta<'a>,
    /// The rows, each a JSON value, an object as a rule: texts that the Python system wrote of its models are
    /// objects here.
    pub items: Vec<Cow<'a, RawValue>>,
}

/// `metadata` of a record; see [`crate::dlq`] for the fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Meta<'a> {
    pub id: Option<Uuid>,
    #[serde(borrow)]
    pub dataset: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub table: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub stage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub constraint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub column: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub path: Option<Cow<'a, str>>,
    pub rows: Option<Vec<u64>>,
    #[serde(borrow)]
    pub raw: Raw<'a>,
    #[serde(borrow)]
    pub raw_hex: Raw<'a>,
    pub truncated: bool,
    pub reading: Option<Reading>,
    pub commit: Option<Commit>,
    pub attempts: Option<u32>,
    pub first_ts: Option<f64>,
    #[serde(borrow)]
    pub run_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub tenant_id: Option<Cow<'a, str>>,
}

/// The input of rows of which no item could be made: one text, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw<'a>(Vec<Cow<'a, str>>);

impl Raw<'_> {
    /// That of a row, by its place in the record.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.0.get(row).map(|text| &**text)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Raws)
    }
}

struct Raws;

impl<'de> Visitor<'de> for Raws {
    type Value = Raw<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, or a list of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::default())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Raw(vec![Cow::Borrowed(text)]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Raw(vec![Cow::Owned(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = list.next_element::<&'de RawValue>()? {
            all.push(words(value));
        }
        Ok(Raw(all))
    }
}

/// Why a line is not a record, in words that follow "line 7".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is too long.
    #[error("is longer than {mib} MiB ({0} bytes)", mib = MOST_LINE >> 20)]
    TooLong(u64),
    /// It is no JSON object, or ends early.
    #[error("is not a JSON object: {0}")]
    NoJson(String),
    /// It is one, with neither rows nor a reason.
    #[error("is not a dead letter: it has neither items nor an error")]
    NoLetter,
}

#[derive(Deserialize)]
struct Strict<'a> {
    ts: Option<f64>,
    #[serde(borrow)]
    error: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Lenient<'a> {
    #[serde(borrow, default)]
    ts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    items: Option<&'a RawValue>,
}

impl<'a> Letter<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Damage`], where it is not a record.
    pub fn read(line: &Line<'a>) -> Result<Self, Damage> {
        let bytes = line.bytes.map_err(Damage::TooLong)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Damage::NoJson(format!("not valid UTF-8 at byte {}", error.valid_up_to() + 1))
        })?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Damage::NoJson("it does not begin with {".into()));
        }
        match serde_json::from_str::<Strict<'a>>(text) {
            Ok(Strict { ts, error, metadata, items }) => {
                Ok(Self { ts, error, meta: metadata, items: rows(items, DEEPEST) }.numbered())
            }
            Err(_) => Self::leniently(text),
        }
    }

    /// Takes what can be understood.
    fn leniently(text: &'a str) -> Result<Self, Damage> {
        let line: Lenient<'a> =
            serde_json::from_str(text).map_err(|error| Damage::NoJson(of_json(&error)))?;
        if line.error.is_none() && line.items.is_none() {
            return Err(Damage::NoLetter);
        }
        let items = match line.items {
            None => Vec::new(),
            Some(items) => rows(serde_json::from_str(items.get()).unwrap_or_else(|_| vec![items]), DEEPEST),
        };
        let error = line.error.map(words).unwrap_or_default();
        let meta = line.metadata.map(meta).unwrap_or_default();
        Ok(Self { ts: line.ts.and_then(seconds), error, meta, items }.numbered())
    }

    /// Row numbers that do not tell its rows apart are none.
    fn numbered(mut self) -> Self {
        let rows = self.rows() as usize;
        self.meta.rows = self.meta.rows.take().filter(|numbers| {
            let ascending = numbers.windows(2).all(|pair| pair.first() < pair.last());
            let mut seen = HashSet::new();
            numbers.len() == rows && (ascending || numbers.iter().all(|number| seen.insert(*number)))
        });
        self
    }

    /// The first of its rows that can be read.
    pub fn first(&self) -> Option<&RawValue> {
        self.items.iter().map(|item| &**item).find(|item| is_row(item))
    }

    /// Whether it is one of ours, whose rows have been through one mapping.
    pub fn is_ours(&self) -> bool {
        self.meta.run_id.is_some() && self.meta.dataset.is_some()
    }

    /// Number of rows that it stands for.
    pub fn rows(&self) -> u64 {
        if self.items.is_empty() { self.raws().max(1) as u64 } else { self.items.len() as u64 }
    }

    /// Number of its rows that are there as they came alone.
    fn raws(&self) -> usize {
        self.meta.raw.len().max(self.meta.raw_hex.len())
    }

    /// Number of row `index` in its source; where the record does not say it, its place in the record,
    /// from 1.
    pub fn row_number(&self, index: usize) -> u64 {
        self.meta.rows.as_ref().and_then(|rows| rows.get(index)).copied().unwrap_or(index as u64 + 1)
    }

    /// When the rows failed first, in seconds of the Unix epoch.
    pub fn first_ts(&self) -> Option<f64> {
        self.meta.first_ts.or(self.ts)
    }

    /// When it failed first, in microseconds since 1970; 0 where that is not known.
    pub fn first_us(&self) -> i64 {
        self.first_ts().map_or(0, |seconds| (seconds * 1e6).round() as i64)
    }

    /// How often the rows have been tried.
    pub fn attempts(&self) -> u32 {
        self.meta.attempts.unwrap_or(1)
    }

    /// Its id; a record without one has always the same in the same place of a file.
    pub fn id(&self, line: &Line<'_>) -> Uuid {
        self.meta.id.unwrap_or_else(|| id_of_place(line))
    }
}

/// Whether a value has fields.
pub fn is_row(item: &RawValue) -> bool {
    item.get().starts_with('{')
}

/// How deep rows may stand in lists and texts in one another.
const DEEPEST: usize = 8;

/// The rows that items stand for, where they stand no deeper than that.
fn rows<'a>(items: Vec<&'a RawValue>, deepest: usize) -> Vec<Cow<'a, RawValue>> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let texts = match item.get().as_bytes().first() {
            Some(b'"') => rows_within(&words(item), deepest),
            Some(b'[') => rows_of_list(item.get(), deepest),
            _ => None,
        };
        let texts = texts.into_iter().flatten().map(RawValue::from_string).collect::<Result<Vec<_>, _>>();
        match texts {
            Ok(rows) if !rows.is_empty() => all.extend(rows.into_iter().map(Cow::Owned)),
            // Somebody may mend it.
            _ => all.push(Cow::Borrowed(item)),
        }
    }
    all
}

/// The rows that a text in quotes stands for, as JSON objects: it is JSON in its turn, or what Python says of
/// a model; `None` where it is neither, or they stand deeper than that.
pub(super) fn rows_within(text: &str, deepest: usize) -> Option<Vec<String>> {
    let text = text.trim();
    let quoted = with_quoted_words(text);
    let json = quoted.as_deref().unwrap_or(text);
    match json.as_bytes().first()? {
        b'{' if serde_json::from_str::<&RawValue>(json).is_ok() => Some(vec![json.to_owned()]),
        b'[' if serde_json::from_str::<&RawValue>(json).is_ok() => rows_of_list(json, deepest),
        b'"' => rows_within(&serde_json::from_str::<String>(json).ok()?, deepest.checked_sub(1)?),
        _ => python::rows(text, deepest),
    }
}

/// The rows in a JSON list; `None` where not all of it are some.
fn rows_of_list(list: &str, deepest: usize) -> Option<Vec<String>> {
    let deepest = deepest.checked_sub(1)?;
    let items: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let rows = rows(items, deepest);
    rows.iter().all(|row| is_row(row)).then(|| rows.iter().map(|row| row.get().to_owned()).collect())
}

/// The id of a record that has none of its own: the same for the same line in the same place of a file.
pub fn id_of_place(line: &Line<'_>) -> Uuid {
    let mut name = line.offset.to_le_bytes().to_vec();
    name.extend_from_slice(line.bytes.unwrap_or_default());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
}

/// A value of an item as text, a string without its quotes; `None` where there is none.
pub fn field<'a>(item: &'a RawValue, name: &str) -> Option<Cow<'a, str>> {
    value(item, name).map(words)
}

/// A value of an item; `None` where there is none, or null.
pub fn value<'a>(item: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let value = FieldOf(name).deserialize(&mut serde_json::Deserializer::from_str(item.get())).ok()??;
    (value.get() != "null").then_some(value)
}

/// All fields of an item in their order; none, where it is not an object.
pub fn fields(item: &RawValue) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::Deserializer::from_str(item.get()).deserialize_map(Fields).unwrap_or_default()
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = map.next_entry()? {
            all.push(field);
        }
        Ok(all)
    }
}

struct FieldOf<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A value as text, a string without its quotes.
pub fn words(value: &RawValue) -> Cow<'_, str> {
    match value.get().starts_with('"') {
        true => serde_json::from_str::<String>(value.get()).unwrap_or_default().into(),
        false => value.get().into(),
    }
}

/// Seconds of the epoch: a number, a number in quotes, or a time in RFC 3339.
fn seconds(value: &RawValue) -> Option<f64> {
    let text = words(value);
    let number = text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    number.or_else(|| {
        let time = chrono::DateTime::parse_from_rfc3339(text.trim()).ok()?;
        Some(time.timestamp_micros() as f64 / 1e6)
    })
}

fn raws(value: &RawValue) -> Raw<'_> {
    serde_json::from_str(value.get()).unwrap_or_else(|_| Raw(vec![words(value)]))
}

fn meta(value: &RawValue) -> Meta<'_> {
    let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(value.get()) else {
        return Meta::default();
    };
    let get = |name: &str| fields.get(name).copied().filter(|value| value.get() != "null");
    let text = |name: &str| get(name).map(words);
    Meta {
        id: text("id").and_then(|id| Uuid::parse_str(&id).ok()),
        dataset: text("dataset"),
        table: text("table"),
        stage: text("stage"),
        code: text("code"),
        constraint: text("constraint"),
        column: text("column"),
        source: text("source"),
        path: text("path"),
        rows: get("rows").and_then(|rows| serde_json::from_str(rows.get()).ok()),
        raw: get("raw").map(raws).unwrap_or_default(),
        raw_hex: get("raw_hex").map(raws).unwrap_or_default(),
        truncated: get("truncated").is_some_and(|truncated| truncated.get() == "true"),
        reading: get("reading").map(|reading| {
            // What is none is kept as a zone that nobody knows: the row was not meant to be read without it.
            let broken = || Reading { zone: Some(reading.get().to_owned()), ..Reading::default() };
            serde_json::from_str(reading.get()).unwrap_or_else(|_| broken())
        }),
        commit: get("commit").and_then(|commit| serde_json::from_str(commit.get()).ok()),
        attempts: text("attempts").and_then(|attempts| attempts.parse().ok()),
        first_ts: get("first_ts").and_then(seconds),
        run_id: text("run_id"),
        tenant_id: text("tenant_id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        Line::of(text)
    }

    #[test]
    fn what_we_write_is_read() {
        let text = r#"{"ts":1732351234.5,"error":"a \"b\"","metadata":{"id":"0197a3f2-1b2c-7000-8000-000000000001","dataset":"bars","stage":"write","code":"22003","column":"volume","source":"b.csv","rows":[7,9],"attempts":2,"first_ts":1732351200.25,"run_id":"x","version":1},"items":[{"symbol":"A","volume":1.10},{"symbol":null}]}"#;
        let line = line(text);
        let letter = Letter::read(&line).unwrap();
        assert_eq!(
            (&*letter.error, letter.rows(), letter.row_number(1), letter.attempts()),
            ("a \"b\"", 2, 9, 2)
        );
        assert_eq!((letter.ts, letter.first_ts()), (Some(1_732_351_234.5), Some(1_732_351_200.25)));
        assert_eq!(letter.id(&line).get_version_num(), 7);
        assert_eq!(field(&letter.items[0], "volume").as_deref(), Some("1.10"));
        assert_eq!(field(&letter.items[0], "symbol").as_deref(), Some("A"));
        assert_eq!((field(&letter.items[1], "symbol"), field(&letter.items[1], "x")), (None, None));
    }

    #[test]
    fn the_python_system_and_people_are_read() {
        let text = r#"{"ts": 1732351234, "error": "boom", "metadata": {"attempts": "3", "batch": 5, "rows": 2}, "items": [{"symbol": "A"}]}"#;
        let letter = Letter::read(&line(text)).unwrap();
        assert_eq!((letter.ts, letter.attempts(), letter.row_number(0)), (Some(1_732_351_234.0), 3, 1));
        let letter = Letter::read(&line(r#"{"ts":"2024-11-23T08:40:34Z","items":{"symbol":"A"}}"#)).unwrap();
        assert_eq!((letter.ts, letter.items.len(), &*letter.error), (Some(1_732_351_234.0), 1, ""));
        let letter = Letter::read(&line(r#"{"error":"x","metadata":null,"items":null}"#)).unwrap();
        assert_eq!((letter.items.len(), letter.rows(), letter.first_ts()), (0, 1, None));
        let at = |offset| Line { offset, ..line(text) };
        assert_eq!(Letter::read(&at(5)).unwrap().id(&at(5)), Letter::read(&at(5)).unwrap().id(&at(5)));
        assert_ne!(Letter::read(&at(5)).unwrap().id(&at(5)), Letter::read(&at(6)).unwrap().id(&at(6)));
    }

    #[test]
    fn texts_of_models_and_of_json_are_rows() {
        let text = r#"{"ts": 1, "error": "x", "metadata": {}, "items": ["symbol='A' p=nan", "{\"symbol\": \"B\", \"p\": NaN}", "[{\"symbol\": \"C\"}, {\"symbol\": \"D\"}]", "nonsense", {"symbol": "E"}, ["symbol='F'"]]}"#;
        let letter_line = line(text);
        let letter = Letter::read(&letter_line).unwrap();
        let symbols: Vec<String> =
            letter.items.iter().map(|i| field(i, "symbol").unwrap_or_default().into()).collect();
        assert_eq!(symbols, ["A", "B", "C", "D", "", "E", "F"]);
        assert_eq!(letter.items[1].get(), r#"{"symbol": "B", "p": "NaN"}"#);
        let whole = line(r#"{"error":"x","items":"[Bar(symbol='A'), Bar(symbol='B')]"}"#);
        assert_eq!(Letter::read(&whole).unwrap().items.len(), 2);
    }

    /// Words that stand for themselves, and what is nested deeper than any stack is large.
    #[test]
    fn items_that_are_no_rows_stay_as_they_are() {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let (name, list, deep) = (
            "n".repeat(1 << 20),
            format!("{open}{close}"),
            format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
        );
        for item in [
            r#""inf""#,
            r#""Infinity""#,
            r#""+nan""#,
            r#""np.nan""#,
            r#"["nan","-inf"]"#,
            &list,
            &format!("\"{list}\""),
            &deep,
            &format!("{{\"{name}\":\"{name}\"}}"),
        ] {
            for text in [
                format!("{{\"ts\":1,\"error\":\"x\",\"metadata\":{{}},\"items\":[{item}]}}"),
                format!("{{\"error\":\"x\",\"metadata\":{item},\"items\":[{item}]}}"),
            ] {
                let line = line(&text);
                let letter = Letter::read(&line).unwrap();
                let items: Vec<&str> = letter.items.iter().map(|kept| kept.get()).collect();
                assert!(items == [item], "{}", &item[..item.len().min(40)]);
                for item in &letter.items {
                    fields(item).iter().for_each(|(name, found)| {
                        assert_eq!(value(item, name).map(RawValue::get), Some(found.get()));
                    });
                }
            }
        }
    }

    #[test]
    fn damage_is_told() {
        for (text, told) in [
            ("{\"ts\":1732", "is not a JSON object: it ends early"),
            ("[1]", "is not a JSON object: it does not begin with {"),
            ("{\"a\":1}", "is not a dead letter"),
        ] {
            let damage = Letter::read(&line(text)).unwrap_err().to_string();
            assert!(damage.starts_with(told), "{damage}");
        }
        let long = Line { bytes: Err(70 << 20), ..line("") };
        assert_eq!(Letter::read(&long).unwrap_err().to_string(), "is longer than 64 MiB (73400320 bytes)");
        let latin = Line { bytes: Ok(b"{\"error\":\"\xe9\"}"), ..line("") };
        assert_eq!(
            Letter::read(&latin).unwrap_err().to_string(),
            "is not a JSON object: not valid UTF-8 at byte 11"
        );
    }
}

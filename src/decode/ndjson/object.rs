//! One JSON object to the cells of a row: numbers keep their text, names find their columns.

mod plain;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dataset::json_text::{self, Strings};
use crate::dataset::wanted::Wanted;
use crate::decode::Passed;
use crate::decode::json::NestedPaths;
use crate::decode::text_column::TextColumn;

/// Columns at most that nothing loads, once it is known which are loaded.
pub(in crate::decode) const MAX_COLUMNS: usize = 1024;

/// Columns at most: as many as a spreadsheet has.
pub(in crate::decode) const MAX_NAMES: usize = 16_384;

/// In place of a column, of names that are passed over.
const PASSED: usize = usize::MAX;

/// Characters of a value that are kept to be shown.
const MOST_WHOLE: usize = 40;

/// Longest name of a column in bytes.
const MAX_NAME: usize = 1024;

/// A value in the object at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScannedValue {
    Null,
    /// JSON text at that place of the object: a number, a truth value, a nested value, a string
    /// that has not been looked into.
    Json(usize, usize),
    /// Text at that place of the object.
    Text(usize, usize),
    /// Text at that place of [`Objects::unescaped`].
    Unescaped(usize, usize),
    /// JSON text there.
    Compact(usize, usize),
}

/// Why an object is not a row: code and message.
pub(in crate::decode) type Refusal = (&'static str, &'static str);

/// Not JSON.
pub(in crate::decode) const NOT_JSON: Refusal = ("bad_line", "the line is not valid JSON");
/// JSON, but nothing with names.
pub(in crate::decode) const NO_OBJECT: Refusal = ("bad_line", "the line is JSON, but not an object");
/// The input ends in it.
pub(in crate::decode) const INCOMPLETE: Refusal = ("bad_line", "the last line is incomplete");
const NOT_UTF8: Refusal = ("bad_utf8", "the row is not valid UTF-8");
const TOO_MANY: Refusal = ("too_many_columns", "the row would add a column to the 16,384 there are");
const TWICE: Refusal =
    ("two_values", "the row has a name twice, with another value the second time; keep one of both");
const LONG_NAME: Refusal = ("bad_line", "the row has a name that is longer than 1,024 bytes");

/// Reads objects, one at a time; knows the columns met so far.
pub(in crate::decode) struct Objects {
    names: Vec<Arc<str>>,
    /// Of each name its column; some of those that are passed over are there too.
    index: HashMap<Arc<str>, usize>,
    /// Tells which names matter, once that is known.
    wanted: Option<Wanted>,
    /// Number of members of the object at hand that are passed over, and the name of the first.
    over: (u64, Option<String>),
    /// Number of values of the object at hand that have no parts, though one of them is to be a column, and the first.
    partless: (u64, Option<(String, String)>),
    /// How many of the names belong to rows that have been accepted; the others are of the object
    /// at hand.
    accepted: usize,
    cells: Vec<ScannedValue>,
    /// The places of two values of one name in the object at hand.
    twice: Vec<[(usize, usize); 2]>,
    unescaped: String,
    /// Column of the name that is likely to come next.
    next: usize,
    refusal: Option<Refusal>,
    /// Parts of values that are columns of their own.
    paths: NestedPaths,
    /// Where members begin that count only where a name is not there yet.
    beside: usize,
    /// Whether values with parts keep their white space.
    as_it_stands: bool,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            index: HashMap::new(),
            wanted: None,
            over: (0, None),
            partless: (0, None),
            accepted: 0,
            cells: Vec::new(),
            twice: Vec::new(),
            unescaped: String::new(),
            next: 0,
            refusal: None,
            paths: NestedPaths::default(),
            beside: usize::MAX,
            as_it_stands: false,
        }
    }
}

impl Objects {
    /// Keeps the white space in values with parts: they may be texts of another format, which have to come back.
    pub(in crate::decode) fn keep_space(&mut self) {
        self.as_it_stands = true;
    }

    /// Takes those parts of values for columns of their own.
    pub(in crate::decode) fn with_paths(paths: NestedPaths) -> Self {
        Self { paths, ..Self::default() }
    }

    /// Reads an object of which only so many bytes are its own: members behind them count where it has none of
    /// their name.
    pub(in crate::decode) fn read_beside(&mut self, object: &[u8], own: usize) -> Result<(), Refusal> {
        self.beside = own;
        let read = self.read(object);
        self.beside = usize::MAX;
        read
    }

    /// Reads an object. Its cells are kept until the next call.
    pub(in crate::decode) fn read(&mut self, object: &[u8]) -> Result<(), Refusal> {
        let text = std::str::from_utf8(object).map_err(|_| NOT_UTF8)?;
        match self.read_text(text) {
            Err(NOT_JSON) => {}
            other => return other,
        }
        // Python writes floats that are no number as bare words.
        let mended = with_quoted_words(text).ok_or(NOT_JSON)?;
        self.read_text(&mended)?;
        for cell in &mut self.cells {
            let (ScannedValue::Json(start, end) | ScannedValue::Text(start, end)) = *cell else { continue };
            let from = self.unescaped.len();
            self.unescaped.push_str(mended.get(start..end).unwrap_or_default());
            *cell = ScannedValue::Unescaped(from, self.unescaped.len());
        }
        Ok(())
    }

    fn read_text(&mut self, text: &str) -> Result<(), Refusal> {
        if self.paths.is_empty() && self.beside == usize::MAX {
            self.begin();
            if self.read_plain(text) {
                return self.refusal.map_or(Ok(()), Err);
            }
        }
        self.begin();
        let mut json = serde_json::Deserializer::from_str(text);
        let base = text.as_ptr() as usize;
        json.deserialize_map(Fields { objects: self, base })
            .and_then(|()| json.end())
            .map_err(|_| NOT_JSON)?;
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        self.settle(text)
    }

    /// Makes room for the next object, and takes back what the last one has added and is not accepted.
    fn begin(&mut self) {
        for name in self.names.drain(self.accepted..) {
            self.index.remove(&name);
        }
        self.cells.clear();
        self.cells.resize(self.accepted, ScannedValue::Null);
        self.unescaped.clear();
        self.twice.clear();
        self.over.0 = 0;
        self.partless.0 = 0;
        self.next = 0;
        self.refusal = None;
    }

    /// The names that the object read last has added. They count once they are accepted.
    pub(in crate::decode) fn fresh(&self) -> &[Arc<str>] {
        self.names.get(self.accepted..).unwrap_or_default()
    }

    /// Takes the added names over.
    pub(in crate::decode) fn accept(&mut self) {
        self.accepted = self.names.len();
    }

    /// From here on those names matter. Tells which columns are kept on, where some are not, which can only
    /// be `between` batches.
    pub(in crate::decode) fn want(&mut self, wanted: Wanted, between: bool) -> Option<Vec<bool>> {
        for name in self.names.drain(self.accepted..) {
            self.index.remove(&name);
        }
        self.index.retain(|_, column| *column != PASSED);
        let matter: Vec<bool> = self.names.iter().map(|name| wanted(name)).collect();
        self.wanted = Some(wanted);
        if self.names.len() <= MAX_COLUMNS || !between {
            return None;
        }
        let mut room = MAX_COLUMNS.saturating_sub(matter.iter().filter(|matters| **matters).count());
        let keep = |matters: bool| {
            let keep = matters || room > 0;
            room -= usize::from(keep && !matters);
            keep
        };
        let keep: Vec<bool> = matter.into_iter().map(keep).collect();
        let mut kept = keep.iter();
        self.names.retain(|_| kept.next().copied().unwrap_or(false));
        self.index = self.names.iter().cloned().zip(0..).collect();
        self.accepted = self.names.len();
        Some(keep)
    }

    /// Counts what was passed over of the object read last.
    pub(in crate::decode) fn count(&mut self, passed: &mut Passed) {
        if self.over.0 > 0 {
            passed.fields += self.over.0;
            let first = self.over.1.take();
            passed.field = passed.field.take().or(first);
        }
        if self.partless.0 > 0 {
            passed.partless += self.partless.0;
            let first = self.partless.1.take();
            passed.whole = passed.whole.take().or(first);
        }
    }

    /// Appends the cells of the object read last, one to each column.
    pub(in crate::decode) fn append(
        &self,
        object: &[u8],
        columns: &mut [TextColumn],
        strings: &mut [Strings],
    ) {
        for ((column, strings), cell) in columns.iter_mut().zip(strings).zip(&self.cells) {
            let row = column.len();
            match *cell {
                ScannedValue::Null => column.append_null(),
                ScannedValue::Json(start, end) => {
                    strings.other();
                    column.append_part(object, start, end);
                }
                ScannedValue::Text(start, end) => {
                    strings.string(row, object.get(start..end).unwrap_or_default());
                    column.append_part(object, start, end);
                }
                ScannedValue::Unescaped(start, end) => {
                    let text = self.unescaped.as_bytes();
                    strings.string(row, text.get(start..end).unwrap_or_default());
                    column.append_part(text, start, end);
                }
                ScannedValue::Compact(start, end) => {
                    strings.other();
                    column.append_part(self.unescaped.as_bytes(), start, end);
                }
            }
        }
    }

    /// The column of a name, which is a new one where it must be; `None` where it has none: the name is passed
    /// over, or the object refused.
    fn column(&mut self, name: &str) -> Option<usize> {
        if self.names.get(self.next).is_some_and(|expected| **expected == *name) {
            return Some(self.next);
        }
        match self.index.get(name) {
            Some(&PASSED) => self.pass(name),
            Some(column) => return Some(*column),
            None if name.len() > MAX_NAME => self.refusal = Some(LONG_NAME),
            None if self.names.len() >= MAX_COLUMNS && self.is_passed(name) => {
                if self.index.len() < MAX_NAMES {
                    self.index.insert(name.into(), PASSED);
                }
                self.pass(name);
            }
            None if self.names.len() >= MAX_NAMES => self.refusal = Some(TOO_MANY),
            None => {
                let name: Arc<str> = name.into();
                self.index.insert(name.clone(), self.names.len());
                self.names.push(name);
                self.cells.push(ScannedValue::Null);
                return Some(self.names.len() - 1);
            }
        }
        None
    }

    fn put(&mut self, name: &str, start: usize, end: usize) {
        let Some(column) = self.column(name) else { return };
        self.next = column + 1;
        if let Some(cell) = self.cells.get_mut(column) {
            if let ScannedValue::Json(from, to) = *cell {
                if start >= self.beside {
                    return;
                }
                self.twice.push([(from, to), (start, end)]);
            }
            *cell = ScannedValue::Json(start, end);
        }
    }

    /// Puts the parts of a value that are columns of their own.
    fn put_parts(&mut self, name: &str, value: &str, start: usize) {
        let paths = self.paths.clone();
        for (path, from, to) in paths.parts(name, value) {
            self.put(path, start + from, start + to);
        }
    }

    /// Counts a value that has no parts, where one of them is to be a column.
    fn count_partless(&mut self, name: &str, value: &str) {
        let Some(path) = self.paths.leading_into(name) else { return };
        self.partless.0 += 1;
        if self.partless.1.is_none() {
            self.partless.1 = Some((path.to_owned(), value.chars().take(MOST_WHOLE).collect()));
        }
    }

    /// Whether it is known that nothing loads a column of that name.
    fn is_passed(&self, name: &str) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| !wanted(name))
    }

    fn pass(&mut self, name: &str) {
        self.over.0 += 1;
        if self.over.1.is_none() {
            self.over.1 = Some(name.to_owned());
        }
    }

    /// Looks into the strings and finds the nulls.
    fn settle(&mut self, text: &str) -> Result<(), Refusal> {
        if self.twice.iter().any(|[one, two]| text.get(one.0..one.1) != text.get(two.0..two.1)) {
            return Err(TWICE);
        }
        for cell in &mut self.cells {
            let ScannedValue::Json(start, end) = *cell else { continue };
            let json = text.get(start..end).unwrap_or_default();
            if json == "null" {
                *cell = ScannedValue::Null;
            } else if json.starts_with('"') {
                *cell = if memchr::memchr(b'\\', json.as_bytes()).is_some() {
                    let string: String = serde_json::from_str(json).map_err(|_| NOT_JSON)?;
                    let start = self.unescaped.len();
                    self.unescaped.push_str(&string);
                    ScannedValue::Unescaped(start, self.unescaped.len())
                } else {
                    ScannedValue::Text(start + 1, end - 1)
                };
            } else if !self.as_it_stands
                && json.starts_with(['{', '['])
                && json.bytes().any(|byte| byte.is_ascii_whitespace())
            {
                let start = self.unescaped.len();
                json_text::write_compact(json, &mut self.unescaped);
                *cell = ScannedValue::Compact(start, self.unescaped.len());
            }
        }
        Ok(())
    }
}

/// The text with quotes around the words that some writers put where a number should be; `None` where
/// there are none.
pub fn with_quoted_words(text: &str) -> Option<String> {
    const WORDS: [&str; 7] = ["NaN", "nan", "-Infinity", "Infinity", "-inf", "inf", "-NaN"];
    let mut out = String::new();
    let (mut done, mut at) = (0, 0);
    let bytes = text.as_bytes();
    let (mut in_string, mut before) = (false, b' ');
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'n' | b'I' | b'i' | b'-' if !in_string && matches!(before, b':' | b',' | b'[') => {
                let rest = text.get(at..).unwrap_or_default();
                let ends = |rest: &str| rest.starts_with([',', '}', ']', ' ', '\t', '\r', '\n']);
                let word = WORDS.iter().find(|word| rest.strip_prefix(**word).is_some_and(ends));
                if let Some(word) = word {
                    out.push_str(text.get(done..at).unwrap_or_default());
                    out.push('"');
                    out.push_str(word);
                    out.push('"');
                    at += word.len();
                    done = at;
                    before = b'"';
                    continue;
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
        at += 1;
    }
    if done == 0 {
        return None;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Some(out)
}

/// Why a line that does not start like an object is not a row.
pub(super) fn refuse(line: &[u8], last: bool) -> Refusal {
    match std::str::from_utf8(line) {
        Err(_) => NOT_UTF8,
        Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => NO_OBJECT,
        Ok(_) if last => INCOMPLETE,
        Ok(_) => NOT_JSON,
    }
}

/// Takes the members of an object in; `base` is the address of its text.
struct Fields<'a> {
    objects: &'a mut Objects,
    base: usize,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let start = (value.get().as_ptr() as usize).saturating_sub(self.base);
            self.objects.put(&name, start, start + value.get().len());
            if !self.objects.paths.is_empty() {
                match value.get() {
                    parts if parts.starts_with(['{', '[']) => self.objects.put_parts(&name, parts, start),
                    "null" => {}
                    whole => self.objects.count_partless(&name, whole),
                }
            }
        }
        Ok(())
    }
}

/// A name, borrowed where it has no escapes in it.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

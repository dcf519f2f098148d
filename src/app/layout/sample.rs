//! What the beginning of an input shows of it, for the signs of layouts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataset::shape;
use crate::decode::Format;

/// Lines that are looked at.
const LINES: usize = 12;

/// Rows of those that are held against a shape.
const FIRST: usize = 3;

/// Paths that are kept of a document.
const PATHS: usize = 512;

/// Elements of a list that are looked at.
const ELEMENTS: usize = 64;

/// Levels of a document that are looked into.
const DEPTH: usize = 12;

/// The fields of each line, by that delimiter or the one that it shows.
type Split = (Option<u8>, Arc<[Vec<String>]>);

/// The beginning of an input.
pub struct Sample {
    /// Its name without folders and endings, as name patterns see it.
    pub stem: String,
    /// Its format.
    pub format: Format,
    /// Its first lines, where it is CSV; blank ones too.
    lines: Vec<String>,
    /// The fields of each of them, by each delimiter that was asked for: dozens of layouts ask for the same, and a load may
    /// have a hundred thousand inputs.
    split: Mutex<Vec<Split>>,
    /// Where the values of its first rows stand, where it is JSON.
    paths: BTreeSet<Vec<Step>>,
    /// The names of its columns, where its format has names of its own.
    names: Vec<String>,
}

/// A step from a value of JSON into what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The member of that name.
    Member(String),
    /// An element, by its place: the first ones tell.
    Element(usize),
}

impl Sample {
    /// Looks at the first bytes of an input, which may end in the middle of a row.
    pub fn of(name: &str, format: Format, head: &[u8]) -> Self {
        let stem = crate::dataset::name_pattern::stem(name).to_owned();
        let split = Mutex::default();
        let mut sample =
            Self { stem, format, lines: Vec::new(), split, paths: BTreeSet::new(), names: Vec::new() };
        let text = text_of(head);
        match format.name {
            "csv" => sample.lines = text.lines().take(LINES).map(str::to_owned).collect(),
            "ndjson" => sample.paths = paths(text.as_bytes()),
            _ => {}
        }
        sample
    }

    /// What an input shows whose columns have names.
    pub fn of_names(name: &str, format: Format, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut sample = Self::of(name, format, &[]);
        sample.names = names.into_iter().map(Into::into).collect();
        sample
    }

    /// The same input by the names of its rows alone, where it is JSON whose rows are objects: names are names, in whatever
    /// format they come.
    pub fn by_names(&self) -> Option<Self> {
        let mut all: BTreeMap<&[Step], Vec<&str>> = BTreeMap::new();
        for path in &self.paths {
            let Some((Step::Member(name), before)) = path.split_last() else { continue };
            if before.last().is_none_or(|step| matches!(step, Step::Element(_))) {
                all.entry(before).or_default().push(name);
            }
        }
        let names = all.into_values().max_by_key(Vec::len)?;
        Some(Self::of_names(&self.stem, self.format, names))
    }

    /// The line, counted from 0, whose fields are names among which are all of these. Names that columns have
    /// by themselves stand in line 0.
    pub fn header(&self, wanted: &[String], delimiter: Option<u8>) -> Option<usize> {
        if !self.names.is_empty() {
            return has_all(&self.names, wanted).then_some(0);
        }
        self.fields(delimiter).iter().position(|fields| has_all(fields, wanted))
    }

    /// The fields of each line.
    fn fields(&self, delimiter: Option<u8>) -> Arc<[Vec<String>]> {
        let mut split = self.split.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, fields)) = split.iter().find(|(known, _)| *known == delimiter) {
            return Arc::clone(fields);
        }
        let all: Arc<[Vec<String>]> = self.lines.iter().map(|line| fields(line, delimiter)).collect();
        split.push((delimiter, Arc::clone(&all)));
        all
    }

    /// Those of the lines that say something, from the one of that number on.
    fn said(&self, from: usize, delimiter: Option<u8>) -> impl Iterator<Item = Vec<String>> {
        let fields = self.fields(delimiter);
        let said = (from..self.lines.len())
            .filter(|at| self.lines.get(*at).is_some_and(|line| !line.trim().is_empty()));
        said.map(move |at| fields.get(at).cloned().unwrap_or_default())
    }

    /// The names in that line.
    pub fn names_at(&self, line: usize, delimiter: Option<u8>) -> Vec<String> {
        match self.names.is_empty() {
            true => self.fields(delimiter).get(line).cloned().unwrap_or_default(),
            false => self.names.clone(),
        }
    }

    /// The fields of the first lines that say something.
    pub fn first(&self, delimiter: Option<u8>) -> Vec<Vec<String>> {
        self.said(0, delimiter).take(FIRST).collect()
    }

    /// The fields of the first line behind that one which says something.
    pub fn behind(&self, line: usize, delimiter: Option<u8>) -> Vec<Vec<String>> {
        self.said(line + 1, delimiter).collect()
    }

    /// How many lines before that one are neither blank nor comments.
    pub fn said_before(&self, line: usize) -> usize {
        let before = self.lines.iter().take(line);
        before.filter(|line| !line.trim().is_empty() && !line.starts_with('#')).count()
    }

    /// Whether the first lines begin so, blank ones left out of account.
    pub fn begins_with(&self, begins: &[String]) -> bool {
        let mut said = self.lines.iter().filter(|line| !line.trim().is_empty());
        begins
            .iter()
            .all(|wanted| said.next().is_some_and(|line| line.trim_start().starts_with(wanted.as_str())))
    }

    /// Whether the first line that says something holds values.
    pub fn begins_with_data(&self, delimiter: Option<u8>) -> bool {
        let first = self.first(delimiter).into_iter().next().unwrap_or_default();
        shape::is_data(&first.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Whether a document has a value there: `results[].t`, `bars.*[].o`, `[][5]`.
    pub fn has_path(&self, wanted: &str) -> bool {
        let wanted = path_of(wanted);
        self.paths.iter().any(|path| {
            path.len() == wanted.len() && path.iter().zip(&wanted).all(|(step, wanted)| wanted.fits(step))
        })
    }
}

/// The text in the first bytes; of UTF-16 what is ASCII.
fn text_of(head: &[u8]) -> String {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        let ascii = head.iter().filter(|byte| byte.is_ascii() && **byte != 0);
        return ascii.map(|byte| char::from(*byte)).collect();
    }
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    String::from_utf8_lossy(head).into_owned()
}

/// The fields of a line, by that delimiter or the one that it shows.
fn fields(line: &str, delimiter: Option<u8>) -> Vec<String> {
    let count = |d: &u8| line.bytes().filter(|byte| byte == d).count();
    let shown = [b'\t', b';', b'|', b','].into_iter().rev().max_by_key(count);
    let delimiter = delimiter.or(shown).unwrap_or(b',');
    // A reader is dear to make.
    if !line.is_empty() && delimiter.is_ascii() && !line.contains(['"', '\r']) {
        return line.split(char::from(delimiter)).map(|field| field.trim().to_owned()).collect();
    }
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter).trim(csv::Trim::All);
    let record = reader.from_reader(line.as_bytes()).into_records().next();
    let record = record.and_then(Result::ok).unwrap_or_default();
    record.iter().map(str::to_owned).collect()
}

/// Whether all of the wanted names are there, in whatever case.
fn has_all(names: &[String], wanted: &[String]) -> bool {
    !wanted.is_empty()
        && wanted.iter().all(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
}

/// A step of a path that is looked for.
enum Wanted<'a> {
    Member(&'a str),
    AnyMember,
    AnyElement,
    Element(usize),
}

impl Wanted<'_> {
    fn fits(&self, step: &Step) -> bool {
        match (self, step) {
            (Self::Member(wanted), Step::Member(name)) => wanted == name,
            (Self::AnyMember, Step::Member(_)) | (Self::AnyElement, Step::Element(_)) => true,
            (Self::Element(wanted), Step::Element(place)) => wanted == place,
            _ => false,
        }
    }
}

/// The steps of `results[].t`; a `*` is any member.
fn path_of(text: &str) -> Vec<Wanted<'_>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (place, behind) = inner.split_once(']').unwrap_or((inner, ""));
            steps.push(place.parse().map_or(Wanted::AnyElement, Wanted::Element));
            rest = behind;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            steps.push(if name == "*" { Wanted::AnyMember } else { Wanted::Member(name) });
            rest = behind;
            if end == 0 && !rest.starts_with('[') {
                break;
            }
        }
    }
    steps
}

/// Where the values of JSON text stand, as far as it goes: it may be cut off anywhere. Of several values on
/// end the first ones tell.
fn paths(text: &[u8]) -> BTreeSet<Vec<Step>> {
    let mut found = BTreeSet::new();
    let mut path: Vec<Step> = Vec::new();
    // Whether each open value is an object, which waits for a name or for a value.
    let mut open: Vec<bool> = Vec::new();
    let mut named = false;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let in_object = open.last() == Some(&true);
        match byte {
            b'{' | b'[' => {
                if open.len() >= DEPTH {
                    break;
                }
                open.push(*byte == b'{');
                named = false;
                path.push(if *byte == b'{' { Step::Member(String::new()) } else { Step::Element(0) });
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                path.pop();
                named = open.last() == Some(&true);
                at += 1;
            }
            b',' => {
                named = false;
                if let Some(Step::Element(place)) = path.last_mut() {
                    *place += 1;
                }
                at += 1;
            }
            b':' => {
                named = true;
                at += 1;
            }
            b'"' => {
                let Some((string, end)) = string_at(text, at) else { break };
                if in_object && !named {
                    if let Some(step) = path.last_mut() {
                        *step = Step::Member(string);
                    }
                } else {
                    keep(&mut found, &path);
                }
                at = end;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                keep(&mut found, &path);
                let rest = text.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace())
                    .unwrap_or(rest.len());
            }
        }
        if found.len() >= PATHS {
            break;
        }
    }
    found
}

/// Keeps a path, but for those far on in a list.
fn keep(found: &mut BTreeSet<Vec<Step>>, path: &[Step]) {
    if path.iter().all(|step| !matches!(step, Step::Element(place) if *place >= ELEMENTS)) {
        found.insert(path.to_owned());
    }
}

/// The string that begins there, and where it ends; `None` where the text ends before.
fn string_at(text: &[u8], at: usize) -> Option<(String, usize)> {
    let rest = text.get(at + 1..)?;
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    Some((String::from_utf8_lossy(rest.get(..end)?).into_owned(), at + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Sample {
        Sample::of("x.json", Format::of_name("ndjson").unwrap(), text.as_bytes())
    }

    #[test]
    fn values_of_documents_are_found_by_their_paths() {
        let polygon = json(r#"{"ticker":"A\"b","results":[{"v":1.5e3,"t":17,"o":null},{"v":2,"x":[1"#);
        for path in ["ticker", "results[].v", "results[].o", "results[0].t", "results[].x[]"] {
            assert!(polygon.has_path(path), "{path}");
        }
        for path in ["t", "results[]", "results[].z", "results.v", "A\\\"b", ""] {
            assert!(!polygon.has_path(path), "{path}");
        }
        let lines = json("{\"t\":1,\"o\":2}\n{\"t\":3,\"extra\":{\"a b\":true}}");
        assert!(lines.has_path("t") && lines.has_path("extra.a b"));
        assert!(json("[[1,2,3],[4,5,6]]").has_path("[][2]") && !json("[[1,2]]").has_path("[][2]"));
        assert!(json(r#"{"bars":{"AAPL":[{"t":"x"}]}}"#).has_path("bars.*[].t"));
        // What follows a long list is seen too.
        let columns = json(&format!(r#"{{"result":{{"volume":[0{}],"open":[1]}}}}"#, ",0".repeat(900)));
        assert!(columns.has_path("result.open[]") && columns.has_path("result.volume[]"));
        assert!(json("}}]][[").paths.is_empty() && json("\"").paths.is_empty());
    }

    #[test]
    fn rows_of_json_have_names_as_columns_have() {
        for text in [
            "{\"Date\":1,\"Open\":2,\"x\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4}}",
            "[{\"Date\":1,\"Open\":2}]",
            r#"{"m":1,"data":{"rows":[{"Date":1,"Open":2},{"Date":1}]}}"#,
        ] {
            let sample = json(text).by_names().unwrap();
            assert_eq!(sample.header(&["date".into(), "open".into()], None), Some(0), "{text}");
            assert_eq!(sample.header(&["a".into()], None), None, "{text}");
        }
        assert!(json("[[1,2]]").by_names().is_none());
    }

    #[test]
    fn headers_are_found_where_they_stand() {
        let csv = |text: &str| Sample::of("a/B-1.csv.gz", Format::CSV, text.as_bytes());
        let wanted: Vec<String> = ["open", "Close/Last"].map(Into::into).into();
        assert_eq!(csv("open,close/last,x\n1,2,3").header(&wanted, None), Some(0));
        assert_eq!(csv("https://x\n\nOpen;\"Close/Last\"\n").header(&wanted, None), Some(2));
        assert_eq!(csv("open,close\n").header(&wanted, None), None);
        assert!(csv("1704153600000,1,2,3\n").begins_with_data(None));
        assert_eq!(csv("").stem, "B-1");
    }
}

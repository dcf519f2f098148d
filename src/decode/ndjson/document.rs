//! Whether the first value of an input is a row, or a document that has its rows somewhere inside.
//!
//! APIs answer with one JSON object around the rows (`{"results":[{…},…],"status":"OK"}`), with a list of
//! values for each column (`{"timestamp":[…],"open":[…]}`), with an object keyed by time, or with arrays
//! that have no names. None of these is a row, and cut into lines it would be less than that.

use std::fmt;

use memchr::memchr3;
use serde::Deserializer as _;
use serde::de::{Deserialize, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Bytes within which the first value has to end in order to be looked at.
pub(super) const REACH: usize = 1 << 20;

/// Names of columns that a sentence shows.
const SHOWN: usize = 4;

/// What the first value of an input may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing speaks against a row.
    Row,
    /// A row, if its columns make one; else a document, of which the sentence tells.
    Perhaps(String),
    /// No row whatever the table, and the sentence tells why.
    Document(String),
}

/// Where the value at the start of the bytes ends, by its brackets alone; `None` where it goes on.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0u32);
    loop {
        let byte = *bytes.get(at)?;
        match byte {
            b'"' => {
                at += 1;
                loop {
                    let rest = bytes.get(at..)?;
                    let found = memchr3(b'"', b'\\', b'\\', rest)?;
                    at += found + 1;
                    if rest[found] == b'"' {
                        break;
                    }
                    at += 1;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The shape of an object, which is the only value of its input.
pub(super) fn of_object(text: &str) -> Shape {
    let Some(members) = members(text) else { return Shape::Row };
    let lists: Vec<(&str, usize)> =
        members.iter().filter_map(|(name, value)| Some((name.as_str(), scalars(value.get())?))).collect();
    let length = lists.first().map_or(0, |(_, length)| *length);
    if lists.len() > 1 && lists.len() == members.len() && lists.iter().all(|(_, other)| *other == length) {
        return Shape::Document(columns(&lists));
    }
    match rows_within(&members, 0) {
        Some((path, found)) => Shape::Perhaps(sentence(&path, found)),
        None if lists.len() > 2 && lists.iter().filter(|(_, other)| *other == length).count() > 2 => {
            Shape::Perhaps(columns(&lists))
        }
        None => Shape::Row,
    }
}

/// The sentence about an array whose first element is that value, unless that is an object.
pub(super) fn of_element(first: u8) -> Option<&'static str> {
    match first {
        b'[' => Some(
            "a JSON array of arrays, whose values have no names; give them some first, for instance: jq -c '.[] | {ts: .[0], open: .[1]}' FILE | mdsctl load -",
        ),
        b'"' | b'-' | b'0'..=b'9' | b't' | b'f' => Some("a JSON array of values, and not of rows"),
        _ => None,
    }
}

/// What kind of rows a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    /// A list of objects.
    Objects,
    /// A list of arrays.
    Arrays,
    /// An object whose members are objects, each a row under its time or symbol.
    Keyed,
    /// An object whose members are lists of objects, each under its symbol.
    KeyedLists,
}

fn sentence(path: &[String], found: Element) -> String {
    let shown = path.join(".");
    let query: String = path.iter().map(|name| step(name)).collect();
    let (what, filter) = match found {
        Element::Objects => ("its rows in a list", format!("{query}[]")),
        Element::Arrays => {
            ("rows whose values have no names in a list", format!("{query}[] | {{ts: .[0], open: .[1]}}"))
        }
        Element::Keyed => {
            ("its rows in an object by time", format!("{query} | to_entries[] | {{ts: .key}} + .value"))
        }
        Element::KeyedLists => {
            ("its rows by symbol", format!("{query} | to_entries[] | {{symbol: .key}} + .value[]"))
        }
    };
    format!(
        "one JSON document with {what} ({shown}), and not a row; take them out first: jq -c {} FILE | mdsctl load -",
        quoted(&filter)
    )
}

fn columns(lists: &[(&str, usize)]) -> String {
    let names: Vec<&str> = lists.iter().map(|(name, _)| *name).take(SHOWN).collect();
    let more = if lists.len() > SHOWN { ", …" } else { "" };
    let all: Vec<String> = lists.iter().map(|(name, _)| step(name)).collect();
    let object: Vec<String> =
        lists.iter().enumerate().map(|(at, (name, _))| format!("{}: .[{at}]", json_name(name))).collect();
    let filter = format!("[{}] | transpose[] | {{{}}}", all.join(", "), object.join(", "));
    format!(
        "one JSON document with a list of values for each column ({}{more}), and not rows; make rows of it first: jq -c {} FILE | mdsctl load -",
        names.join(", "),
        quoted(&filter)
    )
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

fn json_name(name: &str) -> String {
    if is_word(name) { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

/// One step of a path as jq writes it.
fn step(name: &str) -> String {
    format!(".{}", json_name(name))
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The rows among the members, or within their objects, the way there first.
fn rows_within(members: &[(String, &RawValue)], depth: u32) -> Option<(Vec<String>, Element)> {
    const DEPTH: u32 = 3;
    for (name, value) in members {
        if let Some(found) = list_of(value.get()) {
            return Some((vec![name.clone()], found));
        }
    }
    for (name, value) in members {
        let Some(inner) = self::members(value.get()).filter(|inner| !inner.is_empty()) else { continue };
        let lists = inner.iter().filter(|(_, value)| list_of(value.get()) == Some(Element::Objects)).count();
        // A single one is rather an envelope in another.
        if lists > 1 && lists == inner.len() {
            return Some((vec![name.clone()], Element::KeyedLists));
        }
        if inner.len() > 1 && inner.iter().all(|(_, value)| value.get().starts_with('{')) {
            return Some((vec![name.clone()], Element::Keyed));
        }
        if depth < DEPTH
            && let Some((mut path, found)) = rows_within(&inner, depth + 1)
        {
            path.insert(0, name.clone());
            return Some((path, found));
        }
    }
    None
}

/// What rows a list has, going by its first element.
fn list_of(json: &str) -> Option<Element> {
    let inside = json.strip_prefix('[')?.trim_ascii_start();
    match inside.as_bytes().first()? {
        b'{' => Some(Element::Objects),
        b'[' => Some(Element::Arrays),
        _ => None,
    }
}

/// How many elements a list of scalars has; `None` for anything else, an empty list too.
fn scalars(json: &str) -> Option<usize> {
    struct Count;
    impl<'de> Visitor<'de> for Count {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
            let mut count = 0;
            while seq.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }
    if !json.starts_with('[') || list_of(json).is_some() {
        return None;
    }
    serde_json::Deserializer::from_str(json).deserialize_seq(Count).ok().filter(|count| *count > 0)
}

/// The members of an object in their order; `None` for anything else.
fn members(json: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de> Deserialize<'de> for Members<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Each;
            impl<'de> Visitor<'de> for Each {
                type Value = Members<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Each)
        }
    }
    if !json.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Members<'_>>(json).ok().map(|members| members.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn perhaps(text: &str) -> String {
        match of_object(text) {
            Shape::Perhaps(sentence) => sentence,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_end_is_told_by_brackets_alone() {
        assert_eq!(end(b"{\"a\":\n{\"b\":\"}\\\"\"}\n}{"), Some(19));
        assert_eq!(end(b"{\"a\":[1,2"), None);
        assert_eq!(end(b"{\"a\":\"x\\"), None);
    }

    #[test]
    fn rows_are_rows() {
        for text in [
            r#"{"ts":1,"open":2,"conditions":["@","I"]}"#,
            r#"{"t":1,"c":["@"],"x":["A"]}"#,
            r#"{"a":{"x":1}}"#,
            r#"{"error":[]}"#,
            "{}",
        ] {
            assert_eq!(of_object(text), Shape::Row, "{text}");
        }
    }

    #[test]
    fn rows_inside_of_a_document_are_found() {
        let text = perhaps(r#"{"ticker":"A","results":[{"t":1}],"status":"OK"}"#);
        assert!(text.contains("(results)") && text.contains("jq -c '.results[]' FILE"), "{text}");
        let text = perhaps(r#"{"error":[],"result":{"XXBTZUSD":[[1,"2"]],"last":1}}"#);
        assert!(text.contains("'.result.XXBTZUSD[] | {ts: .[0], open: .[1]}'"), "{text}");
        let text = perhaps(r#"{"bars":{"AAPL":[{"t":1}],"MSFT":[{"t":1}]},"next_page_token":null}"#);
        assert!(text.contains("'.bars | to_entries[] | {symbol: .key} + .value[]'"), "{text}");
        let text = perhaps(
            r#"{"Meta Data":{"1":"x"},"Time Series (5min)":{"2024-01-02":{"1. open":"1"},"2024-01-03":{"1. open":"1"}}}"#,
        );
        assert!(text.contains(r#"'."Time Series (5min)" | to_entries[] | {ts: .key} + .value'"#), "{text}");
        let text = perhaps(r#"{"chart":{"result":[{"meta":{},"timestamp":[1]}],"error":null}}"#);
        assert!(text.contains("chart.result"), "{text}");
    }

    #[test]
    fn columns_of_values_are_no_row() {
        let Shape::Document(text) = of_object(r#"{"t":[1,2],"o":[1,null],"it's":[3,4]}"#) else {
            panic!("a document");
        };
        assert!(
            text.contains(r#"'[.t, .o, ."it'\''s"] | transpose[] | {t: .[0], o: .[1], "it'\''s": .[2]}'"#),
            "{text}"
        );
    }
}

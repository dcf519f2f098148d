//! Rows that are arrays: what their values are called.

use crate::dataset::shape::ByLooks;
use crate::decode::DecodeError;
use crate::decode::json::find::{Candidate, Finder};
use crate::decode::json::names::{holds_names, is_time, is_time_key, make_row};
use crate::decode::json::outline::{Kinds, List, Node, Object};
use crate::decode::json::plan::Plan;
use crate::text::flags::COLUMNS;

/// Values of a first row that a sentence shows.
const SHOWN: usize = 8;

impl Finder<'_> {
    /// A list of arrays.
    pub(super) fn arrays(&self, list: &List, inside: Option<(&Object, &str)>) -> Option<Candidate> {
        let width = |node: &Node| node.list().map(|list| list.count);
        let first = list.items.first()?.list()?;
        if first.kinds.have(Kinds::OBJECT) || first.kinds.have(Kinds::LIST) || first.count == 0 {
            return None;
        }
        let beside = inside.and_then(|(object, _)| {
            object.members.iter().find_map(|(n, node)| holds_names(n).then(|| texts(node)).flatten())
        });
        let header = || {
            let names = texts(list.items.first()?)?;
            let numbers = list.items.get(1)?.list()?.items.iter().any(|value| match value {
                Node::Scalar(text) => !text.starts_with('"'),
                _ => false,
            });
            (numbers && !names.iter().any(|name| is_time_key(name) || name.parse::<f64>().is_ok()))
                .then_some(names)
        };
        let given = self.columns.map(<[String]>::to_vec).or(beside);
        let (names, headed) = match given {
            Some(names) => (names, false),
            None => match header() {
                Some(names) => (names, true),
                None => (Vec::new(), false),
            },
        };
        let mut wrong = None;
        if names.is_empty() {
            let shown: Vec<&str> = first.items.iter().take(SHOWN).map(shown).collect();
            let more = if first.count > shown.len() as u64 { ", …" } else { "" };
            let place = inside.map(|(_, name)| format!(" at {name}")).unwrap_or_default();
            let names = by_looks(list).unwrap_or_else(|| format!("{COLUMNS} NAME,NAME,…"));
            wrong = Some(DecodeError::Usage(format!(
                "the rows{place} are arrays without names, the first of them [{}{more}]; name the {} columns in their order: {names}",
                shown.join(", "),
                first.count
            )));
        } else if !headed && width(list.items.first()?) != Some(names.len() as u64) {
            wrong = Some(DecodeError::Usage(format!(
                "the first row has {} values, and there are {} names for its columns: {}",
                first.count,
                names.len(),
                names.join(",")
            )));
        }
        let own: Vec<&str> = names.iter().map(String::as_str).collect();
        let telling = names.is_empty() && first.count > 2 || make_row(own.iter().copied());
        let index = inside.and_then(|(object, data)| {
            let (index, node) = object.members.iter().find(|(name, _)| name == "index")?;
            let times = node.list()?.items.first().is_some_and(is_time_value);
            (times && !own.iter().any(|name| is_time(name))).then(|| (index.clone(), data.to_owned()))
        });
        let mut candidate = match index {
            Some((index, data)) if !headed => {
                let own = own.iter().copied().chain(["ts"]).collect();
                let path = data.clone();
                let plan = Plan::Split { names: names.clone(), index, data };
                let mut found = self.found(plan, ", an array each, with times at index", own);
                found.located.path = path;
                found
            }
            _ => self.found(Plan::Arrays(names.clone(), headed), ", an array each", own),
        };
        candidate.located.telling |= telling;
        Some(Candidate { wrong, ..candidate })
    }
}

/// The flag with the names of the columns of rows, where their values leave no doubt about them.
fn by_looks(list: &List) -> Option<String> {
    let rows: Vec<Vec<&str>> = list
        .items
        .iter()
        .filter_map(Node::list)
        .map(|row| row.items.iter().map(|value| shown(value).trim_matches('"')).collect())
        .collect();
    let looks = ByLooks::of(&rows)?;
    let names = looks.names(rows.first()?.len())?;
    Some(format!("for {} by the looks of them {COLUMNS} {names}", looks.dataset))
}

/// The texts of a list of them, or the names of a list of objects.
fn texts(node: &Node) -> Option<Vec<String>> {
    let list = node.list()?;
    let text = |node: &Node| match node {
        Node::Scalar(text) => serde_json::from_str::<String>(text).ok(),
        Node::Object(object) => match object.get("name")? {
            Node::Scalar(text) => serde_json::from_str::<String>(text).ok(),
            _ => None,
        },
        _ => None,
    };
    let texts: Option<Vec<String>> = list.items.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty() && texts.len() as u64 == list.count)
}

fn shown(node: &Node) -> &str {
    match node {
        Node::Scalar(text) => text,
        _ => "…",
    }
}

/// Whether a value is a time: a date in digits, or an epoch.
fn is_time_value(node: &Node) -> bool {
    match node {
        Node::Scalar(text) => {
            is_time_key(text.trim_matches('"').split('.').next().unwrap_or_default())
                || is_time_key(text.trim_matches('"'))
        }
        _ => false,
    }
}

//! Documents that have a list, or an object, for each column: which of their parts are the columns.

use crate::dataset::names::plain;
use crate::decode::json::names::{is_own, is_time};
use crate::decode::json::outline::{Kinds, List, Node, Object};
use crate::decode::json::plan::{Column, Plan};

/// Levels below the times in which columns are looked for.
const DEPTH: u32 = 3;

/// Columns of one object.
pub(super) struct Found {
    pub(super) plan: Plan,
    pub(super) names: Vec<String>,
    /// What does not fit together.
    pub(super) uneven: Option<String>,
}

/// A list of scalars.
fn column(node: &Node) -> Option<&List> {
    node.list().filter(|list| !list.kinds.have(Kinds::LIST) && !list.kinds.have(Kinds::OBJECT))
}

/// The lists that are columns of an object, where it has some: one with times, and others with prices, sizes
/// and the like, beside it or below it.
pub(super) fn of_lists(object: &Object) -> Option<Found> {
    let (time, times) = object.members.iter().find_map(|(name, node)| {
        Some((name, column(node)?)).filter(|_| is_time(name) || plain(name) == "ticks")
    })?;
    let mut all: Vec<(Vec<String>, u64)> = Vec::new();
    collect(object, &mut Vec::new(), times.count, 0, &mut all);
    let own = |(path, _): &(Vec<String>, u64)| path.last().is_some_and(|name| is_own(name));
    if !all.iter().any(own) {
        return None;
    }
    let last = |path: &[String]| path.last().cloned().unwrap_or_default();
    let columns: Vec<Column> = all
        .iter()
        .map(|(path, _)| {
            let name = last(path);
            let alone = all.iter().filter(|(other, _)| last(other) == name).count() == 1;
            Column { name: if alone { name } else { path.join(".") }, path: path.clone() }
        })
        .collect();
    let uneven = all.iter().find(|(_, count)| *count != times.count).map(|(path, count)| {
        format!("the list {} has {count} values, and {time} has {}", path.join("."), times.count)
    });
    let names = columns.iter().map(|column| column.name.clone()).collect();
    Some(Found { plan: Plan::Columns(columns), names, uneven })
}

fn collect(
    object: &Object,
    path: &mut Vec<String>,
    count: u64,
    depth: u32,
    all: &mut Vec<(Vec<String>, u64)>,
) {
    for (name, node) in &object.members {
        path.push(name.clone());
        // Of a list of one object that object is meant.
        let below = match node.list().filter(|list| list.count == 1).and_then(|list| list.items.first()) {
            Some(only) => only.object(),
            None => node.object(),
        };
        match (column(node), below) {
            // A list of another length is a column where its name is that of one.
            (Some(list), _) if list.count == count || is_own(name) => all.push((path.clone(), list.count)),
            (None, Some(below)) if depth < DEPTH => collect(below, path, count, depth + 1, all),
            _ => {}
        }
        path.pop();
    }
}

/// The columns of an object that has an object for each of them, with a value for each key.
pub(super) fn of_objects(object: &Object) -> Option<Found> {
    let inner: Vec<&Object> = object.members.iter().filter_map(|(_, node)| node.object()).collect();
    let first = inner.first()?;
    let even = inner.len() > 1
        && object.kinds.are(Kinds::OBJECT)
        && inner.iter().all(|inner| inner.kinds.are(Kinds::SCALAR) || inner.kinds.are(Kinds::default()))
        && inner.iter().all(|inner| inner.indexes || inner.times);
    let names = object.names();
    if !even || object.times || object.indexes || !names.iter().any(|name| is_own(name)) {
        return None;
    }
    let key = (first.times && !names.iter().any(|name| is_time(name))).then(|| "ts".to_owned());
    let uneven = object.members.iter().zip(&inner).find(|(_, other)| other.count != first.count);
    let uneven = uneven.map(|((name, _), inner)| {
        format!("the column {name} has {} values, and the first one has {}", inner.count, first.count)
    });
    let names = names.into_iter().map(str::to_owned).chain(key.clone()).collect();
    Some(Found { plan: Plan::Pivot(key), names, uneven })
}

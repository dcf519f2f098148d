//! Values beside and above the rows of a document, which are columns of each of its rows.

use crate::decode::json::names::{is_own, meanings};
use crate::decode::json::outline::{Node, Object};
use crate::decode::json::plan::{Located, Plan};

/// Values at most.
const MOST: usize = 256;

/// The values of one document that its rows share: what they are called, and their JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside(pub(super) Vec<(String, String)>);

/// Finds them: those of the object that the rows are in come first, then those of its objects, then those
/// further out. A name is its own where rows have nothing that means the same; else, and where each row would
/// have such a value for itself (a price, a count), it is the way to it.
pub(super) fn beside(node: &Node, located: &Located) -> Beside {
    let mut levels: Vec<Level<'_>> = Vec::new();
    along(node, &located.plan, String::new(), &mut levels);
    let mut found = Beside::default();
    for Level { path, object, way, parts } in levels.iter().rev() {
        let others = || object.members.iter().filter(|(name, _)| Some(name.as_str()) != *way);
        for (name, node) in others() {
            found.add(located, path, name, node);
        }
        for (name, node) in others() {
            if let (Node::Object(inner), true) = (node, *parts) {
                let path = join(path, name);
                for (name, node) in &inner.members {
                    found.add(located, &path, name, node);
                }
            }
        }
    }
    found
}

impl Beside {
    fn add(&mut self, located: &Located, path: &str, name: &str, node: &Node) {
        let Node::Scalar(json) = node else { return };
        if json == "null" || self.0.len() >= MOST {
            return;
        }
        let taken = |wanted: &str| {
            self.0.iter().any(|(other, _)| other == wanted) || located.own.iter().any(|other| other == wanted)
        };
        let known = self.0.iter().map(|(other, _)| other).chain(&located.own);
        let means = meanings(name);
        let same = known.flat_map(|other| meanings(other)).any(|meaning| means.contains(meaning));
        let free = !is_own(name) && !same && !taken(name);
        let called = match (free, path) {
            (true, _) => name.to_owned(),
            // What is called so is found by no other name.
            (false, "") => format!("document.{name}"),
            (false, path) => join(path, name),
        };
        if !taken(&called) {
            self.0.push((called, json.clone()));
        }
    }
}

/// An object on the way to the rows.
struct Level<'n> {
    path: String,
    object: &'n Object,
    /// The name of its member that leads on.
    way: Option<&'n str>,
    /// Whether its objects are no rows.
    parts: bool,
}

fn along<'n>(node: &'n Node, plan: &'n Plan, path: String, levels: &mut Vec<Level<'n>>) {
    match (plan, node) {
        (Plan::Member(name, inner), Node::Object(object)) => {
            levels.push(Level { path: path.clone(), object, way: Some(name), parts: true });
            if let Some(node) = object.get(name) {
                along(node, inner, join(&path, name), levels);
            }
        }
        (Plan::Item(item, inner), Node::List(list)) => {
            let item = usize::try_from(*item).ok().and_then(|item| list.items.get(item));
            if let Some(node) = item {
                along(node, inner, path, levels);
            }
        }
        (Plan::Columns(_) | Plan::Split { .. } | Plan::Keyed(..), Node::Object(object)) => {
            let parts = !matches!(plan, Plan::Keyed(..));
            levels.push(Level { path, object, way: None, parts });
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

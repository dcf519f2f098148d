//! Where the rows of a document are.

use crate::dataset::names::plain;
use crate::decode::DecodeError;
use crate::decode::json::names::{holds_names, is_holder, is_own, is_time, make_book, make_row, meanings};
use crate::decode::json::outline::{Kinds, List, Node, Object};
use crate::decode::json::plan::{Located, Plan};
use crate::decode::json::{JsonOptions, rows_at};
use crate::decode::json::{columns, failure};
use crate::text::flags::ROWS_AT;
use crate::text::phrases::shell_word;

/// Levels in which rows are looked for.
const DEPTH: u32 = 6;

/// What a value is.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A row, or a list of rows, as it stands there; and where rows may be within it.
    Row(Option<String>),
    /// A document, with its rows in it.
    Document(Located),
    /// Nothing that can be read.
    Refused(DecodeError),
    /// An answer without data, if nothing stands behind it: what it says.
    Failed(String),
}

/// How rows are looked for.
pub(super) struct Finder<'a> {
    options: &'a JsonOptions,
    pub(super) columns: Option<&'a [String]>,
}

/// Rows that may be meant, by how sure that is.
pub(super) struct Candidate {
    pub(super) located: Located,
    /// What is wrong with them.
    pub(super) wrong: Option<DecodeError>,
    /// There are none.
    pub(super) empty: bool,
}

impl<'a> Finder<'a> {
    pub(super) fn new(options: &'a JsonOptions, columns: Option<&'a [String]>) -> Self {
        Self { options, columns }
    }

    /// What the first value of an input is. Of a list the first element is known alone.
    pub(super) fn verdict(&self, node: &Node) -> Verdict {
        if let Some(path) = self.options.rows_at.as_deref() {
            return match rows_at::resolve(self, node, path) {
                Ok(Some(located)) => Verdict::Document(located),
                Ok(None) => Verdict::Row(None),
                Err(error) => Verdict::Refused(error),
            };
        }
        match node {
            Node::List(list) => self.of_list(list),
            Node::Object(object) => self.of_object(object),
            _ => Verdict::Row(None),
        }
    }

    /// A list that is not within anything.
    fn of_list(&self, list: &List) -> Verdict {
        match list.items.first() {
            Some(Node::Object(object)) => {
                if self.is_row(object) {
                    return Verdict::Row(None);
                }
                let found = self.within(object, 1);
                if !self.options.known.is_empty() && self.is_known_row(object, &found) {
                    return Verdict::Row(None);
                }
                match self.best(found) {
                    Ok(Some(found)) if found.telling => Verdict::Document(found.within_each(false)),
                    _ => Verdict::Row(None),
                }
            }
            Some(Node::List(_)) => match self.arrays(list, None) {
                Some(Candidate { wrong: Some(error), .. }) => Verdict::Refused(error),
                Some(found) => Verdict::Document(found.located),
                None => Verdict::Row(None),
            },
            Some(Node::Scalar(_) | Node::Long) => match self.columns {
                Some(names) => Verdict::Document(Located {
                    plan: Plan::Line(names.to_vec()),
                    path: String::new(),
                    how: ", an array each",
                    own: names.to_vec(),
                    telling: true,
                }),
                None => Verdict::Refused(DecodeError::Corrupt(
                    "a JSON array of values, and not of rows".to_owned(),
                )),
            },
            _ => Verdict::Row(None),
        }
    }

    fn of_object(&self, object: &Object) -> Verdict {
        if make_book(object.names()) {
            return Verdict::Row(None);
        }
        let lists = columns::of_lists(object).is_some();
        let found = self.within(object, 0);
        let hint = || {
            let places = found.iter().filter(|found| !found.located.path.is_empty());
            places.map(|found| hint(&found.located)).next()
        };
        if !lists && self.is_row(object) {
            return Verdict::Row(hint());
        }
        if !self.options.known.is_empty() && self.is_known_row(object, &found) {
            return Verdict::Row(hint());
        }
        if !lists && make_row(object.scalars()) && found.iter().all(|found| !found.located.telling) {
            // What it lacks flags may give.
            return Verdict::Row(hint());
        }
        if found.iter().all(|found| found.empty)
            && let Some(words) = failure::told(object)
        {
            return Verdict::Failed(words);
        }
        match self.best(found) {
            Ok(Some(located)) => match twice(object, &located.plan) {
                Some(name) => Verdict::Refused(DecodeError::Corrupt(format!(
                    "the JSON document has {name:?} twice; leave one of both out"
                ))),
                None => Verdict::Document(located),
            },
            Ok(None) => Verdict::Row(None),
            Err(error) => Verdict::Refused(error),
        }
    }

    /// Whether the values of an object that are not parts make a row.
    fn is_row(&self, object: &Object) -> bool {
        let scalars = object.scalars();
        let mapped = |name: &&str| self.options.mapped.iter().any(|mapped| *mapped == **name);
        make_row(scalars.iter().copied()) && scalars.iter().any(|name| is_time(name))
            || scalars.iter().any(mapped)
    }

    /// Whether an object is rather a row of the user's own table than what is within it.
    fn is_known_row(&self, object: &Object, found: &[Candidate]) -> bool {
        let known = |name: &str| {
            let name = plain(name);
            self.options.known.iter().any(|known| plain(known) == name)
        };
        let outside = object.scalars().iter().filter(|name| known(name)).count();
        found.iter().all(|found| {
            let head = match &found.located.plan {
                Plan::Member(name, _) => known(name),
                _ => false,
            };
            let inside = found.located.own.iter().filter(|name| known(name)).count();
            head || outside > 0 && outside >= inside
        })
    }

    /// The rows that are meant, of those that there are.
    fn best(&self, found: Vec<Candidate>) -> Result<Option<Located>, DecodeError> {
        let (mut full, mut empty): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| !found.empty);
        if full.iter().any(|found| found.located.telling) {
            full.retain(|found| found.located.telling);
        }
        if full.is_empty() {
            full.extend(empty.drain(..).take(1));
        }
        let paths: Vec<&str> = full.iter().map(|found| found.located.path.as_str()).collect();
        if let [first, .., last] = paths[..] {
            let all = paths.get(..paths.len() - 1).unwrap_or_default().join(", ");
            return Err(DecodeError::Usage(format!(
                "a JSON document whose rows may be at {all} or {last}; say which: {ROWS_AT} {}",
                shell_word(first)
            )));
        }
        match full.pop() {
            Some(Candidate { wrong: Some(error), .. }) => Err(error),
            found => Ok(found.map(|found| found.located)),
        }
    }

    /// All places below an object where rows may be.
    fn within(&self, object: &Object, depth: u32) -> Vec<Candidate> {
        if let Some(whole) = self.whole(object, depth).filter(|whole| whole.located.telling) {
            return vec![whole];
        }
        let mut all = Vec::new();
        let has_data = object.members.iter().any(|(name, _)| plain(name) == "data");
        for (name, node) in &object.members {
            if has_data && (holds_names(name) || name == "schema") {
                continue;
            }
            let is_empty = match node {
                Node::List(list) => list.count == 0 && list.items.is_empty(),
                Node::Object(inner) => inner.count == 0,
                _ => false,
            };
            if is_empty {
                let holds = is_holder(name) && !is_failed(object);
                all.extend(holds.then(|| self.empty().within(name)));
                continue;
            }
            match node {
                Node::List(list) => {
                    all.extend(self.list(list, Some((object, name)), depth).into_iter().map(|found| {
                        match &found.located.plan {
                            // It is one with what it stands in.
                            Plan::Split { .. } => found,
                            _ => found.within(name),
                        }
                    }));
                }
                Node::Object(inner) if depth < DEPTH => {
                    all.extend(self.within(inner, depth + 1).into_iter().map(|found| found.within(name)));
                }
                _ => {}
            }
        }
        if all.iter().all(|found| found.empty)
            && let Some(whole) = self.whole(object, depth)
        {
            return vec![whole];
        }
        if all.is_empty() && depth == 0 {
            // A single row in a wrapping.
            let mut rows = object.members.iter().filter_map(|(name, node)| Some((name, node.object()?)));
            if let (Some((name, inner)), None) = (rows.next(), rows.next())
                && inner.kinds.have(Kinds::SCALAR)
                && make_row(inner.scalars())
            {
                all.push(self.found(Plan::One, "", inner.names()).within(name));
            }
        }
        all
    }

    /// The rows that an object as a whole holds: by time, by symbol, or column by column.
    pub(super) fn whole_of(&self, object: &Object) -> Option<Result<Located, DecodeError>> {
        self.whole(object, 0).map(|found| found.wrong.map_or(Ok(found.located), Err))
    }

    fn whole(&self, object: &Object, depth: u32) -> Option<Candidate> {
        let by_column = columns::of_lists(object).map(|found| (found, ", a list for each column"));
        let by_column =
            by_column.or_else(|| Some((columns::of_objects(object)?, ", an object for each column")));
        if let Some((found, how)) = by_column {
            let wrong = found.uneven.map(|what| {
                DecodeError::Corrupt(format!("a JSON document with columns of different lengths: {what}"))
            });
            let names = found.names.iter().map(String::as_str).collect();
            let mut candidate = Candidate { wrong, ..self.found(found.plan, how, names) };
            candidate.located.telling = true;
            return Some(candidate);
        }
        let parts = || object.members.iter().filter(|(_, node)| is_part(node));
        let first = &parts().next()?.1;
        if object.kinds.are(Kinds::OBJECT) && (object.times || object.indexes) {
            let inner = first.object()?;
            let has_time = inner.members.iter().any(|(name, _)| is_time(name));
            let key = object.times.then(|| if has_time { "key" } else { "ts" }.to_owned());
            let telling = inner.members.iter().any(|(name, _)| is_own(name));
            let how = if object.times { ", by time" } else { ", by number" };
            let names = inner.names().into_iter().chain(key.as_deref()).collect();
            let plan = Plan::Keyed(key.clone(), Box::new(Plan::One));
            let mut candidate = self.found(plan, how, names);
            candidate.located.telling = telling;
            return Some(candidate);
        }
        if !object.symbols {
            return None;
        }
        self.by_symbol(object, depth)
    }

    /// Lists or objects by symbol.
    fn by_symbol(&self, object: &Object, depth: u32) -> Option<Candidate> {
        let parts = || object.members.iter().map(|(_, node)| node).filter(|node| is_part(node));
        let first = parts().find(|node| node.list().is_none_or(|list| list.count > 0))?;
        let (lists, objects) = (object.kinds.have(Kinds::LIST), object.kinds.have(Kinds::OBJECT));
        if lists && objects || object.times || object.indexes {
            return None;
        }
        let inner = match first {
            Node::List(list) => self.list(list, None, depth + 1).pop()?,
            Node::Object(inner) => {
                let mut found = self.within(inner, depth + 1);
                found.retain(|found| found.located.telling);
                match found.pop() {
                    Some(only) if found.is_empty() => only,
                    _ => self.found(Plan::One, "", inner.names()),
                }
            }
            _ => return None,
        };
        let has = inner.located.own.iter().any(|name| meanings(name).contains(&"symbol"));
        let key = if has { "key" } else { "symbol" }.to_owned();
        let mut own = inner.located.own;
        own.push(key.clone());
        let how = match inner.located.how {
            ", by time" => ", by symbol and time",
            ", a list for each column" => ", by symbol, a list for each column",
            _ => ", by symbol",
        };
        let plan = Plan::Keyed(Some(key), Box::new(inner.located.plan));
        let located = Located { plan, path: String::new(), how, own, telling: true };
        Some(Candidate { located, wrong: inner.wrong, empty: false })
    }

    /// An object whose parts are all alike, of which the user says that the rows are there.
    pub(super) fn keyed(&self, object: &Object) -> Option<Result<Located, DecodeError>> {
        self.by_symbol(object, 0).map(|found| found.wrong.map_or(Ok(found.located), Err))
    }

    /// The rows of a list of which the user says that they are there.
    pub(super) fn rows_of(
        &self,
        list: &List,
        inside: Option<(&Object, &str)>,
    ) -> Result<Located, DecodeError> {
        match list.items.first() {
            Some(Node::List(_)) => match self.arrays(list, inside) {
                Some(Candidate { wrong: Some(error), .. }) => Err(error),
                Some(found) => Ok(found.located),
                None => Ok(self.found(Plan::Rows, "", Vec::new()).located),
            },
            Some(Node::Object(object)) => {
                let found = self.within(object, 1).into_iter().filter(|found| found.located.telling);
                match self.best(found.collect()) {
                    Ok(Some(found)) if !self.is_row(object) => Ok(found.within_each(list.count == 1)),
                    _ => Ok(self.found(Plan::Rows, "", names_of(list)).located),
                }
            }
            _ => Ok(self.found(Plan::Rows, "", Vec::new()).located),
        }
    }

    /// The object itself, of which the user says that it is a row.
    pub(super) fn one(&self, object: &Object) -> Located {
        self.found(Plan::One, "", object.names()).located
    }

    /// The rows that a list may hold, which stands in an object under that name.
    fn list(&self, list: &List, inside: Option<(&Object, &str)>, depth: u32) -> Vec<Candidate> {
        // What is another thing than the first element is no row, for itself.
        match list.items.iter().find(|node| node.kind() != Kinds::NULL) {
            Some(Node::List(_)) => return self.arrays(list, inside).into_iter().collect(),
            Some(Node::Object(_)) => {}
            _ => return Vec::new(),
        }
        let names = names_of(list);
        let rows = self.found(Plan::Rows, "", names);
        let first = list.items.first().and_then(Node::object);
        if rows.located.telling || depth >= DEPTH {
            return vec![rows];
        }
        let mut inner = first.map(|object| self.within(object, depth + 1)).unwrap_or_default();
        inner.retain(|found| found.located.telling);
        if inner.is_empty() {
            return vec![rows];
        }
        inner.into_iter().map(|found| found.within_each(list.count == 1)).collect()
    }

    pub(super) fn found(&self, plan: Plan, how: &'static str, own: Vec<&str>) -> Candidate {
        let mapped = |name: &&str| self.options.mapped.iter().any(|mapped| *mapped == **name);
        let telling = make_row(own.iter().copied()) || own.iter().any(mapped);
        let own = own.into_iter().map(str::to_owned).collect();
        let located = Located { plan, path: String::new(), how, own, telling };
        Candidate { located, wrong: None, empty: false }
    }

    fn empty(&self) -> Candidate {
        Candidate { empty: true, ..self.found(Plan::Rows, "", Vec::new()) }
    }
}

impl Candidate {
    fn within(self, name: &str) -> Self {
        Self { located: self.located.within(name), ..self }
    }

    fn within_each(self, only: bool) -> Self {
        Self { located: self.located.within_each(only), ..self }
    }
}

/// What is said of an object that is taken for a row, though there may be rows in it.
fn hint(located: &Located) -> String {
    format!("one JSON document with its rows at {0}: {ROWS_AT} {1}", located.path, shell_word(&located.path))
}

fn is_part(node: &Node) -> bool {
    let kind = node.kind();
    kind == Kinds::LIST || kind == Kinds::OBJECT
}

/// Whether an object speaks of a failure, so that it is no wonder that it has no rows.
fn is_failed(object: &Object) -> bool {
    object.members.iter().any(|(name, node)| {
        let named = matches!(
            plain(name).as_str(),
            "error" | "errors" | "message" | "note" | "information" | "detail"
        );
        named
            && match node {
                Node::Scalar(text) => !matches!(text.as_str(), "null" | "\"\"" | "false" | "0"),
                Node::List(list) => list.count > 0,
                Node::Object(object) => object.count > 0,
                _ => true,
            }
    })
}

/// The names of all objects in a list.
fn names_of(list: &List) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in list.items.iter().filter_map(Node::object).flat_map(Object::names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The name on the way to the rows that an object has twice.
fn twice<'p>(object: &Object, plan: &'p Plan) -> Option<&'p str> {
    let Plan::Member(name, inner) = plan else { return None };
    if object.twice.contains(name) {
        return Some(name);
    }
    twice(object.get(name)?.object()?, inner)
}

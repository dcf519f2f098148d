//! What is in a document, in outline: its names, the first elements of its lists, short scalar values.
//!
//! However large a document is, its outline is small. It has what is needed to find the rows, and what stands
//! beside them.

use std::collections::HashSet;

use crate::decode::json::names::{holds_names, is_index, is_symbol, is_time_key};
use crate::decode::json::text::{Fault, Feed, Text};

/// Levels that are looked into.
const DEPTH: u32 = 8;

/// Objects in a list that are looked into.
const ELEMENTS: usize = 3;

/// Lists in a list that are looked into: rows without names, whose values say what they are.
const ARRAYS: usize = 12;

/// Scalars of a list that are kept.
const SCALARS: usize = 64;

/// Elements that are kept of a list of names.
const NAMES: usize = 1024;

/// Members of an object that are kept.
const MEMBERS: usize = 512;

/// Containers in an outline; what comes then is known by its kind alone.
const CONTAINERS: u32 = 4096;

/// Longest scalar that is kept.
pub(super) const SCALAR: usize = 1024;

/// Kinds of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const SCALAR: Self = Self(2);
    pub(super) const LIST: Self = Self(4);
    pub(super) const OBJECT: Self = Self(8);

    fn of(first: u8) -> Self {
        match first {
            b'{' => Self::OBJECT,
            b'[' => Self::LIST,
            b'n' => Self::NULL,
            _ => Self::SCALAR,
        }
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether there are some, all of that kind or null.
    pub(super) fn are(self, kind: Self) -> bool {
        self.0 & !Self::NULL.0 == kind.0
    }

    /// Whether there are some of that kind.
    pub(super) fn have(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// A value in outline.
#[derive(Debug)]
pub(super) enum Node {
    /// A scalar as it stands there.
    Scalar(String),
    /// A scalar that is too long to be kept.
    Long,
    List(List),
    Object(Object),
    /// A list or an object that was not looked into.
    Closed(Kinds),
}

/// A list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Its first elements.
    pub(super) items: Vec<Node>,
    /// How many there are.
    pub(super) count: u64,
    /// What they are.
    pub(super) kinds: Kinds,
    /// Whether only the first was looked at.
    pub(super) alone: bool,
}

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    /// Its first members; of one name the first.
    pub(super) members: Vec<(String, Node)>,
    /// How many there are.
    pub(super) count: u64,
    /// What they are.
    pub(super) kinds: Kinds,
    /// Names that it has twice.
    pub(super) twice: Vec<String>,
    /// Whether all names are times.
    pub(super) times: bool,
    /// Whether all are numbers of rows.
    pub(super) indexes: bool,
    /// Whether all names of lists and objects in it are symbols.
    pub(super) symbols: bool,
}

impl Object {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.members.iter().find(|(own, _)| own == name).map(|(_, node)| node)
    }

    /// The names of all its members.
    pub(super) fn names(&self) -> Vec<&str> {
        self.members.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The names of its scalars.
    pub(super) fn scalars(&self) -> Vec<&str> {
        let scalar = |node: &Node| matches!(node, Node::Scalar(_) | Node::Long);
        self.members.iter().filter(|(_, node)| scalar(node)).map(|(name, _)| name.as_str()).collect()
    }
}

impl Node {
    /// What it is.
    pub(super) fn kind(&self) -> Kinds {
        match self {
            Self::Scalar(text) => Kinds::of(*text.as_bytes().first().unwrap_or(&b'0')),
            Self::Long => Kinds::SCALAR,
            Self::List(_) => Kinds::LIST,
            Self::Object(_) => Kinds::OBJECT,
            Self::Closed(kind) => *kind,
        }
    }

    pub(super) fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

/// The outline of the value that follows, as far as it can be read, and what is wrong with it.
///
/// Of a list that is not within anything only the first element is looked at, and it is not read any further.
pub(super) fn outline<F: Feed>(text: &mut Text<F>) -> (Node, Option<Fault>) {
    let mut sketch = Sketch { text, fault: None, containers: CONTAINERS };
    let node = match sketch.text.next() {
        Some(b'[') => sketch.first_element(),
        _ => sketch.value(0),
    };
    (node, sketch.fault)
}

struct Sketch<'a, F> {
    text: &'a mut Text<F>,
    fault: Option<Fault>,
    containers: u32,
}

impl<F: Feed> Sketch<'_, F> {
    /// Takes note of a fault.
    fn tried<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault.get_or_insert(fault)).ok()
    }

    fn first_element(&mut self) -> Node {
        let mut list = List { alone: true, ..List::default() };
        self.text.pass(1);
        let there = self.text.element(true, b']');
        if self.tried(there) == Some(true) {
            list.count = 1;
            list.kinds.add(Kinds::of(self.text.next().unwrap_or(b'0')));
            let item = self.value(1);
            list.items.push(item);
        }
        Node::List(list)
    }

    fn value(&mut self, depth: u32) -> Node {
        let Some(first) = self.text.next() else {
            self.fault.get_or_insert(Fault::Ends);
            return Node::Long;
        };
        let kind = Kinds::of(first);
        if kind == Kinds::LIST || kind == Kinds::OBJECT {
            if depth >= DEPTH || self.containers == 0 {
                let skipped = self.text.skip();
                self.tried(skipped);
                return Node::Closed(kind);
            }
            self.containers -= 1;
            self.text.pass(1);
            return if kind == Kinds::LIST { self.list(depth, false) } else { self.object(depth) };
        }
        let captured = self.text.capture(SCALAR);
        let Some(Some(length)) = self.tried(captured) else { return Node::Long };
        let bytes = self.text.bytes().get(..length).unwrap_or_default();
        let node = std::str::from_utf8(bytes).map_or(Node::Long, |text| Node::Scalar(text.to_owned()));
        self.text.pass(length);
        node
    }

    fn list(&mut self, depth: u32, of_names: bool) -> Node {
        let mut list = List::default();
        loop {
            let there = self.text.element(list.count == 0, b']');
            if self.tried(there) != Some(true) {
                return Node::List(list);
            }
            let kind = Kinds::of(self.text.next().unwrap_or(b'0'));
            let scalar = kind == Kinds::SCALAR || kind == Kinds::NULL;
            let most = match scalar {
                _ if of_names => NAMES,
                true => SCALARS,
                false if kind == Kinds::LIST => ARRAYS,
                false => ELEMENTS,
            };
            if list.items.len() < most {
                let item = self.value(depth + 1);
                if self.fault.is_some() {
                    // It is not whole.
                    if list.items.is_empty() {
                        list.items.push(item);
                    }
                    list.kinds.add(kind);
                    return Node::List(list);
                }
                list.items.push(item);
            } else {
                let skipped = self.text.skip();
                if self.tried(skipped).is_none() {
                    return Node::List(list);
                }
            }
            list.kinds.add(kind);
            list.count += 1;
        }
    }

    fn object(&mut self, depth: u32) -> Node {
        let mut seen: HashSet<String> = HashSet::new();
        let mut object = Object {
            members: Vec::new(),
            count: 0,
            kinds: Kinds::default(),
            twice: Vec::new(),
            times: true,
            indexes: true,
            symbols: true,
        };
        loop {
            let member = self.text.member(object.count == 0);
            let Some(Some(name)) = self.tried(member) else { break };
            object.count += 1;
            object.times &= is_time_key(&name);
            object.indexes &= is_index(&name);
            let kind = Kinds::of(self.text.next().unwrap_or(b'0'));
            object.kinds.add(kind);
            if kind == Kinds::LIST || kind == Kinds::OBJECT {
                object.symbols &= is_symbol(&name);
            }
            let again = object.members.len() < MEMBERS && !seen.insert(name.clone());
            if again {
                object.twice.push(name.clone());
            }
            if object.members.len() < MEMBERS && !again {
                let of_names = kind == Kinds::LIST && depth < DEPTH && holds_names(&name);
                let node = match of_names {
                    true => {
                        self.text.pass(1);
                        self.list(depth + 1, true)
                    }
                    false => self.value(depth + 1),
                };
                object.members.push((name, node));
            } else {
                let skipped = self.text.skip();
                self.tried(skipped);
            }
            if self.fault.is_some() {
                break;
            }
        }
        Node::Object(object)
    }
}

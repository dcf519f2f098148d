//! The rows of a document, one after the other, each as an object with the values beside it.

use crate::decode::MAX_ROW;
use crate::decode::json::beside::{Beside, beside};
use crate::decode::json::outline::outline;
use crate::decode::json::plan::{Located, Plan};
use crate::decode::json::table::{MOST_TABLE, Table};
use crate::decode::json::text::{Elements, Fault, Feed, Held, Text};

/// Why something in the place of a row is none: code and message.
pub(super) type Refusal = (&'static str, String);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A row, which is in [`Rows::row`].
    Row,
    /// Something in the place of a row, which is in [`Rows::row`].
    Broken(Refusal),
    /// There are no more rows.
    End,
}

/// Goes through a document.
pub(super) struct Rows<F> {
    pub(super) text: Text<F>,
    located: Located,
    frames: Vec<Frame>,
    /// What is added to each row, with a comma before it.
    added: Vec<u8>,
    /// The row at hand.
    pub(super) row: Vec<u8>,
    /// How much of that is its own.
    pub(super) own: usize,
    /// The element at hand, where it is a document for itself.
    inner: Option<Box<Rows<Held>>>,
    /// Columns whose rows are being made.
    table: Option<Table>,
}

/// What the reading is in the middle of.
enum Frame {
    /// The value to come is to be read.
    Value(Plan),
    /// In an object; whether its first member is still to come, and whether the wanted one was met.
    Object { name: String, plan: Plan, first: bool, met: bool },
    /// In a list of which one element is wanted.
    Item { item: u64, at: u64, plan: Plan },
    /// In a list of documents.
    Each { plan: Plan, first: bool },
    /// In an object of lists or objects; how much is added to each row without its names.
    Keyed { name: Option<String>, plan: Plan, first: bool, added: usize },
    /// In a list of objects.
    Rows { first: bool },
    /// In a list of arrays.
    Arrays { names: Names, first: bool, headed: bool },
}

impl<F: Feed> Rows<F> {
    /// Begins with a document, whose rows are located and have those values beside them.
    pub(super) fn new(text: Text<F>, located: Located, shared: &Beside) -> Self {
        let mut rows = Self {
            text,
            frames: vec![Frame::Value(located.plan.clone())],
            located,
            added: Vec::new(),
            row: Vec::new(),
            own: 0,
            inner: None,
            table: None,
        };
        rows.share(shared);
        rows
    }

    fn share(&mut self, shared: &Beside) {
        for (name, json) in &shared.0 {
            add(&mut self.added, name, json.as_bytes());
        }
    }

    /// Goes to the next row.
    pub(super) fn next(&mut self) -> Result<Next, Fault> {
        loop {
            if let Some(inner) = &mut self.inner {
                let next = inner.next()?;
                if next != Next::End {
                    std::mem::swap(&mut self.row, &mut inner.row);
                    self.own = inner.own;
                    return Ok(next);
                }
                self.inner = None;
            }
            if let Some(table) = &mut self.table {
                self.row.clear();
                if table.next(&mut self.row)? {
                    self.finish_row();
                    return Ok(Next::Row);
                }
                self.table = None;
            }
            let Some(frame) = self.frames.pop() else { return Ok(Next::End) };
            if let Some(next) = self.step(frame)? {
                return Ok(next);
            }
        }
    }

    fn step(&mut self, frame: Frame) -> Result<Option<Next>, Fault> {
        match frame {
            Frame::Value(plan) => return self.value(plan),
            Frame::Object { name, plan, first, met } => match self.text.member(first)? {
                Some(member) if member == name && met => return Err(Fault::Twice(name)),
                Some(member) if member == name => {
                    self.frames.push(Frame::Object { name, plan: plan.clone(), first: false, met: true });
                    self.frames.push(Frame::Value(plan));
                }
                Some(_) => {
                    self.text.skip()?;
                    self.frames.push(Frame::Object { name, plan, first: false, met });
                }
                None if met => {}
                None => {
                    self.row.clear();
                    let path = &self.located.path;
                    return Ok(Some(Next::Broken(("bad_line", format!("there are no rows at {path}")))));
                }
            },
            Frame::Item { item, at, plan } => {
                if self.text.element(at == 0, b']')? {
                    self.frames.push(Frame::Item { item, at: at + 1, plan: plan.clone() });
                    if at == item {
                        self.frames.push(Frame::Value(plan));
                    } else {
                        self.text.skip()?;
                    }
                }
            }
            Frame::Each { plan, first } => {
                if self.text.element(first, b']')? {
                    self.frames.push(Frame::Each { plan: plan.clone(), first: false });
                    return self.document(plan);
                }
            }
            Frame::Keyed { name, plan, first, added } => {
                self.added.truncate(added);
                if let Some(member) = self.text.member(first)? {
                    if let Some(name) = &name {
                        add(&mut self.added, name, &key(&member));
                    }
                    self.frames.push(Frame::Keyed { name, plan: plan.clone(), first: false, added });
                    match (self.text.next(), &plan) {
                        (Some(b'{' | b'['), Plan::Rows | Plan::Arrays(..) | Plan::One) => {
                            self.frames.push(Frame::Value(plan));
                        }
                        (Some(b'{' | b'['), _) => return self.document(plan),
                        // It stands beside them.
                        _ => self.text.skip()?,
                    }
                }
            }
            Frame::Rows { first } => {
                if self.text.element(first, b']')? {
                    self.frames.push(Frame::Rows { first: false });
                    return self.object().map(Some);
                }
            }
            Frame::Arrays { names, first, headed } => {
                if self.text.element(first, b']')? {
                    if headed {
                        self.text.skip()?;
                        self.frames.push(Frame::Arrays { names, first: false, headed: false });
                    } else {
                        let next = self.array(&names);
                        self.frames.push(Frame::Arrays { names, first: false, headed: false });
                        return next.map(Some);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Begins with a value.
    fn value(&mut self, plan: Plan) -> Result<Option<Next>, Fault> {
        let first = self.text.next().ok_or(Fault::Ends)?;
        let wanted = match &plan {
            Plan::Item(..) | Plan::Each(_) | Plan::Rows | Plan::Arrays(..) | Plan::Line(_) => b'[',
            _ => b'{',
        };
        // Nothing in the place of rows is no rows.
        if first == b'n' {
            self.text.skip()?;
            return Ok(None);
        }
        if first != wanted {
            if first == b'{' && matches!(plan, Plan::Rows | Plan::Arrays(..)) && self.is_empty()? {
                return Ok(None);
            }
            let what = format!("there is no list or object of rows at {}", self.located.path);
            return self.broken_value("bad_line", what).map(Some);
        }
        match plan {
            Plan::One => return self.object().map(Some),
            Plan::Line(names) => return self.array(&Names::of(&names)).map(Some),
            Plan::Columns(_) | Plan::Pivot(_) | Plan::Split { .. } => {
                let Some(length) = self.text.capture(MOST_TABLE)? else {
                    let what = format!("the columns at {}", self.located.path);
                    return Err(Fault::Large((MOST_TABLE >> 20) as u64, what));
                };
                let bytes = self.text.bytes().get(..length).unwrap_or_default().to_vec();
                self.text.pass(length);
                self.table = Some(Table::new(bytes, &plan)?);
                return Ok(None);
            }
            _ => self.text.enter(wanted)?,
        }
        self.frames.push(match plan {
            Plan::Member(name, inner) => Frame::Object { name, plan: *inner, first: true, met: false },
            Plan::Item(item, inner) => Frame::Item { item, at: 0, plan: *inner },
            Plan::Each(inner) => Frame::Each { plan: *inner, first: true },
            Plan::Keyed(name, inner) => {
                Frame::Keyed { name, plan: *inner, first: true, added: self.added.len() }
            }
            Plan::Arrays(names, headed) => Frame::Arrays { names: Names::of(&names), first: true, headed },
            _ => Frame::Rows { first: true },
        });
        Ok(None)
    }

    /// Whether the object to come has no members; one that has none is used up.
    fn is_empty(&mut self) -> Result<bool, Fault> {
        let Some(length) = self.text.capture(MAX_ROW)? else { return Ok(false) };
        let bytes = self.text.bytes().get(1..length.saturating_sub(1)).unwrap_or_default();
        let empty = bytes.iter().all(u8::is_ascii_whitespace);
        if empty {
            self.text.pass(length);
        }
        Ok(empty)
    }

    /// A value that is a document for itself.
    fn document(&mut self, plan: Plan) -> Result<Option<Next>, Fault> {
        let Some(length) = self.text.capture(MAX_ROW)? else { return Ok(Some(too_long(&mut self.row))) };
        let bytes = self.text.bytes().get(..length).unwrap_or_default().to_vec();
        self.text.pass(length);
        let located = Located { plan, ..self.located.clone() };
        let (node, _) = outline(&mut Text::new(bytes.as_slice()));
        let shared = beside(&node, &located);
        let mut inner = Rows::new(Text::new(Held::new(bytes)), located, &shared);
        inner.added.extend_from_slice(&self.added);
        self.inner = Some(Box::new(inner));
        Ok(None)
    }

    /// A row that is an object.
    fn object(&mut self) -> Result<Next, Fault> {
        let Some(length) = self.text.capture(MAX_ROW)? else { return Ok(too_long(&mut self.row)) };
        self.row.clear();
        self.row.extend_from_slice(self.text.bytes().get(..length).unwrap_or_default());
        self.text.pass(length);
        if self.row.first() != Some(&b'{') {
            self.own = self.row.len();
            return Ok(Next::Broken(("bad_line", "the row is JSON, but not an object".to_owned())));
        }
        self.row.pop();
        self.finish_row();
        Ok(Next::Row)
    }

    /// A row that is an array.
    fn array(&mut self, names: &Names) -> Result<Next, Fault> {
        let Some(length) = self.text.capture(MAX_ROW)? else { return Ok(too_long(&mut self.row)) };
        let array = self.text.bytes().get(..length).unwrap_or_default();
        self.row.clear();
        let mut wrong = None;
        if array.first() == Some(&b'[') {
            self.row.push(b'{');
            let mut values = 0;
            for value in Elements::of(array) {
                names.add(&mut self.row, values, value);
                values += 1;
            }
            if values != names.len() {
                let what = format!("the row has {values} values, and there are {} names", names.len());
                wrong = Some(("bad_width", what));
            }
        } else {
            wrong = Some(("bad_line", "the row is JSON, but not an array".to_owned()));
        }
        if let Some(refusal) = wrong {
            self.row.clear();
            self.row.extend_from_slice(array);
            self.own = self.row.len();
            self.text.pass(length);
            return Ok(Next::Broken(refusal));
        }
        self.text.pass(length);
        self.finish_row();
        Ok(Next::Row)
    }

    /// Adds what is beside the row at hand, whose last bracket is still to come.
    fn finish_row(&mut self) {
        self.own = self.row.len();
        let added = match self.row.trim_ascii_end() {
            [b'{'] => self.added.get(1..).unwrap_or_default(),
            _ => &self.added,
        };
        self.row.extend_from_slice(added);
        self.row.push(b'}');
    }

    fn broken_value(&mut self, code: &'static str, what: String) -> Result<Next, Fault> {
        let Some(length) = self.text.capture(MAX_ROW)? else { return Ok(too_long(&mut self.row)) };
        self.row.clear();
        self.row.extend_from_slice(self.text.bytes().get(..length).unwrap_or_default());
        self.text.pass(length);
        self.own = self.row.len();
        Ok(Next::Broken((code, what)))
    }

    /// Begins anew with what follows.
    pub(super) fn again(&mut self) {
        self.frames = vec![Frame::Value(self.located.plan.clone())];
    }

    /// Whether a row is being read.
    pub(super) fn is_in_row(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Rows { .. } | Frame::Arrays { .. } | Frame::Keyed { .. }))
            || self.inner.is_some()
    }

    /// From here on values beside the rows are added only where they matter.
    pub(super) fn narrow(&mut self, shared: &Beside) {
        if self.frames.iter().all(|frame| !matches!(frame, Frame::Keyed { .. })) && self.inner.is_none() {
            self.added.clear();
            self.share(shared);
        }
    }
}

fn too_long(row: &mut Vec<u8>) -> Next {
    row.clear();
    Next::Broken((
        "too_long",
        format!("the row is longer than {} MiB, and it was passed over", MAX_ROW >> 20),
    ))
}

/// Names of members, as they stand in an object.
pub(super) struct Names(Vec<Vec<u8>>);

impl Names {
    pub(super) fn of(names: &[String]) -> Self {
        Self(names.iter().map(|name| format!("{}:", quoted(name)).into_bytes()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a member of that name to an object, where there is such a name.
    pub(super) fn add(&self, to: &mut Vec<u8>, name: usize, json: &[u8]) {
        let Some(name) = self.0.get(name) else { return };
        if to.as_slice() != b"{" {
            to.push(b',');
        }
        to.extend_from_slice(name);
        to.extend_from_slice(json);
    }
}

/// Adds a member to an object, with a comma before it unless it is the first.
pub(super) fn add(to: &mut Vec<u8>, name: &str, json: &[u8]) {
    if to.as_slice() != b"{" {
        to.push(b',');
    }
    to.extend_from_slice(quoted(name).as_bytes());
    to.push(b':');
    to.extend_from_slice(json);
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key as a value: an epoch is a number.
pub(super) fn key(name: &str) -> Vec<u8> {
    let is_number =
        name.len() < 20 && !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && !name.is_empty() { name.as_bytes().to_vec() } else { quoted(name).into_bytes() }
}

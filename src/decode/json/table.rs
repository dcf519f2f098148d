//! Rows of documents that have a list or an object for each column: the columns are gone through side by side.

use crate::decode::json::extent;
use crate::decode::json::plan::Plan;
use crate::decode::json::rows::{Names, add, key};
use crate::decode::json::text::{Elements, Fault, Text};

/// Longest text of columns: their first values are needed together, so all of it is held.
pub(super) const MOST_TABLE: usize = 64 << 20;

/// Where a column goes on in the text.
struct Column {
    name: String,
    at: usize,
    /// Whether it is an object, whose names are the keys.
    keyed: bool,
}

/// Columns, and how far their rows have been made.
pub(super) struct Table {
    text: Vec<u8>,
    columns: Vec<Column>,
    /// What the columns are called.
    called: Names,
    /// What the keys are called.
    key: Option<String>,
    /// The names of the values, where one of the columns has arrays of them.
    names: Names,
    left: u64,
}

impl Table {
    /// Of an object, by the plan.
    ///
    /// # Errors
    /// Where its columns are not of one length.
    pub(super) fn new(text: Vec<u8>, plan: &Plan) -> Result<Self, Fault> {
        let mut columns = Vec::new();
        let (mut key, mut values) = (None, Vec::new());
        match plan {
            Plan::Columns(all) => {
                for column in all {
                    let path: Vec<&str> = column.path.iter().map(String::as_str).collect();
                    if let Some(at) = place(&text, 0, &path)? {
                        columns.push(Column { name: column.name.clone(), at, keyed: false });
                    }
                }
            }
            Plan::Split { names, index, data } => {
                values.clone_from(names);
                for (name, member) in [("ts", index), ("", data)] {
                    if let Some(at) = place(&text, 0, &[member])? {
                        columns.push(Column { name: name.to_owned(), at, keyed: false });
                    }
                }
            }
            Plan::Pivot(called) => {
                key.clone_from(called);
                let mut object = Text::new(text.as_slice());
                object.enter(b'{')?;
                let mut first = true;
                while let Some(name) = object.member(first)? {
                    first = false;
                    object.next();
                    let at = text.len() - object.bytes().len();
                    object.skip()?;
                    columns.push(Column { name, at, keyed: true });
                }
            }
            _ => {}
        }
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let (called, names) = (Names::of(&names), Names::of(&values));
        let mut table = Self { text, columns, called, key, names, left: 0 };
        table.left = table.even()?;
        Ok(table)
    }

    /// How many values each column has.
    fn even(&mut self) -> Result<u64, Fault> {
        let mut counts = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let from = self.text.get(column.at..).unwrap_or_default();
            let mut count = 0;
            if column.keyed {
                let mut object = Text::new(from);
                object.enter(b'{')?;
                while object.member(count == 0)?.is_some() {
                    object.skip()?;
                    count += 1;
                }
            } else if from.first() == Some(&b'[') {
                count = Elements::of(from).count() as u64;
            }
            // Behind the bracket.
            column.at += 1;
            counts.push(count);
        }
        let (Some(first), Some(count)) = (self.columns.first(), counts.first()) else { return Ok(0) };
        match self.columns.iter().zip(&counts).find(|(_, other)| *other != count) {
            Some((column, other)) => {
                let of = |column: &Column| match column.name.as_str() {
                    "" => "the list of rows".to_owned(),
                    name => format!("the column {name}"),
                };
                let (one, two) = (of(column), of(first));
                Err(Fault::Uneven(format!("{one} has {other} values, and {two} has {count}")))
            }
            None => Ok(*count),
        }
    }

    /// Makes the next row, without its last bracket; `false` where there is none.
    pub(super) fn next(&mut self, row: &mut Vec<u8>) -> Result<bool, Fault> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        self.left = left;
        row.push(b'{');
        let mut known: Option<Vec<u8>> = None;
        for (number, column) in self.columns.iter_mut().enumerate() {
            let rest = self.text.get(column.at..).unwrap_or_default();
            let gap = rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b',').count();
            let mut at = column.at + gap;
            if column.keyed {
                let length = extent::length(self.text.get(at..).unwrap_or_default()).ok_or(Fault::Ends)?;
                let name = self.text.get(at..at + length).unwrap_or_default();
                match &known {
                    Some(known) if known.as_slice() != name => {
                        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                        return Err(Fault::Uneven(format!(
                            "the column {} has a value for {}, where the first one has one for {}",
                            column.name,
                            shown(name),
                            shown(known)
                        )));
                    }
                    Some(_) => {}
                    None => {
                        if let (Some(called), Ok(name)) = (&self.key, serde_json::from_slice::<String>(name))
                        {
                            add(row, called, &key(&name));
                        }
                        known = Some(name.to_vec());
                    }
                }
                let behind = self.text.get(at + length..).unwrap_or_default();
                let gap =
                    behind.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b':').count();
                at += length + gap;
            }
            let rest = self.text.get(at..).unwrap_or_default();
            let length = extent::length(rest).ok_or(Fault::Ends)?;
            let value = rest.get(..length).unwrap_or_default();
            if column.name.is_empty() {
                let values = Elements::of(value).count();
                if values != self.names.len() {
                    return Err(Fault::Uneven(format!(
                        "a row has {values} values, and there are {} names",
                        self.names.len()
                    )));
                }
                for (name, value) in Elements::of(value).enumerate() {
                    self.names.add(row, name, value);
                }
            } else {
                self.called.add(row, number, value);
            }
            column.at = at + length;
        }
        Ok(true)
    }
}

/// Where the value at a path begins; of a list on the way its first element is meant.
fn place(text: &[u8], from: usize, path: &[&str]) -> Result<Option<usize>, Fault> {
    let mut here = Text::new(text.get(from..).unwrap_or_default());
    let first = here.next();
    let at = text.len() - here.bytes().len();
    let Some((name, rest)) = path.split_first() else { return Ok(Some(at)) };
    match first {
        Some(b'[') => {
            here.pass(1);
            if !here.element(true, b']')? {
                return Ok(None);
            }
            place(text, text.len() - here.bytes().len(), path)
        }
        Some(b'{') => {
            here.pass(1);
            let mut first = true;
            while let Some(member) = here.member(first)? {
                first = false;
                if member == *name {
                    return place(text, text.len() - here.bytes().len(), rest);
                }
                here.skip()?;
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

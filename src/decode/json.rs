//! JSON as it comes: rows line by line, or documents with their rows somewhere inside.
//!
//! APIs answer with one object around the rows (`{"results":[{…},…],"status":"OK"}`), with a list of values for
//! each column (`{"t":[…],"o":[…]}`), with objects by time or symbol, or with arrays that have no names. The first
//! value of an input tells what it is; a plain row goes the straight way of [NDJSON](super::ndjson).
//!
//! - [`extent`]: where a value ends. [`text`]: a document as it is read.
//! - [`outline`]: what is in it. [`names`], [`columns`], [`arrays`], [`find`], [`rows_at`]: where its rows are. [`plan`]: the
//!   way to them. [`beside`]: what they share.
//! - [`rows`], [`table`]: the rows one by one. [`documents`]: batches of them. [`paths`]: parts of values.

mod arrays;
mod beside;
mod columns;
mod documents;
mod extent;
mod failure;
mod find;
mod names;
mod outline;
mod paths;
mod plan;
mod rows;
mod rows_at;
mod spool;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use beside::{Beside, beside};
use documents::Documents;
use extent::{Extent, Scan};
use find::{Finder, Verdict};
use outline::outline;
pub use paths::NestedPaths;
use plan::{Located, Plan};
use text::{Fault, Text};

use crate::dataset::wanted::Wanted;
use crate::decode::format::LineDecoder;
use crate::decode::input_buffer::{Ending, InputBuffer, More};
use crate::decode::ndjson::{NdjsonDecoder, opened};
use crate::decode::{Chunks, CsvOptions, DecodeError, Decoder, MAX_ROW, Passed, RawBatch};

/// How JSON is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// Where the rows of documents are: names divided by dots, `[0]` for an element, `[]` for all. `.`: the
    /// documents are rows themselves. `None`: they are found.
    pub rows_at: Option<Arc<str>>,
    /// Names that flags take columns from. A row has them, and those with dots or brackets lead to
    /// parts of values.
    pub mapped: Vec<String>,
    /// Of a table that is of no dataset: the names of its columns.
    pub known: Vec<String>,
    /// What the input has been found to be, where it was looked through before.
    pub found: Option<Arc<Found>>,
}

/// What an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Rows; where the first one ends, and what it may be instead.
    Rows(Option<usize>, Option<String>),
    /// Documents: how their rows are found; of the only one what they share, and what is wrong with it.
    Documents { located: Located, many: bool, shared: Beside, fault: Option<Fault> },
}

/// Looks through the first value of an input, which can be read again.
///
/// # Errors
/// Where it is a document whose rows cannot be read.
pub fn look_through(chunks: Box<dyn Chunks>, options: &CsvOptions) -> Result<Found, DecodeError> {
    let mut text = Text::new(InputBuffer::new(chunks));
    let Some(first @ (b'{' | b'[')) = text.next() else { return Ok(Found(Form::Rows(None, None))) };
    let before = text.passed();
    let (node, fault) = outline(&mut text);
    let finder = Finder::new(&options.json, options.columns.as_deref());
    let verdict = finder.verdict(&node);
    let ends =
        usize::try_from(text.passed()).ok().filter(|_| fault.is_none() && first == b'{' && before < 1 << 20);
    let form = match verdict {
        Verdict::Row(hint) => Form::Rows(ends, hint),
        // What is damaged may be lines, the first of them torn.
        Verdict::Refused(_) if fault.is_some() => Form::Rows(None, None),
        Verdict::Document(located) if fault.is_some() && !located.telling => Form::Rows(None, None),
        Verdict::Refused(error) => return Err(error),
        Verdict::Failed(words) if fault.is_none() && text.next().is_none() => {
            return Err(DecodeError::Corrupt(words));
        }
        Verdict::Failed(_) => Form::Rows(ends, None),
        Verdict::Document(located) => {
            let many = match located.plan {
                Plan::Line(_) => true,
                _ => first == b'{' && fault.is_none() && matches!(text.next(), Some(b'{' | b'[')),
            };
            let shared = if many { Beside::default() } else { beside(&node, &located) };
            Form::Documents { located, many, shared, fault }
        }
    };
    Ok(Found(form))
}

/// A reader of JSON.
pub struct JsonDecoder {
    state: State,
    options: CsvOptions,
    wanted: Option<Wanted>,
    /// Where the rows were found.
    told: Option<String>,
    /// What the first row may be instead.
    hint: Option<String>,
    /// What is wrong with the document.
    fault: Option<Fault>,
}

enum State {
    /// Too little has come to tell what it is.
    Undecided(InputBuffer, Extent),
    Rows(Box<NdjsonDecoder>),
    Documents(Box<Documents>),
    /// In between.
    Gone,
}

impl JsonDecoder {
    /// Waits for the first bytes.
    ///
    /// # Errors
    /// [`DecodeError::Corrupt`] where the input has not a single byte.
    pub fn open(chunks: Box<dyn Chunks>, mut options: CsvOptions) -> Result<Self, DecodeError> {
        let feed = opened(chunks)?;
        let found = options.json.found.take();
        let state = State::Undecided(feed, Extent::default());
        let mut decoder = Self { state, options, wanted: None, told: None, hint: None, fault: None };
        if let Some(found) = found {
            decoder.settle(Arc::unwrap_or_clone(found).0);
        }
        Ok(decoder)
    }

    /// The input is that.
    fn settle(&mut self, form: Form) {
        let State::Undecided(feed, _) = std::mem::replace(&mut self.state, State::Gone) else { return };
        let paths = NestedPaths::of(self.options.json.mapped.iter().map(String::as_str));
        self.state = match form {
            Form::Rows(first, hint) => {
                self.hint = hint;
                let decoder = NdjsonDecoder::over(feed).with_first(first).with_paths(paths);
                let decoder = decoder.commented(self.options.comment.clone());
                State::Rows(Box::new(decoder.keeping(self.options.keep.clone())))
            }
            Form::Documents { located, many, shared, fault } => {
                self.told = self.options.json.rows_at.is_none().then(|| located.told());
                self.fault = fault;
                let documents = match many {
                    true => Documents::many(feed, located, paths),
                    false => Documents::one(feed, located, shared, paths),
                };
                State::Documents(Box::new(documents.commented(self.options.comment.clone())))
            }
        };
        if let Some(wanted) = self.wanted.take() {
            self.want(wanted);
        }
    }

    /// Looks at what has come; `false` where it does not tell yet.
    fn decide(&mut self, now: bool) -> Result<bool, DecodeError> {
        let State::Undecided(feed, extent) = &mut self.state else { return Ok(true) };
        let (bytes, ended) = (feed.bytes(), feed.ended());
        let white = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let value = bytes.get(white..).unwrap_or_default();
        let rows = Form::Rows(None, None);
        let Some(first) = value.first() else {
            if ended {
                self.settle(rows);
            }
            return Ok(ended);
        };
        if !matches!(first, b'{' | b'[') || feed.ending() == Ending::Left {
            self.settle(rows);
            return Ok(true);
        }
        // Of a list the first element tells.
        let list = *first == b'[';
        let element = value.get(1..).unwrap_or_default();
        let skipped = element.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (from, looked) = match list {
            true => (white + 1 + skipped, element.get(skipped..).unwrap_or_default()),
            false => (white, value),
        };
        if list && element.get(skipped) == Some(&b']') {
            self.settle(rows);
            return Ok(true);
        }
        let ends = match extent.scan(looked) {
            Scan::Closed(length) => Some(from + length),
            Scan::Open if !ended && looked.len() <= MAX_ROW => return Ok(false),
            Scan::Open if !ended && !now => return self.spool().map(|()| true),
            Scan::Open | Scan::Broken(_) | Scan::Deep(_) => None,
        };
        let (node, fault) = outline(&mut Text::new(value));
        let fault = fault.filter(|_| ends.is_none());
        let verdict = Finder::new(&self.options.json, self.options.columns.as_deref()).verdict(&node);
        if now && list && !ended && matches!(verdict, Verdict::Document(_)) {
            // Where lines are followed all of it has to be there.
            let whole = Extent::default().scan(value);
            if whole == Scan::Open && value.len() <= MAX_ROW {
                return Ok(false);
            }
        }
        let form = match verdict {
            Verdict::Row(hint) => Form::Rows(ends.filter(|_| !list), hint),
            Verdict::Document(_) if ends.is_none() && now => rows,
            Verdict::Refused(_) if ends.is_none() => rows,
            Verdict::Failed(words) => {
                let behind = ends.and_then(|ends| bytes.get(ends..)).unwrap_or_default();
                let alone = !now && ends.is_some() && behind.iter().all(u8::is_ascii_whitespace);
                if alone && !ended {
                    *extent = Extent::default();
                    return Ok(false);
                }
                if alone {
                    self.settle(rows);
                    return Err(DecodeError::Corrupt(words));
                }
                Form::Rows(ends, None)
            }
            Verdict::Document(located) if ends.is_none() && !located.telling => rows,
            Verdict::Refused(error) => {
                self.settle(rows);
                return Err(error);
            }
            Verdict::Document(located) => {
                let many = now || !list && ends.is_some() || matches!(located.plan, Plan::Line(_));
                let shared = if many { Beside::default() } else { beside(&node, &located) };
                Form::Documents { located, many, shared, fault }
            }
        };
        self.settle(form);
        Ok(true)
    }

    /// A document that is too large to be held, and comes but once, goes to a file first.
    fn spool(&mut self) -> Result<(), DecodeError> {
        let State::Undecided(feed, _) = &mut self.state else { return Ok(()) };
        let spooled = spool::spool(feed)?;
        let found = look_through(spooled.chunks()?, &self.options)?;
        let feed = opened(spooled.chunks()?)?;
        self.state = State::Undecided(feed, Extent::default());
        self.settle(found.0);
        if let State::Documents(documents) = std::mem::replace(&mut self.state, State::Gone) {
            self.state = State::Documents(Box::new(documents.ending_with(spooled.failure)));
        }
        Ok(())
    }
}

impl LineDecoder for JsonDecoder {
    fn next_now(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            match &mut self.state {
                State::Rows(rows) => return rows.next_now(),
                State::Documents(documents) => return documents.next(true),
                State::Gone => return Ok(None),
                State::Undecided(..) => {}
            }
            if !self.decide(true)?
                && let State::Undecided(feed, _) = &mut self.state
                && feed.more() == More::Idle
            {
                return Ok(None);
            }
        }
    }

    fn take_used(&mut self) -> u64 {
        match &mut self.state {
            State::Rows(rows) => rows.take_used(),
            State::Documents(documents) => documents.take_used(),
            State::Undecided(feed, _) => feed.take_used(),
            State::Gone => 0,
        }
    }

    fn is_headed(&self) -> bool {
        false
    }
}

impl Decoder for JsonDecoder {
    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            match &mut self.state {
                State::Rows(rows) => return rows.next_batch(),
                State::Documents(documents) => return documents.next(false),
                State::Gone => return Ok(None),
                State::Undecided(..) => {}
            }
            if !self.decide(false)?
                && let State::Undecided(feed, _) = &mut self.state
            {
                feed.more();
            }
        }
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        match &self.fault {
            Some(fault) => Err(DecodeError::Corrupt(format!(
                "{}; none of its rows were loaded",
                documents::said(fault, "")
            ))),
            None => Ok(()),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        match &self.state {
            State::Rows(rows) => rows.names(),
            State::Documents(documents) => documents.names(),
            State::Undecided(..) | State::Gone => Vec::new(),
        }
    }

    fn document(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    fn want(&mut self, wanted: Wanted) {
        match &mut self.state {
            State::Rows(rows) => rows.want(wanted),
            State::Documents(documents) => documents.want(wanted),
            State::Undecided(..) | State::Gone => self.wanted = Some(wanted),
        }
    }

    fn passed(&self) -> Passed {
        match &self.state {
            State::Rows(rows) => rows.passed(),
            State::Documents(documents) => documents.passed(),
            State::Undecided(..) | State::Gone => Passed::default(),
        }
    }
}

//! Documents to batches of rows: one that is read through, however large, or many, one after the other.

use std::sync::Arc;

use memchr::memchr;

use crate::dataset::wanted::Wanted;
use crate::decode::batch_builder::BatchBuilder;
use crate::decode::input_buffer::{Ending, InputBuffer, More, Zeros};
use crate::decode::json::NestedPaths;
use crate::decode::json::beside::{Beside, beside};
use crate::decode::json::extent::{Extent, Scan};
use crate::decode::json::outline::outline;
use crate::decode::json::plan::{Located, Plan};
use crate::decode::json::rows::{Next, Rows};
use crate::decode::json::text::{Fault, Held, Text};
use crate::decode::ndjson::object::Objects;
use crate::decode::{DecodeError, MAX_RAW, MAX_ROW, Passed, RawBatch};
use crate::text::number_format::plural;

/// A reader of documents.
pub(super) struct Documents {
    pub(super) objects: Objects,
    pub(super) pending: BatchBuilder,
    passed: Passed,
    from: From,
    located: Located,
    shared: Beside,
    wanted: Option<Wanted>,
    comment: Arc<str>,
    /// Whether the row at hand has not been taken in.
    ready: bool,
    /// What is told behind the last row.
    error: Option<DecodeError>,
    done: bool,
}

/// Where documents come from.
enum From {
    /// It is the only one.
    One(Box<Rows<InputBuffer>>),
    /// One after the other, each held as a whole.
    Many(Box<Many>),
}

struct Many {
    feed: InputBuffer,
    extent: Extent,
    rows: Option<Rows<Held>>,
    /// Bytes that the document at hand takes of the buffer.
    length: usize,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Some,
    Full,
    Need,
    End,
}

impl Documents {
    /// Of one document, or of lists of which each element is one.
    pub(super) fn one(feed: InputBuffer, located: Located, shared: Beside, paths: NestedPaths) -> Self {
        let rows = Rows::new(Text::new(feed), located.clone(), &shared);
        Self::new(From::One(Box::new(rows)), located, shared, paths)
    }

    /// Of documents, one after the other.
    pub(super) fn many(feed: InputBuffer, located: Located, paths: NestedPaths) -> Self {
        let many = Many { feed, extent: Extent::default(), rows: None, length: 0 };
        Self::new(From::Many(Box::new(many)), located, Beside::default(), paths)
    }

    fn new(from: From, located: Located, shared: Beside, paths: NestedPaths) -> Self {
        Self {
            objects: Objects::with_paths(paths),
            pending: BatchBuilder::of_json(),
            passed: Passed::default(),
            from,
            located,
            shared,
            wanted: None,
            comment: "#".into(),
            ready: false,
            error: None,
            done: false,
        }
    }

    /// Comments begin so.
    pub(super) fn commented(self, comment: Option<Arc<str>>) -> Self {
        Self { comment: comment.unwrap_or(self.comment), ..self }
    }

    /// That is told behind the last row.
    pub(super) fn ending_with(self, error: Option<DecodeError>) -> Self {
        Self { error, ..self }
    }

    fn feed(&mut self) -> &mut InputBuffer {
        match &mut self.from {
            From::One(rows) => &mut rows.text.feed,
            From::Many(many) => &mut many.feed,
        }
    }

    /// The next batch; `Ok(None)` where there is none, or none right now under `now`.
    pub(super) fn next(&mut self, now: bool) -> Result<Option<RawBatch>, DecodeError> {
        while !self.done {
            let between = match &self.from {
                From::One(_) => true,
                // What is followed goes on behind whole documents.
                From::Many(many) => !now || many.rows.is_none(),
            };
            let used = self.feed().used();
            if between && self.pending.is_full(used) {
                return self.hand_on();
            }
            match self.step(now)? {
                Step::Some => {}
                Step::Full => return self.hand_on(),
                Step::Need => match self.feed().more() {
                    More::Idle if !self.pending.is_empty() => return self.hand_on(),
                    More::Idle if now => return Ok(None),
                    More::End if self.feed().is_short() => self.done = true,
                    More::Idle | More::Data | More::End => {}
                },
                Step::End => self.done = true,
            }
        }
        if !self.pending.is_empty() {
            return self.hand_on();
        }
        let rows = self.pending.last_row();
        if let Some(failure) = self.feed().take_failure(rows) {
            return Err(failure);
        }
        self.error.take().map_or(Ok(None), Err)
    }

    fn hand_on(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        let bytes = self.feed().take_used();
        let batch = self.pending.finish(bytes)?;
        // The first rows show all that there is.
        if let (Some(wanted), From::One(rows)) = (&self.wanted, &mut self.from)
            && !self.ready
            && self.shared.0.iter().any(|(name, _)| !wanted(name))
        {
            self.shared.0.retain(|(name, _)| wanted(name));
            rows.narrow(&self.shared);
        }
        Ok(batch)
    }

    pub(super) fn take_used(&mut self) -> u64 {
        self.feed().take_used()
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.pending.names().to_vec()
    }

    pub(super) fn passed(&self) -> Passed {
        self.passed.clone()
    }

    pub(super) fn want(&mut self, wanted: Wanted) {
        self.wanted = Some(wanted.clone());
        if let Some(keep) = self.objects.want(wanted, self.pending.is_empty()) {
            self.pending.narrow(&keep);
        }
    }

    fn step(&mut self, now: bool) -> Result<Step, DecodeError> {
        if std::mem::take(&mut self.ready) {
            return Ok(self.take());
        }
        let next = match &mut self.from {
            From::One(rows) => rows.next(),
            From::Many(many) => match &mut many.rows {
                Some(rows) => rows.next(),
                None => return self.begin(now),
            },
        };
        match next {
            Ok(Next::Row) => Ok(self.take()),
            Ok(Next::Broken((code, message))) => {
                let raw = match &self.from {
                    From::One(rows) => rows.row.as_slice(),
                    From::Many(many) => match &many.rows {
                        Some(rows) if !rows.row.is_empty() => rows.row.as_slice(),
                        // It is the document that is to blame.
                        _ => many.feed.bytes().get(..many.length).unwrap_or_default(),
                    },
                };
                self.pending.broken(raw.get(..raw.len().min(MAX_ROW)).unwrap_or_default(), code, message);
                Ok(Step::Some)
            }
            Ok(Next::End) => Ok(self.behind()),
            Err(fault) => self.fault(fault),
        }
    }

    /// Takes in the row at hand.
    fn take(&mut self) -> Step {
        let (row, own) = match &self.from {
            From::One(rows) => (&rows.row, rows.own),
            From::Many(many) => match &many.rows {
                Some(rows) => (&rows.row, rows.own),
                None => return Step::Some,
            },
        };
        if let Err((code, message)) = self.objects.read_beside(row, own) {
            self.pending.broken(row, code, row_words(message));
            return Step::Some;
        }
        if !self.objects.fresh().is_empty() {
            if self.pending.has_rows() {
                self.ready = true;
                return Step::Full;
            }
            self.pending.widen(self.objects.fresh());
            self.objects.accept();
        }
        self.objects.count(&mut self.passed);
        let (columns, strings) = self.pending.json_row();
        self.objects.append(row, columns, strings);
        Step::Some
    }

    /// A document has ended.
    fn behind(&mut self) -> Step {
        let rows = self.pending.last_row();
        match &mut self.from {
            From::Many(many) => {
                many.feed.consume(std::mem::take(&mut many.length));
                many.rows = None;
                many.extent = Extent::default();
                Step::Some
            }
            From::One(one) => match one.text.next() {
                None => Step::End,
                // Lists, one after the other.
                Some(b'[') if matches!(self.located.plan, Plan::Each(_) | Plan::Arrays(..)) => {
                    one.again();
                    Step::Some
                }
                Some(_) => {
                    let at = one.text.passed() + 1;
                    self.error = Some(DecodeError::Corrupt(format!(
                        "there is text behind the JSON document, at byte {at}; {} before it were read",
                        plural(rows, "row")
                    )));
                    Step::End
                }
            },
        }
    }

    /// The document cannot be read on.
    fn fault(&mut self, fault: Fault) -> Result<Step, DecodeError> {
        let path = self.located.path.clone();
        match &mut self.from {
            From::Many(many) => {
                let raw = many.feed.bytes().get(..many.length).unwrap_or_default();
                let raw = raw.get(..raw.len().min(MAX_RAW)).unwrap_or_default().to_vec();
                self.pending.broken(&raw, "bad_line", said(&fault, &path));
                Ok(self.behind())
            }
            From::One(rows) => {
                let ending = rows.text.feed.ending();
                if fault == Fault::Ends && matches!(ending, Ending::Left | Ending::Short) {
                    return Ok(Step::End);
                }
                if fault == Fault::Ends && rows.is_in_row() {
                    let rest = rows.text.bytes().trim_ascii();
                    if !rest.is_empty() {
                        let rest = rest.get(..rest.len().min(MAX_ROW)).unwrap_or_default();
                        self.pending.broken(rest, "bad_line", "the last row is incomplete");
                    }
                }
                let rows = self.pending.last_row();
                if ending != Ending::Torn || fault != Fault::Ends {
                    self.error.get_or_insert_with(|| {
                        DecodeError::Corrupt(format!(
                            "{}; {} before that were read",
                            said(&fault, &path),
                            plural(rows, "row")
                        ))
                    });
                }
                Ok(Step::End)
            }
        }
    }

    /// Looks for the next of many documents.
    fn begin(&mut self, now: bool) -> Result<Step, DecodeError> {
        let From::Many(many) = &mut self.from else { return Ok(Step::End) };
        if many.feed.ending() == Ending::Left {
            return Ok(Step::End);
        }
        if many.length > 0 {
            // It was looked at before.
            return self.enter(now);
        }
        if many.extent.at() == 0 {
            if many.feed.bytes().first() == Some(&0) {
                match many.feed.pass_hole(false) {
                    Zeros::Hole(zeros) => {
                        self.passed.zeros += zeros;
                        return Ok(Step::Some);
                    }
                    Zeros::Unclear => return Ok(Step::Need),
                    Zeros::None => {}
                }
            }
            let white = many.feed.bytes().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            many.feed.consume(white);
            if white > 0 {
                // What is behind it may be a hole.
                return Ok(Step::Some);
            }
        }
        let (bytes, ended) = (many.feed.bytes(), many.feed.ended());
        if bytes.is_empty() {
            return Ok(if ended { Step::End } else { Step::Need });
        }
        if !self.comment.is_empty() && bytes.starts_with(self.comment.as_bytes()) {
            let end = memchr(b'\n', bytes);
            if end.is_none() && !ended && bytes.len() < MAX_ROW {
                return Ok(Step::Need);
            }
            let length = end.map_or(bytes.len(), |end| end + 1);
            self.passed.comment(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
            many.feed.consume(length);
            // Its beginning may have been looked at for itself.
            many.extent = Extent::default();
            return Ok(Step::Some);
        }
        match many.extent.scan(bytes) {
            Scan::Closed(length) => {
                many.length = length;
                self.enter(now)
            }
            Scan::Open if many.extent.at() > MAX_ROW => Err(self.too_large()),
            Scan::Open if !ended => Ok(Step::Need),
            Scan::Open => {
                many.length = bytes.len();
                Ok(self.refuse("the last document is incomplete"))
            }
            Scan::Broken(at) | Scan::Deep(at) => {
                // It costs its line.
                let rest = bytes.get(at..).unwrap_or_default();
                match memchr(b'\n', rest) {
                    Some(end) => many.length = at + end + 1,
                    None if !ended && rest.len() < MAX_ROW => return Ok(Step::Need),
                    None => many.length = bytes.len(),
                }
                Ok(self.refuse("the line is not valid JSON"))
            }
        }
    }

    /// Begins with the document at hand.
    fn enter(&mut self, now: bool) -> Result<Step, DecodeError> {
        let From::Many(many) = &mut self.from else { return Ok(Step::End) };
        let bytes = many.feed.bytes().get(..many.length).unwrap_or_default().to_vec();
        let wanted = if matches!(self.located.plan, Plan::Line(_) | Plan::Each(_) | Plan::Arrays(..)) {
            b'['
        } else {
            b'{'
        };
        if bytes.first() != Some(&wanted) {
            return Ok(self.refuse("the line is JSON, but not a document as the first one"));
        }
        let (node, _) = outline(&mut Text::new(bytes.as_slice()));
        let mut shared = beside(&node, &self.located);
        if let (Some(wanted), true) = (&self.wanted, self.pending.last_row() > 0) {
            shared.0.retain(|(name, _)| wanted(name));
        }
        if now {
            // A batch that ends within a document could not be gone on from: all its names are found first.
            let mut first = Rows::new(Text::new(bytes.as_slice()), self.located.clone(), &shared);
            while let Ok(next) = first.next() {
                match next {
                    Next::End => break,
                    Next::Row if self.objects.read_beside(&first.row, first.own).is_ok() => {}
                    _ => continue,
                }
                if self.objects.fresh().is_empty() {
                    continue;
                }
                if self.pending.has_rows() {
                    return Ok(Step::Full);
                }
                self.pending.widen(self.objects.fresh());
                self.objects.accept();
            }
        }
        many.rows = Some(Rows::new(Text::new(Held::new(bytes)), self.located.clone(), &shared));
        Ok(Step::Some)
    }

    /// Sets what is at hand aside.
    fn refuse(&mut self, why: &'static str) -> Step {
        let From::Many(many) = &mut self.from else { return Step::End };
        let raw = many.feed.bytes().get(..many.length).unwrap_or_default();
        self.pending.broken(raw, "bad_line", why);
        self.behind()
    }

    fn too_large(&self) -> DecodeError {
        DecodeError::Corrupt(format!(
            "one of several JSON documents is longer than {} MiB, behind {} rows that were read; give it a file of its own",
            MAX_ROW >> 20,
            self.pending.last_row()
        ))
    }
}

/// A line may be many rows.
fn row_words(message: &'static str) -> &'static str {
    match message {
        "the line is not valid JSON" => "the row is not valid JSON",
        other => other,
    }
}

/// What is wrong, in words.
pub(super) fn said(fault: &Fault, path: &str) -> String {
    match fault {
        Fault::Ends => "the JSON document is not closed, the input ends early".to_owned(),
        Fault::Broken(at) => format!("the JSON document is damaged at byte {at}"),
        Fault::Deep(at) => {
            format!(
                "the JSON document is nested deeper than {} levels at byte {at}",
                super::extent::MAX_DEPTH
            )
        }
        Fault::Twice(name) => format!("the JSON document has {name:?} twice"),
        Fault::Large(most, what) => format!(
            "{what} are longer than {most} MiB, which is more than is held at once; split the file by time or symbol"
        ),
        Fault::Uneven(what) => match path {
            "" => format!("the columns of the JSON document do not fit together: {what}"),
            path => format!("the columns at {path} do not fit together: {what}"),
        },
    }
}

//! `--dry-run`: everything but the writing.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::load::Load;
use crate::app::load::again::Again;
use crate::app::load::compare::Window;
use crate::app::load::end::RunOutcome;
use crate::app::load::said::Said;
use crate::app::paste;
use crate::batch::{Batch, Reason, Reject, RejectedData, Stage};
use crate::dataset::{MapperSettings, json_row};
use crate::error::Result;
use crate::pipeline::glimpse::Detected;
use crate::pipeline::{BatchSink, Report, drive};
use crate::port::{Event, Observer};
use crate::settings::OnConflict;
use crate::sink::{Comparison, Rehearsal};
use crate::source::Peeked;
use crate::telemetry::preview::{Compared, Preview, RejectExample};
use crate::telemetry::result::DlqResult;
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::Books;
use crate::text::flags::{DATASET, DRY_RUN, TABLE};
use crate::text::number_format::{count, plural};

/// What a dry run does not ask, for people and programs.
const OF_REHEARSED: &str =
    "a dry run does not ask the constraints, triggers and policies of the table, which may refuse rows";
const UNREHEARSED: &str = "a dry run does not ask what the columns, constraints and triggers of the table take, which may refuse rows";

/// Kinds of rejects of which a value is shown.
const MOST_EXAMPLES: usize = 16;

/// Characters of such a value.
const MOST_CHARS: usize = 80;

/// Where rows go that are only looked at.
pub(super) struct DryRun {
    pub(super) tally: Arc<RunCounters>,
    /// What tells which rows the store would not even be sent.
    pub(super) store: Option<Box<dyn Rehearsal>>,
    /// The first rows.
    window: Window,
    examples: Vec<RejectExample>,
}

impl DryRun {
    fn note(&mut self, reject: &Reject) {
        let Reason { code, column, .. } = &*reject.reason;
        let column = column.as_deref();
        let known = |example: &RejectExample| example.code == **code && example.column.as_deref() == column;
        if self.examples.len() >= MOST_EXAMPLES || self.examples.iter().any(known) {
            return;
        }
        let value = match &reject.remains {
            RejectedData::Raw(bytes) | RejectedData::Cut(bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            RejectedData::Item(item) => value_in(item, column),
        };
        let (source, row) = reject.place();
        self.examples.push(RejectExample {
            code: code.to_string(),
            column: column.map(str::to_owned),
            source: source.to_string(),
            row,
            value: value.trim_end().chars().take(MOST_CHARS).collect(),
        });
    }
}

/// The value of a column in a row; the row, where it is about no column.
fn value_in(item: &str, column: Option<&str>) -> String {
    let Some(column) = column else { return item.to_owned() };
    let row: serde_json::Value = serde_json::from_str(item).unwrap_or_default();
    match row.get(column) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => item.to_owned(),
    }
}

impl BatchSink for DryRun {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        let batch = Arc::new(batch);
        let refused = match &mut self.store {
            Some(store) => store.refused(&batch)?,
            None => Vec::new(),
        };
        self.window.take(&batch, refused.iter().map(|(row, _)| *row as u32).collect::<HashSet<u32>>());
        let reject = |(row, reason): (usize, Arc<Reason>)| {
            Some(Reject {
                stage: Stage::Write,
                reason,
                origin: batch.origin.clone(),
                row: batch.rows.get(row).copied()?,
                remains: RejectedData::Item(match self.examples.len() < MOST_EXAMPLES {
                    true => json_row::to_json(&batch.columns, row),
                    false => String::new(),
                }),
                reading: None,
                attempts: 1,
            })
        };
        let rejects = refused.into_iter().filter_map(reject).collect();
        self.rejects(rejects)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        for reject in &rejects {
            self.note(reject);
            self.tally.locate(reject);
            self.tally.on(&Event::Buried { stage: reject.stage, reason: &reject.reason, rows: 1 });
        }
        Ok(true)
    }
}

impl Load<'_> {
    /// The books as they would be: of the rows with one key one is written, and what that is to the table is
    /// known where all were compared with it.
    fn rehearsed(&self, books: Books, report: &Report, compared: Option<&Compared>) -> Books {
        let good = books.read.saturating_sub(books.rejected + books.dropped + books.skipped);
        let compared = compared.filter(|compared| compared.all);
        let surplus = match compared {
            Some(compared) => compared.superseded,
            None => report.keys.shared().map_or(0, |shared| shared.surplus),
        };
        let surplus = surplus.min(good);
        let (there, differing) =
            compared.map_or((0, 0), |compared| (compared.updated + compared.unchanged, compared.updated));
        let there = there.min(good - surplus);
        let books = Books { inserted: good - surplus - there, ..books };
        match self.engine.on_conflict {
            OnConflict::Update => Books {
                superseded: surplus,
                updated: differing,
                unchanged: there - differing.min(there),
                ..books
            },
            OnConflict::Skip => Books { skipped: books.skipped + surplus + there, ..books },
            OnConflict::Error => Books { rejected: books.rejected + surplus + there, ..books },
        }
    }

    /// `--dry-run`: everything but the writing.
    pub(super) async fn rehearse(
        self,
        mapper: Arc<MapperSettings>,
        peeked: Option<Peeked>,
        store: Option<Box<dyn Rehearsal>>,
        comparison: Option<Box<dyn Comparison>>,
    ) -> Result<RunReport> {
        let tally = Arc::new(RunCounters::new(&self.engine));
        let title = format!("Reading {}", mapper.dataset.name);
        let (current, gauge) = self.gauge();
        let progress = self.progress(title, &tally, gauge);
        let files = self.files(&mapper, peeked, current);
        let unasked = if store.is_some() { OF_REHEARSED } else { UNREHEARSED };
        let mut outlet =
            DryRun { tally: tally.clone(), store, window: Window::default(), examples: Vec::new() };
        let mut source = self.source(&mapper, false, files, None);
        let report = tokio::task::block_in_place(|| {
            let enough = self.enough(&tally);
            let mut feed = self.feed(&mapper, &*tally, &enough, &mut outlet);
            feed.report.glimpse = Some(Default::default());
            drive(&mut *source, feed)
        });
        drop(progress);
        let (mut report, broken) = match report {
            Ok(report) => (report, None),
            Err(error) => (Report::default(), Some(error)),
        };
        let compared = match comparison.filter(|_| !self.probing && self.letters().is_none()) {
            Some(mut store) => {
                let first_wins = self.engine.on_conflict != OnConflict::Update;
                Some(outlet.window.compare(&mut *store, first_wins).await)
            }
            None => None,
        };
        if let Some(mut glimpse) = report.glimpse.take().filter(|glimpse| !glimpse.input.is_empty()) {
            glimpse.detected.push(self.dataset_seen(&mapper, &glimpse.detected));
            self.see(glimpse);
        }
        let ending = RunOutcome {
            outcome: None,
            report: &report,
            broken,
            signals: None,
            again: Some(Again::Anew),
            dead: None,
            blocked: false,
        };
        let mut conclusion = self.conclude(&tally, &ending);
        conclusion.snapshot.books = self.rehearsed(conclusion.snapshot.books, &report, compared.as_ref());
        if let Err(gap) = conclusion.snapshot.closes() {
            conclusion.errors.push(gap);
            conclusion.exit = Exit::Internal;
        }
        let mut said = Said::of(&report, self.engine.on_conflict);
        said.notes.extend(compared.as_ref().and_then(in_part));
        said.notes.push(unasked.to_owned());
        said.preview = self.glimpsed().map(|glimpse| {
            let words = self.caller.listener.typed().unwrap_or_default();
            let words: Vec<_> = words.into_iter().filter(|word| word != DRY_RUN).collect();
            Box::new(Preview {
                compared,
                rejects: outlet.examples,
                command: paste::line(&words).filter(|_| !words.is_empty()),
                complete: !words.is_empty(),
                words,
                ..glimpse
            })
        });
        self.finish(&mapper, conclusion, &ending, DlqResult::default(), said, 0)
    }

    /// The dataset, and by what it is known.
    fn dataset_seen(&self, mapper: &MapperSettings, detected: &[Detected]) -> Detected {
        let data = &self.plan.data;
        let why = match (&data.dataset, &data.table) {
            (Some(_), _) => format!("as {DATASET} says"),
            (None, Some(_)) => format!("as {TABLE} says"),
            (None, None) if detected.iter().any(|fact| fact.what == "layout") => "by its layout".to_owned(),
            (None, None) => "by its columns".to_owned(),
        };
        Detected { what: "dataset".to_owned(), is: mapper.dataset.name.to_string(), why }
    }
}

/// What is said where not all rows were compared with the table.
fn in_part(compared: &Compared) -> Option<String> {
    let Compared { rows, inserted, updated, unchanged, failed, all, .. } = compared;
    if *all {
        return None;
    }
    let of = format!(
        "of the first {}, {} would be inserted, {} updated, and {} are unchanged",
        plural(*rows, "row"),
        count(*inserted),
        count(*updated),
        count(*unchanged)
    );
    Some(match (failed, rows) {
        (Some(why), 0) => format!("rows were not compared with the table: {why}"),
        (Some(why), _) => format!("{of}; the others were not compared with the table: {why}"),
        (None, _) => format!("{of}; the others were not compared with the table"),
    })
}

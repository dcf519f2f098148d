//! `--dry-run`: everything but the writing.

use std::sync::Arc;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::load::Load;
use crate::app::load::end::{Again, RunOutcome};
use crate::app::load::said::Said;
use crate::batch::{Batch, Reason, Reject, RejectedData, Stage};
use crate::dataset::MapperSettings;
use crate::error::Result;
use crate::pipeline::{BatchSink, Report, drive};
use crate::port::{Event, Observer};
use crate::settings::OnConflict;
use crate::sink::Rehearsal;
use crate::source::Peeked;
use crate::telemetry::result::DlqResult;
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::Books;

/// What a dry run does not ask, for people and programs.
const OF_REHEARSED: &str =
    "a dry run does not ask the constraints, triggers and policies of the table, which may refuse rows";
const UNREHEARSED: &str = "a dry run does not ask what the columns, constraints and triggers of the table take, which may refuse rows";

/// Where rows go that are only looked at.
pub(super) struct DryRun {
    pub(super) tally: Arc<RunCounters>,
    /// What tells which rows the store would not even be sent.
    pub(super) store: Option<Box<dyn Rehearsal>>,
}

impl BatchSink for DryRun {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        let Some(store) = &mut self.store else { return Ok(true) };
        let batch = Arc::new(batch);
        let refused = store.refused(&batch)?;
        let reject = |(row, reason): (usize, Arc<Reason>)| {
            Some(Reject {
                stage: Stage::Write,
                reason,
                origin: batch.origin.clone(),
                row: batch.rows.get(row).copied()?,
                remains: RejectedData::Item(String::new()),
                reading: None,
                attempts: 1,
            })
        };
        self.rejects(refused.into_iter().filter_map(reject).collect())
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        for reject in &rejects {
            self.tally.locate(reject);
            self.tally.on(&Event::Buried { stage: reject.stage, reason: &reject.reason, rows: 1 });
        }
        Ok(true)
    }
}

impl Load<'_> {
    /// The books as they would be if the store had none of these rows: of the rows with one key one is
    /// written, and nobody knows what the store makes of the others.
    fn rehearsed(&self, books: Books, report: &Report) -> Books {
        let good = books.read.saturating_sub(books.rejected + books.dropped + books.skipped);
        let surplus = report.keys.shared().map_or(0, |shared| shared.surplus).min(good);
        let books = Books { inserted: good - surplus, ..books };
        match self.engine.on_conflict {
            OnConflict::Update => Books { superseded: surplus, ..books },
            OnConflict::Skip => Books { skipped: books.skipped + surplus, ..books },
            OnConflict::Error => Books { rejected: books.rejected + surplus, ..books },
        }
    }

    /// `--dry-run`: everything but the writing.
    pub(super) async fn rehearse(
        self,
        mapper: Arc<MapperSettings>,
        peeked: Option<Peeked>,
        store: Option<Box<dyn Rehearsal>>,
    ) -> Result<RunReport> {
        let tally = Arc::new(RunCounters::new(&self.engine));
        let title = format!("Reading {}", mapper.dataset.name);
        let (current, gauge) = self.gauge();
        let progress = self.progress(title, &tally, gauge);
        let files = self.files(&mapper, peeked, current);
        let unasked = if store.is_some() { OF_REHEARSED } else { UNREHEARSED };
        let mut outlet = DryRun { tally: tally.clone(), store };
        let mut source = self.source(&mapper, false, files, None);
        let report = tokio::task::block_in_place(|| {
            let enough = self.enough(&tally);
            let feed = self.feed(&mapper, &*tally, &enough, &mut outlet);
            drive(&mut *source, feed)
        });
        drop(progress);
        let (report, broken) = match report {
            Ok(report) => (report, None),
            Err(error) => (Report::default(), Some(error)),
        };
        let again = Some(Again::Anew);
        let ending = RunOutcome {
            outcome: None,
            report: &report,
            broken,
            signals: None,
            again,
            dead: None,
            blocked: false,
        };
        let mut conclusion = self.conclude(&tally, &ending);
        conclusion.snapshot.books = self.rehearsed(conclusion.snapshot.books, &report);
        if let Err(gap) = conclusion.snapshot.closes() {
            conclusion.errors.push(gap);
            conclusion.exit = Exit::Internal;
        }
        let mut said = Said::of(&report, self.engine.on_conflict);
        said.notes.push(unasked.to_owned());
        self.finish(&mapper, conclusion, &ending, DlqResult::default(), said, 0)
    }
}

//! What the claims of one loader come to together.

use std::time::Duration;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::report::summary::Extras;
use crate::settings::EngineSettings;
use crate::telemetry::jobs::JobView;
use crate::telemetry::result::{DlqResult, RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;
use crate::telemetry::snapshot::Snapshot;

/// The sum of the reports of claims.
#[derive(Default)]
pub(super) struct Totals {
    /// Claims that came to an end.
    pub(super) claims: u64,
    /// What went wrong.
    pub(super) errors: Vec<String>,
    /// The exit code of the first part that could not be loaded.
    pub(super) failed: Option<Exit>,
    snapshot: Option<Snapshot>,
    inputs: Vec<String>,
    dlq: DlqResult,
    bytes: u64,
    workers: u64,
    notes: Vec<String>,
    deductions: Vec<String>,
    extras: Option<Extras>,
}

fn put(all: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

impl Totals {
    /// Adds a claim; of one that was written `again` the rows were counted before.
    pub(super) fn add(&mut self, report: RunReport, again: bool) {
        let RunReport { result, extras, errors, .. } = report;
        self.claims += 1;
        put(&mut self.errors, errors);
        self.dlq.path = result.dlq.path.or(self.dlq.path.take());
        self.dlq.records += result.dlq.records;
        self.dlq.rows += result.dlq.rows;
        self.bytes += result.bytes_read;
        self.workers = self.workers.max(result.workers);
        if again {
            return;
        }
        put(&mut self.inputs, result.inputs);
        put(&mut self.notes, result.notes);
        put(&mut self.deductions, result.deductions);
        let Some(more) = extras else { return };
        match &mut self.snapshot {
            Some(snapshot) => snapshot.add(&more.snapshot),
            None => self.snapshot = Some(more.snapshot.clone()),
        }
        match &mut self.extras {
            None => self.extras = Some(more),
            Some(extras) => {
                extras.span = match (extras.span, more.span) {
                    (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                    (a, b) => a.or(b),
                };
                // Symbols of several parts may be the same ones.
                extras.symbols = None;
                put(&mut extras.warnings, more.warnings);
                put(&mut extras.notes, more.notes);
            }
        }
    }

    /// The report of the loader.
    pub(super) fn report(
        &self,
        (facts, elapsed): (RunFacts, Duration),
        (exit, errors): (Exit, Vec<String>),
        job: Option<JobView>,
        last_out: bool,
        engine: &EngineSettings,
    ) -> RunReport {
        let snapshot = self.snapshot.clone().unwrap_or_else(|| RunCounters::new(engine).snapshot());
        let facts = RunFacts {
            inputs: self.inputs.clone(),
            dlq: self.dlq.clone(),
            bytes_read: self.bytes,
            elapsed,
            workers: self.workers,
            exit_code: Some(exit as u8),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
            notes: self.notes.clone(),
            deductions: self.deductions.clone(),
            job: job.map(Box::new),
            ..facts
        };
        let result = RunResult::new(&snapshot, facts);
        let known = self.extras.clone().map(|extras| Extras { snapshot: snapshot.clone(), ..extras });
        let extras = known.unwrap_or_else(|| Extras::new(snapshot));
        RunReport { exit, result, extras: Some(Extras { last_out, ..extras }), errors }
    }
}

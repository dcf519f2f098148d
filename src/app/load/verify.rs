//! The inputs of a load held against the table that they were loaded into.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::app::caller::{InputGauge, RunReport};
use crate::app::exit::Exit;
use crate::app::interrupts::Signals;
use crate::app::load::Load;
use crate::app::load::end::RunOutcome;
use crate::app::load::said::Said;
use crate::app::resume::short;
use crate::app::verify::{Digests, Export, Found, Shape, Slot, Verified, VerifyPlan};
use crate::batch::{Batch, Reject, Stage};
use crate::dataset::MapperSettings;
use crate::error::{Error, Result};
use crate::pipeline::{BatchSink, Report, drive};
use crate::port::{Event, Observer as _};
use crate::settings::OnConflict;
use crate::sink::OpenTable;
use crate::sink::verify::{CellReader, RowBuffer, Verifier, VerifyScope};
use crate::source::Peeked;
use crate::telemetry::result::RunResult;
use crate::telemetry::run_counters::RunCounters;
use crate::text::flags::{SAMPLE, TABLE};
use crate::text::number_format::plural;

/// Rows that are compared one by one at a time: some 200 bytes each.
const PART: u64 = 500_000;

/// Takes the rows of the inputs as the table would hold them.
struct Reading<'a, F: FnMut(&RowBuffer, &Batch, &[usize], &dyn CellReader) + Send> {
    verifier: &'a mut dyn Verifier,
    reader: Arc<dyn CellReader>,
    rows: RowBuffer,
    tally: Option<&'a RunCounters>,
    take: F,
}

impl<F: FnMut(&RowBuffer, &Batch, &[usize], &dyn CellReader) + Send> BatchSink for Reading<'_, F> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        let batch = Arc::new(batch);
        self.rows.clear();
        let refused = self.verifier.input(&batch, &mut self.rows)?;
        let mut out = refused.iter().map(|(row, _)| *row).peekable();
        let kept: Vec<usize> = (0..batch.len()).filter(|row| out.next_if_eq(row).is_none()).collect();
        (self.take)(&self.rows, &batch, &kept, &*self.reader);
        if let Some(tally) = self.tally {
            for (_, reason) in &refused {
                tally.on(&Event::Buried { stage: Stage::Write, reason, rows: 1 });
            }
        }
        Ok(true)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        if let Some(tally) = self.tally {
            for reject in &rejects {
                tally.locate(reject);
                tally.on(&Event::Buried { stage: reject.stage, reason: &reject.reason, rows: 1 });
            }
        }
        Ok(true)
    }
}

impl Load<'_> {
    /// Compares, and leaves what was found in the slot.
    pub(super) async fn verify(
        self,
        signals: &Signals,
        mapper: Arc<MapperSettings>,
        peeked: Option<Peeked>,
        opened: &dyn OpenTable,
        (asked, slot): (VerifyPlan, Slot),
    ) -> Result<RunReport> {
        if !mapper.target.is_keyed() {
            return Err(Error::usage(format!(
                "{} has no key that every row brings, so that its rows cannot be told apart; name another with {TABLE}",
                mapper.target.table
            )));
        }
        if let Some(input) = self.inputs.iter().find(|input| input.path.is_some() && input.bytes.is_none()) {
            return Err(Error::usage(format!(
                "verify reads its inputs more than once, and {} is no file: write it to one first",
                input.name
            )));
        }
        let mut export = Export::create(&asked, &self.inputs)?;
        let mut verifier = self.patiently(signals, async || opened.verifier().await).await?;
        let store = &*self.plan.to.store;
        let table = &mapper.target.table;
        for bulk in self.patiently(signals, async || store.begun_bulks(Some(table)).await).await? {
            self.note(&format!(
                "rows of run {}, a load in bulk that has not ended, wait in {} and are not compared; once it is over mdsctl schema apply brings them in",
                short(bulk.run),
                bulk.bulk_table
            ));
        }
        let shape = Shape::new(verifier.columns());
        let mut digests = Digests::new(asked.sample);
        let mut found = Verified {
            table: mapper.target.table.clone(),
            dataset: mapper.dataset.name.to_string(),
            inputs: self.inputs.iter().map(|input| input.name.to_string()).collect(),
            ..Verified::default()
        };
        let tally = Arc::new(RunCounters::new(&self.engine));
        let report = {
            let (shape, digests, found) = (&shape, &mut digests, &mut found);
            let take = |rows: &RowBuffer, _: &Batch, _: &[usize], store: &dyn CellReader| {
                found.compared += digests.input(rows, shape, store);
            };
            let rows = RowBuffer::new(shape.columns.len());
            let reader = verifier.reader();
            let reading = Reading { verifier: &mut *verifier, reader, rows, tally: Some(&*tally), take };
            self.read_through(&mapper, peeked, &tally, reading, "Reading")?
        };
        end_if_asked(signals)?;
        if report.errors.is_empty() {
            self.hold(signals, &mut *verifier, &shape, (&mut digests, &mut found, &mut export), &mapper)
                .await?;
        }
        if let Some(sample) = asked.sample.filter(|_| found.compared == 0 && report.errors.is_empty()) {
            return Err(Error::usage(format!(
                "{SAMPLE} {sample}% picks none of the days of the input, so that nothing was compared; take more"
            )));
        }
        // Of inputs that could not all be read there is nothing to write down.
        if let Some(export) = export.filter(|_| report.errors.is_empty()) {
            export.finish()?;
        }
        let ending = RunOutcome {
            outcome: None,
            report: &report,
            broken: None,
            signals: signals.exit(),
            again: None,
            dead: None,
            blocked: false,
        };
        let conclusion = self.conclude(&tally, &ending);
        let said = Said::of(&report, self.engine.on_conflict);
        found.read = conclusion.snapshot.books.read;
        found.rejected = conclusion.snapshot.books.rejected;
        found.outside = digests.outside;
        found.uncompared = verifier.uncompared().to_vec();
        found.notes = said.deductions.into_iter().chain(said.notes).collect();
        found.errors.clone_from(&conclusion.errors);
        found.elapsed_s = self.started.elapsed().as_secs_f64();
        let exit = match conclusion.exit {
            Exit::Stored | Exit::Rejects if found.is_equal() => Exit::Stored,
            Exit::Stored | Exit::Rejects => Exit::Rejects,
            other => other,
        };
        let facts = self.facts(Some(&mapper.dataset.name));
        let result = RunResult::new(&conclusion.snapshot, facts);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(RunReport { exit, result, extras: None, errors: conclusion.errors })
    }

    /// Holds the sums against the table, and what differs row by row.
    async fn hold(
        &self,
        signals: &Signals,
        verifier: &mut dyn Verifier,
        shape: &Shape,
        (digests, found, export): (&mut Digests, &mut Verified, &mut Option<Export>),
        mapper: &Arc<MapperSettings>,
    ) -> Result<()> {
        let scope = digests.scope(shape, &*verifier.reader());
        let table = &*mapper.target.table;
        self.scan((signals, table), verifier, &scope, &mut |rows, store| {
            found.stored += digests.stored(rows, shape, store);
            Ok(())
        })
        .await?;
        let rows = digests.unequal();
        let parts = rows.div_ceil(PART);
        if parts > 0 {
            self.note(&format!("some days differ: {} of them compared one by one", plural(rows, "row")));
        }
        let first_wins = self.engine.on_conflict != OnConflict::Update;
        for part in 0..parts {
            let mut differing = Found::new(shape, digests, (part, parts), first_wins);
            self.meter.consumed.store(0, Ordering::Relaxed);
            let tally = Arc::new(RunCounters::new(&self.engine));
            let take = |rows: &RowBuffer, batch: &Batch, kept: &[usize], store: &dyn CellReader| {
                differing.input(rows, batch, kept, store);
            };
            let reader = verifier.reader();
            let reading =
                Reading { verifier, reader, rows: RowBuffer::new(shape.columns.len()), tally: None, take };
            let report = self.read_through(mapper, None, &tally, reading, "Comparing")?;
            if let Some((error, _)) = report.errors.into_iter().next() {
                return Err(error);
            }
            end_if_asked(signals)?;
            self.scan((signals, table), verifier, &scope, &mut |rows, store| {
                differing.stored(rows, store, (found, export))
            })
            .await?;
            differing.finish(&*verifier.reader(), (found, export))?;
        }
        end_if_asked(signals)
    }

    /// Reads all inputs to their end.
    fn read_through<F: FnMut(&RowBuffer, &Batch, &[usize], &dyn CellReader) + Send>(
        &self,
        mapper: &Arc<MapperSettings>,
        peeked: Option<Peeked>,
        tally: &Arc<RunCounters>,
        mut reading: Reading<'_, F>,
        doing: &str,
    ) -> Result<Report> {
        let (current, gauge) = self.gauge();
        let progress = self.progress(format!("{doing} {}", mapper.dataset.name), tally, gauge);
        let files = self.files(mapper, peeked, current);
        let mut source = self.source(mapper, false, files, None);
        let report = tokio::task::block_in_place(|| {
            let enough = |_: u64| false;
            let feed = self.feed(mapper, &**tally, &enough, &mut reading);
            drive(&mut *source, feed)
        });
        drop(progress);
        report
    }

    /// Reads the rows of the table, unless it is asked to stop.
    async fn scan(
        &self,
        (signals, table): (&Signals, &str),
        verifier: &mut dyn Verifier,
        scope: &VerifyScope,
        take: &mut (dyn FnMut(&RowBuffer, &dyn CellReader) -> Result<()> + Send),
    ) -> Result<()> {
        let reader = verifier.reader();
        let tally = Arc::new(RunCounters::new(&self.engine));
        // How many rows there are nobody knows.
        let gauge = || InputGauge {
            consumed: 0,
            total: None,
            decoded: 0,
            current: None,
            files_done: 0,
            files_total: 0,
        };
        let progress = self.progress(format!("Reading {table}"), &tally, gauge);
        let mut each = |rows: &RowBuffer| {
            take(rows, &*reader)?;
            tally.on(&Event::Read { rows: rows.rows() as u64 });
            Ok(signals.exit().is_none())
        };
        let done = tokio::select! {
            biased;
            done = self.unblocked(None, verifier.scan(scope, &mut each)) => done,
            () = signals.come() => Ok(()),
        };
        drop(progress);
        end_if_asked(signals)?;
        done
    }
}

/// What was compared so far is no result.
fn end_if_asked(signals: &Signals) -> Result<()> {
    match signals.exit() {
        Some(exit) => {
            let what = "interrupted before all was compared; run the same command again";
            Err(Error::Interrupted(what.into(), exit == Exit::Terminated))
        }
        None => Ok(()),
    }
}

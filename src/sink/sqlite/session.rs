//! One connection that writes, and the counting of what became of each row.
//!
//! A row is one step of a prepared upsert: it inserts, or updates where a value differs, or does
//! nothing. Which of the three it was: `changes()` is 0 or 1, and the SET clause calls a function
//! of ours, which counts. No second lookup, and exact for tables of any kind (the update hook, for
//! one, does not see tables WITHOUT ROWID).
//!
//! A row that a constraint refuses fails its statement alone; SQLite undoes that statement and
//! keeps the transaction, so no savepoint per row and no splitting is needed.
//!
//! Calls into SQLite block for as long as the disk does. They run in place
//! (`tokio::task::block_in_place`, which first hands the other tasks of this thread to another):
//! the rows are borrowed, and a thread of its own would have to be given copies. There is no await
//! point inside, so dropping a future never leaves a statement half done. On a current-thread
//! runtime there is nobody to hand to, and the call simply blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, ArrayRef};
use rusqlite::ffi;
use rusqlite::functions::FunctionFlags;
use rusqlite::{CachedStatement, Connection};
use tokio::runtime::{Handle, RuntimeFlavor};
use uuid::Uuid;

use super::SqliteOptions;
use super::bind::{Binder, Unbound};
use super::catalog::{self, Table};
use super::fault::{FaultContext, classify};
use super::file::{self, Access, FileId};
use super::instant::{self, Clock};
use super::ledger;
use super::newer::{Answer, Answers};
use super::plan::{COUNT_UPDATE, Plan};
use crate::batch::{Reason, Rows};
use crate::dataset::{LiveTarget, Refits};
use crate::model::values::Values;
use crate::port::{CommitMark, Session, SinkError, TABLE_REKEYED, TransientKind, WriteMode, Written};
use crate::settings::OnConflict;

/// Plans kept; inputs have few shapes, and one more only costs preparing its statement again.
const PLANS: usize = 16;

/// Runs something that blocks without holding up the tasks of this thread, where that is possible.
pub(super) fn blocking<A>(job: impl FnOnce() -> A) -> A {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(job),
        _ => job(),
    }
}

/// A session of the embedded store.
#[derive(Debug)]
pub struct SqliteSession {
    connection: Connection,
    path: PathBuf,
    /// The file that the connection is to.
    id: Option<FileId>,
    table: Arc<Table>,
    /// The table for those who map, which of its versions `table` is, and rows that were mapped for earlier ones.
    live: Arc<LiveTarget>,
    version: u64,
    refits: Refits,
    /// The count of changes to the schema that `table` was read at, in a transaction that writes.
    schema: Option<i64>,
    on_conflict: OnConflict,
    plans: Vec<Plan>,
    binder: Binder,
    /// Rows that upserts of this connection have updated.
    updates: Arc<AtomicU64>,
    /// Whether rows that are there stay where they are newer, and what the upserts made of that.
    newer_stays: bool,
    answers: Answers,
    /// The run, whose ledger is kept.
    run: Option<Uuid>,
}

impl SqliteSession {
    pub(super) fn open(
        path: &Path,
        id: Option<FileId>,
        (table, live): (Arc<Table>, Arc<LiveTarget>),
        options: SqliteOptions,
    ) -> Result<Self, SinkError> {
        let moved = || id.and_then(|id| id.moved(path)).map_or(Ok(()), Err);
        // SQLite would only say that it cannot open it.
        moved()?;
        let updates = Arc::new(AtomicU64::new(0));
        let (counter, answers) = (updates.clone(), Answers::default());
        let connection = file::open(path, Access::Write)
            .and_then(|connection| {
                connection.create_scalar_function(
                    COUNT_UPDATE,
                    0,
                    FunctionFlags::SQLITE_UTF8,
                    move |_| {
                        counter.fetch_add(1, Ordering::Relaxed);
                        Ok(1)
                    },
                )?;
                if options.newer_stays {
                    answers.register(&connection)?;
                }
                Ok(connection)
            })
            .map_err(|error| classify(&error, FaultContext { path, table: &table.name }))?;
        moved()?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            id,
            table,
            live,
            version: 0,
            refits: Refits::default(),
            schema: None,
            on_conflict: options.on_conflict,
            plans: Vec::new(),
            binder: Binder::new(options.exact),
            updates,
            newer_stays: options.newer_stays,
            answers,
            run: options.run_id,
        })
    }

    fn fault(&self, error: &rusqlite::Error) -> SinkError {
        classify(error, FaultContext { path: &self.path, table: &self.table.name })
    }

    fn run(&self, sql: &str) -> Result<(), SinkError> {
        blocking(|| self.connection.execute_batch(sql)).map_err(|error| self.fault(&error))
    }

    /// Proves in the open transaction that the table is as it is known, or reads it anew. Nobody else may
    /// change the schema while this transaction writes, and SQLite counts the changes.
    fn prove(&mut self) -> Result<(), SinkError> {
        let count = || self.connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0));
        let now = blocking(count).map_err(|error| self.fault(&error))?;
        if self.schema == Some(now) {
            return Ok(());
        }
        let (name, path) = (&self.table.name, self.path.display());
        let found = blocking(|| catalog::read(&self.connection, name)).map_err(|error| self.fault(&error))?;
        let Some(found) = found else {
            let message = format!("{path} has no table {name} any more");
            return Err(SinkError::Transient(TransientKind::Refused, Reason::new("42P01", message)));
        };
        let (before, target) = (self.table.target(), found.target());
        let changes = target.changes_since(&before).join(", ");
        if let Some(why) = target.rekeyed_since(&before) {
            let message = format!(
                "table {name} has changed ({changes}), and {why} tells rows apart in another way than those under way were read for: start again, which goes on by what the table is now"
            );
            return Err(SinkError::Fatal(Reason::new(TABLE_REKEYED, message)));
        }
        if !changes.is_empty() {
            tracing::warn!("table {name} has changed: {changes}; rows are written as it is now");
        }
        self.version = self.live.set(target);
        self.table = Arc::new(found);
        self.plans.clear();
        self.schema = Some(now);
        Ok(())
    }

    /// The error where the table that was written to before does not fit any more: somebody is at work on
    /// it, which is waited for.
    fn waited_for(&self, error: SinkError) -> SinkError {
        match error {
            SinkError::Fatal(reason)
                if self.version > 0 && matches!(&*reason.code, "42P01" | "42703" | "42804" | "bad_type") =>
            {
                SinkError::Transient(TransientKind::Refused, reason)
            }
            other => other,
        }
    }

    /// Proves that the path still means the file that is written to.
    fn prove_file(&self) -> Result<(), SinkError> {
        self.id.and_then(|id| id.moved(&self.path)).map_or(Ok(()), Err)
    }

    fn undo(&self) -> Result<(), SinkError> {
        // SQLite has already undone it after some errors.
        if self.connection.is_autocommit() { Ok(()) } else { self.run("ROLLBACK") }
    }

    fn write_guarded(&mut self, rows: Rows<'_>, guard: WriteMode) -> Result<Written, SinkError> {
        if self.connection.is_autocommit() {
            return Err(SinkError::Fatal(Reason::new("25P01", "rows were given outside of a transaction")));
        }
        if guard == WriteMode::Bare {
            return self.write_rows(rows);
        }
        self.run("SAVEPOINT mds_write")?;
        let written = self.write_rows(rows);
        match &written {
            Ok(_) => self.run("RELEASE mds_write")?,
            // The error of the write is the one to report. Where SQLite has undone the whole
            // transaction there is no savepoint to go back to.
            Err(_) if !self.connection.is_autocommit() => {
                self.run("ROLLBACK TO mds_write; RELEASE mds_write")?;
            }
            Err(_) => {}
        }
        written
    }

    /// Position in `plans` of the plan for batches of this schema.
    fn plan(&mut self, schema: &arrow::datatypes::Schema) -> Result<usize, SinkError> {
        if let Some(position) = self.plans.iter().position(|plan| plan.fits(schema)) {
            return Ok(position);
        }
        let plan = Plan::new(schema, &self.table, self.on_conflict, self.newer_stays)?;
        if self.plans.len() >= PLANS {
            self.plans.remove(0);
        }
        self.plans.push(plan);
        Ok(self.plans.len() - 1)
    }

    fn write_rows(&mut self, rows: Rows<'_>) -> Result<Written, SinkError> {
        let mut written = Written::default();
        if rows.is_empty() {
            return Ok(written);
        }
        let plan = self.plan(rows.at(0).0.columns.schema_ref())?;
        let Some(plan) = self.plans.get(plan) else { return Ok(written) };
        let (values, width) = (views(rows)?, plan.columns.len());
        let order = plan.order(rows, &values);

        let place = FaultContext { path: &self.path, table: &self.table.name };
        let counters = (&*self.updates, &self.answers);
        let mut writer = Writer::new(&self.connection, plan, &self.table, place, &mut self.binder, counters)?;
        for position in order {
            let pick = rows.picks[position];
            let values = &values[pick.part as usize * width..][..width];
            writer.failed_first(rows, position)?;
            let (fate, rounded) = writer.write(values, pick.row as usize)?;
            match fate {
                Fate::Inserted => written.inserted += 1,
                Fate::Updated => written.updated += 1,
                Fate::Unchanged if self.on_conflict == OnConflict::Skip => written.skipped += 1,
                Fate::Unchanged => written.unchanged += 1,
                Fate::Newer => written.newer += 1,
                Fate::Refused(reason) => {
                    refuse(&mut written, position, reason);
                    continue;
                }
            }
            written.rounded += rounded;
        }
        written.refused.sort_unstable_by_key(|(position, _)| *position);
        Ok(written)
    }
}

impl Session for SqliteSession {
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.undo()?;
        // IMMEDIATE: the lock is taken here, where waiting for it is harmless.
        self.run("BEGIN IMMEDIATE")?;
        self.prove_file()?;
        self.prove()
    }

    async fn write(&mut self, rows: Rows<'_>, guard: WriteMode) -> Result<Written, SinkError> {
        let fitted = self.refits.fit(&self.live, rows, self.version).map_err(SinkError::Fatal);
        let written = fitted.and_then(|fitted| match fitted {
            Some(fitted) => fitted.told(blocking(|| self.write_guarded(fitted.rows(), guard))),
            None => blocking(|| self.write_guarded(rows, guard)),
        });
        written.map_err(|error| self.waited_for(error))
    }

    /// With the mark, so that a later run knows what is settled. The outcome itself needs no
    /// ledger: SQLite says of each commit whether it was done, and one that was not is undone
    /// here.
    async fn commit(&mut self, mark: &CommitMark, _: bool) -> Result<u64, SinkError> {
        let marked = match self.run {
            Some(run) => blocking(|| ledger::mark(&self.connection, run, mark, |error| self.fault(error))),
            None => Ok(()),
        };
        let committed = marked.and_then(|()| self.prove_file()).and_then(|()| self.run("COMMIT"));
        if committed.is_err() {
            self.undo()?;
        }
        match committed {
            // A constraint that is looked at last: of which row nobody says.
            Err(SinkError::Data { reason, .. }) => Err(SinkError::Apart(reason)),
            done => done.map(|()| mark.serial),
        }
    }

    async fn rollback(&mut self) -> Result<(), SinkError> {
        self.undo()
    }

    /// A commit that was not answered well was undone.
    async fn settled(&mut self, _: &CommitMark) -> Result<Option<bool>, SinkError> {
        Ok(Some(false))
    }
}

/// What became of a row.
enum Fate {
    Inserted,
    Updated,
    Unchanged,
    /// What is there is newer.
    Newer,
    Refused(Reason),
}

/// Writes the rows of one call.
struct Writer<'a> {
    connection: &'a Connection,
    statement: CachedStatement<'a>,
    probe: Option<CachedStatement<'a>>,
    plan: &'a Plan,
    table: &'a Table,
    place: FaultContext<'a>,
    binder: &'a mut Binder,
    updates: &'a AtomicU64,
    answers: &'a Answers,
}

impl<'a> Writer<'a> {
    fn new(
        connection: &'a Connection,
        plan: &'a Plan,
        table: &'a Table,
        place: FaultContext<'a>,
        binder: &'a mut Binder,
        (updates, answers): (&'a AtomicU64, &'a Answers),
    ) -> Result<Self, SinkError> {
        let fault = |error: rusqlite::Error| classify(&error, place);
        let mut statement = connection.prepare_cached(&plan.sql).map_err(fault)?;
        if let Some(index) = plan.updated_at {
            let mut clock = Clock::new();
            statement.raw_bind_parameter(index, clock.instant(instant::now())).map_err(fault)?;
        }
        let probe =
            plan.probe.as_deref().map(|sql| connection.prepare_cached(sql)).transpose().map_err(fault)?;
        Ok(Self { connection, statement, probe, plan, table, place, binder, updates, answers })
    }

    /// Says when the row to be written next failed first, where that counts.
    fn failed_first(&mut self, rows: Rows<'_>, position: usize) -> Result<(), SinkError> {
        let Some(parameter) = self.plan.first else { return Ok(()) };
        let (batch, row) = rows.at(position);
        let first = batch.origin.past_of(batch.rows[row]).map(|(record, _)| record.first_us);
        self.statement.raw_bind_parameter(parameter, first).map_err(|error| classify(&error, self.place))
    }

    /// Writes one row; also returns how many of its values had to be rounded.
    fn write(&mut self, values: &[Values<'_>], row: usize) -> Result<(Fate, u64), SinkError> {
        let before = self.updates.load(Ordering::Relaxed);
        let changes = self.connection.total_changes();
        let mut rounded = 0;
        let step = self.step(values, row, &mut rounded);
        let answer = if self.plan.first.is_some() { self.answers.take() } else { Answer::Plain };
        let fate = match step {
            Ok(_) if answer == Answer::Newer => Fate::Newer,
            Ok(_) if answer == Answer::Same => Fate::Unchanged,
            Ok(changes) => match (changes, self.updates.load(Ordering::Relaxed) != before) {
                (0, true) => self.skipped(),
                (0, false) if self.is_there(values, row)? => Fate::Unchanged,
                (0, false) => self.skipped(),
                (_, true) => Fate::Updated,
                (_, false) => Fate::Inserted,
            },
            Err(Unbound::Refused(reason)) => Fate::Refused(reason),
            // What a statement fails with while it runs, and not when it was prepared, is about the row:
            // JSON that a check or a trigger cannot read, a number too large for a function.
            Err(Unbound::Sqlite(rusqlite::Error::SqliteFailure(failure, text)))
                if failure.extended_code == ffi::SQLITE_ERROR && !self.connection.is_autocommit() =>
            {
                let text = text.unwrap_or_default();
                Fate::Refused(Reason::new("P0001", format!("{} refuses the row: {text}", self.table.name)))
            }
            Err(Unbound::Sqlite(error)) => match classify(&error, self.place) {
                // RAISE(ROLLBACK) has undone the rows before it too, and RAISE(FAIL) has left what it refuses.
                SinkError::Data { reason, .. }
                    if self.connection.is_autocommit() || self.connection.total_changes() != changes =>
                {
                    return Err(SinkError::Apart(reason));
                }
                SinkError::Data { reason, .. } => Fate::Refused(reason),
                other => return Err(other),
            },
        };
        Ok((fate, rounded))
    }

    fn step(&mut self, values: &[Values<'_>], row: usize, rounded: &mut u64) -> Result<usize, Unbound> {
        for (index, (column, values)) in self.plan.columns.iter().zip(values).enumerate() {
            *rounded += u64::from(self.binder.bind(&mut self.statement, index + 1, column, values, row)?);
        }
        Ok(self.statement.raw_execute()?)
    }

    /// Whether a row that changed nothing is in the table, or was skipped by a trigger.
    fn is_there(&mut self, values: &[Values<'_>], row: usize) -> Result<bool, SinkError> {
        let Some(probe) = &mut self.probe else { return Ok(!self.table.key.is_empty()) };
        let mut ask = || -> Result<bool, Unbound> {
            for (parameter, &column) in self.plan.key.iter().enumerate() {
                let (plan, values) = (&self.plan.columns[column], &values[column]);
                self.binder.bind(probe, parameter + 1, plan, values, row)?;
            }
            Ok(probe.raw_query().next()?.is_some())
        };
        match ask() {
            Ok(there) => Ok(there),
            // What was bound a moment ago is bound again.
            Err(Unbound::Refused(reason)) => Err(SinkError::Fatal(reason)),
            Err(Unbound::Sqlite(error)) => Err(classify(&error, self.place)),
        }
    }

    fn skipped(&self) -> Fate {
        Fate::Refused(Reason::new("P0001", format!("a trigger of {} skipped the row", self.table.name)))
    }
}

/// The columns of each batch in their own types, one batch behind the other.
pub(super) fn views<'a>(rows: Rows<'a>) -> Result<Vec<Values<'a>>, SinkError> {
    let view = |array: &'a ArrayRef| {
        Values::of(array).ok_or_else(|| {
            let message = format!("a column of type {} cannot be stored; this is a bug", array.data_type());
            SinkError::Fatal(Reason::new("XX000", message))
        })
    };
    rows.parts.iter().flat_map(|part| part.columns.columns()).map(view).collect()
}

/// Notes a refused row. Rows that were refused alike share the reason.
fn refuse(written: &mut Written, position: usize, reason: Reason) {
    let reason = match written.refused.last() {
        Some((_, last)) if **last == reason => last.clone(),
        _ => Arc::new(reason),
    };
    written.refused.push((position, reason));
}

#[cfg(test)]
mod tests;

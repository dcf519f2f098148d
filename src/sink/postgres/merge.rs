//! From the stage into the table, where rows of the same key may be there already.
//!
//! The stage is first compared with the table, which only reads: a row that is there with the same
//! values costs no lock, no write and no dead row. What is new or differs is then written by one
//! statement that meets rows which others insert at the same time.

use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};

use super::connect::Link;
use super::diagnose::violators;
use super::encode::EPOCH_SECONDS;
use super::order::KeyColumn;
use super::plan::Merge;
use super::session::{Failure, failure};
use super::source::Source;
use super::table::Table;
use super::timescale;
use super::types::ColumnType;
use crate::batch::{Reason, Rows};
use crate::dataset::time::to_micros;
use crate::port::{SinkError, Written};
use crate::settings::OnConflict;

/// Constraints whose violators are looked for in one write, before its rows are split.
const MAX_CONSTRAINTS: usize = 16;

/// Least and greatest value of a time in the rows of a stage, as parameters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    /// Nothing to be bounded by.
    None,
    /// Microseconds since 2000.
    Micros(i64, i64, bool),
    /// Days since 2000.
    Days(i32, i32),
}

impl Span {
    /// The span of that column of the key over the rows.
    pub fn of(
        rows: Rows<'_>,
        sources: &[Source<'_>],
        width: usize,
        part: KeyColumn,
        type_: ColumnType,
    ) -> Self {
        const DAY: i64 = 86_400_000_000;
        let micros = rows.picks.iter().filter_map(|pick| {
            match sources.get(pick.part as usize * width + part.column) {
                Some(Source::Time(times)) => Some(to_micros(times.value(pick.row as usize), part.floor).0),
                Some(Source::Far(times)) => Some(times.value(pick.row as usize)),
                Some(Source::Date(days)) => match days.value(pick.row as usize) {
                    i32::MAX => Some(i64::MAX),
                    i32::MIN => Some(i64::MIN),
                    day => i64::from(day).checked_mul(DAY),
                },
                _ => None,
            }
        });
        let (low, high) = micros.fold((i64::MAX, i64::MIN), |(low, high), m| (low.min(m), high.max(m)));
        // Infinity stays infinity.
        let from_2000 = |micros: i64| match micros {
            i64::MIN | i64::MAX => micros,
            _ => micros.saturating_sub(EPOCH_SECONDS * 1_000_000),
        };
        let days = |micros: i64| match micros {
            i64::MIN => i32::MIN,
            _ => i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX),
        };
        match type_ {
            _ if low > high => Self::Micros(i64::MAX, i64::MIN, true),
            ColumnType::Date => Self::Days(days(from_2000(low)), days(from_2000(high))),
            ColumnType::Timestamp(_) => Self::Micros(from_2000(low), from_2000(high), false),
            _ => Self::Micros(from_2000(low), from_2000(high), true),
        }
    }

    fn cells(self) -> Vec<(Cell, Type)> {
        let cells =
            |type_: Type, low: Vec<u8>, high: Vec<u8>| vec![(Cell(low), type_.clone()), (Cell(high), type_)];
        match self {
            Self::None => Vec::new(),
            Self::Micros(low, high, zone) => {
                let type_ = if zone { Type::TIMESTAMPTZ } else { Type::TIMESTAMP };
                cells(type_, low.to_be_bytes().into(), high.to_be_bytes().into())
            }
            Self::Days(low, high) => cells(Type::DATE, low.to_be_bytes().into(), high.to_be_bytes().into()),
        }
    }
}

/// A parameter in its wire form.
#[derive(Debug)]
pub(super) struct Cell(pub Vec<u8>);

impl ToSql for Cell {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

/// What is in the stage, and what to do with it.
pub(super) struct Job<'a> {
    pub link: &'a Link,
    pub table: &'a Table,
    /// Name of the stage.
    pub stage: &'a str,
    /// How its rows are put into the table where none of them can be there.
    pub append: &'a str,
    pub merge: Option<&'a Merge>,
    pub span: Span,
    pub on_conflict: OnConflict,
    /// The latest time at which one of the rows failed first, in microseconds since 2000, where what
    /// was written later stays.
    pub latest: Option<i64>,
}

impl Job<'_> {
    fn failed(&self, error: &tokio_postgres::Error) -> Failure {
        failure(self.link, error)
    }

    /// The numbers that a query answers.
    async fn counts<const N: usize>(&self, sql: &str, cells: &[(Cell, Type)]) -> Result<[u64; N], Failure> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
        let row = self.link.client.query_typed_one(sql, &params).await.map_err(|e| self.failed(&e))?;
        let mut counts = [0; N];
        for (at, count) in counts.iter_mut().enumerate() {
            let found = row.try_get::<_, i64>(at).map_err(|e| self.failed(&e))?;
            *count = u64::try_from(found).unwrap_or(0);
        }
        Ok(counts)
    }

    async fn execute(&self, sql: &str, bounded: bool) -> Result<u64, Failure> {
        let cells = if bounded { self.span.cells() } else { Vec::new() };
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
        self.link.client.execute_typed(sql, &params).await.map_err(|e| self.failed(&e))
    }

    /// Puts the stage's rows, none of which may be there, into the table.
    pub async fn append(&self, written: &mut Written) -> Result<(), Failure> {
        written.inserted += self.execute(self.append, false).await?;
        Ok(())
    }

    /// Merges the stage's `sent` rows into the table.
    pub async fn merge(&self, sent: &mut Vec<u32>, written: &mut Written) -> Result<(), Failure> {
        let Some(merge) = self.merge else {
            let rows = self.execute(self.append, false).await?;
            written.inserted += rows;
            left_out(self.table, (sent.len() as u64).saturating_sub(rows), written);
            return Ok(());
        };
        if let Some(sql) = &merge.twice {
            self.expect_once(sql).await?;
        }
        let merge = match &merge.packed {
            Some(packed) if self.meets_packed().await? => packed,
            _ => merge,
        };
        match self.on_conflict {
            OnConflict::Update => {
                if let Some(sql) = &merge.fixed {
                    self.leave_numbers(sql, sent, written).await?;
                }
                let staged = sent.len() as u64;
                if let Some(latest) = self.latest {
                    return self.replace_older(merge, staged, latest, written).await;
                }
                let cells = self.span.cells();
                let [known, differing] = self.counts(&merge.compare, &cells).await?;
                if known >= staged && differing == 0 {
                    written.unchanged += staged;
                    return Ok(());
                }
                let [touched, fresh] = self.counts(&merge.write, &cells).await?;
                let fresh = if merge.tells { fresh } else { staged.saturating_sub(known).min(touched) };
                written.inserted += fresh;
                written.updated += touched.saturating_sub(fresh);
                let missing = staged.saturating_sub(known) + differing > touched;
                let absent = if missing { self.absent::<2>(merge, staged).await? } else { 0 };
                let absent = absent.min(staged.saturating_sub(touched));
                left_out(self.table, absent, written);
                written.unchanged += staged.saturating_sub(touched + absent);
            }
            OnConflict::Skip => {
                let staged = sent.len() as u64;
                let inserted = self.execute(&merge.insert_missing, true).await?;
                written.inserted += inserted;
                written.skipped += staged.saturating_sub(inserted);
            }
            OnConflict::Error => {
                let there = self.places(&merge.remove).await?;
                if !there.is_empty() {
                    let reason = Arc::new(Reason::new(
                        "23505",
                        format!("a row of this key is in {} already", self.table.display_name()),
                    ));
                    take_out(sent, there, &reason, written);
                }
                written.inserted += self.execute(self.append, false).await?;
            }
        }
        Ok(())
    }

    /// Refuses the rows that would change a number of the server's.
    async fn leave_numbers(
        &self,
        sql: &str,
        sent: &mut Vec<u32>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let changed = self.places(sql).await?;
        if changed.is_empty() {
            return Ok(());
        }
        let name = self.table.columns.iter().find(|c| c.always).map_or("", |c| &c.name);
        let message = format!(
            "the row of this key has another {name} in {}, where it is GENERATED ALWAYS and cannot be changed",
            self.table.display_name()
        );
        take_out(sent, changed, &Arc::new(Reason::new("428C9", message).column(name)), written);
        Ok(())
    }

    /// The same as an update, except that a row of the table which is newer than the one at hand stays.
    async fn replace_older(
        &self,
        merge: &Merge,
        staged: u64,
        latest: i64,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let mut cells = self.span.cells();
        let [known, differing, newer, same] = self.counts(&merge.compare, &cells).await?;
        let (mut fresh, mut updated) = (0, 0);
        if known < staged || differing + same > 0 {
            cells.push((Cell(latest.to_be_bytes().into()), Type::TIMESTAMPTZ));
            let [touched, new] = self.counts(&merge.write, &cells).await?;
            fresh = if merge.tells { new } else { staged.saturating_sub(known).min(touched) };
            updated = touched.saturating_sub(fresh).min(differing);
        }
        // What others wrote between the two statements may be counted as it was before; every row
        // counts once all the same.
        let left = staged.saturating_sub(fresh + updated);
        let newer = newer.min(left);
        let missing = staged.saturating_sub(known) > fresh;
        let absent = if missing { self.absent::<4>(merge, staged).await? } else { 0 };
        let absent = absent.min(left - newer);
        left_out(self.table, absent, written);
        written.inserted += fresh;
        written.updated += updated;
        written.newer += newer;
        written.unchanged += left - newer - absent;
        Ok(())
    }

    /// Rows of the stage that are not in the table after they were written: a trigger has left them out.
    /// One that gives rows another key hides whether it has; and of rows that are there with other values
    /// nobody can tell whether it has changed those, or kept the new ones out. `N`: numbers that
    /// [`Merge::compare`] answers.
    async fn absent<const N: usize>(&self, merge: &Merge, staged: u64) -> Result<u64, Failure> {
        let changes_keys = || self.table.rules.iter().any(|rule| rule.columns.is_empty());
        if self.table.triggers.is_empty() || changes_keys() {
            return Ok(0);
        }
        let known = self.counts::<N>(&merge.compare, &self.span.cells()).await?.first().copied();
        Ok(staged.saturating_sub(known.unwrap_or(staged)))
    }

    /// Whether a chunk in the span of the rows is compressed. Such rows are then joined by a hash for
    /// the rest of the transaction.
    async fn meets_packed(&self) -> Result<bool, Failure> {
        let (cells, sql) = (self.span.cells(), timescale::meets_packed(self.table, &self.span));
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
        let row = self.link.client.query_typed_opt(&sql, &params).await.map_err(|e| self.failed(&e))?;
        Ok(row.is_some())
    }

    /// Refuses a stage with several rows of one key: the engine splits the rows until each comes in
    /// its turn.
    async fn expect_once(&self, sql: &str) -> Result<(), Failure> {
        let twice = self.link.client.query_typed_opt(sql, &[]).await.map_err(|e| self.failed(&e))?;
        if twice.is_none() {
            return Ok(());
        }
        let message = format!("rows of the same key for {}", self.table.display_name());
        let error = SinkError::Data { reason: Reason::new("21000", message), suspects: Vec::new() };
        Err(Failure { error, intact: true })
    }

    async fn places(&self, sql: &str) -> Result<Vec<usize>, Failure> {
        let cells = self.span.cells();
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
        let rows = self.link.client.query_typed(sql, &params).await.map_err(|e| self.failed(&e))?;
        rows.iter()
            .map(|row| row.try_get::<_, i64>(0).map(|place| usize::try_from(place).unwrap_or(usize::MAX)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| self.failed(&e))
    }

    /// Merges; where a constraint refuses rows that the server can name all at once, those are
    /// taken out of the stage and the rest is merged. `sent` keeps the positions that are in the
    /// stage.
    pub async fn merge_what_holds(&self, sent: &mut Vec<u32>, written: &mut Written) -> Result<(), Failure> {
        let statement = |sql: &'static str| async move {
            self.link.client.batch_execute(sql).await.map_err(|error| self.failed(&error))
        };
        statement("SAVEPOINT mds_merge").await?;
        for _ in 0..MAX_CONSTRAINTS {
            let before = (sent.clone(), written.clone());
            let refusal = match self.merge(sent, written).await {
                Err(Failure { error: SinkError::Data { reason, suspects }, intact: true }) => {
                    (reason, suspects)
                }
                merged => return merged,
            };
            (*sent, *written) = before;
            statement("ROLLBACK TO SAVEPOINT mds_merge").await?;
            let (reason, suspects) = refusal;
            let found = violators(self.link, self.table, self.stage, &reason).await;
            let Some(bad) = found.map_err(|e| self.failed(&e))?.filter(|rows| !rows.is_empty()) else {
                // Not to be had by asking: the engine splits the rows.
                return Err(Failure { error: SinkError::Data { reason, suspects }, intact: true });
            };
            take_out(sent, bad, &Arc::new(reason), written);
            if sent.is_empty() {
                return Ok(());
            }
            // They stay out of the stage when the next refusal is rolled back.
            statement("RELEASE SAVEPOINT mds_merge; SAVEPOINT mds_merge").await?;
        }
        self.merge(sent, written).await
    }
}

/// Counts rows that the server took and neither stored nor found there: a trigger of the table has left them
/// out, or put them somewhere else.
pub(super) fn left_out(table: &Table, rows: u64, written: &mut Written) {
    if table.triggers.is_empty() {
        written.unchanged += rows;
    } else {
        written.skipped += rows;
        written.left_out += rows;
    }
}

/// Refuses the rows at those places, ascending, of what was sent.
fn take_out(sent: &mut Vec<u32>, places: Vec<usize>, reason: &Arc<Reason>, written: &mut Written) {
    let mut bad = places.into_iter().peekable();
    let mut place = 0;
    sent.retain(|position| {
        let condemned = bad.next_if_eq(&place).is_some();
        place += 1;
        if condemned {
            written.refused.push((*position as usize, Arc::clone(reason)));
        }
        !condemned
    });
}

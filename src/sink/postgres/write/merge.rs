//! From the stage into the table, where rows of the same key may be there already.
//!
//! The stage is first compared with the table, which only reads: a row that is there with the same
//! values costs no lock, no write and no dead row. What is new or differs is then written by one
//! statement that meets rows which others insert at the same time.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio_postgres::types::{ToSql, Type};

use crate::batch::{Dependence, Reason, Rows};
use crate::dataset::time::to_micros;
use crate::model::values::Values;
use crate::port::{SinkError, Written};
use crate::settings::OnConflict;
use crate::sink::order::KeyColumn;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::ident;
use crate::sink::postgres::encode::encoder::EPOCH_SECONDS;
use crate::sink::postgres::write::chunks::{INDEX_FROM, Slice};
use crate::sink::postgres::write::diagnose::violators;
use crate::sink::postgres::write::plan::{AMONG, Merge};
use crate::sink::postgres::write::session::{Failure, failure};

/// Constraints whose violators are looked for in one write, before its rows are split.
const MAX_CONSTRAINTS: usize = 16;

/// Least and greatest value of a time in the rows of a stage, as parameters.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink::postgres) enum Span {
    /// Nothing to be bounded by.
    None,
    /// Microseconds since 2000.
    Micros(i64, i64, bool),
    /// Days since 2000.
    Days(i32, i32),
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

impl Span {
    /// The span of that column of the key over the rows.
    pub fn of(times: &[i64], type_: ColumnType) -> Self {
        let (low, high) =
            times.iter().fold((i64::MAX, i64::MIN), |(low, high), m| (low.min(*m), high.max(*m)));
        match type_ {
            _ if low > high => Self::Micros(i64::MAX, i64::MIN, true),
            ColumnType::Date => Self::Days(day(low), day(high)),
            ColumnType::Timestamp(_) => Self::Micros(low, high, false),
            _ => Self::Micros(low, high, true),
        }
    }

    /// The times of the rows in that column of the key, in microseconds since 2000, the infinite ones the
    /// first and the last there are; of a date its beginning.
    pub fn times(
        rows: Rows<'_>,
        sources: &[Values<'_>],
        width: usize,
        part: KeyColumn,
        type_: ColumnType,
    ) -> Vec<i64> {
        let micros = rows.picks.iter().filter_map(|pick| {
            match sources.get(pick.part as usize * width + part.column) {
                Some(Values::Instant(times)) => Some(to_micros(times.value(pick.row as usize), part.floor).0),
                Some(Values::Far(times)) => Some(times.value(pick.row as usize)),
                Some(Values::Day(days)) => match days.value(pick.row as usize) {
                    i32::MAX => Some(i64::MAX),
                    i32::MIN => Some(i64::MIN),
                    day => i64::from(day).checked_mul(DAY),
                },
                _ => None,
            }
        });
        // Infinity stays infinity.
        let from_2000 = |micros: i64| match micros {
            i64::MIN | i64::MAX => micros,
            _ => micros.saturating_sub(EPOCH_SECONDS * 1_000_000),
        };
        let whole = |micros: i64| match micros {
            i64::MIN | i64::MAX => micros,
            _ if type_ == ColumnType::Date => micros.div_euclid(DAY) * DAY,
            _ => micros,
        };
        micros.map(|micros| whole(from_2000(micros))).collect()
    }

    /// Whether it is between two times.
    pub fn is_of_time(self) -> bool {
        !matches!(self, Self::None)
    }

    /// A span of this kind between other times.
    pub fn between(self, low: i64, high: i64) -> Self {
        match self {
            Self::None => Self::None,
            Self::Micros(_, _, zone) => Self::Micros(low, high, zone),
            Self::Days(..) => Self::Days(day(low), day(high)),
        }
    }

    fn cells(self) -> Vec<(Literal, Type)> {
        let cells = |type_: Type, low: Vec<u8>, high: Vec<u8>| {
            vec![(Literal(low), type_.clone()), (Literal(high), type_)]
        };
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

/// The day of a time in microseconds since 2000.
fn day(micros: i64) -> i32 {
    match micros {
        i64::MIN => i32::MIN,
        _ => i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX),
    }
}

/// A parameter in its wire form.
#[derive(Debug, Clone)]
pub(in crate::sink::postgres) struct Literal(pub Vec<u8>);

impl ToSql for Literal {
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

/// The values that columns of the key have in all rows, where these are few: a condition to be added to
/// others that have two parameters, and its own.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Among {
    pub sql: String,
    pub cells: Vec<(Literal, Type)>,
}

/// Which of its statements a merge is to run.
type Which = fn(&Merge) -> &str;

/// What is in the stage, and what to do with it.
pub(in crate::sink::postgres) struct Job<'a> {
    pub link: &'a Link,
    pub table: &'a Table,
    /// Name of the stage, and of the columns of the batch.
    pub stage: &'a str,
    pub names: &'a [String],
    /// How its rows are put into the table where none of them can be there.
    pub append: &'a str,
    pub merge: Option<&'a Merge>,
    /// The rows, cut by time where the table is a hypertable.
    pub slices: &'a [Slice],
    /// A condition on what compressed chunks have to unpack, with its parameters.
    pub among: &'a Among,
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
    async fn counts<const N: usize>(
        &self,
        sql: &str,
        cells: &[(Literal, Type)],
    ) -> Result<[u64; N], Failure> {
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

    /// The statement for a slice and its parameters.
    fn of_slice(&self, merge: &Merge, slice: &Slice, which: Which) -> (String, Vec<(Literal, Type)>) {
        let mut cells = slice.span.cells();
        match &merge.packed {
            Some(packed) if slice.packed => {
                // A statement with more parameters of its own has no room for these.
                let room = self.latest.is_none();
                cells.extend(self.among.cells.iter().filter(|_| room).cloned());
                (which(packed).replace(AMONG, if room { &self.among.sql } else { "" }), cells)
            }
            _ => (which(merge).to_owned(), cells),
        }
    }

    /// The sums of what the statement answers for each slice. The questions are sent together.
    pub async fn sums<const N: usize>(
        &self,
        merge: &Merge,
        which: Which,
        more: Option<(Literal, Type)>,
    ) -> Result<[u64; N], Failure> {
        let asked = self.slices.iter().map(|slice| {
            let (sql, mut cells) = self.of_slice(merge, slice, which);
            cells.extend(more.clone());
            async move { self.counts::<N>(&sql, &cells).await }
        });
        let mut sums = [0; N];
        for counts in try_join_all(asked).await? {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        Ok(sums)
    }

    async fn execute(&self, sql: &str, cells: &[(Literal, Type)]) -> Result<u64, Failure> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
        self.link.client.execute_typed(sql, &params).await.map_err(|e| self.failed(&e))
    }

    /// Makes the stage ready to be read slice by slice.
    pub async fn prepare(&self, merge: &Merge) -> Result<(), Failure> {
        let mut sql = String::new();
        if merge.packed.is_some() && self.slices.iter().any(|slice| slice.packed) {
            sql.push_str("SELECT pg_catalog.set_config('enable_nestloop', 'off', true);");
        }
        let column = merge.bound.and_then(|part| self.bound_name(part));
        if let (true, Some(column)) = (self.slices.len() >= INDEX_FROM, column) {
            let name = self.stage.rsplit('.').next().unwrap_or(self.stage);
            sql.push_str(&format!(
                "CREATE INDEX IF NOT EXISTS {name}_time ON {} ({});",
                self.stage,
                ident(column)
            ));
        }
        match sql.is_empty() {
            true => Ok(()),
            false => self.link.client.batch_execute(&sql).await.map_err(|e| self.failed(&e)),
        }
    }

    fn bound_name(&self, part: KeyColumn) -> Option<&str> {
        self.names.get(part.column).map(String::as_str)
    }

    /// Puts the stage's rows, none of which may be there, into the table.
    pub async fn append(&self, written: &mut Written) -> Result<(), Failure> {
        written.inserted += self.execute(self.append, &[]).await?;
        Ok(())
    }

    /// Merges the stage's `sent` rows into the table.
    pub async fn merge(&self, sent: &mut Vec<u32>, written: &mut Written) -> Result<(), Failure> {
        let Some(merge) = self.merge else {
            let rows = self.execute(self.append, &[]).await?;
            written.inserted += rows;
            left_out(self.table, (sent.len() as u64).saturating_sub(rows), written);
            return Ok(());
        };
        if let Some(sql) = &merge.twice {
            self.expect_once(sql).await?;
        }
        self.prepare(merge).await?;
        match self.on_conflict {
            OnConflict::Update => {
                if merge.fixed.is_some() {
                    self.leave_numbers(merge, sent, written).await?;
                }
                let staged = sent.len() as u64;
                if let Some(latest) = self.latest {
                    return self.replace_older(merge, staged, latest, written).await;
                }
                let [known, differing] = self.sums(merge, |merge| &merge.compare, None).await?;
                if known >= staged && differing == 0 {
                    written.unchanged += staged;
                    return Ok(());
                }
                let [touched, fresh] = self.sums(merge, |merge| &merge.write, None).await?;
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
                let mut inserted = 0;
                for slice in self.slices {
                    let (sql, cells) = self.of_slice(merge, slice, |merge| &merge.insert_missing);
                    inserted += match merge.delete {
                        Some(_) => self.counts::<1>(&sql, &cells).await?[0],
                        None => self.execute(&sql, &cells).await?,
                    };
                }
                written.inserted += inserted;
                written.skipped += staged.saturating_sub(inserted);
            }
            // What may not be read is told by the server, row by row.
            OnConflict::Error if !self.table.readable => {
                written.inserted += self.execute(self.append, &[]).await?;
            }
            OnConflict::Error => {
                let reason = Arc::new(Reason::depends(
                    Dependence::SameKey,
                    format!("a row of this key is in {} already", self.table.display_name()),
                ));
                self.take_those(merge, |merge| &merge.remove, &reason, sent, written).await?;
                written.inserted += self.execute(self.append, &[]).await?;
            }
        }
        Ok(())
    }

    /// Refuses the rows that would change a number of the server's.
    async fn leave_numbers(
        &self,
        merge: &Merge,
        sent: &mut Vec<u32>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let name = self.table.columns.iter().find(|c| c.always).map_or("", |c| &c.name);
        let message = format!(
            "the row of this key has another {name} in {}, where it is GENERATED ALWAYS and cannot be changed",
            self.table.display_name()
        );
        let reason = Arc::new(Reason::new("428C9", message).column(name));
        let which: Which = |merge| merge.fixed.as_deref().unwrap_or_default();
        self.take_those(merge, which, &reason, sent, written).await
    }

    /// Refuses the rows that the statement takes out of the stage, slice by slice: the places that it
    /// answers are those of what is left.
    async fn take_those(
        &self,
        merge: &Merge,
        which: Which,
        reason: &Arc<Reason>,
        sent: &mut Vec<u32>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        for slice in self.slices {
            let (sql, cells) = self.of_slice(merge, slice, which);
            let taken = self.places(&sql, &cells).await?;
            if !taken.is_empty() {
                self.delete(merge, &taken).await?;
                take_out(sent, taken, reason, written);
            }
        }
        Ok(())
    }

    /// Takes the rows at those places out of the stage, where finding them has not done so.
    async fn delete(&self, merge: &Merge, places: &[usize]) -> Result<(), Failure> {
        let Some(sql) = &merge.delete else { return Ok(()) };
        let places: Vec<i64> = places.iter().filter_map(|place| i64::try_from(*place).ok()).collect();
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&places, Type::INT8_ARRAY)];
        self.link.client.execute_typed(sql, &params).await.map(drop).map_err(|e| self.failed(&e))
    }

    /// Updates rows, except those of the table which are newer than the one at hand.
    async fn replace_older(
        &self,
        merge: &Merge,
        staged: u64,
        latest: i64,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let [known, differing, newer, same] = self.sums(merge, |merge| &merge.compare, None).await?;
        let (mut fresh, mut updated) = (0, 0);
        if known < staged || differing + same > 0 {
            if merge.pass_over.is_some() {
                for slice in self.slices {
                    let which: Which = |merge| merge.pass_over.as_deref().unwrap_or_default();
                    let (sql, cells) = self.of_slice(merge, slice, which);
                    let passed = self.places(&sql, &cells).await?;
                    self.delete(merge, &passed).await?;
                }
            }
            let latest = (Literal(latest.to_be_bytes().into()), Type::TIMESTAMPTZ);
            let [touched, new] = self.sums(merge, |merge| &merge.write, Some(latest)).await?;
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
        let known = self.sums::<N>(merge, |merge| &merge.compare, None).await?.first().copied();
        Ok(staged.saturating_sub(known.unwrap_or(staged)))
    }

    /// Refuses a stage with several rows of one key: the engine splits the rows until each comes in
    /// its turn.
    async fn expect_once(&self, sql: &str) -> Result<(), Failure> {
        let twice = self.link.client.query_typed_opt(sql, &[]).await.map_err(|e| self.failed(&e))?;
        if twice.is_none() {
            return Ok(());
        }
        let message = format!("rows of the same key for {}", self.table.display_name());
        let error = SinkError::Data { reason: Reason::new("21000", message), suspects: Box::default() };
        Err(Failure { error, intact: true })
    }

    async fn places(&self, sql: &str, cells: &[(Literal, Type)]) -> Result<Vec<usize>, Failure> {
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
pub(in crate::sink::postgres) fn left_out(table: &Table, rows: u64, written: &mut Written) {
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

//! How a write goes: right into the table, where none of its rows can be expected there, or by the
//! way of a stage and a merge.

mod compare;
mod sift;

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;

use super::{Failure, PgSession, TransactionState, failure, lost};
use crate::batch::{Dependence, Order, Reason, Rows};
use crate::model::values::Values;
use crate::port::{SinkError, WriteMode, Written};
use crate::settings::OnConflict;
use crate::sink::order::{KeyColumn, waves};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::ident;
use crate::sink::postgres::encode::comparison::{Firsts, tells_when};
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{Encoder, put_uuid};
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::write::chunks::{Chunks, Slice};
use crate::sink::postgres::write::copy::copy;
use crate::sink::postgres::write::merge::{Among, Job, Literal, Span, left_out};
use crate::sink::postgres::write::plan::Plan;
use crate::sink::postgres::write::proof::{Proof, changed};

/// Rows from which it is asked, before they are sent to be appended, whether some are there
/// already: an append that meets one of them leaves dead rows behind.
const ASK_FROM: usize = 256;

/// Rows that are asked for.
const ASKED: usize = 12;

/// Values of a column of the key that are few.
const MOST_VALUES: usize = 32;

/// Whether values are equal in the table where they are in their wire form, and no others are.
fn is_plain(type_: ColumnType) -> bool {
    use ColumnType as T;
    matches!(type_, T::Text | T::Varchar(_) | T::Uuid | T::Int2 | T::Int4 | T::Int8 | T::Bool)
}

impl PgSession {
    /// The place of the plan for batches with those columns.
    pub(super) fn plan(&mut self, rows: Rows<'_>, proof: &Proof) -> Result<usize, SinkError> {
        let Some(part) = rows.parts.first() else {
            return Err(SinkError::Fatal(Reason::new("no_batch", "rows were given without their batch")));
        };
        let fields = part.columns.schema_ref().fields();
        let fits = |plan: &Plan| {
            plan.names.len() == fields.len()
                && plan.names.iter().zip(fields).all(|(name, f)| name == f.name())
        };
        if let Some(place) = self.plans.iter().position(|(plan, _)| fits(plan)) {
            return Ok(place);
        }
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let plan = Plan::new(
            proof.table(),
            names,
            self.shared.tenant.is_some(),
            self.shared.clock_ahead.is_some() && tells_when(proof.table()),
            self.plans.len(),
        )
        .map_err(SinkError::Fatal)?;
        let plan = match proof.stands_for() {
            Some(target) => plan.in_bulk(&target.key),
            None => plan,
        };
        self.plans.push((Arc::new(plan), Reasons::default()));
        Ok(self.plans.len() - 1)
    }

    /// Writes rows of the plan at that place.
    pub(super) async fn put(
        &mut self,
        rows: Rows<'_>,
        sources: &[Values<'_>],
        place: usize,
        guard: WriteMode,
        proof: &Proof,
    ) -> Result<Written, Failure> {
        let (plan, mut reasons) = match self.plans.get_mut(place) {
            Some((plan, reasons)) => (Arc::clone(plan), std::mem::take(reasons)),
            None => return Err(Failure { error: lost(), intact: false }),
        };
        let shared = Arc::clone(&self.shared);
        let mut encoder = Encoder::new(
            &plan.goals,
            &plan.origins,
            sources,
            plan.names.len(),
            shared.rules,
            shared.tenant,
            &mut reasons,
        )
        .with_firsts(self.firsts(&plan, rows));
        let mut waves = waves(rows, &plan.key, plan.apart, sources, plan.names.len());
        // Which texts are one only the server knows there: the last of the input is to stay.
        let own_key = |part: &KeyColumn| plan.goals.get(part.column).is_some_and(|goal| goal.type_.is_cast());
        if rows.parts.iter().any(|part| part.order != Order::Any) || plan.key.iter().any(own_key) {
            waves.iter_mut().for_each(|wave| wave.sort_unstable());
        }
        if proof.stands_for().is_some() {
            let written = self.append_all(rows, &plan, place, &waves, guard, proof, &mut encoder).await;
            drop(encoder);
            if let Some((_, kept)) = self.plans.get_mut(place) {
                *kept = reasons;
            }
            return written;
        }
        let lone = if let [wave] = waves.as_slice() { Some(wave.clone()) } else { None };
        let lone = lone.as_ref();
        let keyed = plan.stage.merge.is_some();
        let mut result = None;
        // Without a stage there is no other way, whatever else is in the transaction.
        let staged = shared.no_stage.is_none();
        let straight = !keyed || !staged || guard == WriteMode::Bare && !self.merging;
        if let (Some(wave), true, Some(straight)) = (lone, straight, &plan.straight) {
            // Rows that are not there go over nothing: no need to say when they failed.
            if !self.there(rows, straight, wave, sources).await? {
                let (goals, origins) = (&straight.goals, &straight.origins);
                let (width, rules, tenant) = (straight.names.len(), shared.rules, shared.tenant);
                let mut plain = Reasons::default();
                let mut encoder = Encoder::new(goals, origins, sources, width, rules, tenant, &mut plain);
                result =
                    self.append(rows, straight, place, wave, guard, proof, &mut encoder).await.transpose();
            }
            self.merging = result.is_none();
        } else if let Some(wave) = lone.filter(|_| straight && !plan.newer_stays) {
            // What is there already is refused by the table itself.
            let refused = !staged && shared.on_conflict == OnConflict::Error;
            let there = keyed && !refused && self.there(rows, &plan, wave, sources).await?;
            if !there {
                result = self.append(rows, &plan, place, wave, guard, proof, &mut encoder).await.transpose();
            }
            self.merging = keyed && result.is_none();
        }
        let mut result = match result {
            Some(result) => result,
            None => {
                let known = self.sift(rows, &plan, &mut waves, sources).await?;
                let merged = match waves.is_empty() {
                    true => Ok(Written::default()),
                    false => {
                        self.merge(rows, &plan, place, &waves, sources, guard, proof, &mut encoder).await
                    }
                };
                merged.map(|mut written| {
                    match shared.on_conflict {
                        OnConflict::Skip => written.skipped += known,
                        OnConflict::Update | OnConflict::Error => written.unchanged += known,
                    }
                    self.merging |= known > 0;
                    written
                })
            }
        };
        if let Ok(written) = &mut result {
            written.refused.sort_unstable_by_key(|(position, _)| *position);
        }
        drop(encoder);
        if let Some((_, kept)) = self.plans.get_mut(place) {
            *kept = reasons;
        }
        result
    }

    /// Puts rows into a bulk table, one wave after the other: the later ones of a key by a later statement.
    #[expect(clippy::too_many_arguments, reason = "all that a write is made of, taken apart once")]
    async fn append_all(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        waves: &[Vec<u32>],
        guard: WriteMode,
        proof: &Proof,
        encoder: &mut Encoder<'_>,
    ) -> Result<Written, Failure> {
        if guard == WriteMode::Savepoint {
            // The stage of rows that are cast is made before it.
            let stage = if plan.direct.is_some() { String::new() } else { self.stage(plan, place)? };
            self.say(&format!("{stage} SAVEPOINT mds_write")).await?;
        }
        let mut written = Written::default();
        for wave in waves {
            let appended = self.append(rows, plan, place, wave, WriteMode::Bare, proof, encoder).await?;
            if let Some(mut appended) = appended {
                written.add(&appended);
                written.refused.append(&mut appended.refused);
            }
        }
        if guard == WriteMode::Savepoint {
            self.say("RELEASE SAVEPOINT mds_write").await?;
        }
        written.refused.sort_unstable_by_key(|(position, _)| *position);
        Ok(written)
    }

    /// Whether some of the rows are in the table already, by a few of them.
    async fn there(
        &self,
        rows: Rows<'_>,
        plan: &Plan,
        wave: &[u32],
        sources: &[Values<'_>],
    ) -> Result<bool, Failure> {
        let readable = self.proof.as_ref().is_some_and(|proof| proof.table().readable);
        let (Some((sql, places)), true) = (&plan.probe, readable && wave.len() >= ASK_FROM) else {
            return Ok(false);
        };
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        let width = plan.names.len();
        let (rules, tenant) = (self.shared.rules, self.shared.tenant);
        let mut questions = Vec::with_capacity(ASKED);
        for number in 0..ASKED {
            let at = number * (wave.len() - 1) / (ASKED - 1);
            let Some(pick) = wave.get(at).and_then(|position| rows.picks.get(*position as usize)) else {
                continue;
            };
            let mut cells = Vec::with_capacity(places.len());
            for &place in places {
                let mut out = Out::small();
                let (Some(goal), Some(type_)) =
                    (plan.goals.get(place), plan.goals.get(place).and_then(|goal| goal.type_.wire()))
                else {
                    continue;
                };
                let done = match sources.get(pick.part as usize * width + place).filter(|_| place < width) {
                    Some(source) => goal.put(*source, pick.row as usize, rules, &mut out).is_ok(),
                    None => tenant.is_some_and(|tenant| {
                        put_uuid(&tenant, &mut out);
                        true
                    }),
                };
                // Minus one is the length of a null, which is equal to nothing.
                if done && out.len() >= 4 && !out.written().starts_with(&[0xff; 4]) {
                    cells.push((Literal(out.finish().slice(4..).to_vec()), type_));
                }
            }
            // A value that its column refuses is not a row that could be there.
            if cells.len() == places.len() {
                questions.push(cells);
            }
        }
        let answers = questions.iter().map(|cells| async move {
            let params: Vec<_> =
                cells.iter().map(|(cell, type_)| (cell as &(dyn ToSql + Sync), type_.clone())).collect();
            link.client.query_typed_opt(sql, &params).await
        });
        let answers = try_join_all(answers).await.map_err(|error| failure(link, &error))?;
        Ok(answers.iter().any(Option::is_some))
    }

    /// Puts rows into the table as if none of them were there. `None` where one is: the
    /// transaction is then as it was before.
    #[expect(clippy::too_many_arguments, reason = "all that a write is made of, taken apart once")]
    async fn append(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        wave: &[u32],
        guard: WriteMode,
        proof: &Proof,
        encoder: &mut Encoder<'_>,
    ) -> Result<Option<Written>, Failure> {
        let keyed = plan.stage.merge.is_some();
        let mut prelude = if plan.direct.is_some() { String::new() } else { self.stage(plan, place)? };
        let table = proof.table();
        if plan.direct.is_some() && !keyed && table.compressed && table.compresses_copies {
            // Small batches too: a row that goes into a chunk as it is, while another session compresses the first rows
            // of that chunk, is not seen by queries (TimescaleDB 2.28 does not mark the chunk as partly compressed).
            prelude.push_str("SET LOCAL timescaledb.enable_direct_compress_copy = on;");
        }
        if guard == WriteMode::Savepoint {
            prelude.push_str("SAVEPOINT mds_write;");
        }
        self.say(&prelude).await?;
        let link = self.link().map_err(|error| Failure { error, intact: false })?;
        let mut written = Written::default();
        let statement = plan.direct.as_deref().unwrap_or(&plan.stage.copy);
        let done = match copy(link, statement, rows, wave, encoder).await {
            Ok(copied) => {
                let sent = copied.sent.len() as u64;
                written.rounded = copied.rounded;
                written.refused = copied.refused;
                if plan.direct.is_some() {
                    written.inserted = copied.stored.min(sent);
                    left_out(proof.table(), sent - written.inserted, &mut written);
                    Ok(())
                } else if sent == 0 {
                    Ok(())
                } else {
                    let appended = self
                        .job(proof, plan, (&[], &Among::default()), None, link)
                        .append(&mut written)
                        .await;
                    left_out(proof.table(), sent.saturating_sub(written.inserted), &mut written);
                    appended
                }
            }
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => {
                if guard == WriteMode::Savepoint {
                    self.say("RELEASE SAVEPOINT mds_write").await?;
                }
                Ok(Some(written))
            }
            Err(Failure { error: SinkError::Data { reason, suspects }, intact: true })
                if keyed && reason.dependence == Some(Dependence::SameKey) =>
            {
                if let Some(no_stage) = &self.shared.no_stage {
                    let error = match self.shared.on_conflict {
                        OnConflict::Error => SinkError::Data { reason, suspects },
                        OnConflict::Update | OnConflict::Skip => SinkError::Fatal(no_stage.clone()),
                    };
                    return Err(Failure { error, intact: true });
                }
                // Bare: nothing else is in the transaction. The next one proves the table anew, which what
                // is at hand was encoded for.
                self.shared.digested.forget();
                let begun = self.start("ROLLBACK;", "").await;
                let intact = self.state != TransactionState::Broken;
                begun.map_err(|error| Failure { error, intact })?;
                match self.proof.as_ref().is_some_and(|now| now.is_of(proof)) {
                    true => Ok(None),
                    false => Err(Failure { error: changed(proof.table()), intact: true }),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// Puts rows into the table by way of the stage, whatever is there.
    #[expect(clippy::too_many_arguments, reason = "all that a write is made of, taken apart once")]
    async fn merge(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        place: usize,
        waves: &[Vec<u32>],
        sources: &[Values<'_>],
        guard: WriteMode,
        proof: &Proof,
        encoder: &mut Encoder<'_>,
    ) -> Result<Written, Failure> {
        let (slices, among) = self.slices(rows, plan, sources, proof).await?;
        let latest = self.firsts(plan, rows).map(|firsts| firsts.latest(rows));
        let mut written = Written::default();
        for (number, wave) in waves.iter().enumerate() {
            let mut prelude = self.stage(plan, place)?;
            if number == 0 && guard == WriteMode::Savepoint {
                prelude.push_str("SAVEPOINT mds_write;");
            }
            self.say(&prelude).await?;
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            let mut copied = copy(link, &plan.stage.copy, rows, wave, encoder).await?;
            written.rounded += copied.rounded;
            written.refused.append(&mut copied.refused);
            if copied.sent.is_empty() {
                continue;
            }
            let job = self.job(proof, plan, (&slices, &among), latest, link);
            if guard == WriteMode::Bare {
                job.merge(&mut copied.sent, &mut written).await?;
            } else {
                job.merge_what_holds(&mut copied.sent, &mut written).await?;
            }
        }
        if guard == WriteMode::Savepoint {
            self.say("RELEASE SAVEPOINT mds_write").await?;
        } else {
            self.merging = written.updated + written.unchanged + written.skipped + written.newer > 0;
        }
        Ok(written)
    }

    /// How the rows are cut for the statements of a merge, and the few values of their key where some of
    /// what they may meet has to be unpacked.
    async fn slices(
        &mut self,
        rows: Rows<'_>,
        plan: &Plan,
        sources: &[Values<'_>],
        proof: &Proof,
    ) -> Result<(Vec<Slice>, Among), Failure> {
        let whole = |span| Ok((vec![Slice { span, packed: false }], Among::default()));
        let bound = plan.stage.merge.as_ref().and_then(|merge| merge.bound);
        let hypertable = proof.table().hypertable;
        if bound.is_none() && !hypertable {
            return whole(Span::None);
        }
        let (times, span) = match bound {
            Some(part) => {
                let type_ = plan.goals.get(part.column).map(|goal| goal.type_);
                let type_ = type_.ok_or_else(|| Failure { error: lost(), intact: false })?;
                let times = Span::times(rows, sources, plan.names.len(), part, type_);
                let span = Span::of(&times, type_);
                (times, span)
            }
            None => (Vec::new(), Span::None),
        };
        if !hypertable {
            return whole(span);
        }
        if self.chunks.as_mut().is_none_or(Chunks::worn) {
            let link = self.link().map_err(|error| Failure { error, intact: false })?;
            let read = Chunks::read(link, proof.table()).await;
            self.chunks = Some(read.map_err(|error| failure(link, &error))?);
        }
        let slices = self.chunks.as_ref().map_or_else(Vec::new, |chunks| chunks.slices(times, span));
        let among = match span.is_of_time() && slices.iter().any(|slice| slice.packed) {
            true => self.among(rows, plan, sources),
            false => Among::default(),
        };
        Ok((slices, among))
    }

    /// The values of the key's columns, where all rows have but a few.
    fn among(&self, rows: Rows<'_>, plan: &Plan, sources: &[Values<'_>]) -> Among {
        let (width, rules, mut among) = (plan.names.len(), self.shared.rules, Among::default());
        for part in &plan.key {
            let Some(goal) = plan.goals.get(part.column) else { continue };
            let (Some(type_), true) = (goal.type_.wire(), is_plain(goal.type_)) else { continue };
            let mut values: Vec<Vec<u8>> = Vec::new();
            let (mut all, mut out) = (true, Out::small());
            for pick in rows.picks {
                let Some(source) = sources.get(pick.part as usize * width + part.column) else { continue };
                out.truncate(0);
                // What is refused is not sent; a null is like nothing there, or like every null.
                if goal.put(*source, pick.row as usize, rules, &mut out).is_err() {
                    continue;
                }
                let value = out.written();
                if value.starts_with(&[0xff; 4]) {
                    all &= plan.apart;
                } else if values.last().is_none_or(|last| last != value) && !values.iter().any(|v| v == value)
                {
                    values.push(value.to_vec());
                }
                if !all || values.len() > MOST_VALUES {
                    break;
                }
            }
            if !all || values.is_empty() || values.len() > MOST_VALUES {
                continue;
            }
            let places: Vec<String> =
                (0..values.len()).map(|at| format!("${}", among.cells.len() + at + 3)).collect();
            among.sql.push_str(&format!(" AND t.{} IN ({})", ident(&goal.name), places.join(", ")));
            among.cells.extend(
                values
                    .iter()
                    .map(|value| (Literal(value.get(4..).unwrap_or_default().to_vec()), type_.clone())),
            );
        }
        among
    }

    /// When the rows failed first, where that counts.
    fn firsts<'a>(&self, plan: &Plan, rows: Rows<'a>) -> Option<Firsts<'a>> {
        let ahead = self.shared.clock_ahead.filter(|_| plan.newer_stays)?;
        Some(Firsts { parts: rows.parts, ahead })
    }

    fn job<'a>(
        &'a self,
        proof: &'a Proof,
        plan: &'a Plan,
        (slices, among): (&'a [Slice], &'a Among),
        latest: Option<i64>,
        link: &'a Link,
    ) -> Job<'a> {
        Job {
            link,
            table: proof.table(),
            stage: &plan.stage.name,
            names: &plan.names,
            append: &plan.stage.append,
            merge: plan.stage.merge.as_ref(),
            slices,
            among,
            on_conflict: self.shared.on_conflict,
            latest,
        }
    }

    /// The statement that makes the stage; the refusal, where this role may make none.
    fn stage(&mut self, plan: &Plan, place: usize) -> Result<String, Failure> {
        match &self.shared.no_stage {
            Some(reason) => Err(Failure { error: SinkError::Fatal(reason.clone()), intact: true }),
            None => Ok(self.prepare_stage(plan, place)),
        }
    }

    /// The statements that leave an empty stage for the plan. They come before the savepoint, so
    /// that rolling back to it keeps the stage and empties it.
    pub(super) fn prepare_stage(&mut self, plan: &Plan, place: usize) -> String {
        match self.stages.iter_mut().find(|(number, _)| *number == place) {
            Some((_, filled)) => {
                if std::mem::replace(filled, true) {
                    plan.stage.clear.clone()
                } else {
                    String::new()
                }
            }
            None => {
                self.stages.push((place, true));
                plan.stage.create.clone()
            }
        }
    }
}

/// The columns of all parts, one part after the other, checked against what they are to become.
pub(in crate::sink::postgres) fn sources<'a>(rows: Rows<'a>, plan: &Plan) -> Result<Vec<Values<'a>>, Reason> {
    let mut sources = Vec::with_capacity(rows.parts.len() * plan.names.len());
    for part in rows.parts {
        for (array, goal) in part.columns.columns().iter().zip(&plan.goals) {
            let source = Values::of(array).filter(|source| goal.takes(source)).ok_or_else(|| {
                let message = format!(
                    "column {} of the input ({}) cannot become {}",
                    goal.name,
                    array.data_type(),
                    goal.type_name
                );
                Reason::new("bad_type", message).column(Arc::clone(&goal.name))
            })?;
            sources.push(source);
        }
    }
    Ok(sources)
}

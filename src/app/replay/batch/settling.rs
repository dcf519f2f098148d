//! The end of a claimed file: what is left in it goes where it belongs, and the file goes.

use std::io;

use uuid::Uuid;

use crate::app::exit::Exit;
use crate::app::load::runtime;
use crate::app::replay::batch::ReplayBatch;
use crate::app::replay::{Replay, worse};
use crate::dlq::checkout::called;
use crate::dlq::replay_lock::{self, Fates, To};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};

impl Replay<'_> {
    /// All rows of a file that are meant are settled: the rest goes where it belongs, and the file goes.
    pub(super) fn settle(&mut self, round: &ReplayBatch<'_>, place: usize) -> Result<()> {
        let (Some(part), Some(claim)) = (round.parts.get(place), round.claims.get(place)) else {
            return Ok(());
        };
        let fates = Fates {
            most_attempts: part.orders.most_attempts,
            left_alone: &part.left_alone,
            stored: &part.stored,
        };
        let (path, moved) = (&part.path, self.left_by(round, place));
        let info = RunInfo { run_id: Uuid::now_v7(), dataset: String::new(), table: None, tenant_id: None };
        let queue = DlqWriter::open_bounded(round.live, info.clone(), self.plan.dlq_max_bytes)?;
        let aside = DlqWriter::open(&round.parked, info)?;
        let runtime = runtime()?;
        let (mut carried, mut parked, mut ended) = (0, 0, false);
        let ending = &self.caller.interrupts;
        let done = replay_lock::requeue(claim, moved.as_deref(), fates, |to, bundle| {
            ended = ending.exit().is_some();
            if ended {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let (writer, count) = match to {
                To::Queue => (&queue, &mut carried),
                To::Parked => (&aside, &mut parked),
            };
            *count += bundle.rows;
            runtime
                .block_on(writer.append(bundle.lines, bundle.records, bundle.rows))
                .map_err(|error| io::Error::other(error.to_string()))
        });
        self.report.carried += carried;
        self.report.parked += parked;
        if ended {
            self.stuck = true;
            self.exit = worse(self.exit, self.caller.interrupts.exit().unwrap_or(Exit::Interrupted));
            return Ok(());
        }
        done.map_err(|error| Error::internal(error.to_string()))?;
        let broken = |error: io::Error| {
            Error::internal(format!("{} is done with, but cannot be put away: {error}", path.display()))
        };
        if let Some(directory) = &self.plan.archive {
            let stem = round.live.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{stem}.{}.ndjson", part.identity);
            let (left, moved) = (round.done.left(), moved.as_deref());
            let (_, file) =
                replay_lock::archive(claim, &left, moved, fates, directory, &name).map_err(broken)?;
            self.report.archived.extend(file.map(|file| file.display().to_string()));
        }
        if part.orders.discard {
            self.report.discarded += claim.meant;
        }
        if let Some(kept) = replay_lock::keep_long_lines(claim, round.live).map_err(broken)? {
            self.note(&format!("a line that is too long to be read is kept in {}", kept.display()));
            self.report.aside = Some(kept.display().to_string());
        } else if claim.damaged > 0 {
            self.report.aside = Some(called(&round.parked));
        }
        replay_lock::remove(path).map_err(broken)
    }
}

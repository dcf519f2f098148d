//! Rows of a round on their way through the engine.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::letters::Letters;
use crate::app::load::{Load, Task, runtime};
use crate::app::plan::{DataPlan, RejectPlan, RunPlan, StorePlan};
use crate::app::replay::batch::{Place, ReplayBatch, ReplayGoal, write};
use crate::app::replay::{Replay, worse};
use crate::app::span;
use crate::dlq::claim::{Claim, Destination, Moved};
use crate::dlq::journal::StartedTarget;
use crate::dlq::read_plan::ReadPlan;
use crate::error::{Error, Result};

impl Replay<'_> {
    /// Rows that a key tells apart: from all files, in the order in which they failed first. Replayed
    /// twice they are the same once more.
    pub(super) fn all_at_once(&mut self, round: &mut ReplayBatch<'_>, goal: &ReplayGoal) -> Result<()> {
        let places = self.files_of(round, goal);
        let claims: Vec<Arc<Claim>> =
            places.iter().filter_map(|place| round.claims.get(*place)).cloned().collect();
        let course = ReadPlan::by_age(claims).map_err(|error| {
            Error::input(format!("the dead-letter queue {} cannot be read: {error}", round.live.display()))
        })?;
        let mut letters = self.letters(round, course, &goal.homes, goal.key(), None);
        letters.moved = places.iter().map(|place| self.left_by(round, *place)).collect();
        letters.tired =
            places.iter().filter_map(|place| Some(round.parts.get(*place)?.orders.most_attempts)).collect();
        letters.taken_up =
            places.iter().any(|place| round.parts.get(*place).is_some_and(|part| part.taken_up));
        self.sent(round, goal, letters, &places)
    }

    /// Rows that nothing tells apart: each file by itself, as it stands, so that the ledger knows which
    /// of them are stored.
    pub(super) fn file_by_file(&mut self, round: &mut ReplayBatch<'_>, goal: &ReplayGoal) -> Result<()> {
        let key = goal.key();
        for place in self.files_of(round, goal) {
            if self.stuck {
                return Ok(());
            }
            let Some(claim) = round.claims.get(place).cloned() else { continue };
            let Some(part) = round.parts.get(place) else { continue };
            let identity = format!("{} {key}", part.identity);
            let mut letters =
                self.letters(round, ReadPlan::straight(claim), &goal.homes, identity, Some(place));
            letters.taken_up = part.taken_up;
            letters.begun =
                round.begun.iter().any(|b| b.key == key && b.file.as_ref() == Some(&part.identity));
            self.sent(round, goal, letters, &[place])?;
        }
        Ok(())
    }

    /// The files with rows that go there.
    fn files_of(&self, round: &ReplayBatch<'_>, goal: &ReplayGoal) -> Vec<usize> {
        let files = round.claims.iter().zip(&round.parts).enumerate();
        let here = files.filter(|(_, (claim, part))| {
            !part.orders.discard && claim.homes.iter().any(|(home, _)| goal.homes.contains(home))
        });
        here.map(|(place, _)| place).collect()
    }

    /// What has left a file before, where it was taken up.
    pub(super) fn left_by(&self, round: &ReplayBatch<'_>, place: usize) -> Option<Arc<Moved>> {
        round.moved.get(place).cloned().flatten()
    }

    pub(super) fn letters(
        &self,
        round: &ReplayBatch<'_>,
        course: ReadPlan,
        homes: &[Destination],
        identity: String,
        place: Option<usize>,
    ) -> Letters {
        Letters {
            course: Arc::new(course),
            queue: round.live.to_owned(),
            homes: homes.to_vec(),
            moved: place.map(|place| self.left_by(round, place)).into_iter().collect(),
            taken_up: false,
            force: self.plan.force,
            most_attempts: self.orders(round.live).most_attempts,
            tired: place
                .and_then(|place| Some(round.parts.get(place)?.orders.most_attempts))
                .into_iter()
                .collect(),
            begin: Arc::new(|| Ok(())),
            begun: false,
            parked: round.parked.clone(),
            identity,
            tracks: self.plan.archive.is_some(),
            done: round.done.clone(),
        }
    }

    /// Puts rows through the engine.
    fn sent(
        &mut self,
        round: &mut ReplayBatch<'_>,
        goal: &ReplayGoal,
        mut letters: Letters,
        places: &[usize],
    ) -> Result<()> {
        let taken_up = letters.taken_up;
        let file = places.first().and_then(|place| round.parts.get(*place)).map(|part| part.identity.clone());
        let (keyed, key) = (goal.facts.keyed, goal.key());
        let begun = StartedTarget { homes: goal.homes.clone(), key, keyed, file: file.filter(|_| !keyed) };
        if !self.plan.dry_run && !round.begun.contains(&begun) {
            round.begun.push(begun);
            let (journal, live) = (round.noted(), round.live.to_owned());
            letters.begin = Arc::new(move || write(&journal, &live));
        }
        let paths: Vec<PathBuf> = letters.course.claims.iter().map(|claim| claim.path.clone()).collect();
        let plan = self.run_plan(round, &goal.place, paths.iter().map(PathBuf::as_path));
        let runtime = runtime()?;
        let caller = self.of_a_run();
        let done = runtime.block_on(span::run("replay-dlq", async {
            Load::prepare(&caller, plan, Task::Replay(letters), Arc::default(), self.metrics)?.run().await
        }));
        runtime.shutdown_background();
        let results = round.done.take_results();
        for (result, older) in results {
            let rows = &result.rows.books;
            round.touched |=
                rows.inserted + rows.updated + rows.unchanged + rows.superseded + rows.rejected > 0;
            self.report.older += older;
            self.report.results.push(result);
        }
        let exit = match done {
            Ok(report) => report.exit,
            // In a table without a key nobody can tell which of them an interrupted replay has stored.
            Err(error) if taken_up && !goal.facts.keyed => return Err(error),
            Err(error) => return self.leave_alone(round, places, &goal.homes, error, None),
        };
        self.exit = worse(self.exit, exit);
        if !self.plan.dry_run && !round.done.take_complete() {
            self.stuck = true;
            round.touched |= !matches!(exit, Exit::Usage);
            if matches!(self.exit, Exit::Stored | Exit::Rejects) {
                self.exit = Exit::Internal;
            }
        }
        Ok(())
    }

    /// A caller of one of the runs of this replay, each of which has an id of its own.
    pub(super) fn of_a_run(&self) -> Caller {
        Caller { run_id: Uuid::now_v7(), ..self.caller.clone() }
    }

    pub(super) fn run_plan<'p>(
        &self,
        round: &ReplayBatch<'_>,
        place: &Place,
        paths: impl Iterator<Item = &'p Path>,
    ) -> RunPlan {
        let paths = paths.map(Path::as_os_str);
        RunPlan {
            to: StorePlan { tenant: place.tenant.clone(), ..self.plan.to.clone() },
            data: DataPlan {
                dataset: place.dataset.clone(),
                table: place.table.clone(),
                ..round.mend.data()
            },
            rejects: RejectPlan {
                dlq: Some(round.live.to_owned()),
                dlq_max_bytes: self.plan.dlq_max_bytes,
                max_rejects: None,
                dry_run: self.plan.dry_run,
            },
            engine: self.plan.engine.clone(),
            ..RunPlan::new(paths, self.plan.to.store.clone())
        }
    }
}

//! The tables that the rows of a round go to, and the rows that stay since they lead nowhere.

use std::sync::Arc;

use std::collections::BTreeSet;

use crate::app::exit::Exit;
use crate::app::letters::{self, sample};
use crate::app::load::{Load, TableFacts, Task, runtime};
use crate::app::replay::batch::{Place, ReplayBatch, ReplayGoal};
use crate::app::replay::{Replay, worse};
use crate::batch::Commit;
use crate::dataset::by_name;
use crate::dlq::claim::{COMMIT_UNKNOWN, Destination};
use crate::dlq::read_plan::ReadPlan;
use crate::error::{Error, Result};
use crate::report::letters::plain;
use crate::text::flags::{CODE, DATASET, DISCARD, FORCE, TABLE, TENANT};
use crate::text::phrases::shell_word;

impl Replay<'_> {
    /// The tables that the meant rows go to. Rows of a home that leads nowhere stay in the queue.
    pub(super) fn goals(&mut self, round: &mut ReplayBatch<'_>) -> Result<Vec<ReplayGoal>> {
        let mut places: Vec<(Place, Vec<Destination>)> = Vec::new();
        let loaded = round.claims.iter().zip(&round.parts).filter(|(_, part)| !part.orders.discard);
        for (home, _) in loaded.flat_map(|(claim, _)| &claim.homes) {
            let place = self.place(round, home);
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, homes)) if homes.contains(home) => {}
                Some((_, homes)) => homes.push(home.clone()),
                None => places.push((place, vec![home.clone()])),
            }
        }
        let mut goals: Vec<ReplayGoal> = Vec::new();
        let mut unplaced: Vec<(Vec<Destination>, Error)> = Vec::new();
        let all = |round: &ReplayBatch<'_>| (0..round.claims.len()).collect::<Vec<_>>();
        for (place, homes) in places {
            let claims =
                round.claims.iter().filter(|claim| claim.homes.iter().any(|(h, _)| homes.contains(h)));
            let Some(first) = claims.clone().next() else { continue };
            let letters = self.letters(round, ReadPlan::straight(first.clone()), &homes, String::new(), None);
            let plan = self.run_plan(round, &place, claims.map(|claim| claim.path.as_path()));
            let runtime = runtime()?;
            let caller = self.of_a_run();
            let facts = runtime.block_on(async {
                Load::prepare(&caller, plan, Task::Replay(letters), Arc::default(), self.metrics)?
                    .table_facts()
                    .await
            });
            runtime.shutdown_background();
            let facts = match facts {
                Ok(facts) => facts,
                // In a table without a key nobody can tell which of them an interrupted replay has stored.
                Err(error) if round.begun_with(&homes).is_some_and(|begun| !begun.keyed) => {
                    return Err(
                        error.and("; an earlier replay has begun to store rows there, and did not end")
                    );
                }
                // Where the records say nothing of it, one that fits nothing is no fault of the others.
                Err(error)
                    if homes.iter().all(|h| h.dataset.is_none() && h.table.is_none())
                        && place.dataset.is_none()
                        && round.mend.table.is_none() =>
                {
                    unplaced.push((homes, error));
                    continue;
                }
                Err(error) => {
                    self.leave_alone(round, &all(round), &homes, error, None)?;
                    continue;
                }
            };
            if let Some(begun) = round.begun_with(&homes)
                && begun.keyed
                && !facts.keyed
                && !self.plan.force
            {
                return Err(Error::usage(format!(
                    "an earlier replay of {} did not end, and {} has lost its key since, so that nobody knows which of its rows are there: give it its key back, or {FORCE} to write all of them",
                    round.live.display(),
                    facts.table
                )));
            }
            // What stands in a file chooses no table beyond those of market data.
            let names_table = |home: &Destination| home.table.is_some() || home.dataset.is_some();
            if round.mend.table.is_none()
                && let Some(why) = &facts.closed
                && homes.iter().any(names_table)
            {
                let error = Error::usage(format!(
                    "{}: its records name the table {}, and {why}; a replay sends rows there only with {TABLE} {}",
                    round.live.display(),
                    facts.table,
                    shell_word(place.table.as_deref().unwrap_or(&facts.table))
                ));
                self.leave_alone(round, &all(round), &homes, error, None)?;
                continue;
            }
            // A short name may be that of another tenant.
            if let Some(own) = round.tenant().filter(|_| place.tenant != round.way.tenant)
                && facts
                    .tenant
                    .as_deref()
                    .is_some_and(|tenant| !tenant.eq_ignore_ascii_case(own.id.as_ref().unwrap_or(&own.given)))
            {
                let error = Error::usage(format!(
                    "{}: records of the tenant {} are not for {TENANT} {}",
                    round.live.display(),
                    plain(place.tenant.as_deref().unwrap_or_default()),
                    own.given
                ));
                self.leave_alone(round, &all(round), &homes, error, Some(Exit::Stored))?;
                continue;
            }
            let Some(homes) = self.unstored(round, homes, &facts)? else { return Ok(Vec::new()) };
            if homes.is_empty() {
                continue;
            }
            // The same table may go by several names.
            let same = |goal: &&mut ReplayGoal| goal.facts == facts;
            match goals.iter_mut().find(same) {
                Some(goal) => {
                    goal.homes.extend(homes);
                    if goal.place.dataset.is_none() {
                        goal.place = place;
                    }
                }
                None => goals.push(ReplayGoal { place, facts, homes }),
            }
        }
        for (homes, error) in unplaced {
            self.leave_alone(round, &all(round), &homes, error, Some(Exit::Rejects))?;
        }
        goals.iter_mut().for_each(|goal| goal.homes.sort());
        Ok(goals)
    }

    /// Those of the homes whose rows are to be sent to a table: rows whose commit got no answer are not where
    /// that has come through, and stay in the queue where nobody can tell. Nothing where a signal came.
    fn unstored(
        &mut self,
        round: &mut ReplayBatch<'_>,
        homes: Vec<Destination>,
        facts: &TableFacts,
    ) -> Result<Option<Vec<Destination>>> {
        let commits: BTreeSet<Commit> = homes.iter().filter_map(|home| home.commit.clone()).collect();
        let Some(known) = self.what_became_of(commits.into_iter().collect())? else {
            self.stuck = true;
            return Ok(None);
        };
        // A commit tells of the table that the rows were meant for, and of no other.
        let own = |home: &Destination| {
            let sent_home = round.mend.table.is_none() && round.mend.dataset.is_none();
            sent_home || home.table.as_ref().is_some_and(|table| *table == facts.table)
        };
        let (mut unstored, mut unknown, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        for home in homes {
            match home.commit.as_ref().and_then(|commit| known.get(commit)) {
                Some(true) if own(&home) => {
                    self.report.already += round.rows_of(&home);
                    for part in &mut round.parts {
                        part.stored.insert(home.clone());
                    }
                }
                Some(true) if self.plan.force => unstored.push(home),
                Some(true) => elsewhere.push(home),
                Some(false) => unstored.push(home),
                None if !home.doubtful || facts.keyed || self.plan.force => unstored.push(home),
                None if round.begun_with(std::slice::from_ref(&home)).is_some() => unstored.push(home),
                None => unknown.push(home),
            }
        }
        if !unknown.is_empty() {
            // Nothing tells them from the rows of that table, so that a second one would stand beside the first.
            let error = Error::usage(format!(
                "{}: rows with the code {COMMIT_UNKNOWN} may be in {} already, which has no key to tell, and the store no longer knows of their commit; compare, then write those that are missing with {FORCE}, or take them out with {CODE} {COMMIT_UNKNOWN} {DISCARD}",
                round.live.display(),
                facts.table
            ));
            let all: Vec<usize> = (0..round.claims.len()).collect();
            self.leave_alone(round, &all, &unknown, error, Some(Exit::Rejects))?;
        }
        if !elsewhere.is_empty() {
            let error = Error::usage(format!(
                "{}: rows with the code {COMMIT_UNKNOWN} are stored already where they were meant for, since their commit had come through there; without {TABLE} and {DATASET} they are taken out of the queue, with {FORCE} they are written to {} too",
                round.live.display(),
                facts.table
            ));
            let all: Vec<usize> = (0..round.claims.len()).collect();
            self.leave_alone(round, &all, &elsewhere, error, Some(Exit::Rejects))?;
        }
        Ok(Some(unstored))
    }

    /// Rows that nothing was begun with stay as they are, and the others go on.
    pub(super) fn leave_alone(
        &mut self,
        round: &mut ReplayBatch<'_>,
        places: &[usize],
        homes: &[Destination],
        error: Error,
        exit: Option<Exit>,
    ) -> Result<()> {
        if !matches!(error, Error::Usage(_) | Error::Input(_)) {
            return Err(error);
        }
        self.caller.listener.say(&format!("error: {error}; its rows stay in {}", round.live.display()));
        self.report.errors.push(error.to_string());
        for place in places {
            let here = round.claims.get(*place).into_iter().flat_map(|claim| &claim.homes);
            let rows: u64 = here.filter(|(home, _)| homes.contains(home)).map(|(_, rows)| rows).sum();
            self.report.unmapped_targets += rows;
            if let Some(part) = round.parts.get_mut(*place) {
                part.left_alone.extend(homes.iter().cloned());
            }
        }
        self.exit = worse(self.exit, exit.unwrap_or_else(|| Exit::from(&error)));
        Ok(())
    }

    /// Where rows of that home go: as the flags say, else as their records do.
    fn place(&self, round: &ReplayBatch<'_>, home: &Destination) -> Place {
        let mend = &round.mend;
        let named = |name: &str| by_name(&name.to_ascii_lowercase()).map(|known| known.name.to_string());
        let known = home.dataset.as_deref().and_then(named);
        // A dataset that is none of ours is a table.
        let other = || home.dataset.clone().filter(|_| known.is_none() && mend.dataset.is_none());
        let table = mend.table.clone().or_else(|| home.table.clone()).or_else(other);
        let detected = || {
            let sample = sample(&round.claims, home)?;
            let dataset = letters::detect(sample, &mend.data().columns(None)).ok()?;
            named(&dataset.name)
        };
        let dataset = mend.dataset.clone().or(known).or_else(|| detected().filter(|_| table.is_none()));
        // A flag of the replay's own takes precedence over what the records say.
        let set = mend.values.tenant().map(str::to_owned);
        let tenant = set.or_else(|| home.tenant.clone()).or_else(|| round.way.tenant.clone());
        Place { dataset, table, tenant }
    }
}

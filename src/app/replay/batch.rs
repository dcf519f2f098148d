//! One round of a replay: claimed files of a queue whose rows are all treated alike.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::letters::{self, Done, Letters, sample};
use crate::app::load::{Load, TableFacts, Task, runtime};
use crate::app::plan::{DataPlan, RejectPlan, RunPlan, StorePlan};
use crate::app::replay::{Replay, worse};
use crate::app::span;
use crate::app::values::MendPlan;
use crate::batch::Commit;
use crate::dataset::by_name;
use crate::dlq::claim::{COMMIT_UNKNOWN, Claim, Destination, Moved};
use crate::dlq::filter::Tenant;
use crate::dlq::journal::{Claimed, Journal, ReplaySelection, ReplayTarget, StartedTarget};
use crate::dlq::names::{self, Kind};
use crate::dlq::read_plan::ReadPlan;
use crate::dlq::replay_lock::{self, Fates, To};
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result, words};
use crate::report::letters::plain;
use crate::text::phrases::shell_word;

/// A file of the queue.
pub struct ReplayFile {
    path: PathBuf,
    identity: String,
    /// What is done with it.
    orders: ReplaySelection,
    /// Whether an earlier replay has claimed it, and not come to its end.
    taken_up: bool,
    generation: u32,
    /// Homes whose rows stay as they are.
    left_alone: HashSet<Destination>,
    /// Homes whose rows were found in the store.
    stored: HashSet<Destination>,
}

impl ReplayFile {
    /// That file.
    pub fn new(path: PathBuf, orders: &ReplaySelection) -> io::Result<Self> {
        let identity = replay_lock::identity(&path)?;
        let (orders, left_alone, stored) = (orders.clone(), HashSet::new(), HashSet::new());
        Ok(Self { identity, path, orders, taken_up: false, generation: 0, left_alone, stored })
    }

    /// Whether it is the one that was noted.
    pub fn is(&self, noted: &Claimed) -> bool {
        noted.identity == self.identity && noted.name == self.name()
    }

    /// The target as an earlier replay claimed it.
    pub fn taken_up(self, noted: &Claimed) -> Self {
        Self {
            orders: noted.orders.clone(),
            taken_up: true,
            generation: noted.generation,
            left_alone: noted.left_alone.iter().cloned().collect(),
            stored: noted.stored.iter().cloned().collect(),
            ..self
        }
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    dataset: Option<String>,
    table: Option<String>,
    tenant: Option<String>,
}

/// A table that rows go to, and the homes from which they come.
struct ReplayGoal {
    place: Place,
    facts: TableFacts,
    homes: Vec<Destination>,
}

impl ReplayGoal {
    /// Equal for goals of one table and tenant.
    fn key(&self) -> String {
        format!("{} {:?}", self.facts.table, self.facts.tenant)
    }
}

/// What is known of a round on its way.
struct ReplayBatch<'a> {
    live: &'a Path,
    way: &'a ReplayTarget,
    mend: MendPlan,
    parts: Vec<ReplayFile>,
    claims: Vec<Arc<Claim>>,
    /// Of each file that was taken up what has left it.
    moved: Vec<Option<Arc<Moved>>>,
    parked: PathBuf,
    done: Arc<Done>,
    begun: Vec<StartedTarget>,
    /// Whether all rows that are meant are settled.
    settled: bool,
    /// Whether anything may have come of it.
    touched: bool,
}

impl ReplayBatch<'_> {
    /// Brings to disk what is claimed, before anything comes of it.
    fn journal(&self) -> Result<()> {
        write(&self.noted(), self.live)
    }

    fn noted(&self) -> Journal {
        let known = |homes: &HashSet<Destination>| match self.settled {
            true => homes.iter().cloned().collect(),
            false => Vec::new(),
        };
        let claimed = |part: &ReplayFile| Claimed {
            name: part.name(),
            identity: part.identity.clone(),
            orders: part.orders.clone(),
            generation: part.generation,
            left_alone: known(&part.left_alone),
            stored: known(&part.stored),
        };
        Journal {
            way: self.way.clone(),
            files: self.parts.iter().map(claimed).collect(),
            begun: self.begun.clone(),
            settled: self.settled,
        }
    }

    /// The tenant that rows are for, where one was given.
    fn tenant(&self) -> Option<&Tenant> {
        self.parts.first().and_then(|part| part.orders.filter.tenant.as_ref())
    }

    /// How many rows of that home are meant.
    fn rows_of(&self, home: &Destination) -> u64 {
        let homes = self.claims.iter().flat_map(|claim| &claim.homes);
        homes.filter(|(known, _)| known == home).map(|(_, rows)| rows).sum()
    }

    /// Those homes, where rows of theirs have begun to go somewhere.
    fn begun_with(&self, homes: &[Destination]) -> Option<&StartedTarget> {
        self.begun.iter().find(|begun| begun.homes.iter().any(|home| homes.contains(home)))
    }
}

fn write(journal: &Journal, live: &Path) -> Result<()> {
    let path = names::journal(live);
    journal.write(&path).map_err(|error| {
        Error::usage(format!(
            "{} cannot be written: {}; a replay notes there what it has claimed",
            path.display(),
            words(&error)
        ))
        .caused_by(error)
    })
}

impl Replay<'_> {
    /// Goes through those files, the oldest of which comes first.
    pub(super) fn round(
        &mut self,
        live: &Path,
        mut parts: Vec<ReplayFile>,
        way: &ReplayTarget,
        begun: Vec<StartedTarget>,
        settled: bool,
    ) -> Result<()> {
        let fault = |path: &Path, error: io::Error| {
            Error::input(format!(
                "the dead-letter queue {} cannot be read: {}",
                path.display(),
                words(&error)
            ))
            .caused_by(error)
        };
        let taken_up = parts.iter().any(|part| part.taken_up);
        let last = parts.iter().filter(|part| part.taken_up).map(|part| part.generation).max();
        let next = last.map_or(0, |last| last + 1);
        parts.iter_mut().filter(|part| !part.taken_up).for_each(|part| part.generation = next);
        let mut known: HashMap<u32, Arc<Moved>> = HashMap::new();
        let mut moved = Vec::new();
        for part in &parts {
            moved.push(match (part.taken_up, known.get(&part.generation)) {
                (false, _) => None,
                (true, Some(known)) => Some(known.clone()),
                (true, None) => {
                    let before = |path: &PathBuf| {
                        parts.iter().any(|p| p.path == *path && p.generation <= part.generation)
                    };
                    let mut files = names::segments(live).map_err(|e| fault(live, e))?;
                    files.retain(|path| !before(path));
                    let parked = names::parked(live);
                    files.extend(names::segments(&parked).map_err(|e| fault(live, e))?);
                    files.extend([live.to_owned(), parked]);
                    let gone = Arc::new(Moved::into(&files).map_err(|e| fault(live, e))?);
                    known.insert(part.generation, gone.clone());
                    Some(gone)
                }
            });
        }
        // The newest first, since those are meant by a limit.
        let mut claims = Vec::new();
        for part in parts.iter_mut().rev() {
            let limit = if part.taken_up { part.orders.take } else { self.left };
            let claim =
                Claim::survey(&part.path, &part.orders.filter, limit).map_err(|e| fault(&part.path, e))?;
            if !part.taken_up && self.left.is_some() {
                part.orders.take = Some(claim.meant);
                self.left = self.left.map(|left| left.saturating_sub(claim.meant));
            }
            claims.push(Arc::new(claim));
        }
        claims.reverse();
        claims.iter().for_each(|claim| self.count(claim, live));
        let is_parked = names::kind(live) == Kind::Parked;
        let mut round = ReplayBatch {
            live,
            way,
            mend: MendPlan::read(&way.mend)?,
            parts,
            claims,
            moved,
            parked: if is_parked { live.to_owned() } else { names::parked(live) },
            done: Arc::new(Done::default()),
            begun,
            settled,
            touched: taken_up,
        };
        if !self.plan.dry_run {
            round.journal()?;
        }
        let done = self.act(&mut round);
        if !self.plan.dry_run && (self.stuck || done.is_err()) {
            // Where nothing can have come of it, nobody has to go on with it.
            match round.touched {
                true => {
                    self.note(&format!("{} stays claimed: the next replay goes on with it", live.display()))
                }
                false => {
                    let _ = replay_lock::remove(&names::journal(live));
                }
            }
        }
        done
    }

    fn count(&mut self, claim: &Claim, live: &Path) {
        let queue = live.display().to_string();
        if !self.report.files.contains(&queue) {
            self.report.files.push(queue);
        }
        self.report.meant += claim.meant;
        self.report.damaged += claim.damaged;
        self.report.foreign.0 += claim.foreign.0;
        self.report.foreign.1 = self.report.foreign.1.take().or_else(|| claim.foreign.1.clone());
        if let Some((line, why)) = &claim.damage {
            let more = match claim.damaged {
                1 => String::new(),
                more => format!("; {} more like it", more - 1),
            };
            self.note(&format!("{}: line {line} {why}{more}", claim.path.display()));
        }
    }

    fn act(&mut self, round: &mut ReplayBatch<'_>) -> Result<()> {
        if !round.settled {
            let goals = self.goals(round)?;
            if self.stuck {
                return Ok(());
            }
            for goal in goals {
                match goal.facts.keyed {
                    true => self.all_at_once(round, &goal)?,
                    false => self.file_by_file(round, &goal)?,
                }
                if self.stuck {
                    return Ok(());
                }
            }
        }
        if self.plan.dry_run {
            return Ok(());
        }
        round.touched = true;
        self.report.parked += round.done.parked().1;
        // From here on a replay that goes on has only to put the files away: what is in some of them must
        // not go over what was in others.
        round.settled = true;
        round.journal()?;
        for place in 0..round.parts.len() {
            self.settle(round, place)?;
            if self.stuck {
                return Ok(());
            }
        }
        let beside = names::journal(round.live);
        replay_lock::remove(&beside).map_err(|error| {
            Error::internal(format!("{} is done with, but cannot be removed: {error}", beside.display()))
        })
    }

    /// The tables that the meant rows go to. Rows of a home that leads nowhere stay in the queue.
    fn goals(&mut self, round: &mut ReplayBatch<'_>) -> Result<Vec<ReplayGoal>> {
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
                Load::prepare(&caller, plan, Task::Replay(letters), self.metrics)?.table_facts().await
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
                    "an earlier replay of {} did not end, and {} has lost its key since, so that nobody knows which of its rows are there: give it its key back, or --force to write all of them",
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
                    "{}: its records name the table {}, and {why}; a replay sends rows there only with --table {}",
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
                    "{}: records of the tenant {} are not for --tenant {}",
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
                "{}: rows with the code {COMMIT_UNKNOWN} may be in {} already, which has no key to tell, and the store no longer knows of their commit; compare, then write those that are missing with --force, or take them out with --code {COMMIT_UNKNOWN} --discard",
                round.live.display(),
                facts.table
            ));
            let all: Vec<usize> = (0..round.claims.len()).collect();
            self.leave_alone(round, &all, &unknown, error, Some(Exit::Rejects))?;
        }
        if !elsewhere.is_empty() {
            let error = Error::usage(format!(
                "{}: rows with the code {COMMIT_UNKNOWN} are stored already where they were meant for, since their commit had come through there; without --table and --dataset they are taken out of the queue, with --force they are written to {} too",
                round.live.display(),
                facts.table
            ));
            let all: Vec<usize> = (0..round.claims.len()).collect();
            self.leave_alone(round, &all, &elsewhere, error, Some(Exit::Rejects))?;
        }
        Ok(Some(unstored))
    }

    /// Rows that nothing was begun with stay as they are, and the others go on.
    fn leave_alone(
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

    /// Rows that a key tells apart: from all files, in the order in which they failed first. Replayed
    /// twice they are the same once more.
    fn all_at_once(&mut self, round: &mut ReplayBatch<'_>, goal: &ReplayGoal) -> Result<()> {
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
    fn file_by_file(&mut self, round: &mut ReplayBatch<'_>, goal: &ReplayGoal) -> Result<()> {
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
    fn left_by(&self, round: &ReplayBatch<'_>, place: usize) -> Option<Arc<Moved>> {
        round.moved.get(place).cloned().flatten()
    }

    fn letters(
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
            Load::prepare(&caller, plan, Task::Replay(letters), self.metrics)?.run().await
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

    /// A caller of one of the runs of this replay, each of which has an id of its own.
    fn of_a_run(&self) -> Caller {
        Caller { run_id: Uuid::now_v7(), ..self.caller.clone() }
    }

    fn run_plan<'p>(
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

    /// All rows of a file that are meant are settled: the rest goes where it belongs, and the file goes.
    fn settle(&mut self, round: &ReplayBatch<'_>, place: usize) -> Result<()> {
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
            self.report.aside = Some(round.parked.display().to_string());
        }
        replay_lock::remove(path).map_err(broken)
    }
}

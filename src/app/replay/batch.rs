//! One round of a replay: claimed files of a queue whose rows are all treated alike.

mod goals;
mod sending;
mod settling;

use std::collections::HashMap;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::letters::Done;
use crate::app::load::TableFacts;
use crate::app::replay::Replay;
use crate::app::values::MendPlan;
use crate::dlq::checkout::called;
use crate::dlq::claim::{Claim, Destination, Moved};
use crate::dlq::filter::Tenant;
use crate::dlq::journal::{Claimed, Journal, ReplaySelection, ReplayTarget, StartedTarget};
use crate::dlq::names::{self, Kind};
use crate::dlq::replay_lock;
use crate::error::{Error, Result, words};

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
                    self.note(&format!("{} stays claimed: the next replay goes on with it", called(live)))
                }
                false => {
                    let _ = replay_lock::remove(&names::journal(live));
                }
            }
        }
        done
    }

    fn count(&mut self, claim: &Claim, live: &Path) {
        let queue = called(live);
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
            self.note(&format!("{}: line {line} {why}{more}", called(&claim.path)));
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
}

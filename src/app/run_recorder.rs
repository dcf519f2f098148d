//! Keeps the run in the store's history: from its beginning, through signs of life, to its end.
//!
//! None of it is in the way of the rows: it has connections of its own, for moments, each bounded
//! in time, and what it cannot write costs a sentence and not the load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::process;
use crate::app::resume::{Decision, Life, Request, decide, differences, life, short};
use crate::batch::covers;
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::port::jobs::Claimed;
use crate::port::runs::{
    Begun, Checkpoints, InputIdentity, JobRow, RunEnd, RunRecord, RunScope, RunStart, base_of, earlier_name,
};
use crate::source::followed::Before;
use crate::telemetry::run_counters::RunCounters;
use crate::text::number_format::plural;

/// Time to the first sign of life; it doubles to that between two of a run that has lasted.
const FIRST: Duration = Duration::from_millis(200);

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(10);

/// Longest time that a sign of life or a last word may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A wait that is worth a word.
const LONG: Duration = Duration::from_secs(2);

/// Bytes of inputs that are read again where their last rows are to be known: more than so many rows have.
const SEEN_AGAIN: u64 = 1 << 20;

/// How long the store is waited for where rows must not go on before something is noted.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run in the history.
pub struct RunRecorder {
    history: Arc<dyn RunHistory>,
    run: Uuid,
    /// Whether the run is in the history, and not in `job_runs` alone.
    kept: bool,
    job: Option<JobRow>,
    beat: Option<JoinHandle<()>>,
    /// Time between two signs of life.
    every: Duration,
}

/// A run that has begun.
pub struct Started {
    /// Keeps its row in the history until it ends.
    pub keeper: RunRecorder,
    /// What of its input is settled already.
    pub checkpoints: Checkpoints,
    /// Whether it goes on with an earlier run.
    pub resumed: bool,
    /// Inputs that are settled as far as they can be read, with the error.
    pub unreadable: BTreeMap<usize, Error>,
    /// Inputs, from the first one on, that are settled whole.
    pub settled: usize,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

impl Before<'_> {
    /// The run that has its checkpoints now, if this one can go on with it; else what that means.
    async fn find(
        &self,
        history: &dyn RunHistory,
        start: &RunStart,
    ) -> Result<(Option<RunRecord>, Option<String>)> {
        let mut found = None;
        let mut next = Some(self.run);
        // A tail that died before it noted that it went on is in between.
        while let Some(run) = next {
            let record = history.list(Some(&run.to_string()), 1).await?.pop();
            next = record.as_ref().and_then(|record| record.resumed_by);
            found = record.or(found);
        }
        let why = match &found {
            None => "this store does not know it".to_owned(),
            Some(run) if run.table != start.table && run.table != earlier_name(&start.table) => {
                format!("it went into {}", run.table)
            }
            Some(run) if run.settings != start.settings => {
                format!("it differed in {}", differences(&run.settings, &start.settings).join(", "))
            }
            Some(_) => match self.doubt {
                Some(doubt) => doubt.to_owned(),
                None => return Ok((found, None)),
            },
        };
        let places = self.places.display();
        Ok((
            None,
            Some(format!(
                "the tail before, run {} of {places}, did not come to its end, and {why}: its last lines may be in {} twice",
                short(self.run),
                start.table
            )),
        ))
    }
}

impl RunRecorder {
    /// Begins a run, going on with an earlier one where that is asked for. `stopped` is asked
    /// whether to give up waiting.
    ///
    /// # Errors
    /// Usage, where the runs before forbid it; unavailable, if the store is.
    pub async fn begin(
        history: Box<dyn RunHistory>,
        mut start: RunStart,
        request: Request<'_>,
        stopped: impl Fn() -> bool,
    ) -> Result<Started> {
        let mut watched: BTreeMap<Uuid, i64> = BTreeMap::new();
        let mut notes = Vec::new();
        loop {
            let earlier = match request.looks_back() {
                true => history.earlier(&start.table, &start.inputs, start.run_id).await?,
                false => Vec::new(),
            };
            let seen: Vec<Uuid> = earlier.iter().map(|run| run.run_id).collect();
            let seen = request.looks_back().then_some(seen);
            let judged: Vec<(RunRecord, Life)> = earlier
                .into_iter()
                .map(|run| match (life(&run), watched.get(&run.run_id)) {
                    (Life::Unknown, Some(before)) if run.heartbeat != *before => (run, Life::Alive),
                    (life, _) => (run, life),
                })
                .collect();
            let (resume, note) = match decide(&request, &judged)? {
                Decision::Fresh(note) => (None, note),
                Decision::Resume(run) => (Some(run), None),
                Decision::Watch(id) => {
                    let run = judged.iter().find(|(run, _)| run.run_id == id).map(|(run, _)| run);
                    if let Some(run) = run.filter(|_| !watched.contains_key(&id)) {
                        tracing::warn!(
                            "waiting to see whether run {id} on {} is still alive",
                            run.process.host
                        );
                        watched.insert(id, run.heartbeat);
                    }
                    if stopped() {
                        return Err(Error::usage(format!("stopped while waiting for a sign of run {id}")));
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                }
            };
            if let Some(run) = &resume {
                let same = |(now, before): &(&InputIdentity, &InputIdentity)| {
                    now.is_same(before) && now.fingerprint.is_some()
                };
                let same = start.inputs.iter().zip(&run.inputs).take_while(same).count();
                // The last one is read in any case: a load of nothing would look like a mistake.
                start.settled = run.settled.min(same).min(start.inputs.len().saturating_sub(1));
                // A table with a key takes rows again, in the order of the inputs.
                let mended = run.inputs.iter().enumerate().position(|(place, before)| {
                    start.keyed && before.failed.is_some() && (request.mended)(place, before)
                });
                start.anew_behind = mended.map(base_of);
                start.settled = start.settled.min(mended.unwrap_or(usize::MAX));
                let kept = mended.unwrap_or(start.inputs.len());
                for (input, before) in start.inputs.iter_mut().zip(&run.inputs).take(kept) {
                    input.failed.clone_from(&before.failed);
                }
                let by_ends = |(now, before): &(&InputIdentity, &InputIdentity)| {
                    let long = before.bytes.is_some_and(|bytes| !covers(bytes));
                    long && before.failed.is_none() && before.content.is_none() && !now.is_same(before)
                };
                for (now, _) in start.inputs.iter().zip(&run.inputs).filter(by_ends) {
                    notes.push(format!(
                        "{} has grown: what was in it has the same beginning and end, and is taken to be the same between them",
                        now.name
                    ));
                }
                if request.counts_on {
                    start.settled = known_before(&start.inputs, start.settled);
                }
                if let Some(input) = mended.and_then(|place| start.inputs.get(place)) {
                    notes.push(format!(
                        "{} could not be read to its end as it was and is another one now: it and what comes behind it is loaded anew",
                        input.name
                    ));
                }
            }
            let Begun::Now(checkpoints) = history.begin(&start, seen.as_deref(), resume.as_deref()).await?
            else {
                continue;
            };
            notes.extend(note);
            if let Some(run) = &resume {
                let settled = match start.settled {
                    0 => String::new(),
                    files => format!("; not read again: {}", plural(files as u64, "file")),
                };
                notes.push(format!("going on with run {}{settled}", short(run.run_id)));
            }
            let unreadable = unreadable(&start);
            let resumed = resume.map(|run| run.run_id);
            let keeper = Self::of(history, &start, resumed, &mut notes).await;
            let (resumed, settled) = (resumed.is_some(), start.settled);
            return Ok(Started { keeper, checkpoints, resumed, unreadable, settled, notes });
        }
    }

    /// Begins a tail, going on with the one before where that has left rows of which only the ledger
    /// tells what became of them.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn go_on(
        history: Box<dyn RunHistory>,
        start: RunStart,
        before: Option<Before<'_>>,
    ) -> Result<Started> {
        let (resume, checkpoints, mut notes) = loop {
            let (resume, note) = match &before {
                Some(before) => before.find(&*history, &start).await?,
                None => (None, None),
            };
            let begun = {
                let begin = history.begin(&start, None, resume.as_ref());
                tokio::pin!(begin);
                match timeout(LONG, &mut begin).await {
                    Ok(begun) => begun?,
                    Err(_) => {
                        tracing::warn!(
                            "waiting for the store, where what the tail before had begun is not over"
                        );
                        begin.await?
                    }
                }
            };
            if let Begun::Now(checkpoints) = begun {
                break (resume, checkpoints, Vec::from_iter(note));
            }
        };
        let resumed = resume.map(|run| run.run_id);
        let keeper = Self::of(history, &start, resumed, &mut notes).await;
        let (unreadable, resumed) = (BTreeMap::new(), resumed.is_some());
        Ok(Started { keeper, checkpoints, resumed, unreadable, settled: 0, notes })
    }

    /// The run of a claim, which is in the history already. It gives a sign of life at least that often.
    pub async fn of_claim(history: Box<dyn RunHistory>, claimed: &Claimed, every: Duration) -> Started {
        let (start, mut notes) = (&claimed.start, Vec::new());
        let resumed = claimed.resumed.as_ref().map(|run| run.run_id);
        let keeper = Self { every, ..Self::of(history, start, resumed, &mut notes).await };
        Started {
            keeper,
            checkpoints: claimed.checkpoints.clone(),
            resumed: resumed.is_some(),
            unreadable: unreadable(start),
            settled: 0,
            notes,
        }
    }

    /// The keeper of a run that is in the history.
    async fn of(
        history: Box<dyn RunHistory>,
        start: &RunStart,
        resumed: Option<Uuid>,
        notes: &mut Vec<String>,
    ) -> Self {
        let job = timeout(LIMIT, history.begin_job(start, resumed, process::is_alive)).await;
        let job = job.unwrap_or_else(|_| Err(Error::unavailable("job_runs gives no answer")));
        let job = job.unwrap_or_else(|why| {
            notes.push(why.to_string());
            None
        });
        Self { history: history.into(), run: start.run_id, kept: true, job, beat: None, every: BEAT }
    }

    /// The keeper of a run of a role that may keep no history: of its row in `job_runs`, where there is one.
    pub async fn of_job(history: Box<dyn RunHistory>, start: &RunStart) -> (Option<Self>, Vec<String>) {
        let mut notes = Vec::new();
        let keeper = Self { kept: false, ..Self::of(history, start, None, &mut notes).await };
        (keeper.job.is_some().then_some(keeper), notes)
    }

    /// Whether the run is in the history, for others to go on with.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Gives signs of life from now on, with what has been counted, how many inputs are settled, and what
    /// their rows are about.
    pub fn beat(
        &mut self,
        tally: Arc<RunCounters>,
        settled: impl Fn() -> usize + Send + 'static,
        scope: impl Fn() -> RunScope + Send + 'static,
    ) {
        let (history, run, job) = (self.history.clone(), self.kept.then_some(self.run), self.job);
        let every = self.every;
        self.beat = Some(tokio::spawn(async move {
            let mut wait = FIRST;
            loop {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(every);
                let (books, scope) = (tally.snapshot().books.into(), job.map(|_| scope()));
                let (run, job) = (run.map(|run| (run, settled())), job.zip(scope.as_ref()));
                if let Ok(Err(why)) = timeout(LIMIT, history.beat(run, books, job)).await {
                    tracing::info!("no sign of life could be given: {why}");
                }
            }
        }));
    }

    /// Notes, from a thread that may block, that an input cannot be read further. Waits for the
    /// store as long as it takes to be sure that rows of later inputs may go on.
    /// `unproven`: nor is what was read of it to be trusted.
    pub fn on_error(
        &self,
        runtime: Handle,
        unproven: bool,
    ) -> impl Fn(usize, &Error) -> Result<()> + Send + use<> {
        let (history, run) = (self.history.clone(), self.run);
        move |input, error| {
            let (began, why) = (Instant::now(), error.to_string());
            loop {
                let noted =
                    runtime.block_on(timeout(LIMIT, history.input_failed(run, input, &why, unproven)));
                match noted.unwrap_or_else(|_| Err(Error::unavailable("the store gives no answer"))) {
                    Err(Error::Unavailable(_)) if began.elapsed() < PATIENCE => {
                        runtime.block_on(tokio::time::sleep(Duration::from_millis(200)));
                    }
                    done => return done,
                }
            }
        }
    }

    /// The last word; with a sentence where it cannot be written.
    pub async fn end(self, end: &RunEnd) -> Option<String> {
        if let Some(beat) = &self.beat {
            beat.abort();
        }
        let late = |_| Err(Error::unavailable("the store gives no answer"));
        let began = Instant::now();
        // Loaders that share a job wait for one another here. Who gives up leaves a statement behind that
        // waits on, and the next one has more before it.
        let limit = if end.part.is_some() { PATIENCE } else { LIMIT };
        let ended = loop {
            let ended = match self.kept {
                true => timeout(limit, self.history.end(self.run, end)).await.unwrap_or_else(late),
                false => Ok(()),
            };
            // Others wait for the end of a claim.
            if end.part.is_none()
                || !matches!(ended, Err(Error::Unavailable(_)))
                || began.elapsed() >= PATIENCE
            {
                break ended;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        let job = match (&ended, self.job) {
            (Ok(()), Some(row)) => timeout(LIMIT, self.history.end_job(row, end)).await.unwrap_or_else(late),
            _ => Ok(()),
        };
        let why = ended.and(job).err()?;
        Some(format!("how this run ended could not be noted: {why}"))
    }
}

/// The inputs of a run that could not be read to their end before it went on, with why.
fn unreadable(start: &RunStart) -> BTreeMap<usize, Error> {
    let unreadable = start.inputs.iter().enumerate().filter_map(|(place, input)| {
        let why = input.failed.clone()?;
        let told = format!("{why} (found by an earlier run; what comes after that place is not loaded)");
        Some((place, Error::input(told)))
    });
    unreadable.collect()
}

/// How many of the inputs, of which so many are settled whole, need not be read again where the last rows before
/// each input have a say in its ids: those before [`SEEN_AGAIN`] bytes of them, whose rows are passed over.
fn known_before(inputs: &[InputIdentity], settled: usize) -> usize {
    let (mut first, mut bytes) = (settled, 0u64);
    for (place, input) in inputs.iter().enumerate().take(settled).rev() {
        if bytes >= SEEN_AGAIN {
            break;
        }
        first = place;
        // Of one that cannot be read nothing is known.
        if input.failed.is_none() {
            bytes = bytes.saturating_add(input.bytes.unwrap_or(SEEN_AGAIN));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_before_the_first_input_that_is_read_are_seen_again() {
        const MANY: u64 = SEEN_AGAIN;
        let input = |bytes: Option<u64>| InputIdentity {
            name: "x".into(),
            id: None,
            bytes,
            fingerprint: None,
            failed: None,
            unproven: false,
            modified: None,
            content: None,
        };
        let known = |sizes: &[Option<u64>], failed: Option<usize>| {
            let mut inputs: Vec<InputIdentity> = sizes.iter().map(|size| input(*size)).collect();
            inputs.push(input(Some(MANY)));
            if let Some(failed) = failed {
                inputs[failed].failed = Some("broken".into());
            }
            known_before(&inputs, sizes.len())
        };
        assert_eq!(known(&[], None), 0);
        assert_eq!(known(&[Some(5), Some(5)], None), 0);
        assert_eq!(known(&[Some(5), Some(MANY)], None), 1);
        assert_eq!(known(&[Some(5), Some(MANY - 1), Some(1)], None), 1);
        assert_eq!(known(&[Some(5), None, Some(1)], None), 1);
        assert_eq!(known(&[Some(5), Some(MANY), Some(MANY)], Some(2)), 1, "nothing is read of the last one");
    }
}

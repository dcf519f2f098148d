//! A shared job, for programs: who does what, how far it is, and how long it will take.

use serde::Serialize;

use crate::port::jobs::{Holder, JobRecord, JobState, PartRecord, PartState};
use crate::telemetry::snapshot::Books;
use crate::text::number_format::timestamp;

/// A job that several loaders share; `job` of a [`RunResult`](super::result::RunResult), and the object of
/// `runs JOB --json`. Field names are a promise to scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobView {
    /// Its name.
    pub job: String,
    /// The dataset, or the table where it is none of ours.
    pub dataset: String,
    /// The table.
    pub table: String,
    /// `loading`, `settling` (rows of overlapping inputs are written once more in the order of the list), `done`, or
    /// `failed` where all is done but parts that could not be loaded.
    pub status: &'static str,
    /// When it was begun, RFC 3339.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// From its beginning to its end, or until now, in seconds.
    pub elapsed_s: f64,
    /// How long it will take at the pace of the parts that are done, with the loaders that work now, in seconds;
    /// `null` where that is not known.
    pub eta_s: Option<f64>,
    /// Inputs in the list.
    pub inputs: u64,
    /// How the parts stand.
    pub parts: PartsView,
    /// Bytes of the inputs, as they are stored.
    pub bytes: u64,
    /// Those of them that are loaded.
    pub bytes_done: u64,
    /// What became of the rows in all parts, so far.
    pub rows: Books,
    /// Rows in dead letters of loaders that did not come to the end of a part, at least; they count as skipped where the
    /// part was gone on with.
    pub earlier_rejects: u64,
    /// Rows that were written once more, in the order of the list.
    pub settled: u64,
    /// Processes that have worked at it.
    pub loaders: u64,
    /// Who is at work.
    pub working: Vec<WorkerView>,
    /// What could not be loaded.
    pub failures: Vec<FailureView>,
    /// The exit code of each of its loaders, once it is done.
    pub exit_code: Option<u8>,
}

/// How many parts stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PartsView {
    /// All.
    pub total: u64,
    /// Loaded.
    pub done: u64,
    /// Being loaded.
    pub claimed: u64,
    /// Not begun, or given back.
    pub open: u64,
    /// Not loaded to their end.
    pub failed: u64,
}

/// A loader at work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerView {
    /// Its machine.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// The run that its claim is.
    pub run_id: String,
    /// The part, from 1.
    pub part: u64,
    /// The first input of it.
    pub input: String,
    /// Inputs in it.
    pub inputs: u64,
    /// Rows of it that are read.
    pub rows: u64,
    /// How much of it is read, as far as the parts before tell.
    pub share: Option<f64>,
    /// Since when it has given no sign of life, in seconds.
    pub silent_s: f64,
    /// Whether it has been silent for so long that others may take its part over.
    pub lost: bool,
}

/// A part that could not be loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureView {
    /// The first input of it.
    pub input: String,
    /// Why.
    pub error: String,
}

fn seconds(micros: i64) -> f64 {
    (micros.max(0) / 1_000) as f64 / 1_000.0
}

fn is_over(part: &PartRecord) -> bool {
    matches!(part.state, PartState::Done | PartState::Failed)
}

impl JobView {
    /// Of that job; `is_dead` knows holders whose processes have ended.
    pub fn new(job: &JobRecord, is_dead: impl Fn(&Holder) -> bool) -> Self {
        let count = |state| job.parts.iter().filter(|part| part.state == state).count() as u64;
        let parts = PartsView {
            total: job.parts.len() as u64,
            done: count(PartState::Done),
            claimed: count(PartState::Claimed),
            open: count(PartState::Open),
            failed: count(PartState::Failed),
        };
        let mut rows = Books::default();
        // Of what was written once more the first time counts.
        job.parts
            .iter()
            .filter(|part| is_over(part) || part.again)
            .for_each(|part| rows.add(&part.books.into()));
        let over = || job.parts.iter().filter(|part| part.state == PartState::Done);
        let (known_bytes, known_rows, worked) = over().fold((0, 0, 0), |(bytes, rows, worked), part| {
            let lasted = part.holder.as_ref().map_or(0, |holder| holder.lasted.max(0));
            (bytes + part.bytes, rows + part.books.read, worked + lasted)
        });
        let mut bytes_done: u64 = job.parts.iter().filter(|part| is_over(part)).map(|part| part.bytes).sum();
        let mut working = Vec::new();
        for part in job.parts.iter().filter(|part| part.state == PartState::Claimed) {
            let Some(holder) = &part.holder else { continue };
            let expected = match known_bytes {
                0 => None,
                bytes => {
                    Some(part.bytes as f64 * known_rows as f64 / bytes as f64).filter(|rows| *rows > 0.0)
                }
            };
            let share = expected.map(|rows| (holder.books.read as f64 / rows).min(1.0));
            if !part.again {
                rows.add(&holder.books.into());
            }
            bytes_done += (part.bytes as f64 * share.unwrap_or(0.0)) as u64;
            working.push(WorkerView {
                host: holder.process.host.clone(),
                pid: holder.process.pid,
                run_id: holder.run_id.to_string(),
                part: part.part as u64 + 1,
                input: part.names.first().cloned().unwrap_or_default(),
                inputs: part.names.len() as u64,
                rows: holder.books.read,
                share: share.map(|share| (share * 1e3).round() / 1e3),
                silent_s: seconds(holder.silent),
                lost: holder.silent > job.lease || is_dead(holder),
            });
        }
        let bytes = job.parts.iter().map(|part| part.bytes).sum::<u64>();
        let busy = working.iter().filter(|worker| !worker.lost).count();
        let left = bytes.saturating_sub(bytes_done);
        let eta_s = match (job.state, busy, known_bytes) {
            (JobState::Done, ..) | (_, 0, _) | (_, _, 0) => None,
            _ => Some(seconds(worked) / known_bytes as f64 * left as f64 / busy as f64),
        };
        let failures: Vec<FailureView> = job
            .parts
            .iter()
            .filter(|part| part.state == PartState::Failed)
            .map(|part| FailureView {
                input: part.names.first().cloned().unwrap_or_default(),
                error: part.error.clone().unwrap_or_default(),
            })
            .collect();
        let first_failure = job.parts.iter().find(|part| part.state == PartState::Failed);
        let earlier_rejects = job.parts.iter().map(|part| part.earlier_rejects).sum();
        let code = match first_failure {
            Some(part) => part.exit_code.filter(|code| *code != 0).unwrap_or(1),
            None if rows.rejected + rows.dropped + earlier_rejects > 0 => 3,
            None => 0,
        };
        let status = match (job.state, failures.is_empty()) {
            (JobState::Done, false) => "failed",
            (state, _) => state.as_str(),
        };
        Self {
            job: job.name.clone(),
            dataset: job.dataset.clone(),
            table: job.table.clone(),
            status,
            started_at: timestamp(job.created),
            finished_at: job.finished.map(timestamp),
            elapsed_s: seconds(job.finished.unwrap_or(job.now) - job.created),
            eta_s: eta_s.map(|eta| (eta * 10.0).round() / 10.0),
            inputs: job.parts.iter().map(|part| part.first + part.names.len()).max().unwrap_or(0) as u64,
            parts,
            bytes,
            bytes_done,
            rows,
            earlier_rejects,
            settled: job.parts.iter().map(|part| part.settled).sum(),
            loaders: job.loaders,
            working,
            failures,
            exit_code: (job.state == JobState::Done).then_some(code),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.exit_code.is_some()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::port::jobs::samples;
    use crate::port::runs::{RunBooks, RunProcess, RunStatus};

    /// A part of 100 bytes that was held for so many seconds and has read so many rows.
    fn part(state: PartState, held: i64, read: u64) -> PartRecord {
        let books = RunBooks { read, inserted: read, ..RunBooks::default() };
        let holder = Holder {
            run_id: Uuid::nil(),
            process: RunProcess::default(),
            heartbeat: 0,
            silent: 0,
            status: RunStatus::Running,
            lasted: held * 1_000_000,
            books,
        };
        PartRecord {
            state,
            bytes: 100,
            books: if is_done(state) { books } else { RunBooks::default() },
            holder: (state != PartState::Open).then_some(holder),
            ..samples::part(0)
        }
    }

    fn is_done(state: PartState) -> bool {
        state == PartState::Done
    }

    fn view(state: JobState, parts: Vec<PartRecord>) -> JobView {
        let job = JobRecord { state, lease: 30_000_000, now: 60_000_000, loaders: 2, ..samples::job(parts) };
        JobView::new(&job, |_| false)
    }

    #[test]
    fn how_long_it_will_take_follows_from_the_parts_that_are_done_and_who_works() {
        use PartState::{Claimed, Done, Open};
        // 400 bytes took 40 s; 550 are left, of the part at hand a half.
        let parts = |working: usize| {
            let done = std::iter::repeat_with(|| part(Done, 10, 1_000)).take(4);
            let at_work = std::iter::repeat_with(|| part(Claimed, 5, 500)).take(working);
            let open = std::iter::repeat_with(|| part(Open, 0, 0)).take(6 - working);
            done.chain(at_work).chain(open).collect::<Vec<_>>()
        };
        let one = view(JobState::Loading, parts(1));
        assert_eq!((one.bytes, one.bytes_done, one.eta_s), (1_000, 450, Some(55.0)));
        assert_eq!(one.working[0].share, Some(0.5));
        let two = view(JobState::Loading, parts(2));
        assert_eq!((two.bytes_done, two.eta_s), (500, Some(25.0)));
        // One that gives no sign of life does nothing.
        let mut lost = parts(2);
        lost[5].holder.as_mut().unwrap().silent = 31_000_000;
        assert_eq!(view(JobState::Loading, lost).eta_s, Some(50.0));
        assert_eq!(view(JobState::Loading, parts(0)).eta_s, None);
        assert_eq!(view(JobState::Loading, vec![part(Claimed, 5, 500), part(Open, 0, 0)]).eta_s, None);
        assert_eq!(view(JobState::Done, parts(1)).eta_s, None);
    }
}

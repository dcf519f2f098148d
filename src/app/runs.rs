//! The history of runs of a store.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::load::runtime;
use crate::app::process;
use crate::app::resume::{Life, life};
use crate::error::{Error, Result};
use crate::port::jobs::{Holder, JobRecord};
use crate::report::jobs as job_pages;
use crate::report::runs::{RunView, details, table};
use crate::report::style::Style;
use crate::sink::Store;
use crate::telemetry::jobs::JobView;
use crate::telemetry::result::line;

/// The last runs, the newest first, so many at most; with `id` those whose ids begin so.
///
/// # Errors
/// Unavailable, where the store is away.
pub fn list(store: &dyn Store, id: Option<&str>, limit: usize) -> Result<Vec<RunView>> {
    let history = store.history(None)?;
    let found = runtime()?.block_on(history.list(id, limit))?;
    Ok(found.iter().map(|run| RunView::new(run, life(run) != Life::Over)).collect())
}

/// The last jobs that loaders have shared, the newest first, so many at most; with `name` those of that name.
///
/// # Errors
/// Unavailable, where the store is away.
pub fn jobs(store: &dyn Store, name: Option<&str>, limit: usize) -> Result<Vec<JobView>> {
    // A store that cannot share has none.
    let jobs = match store.jobs(None) {
        Err(Error::Usage(_)) => return Ok(Vec::new()),
        jobs => jobs?,
    };
    let is_dead = |holder: &Holder| process::is_alive(&holder.process) == Some(false);
    let view = |job: &JobRecord| JobView::new(job, is_dead);
    Ok(runtime()?.block_on(jobs.list(name, limit))?.iter().map(view).collect())
}

/// The last runs and jobs, for people, or without a style for programs.
///
/// # Errors
/// Unavailable, where the store is away.
pub(crate) fn shown(store: &dyn Store, limit: usize, style: Option<Style>) -> Result<String> {
    let (runs, shared) = (list(store, None, limit)?, jobs(store, None, limit)?);
    let Some(style) = style else {
        let (runs, shared) = (value(&runs)?, value(&shared)?);
        return Ok(line(
            json!({"command": "runs", "store": store.shown(), "runs": runs, "jobs": shared, "exit_code": 0}),
        ));
    };
    Ok(match (runs.as_slice(), shared.as_slice()) {
        ([], []) => format!("no runs in {} yet\n", store.shown()),
        ([], shared) => job_pages::table(shared, style),
        (runs, []) => table(runs, style),
        (runs, shared) => format!("{}\n{}", table(runs, style), job_pages::table(shared, style)),
    })
}

/// All there is to say of the job of that name, or of the run whose id begins so, likewise.
///
/// # Errors
/// Usage, where there is none, or more than one run; unavailable, where the store is away.
pub(crate) fn shown_of(store: &dyn Store, id: &str, style: Option<Style>) -> Result<String> {
    let shared = jobs(store, Some(id), 100)?;
    // Of those that an id means, one more than one is too many. Their errors are those of the run or the job.
    let found = if shared.is_empty() { list(store, Some(id), 2)? } else { Vec::new() };
    match (shared.as_slice(), found.as_slice(), style) {
        ([], [], _) => Err(Error::usage(format!(
            "no run in {} has an id that begins with {id}, and no job has that name; mdsctl runs lists them",
            store.shown()
        ))),
        ([], [one], None) => Ok(line(value(one)?)),
        ([], [one], Some(style)) => Ok(details(one, style)),
        ([], _, _) => {
            Err(Error::usage(format!("more than one run has an id that begins with {id}; give more of it")))
        }
        ([one], _, None) => Ok(line(value(one)?)),
        // One name, several tables.
        (some, _, None) => Ok(line(json!({"jobs": value(&some)?}))),
        (some, _, Some(style)) => {
            Ok(some.iter().map(|job| job_pages::details(job, style)).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn value(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::internal(format!("the runs cannot be written: {error}")).caused_by(error))
}

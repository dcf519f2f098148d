//! A tail: a load of files that grow.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xxhash_rust::xxh3::xxh3_64;

use crate::app::caller::{Caller, RunReport};
use crate::app::load::{Load, Task, runtime};
use crate::app::metrics::RunMetrics;
use crate::app::plan::TailPlan;
use crate::app::span;
use crate::error::{Error, Result};
use crate::port::runs::earlier_name;
use crate::source::follow::FollowOptions;
use crate::source::shown;

/// What is followed.
#[derive(Clone)]
pub(crate) struct Followed {
    /// The files, and how.
    pub(crate) options: FollowOptions,
    /// The checkpoint file, where a flag names one.
    checkpoint: Option<PathBuf>,
}

impl Followed {
    /// The checkpoint file for that table.
    pub(crate) fn checkpoint(&self, table: &str) -> PathBuf {
        if let Some(path) = &self.checkpoint {
            return path.clone();
        }
        let named_for = |inputs: Vec<String>, table: &str| {
            let hash = xxh3_64(format!("{}\n{table}", inputs.join("\n")).as_bytes());
            PathBuf::from(".mdsctl").join(format!("tail-{hash:016x}.json"))
        };
        let absolute =
            |pattern: &OsString| std::path::absolute(pattern).unwrap_or_else(|_| PathBuf::from(pattern));
        let absolute: Vec<PathBuf> = self.options.patterns.iter().map(absolute).collect();
        let inputs: Vec<String> = absolute.iter().map(|path| shown(straight(path))).collect();
        // As it was called before `..` was seen through, and names of tables had the quotes that they need.
        let before: Vec<String> = absolute.iter().map(shown).collect();
        let bare = earlier_name(table);
        let mut earlier = [(&before, table), (&inputs, &*bare), (&before, &*bare)]
            .into_iter()
            .map(|(inputs, table)| named_for(inputs.clone(), table));
        let own = named_for(inputs.clone(), table);
        if own.exists() { own } else { earlier.find(|path| path.exists()).unwrap_or(own) }
    }
}

/// An absolute path without `..`. Links stay, since they may lead elsewhere tomorrow.
fn straight(path: &Path) -> PathBuf {
    let mut way = PathBuf::new();
    for part in path.components() {
        if part != Component::ParentDir {
            way.push(part);
            continue;
        }
        if way.is_symlink()
            && let Ok(there) = way.canonicalize()
        {
            way = there;
        }
        way.pop();
    }
    way
}

/// Each followed file is held open: of what the system allows, as much as it takes.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, a file that cannot be opened is told.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Follows as the plan says, until it is asked to end or nothing comes any more.
///
/// # Errors
/// As those of a load.
pub fn run(caller: &Caller, plan: TailPlan, metrics: &RunMetrics) -> Result<RunReport> {
    let TailPlan { run, follow, checkpoint } = plan;
    if run.rejects.dry_run {
        return Err(Error::usage("tail has no --dry-run; mdsctl load --dry-run looks at a file"));
    }
    if let Some(format) = run.open.format.filter(|f| !f.grows()) {
        return Err(Error::usage(format!("{} cannot be followed; use mdsctl load", format.title)));
    }
    let pipe = run.inputs.iter().any(|input| input == "-");
    if pipe && run.inputs.len() > 1 {
        return Err(Error::usage(
            "a pipe (-) is followed alone; start one tail for it and one for the files",
        ));
    }
    open_many_files();
    let task = match pipe {
        true => Task::Pipe(follow.idle_exit),
        false => Task::Follow(Followed { options: follow, checkpoint }),
    };
    let runtime = runtime()?;
    let done = runtime.block_on(span::run("tail", Load::prepare(caller, run, task, metrics)?.run()));
    runtime.shutdown_background();
    done
}

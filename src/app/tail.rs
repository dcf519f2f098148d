//! A tail: a load of files that grow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::app::caller::{Caller, RunReport};
use crate::app::layout::Choice;
use crate::app::load::{Load, Task, runtime};
use crate::app::metrics::RunMetrics;
use crate::app::plan::TailPlan;
use crate::app::span;
use crate::error::{Error, Result};
use crate::source::{Chooser, are_streams, followed};
use crate::text::flags::{DRY_RUN, UNPIVOT};

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
    let TailPlan { mut run, mut follow } = plan;
    if run.layout == Choice::Auto && run.data.known_name().is_some() {
        // The rows are known before there is a file that could show its layout.
        run.layout = Choice::None;
    }
    let layouts = run.choice()?;
    follow.open.chooser = Chooser::of(layouts.clone());
    if run.rejects.dry_run {
        return Err(Error::usage(format!("tail has no {DRY_RUN}; mdsctl load {DRY_RUN} looks at a file")));
    }
    // A message is whole, whatever is in it.
    if let Some(format) = run.open.format.filter(|f| !f.grows() && !are_streams(&run.inputs)) {
        return Err(Error::usage(format!("{} cannot be followed; use mdsctl load", format.title)));
    }
    if let Some(unpivot) = &run.open.unpivot {
        return Err(Error::usage(format!(
            "{UNPIVOT} {} is for files that are whole; use mdsctl load",
            unpivot.text()
        )));
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
        false => Task::Follow(followed(follow)?),
    };
    let runtime = runtime()?;
    let done = runtime.block_on(span::run("tail", Load::prepare(caller, run, task, layouts, metrics)?.run()));
    runtime.shutdown_background();
    done
}

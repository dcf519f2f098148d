//! `mdsctl load`, `tail` and `replay-dlq`: the commands that write rows.

use anyhow::Result;

use crate::app;
use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::layout::Layout;
use crate::app::metrics::RunMetrics;
use crate::app::plan::TelemetryPlan;
use crate::cli::args::{GlobalArgs, LoadArgs, ReplayArgs, TailArgs};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::{plan, print, signals, traces};
use crate::report::shared_stderr::SharedStderr;

/// `load`.
pub fn load(global: &GlobalArgs, args: &LoadArgs, layouts: &[Layout], screen: &SharedStderr) -> Result<Exit> {
    let telemetry = (!args.rejects.dry_run).then(|| plan::telemetry(&args.engine));
    let name = plan::known_name(&args.data);
    told((telemetry, "load", name), &caller(Console::new(global, screen))?, |caller, metrics| {
        Ok(app::load::run(caller, plan::load(args, layouts)?, metrics)?.exit)
    })
}

/// `tail`.
pub fn tail(global: &GlobalArgs, args: &TailArgs, layouts: &[Layout], screen: &SharedStderr) -> Result<Exit> {
    let telemetry = (!args.rejects.dry_run).then(|| plan::telemetry(&args.engine));
    let name = plan::known_name(&args.data);
    told((telemetry, "tail", name), &caller(Console::new(global, screen))?, |caller, metrics| {
        Ok(app::tail::run(caller, plan::tail(args, layouts)?, metrics)?.exit)
    })
}

/// `replay-dlq`.
pub fn replay(global: &GlobalArgs, args: &ReplayArgs, screen: &SharedStderr) -> Result<Exit> {
    let telemetry = (!args.dry_run).then(|| plan::telemetry(&args.engine));
    let console = Console::new(global, screen).of_parts();
    told((telemetry, "replay-dlq", None), &caller(console)?, |caller, metrics| {
        let report = app::replay::run(caller, plan::replay(args)?, metrics)?;
        report.notes.iter().for_each(|note| caller.listener.note(note));
        if global.json {
            print(&format!("{}\n", report.result))?;
        }
        Ok(report.exit)
    })
}

fn caller(console: Console) -> Result<Caller> {
    Ok(Caller {
        run_id: traces::run_id(),
        listener: std::sync::Arc::new(console),
        interrupts: signals::heard()?,
    })
}

/// Runs a command, and tells how it ended to who is told of it. That takes note of the run before its plan is
/// understood, so that one that is wrong is seen by who watches.
fn told(
    (telemetry, command, name): (Option<TelemetryPlan>, &str, Option<&str>),
    caller: &Caller,
    run: impl FnOnce(&Caller, &RunMetrics) -> Result<Exit>,
) -> Result<Exit> {
    let metrics = match telemetry {
        None => RunMetrics::none(),
        Some(plan) => RunMetrics::start(&plan, command, name, caller)?,
    };
    let done = run(caller, &metrics);
    metrics.finish(done.as_ref().map_or_else(|error| Failure::of(error).exit, |exit| *exit));
    done
}

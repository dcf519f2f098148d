//! `mdsctl verify`: whether the store holds what inputs say.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::app;
use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::layout::Layout;
use crate::app::metrics::RunMetrics;
use crate::app::verify::{VerifyPlan, run as compare};
use crate::cli::args::{GlobalArgs, VerifyArgs};
use crate::cli::console::Console;
use crate::cli::{plan, print, signals, style_of_stdout, traces};
use crate::error::Error;
use crate::report::shared_stderr::SharedStderr;
use crate::report::verify;
use crate::settings::OnConflict;
use crate::text::flags::{ON_CONFLICT, REPAIR};

/// Compares, tells, and loads again what differs where that is asked for.
pub fn run(
    global: &GlobalArgs,
    args: &VerifyArgs,
    layouts: &[Layout],
    screen: &SharedStderr,
) -> Result<Exit> {
    let plan = plan::verify(args, layouts)?;
    if args.repair && plan.data.values.on_conflict != OnConflict::Update {
        bail!(Error::usage(format!(
            "{REPAIR} writes over rows that are different, which {ON_CONFLICT} forbids; leave one of them out"
        )));
    }
    // A repair is a run of its own: its result stands in that of the comparison.
    let console = Console::new(global, screen, true);
    let interrupts = signals::heard()?;
    let caller = Caller { run_id: traces::run_id(), listener: Arc::new(console), interrupts };
    let asked = VerifyPlan { sample: args.sample, export: args.export.clone(), force: args.force };
    let store = plan.to.store.shown();
    let (mut exit, found) = compare(&caller, plan, asked)?;
    let Some(found) = found else { return Ok(exit) };
    if !global.json {
        print(&verify::text(&found, style_of_stdout(global.color)))?;
    }
    for error in &found.errors {
        caller.listener.say(&format!("error: {error}"));
    }
    let mut repaired = None;
    if args.repair && exit == Exit::Rejects && found.missing + found.different > 0 {
        let report = app::load::run(&caller, plan::repair(args, layouts)?, &RunMetrics::none())?;
        exit = match report.exit {
            Exit::Stored if found.extra > 0 => Exit::Rejects,
            other => other,
        };
        repaired = Some(report.result.to_json());
    }
    if global.json {
        print(&(verify::json(&found, &store, repaired, exit as u8) + "\n"))?;
    }
    Ok(exit)
}

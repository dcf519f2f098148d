//! `mdsctl verify`: whether the store holds what inputs say.

use std::sync::Arc;

use anyhow::Result;

use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::layout::Layout;
use crate::app::metrics::RunMetrics;
use crate::app::verify::{VerifyPlan, run as compare};
use crate::app::{self};
use crate::cli::args::{GlobalArgs, VerifyArgs};
use crate::cli::console::Console;
use crate::cli::{plan, print, signals, style_of_stdout, traces};
use crate::report::shared_stderr::SharedStderr;
use crate::report::verify;

/// Compares, tells, and loads again what differs where that is asked for.
pub fn run(
    global: &GlobalArgs,
    args: &VerifyArgs,
    layouts: &[Layout],
    screen: &SharedStderr,
) -> Result<Exit> {
    let console = Console::new(global, screen, false);
    let interrupts = signals::heard()?;
    let caller = Caller { run_id: traces::run_id(), listener: Arc::new(console), interrupts };
    let asked = VerifyPlan { sample: args.sample, export: args.export.clone(), force: args.force };
    let (mut exit, found) = compare(&caller, plan::verify(args, layouts)?, asked)?;
    let Some(found) = found else { return Ok(exit) };
    let repair = args.repair && exit == Exit::Rejects && found.missing + found.different > 0;
    if global.json && !repair {
        print(&format!(
            "{}\n",
            verify::json(&found, &plan::destination(&args.store)?.store.shown(), exit as u8)
        ))?;
    } else if !global.json {
        print(&verify::text(&found, style_of_stdout(global.color)))?;
    }
    for error in &found.errors {
        crate::cli::voice::note(global, &format!("error: {error}"));
    }
    if repair {
        let report = app::load::run(&caller, plan::repair(args, layouts)?, &RunMetrics::none())?;
        exit = match report.exit {
            Exit::Stored if found.extra > 0 => Exit::Rejects,
            other => other,
        };
    }
    Ok(exit)
}

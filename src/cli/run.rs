//! `mdsctl load`, `tail` and `replay-dlq`: the commands that write rows.

use std::ffi::OsString;
use std::sync::Arc;

use anyhow::Result;

use crate::app;
use crate::app::caller::Caller;
use crate::app::exit::Exit;
use crate::app::layout::Layout;
use crate::app::metrics::RunMetrics;
use crate::cli::args::{EngineArgs, GlobalArgs, RowsArgs, StoreArgs, WriteCommand};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::{accept, plan, print, signals, traces};
use crate::report::shared_stderr::SharedStderr;
use crate::source::shown;

/// A command that writes rows, with what all of them have.
pub struct Writing<'a> {
    command: &'a WriteCommand,
    /// What it is called.
    pub word: &'static str,
    /// What it reads, as it is shown.
    pub inputs: Vec<String>,
    /// Where rows go.
    pub store: &'a StoreArgs,
    /// The dataset or table, as far as the flags say.
    pub name: Option<&'a str>,
    /// How they are written.
    pub engine: &'a EngineArgs,
    /// Whether nothing is.
    pub dry_run: bool,
}

impl<'a> Writing<'a> {
    /// That command.
    pub fn of(command: &'a WriteCommand) -> Self {
        let rows = |word, inputs: &[OsString], rows: &'a RowsArgs, engine| Self {
            command,
            word,
            inputs: inputs.iter().map(shown).collect(),
            store: &rows.store,
            name: rows.data.dataset.as_deref().or(rows.data.table.as_deref()),
            engine,
            dry_run: rows.rejects.dry_run,
        };
        match command {
            WriteCommand::Load(args) => rows("load", &args.inputs, &args.rows, &args.engine),
            WriteCommand::Tail(args) => rows("tail", &args.inputs, &args.rows, &args.engine),
            WriteCommand::ReplayDlq(args) => Self {
                command,
                word: "replay-dlq",
                inputs: args.queues.iter().map(shown).collect(),
                store: &args.store,
                name: None,
                engine: &args.engine,
                dry_run: args.dry_run,
            },
        }
    }
}

/// Runs it, and tells how it ended to who is told of it. That takes note of the run before its plan is understood, so
/// that one that is wrong is seen by who watches.
pub fn run(
    global: &GlobalArgs,
    what: &Writing<'_>,
    layouts: &[Layout],
    screen: &SharedStderr,
) -> Result<Exit> {
    let parts = matches!(what.command, WriteCommand::ReplayDlq(_));
    let console = Console::new(global, screen, parts);
    let interrupts = signals::heard()?;
    let caller = Caller { run_id: traces::run_id(), listener: Arc::new(console), interrupts };
    let metrics = match what.dry_run {
        true => RunMetrics::none(),
        false => RunMetrics::start(&plan::telemetry(what.engine), what.word, what.name, &caller)?,
    };
    let done = write(global, (what.command, layouts), &caller, &metrics);
    metrics.finish(done.as_ref().map_or_else(|error| Failure::of(error).exit, |exit| *exit));
    done
}

fn write(
    global: &GlobalArgs,
    (command, layouts): (&WriteCommand, &[Layout]),
    caller: &Caller,
    metrics: &RunMetrics,
) -> Result<Exit> {
    Ok(match command {
        WriteCommand::Load(args) => {
            let report = app::load::run(caller, plan::load(args, layouts)?, metrics)?;
            accept::offer(global, &report, &caller.interrupts)?;
            report.exit
        }
        WriteCommand::Tail(args) => app::tail::run(caller, plan::tail(args, layouts)?, metrics)?.exit,
        WriteCommand::ReplayDlq(args) => {
            let report = app::replay::run(caller, plan::replay(args)?, metrics)?;
            report.notes.iter().for_each(|note| caller.listener.note(note));
            if global.json {
                print(&format!("{}\n", report.result))?;
            }
            report.exit
        }
    })
}

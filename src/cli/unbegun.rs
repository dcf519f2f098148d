//! `--json` of a run that ended before it could say anything itself.

use crate::cli::args::{Cli, Command};
use crate::cli::exit::Exit;
use crate::cli::load::known_name;
use crate::cli::store::Store;
use crate::cli::{print, traces};
use crate::error::Error;
use crate::observe::result::{RunFacts, RunResult};
use crate::observe::tally::Tally;
use crate::settings::EngineSettings;

/// Prints the object of a command that writes, where it is asked for.
pub fn print_result(cli: &Cli, error: &Error) {
    if !cli.global.json {
        return;
    }
    let (command, inputs, store, dataset, dry_run) = match &cli.command {
        Command::Load(a) => ("load", a.inputs.clone(), &a.store, known_name(&a.data), a.rejects.dry_run),
        Command::Tail(a) => ("tail", a.inputs.clone(), &a.store, known_name(&a.data), a.rejects.dry_run),
        Command::ReplayDlq(a) => {
            let queues = a.queues.iter().map(|queue| queue.display().to_string()).collect();
            ("replay-dlq", queues, &a.store, None, a.dry_run)
        }
        _ => return,
    };
    let facts = RunFacts {
        run_id: traces::run_id().to_string(),
        command: command.to_owned(),
        dataset: dataset.map(str::to_owned),
        store: Store::choose(store).map(|(store, _)| store.shown()).unwrap_or_default(),
        inputs,
        exit_code: Some(Exit::from(error) as u8),
        error: Some(error.to_string()),
        dry_run,
        ..RunFacts::default()
    };
    let nothing = Tally::new(&EngineSettings::default()).snapshot();
    // Where nobody reads it, the exit code says the same.
    let _ = print(&(RunResult::new(&nothing, facts).to_json() + "\n"));
}

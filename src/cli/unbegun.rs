//! `--json` of a command that ended before it could say anything itself.

use serde_json::json;

use crate::app::dead_letters_only::Salvaged;
use crate::cli::args::{Cli, Command};
use crate::cli::failure::Failure;
use crate::cli::plan::known_name;
use crate::cli::store::choose;
use crate::cli::{print, traces, voice};
use crate::settings::EngineSettings;
use crate::source::shown;
use crate::telemetry::result::{RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;

/// Prints the object of a command whose line or configuration could not be understood.
pub fn print_unread(command: &str, failure: &Failure) {
    if matches!(command, "load" | "tail" | "replay-dlq") {
        return print_run(RunFacts { command: command.to_owned(), ..RunFacts::default() }, failure);
    }
    print_other(command, failure);
}

/// The object of a command that writes no rows.
fn print_other(command: &str, failure: &Failure) {
    let object = json!({
        "command": command,
        "exit_code": failure.exit as u8,
        "error": failure.message,
    });
    let _ = print(&voice::result(object));
}

fn print_run(facts: RunFacts, failure: &Failure) {
    let facts = RunFacts {
        run_id: traces::run_id().to_string(),
        exit_code: Some(failure.exit as u8),
        error: Some(failure.message.clone()),
        dlq: failure.salvaged.as_ref().map(|salvaged| salvaged.dlq.clone()).unwrap_or_default(),
        lost: failure.salvaged.as_ref().map_or(0, Salvaged::lost),
        ..facts
    };
    let mut counted = RunCounters::new(&EngineSettings::default()).snapshot();
    if let Some(salvaged) = &failure.salvaged {
        counted.books = salvaged.books;
    }
    // Where nobody reads it, the exit code says the same.
    let _ = print(&(RunResult::new(&counted, facts).to_json() + "\n"));
}

/// Prints the object of a command that failed before it could, where it is asked for.
pub fn print_result(cli: &Cli, failure: &Failure) {
    if !cli.global.json {
        return;
    }
    let (command, inputs, store, dataset, dry_run) = match &cli.command {
        Command::Load(a) => {
            ("load", a.inputs.iter().map(shown).collect(), &a.store, known_name(&a.data), a.rejects.dry_run)
        }
        Command::Tail(a) => {
            ("tail", a.inputs.iter().map(shown).collect(), &a.store, known_name(&a.data), a.rejects.dry_run)
        }
        Command::ReplayDlq(a) => {
            let queues = a.queues.iter().map(shown).collect();
            ("replay-dlq", queues, &a.store, None, a.dry_run)
        }
        Command::InspectDlq(_) => return print_other("inspect-dlq", failure),
        Command::Health(_) => return print_other("health", failure),
        Command::Runs(_) => return print_other("runs", failure),
        Command::Schema(_) => return print_other("schema", failure),
        Command::Completions(_) | Command::Man(_) => return,
    };
    let facts = RunFacts {
        command: command.to_owned(),
        dataset: dataset.map(str::to_owned),
        store: choose(store).map(|(store, _)| store.shown()).unwrap_or_default(),
        inputs,
        dry_run,
        ..RunFacts::default()
    };
    print_run(facts, failure);
}

//! `--json` of a command that ended before it could say anything itself.

use serde_json::json;

use crate::app::dead_letters_only::Salvaged;
use crate::cli::failure::Failure;
use crate::cli::run::Writing;
use crate::cli::store::choose;
use crate::cli::{print, traces};
use crate::telemetry::result::{RunFacts, RunResult, line};

/// Prints the object of a command that failed, with what is known of one that writes rows.
pub fn print_result(command: &str, writing: Option<&Writing<'_>>, failure: &Failure) {
    let text = match writing {
        None if !matches!(command, "load" | "tail" | "replay-dlq") => {
            line(json!({"command": command, "exit_code": failure.exit as u8, "error": failure.message}))
        }
        _ => of_run(command, writing, failure).to_json() + "\n",
    };
    // Where nobody reads it, the exit code says the same.
    let _ = print(&text);
}

fn of_run(command: &str, writing: Option<&Writing<'_>>, failure: &Failure) -> RunResult {
    let salvaged = failure.salvaged.as_ref();
    let store = writing.and_then(|run| choose(run.store).ok());
    let mut result = RunResult::unbegun(RunFacts {
        run_id: traces::run_id().to_string(),
        command: command.to_owned(),
        dataset: writing.and_then(|run| run.name).map(str::to_owned),
        store: store.map(|(store, _)| store.shown()).unwrap_or_default(),
        inputs: writing.map(|run| run.inputs.clone()).unwrap_or_default(),
        dlq: salvaged.map(|salvaged| salvaged.dlq.clone()).unwrap_or_default(),
        lost: salvaged.map_or(0, Salvaged::lost),
        exit_code: Some(failure.exit as u8),
        error: Some(failure.message.clone()),
        dry_run: writing.is_some_and(|run| run.dry_run),
        ..RunFacts::default()
    });
    if let Some(salvaged) = salvaged {
        result.rows.books = salvaged.books;
    }
    result
}

//! The command that loads what was looked at, accepted by a key.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt as _;

use crate::app::caller::RunReport;
use crate::app::exit::Exit;
use crate::app::interrupts::Interrupts;
use crate::cli::args::GlobalArgs;
use crate::cli::voice;
use crate::error::{Error, Result, words};
use crate::report::keys;

/// Offers to run the command that a dry run or a refused load has come to, where somebody sits at a terminal and
/// nothing is left to say in it. It takes the place of this process.
pub fn offer(global: &GlobalArgs, report: &RunReport, interrupts: &Interrupts) -> Result<()> {
    let ended = matches!(report.exit, Exit::Stored | Exit::Rejects | Exit::Usage);
    let Some(preview) = report.result.preview.as_ref().filter(|preview| preview.complete && ended) else {
        return Ok(());
    };
    let attended = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let watched = attended && std::env::var_os("CI").is_none_or(|value| value.is_empty());
    let plain = !global.quiet && !global.json && !voice::is_json();
    if !watched || !plain || preview.words.iter().any(|word| word == "-") || !keys::are_ours() {
        return Ok(());
    }
    voice::tell("Enter runs that command; any other key leaves it.");
    if !keys::is_enter(|| interrupts.exit().is_some()) {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::internal(format!("it cannot be started: {}", words(&error)));
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(std::process::Command::new(program).args(&preview.words).exec()))
}

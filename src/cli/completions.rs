//! `mdsctl completions`: what a shell completes, from the command line's own description.

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::error::{Error, Result};

/// Runs it.
pub fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mdsctl", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::Internal(format!("the completions are not text: {error}")))?;
    print(&script)?;
    Ok(Exit::Stored)
}

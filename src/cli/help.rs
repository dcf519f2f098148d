//! The command line as `--help` shows it: wrapped once, to the width that there is.

use std::io::IsTerminal as _;

use clap::{Command, CommandFactory};

use crate::cli::args::Cli;
use crate::text::phrases::paragraphs;

/// Columns where nobody says how many there are, and the most that are used.
const WIDTH: usize = 80;
const MOST: usize = 100;

/// All commands, for this terminal.
pub fn command() -> Command {
    let width = width();
    wrapped(Cli::command(), width)
}

fn width() -> usize {
    let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    columns().or_else(said).unwrap_or(WIDTH).clamp(40, MOST)
}

/// Columns of the terminal that stdout is; `None` where it is none.
pub fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn wrapped(command: Command, width: usize) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let text = command.get_after_help().map(|text| paragraphs(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    let command = command.term_width(width);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| wrapped(sub, width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_and_examples_are_not() {
        let text = "Examples:\n  a b\n  c\n\nSome words\nand more.\n\nThe end.";
        assert_eq!(paragraphs(text), "Examples:\n  a b\n  c\n\nSome words and more.\n\nThe end.");
    }
}

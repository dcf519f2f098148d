//! The command line: arguments to settings, one file a subcommand, exit codes.

mod args;
mod asked;
mod completions;
mod config;
mod ending;
mod exit;
mod export;
mod filter;
mod follow;
mod health;
mod history;
mod inspect;
mod keep;
mod letters;
mod load;
mod log;
mod man;
mod metrics;
mod process;
mod queues;
mod replay;
mod resume;
mod runs;
mod salvage;
mod schema;
mod settings;
mod signals;
mod store;
mod tail;
mod traces;
mod unbegun;
mod values;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::error::Error;
use crate::observe::screen::Screen;
use crate::observe::style::{ColorChoice, Ink, Style};
use args::{Cli, Color, Command, GlobalArgs};
pub use exit::Exit;

/// Runs the command that the process was started with.
pub fn run() -> Exit {
    if let Some(done) = documentation() {
        return done.unwrap_or_else(|error| complain(&error, None));
    }
    let command = match config::with_defaults(Cli::command(), config_flag().as_deref()) {
        Ok(command) => command,
        Err(error) if is_health() => return health::misread(&error.to_string()),
        Err(error) => return complain(&error, None),
    };
    let parsed = command.try_get_matches().and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && is_health() => return health::misread(&error.to_string()),
        Err(error) => {
            // Help that nobody reads any more (a closed pipe) is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Stored };
        }
    };
    if matches!(cli.command, Command::Load(_) | Command::Tail(_) | Command::ReplayDlq(_))
        && let Err(error) = signals::heard()
    {
        unbegun::print_result(&cli, &error);
        return complain(&error, Some(&cli.global));
    }
    let screen = Screen::default();
    let traces = match traces::start(&cli.command) {
        Ok(traces) => traces,
        Err(error) => {
            unbegun::print_result(&cli, &error);
            return complain(&error, Some(&cli.global));
        }
    };
    log::start(&cli.global, &screen, traces.traces.as_ref());
    if let Some(note) = traces.note {
        tracing::warn!("{note}");
    }
    let done = match &cli.command {
        Command::Load(args) => load::run(&cli.global, args, &screen),
        Command::Tail(args) => tail::run(&cli.global, args, &screen),
        Command::InspectDlq(args) => inspect::run(&cli.global, args),
        Command::ReplayDlq(args) => replay::run(&cli.global, args, &screen),
        Command::Health(args) => health::run(&cli.global, args),
        Command::Runs(args) => runs::run(&cli.global, args),
        Command::Schema(args) => schema::run(&cli.global, args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    if let Some(traces) = traces.traces {
        traces.finish();
    }
    done.unwrap_or_else(|error| {
        unbegun::print_result(&cli, &error);
        complain(&error, Some(&cli.global))
    })
}

/// What is generated from the command line alone: done before any configuration is read, so that a
/// broken one is no obstacle.
fn documentation() -> Option<Result<Exit, Error>> {
    match Cli::try_parse().ok()?.command {
        Command::Completions(args) => Some(completions::run(&args)),
        Command::Man(args) => Some(man::run(&args)),
        _ => None,
    }
}

/// Whether the command is the one whose exit codes mean something else.
fn is_health() -> bool {
    let commands: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let first = std::env::args().skip(1).find(|arg| commands.contains(arg));
    first.as_deref() == Some("health")
}

/// One sentence, and the exit code that goes with it.
fn complain(error: &Error, global: Option<&GlobalArgs>) -> Exit {
    let style = style(global.map_or(Color::Auto, |g| g.color));
    tell(&format!("{} {error}", style.paint(Ink::Bad, "error:")));
    Exit::from(error)
}

/// A line on stderr; if nobody reads stderr, nobody is told.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Lines on stdout. A reader that has gone away has read enough; any other failure is one.
fn print(text: &str) -> Result<(), Error> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Internal(format!("the result cannot be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Of what goes to stderr.
fn style(color: Color) -> Style {
    Style::resolve(choice(color), std::io::stderr().is_terminal())
}

/// Of what goes to stdout.
fn style_of_stdout(color: Color) -> Style {
    Style::resolve(choice(color), std::io::stdout().is_terminal())
}

fn choice(color: Color) -> ColorChoice {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// `--config` has to be known before the command line can be parsed with its defaults.
fn config_flag() -> Option<PathBuf> {
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") => return None,
            Some("--config") => return args.next().map(PathBuf::from),
            Some(text) if text.starts_with("--config=") => {
                return Some(PathBuf::from(&text["--config=".len()..]));
            }
            _ => {}
        }
    }
    None
}

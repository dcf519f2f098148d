//! The command line: arguments to plans, what use cases tell to the two streams, exit codes.

mod accept;
mod args;
mod config;
mod console;
mod failure;
mod health;
mod help;
mod inspect;
mod log;
mod pages;
mod plan;
mod run;
mod runs;
mod schema;
mod signals;
mod store;
mod traces;
mod typed;
mod unbegun;
mod values;
mod verify;
mod voice;

use std::io::IsTerminal;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, ValueEnum};

pub use crate::app::configuration::Places;
use crate::app::exit::Exit;
use crate::app::{layout, paste};
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::{ColorChoice, Style};
use crate::text::phrases::before_usage;
use args::{Cli, Command, GlobalArgs, LogFormat, WriteCommand};
use failure::Failure;
use run::Writing;
use typed::Typed;
use voice::print;

/// Runs the command that the process was started with.
pub fn run() -> Exit {
    let typed = Typed::read();
    let format = typed.value("log-format").and_then(|form| LogFormat::from_str(form.to_str()?, true).ok());
    voice::speak(format.unwrap_or(LogFormat::Text));
    let unread = |failure: Failure, json: bool, said: Option<&clap::Error>| {
        let command = typed.command().unwrap_or_default();
        if command == "health" {
            return health::misread(&failure.message, json);
        }
        if json {
            unbegun::print_result(command, None, &failure);
        }
        match said {
            Some(said) => voice::misused(said, style(ColorChoice::Auto)),
            None => return complain(&failure, None),
        }
        failure.exit
    };
    let read = match typed.command() {
        // Made of the command line alone: a broken configuration is no obstacle.
        Some("completions" | "man") => Ok((help::command(), Places::default())),
        _ => config::with_defaults(help::command(), typed.value("config").map(Path::new)),
    };
    let (mut command, places) = match read {
        Ok(read) => read,
        Err(error) => return unread(Failure::of(&error.into()), typed.has("json"), None),
    };
    if typed.value("layout").is_some_and(|name| name == "help") {
        let listed = layout::listed(&places.layouts).and_then(|text| print(&text));
        return listed.map_or_else(|error| complain(&Failure::of(&error.into()), None), |()| Exit::Stored);
    }
    let defaults = |long: &str| {
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(long));
        flag.and_then(|flag| flag.get_default_values().first()?.to_str().map(str::to_owned))
    };
    let json = typed.has("json") || defaults("json").as_deref() == Some("true");
    if let (None, Some(form)) = (format, defaults("log-format")) {
        voice::speak(LogFormat::from_str(&form, true).unwrap_or(LogFormat::Text));
    }
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            return match failure::placed(&error, &command, &typed, &places) {
                Some(placed) => unread(Failure::of_usage(placed), json, None),
                None => {
                    unread(Failure::of_usage(before_usage(&error.render().to_string())), json, Some(&error))
                }
            };
        }
        Err(error) => {
            // Help that nobody reads any more (a closed pipe) is no failure.
            let _ = error.print();
            return Exit::Stored;
        }
    };
    voice::speak(cli.global.log_format);
    let writing = match &cli.command {
        Command::Write(command) => Some(Writing::of(command)),
        _ => None,
    };
    let failed = |error: anyhow::Error| {
        failure::log_causes(&error);
        let mut failure = Failure::of(&error);
        if failure.exit == Exit::Usage {
            if matches!(cli.command, Command::Write(WriteCommand::Load(_) | WriteCommand::Tail(_))) {
                failure.message = paste::with_words(failure.message, typed.words());
            }
            let placed = failure::said_where(&failure.message, &matches, &command, &places);
            failure.message = placed.unwrap_or(failure.message);
        }
        if cli.global.json {
            unbegun::print_result(matches.subcommand_name().unwrap_or_default(), writing.as_ref(), &failure);
        }
        complain(&failure, Some(&cli.global))
    };
    if writing.is_some()
        && let Err(error) = signals::heard()
    {
        return failed(error.into());
    }
    let screen = SharedStderr::default();
    let (traces, note) = match writing.as_ref().map(|writing| traces::start(writing.engine)).transpose() {
        Ok(traces) => traces.unwrap_or_default(),
        Err(error) => return failed(error.into()),
    };
    log::start(&cli.global, &screen, traces.as_ref());
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    if let Some(warning) = places.warning(matches.subcommand_name()) {
        voice::note(&cli.global, &format!("warning: {warning}"));
    }
    let done = match &cli.command {
        Command::Write(command) => run::run(&cli.global, &Writing::of(command), &places.layouts, &screen),
        Command::InspectDlq(args) => inspect::run(&cli.global, args),
        Command::Verify(args) => verify::run(&cli.global, args, &places.layouts, &screen),
        Command::Health(args) => health::run(&cli.global, args),
        Command::Runs(args) => runs::run(&cli.global, args),
        Command::Schema(args) => schema::run(&cli.global, args),
        Command::Completions(args) => pages::completions(args),
        Command::Man(args) => pages::man(args),
    };
    if let Some(traces) = traces {
        traces.finish();
    }
    done.unwrap_or_else(failed)
}

/// The command line, for what is made of it: completions and manual.
pub fn command() -> clap::Command {
    Cli::command()
}

/// One sentence, and the exit code that goes with it.
fn complain(failure: &Failure, global: Option<&GlobalArgs>) -> Exit {
    voice::complain(&failure.message, style(global.map_or(ColorChoice::Auto, |g| g.color)));
    failure.exit
}

/// Of what goes to stderr.
fn style(color: ColorChoice) -> Style {
    Style::resolve(color, std::io::stderr().is_terminal())
}

/// Of what goes to stdout.
fn style_of_stdout(color: ColorChoice) -> Style {
    Style::resolve(color, std::io::stdout().is_terminal())
}

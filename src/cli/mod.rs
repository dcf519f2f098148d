//! The command line: arguments to plans, what use cases tell to the two streams, exit codes.

mod args;
mod config;
mod console;
mod failure;
mod filter;
mod health;
mod help;
mod inspect;
mod log;
mod pages;
mod paste;
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
mod voice;

use std::io::IsTerminal;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};

pub use crate::app::exit::Exit;
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::{ColorChoice, Style};
use crate::settings::holds_password;
use args::{Cli, Command, GlobalArgs, LogFormat};
use config::Places;
use failure::Failure;
use typed::Typed;
use voice::{print, tell};

/// Runs the command that the process was started with.
pub fn run() -> Exit {
    if let Some(done) = documentation() {
        return done.unwrap_or_else(|error| complain(&Failure::of(&error), None));
    }
    let typed = Typed::read();
    let format = typed.value("log-format").and_then(|form| LogFormat::from_str(form.to_str()?, true).ok());
    voice::speak(format.unwrap_or(LogFormat::Text));
    let unread = |failure: Failure, json: bool| -> Exit {
        if typed.command() == Some("health") {
            return health::misread(&failure.message, json);
        }
        if json {
            unbegun::print_unread(typed.command().unwrap_or_default(), &failure);
        }
        complain(&failure, None)
    };
    let (mut command, places) = match config::with_defaults(help::command(), typed.config().as_deref()) {
        Ok(read) => read,
        Err(error) => return unread(Failure::from(error), typed.has("json")),
    };
    if typed.value("layout").is_some_and(|name| name == "help") {
        return pages::layouts(&places.layouts).unwrap_or_else(|error| complain(&Failure::of(&error), None));
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
            if let Some(placed) = failure::placed(&error, &command, &typed, &places) {
                return unread(Failure::of_usage(placed), json);
            }
            let short = Failure::of_usage(voice::in_short(&error.render().to_string()));
            if typed.command() == Some("health") {
                return unread(short, json);
            }
            if json {
                unbegun::print_unread(typed.command().unwrap_or_default(), &short);
            }
            voice::misused(&error, style(ColorChoice::Auto));
            return Exit::Usage;
        }
        Err(error) => {
            // Help that nobody reads any more (a closed pipe) is no failure.
            let _ = error.print();
            return Exit::Stored;
        }
    };
    voice::speak(cli.global.log_format);
    let failed = |error: anyhow::Error| {
        failure::log_causes(&error);
        let mut failure = Failure::of(&error);
        if failure.exit == Exit::Usage {
            failure.message = paste::command(failure.message, &cli.command, &typed);
            failure.message = failure::said_where(failure.message, &matches, &command, &places);
        }
        unbegun::print_result(&cli, &failure);
        complain(&failure, Some(&cli.global))
    };
    if matches!(cli.command, Command::Load(_) | Command::Tail(_) | Command::ReplayDlq(_))
        && let Err(error) = signals::heard()
    {
        return failed(error.into());
    }
    let screen = SharedStderr::default();
    let traces = match traces::start(&cli.command) {
        Ok(traces) => traces,
        Err(error) => return failed(error.into()),
    };
    log::start(&cli.global, &screen, traces.traces.as_ref());
    if let Some(note) = traces.note {
        tracing::warn!("{note}");
    }
    if let Some(warning) = open_secret(&matches, &places).filter(|_| !cli.global.quiet) {
        tell(&format!("warning: {warning}"));
    }
    let done = match &cli.command {
        Command::Load(args) => run::load(&cli.global, args, &places.layouts, &screen),
        Command::Tail(args) => run::tail(&cli.global, args, &places.layouts, &screen),
        Command::InspectDlq(args) => inspect::run(&cli.global, args),
        Command::ReplayDlq(args) => run::replay(&cli.global, args, &screen),
        Command::Health(args) => health::run(&cli.global, args),
        Command::Runs(args) => runs::run(&cli.global, args),
        Command::Schema(args) => schema::run(&cli.global, args),
        Command::Completions(args) => pages::completions(args),
        Command::Man(args) => pages::man(args),
    };
    if let Some(traces) = traces.traces {
        traces.finish();
    }
    done.unwrap_or_else(failed)
}

/// The command line, for what is made of it: completions and manual.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What to say of a password in a configuration file that everybody may read.
fn open_secret(matches: &ArgMatches, places: &Places) -> Option<String> {
    let (word, own) = matches.subcommand()?;
    let own = own.subcommand().map_or(own, |(_, deeper)| deeper);
    let text = |id: &str| own.try_get_raw(id).ok().flatten()?.next()?.to_str().map(str::to_owned);
    places.warning(word, |flag| match flag {
        "dsn" => text("dsn").is_some_and(|dsn| holds_password(&dsn)),
        "metrics-token" | "token" => true,
        "otlp" | "feedback-url" | "url" => {
            text(&flag.replace('-', "_")).is_some_and(|url| holds_password(&url))
        }
        _ => false,
    })
}

/// What is generated from the command line alone: done before any configuration is read, so that a
/// broken one is no obstacle.
fn documentation() -> Option<anyhow::Result<Exit>> {
    match Cli::try_parse().ok()?.command {
        Command::Completions(args) => Some(pages::completions(&args)),
        Command::Man(args) => Some(pages::man(&args)),
        _ => None,
    }
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

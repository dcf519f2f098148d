//! The command line: arguments to plans, what use cases tell to the two streams, exit codes.

mod args;
mod asked;
mod completions;
mod config;
mod console;
mod filter;
mod health;
mod help;
mod inspect;
mod log;
mod man;
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

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches, Parser, ValueEnum};

pub use crate::app::exit::Exit;
use crate::error::Error;
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::{ColorChoice, Style};
use args::{Cli, Color, Command, GlobalArgs, LogFormat};
use config::Places;
use typed::Typed;
use voice::{print, tell};

/// Runs the command that the process was started with.
pub fn run() -> Exit {
    if let Some(done) = documentation() {
        return done.unwrap_or_else(|error| complain(&error, None));
    }
    let typed = Typed::read();
    let format = typed.value("log-format").and_then(|form| LogFormat::from_str(form.to_str()?, true).ok());
    voice::speak(format.unwrap_or(LogFormat::Text));
    let unread = |error: Error, json: bool| -> Exit {
        if typed.command() == Some("health") {
            return health::misread(&error.to_string(), json);
        }
        if json {
            unbegun::print_unread(typed.command().unwrap_or_default(), &error);
        }
        complain(&error, None)
    };
    let (mut command, places) = match config::with_defaults(help::command(), typed.config().as_deref()) {
        Ok(read) => read,
        Err(error) => return unread(error, typed.has("json")),
    };
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
            if let Some(placed) = placed(&error, &command, &typed, &places) {
                return unread(Error::Usage(placed), json);
            }
            let short = Error::Usage(voice::in_short(&error.render().to_string()));
            if typed.command() == Some("health") {
                return unread(short, json);
            }
            if json {
                unbegun::print_unread(typed.command().unwrap_or_default(), &short);
            }
            voice::misused(&error, style(Color::Auto));
            return Exit::Usage;
        }
        Err(error) => {
            // Help that nobody reads any more (a closed pipe) is no failure.
            let _ = error.print();
            return Exit::Stored;
        }
    };
    voice::speak(cli.global.log_format);
    let failed = |error: Error| {
        let error = match error {
            Error::Usage(message) => {
                let message = paste::command(message, &cli.command, &typed);
                Error::Usage(said_where(message, &matches, &command, &places))
            }
            error => error,
        };
        unbegun::print_result(&cli, &error);
        complain(&error, Some(&cli.global))
    };
    if matches!(cli.command, Command::Load(_) | Command::Tail(_) | Command::ReplayDlq(_))
        && let Err(error) = signals::heard()
    {
        return failed(error);
    }
    let screen = SharedStderr::default();
    let traces = match traces::start(&cli.command) {
        Ok(traces) => traces,
        Err(error) => return failed(error),
    };
    log::start(&cli.global, &screen, traces.traces.as_ref());
    if let Some(note) = traces.note {
        tracing::warn!("{note}");
    }
    if let Some(warning) = open_secret(&matches, &places).filter(|_| !cli.global.quiet) {
        tell(&format!("warning: {warning}"));
    }
    let done = match &cli.command {
        Command::Load(args) => run::load(&cli.global, args, &screen),
        Command::Tail(args) => run::tail(&cli.global, args, &screen),
        Command::InspectDlq(args) => inspect::run(&cli.global, args),
        Command::ReplayDlq(args) => run::replay(&cli.global, args, &screen),
        Command::Health(args) => health::run(&cli.global, args),
        Command::Runs(args) => runs::run(&cli.global, args),
        Command::Schema(args) => schema::run(&cli.global, args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    if let Some(traces) = traces.traces {
        traces.finish();
    }
    done.unwrap_or_else(failed)
}

/// A value that cannot be read and was not typed, with the place where it stands: a variable, or a line of
/// the configuration file.
fn placed(error: &clap::Error, command: &clap::Command, typed: &Typed, places: &Places) -> Option<String> {
    let word = typed.command()?;
    let own = command.get_subcommands().find(|c| c.get_name() == word)?;
    let flags = || command.get_arguments().chain(own.get_arguments());
    let deeper = || flags().chain(own.get_subcommands().flat_map(clap::Command::get_arguments));
    if error.kind() == ErrorKind::InvalidUtf8 {
        let is_text =
            |name: &&std::ffi::OsStr| std::env::var_os(name).is_none_or(|value| value.to_str().is_some());
        let variable = deeper().filter_map(clap::Arg::get_env).find(|name| !is_text(name))?;
        return Some(format!("{}: its value is not valid UTF-8", variable.to_string_lossy()));
    }
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else { return None };
    // The flags of other commands are not built and cannot be shown, so it is found by its name.
    let long = named.split_whitespace().next()?.strip_prefix("--").filter(|long| !typed.has(long))?;
    let flag = deeper().find(|flag| flag.get_long() == Some(long))?;
    let variable = flag.get_env().filter(|name| std::env::var_os(name).is_some());
    let place = match variable {
        Some(variable) => variable.to_string_lossy().into_owned(),
        None => places.of(word, long)?,
    };
    Some(format!("{place}: {}", voice::in_short(&error.render().to_string())))
}

/// A message that begins with a flag which was not typed, with the place where it stands.
fn said_where(message: String, matches: &ArgMatches, command: &clap::Command, places: &Places) -> String {
    let Some((word, own)) = matches.subcommand() else { return message };
    let Some(named) = message.strip_prefix("--") else { return message };
    let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(named.len());
    let (long, rest) = named.split_at(end);
    let (mut own, mut level) = (own, command.find_subcommand(word));
    if let Some((deeper, found)) = own.subcommand() {
        (own, level) = (found, level.and_then(|level| level.find_subcommand(deeper)));
    }
    let Some(flag) = level.and_then(|l| l.get_arguments().find(|flag| flag.get_long() == Some(long))) else {
        return message;
    };
    match own.value_source(flag.get_id().as_str()) {
        Some(ValueSource::EnvVariable) => {
            let variable = flag.get_env().unwrap_or_default().to_string_lossy();
            format!("{variable}{rest}")
        }
        Some(ValueSource::DefaultValue) => match places.of(word, long) {
            Some(place) => format!("{place}: {long}{rest}"),
            None => message,
        },
        _ => message,
    }
}

/// What to say of a password in a configuration file that everybody may read.
fn open_secret(matches: &ArgMatches, places: &Places) -> Option<String> {
    let (word, own) = matches.subcommand()?;
    let own = own.subcommand().map_or(own, |(_, deeper)| deeper);
    let text = |id: &str| own.try_get_raw(id).ok().flatten()?.next()?.to_str().map(str::to_owned);
    places.warning(word, |flag| match flag {
        "dsn" => text("dsn").is_some_and(|dsn| store::holds_password(&dsn)),
        "metrics-token" | "token" => true,
        "otlp" | "feedback-url" | "url" => {
            text(&flag.replace('-', "_")).is_some_and(|url| store::holds_password(&url))
        }
        _ => false,
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

/// One sentence, and the exit code that goes with it.
fn complain(error: &Error, global: Option<&GlobalArgs>) -> Exit {
    voice::complain(&error.to_string(), style(global.map_or(Color::Auto, |g| g.color)));
    Exit::from(error)
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

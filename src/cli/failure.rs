//! What ended a command, and where what is wrong about it was said: a variable, or a line of the configuration file.

use std::error::Error as _;
use std::io;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;

use crate::app::configuration::Places;
use crate::app::dead_letters_only::Salvaged;
use crate::app::exit::Exit;
use crate::cli::typed::Typed;
use crate::error::{Error, words};
use crate::text::phrases::before_usage;

/// An error as it is told.
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The sentence.
    pub message: String,
    /// Rows of a pipe that were read already.
    pub salvaged: Option<Salvaged>,
}

impl Failure {
    /// The code is that of the typed error among what is said; without one it is a fault of ours. A typed
    /// error says all in its sentence: what it comes from is for the log (`-vv`).
    pub fn of(error: &anyhow::Error) -> Self {
        let exit = error.downcast_ref::<Error>().map_or(Exit::Internal, Exit::from);
        let mut said = Vec::new();
        for cause in error.chain() {
            said.push(in_words(cause));
            if cause.downcast_ref::<Error>().is_some_and(|typed| typed.source().is_some()) {
                break;
            }
        }
        let typed = error.downcast_ref::<Error>().and_then(|typed| typed.source());
        let salvaged = typed.and_then(|source| source.downcast_ref::<Salvaged>()).cloned();
        Self { exit, message: said.join(": "), salvaged }
    }

    /// A command line or a configuration that cannot be followed.
    pub fn of_usage(message: String) -> Self {
        Self { exit: Exit::Usage, message, salvaged: None }
    }
}

/// Logs what the error comes from.
pub fn log_causes(error: &anyhow::Error) {
    let mut deeper = error.downcast_ref::<Error>().and_then(|typed| typed.source());
    while let Some(cause) = deeper {
        tracing::debug!("comes from: {}", in_words(cause));
        deeper = cause.source();
    }
}

fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<io::Error>() {
        Some(of_system) => words(of_system),
        None => cause.to_string(),
    }
}

/// A value that cannot be read and was not typed, with the place where it stands: a variable, or a line of
/// the configuration file.
pub fn placed(
    error: &clap::Error,
    command: &clap::Command,
    typed: &Typed,
    places: &Places,
) -> Option<String> {
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
    Some(format!("{place}: {}", before_usage(&error.render().to_string())))
}

/// A message that begins with a flag which was not typed, with the place where it stands.
pub fn said_where(
    message: &str,
    matches: &ArgMatches,
    command: &clap::Command,
    places: &Places,
) -> Option<String> {
    let named = message.strip_prefix("--")?;
    let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(named.len());
    let (long, rest) = named.split_at(end);
    let (mut own, mut level) = (matches, command);
    while let Some((word, deeper)) = own.subcommand() {
        (own, level) = (deeper, level.find_subcommand(word)?);
    }
    let flag = level.get_arguments().find(|flag| flag.get_long() == Some(long))?;
    match own.value_source(flag.get_id().as_str())? {
        ValueSource::EnvVariable => Some(format!("{}{rest}", flag.get_env()?.to_string_lossy())),
        ValueSource::DefaultValue => {
            Some(format!("{}: {long}{rest}", places.of(matches.subcommand_name()?, long)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_code_is_that_of_the_typed_error_and_the_sentence_is_all_that_is_said() {
        let io = || io::Error::other("the disk is full");
        let untyped: anyhow::Error = Err::<(), _>(io()).context("x.1").unwrap_err();
        let outside = Err::<(), _>(io()).context(Error::usage("x.1")).unwrap_err();
        let inside = Err::<(), _>(Error::input("the disk is full")).context("x.1").unwrap_err();
        for (error, exit) in [(untyped, Exit::Internal), (outside, Exit::Usage), (inside, Exit::Input)] {
            let failure = Failure::of(&error);
            assert_eq!((failure.exit, &*failure.message), (exit, "x.1: the disk is full"));
        }
    }
}

//! The configuration file: the long names of flags, as defaults behind flag and environment.
//!
//! ```toml
//! dsn = "postgres://loader@db/market"
//! [load]
//! vendor = "acme"
//! workers = 4
//! map = ["ts=window_start"]
//! ```
//!
//! A name at the top holds for every command that has such a flag, one in a section for that
//! command. A name that no command has is an error, so that a slip of the pen is not overlooked.

use std::path::{Path, PathBuf};

use clap::Command;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// The command with the file's values as defaults.
pub fn with_defaults(command: Command, explicit: Option<&Path>) -> Result<Command> {
    let Some(path) = find(explicit) else { return Ok(command) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(Error::Usage(format!("configuration file {}: {error}", path.display()))),
    };
    apply(command, &text).map_err(|e| e.at(&format!("configuration file {}", path.display())))
}

/// The file to read: the one named, else the first that is there.
fn find(explicit: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = explicit {
        return Some(path.to_owned());
    }
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let candidates = [Some(PathBuf::from("mdsctl.toml")), home.map(|home| home.join("mdsctl/config.toml"))];
    candidates.into_iter().flatten().find(|path| path.is_file())
}

fn apply(mut command: Command, text: &str) -> Result<Command> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| Error::Usage(e.message().to_owned()))?;
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for (name, value) in &table {
        match value {
            Value::Table(section) if names.contains(name) => {
                for (flag, value) in section {
                    let (changed, known) = set(command, Some(name), flag, value)?;
                    command = changed;
                    if !known {
                        return Err(Error::Usage(format!("[{name}] {flag}: the command has no such flag")));
                    }
                }
            }
            Value::Table(_) => return Err(Error::Usage(format!("[{name}]: there is no such command"))),
            value => {
                let mut anywhere = false;
                for target in std::iter::once(None).chain(names.iter().map(|n| Some(n.as_str()))) {
                    let (changed, known) = set(command, target, name, value)?;
                    command = changed;
                    anywhere |= known;
                }
                if !anywhere {
                    return Err(Error::Usage(format!("{name}: no command has such a flag")));
                }
            }
        }
    }
    Ok(command)
}

/// Sets the default of a flag of a command and of the commands below it.
fn set(command: Command, target: Option<&str>, flag: &str, value: &Value) -> Result<(Command, bool)> {
    let long = flag.replace('_', "-");
    let texts = texts(flag, value)?;
    let mut known = false;
    let command = match target {
        None => on_this(command, &long, &texts, &mut known),
        Some(name) => command.mut_subcommand(name, |sub| {
            let below: Vec<String> = sub.get_subcommands().map(|c| c.get_name().to_owned()).collect();
            let sub = on_this(sub, &long, &texts, &mut known);
            below.iter().fold(sub, |sub, name| {
                sub.mut_subcommand(name, |deeper| on_this(deeper, &long, &texts, &mut known))
            })
        }),
    };
    Ok((command, known))
}

fn on_this(command: Command, long: &str, texts: &[String], known: &mut bool) -> Command {
    let id = command
        .get_arguments()
        .find(|a| a.get_long() == Some(long) && long != "config")
        .map(|a| a.get_id().clone());
    let Some(id) = id else { return command };
    *known = true;
    let texts = texts.to_vec();
    command.mut_arg(id, |arg| arg.default_values(texts))
}

fn texts(flag: &str, value: &Value) -> Result<Vec<String>> {
    Ok(match value {
        Value::String(text) => vec![text.clone()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(flag) => vec![flag.to_string()],
        Value::Array(items) => {
            items.iter().map(|item| texts(flag, item)).collect::<Result<Vec<_>>>()?.concat()
        }
        _ => return Err(Error::Usage(format!("{flag}: expected a text, a number, true, false or a list"))),
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::args::{Cli, Command as Chosen};

    fn parse(config: &str, line: &str) -> Result<Cli> {
        let command = apply(Cli::command(), config)?;
        let matches =
            command.try_get_matches_from(line.split(' ')).map_err(|e| Error::Usage(e.to_string()))?;
        Cli::from_arg_matches(&matches).map_err(|e| Error::Usage(e.to_string()))
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let config = "vendor = 'file'\n[load]\nworkers = 3\nkeep-case = true\nmap = ['ts=a', 'volume=b']";
        let Chosen::Load(load) = parse(config, "mdsctl load x.csv").unwrap().command else { panic!("load") };
        assert_eq!((load.data.vendor.as_deref(), load.engine.workers), (Some("file"), Some(3)));
        assert!(load.data.keep_case && load.data.map.len() == 2);
        let Chosen::Load(load) =
            parse(config, "mdsctl load x.csv --vendor flag --workers 1").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!((load.data.vendor.as_deref(), load.engine.workers), (Some("flag"), Some(1)));
    }

    #[test]
    fn slips_of_the_pen_are_named() {
        for (config, word) in
            [("vendr = 'x'", "vendr"), ("[load]\nvendr = 'x'", "vendr"), ("[lod]\nvendor = 'x'", "lod")]
        {
            let error = parse(config, "mdsctl load x.csv").unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

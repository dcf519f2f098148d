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
use toml::de::DeTable;
use toml::{Table, Value};

use crate::app::layout::Layout;
use crate::cli::store::DATABASE_URL;
use crate::error::{Error, Result, plain, words};

/// Where the file says what.
#[derive(Debug, Default)]
pub struct Places {
    path: PathBuf,
    /// Section, long name of the flag, line.
    lines: Vec<(Option<String>, String, usize)>,
    /// The mode of the file.
    mode: u32,
    /// The layouts in it.
    pub layouts: Vec<Layout>,
}

impl Places {
    /// Where a flag of a command is given, as `configuration file FILE:LINE`.
    pub fn of(&self, command: &str, long: &str) -> Option<String> {
        let own = |section: &Option<String>| section.as_deref() == Some(command);
        let found = self
            .lines
            .iter()
            .filter(|(section, flag, _)| flag == long && (section.is_none() || own(section)));
        // What a section says takes precedence over what is said at the top.
        let line = found.max_by_key(|(section, ..)| section.is_some()).map(|(_, _, line)| line)?;
        Some(format!("configuration file {}:{line}", self.path.display()))
    }

    /// What to say of a secret in a file that everybody may read. `is_secret` tells whether the value of a
    /// flag is one.
    pub fn warning(&self, command: &str, is_secret: impl Fn(&str) -> bool) -> Option<String> {
        if self.mode & 0o004 == 0 {
            return None;
        }
        let secret = self.lines.iter().find(|(section, flag, _)| {
            section.as_deref().is_none_or(|section| section == command) && is_secret(flag)
        });
        let (_, flag, line) = secret?;
        let (path, mode) = (self.path.display(), self.mode & 0o7777);
        let elsewhere = match flag.as_str() {
            "dsn" => ", or keep the password in ~/.pgpass",
            _ => "",
        };
        Some(format!(
            "configuration file {path}:{line}: {flag} holds a secret, and every user of this machine may read the file (mode {mode:04o}): chmod 600 {path}{elsewhere}"
        ))
    }
}

/// The command with the file's values as defaults, and where they stand.
pub fn with_defaults(command: Command, explicit: Option<&Path>) -> Result<(Command, Places)> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(path) = find(explicit) else { return Ok((command, Places::default())) };
    let read = std::fs::read_to_string(&path).and_then(|text| Ok((text, std::fs::metadata(&path)?)));
    let (text, meta) = match read {
        Ok(read) => read,
        Err(error) => {
            return Err(Error::usage(format!("configuration file {}: {}", path.display(), words(&error)))
                .caused_by(error));
        }
    };
    let at = |line: usize| format!("configuration file {}:{line}", path.display());
    let lines = lines(&text).map_err(|(line, why)| Error::usage(format!("{}: {why}", at(line))))?;
    let mut places =
        Places { path: path.clone(), lines, mode: meta.permissions().mode(), layouts: Vec::new() };
    let command = apply(command, &text, &mut places.layouts).map_err(|fault| {
        let same = |(section, flag, _): &&(Option<String>, String, usize)| {
            *section == fault.section && fault.flag.as_ref().is_none_or(|named| named == flag)
        };
        let line = places.lines.iter().find(same).map_or(1, |(_, _, line)| *line);
        Error::usage(format!("{}: {}", at(line), fault.why))
    })?;
    // A section itself is no flag.
    places.lines.retain(|(_, flag, _)| !flag.is_empty());
    for (_, flag, _) in &mut places.lines {
        *flag = flag.replace('_', "-");
    }
    Ok((command, places))
}

/// A section, a name in it, which a section itself has none of, and its line.
type Named = (Option<String>, String, usize);

/// Where names stand, or what is wrong in which line. A section has no flag.
fn lines(text: &str) -> std::result::Result<Vec<Named>, (usize, String)> {
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text)
        .map_err(|error| (line(error.span().map_or(0, |span| span.start)), of_toml(error.message())))?;
    let mut lines = Vec::new();
    for (name, value) in table.get_ref() {
        let at = line(name.span().start);
        match value.get_ref().as_table() {
            Some(section) => {
                lines.push((Some(name.get_ref().to_string()), String::new(), at));
                let flags = section.iter().map(|(flag, _)| {
                    let place = line(flag.span().start);
                    (Some(name.get_ref().to_string()), flag.get_ref().to_string(), place)
                });
                lines.extend(flags);
            }
            None => lines.push((None, name.get_ref().to_string(), at)),
        }
    }
    Ok(lines)
}

/// What the reader of TOML says, or that a value is none that it takes.
fn of_toml(message: &str) -> String {
    plain(message).unwrap_or_else(|| "a value there is too large, or of no kind that is taken".to_owned())
}

/// The section with the layouts of the user, each a table in it.
const LAYOUTS: &str = "layouts";

/// What is wrong with a name or its value.
#[derive(Debug)]
struct Fault {
    section: Option<String>,
    flag: Option<String>,
    why: String,
}

impl Fault {
    fn of(section: Option<&str>, flag: &str, why: impl Into<String>) -> Self {
        Self { section: section.map(str::to_owned), flag: Some(flag.to_owned()), why: why.into() }
    }
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

fn apply(mut command: Command, text: &str, layouts: &mut Vec<Layout>) -> Result<Command, Fault> {
    let whole = |e: toml::de::Error| Fault { section: None, flag: None, why: of_toml(e.message()) };
    let table: Table = text.parse().map_err(whole)?;
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for (name, value) in &table {
        match value {
            Value::Table(section) if names.contains(name) => {
                for (flag, value) in section {
                    let (changed, known) = set(command, Some(name), flag, value)
                        .map_err(|why| Fault::of(Some(name.as_str()), flag, why))?;
                    command = changed;
                    if !known {
                        let why = format!("[{name}] {flag}: the command has no such flag");
                        return Err(Fault::of(Some(name.as_str()), flag, why));
                    }
                }
            }
            Value::Table(section) if name == LAYOUTS => {
                for (name, table) in section {
                    let fault = |why| Fault::of(Some(LAYOUTS), name, why);
                    let table = table.as_table().ok_or_else(|| fault("a layout is a table".to_owned()))?;
                    layouts.push(Layout::read(name, table.clone()).map_err(fault)?);
                }
            }
            Value::Table(_) => {
                return Err(Fault::of(
                    Some(name.as_str()),
                    "",
                    format!("[{name}]: there is no such command"),
                ));
            }
            value => {
                let mut anywhere = false;
                for target in std::iter::once(None).chain(names.iter().map(|n| Some(n.as_str()))) {
                    let (changed, known) =
                        set(command, target, name, value).map_err(|why| Fault::of(None, name, why))?;
                    command = changed;
                    anywhere |= known;
                }
                if !anywhere {
                    return Err(Fault::of(None, name, format!("{name}: no command has such a flag")));
                }
            }
        }
    }
    Ok(command)
}

/// Sets the default of a flag of a command and of the commands below it.
fn set(command: Command, target: Option<&str>, flag: &str, value: &Value) -> Result<(Command, bool), String> {
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
    // A variable takes precedence over the file; the flag and `MDS_DSN` take precedence over this one.
    if long == "dsn" && std::env::var_os(DATABASE_URL).is_some_and(|url| !url.is_empty()) {
        return command;
    }
    let texts = texts.to_vec();
    command.mut_arg(id, |arg| arg.default_values(texts))
}

fn texts(flag: &str, value: &Value) -> Result<Vec<String>, String> {
    Ok(match value {
        Value::String(text) => vec![text.clone()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(flag) => vec![flag.to_string()],
        Value::Array(items) => {
            items.iter().map(|item| texts(flag, item)).collect::<Result<Vec<_>, String>>()?.concat()
        }
        _ => return Err(format!("{flag}: expected a text, a number, true, false or a list")),
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::args::{Cli, Command as Chosen};

    fn parse(config: &str, line: &str) -> Result<Cli> {
        let command =
            apply(Cli::command(), config, &mut Vec::new()).map_err(|fault| Error::usage(fault.why))?;
        let matches =
            command.try_get_matches_from(line.split(' ')).map_err(|e| Error::usage(e.to_string()))?;
        Cli::from_arg_matches(&matches).map_err(|e| Error::usage(e.to_string()))
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

    #[test]
    fn every_name_has_its_line() {
        let text = "# store\ndsn = 'x'\n\n[load]\nworkers = 3\n\n[tail]\nworkers = [\n1]\n";
        let places =
            Places { path: "a.toml".into(), lines: lines(text).unwrap(), mode: 0o644, layouts: vec![] };
        let of = |command, flag| places.of(command, flag);
        assert_eq!(of("load", "workers").as_deref(), Some("configuration file a.toml:5"));
        assert_eq!(of("tail", "workers").as_deref(), Some("configuration file a.toml:8"));
        assert_eq!(of("runs", "dsn").as_deref(), Some("configuration file a.toml:2"));
        assert_eq!(of("runs", "workers"), None);
        assert_eq!(lines("a = 1\nb = 'x\n").unwrap_err().0, 2);
    }
}

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
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Table};

use crate::app::layout::Layout;
use crate::cli::store::DATABASE_URL;
use crate::error::{Error, Result, plain, words};
use crate::settings::holds_password;

/// Where the file says what.
#[derive(Debug, Default)]
pub struct Places {
    path: PathBuf,
    /// The mode of the file.
    mode: u32,
    /// Names at the top, then those of sections.
    names: Vec<Named>,
    /// The layouts in it.
    pub layouts: Vec<Layout>,
}

/// A flag that the file gives values.
#[derive(Debug)]
struct Named {
    section: Option<String>,
    /// Its long name.
    flag: String,
    line: usize,
    values: Vec<String>,
}

/// The section with the layouts of the user, each a table in it.
const LAYOUTS: &str = "layouts";

/// A line, and what is wrong there.
type Fault = (usize, String);

impl Places {
    /// Where a flag of a command is given, as `configuration file FILE:LINE`.
    pub fn of(&self, command: &str, long: &str) -> Option<String> {
        // What a section says takes precedence over what is said at the top.
        let named = self.names.iter().rfind(|named| named.flag == long && named.is_of(command))?;
        Some(format!("configuration file {}:{}", self.path.display(), named.line))
    }

    /// What to say of a secret in a file that everybody may read.
    pub fn warning(&self, command: Option<&str>) -> Option<String> {
        if self.mode & 0o004 == 0 {
            return None;
        }
        let Named { flag, line, .. } =
            self.names.iter().find(|named| named.is_of(command.unwrap_or_default()) && named.is_secret())?;
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

impl Named {
    fn is_secret(&self) -> bool {
        match self.flag.as_str() {
            "metrics-token" | "token" => true,
            "dsn" | "otlp" | "feedback-url" | "url" => self.values.iter().any(|text| holds_password(text)),
            _ => false,
        }
    }

    fn is_of(&self, command: &str) -> bool {
        self.section.as_deref().is_none_or(|section| section == command)
    }
}

/// The command with the file's values as defaults, and where they stand.
pub fn with_defaults(command: Command, explicit: Option<&Path>) -> Result<(Command, Places)> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(path) = find(explicit) else { return Ok((command, Places::default())) };
    let read = std::fs::read_to_string(&path).and_then(|text| Ok((text, std::fs::metadata(&path)?)));
    let (text, meta) = read.map_err(|error| {
        Error::usage(format!("configuration file {}: {}", path.display(), words(&error))).caused_by(error)
    })?;
    let (command, names, layouts) = apply(command, &text).map_err(|(line, why)| {
        Error::usage(format!("configuration file {}:{line}: {why}", path.display()))
    })?;
    Ok((command, Places { path, mode: meta.permissions().mode(), names, layouts }))
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

/// The command with the values of that text as defaults, the names in it, and its layouts.
fn apply(command: Command, text: &str) -> Result<(Command, Vec<Named>, Vec<Layout>), Fault> {
    let (names, layouts) = names(text, &command)?;
    let command = names.iter().try_fold(command, |command, named| {
        let mut known = false;
        let command = set(command, named.section.as_deref(), named, &mut known);
        match (&named.section, known) {
            (_, true) => Ok(command),
            (Some(section), _) => {
                Err((named.line, format!("[{section}] {}: the command has no such flag", named.flag)))
            }
            (None, _) => Err((named.line, format!("{}: no command has such a flag", named.flag))),
        }
    })?;
    Ok((command, names, layouts))
}

/// The names in a text, those of sections last, and its layouts.
fn names(text: &str, command: &Command) -> Result<(Vec<Named>, Vec<Layout>), Fault> {
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let why = plain(error.message()).unwrap_or_else(|| "that is not TOML".to_owned());
        (line(error.span().map_or(0, |span| span.start)), why)
    })?;
    let named = |section: Option<&str>, name: &Spanned<DeString<'_>>, value: &DeValue<'_>| {
        let (flag, line) = (name.get_ref().replace('_', "-"), line(name.span().start));
        match texts(value) {
            Ok(values) => Ok(Named { section: section.map(str::to_owned), flag, line, values }),
            Err(why) => Err((line, format!("{flag}: {why}"))),
        }
    };
    let (mut names, mut of_sections, mut layouts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in table.get_ref() {
        match value.get_ref().as_table() {
            None => names.push(named(None, name, value.get_ref())?),
            Some(section) if name.get_ref() == LAYOUTS => {
                for (name, layout) in section {
                    let fault = |why| (line(name.span().start), why);
                    let table = Table::deserialize(layout.clone().into_deserializer());
                    let table = table.map_err(|_| fault("a layout is a table".to_owned()))?;
                    layouts.push(Layout::read(name.get_ref(), table).map_err(fault)?);
                }
            }
            Some(section) => {
                let command = command.find_subcommand(&**name.get_ref()).ok_or_else(|| {
                    (line(name.span().start), format!("[{}]: there is no such command", name.get_ref()))
                })?;
                for (flag, value) in section {
                    of_sections.push(named(Some(command.get_name()), flag, value.get_ref())?);
                }
            }
        }
    }
    names.append(&mut of_sections);
    Ok((names, layouts))
}

/// Sets the default of a flag, in all commands or in that of its section, and in the commands below.
fn set(command: Command, section: Option<&str>, named: &Named, known: &mut bool) -> Command {
    let is_meant = |sub: &&Command| section.is_none_or(|section| section == sub.get_name());
    let below: Vec<String> =
        command.get_subcommands().filter(is_meant).map(|sub| sub.get_name().to_owned()).collect();
    let own = command.get_arguments().find(|flag| flag.get_long() == Some(&named.flag));
    let own = own.filter(|_| section.is_none() && named.flag != "config").map(|flag| flag.get_id().clone());
    let command = below
        .iter()
        .fold(command, |command, name| command.mut_subcommand(name, |sub| set(sub, None, named, known)));
    let Some(own) = own else { return command };
    *known = true;
    // A variable takes precedence over the file; the flag and `MDS_DSN` take precedence over this one.
    if named.flag == "dsn" && std::env::var_os(DATABASE_URL).is_some_and(|url| !url.is_empty()) {
        return command;
    }
    let values = named.values.clone();
    command.mut_arg(own, |flag| flag.default_values(values))
}

/// A value as it would be typed.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    Ok(match value {
        DeValue::String(text) => vec![text.to_string()],
        DeValue::Integer(number) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            vec![value.map_err(|_| "the number is too large")?.to_string()]
        }
        DeValue::Float(number) => vec![number.to_string()],
        DeValue::Boolean(flag) => vec![flag.to_string()],
        DeValue::Array(items) => {
            items.iter().map(|item| texts(item.get_ref())).collect::<Result<Vec<_>, _>>()?.concat()
        }
        DeValue::Datetime(_) | DeValue::Table(_) => {
            return Err("expected a text, a number, true, false or a list");
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::args::{Cli, Command as Chosen, WriteCommand};

    fn parse(config: &str, line: &str) -> Result<Cli> {
        let (command, ..) = apply(Cli::command(), config).map_err(|(_, why)| Error::usage(why))?;
        let matches =
            command.try_get_matches_from(line.split(' ')).map_err(|e| Error::usage(e.to_string()))?;
        Cli::from_arg_matches(&matches).map_err(|e| Error::usage(e.to_string()))
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let config = "vendor = 'file'\n[load]\nworkers = 3\nkeep-case = true\nmap = ['ts=a', 'volume=b']";
        let Chosen::Write(WriteCommand::Load(load)) = parse(config, "mdsctl load x.csv").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!((load.rows.data.vendor.as_deref(), load.engine.workers), (Some("file"), Some(3)));
        assert!(load.rows.data.values.keep_case && load.rows.data.values.map.len() == 2);
        let Chosen::Write(WriteCommand::Load(load)) =
            parse(config, "mdsctl load x.csv --vendor flag --workers 1").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!((load.rows.data.vendor.as_deref(), load.engine.workers), (Some("flag"), Some(1)));
    }

    #[test]
    fn a_section_goes_before_the_top_whatever_their_names() {
        let config = "workers = 3\nvendor = 'top'\nsymbol = 'top'\n[load]\nworkers = 4\nvendor = 'own'\n[tail]\nworkers = 0x10";
        let Chosen::Write(WriteCommand::Load(load)) = parse(config, "mdsctl load x.csv").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!((load.engine.workers, load.rows.data.vendor.as_deref()), (Some(4), Some("own")));
        assert_eq!(load.rows.data.symbol.as_deref(), Some("top"));
        let Chosen::Write(WriteCommand::Tail(tail)) = parse(config, "mdsctl tail x.csv").unwrap().command
        else {
            panic!("tail")
        };
        assert_eq!((tail.engine.workers, tail.rows.data.vendor.as_deref()), (Some(16), Some("top")));
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
        let (_, names, layouts) = apply(Cli::command(), text).unwrap();
        let places = Places { path: "a.toml".into(), mode: 0o644, names, layouts };
        let of = |command, flag| places.of(command, flag);
        assert_eq!(of("load", "workers").as_deref(), Some("configuration file a.toml:5"));
        assert_eq!(of("tail", "workers").as_deref(), Some("configuration file a.toml:8"));
        assert_eq!(of("runs", "dsn").as_deref(), Some("configuration file a.toml:2"));
        assert_eq!(of("runs", "workers"), None);
        assert_eq!(apply(Cli::command(), "a = 1\nb = 'x\n").unwrap_err().0, 2);
    }
}

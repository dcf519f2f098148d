//! The configuration file: where it is, and what stands in it.
//!
//! ```toml
//! dsn = "postgres://loader@db/market"
//! [load]
//! vendor = "acme"
//! workers = 4
//! map = ["ts=window_start"]
//! ```
//!
//! A name at the top holds for every command that has such a flag, one in a section for that command. A table under
//! `layouts` is a layout of the user.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Table};

use crate::app::layout::Layout;
use crate::error::{Error, Result, plain, words};
use crate::files::read_small_text;
use crate::settings::holds_password;

/// Where the file says what.
#[derive(Debug, Default)]
pub struct Places {
    /// The file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Names at the top, then those of sections.
    pub names: Vec<Named>,
    /// The layouts in it.
    pub layouts: Vec<Layout>,
}

/// A flag that the file gives values.
#[derive(Debug)]
pub struct Named {
    /// The command of its section; none at the top of the file.
    pub section: Option<String>,
    /// Its long name.
    pub flag: String,
    /// Where it stands.
    pub line: usize,
    /// What it is given, each as it would be typed.
    pub values: Vec<String>,
}

/// The section with the layouts of the user, each a table in it.
const LAYOUTS: &str = "layouts";

/// A line, and what is wrong there.
pub type Fault = (usize, String);

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

/// The text of the file, with its path and mode; nothing where there is none.
///
/// # Errors
/// Usage, where it cannot be read.
pub fn read(explicit: Option<&Path>) -> Result<Option<(PathBuf, u32, String)>> {
    let Some(path) = find(explicit) else { return Ok(None) };
    let read = read_small_text(&path).and_then(|text| Ok((text, std::fs::metadata(&path)?)));
    let (text, meta) = read.map_err(|error| {
        Error::usage(format!("configuration file {}: {}", path.display(), words(&error))).caused_by(error)
    })?;
    Ok(Some((path, meta.permissions().mode(), text)))
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

/// The names in a text, those of sections last, and its layouts.
///
/// # Errors
/// The line, and what is wrong there.
pub fn names(text: &str, is_command: impl Fn(&str) -> bool) -> Result<(Vec<Named>, Vec<Layout>), Fault> {
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
                let command = name.get_ref();
                if !is_command(command) {
                    return Err((line(name.span().start), format!("[{command}]: there is no such command")));
                }
                for (flag, value) in section {
                    of_sections.push(named(Some(command), flag, value.get_ref())?);
                }
            }
        }
    }
    names.append(&mut of_sections);
    Ok((names, layouts))
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

//! Globs over names that are bytes: `*`, `?`, `[…]` within a name, `**` over directories.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::error::Error;
use crate::source::fault::io_error;
use crate::source::names::shown;

/// Whether there is a character in it that makes it a pattern.
pub fn is_pattern(argument: &OsStr) -> bool {
    argument.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// A part of a pattern, between two slashes.
enum Segment {
    /// It names what it is.
    Plain(OsString),
    /// `**`: any directories.
    Any,
    Pattern {
        pattern: Pattern,
        /// Whether it begins with a dot, and so means hidden names.
        dotted: bool,
    },
}

impl Segment {
    fn of(text: &OsStr) -> Result<Self, glob::PatternError> {
        if text == "**" {
            return Ok(Self::Any);
        }
        if !is_pattern(text) {
            return Ok(Self::Plain(text.to_owned()));
        }
        let pattern = Pattern::new(&text.to_string_lossy())?;
        Ok(Self::Pattern { pattern, dotted: text.as_bytes().starts_with(b".") })
    }

    /// Whether a name fits; of one that is no UTF-8 each part that is none counts as a character.
    fn fits(&self, name: &OsStr) -> bool {
        let hidden = name.as_bytes().starts_with(b".");
        match self {
            Self::Plain(plain) => plain == name,
            Self::Any => !hidden,
            Self::Pattern { pattern, dotted } => {
                (*dotted || !hidden) && pattern.matches_with(&name.to_string_lossy(), MatchOptions::new())
            }
        }
    }
}

/// A pattern in its parts.
pub struct Parts {
    root: bool,
    parts: Vec<Segment>,
}

impl Parts {
    /// Reads one; the error is a sentence of its own.
    pub fn of(pattern: &OsStr) -> Result<Self, Error> {
        let bytes = pattern.as_bytes();
        let parts = bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let parts: Result<_, _> = parts.map(|part| Segment::of(OsStr::from_bytes(part))).collect();
        let parts = parts.map_err(|error| {
            let what = error.msg;
            Error::input(format!("{}: no such file, and not a pattern either: {what}", shown(pattern)))
        })?;
        Ok(Self { root: bytes.starts_with(b"/"), parts })
    }

    /// Whether `**` is among them, which comes upon directories on its way to the files in them.
    pub fn is_deep(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Segment::Any))
    }

    /// What is there and fits, in no order.
    ///
    /// # Errors
    /// A directory on the way that cannot be read.
    pub fn found(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        let start = if self.root { PathBuf::from("/") } else { PathBuf::new() };
        walk(start, &self.parts, &mut HashSet::new(), &mut found)?;
        Ok(found)
    }

    /// Whether a path fits that need not be there.
    pub fn fit(&self, path: &Path) -> bool {
        let names: Vec<&OsStr> = path.iter().filter(|name| *name != "/" && *name != ".").collect();
        path.has_root() == self.root && fit(&self.parts, &names)
    }
}

fn fit(parts: &[Segment], names: &[&OsStr]) -> bool {
    match (parts, names) {
        ([], []) => true,
        ([Segment::Plain(plain), parts @ ..], _) if plain == "." => fit(parts, names),
        ([Segment::Any, rest @ ..], names) => {
            fit(rest, names)
                || names
                    .split_first()
                    .is_some_and(|(name, deeper)| Segment::Any.fits(name) && fit(parts, deeper))
        }
        ([part, parts @ ..], [name, names @ ..]) => part.fits(name) && fit(parts, names),
        _ => false,
    }
}

/// Adds what fits the parts below a directory; `been` are the directories that `**` has come through.
fn walk(
    at: PathBuf,
    parts: &[Segment],
    been: &mut HashSet<(u64, u64)>,
    found: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(at);
        return Ok(());
    };
    if let Segment::Plain(plain) = part {
        let next = at.join(plain);
        if if rest.is_empty() { fs::symlink_metadata(&next).is_ok() } else { next.is_dir() } {
            walk(next, rest, been, found)?;
        }
        return Ok(());
    }
    let directory = if at.as_os_str().is_empty() { Path::new(".") } else { at.as_path() };
    if let Segment::Any = part {
        // A link may lead back to where it stands.
        let identity = fs::metadata(directory).map(|here| (here.dev(), here.ino()));
        if identity.is_ok_and(|identity| !been.insert(identity)) {
            return Ok(());
        }
        match rest.is_empty() {
            true => found.push(at.clone()),
            false => walk(at.clone(), rest, &mut HashSet::new(), found)?,
        }
    }
    for entry in fs::read_dir(directory).map_err(|e| io_error(&e, &shown(directory)))? {
        let name = entry.map_err(|e| io_error(&e, &shown(directory)))?.file_name();
        if !part.fits(&name) {
            continue;
        }
        let next = at.join(&name);
        match part {
            Segment::Any if next.is_dir() => walk(next, parts, been, found)?,
            Segment::Any if rest.is_empty() => found.push(next),
            Segment::Any => {}
            _ if rest.is_empty() || next.is_dir() => walk(next, rest, been, found)?,
            _ => {}
        }
    }
    Ok(())
}

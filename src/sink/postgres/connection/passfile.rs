//! The password file, `~/.pgpass`: lines of `host:port:database:user:password`, as libpq reads
//! them.
//!
//! A `*` fits anything, a backslash takes the meaning from a `:` or a backslash after it, and the
//! first line that fits counts. A file that others may read is left alone, with a warning.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::words;
use crate::files::read_small_text;
use crate::settings::Secret;
use crate::sink::postgres::connection::hosts::{HostAddress, LOCAL_SOCKETS};

/// A password file that may be read.
pub(in crate::sink::postgres) struct PassFile {
    path: PathBuf,
    text: String,
}

/// Says it, unless it was said before: the file is read anew for every connection.
fn warn_once(what: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&what) {
        tracing::warn!("{what}");
        said.insert(what);
    }
}

impl PassFile {
    /// Reads the file. There need not be one; of one that cannot be used a line in the log says why.
    pub fn read(path: &Path) -> Option<Self> {
        let ignored = |why: &str| {
            warn_once(format!("the password file {} is ignored: {why}", path.display()));
            None
        };
        // One that is not there, or out of reach, is none.
        let meta = std::fs::metadata(path).ok()?;
        if !meta.is_file() {
            return ignored("it is not a plain file");
        }
        if meta.mode() & 0o077 != 0 {
            return ignored(&format!("others may read it; run: chmod 600 {}", path.display()));
        }
        match read_small_text(path) {
            Ok(text) => Some(Self { path: path.into(), text }),
            Err(error) => ignored(&words(&error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The password for that place, database and user.
    pub fn password(&self, place: &HostAddress, database: &str, user: &str) -> Option<Secret> {
        let host = match &*place.host {
            socket if LOCAL_SOCKETS.contains(&socket) => "localhost",
            host => host,
        };
        let port = place.port.to_string();
        let wanted = [host, &port, database, user];
        self.text.lines().find_map(|line| {
            let mut fields = Fields { rest: (!line.starts_with('#')).then_some(line) };
            let fits = |(raw, value): (&str, String), wanted: &str| raw == "*" || value == wanted;
            for wanted in wanted {
                if !fits(fields.next()?, wanted) {
                    return None;
                }
            }
            let (_, password) = fields.next()?;
            (!password.is_empty()).then(|| Secret::new(password))
        })
    }
}

/// Fields of a line, as they are written and as they are meant.
struct Fields<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.rest.take()?;
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in line.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                ':' if !escaped => {
                    self.rest = line.get(at + 1..);
                    return Some((&line[..at], value));
                }
                c => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        if escaped {
            value.push('\\');
        }
        Some((line, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str, host: &str, port: u16) -> Option<String> {
        let file = PassFile { path: "p".into(), text: text.into() };
        let place = HostAddress { host: host.into(), addr: None, port, password: None };
        file.password(&place, "market", "me").map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# db:5432:market:me:comment\n\nother:*:*:*:1\ndb:5432:market:you:2\ndb:5432:market:me:3\n*:*:*:*:4\n";
        assert_eq!(password(text, "db", 5432).unwrap(), "3");
        assert_eq!(password(text, "db", 5433).unwrap(), "4");
        assert_eq!(password("db:5432:market:me", "db", 5432), None);
        assert_eq!(password("db:5432:market:me:", "db", 5432), None);
        assert_eq!(password("", "db", 5432), None);
    }

    #[test]
    fn escapes_stand_for_themselves() {
        assert_eq!(password(r"\:\:1:*:mar\ket:me:a\:b\\c\", "::1", 1).unwrap(), r"a:b\c\");
        assert_eq!(password(r"db:*:*:*:secret:more", "db", 1).unwrap(), "secret");
        assert_eq!(password("db:*:*:*:secret\r\n", "db", 1).unwrap(), "secret");
        // An asterisk that is escaped is a host of that name.
        assert_eq!(password(r"\*:*:*:*:secret", "db", 1), None);
    }

    #[test]
    fn the_usual_socket_is_localhost_and_another_is_its_directory() {
        assert_eq!(password("localhost:*:*:*:a", "/var/run/postgresql", 1).unwrap(), "a");
        assert_eq!(password("localhost:*:*:*:a", "/srv/pg", 1), None);
        assert_eq!(password("/srv/pg:*:*:*:a", "/srv/pg", 1).unwrap(), "a");
    }
}

//! Service files: named groups of connection parameters, as libpq reads them.
//!
//! `~/.pg_service.conf` (or the file in PGSERVICEFILE) is asked first, then `pg_service.conf` in
//! PGSYSCONFDIR or where the system's packages keep it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, words};
use crate::files::read_small;
use crate::sink::postgres::connection::conninfo::Parameters;
use crate::sink::postgres::connection::environment::Surroundings;

/// Directories of `pg_service.conf` as Debian, Red Hat and PostgreSQL itself have it.
const SYSTEM: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];

/// The parameters of a service.
///
/// # Errors
/// A usage error in one sentence, if no file has the service or one cannot be read.
pub(in crate::sink::postgres) fn find(service: &str, around: &Surroundings<'_>) -> Result<Parameters> {
    let users = match around.variable("PGSERVICEFILE") {
        Some(file) => Some(PathBuf::from(file)),
        None => around.home.as_ref().map(|home| home.join(".pg_service.conf")),
    };
    let system = match around.variable("PGSYSCONFDIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => SYSTEM.iter().map(PathBuf::from).collect(),
    };
    let files: Vec<PathBuf> =
        users.into_iter().chain(system.into_iter().map(|dir| dir.join("pg_service.conf"))).collect();
    let mut seen = Vec::new();
    for file in &files {
        let text = match read_small(file) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                let file = file.display();
                return Err(Error::usage(format!(
                    "the service file {file} cannot be read: {}",
                    words(&error)
                ))
                .caused_by(error));
            }
        };
        if let Some(parameters) = group(service, &text, file)? {
            return Ok(parameters);
        }
        seen.push(file.display().to_string());
    }
    let place = match &*seen {
        [] => match files.first() {
            Some(file) => format!("there is no service file; write one to {}", file.display()),
            None => "there is no service file".into(),
        },
        seen => format!("it is not in {}", seen.join(" or ")),
    };
    Err(Error::usage(format!("the service {service} is not known: {place}")))
}

/// The group `[service]` of a file; of a parameter that is there twice the first one counts.
fn group(service: &str, text: &str, file: &Path) -> Result<Option<Parameters>> {
    let mut found: Option<Parameters> = None;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        // No message shows a line: it may hold a password.
        let bad = |what: &str| Error::usage(format!("{} line {number}: {what}", file.display()));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                found = Some(Parameters::new());
            }
            continue;
        }
        let Some(parameters) = &mut found else { continue };
        if line.starts_with("ldap://") {
            return Err(bad("services are not looked up by LDAP; write the parameters themselves"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| bad("it is not key=value"))?;
        if key.ends_with(char::is_whitespace) || value.starts_with(char::is_whitespace) {
            return Err(bad("no spaces may stand around the ="));
        }
        if key == "service" {
            return Err(bad("a service cannot name another service"));
        }
        if !parameters.iter().any(|(known, _)| known == key) {
            parameters.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Parameters>> {
        group("market", text, Path::new("pg_service.conf"))
    }

    #[test]
    fn a_group_ends_where_the_next_begins() {
        let text =
            "# mine\nhost=zero\n[mark]\nhost=a\n [market] \nhost=b\n\nport=1 \nhost=c\n[market]\ndbname=d\n";
        let parameters = read(text).unwrap().unwrap();
        assert_eq!(parameters, [("host".into(), "b".into()), ("port".into(), "1".into())]);
        assert_eq!(read("[mark]\nhost=a\n").unwrap(), None);
        assert_eq!(read("[market]").unwrap(), Some(Vec::new()));
    }

    #[test]
    fn errors_name_the_line_and_show_nothing_of_it() {
        for line in ["secret", "password = secret", "service=secret", "ldap://secret"] {
            let error = read(&format!("[market]\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("pg_service.conf line 2: ") && !error.contains("secret"), "{error}");
        }
        assert!(read("[other]\nnonsense\n[market]\n").unwrap().is_some());
    }
}

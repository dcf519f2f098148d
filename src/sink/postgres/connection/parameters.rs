//! libpq's connection parameters: which ones we follow, which change nothing here, and which we
//! must refuse because ignoring them would be less than what was asked for.
//!
//! A parameter is taken from the connection string, else from the service, else from its variable.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sink::postgres::connection::conninfo::{self, Parameters};
use crate::sink::postgres::connection::environment::Surroundings;
use crate::sink::postgres::connection::service;

/// Parameters that are understood, each with the variable that stands in for it.
const PARAMETERS: &[(&str, Option<&str>)] = &[
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("dbname", Some("PGDATABASE")),
    ("options", Some("PGOPTIONS")),
    ("application_name", Some("PGAPPNAME")),
    ("fallback_application_name", None),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("sslmode", Some("PGSSLMODE")),
    ("requiressl", Some("PGREQUIRESSL")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslcertmode", Some("PGSSLCERTMODE")),
    ("sslsni", Some("PGSSLSNI")),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
];

/// Parameters that change nothing for us: no compression, no GSS; text is always UTF-8.
const HARMLESS: &[&str] = &["client_encoding", "sslcompression", "krbsrvname", "gsslib", "gssdelegation"];

/// A parameter that we cannot follow.
struct Refused {
    name: &'static str,
    variable: Option<&'static str>,
    /// Values that ask for no more than what happens anyway.
    but: &'static [&'static str],
    why: &'static str,
}

const REFUSED: &[Refused] = &[
    Refused {
        name: "sslcrl",
        variable: Some("PGSSLCRL"),
        but: &[],
        why: "lists of revoked certificates are not read",
    },
    Refused {
        name: "sslcrldir",
        variable: Some("PGSSLCRLDIR"),
        but: &[],
        why: "lists of revoked certificates are not read",
    },
    Refused {
        name: "sslpassword",
        variable: None,
        but: &[],
        why: "encrypted private keys are not read (openssl pkey -in KEY -out NEW writes a plain one)",
    },
    Refused {
        name: "sslnegotiation",
        variable: Some("PGSSLNEGOTIATION"),
        but: &["postgres"],
        why: "TLS begins with PostgreSQL's own request only",
    },
    Refused {
        name: "requirepeer",
        variable: Some("PGREQUIREPEER"),
        but: &[],
        why: "the owner of the server's process is not looked at",
    },
    Refused {
        name: "require_auth",
        variable: Some("PGREQUIREAUTH"),
        but: &[],
        why: "the method of authentication is the server's choice (channel_binding=require insists on SCRAM)",
    },
    Refused {
        name: "gssencmode",
        variable: Some("PGGSSENCMODE"),
        but: &["disable", "prefer"],
        why: "there is no encryption by GSSAPI",
    },
    Refused {
        name: "replication",
        variable: None,
        but: &["false", "off", "no", "0"],
        why: "rows cannot be loaded over such a connection",
    },
];

/// Where a value was found.
#[derive(Clone, Copy)]
enum Origin {
    Text,
    Service,
    Variable(&'static str),
}

/// The values of all parameters.
pub(in crate::sink::postgres) struct Values {
    found: Vec<(&'static str, String, Origin)>,
    service: Option<String>,
}

impl Values {
    /// Reads the connection string, the service it names, and the variables.
    ///
    /// # Errors
    /// A usage error in one sentence that repeats no value, since any of them may be a password.
    pub fn read(text: Option<&str>, around: &Surroundings<'_>) -> Result<Self> {
        let given = conninfo::parse(text.unwrap_or_default())?;
        known(&given, "the connection string")?;
        let name = last(&given, "service").or_else(|| around.variable("PGSERVICE"));
        let of_service = match &name {
            Some(name) => service::find(name, around)?,
            None => Parameters::new(),
        };
        known(&of_service, &format!("the service {}", name.as_deref().unwrap_or_default()))?;
        let find = |name: &'static str, variable: Option<&'static str>| {
            let text = last(&given, name).map(|value| (value, Origin::Text));
            text.or_else(|| last(&of_service, name).map(|value| (value, Origin::Service)))
                .or_else(|| variable.and_then(|v| Some((around.variable(v)?, Origin::Variable(v)))))
                .map(|(value, origin)| (name, value, origin))
        };
        let found = PARAMETERS.iter().filter_map(|&(name, variable)| find(name, variable)).collect();
        let refused: Vec<_> = REFUSED
            .iter()
            .filter_map(|refused| {
                let (_, value, origin) = find(refused.name, refused.variable)?;
                (!refused.but.contains(&&*value)).then_some((refused, origin))
            })
            .collect();
        let values = Self { found, service: name };
        match refused.first() {
            Some((refused, origin)) => Err(Error::usage(format!(
                "{} cannot be followed: {}",
                values.shown(refused.name, *origin),
                refused.why
            ))),
            None => Ok(values),
        }
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.found.iter().find(|(n, ..)| *n == name).map(|(_, value, _)| value.as_str())
    }

    /// The parts of a value between commas.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// A value that is a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A whole number; negative ones count as zero, as in libpq.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.trim().parse::<i64>() {
            Ok(number) => Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))),
            Err(_) => Err(self.wrong(name, "a whole number")),
        }
    }

    /// A number of seconds; zero stands for the default.
    pub fn seconds(&self, name: &str, default: u64) -> Result<Duration> {
        Ok(match self.number(name)? {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds.into()),
            _ => Duration::from_secs(default),
        })
    }

    /// What one of these words stands for; `default` if nothing is said.
    pub fn word<T: Copy>(&self, name: &str, default: T, words: &[(&str, T)]) -> Result<T> {
        let Some(value) = self.get(name) else { return Ok(default) };
        words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(name, &format!("one of {}", words.join(", ")))
        })
    }

    /// The error about a value that is not as it must be.
    pub fn wrong(&self, name: &str, expected: &str) -> Error {
        let origin =
            self.found.iter().find(|(n, ..)| *n == name).map_or(Origin::Text, |(.., origin)| *origin);
        Error::usage(format!("{} must be {expected}", self.shown(name, origin)))
    }

    /// A parameter, as the user has written it.
    fn shown(&self, name: &str, origin: Origin) -> String {
        match (origin, &self.service) {
            (Origin::Variable(variable), _) => format!("the variable {variable}"),
            (Origin::Service, Some(service)) => format!("the parameter {name} of the service {service}"),
            _ => format!("the connection parameter {name}"),
        }
    }
}

/// The last value of a parameter that says something.
fn last(parameters: &Parameters, name: &str) -> Option<String> {
    let value = parameters.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    value.filter(|value| !value.is_empty())
}

/// Refuses what is not a parameter of libpq's.
fn known(parameters: &Parameters, place: &str) -> Result<()> {
    let is_known = |name: &str| {
        name == "service"
            || PARAMETERS.iter().any(|(known, _)| *known == name)
            || REFUSED.iter().any(|refused| refused.name == name)
            || HARMLESS.contains(&name)
    };
    let Some((name, _)) = parameters.iter().find(|(name, _)| !is_known(name)) else { return Ok(()) };
    // A name can be a mangled password, so only what looks like a name is shown.
    let plain = name.len() <= 30 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let name = if plain { format!(" {name}") } else { String::new() };
    Err(Error::usage(format!("{place} has a parameter{name} that is not understood")))
}

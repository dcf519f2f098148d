//! Where the server is and as whom we come: a connection string, completed from the `PG…`
//! variables and libpq's defaults.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

use super::conninfo;
use crate::error::{Error, Result};
use crate::settings::Secret;

/// How much TLS is asked for, as libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always; the certificate is checked only where a root certificate file exists.
    Require,
    /// Always, with a certificate that a known authority signed.
    VerifyCa,
    /// As before, and the certificate must name the host.
    VerifyFull,
}

/// What TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// How much of it.
    pub mode: SslMode,
    /// File with the authorities to trust; `None`: `~/.postgresql/root.crt`.
    pub root_cert: Option<PathBuf>,
    /// File with our certificate; `None`: `~/.postgresql/postgresql.crt` if it exists.
    pub cert: Option<PathBuf>,
    /// File with its key; `None`: `~/.postgresql/postgresql.key`.
    pub key: Option<PathBuf>,
    /// Directory of the defaults, `~/.postgresql`, if there is a home.
    pub home: Option<PathBuf>,
}

/// One place where the server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Host name, address, or directory of a Unix socket.
    pub host: String,
    /// Numeric address that saves looking the name up.
    pub addr: Option<IpAddr>,
    /// Port; also part of a Unix socket's name.
    pub port: u16,
}

impl Place {
    /// Whether it is a Unix socket, where TLS means nothing.
    pub fn is_socket(&self) -> bool {
        self.addr.is_none() && self.host.starts_with('/')
    }
}

/// A connection, ready to be opened. `Debug` does not show the password.
#[derive(Debug, Clone, PartialEq)]
pub struct Dsn {
    pub(super) places: Vec<Place>,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) dbname: String,
    pub(super) options: Option<String>,
    pub(super) application_name: String,
    /// Time to connect to one place, authentication included; `None`: no limit.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalives: Keepalives,
    pub(super) session: TargetSessionAttrs,
    pub(super) channel_binding: ChannelBinding,
    pub(super) tls: TlsSettings,
}

/// TCP keepalives. libpq leaves them to the system, which notices a dead peer after two hours;
/// a loader should do so within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalives {
    pub on: bool,
    pub idle: Duration,
    pub interval: Duration,
    pub retries: u32,
    /// Longest time that sent bytes may stay unacknowledged; zero: the system's.
    pub user_timeout: Duration,
}

/// Parameters that are understood, each with the variable that stands in for it.
const PARAMETERS: &[(&str, Option<&str>)] = &[
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
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
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
];

/// Parameters of libpq that change nothing for us: no compression, no GSS; text is always UTF-8.
const HARMLESS: &[&str] = &["client_encoding", "sslcompression", "sslsni", "gssencmode", "krbsrvname"];

/// The values, by name.
struct Values(Vec<(&'static str, String)>);

impl Values {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A whole number; negative ones count as zero, as in libpq.
    fn number(&self, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.trim().parse::<i64>() {
            Ok(number) => Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))),
            Err(_) => Err(wrong(name, "a whole number")),
        }
    }

    fn seconds(&self, name: &str, default: u64) -> Result<Duration> {
        Ok(match self.number(name)? {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds.into()),
            _ => Duration::from_secs(default),
        })
    }
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::Usage(format!("the connection parameter {name} must be {expected}"))
}

impl Dsn {
    /// Reads a connection string, or with `None` what the `PG…` variables say.
    ///
    /// # Errors
    /// A usage error in one sentence that repeats no value, since any of them may be a password.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let env = |name: &str| std::env::var(name).ok();
        Self::resolve(text, &env, std::env::home_dir(), default_host)
    }

    /// For people: `postgres://user@host:port/database`, without the password.
    pub fn redacted(&self) -> String {
        let places: Vec<String> = self
            .places
            .iter()
            .map(|place| match &place.host {
                host if host.starts_with('/') => format!("{}:{}", host.replace('/', "%2F"), place.port),
                host if host.contains(':') => format!("[{host}]:{}", place.port),
                host => format!("{host}:{}", place.port),
            })
            .collect();
        format!("postgres://{}@{}/{}", self.user, places.join(","), self.dbname)
    }

    /// The role that is asked for.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn resolve(
        text: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
        home: Option<PathBuf>,
        default_host: impl Fn(u16) -> String,
    ) -> Result<Self> {
        let given = conninfo::parse(text.unwrap_or_default())?;
        for (name, _) in &given {
            if !PARAMETERS.iter().any(|(known, _)| known == name) && !HARMLESS.contains(&name.as_str()) {
                // A name can be a mangled password, so only what looks like a name is shown.
                let shown = if name.len() <= 30 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                    format!(" {name}")
                } else {
                    String::new()
                };
                return Err(Error::Usage(format!(
                    "the connection string has a parameter{shown} that is not understood"
                )));
            }
        }
        let value = |name: &str, variable: Option<&str>| {
            let given = given.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            given.filter(|v| !v.is_empty()).or_else(|| variable.and_then(env).filter(|v| !v.is_empty()))
        };
        let values = Values(
            PARAMETERS
                .iter()
                .filter_map(|&(name, variable)| value(name, variable).map(|value| (name, value)))
                .collect(),
        );

        let user = match values.get("user") {
            Some(user) => user.to_owned(),
            None => system_user(env).ok_or_else(|| {
                Error::Usage("the connection names no user, and this process has no user name".into())
            })?,
        };
        let timeout = values.number("connect_timeout")?;
        Ok(Self {
            places: places(&values, default_host)?,
            dbname: values.get("dbname").unwrap_or(&user).to_owned(),
            user,
            password: values.get("password").map(Secret::new),
            options: values.get("options").map(str::to_owned),
            application_name: values
                .get("application_name")
                .or_else(|| values.get("fallback_application_name"))
                .unwrap_or("mdsctl")
                .to_owned(),
            connect_timeout: match timeout {
                None => Some(Duration::from_secs(10)),
                Some(0) => None,
                Some(seconds) => Some(Duration::from_secs(seconds.into())),
            },
            keepalives: Keepalives {
                on: values.number("keepalives")? != Some(0),
                idle: values.seconds("keepalives_idle", 30)?,
                interval: values.seconds("keepalives_interval", 10)?,
                retries: values.number("keepalives_count")?.filter(|n| *n > 0).unwrap_or(3),
                user_timeout: Duration::from_millis(values.number("tcp_user_timeout")?.unwrap_or(0).into()),
            },
            session: match values.get("target_session_attrs") {
                None | Some("any") => TargetSessionAttrs::Any,
                Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
                Some("read-only" | "standby") => TargetSessionAttrs::ReadOnly,
                Some(_) => {
                    return Err(wrong(
                        "target_session_attrs",
                        "one of any, read-write, primary, read-only, standby",
                    ));
                }
            },
            channel_binding: match values.get("channel_binding") {
                None | Some("prefer") => ChannelBinding::Prefer,
                Some("disable") => ChannelBinding::Disable,
                Some("require") => ChannelBinding::Require,
                Some(_) => return Err(wrong("channel_binding", "one of disable, prefer, require")),
            },
            tls: TlsSettings {
                mode: match values.get("sslmode") {
                    Some("disable") => SslMode::Disable,
                    Some("allow") => SslMode::Allow,
                    None | Some("prefer") => SslMode::Prefer,
                    Some("require") => SslMode::Require,
                    Some("verify-ca") => SslMode::VerifyCa,
                    Some("verify-full") => SslMode::VerifyFull,
                    Some(_) => {
                        return Err(wrong(
                            "sslmode",
                            "one of disable, allow, prefer, require, verify-ca, verify-full",
                        ));
                    }
                },
                root_cert: values.path("sslrootcert"),
                cert: values.path("sslcert"),
                key: values.path("sslkey"),
                home: home.map(|home| home.join(".postgresql")),
            },
        })
    }
}

fn places(values: &Values, default_host: impl Fn(u16) -> String) -> Result<Vec<Place>> {
    let (hosts, addrs, ports) = (values.list("host"), values.list("hostaddr"), values.list("port"));
    let count = hosts.len().max(addrs.len()).max(1);
    if !hosts.is_empty() && !addrs.is_empty() && hosts.len() != addrs.len() {
        return Err(Error::Usage(
            "the connection names hosts and host addresses in different numbers".into(),
        ));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::Usage("the connection names hosts and ports in different numbers".into()));
    }
    (0..count)
        .map(|i| {
            let port = match ports.get(i).or(ports.first()).copied().unwrap_or_default() {
                "" => 5432,
                text => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                    wrong(
                        "port",
                        "a number from 1 to 65535 (in a URL, write : / @ ? # of a password as %3A %2F %40 %3F %23)",
                    )
                })?,
            };
            let addr: Option<IpAddr> = match addrs.get(i).copied().unwrap_or_default() {
                "" => None,
                text => Some(text.parse().map_err(|_| wrong("hostaddr", "a numeric IP address"))?),
            };
            let host = match (hosts.get(i).copied().unwrap_or_default(), addr) {
                ("", Some(addr)) => addr.to_string(),
                ("", None) => default_host(port),
                (host, _) => host.to_owned(),
            };
            Ok(Place { host, addr, port })
        })
        .collect()
}

/// The local server's socket directory as Debian or PostgreSQL itself places it, else TCP.
fn default_host(port: u16) -> String {
    let socket = format!(".s.PGSQL.{port}");
    ["/var/run/postgresql", "/tmp"]
        .into_iter()
        .find(|dir| Path::new(dir).join(&socket).exists())
        .unwrap_or("localhost")
        .to_owned()
}

/// The name of the user that this process runs as, as libpq finds it.
fn system_user(env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.or_else(|| env("USER")).or_else(|| env("LOGNAME")).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn(text: Option<&str>, env: &[(&str, &str)]) -> Result<Dsn> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Dsn::resolve(text, &env, None, |_| "/run/pg".into())
    }

    #[test]
    fn the_environment_fills_what_the_text_leaves_out() {
        let env = [
            ("PGHOST", "envhost"),
            ("PGPORT", "6000"),
            ("PGUSER", "envuser"),
            ("PGPASSWORD", "envpass"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca.pem"),
            ("PGAPPNAME", "app"),
            ("PGCONNECT_TIMEOUT", "3"),
            ("PGOPTIONS", "-c search_path=x"),
        ];
        let all = dsn(None, &env).unwrap();
        assert_eq!(all.redacted(), "postgres://envuser@envhost:6000/envuser");
        assert_eq!(all.password, Some(Secret::new("envpass")));
        assert_eq!(all.tls.mode, SslMode::VerifyFull);
        assert_eq!(all.tls.root_cert, Some("/ca.pem".into()));
        assert_eq!(all.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(
            (all.application_name.as_str(), all.options.as_deref()),
            ("app", Some("-c search_path=x"))
        );

        let some = dsn(Some("postgres://me:pw@there/db?sslmode=disable"), &env).unwrap();
        assert_eq!(some.redacted(), "postgres://me@there:6000/db");
        assert_eq!(some.password, Some(Secret::new("pw")));
        assert_eq!(some.tls.mode, SslMode::Disable);
    }

    #[test]
    fn without_anything_it_is_the_local_socket_and_the_systems_user() {
        let dsn = dsn(None, &[]).unwrap();
        assert_eq!(dsn.places, [Place { host: "/run/pg".into(), addr: None, port: 5432 }]);
        assert!(dsn.places[0].is_socket());
        assert_eq!(dsn.dbname, dsn.user);
        assert_eq!(dsn.application_name, "mdsctl");
        assert_eq!(dsn.connect_timeout, Some(Duration::from_secs(10)));
    }

    #[test]
    fn several_places_pair_up_with_their_ports() {
        let dsn = dsn(Some("host=a,b port=1,2 user=u connect_timeout=0"), &[]).unwrap();
        assert_eq!(dsn.redacted(), "postgres://u@a:1,b:2/u");
        assert_eq!(dsn.connect_timeout, None);
    }

    #[test]
    fn errors_and_debug_keep_the_password() {
        let long = "postgres://u:se/cret@h/d";
        for text in [long, "host=h password=secret nonsense=1", "host=h password=secret sslmode=secret"] {
            let error = dsn(Some(text), &[]).unwrap_err().to_string();
            assert!(!error.contains("cret"), "{error}");
        }
        let shown = format!("{:?}", dsn(Some("postgres://u:secret@h/d"), &[]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

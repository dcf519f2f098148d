//! Where the server is and as whom we come: a connection string, completed from the service, the
//! `PG…` variables, the password file and libpq's defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

use crate::error::{Error, Result};
use crate::settings::Secret;
use crate::sink::postgres::connection::environment::Surroundings;
use crate::sink::postgres::connection::hosts::{HostAddress, default_host, places};
use crate::sink::postgres::connection::parameters::Values;
use crate::sink::postgres::connection::passfile::PassFile;
use crate::sink::postgres::connection::session_attributes::Wanted;

/// How much TLS is asked for, as libpq's `sslmode`; each asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always; the certificate is checked only where a file with root certificates exists.
    Require,
    /// Always, with a certificate that a known authority signed.
    VerifyCa,
    /// Always, with a certificate that a known authority signed and that names the host.
    VerifyFull,
}

/// The authorities that a server's certificate is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// Those in `~/.postgresql/root.crt`, if it is there.
    Home,
    /// Those in this file.
    File(PathBuf),
    /// Those that the operating system trusts.
    System,
}

/// What TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// How much of it.
    pub mode: SslMode,
    /// The authorities to trust.
    pub root_cert: RootCert,
    /// File with our certificate; `None`: `~/.postgresql/postgresql.crt` if it exists.
    pub cert: Option<PathBuf>,
    /// File with its key; `None`: `~/.postgresql/postgresql.key`.
    pub key: Option<PathBuf>,
    /// Whether we show our certificate to a server that asks for one.
    pub show_cert: bool,
    /// Whether the server is told the name that it is called by.
    pub sni: bool,
    /// Whether TLS 1.2 will do.
    pub tls12: bool,
    /// Whether TLS 1.3 may be used.
    pub tls13: bool,
    /// Directory of the defaults, `~/.postgresql`, if there is a home.
    pub home: Option<PathBuf>,
}

impl TlsSettings {
    fn read(values: &Values, home: Option<&Path>) -> Result<Self> {
        let root_cert = match values.get("sslrootcert") {
            None => RootCert::Home,
            Some("system") => RootCert::System,
            Some(file) => RootCert::File(file.into()),
        };
        let unsaid = match values.get("requiressl") {
            _ if root_cert == RootCert::System => SslMode::VerifyFull,
            Some("1") => SslMode::Require,
            _ => SslMode::Prefer,
        };
        let modes = [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ];
        let mode = values.word("sslmode", unsaid, &modes)?;
        if root_cert == RootCert::System && mode != SslMode::VerifyFull {
            // Anybody can have a certificate of those authorities; only the name tells.
            return Err(values.wrong("sslmode", "verify-full where sslrootcert is system"));
        }
        let home = home.map(|home| home.join(".postgresql"));
        if let Some(crl) = home.as_ref().map(|home| home.join("root.crl"))
            && mode >= SslMode::VerifyCa
            && crl.exists()
        {
            tracing::warn!("{} is ignored: lists of revoked certificates are not read", crl.display());
        }
        let versions = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
        let least = values.word("ssl_min_protocol_version", 2, &versions)?;
        let most = values.word("ssl_max_protocol_version", 3, &versions)?;
        if most < 2 || most < least {
            return Err(values.wrong(
                "ssl_max_protocol_version",
                "TLSv1.2 or TLSv1.3, and not below ssl_min_protocol_version",
            ));
        }
        Ok(Self {
            mode,
            root_cert,
            cert: values.path("sslcert"),
            key: values.path("sslkey"),
            show_cert: values.word("sslcertmode", true, &[("allow", true), ("disable", false)])?,
            sni: values.number("sslsni")? != Some(0),
            tls12: least <= 2,
            tls13: most >= 3,
            home,
        })
    }
}

/// A connection, ready to be opened. `Debug` does not show the password.
#[derive(Debug, Clone, PartialEq)]
pub struct Dsn {
    pub(in crate::sink::postgres) places: Vec<HostAddress>,
    pub(in crate::sink::postgres) user: String,
    /// The password for all places; without it each may have one of its own.
    pub(in crate::sink::postgres) password: Option<Secret>,
    /// The password file that was asked.
    pub(in crate::sink::postgres) passfile: Option<PathBuf>,
    pub(in crate::sink::postgres) dbname: String,
    pub(in crate::sink::postgres) options: Option<String>,
    pub(in crate::sink::postgres) application_name: String,
    /// Time to connect to one place, authentication included; `None`: no limit.
    pub(in crate::sink::postgres) connect_timeout: Option<Duration>,
    pub(in crate::sink::postgres) keepalives: Keepalives,
    /// What kind of server is looked for.
    pub(in crate::sink::postgres) session: Wanted,
    /// Whether places are tried in a random order.
    pub(in crate::sink::postgres) shuffled: bool,
    pub(in crate::sink::postgres) channel_binding: ChannelBinding,
    pub(in crate::sink::postgres) tls: TlsSettings,
}

/// TCP keepalives. libpq leaves them to the system, which notices a dead peer after two hours;
/// a loader should do so within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Keepalives {
    pub on: bool,
    pub idle: Duration,
    pub interval: Duration,
    pub retries: u32,
    /// Longest time that sent bytes may stay unacknowledged; zero: the system's.
    pub user_timeout: Duration,
}

impl Dsn {
    /// Reads a connection string, or with `None` what the `PG…` variables say.
    ///
    /// # Errors
    /// A usage error in one sentence that repeats no value, since any of them may be a password.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let env = |name: &str| std::env::var(name).ok();
        let around = Surroundings { env: &env, home: std::env::home_dir() };
        Self::resolve(text, &around, default_host)
    }

    /// For people: `postgres://user@host:port/database`, without the password.
    pub fn redacted(&self) -> String {
        let places: Vec<String> = self.places.iter().map(HostAddress::shown).collect();
        format!("postgres://{}@{}/{}", self.user, places.join(","), self.dbname)
    }

    /// The name that the server shows of us.
    pub(in crate::sink::postgres) fn application_name(&self) -> &str {
        &self.application_name
    }

    /// The role that is asked for.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn resolve(
        text: Option<&str>,
        around: &Surroundings<'_>,
        default_host: impl Fn(u16) -> String,
    ) -> Result<Self> {
        let values = Values::read(text, around)?;
        let user = match values.get("user") {
            Some(user) => user.to_owned(),
            None => system_user(around.env).ok_or_else(|| {
                Error::usage("the connection names no user, and this process has no user name")
            })?,
        };
        let timeout = values.number("connect_timeout")?;
        let mut dsn = Self {
            places: places(&values, default_host)?,
            dbname: values.get("dbname").unwrap_or(&user).to_owned(),
            user,
            password: values.get("password").map(Secret::new),
            passfile: None,
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
            session: Wanted::Any,
            shuffled: values.word("load_balance_hosts", false, &[("disable", false), ("random", true)])?,
            channel_binding: values.word(
                "channel_binding",
                ChannelBinding::Prefer,
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
            )?,
            tls: TlsSettings::read(&values, around.home.as_deref())?,
        };
        // Who names several hosts means whichever of them is the primary now: rows can go nowhere
        // else.
        let unsaid = if dsn.places.len() > 1 { Wanted::ReadWrite } else { Wanted::Any };
        dsn.session = values.word("target_session_attrs", unsaid, Wanted::WORDS)?;
        if dsn.password.is_none() {
            dsn.ask_password_file(
                values.path("passfile").or_else(|| Some(around.home.as_ref()?.join(".pgpass"))),
            );
        }
        Ok(dsn)
    }

    /// The places, with the passwords that the password file has for them by now: a process that runs for
    /// months outlives a password.
    pub(in crate::sink::postgres) fn places_now(&self) -> Vec<HostAddress> {
        let mut places = self.places.clone();
        if let Some(file) = self.passfile.as_deref().and_then(PassFile::read) {
            for place in &mut places {
                place.password = file.password(place, &self.dbname, &self.user).or(place.password.take());
            }
        }
        places
    }

    /// Looks each place's password up.
    fn ask_password_file(&mut self, path: Option<PathBuf>) {
        let Some(file) = path.and_then(|path| PassFile::read(&path)) else { return };
        for place in &mut self.places {
            place.password = file.password(place, &self.dbname, &self.user);
        }
        self.passfile = Some(file.path().to_owned());
    }
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
        Dsn::resolve(text, &Surroundings { env: &env, home: None }, |_| "/run/pg".into())
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
        assert_eq!(all.tls.root_cert, RootCert::File("/ca.pem".into()));
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
        assert_eq!(
            dsn.places,
            [HostAddress { host: "/run/pg".into(), addr: None, port: 5432, password: None }]
        );
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
    fn who_names_several_hosts_means_the_one_that_takes_rows() {
        for (text, wanted) in [
            ("host=a", Wanted::Any),
            ("host=a,b", Wanted::ReadWrite),
            ("host=a,b target_session_attrs=any", Wanted::Any),
            ("host=a target_session_attrs=prefer-standby", Wanted::PreferStandby),
        ] {
            assert_eq!(dsn(Some(text), &[]).unwrap().session, wanted, "{text}");
        }
        let error = dsn(Some("host=a"), &[("PGTARGETSESSIONATTRS", "master")]).unwrap_err().to_string();
        assert!(error.contains("PGTARGETSESSIONATTRS must be one of any, read-write"), "{error}");
    }

    #[test]
    fn the_text_goes_before_the_service_and_that_before_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        std::fs::write(&file, "[m]\nhost=service\nport=1\nuser=service\n").unwrap();
        let file = file.to_str().unwrap();
        let env = [("PGSERVICEFILE", file), ("PGSERVICE", "m"), ("PGUSER", "env"), ("PGDATABASE", "env")];
        assert_eq!(dsn(None, &env).unwrap().redacted(), "postgres://service@service:1/env");
        let text = Some("postgres://text@:2/?service=m");
        assert_eq!(dsn(text, &env[..1]).unwrap().redacted(), "postgres://text@service:2/text");
        let error = dsn(Some("service=n"), &env).unwrap_err().to_string();
        assert!(
            error.contains("the service n is not known: it is not in ") && error.contains(file),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_followed_is_refused_where_it_was_said() {
        for (text, env, said) in [
            ("host=a sslcrl=/c", ("A", ""), "the connection parameter sslcrl cannot be followed"),
            ("host=a", ("PGGSSENCMODE", "require"), "the variable PGGSSENCMODE cannot be followed"),
            ("host=a sslrootcert=system sslmode=require", ("A", ""), "sslmode must be verify-full"),
            ("host=a ssl_max_protocol_version=TLSv1.1", ("A", ""), "must be TLSv1.2 or TLSv1.3"),
        ] {
            let error = dsn(Some(text), &[env]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(dsn(Some("host=a"), &[("PGGSSENCMODE", "prefer"), ("PGSSLCRL", "")]).is_ok());
        let system = dsn(Some("host=a sslrootcert=system"), &[]).unwrap();
        assert_eq!((system.tls.mode, system.tls.root_cert), (SslMode::VerifyFull, RootCert::System));
        assert_eq!(dsn(Some("host=a"), &[("PGREQUIRESSL", "1")]).unwrap().tls.mode, SslMode::Require);
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

//! Which store a command works on.

use std::path::PathBuf;

use crate::cli::args::StoreArgs;
use crate::error::{Error, Result};
use crate::sink::postgres::Dsn;

/// The store.
#[derive(Debug, Clone)]
pub enum Store {
    /// The embedded one.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<Dsn>),
}

/// File of the embedded store where nothing else is said.
const DEFAULT_FILE: &str = "mds.db";

impl Store {
    /// As the flag, the environment and libpq's variables say; `true` where none of them does and
    /// the embedded store is taken by default.
    pub fn choose(args: &StoreArgs) -> Result<(Self, bool)> {
        let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        if args.dsn.as_deref() == Some("") && std::env::var("MDS_DSN").as_deref() != Ok("") {
            return Err(Error::Usage(
                "--dsn is empty; write for instance --dsn postgres://localhost/market".into(),
            ));
        }
        let given = args.dsn.clone().filter(|d| !d.is_empty()).map(|text| ("--dsn", text));
        let Some((name, text)) = given.or_else(|| set("DATABASE_URL").map(|text| ("DATABASE_URL", text)))
        else {
            let libpq = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGPORT"];
            return if libpq.iter().any(|name| set(name).is_some()) {
                Ok((Self::Postgres(Box::new(Dsn::parse(None)?)), false))
            } else {
                Ok((Self::Sqlite(DEFAULT_FILE.into()), true))
            };
        };
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Error::Usage("sqlite: names no file; write for instance sqlite:mds.db".into()));
            }
            return Ok((Self::Sqlite(path.into()), false));
        }
        let dsn = Dsn::parse(Some(&text)).map_err(|e| e.at(name))?;
        Ok((Self::Postgres(Box::new(dsn)), false))
    }

    /// For people: no password.
    pub fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(dsn) => dsn.redacted(),
        }
    }
}

/// Whether a connection string has a password in it, as a URL or as key and value.
pub fn holds_password(text: &str) -> bool {
    if let Some((_, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let given = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
        return given || rest.contains("password=");
    }
    text.split_whitespace()
        .any(|pair| pair.strip_prefix("password").is_some_and(|v| v.trim_start().starts_with('=')))
}

//! Which store a command works on.

use std::sync::Arc;

use crate::cli::args::StoreArgs;
use crate::error::{Error, Result};
use crate::sink::{self, Store};

/// Names the store where neither the flag nor its own variable does.
pub const DATABASE_URL: &str = "DATABASE_URL";

/// As the flag, the environment and the variables that stores have of their own say; `true` where none of
/// them does and a store is taken by default.
///
/// # Errors
/// Usage, where what was said names no store.
pub fn choose(args: &StoreArgs) -> Result<(Arc<dyn Store>, bool)> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    if args.dsn.as_deref() == Some("") && std::env::var("MDS_DSN").as_deref() != Ok("") {
        return Err(Error::usage("--dsn is empty; write for instance --dsn postgres://localhost/market"));
    }
    let given = args.dsn.clone().filter(|d| !d.is_empty()).map(|text| ("--dsn", text));
    match given.or_else(|| set(DATABASE_URL).map(|text| (DATABASE_URL, text))) {
        Some((from, text)) => Ok((sink::open(&text, from)?, false)),
        None => sink::unnamed(),
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
    // Parted by semicolons, it is none of ours, and has one all the same.
    text.split(|c: char| c.is_whitespace() || c == ';').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        ["password", "pwd", "sslpassword"].contains(&&*name)
    })
}

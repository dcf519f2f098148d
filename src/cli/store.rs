//! Which store a command works on.

use std::sync::Arc;

use crate::cli::args::{GlobalArgs, StoreArgs};
use crate::cli::voice::note;
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

/// The store that was named; where nobody has named one, a line says which is taken, and what is being done there.
pub fn chosen(args: &StoreArgs, global: &GlobalArgs, doing: &str) -> Result<Arc<dyn Store>> {
    let (store, by_default) = choose(args)?;
    if by_default {
        note(global, &format!("no --dsn given: {doing} {}, {}", store.called(), store.shown()));
    }
    Ok(store)
}

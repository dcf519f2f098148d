//! The history of runs of a store.

use crate::app::load::runtime;
use crate::app::resume::{Life, life};
use crate::error::Result;
use crate::report::runs::RunView;
use crate::sink::Store;

/// The last runs, the newest first, so many at most; with `id` those whose ids begin so.
///
/// # Errors
/// Unavailable, where the store is away.
pub fn list(store: &dyn Store, id: Option<&str>, limit: usize) -> Result<Vec<RunView>> {
    let history = store.history(None)?;
    let found = runtime()?.block_on(history.list(id, limit))?;
    Ok(found.iter().map(|run| RunView::new(run, life(run) != Life::Over)).collect())
}

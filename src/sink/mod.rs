//! Where rows go: the stores. What they have in common is [`Store`]; which there are says [`STORES`], where a
//! new one is a line.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod defaults;
pub(crate) mod erased;
pub(crate) mod health;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod order;
pub(crate) mod patience;
pub(crate) mod period;
#[cfg_attr(not(feature = "postgres"), path = "postgres/left_out.rs")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod run_columns;
pub(crate) mod schema_options;
#[cfg_attr(not(feature = "sqlite"), path = "sqlite/left_out.rs")]
pub mod sqlite;
pub(crate) mod store;
pub mod verify;

use std::sync::Arc;

pub use patience::{answered, unblocked};
pub use period::{Period, PeriodOf, Periods, period, period_or_never};
pub use schema_options::{Distribute, DistributeBy, SchemaOptions, distribute, role};
pub use store::{
    BegunBulk, Capabilities, Comparison, Known, OpenTable, Packed, Packing, Rehearsal, Store, TableLocation,
    Wanted,
};

use crate::error::{Error, Result};
use crate::text::flags::DSN;

/// A kind of store.
pub struct StoreKind {
    /// Whether that connection string is one of its own.
    pub takes: fn(&str) -> bool,
    /// The store that it names; the second text says who gave it.
    pub open: fn(&str, &str) -> Result<Arc<dyn Store>>,
    /// The store that variables of the environment name, where any of them is set.
    pub ambient: fn() -> Option<Result<Arc<dyn Store>>>,
    /// The store that is taken where nothing names one.
    pub by_default: fn() -> Option<Arc<dyn Store>>,
    /// The program is to end: no lock is to be waited for any more by what cannot be given up in another
    /// way.
    pub stop_waiting: fn(),
}

/// All kinds. Of those that take a connection string the first counts; PostgreSQL takes what no other does,
/// since its own need no scheme (`host=… dbname=…`).
pub const STORES: &[StoreKind] = &[sqlite::KIND, postgres::KIND];

/// The store of a connection string; `from` says who gave it, for errors.
///
/// # Errors
/// Usage, where it names no store.
pub fn open(text: &str, from: &str) -> Result<Arc<dyn Store>> {
    match STORES.iter().find(|kind| (kind.takes)(text)) {
        Some(kind) => (kind.open)(text, from),
        None => Err(Error::usage(format!("{from} names no store that this program was built with"))),
    }
}

/// The store that the environment names, or else the one taken by default; `true` where that is so.
///
/// # Errors
/// Usage, where the environment names none that could be, or there is none by default.
pub fn unnamed() -> Result<(Arc<dyn Store>, bool)> {
    if let Some(ambient) = STORES.iter().find_map(|kind| (kind.ambient)()) {
        return Ok((ambient?, false));
    }
    let store = STORES.iter().find_map(|kind| (kind.by_default)());
    store
        .map(|store| (store, true))
        .ok_or_else(|| Error::usage(format!("no store is named, and there is none by default: give {DSN}")))
}

/// The program is to end: what waits for a lock inside of a store is told so.
pub fn stop_waiting() {
    STORES.iter().for_each(|kind| (kind.stop_waiting)());
}

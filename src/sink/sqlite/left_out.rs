//! The embedded store, in a program that was built without it.

use crate::error::{Error, left_out};
use crate::sink::StoreKind;

/// Takes what names such a store, and says that there is none.
pub const KIND: StoreKind = StoreKind {
    takes: |text| text.starts_with("sqlite:"),
    open: |_, from| Err(Error::usage(left_out("SQLite", "sqlite")).at(from)),
    ambient: || None,
    by_default: || None,
    stop_waiting: || {},
};

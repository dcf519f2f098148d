//! The PostgreSQL store, in a program that was built without it.

mod ambient;

use crate::error::{Error, left_out};
use crate::sink::StoreKind;

/// Takes what names a server, and says that there is none.
pub const KIND: StoreKind = StoreKind {
    takes: |_| true,
    open: |_, from| Err(missing().at(from)),
    ambient: || ambient::variable().map(|name| Err(missing().at(name))),
    by_default: || None,
    stop_waiting: || {},
};

fn missing() -> Error {
    Error::usage(left_out("PostgreSQL", "postgres"))
}

//! What the catalog says of a table and of whose rows it shows.

pub(super) mod casts;
pub mod describe;
pub(super) mod nodes;
pub(super) mod table;
pub(super) mod tenant;
pub(super) mod types;

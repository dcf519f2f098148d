//! Market data that looks real, the same for the same seed in every format.
//!
//! Used by the `generate` example, and by the tests as the truth that a store is compared with.

pub mod cell;
pub mod fixtures;
pub mod market;
pub mod random;
pub mod spoil;
pub mod write;

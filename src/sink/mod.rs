//! Where rows go: the stores.

pub mod postgres;
pub mod sqlite;

//! The PostgreSQL / TimescaleDB store.

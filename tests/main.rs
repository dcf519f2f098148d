//! End-to-end tests: the built program against a real PostgreSQL and real files.
//!
//! `scripts/test` runs them, and installs PostgreSQL where it is missing.

mod changes;
mod connections;
mod dlq;
#[path = "../examples/documents/made/mod.rs"]
mod documents;
#[path = "../examples/generate/generator/mod.rs"]
mod generator;
mod grpc;
mod harness;
mod health;
mod http;
mod layouts;
mod load;
#[cfg(feature = "objects")]
mod objects;
mod otlp;
mod pack;
mod repository;
mod runs;
mod schema;
mod server;
mod tail;
mod verify;
mod words;

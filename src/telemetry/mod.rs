//! Listeners to the events of the engine, and what machines read of them.
//!
//! - [`run_counters`]: counts the events; [`snapshot`]: what it had counted at one moment
//! - [`fanout`]: one listener that passes events on to several
//! - [`result`]: how a run ended, as JSON
//! - [`metrics`]: Prometheus metrics, and the file that they are written to
//! - [`http`]: metrics, status and pressure over HTTP while the run goes on; [`client`]: requests to others
//! - [`traces`]: spans for a collector

#[cfg_attr(not(feature = "client"), path = "client/left_out.rs")]
pub mod client;
pub mod fanout;
pub mod histogram;
#[cfg(feature = "telemetry")]
pub mod http;
#[cfg(feature = "telemetry")]
pub mod metrics;
pub mod result;
pub mod run_counters;
pub mod snapshot;
#[cfg_attr(not(feature = "otlp"), path = "traces/left_out.rs")]
pub mod traces;

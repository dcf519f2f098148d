//! Listeners to the events of the engine, and what machines read of them.
//!
//! - [`run_counters`]: counts the events; [`snapshot`]: what it had counted at one moment
//! - [`fanout`]: one listener that passes events on to several
//! - [`preview`]: what a load would do, or what it lacks; [`result`]: how a run ended, as JSON
//! - [`metrics`]: Prometheus metrics, and the file that they are written to
//! - [`http`]: metrics, status and pressure over HTTP while the run goes on; [`client`]: requests to others
//! - [`verified`]: what a comparison of files with a table has found
//! - [`traces`]: spans for a collector; [`otlp`]: how they are sent

#[cfg_attr(not(feature = "client"), path = "client/left_out.rs")]
pub mod client;
pub mod fanout;
pub mod histogram;
#[cfg(feature = "telemetry")]
pub mod http;
pub mod jobs;
#[cfg(feature = "telemetry")]
pub mod metrics;
pub mod otlp;
pub mod preview;
pub mod result;
pub mod run_counters;
pub mod snapshot;
#[cfg_attr(not(feature = "otlp"), path = "traces/left_out.rs")]
pub mod traces;
pub mod verified;

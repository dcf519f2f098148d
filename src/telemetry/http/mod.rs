//! The HTTP listener of a run, and the feedback that it sends: metrics, health, status, backpressure; the last also
//! over gRPC, on the same port.
//!
//! - [`LiveRun`]: what they see of the run; [`Pressure`]: how full the queue is
//! - [`Listener`]: the address, bound, and who may ask there
//! - [`Feedback`]: where each change of the queue's level is sent
//! - [`Service`]: serves and sends, on a thread of its own that the load never waits for

mod backpressure;
mod feedback;
#[cfg_attr(not(feature = "grpc"), path = "grpc/left_out.rs")]
mod grpc;
mod history;
mod listener;
mod live_run;
mod routes;
mod service;
mod slow_client;
mod status;
mod streams;

pub use backpressure::Pressure;
pub use feedback::Feedback;
pub use listener::Listener;
pub use live_run::{EngineView, LiveRun};
pub use service::Service;

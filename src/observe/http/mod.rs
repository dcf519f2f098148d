//! The HTTP listener of a run, and the feedback that it sends: metrics, health, status, backpressure.
//!
//! - [`Live`]: what they see of the run; [`Pressure`]: how full the queue is
//! - [`Listener`]: the address, bound, and who may ask there
//! - [`Feedback`]: where each change of the queue's level is sent
//! - [`Service`]: serves and sends, on a thread of its own that the load never waits for

mod body;
mod feedback;
mod history;
mod listener;
mod live;
mod patience;
mod pressure;
mod routes;
mod service;
mod status;
mod streams;

pub use feedback::{Feedback, Patience};
pub use listener::Listener;
pub use live::{EngineView, Live};
pub use pressure::Pressure;
pub use service::Service;

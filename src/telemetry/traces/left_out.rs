//! Traces, in a program that was built without them.

use std::convert::Infallible;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Identity;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::error::{Error, Result, left_out};
use crate::telemetry::otlp::Protocol;

/// The traces of a run, of which there are none.
#[derive(Debug)]
pub struct Traces(Infallible);

impl Traces {
    /// Refuses all.
    ///
    /// # Errors
    /// In every case.
    pub fn start(_: &str, _: Protocol, _: Uuid) -> Result<Self> {
        Err(Error::usage(left_out("traces", "otlp")))
    }

    /// Passes nothing on.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        Identity::new()
    }

    /// Never called.
    pub fn finish(self) {
        match self.0 {}
    }
}

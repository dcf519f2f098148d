//! Traces over gRPC, in a program that was built without it.

use opentelemetry_http::{Bytes, Request};

use crate::error::{Error, Result, left_out};
use crate::telemetry::client::{Answer, Endpoint};

/// Refuses all.
pub(super) fn endpoint(_: Endpoint) -> Result<Endpoint> {
    Err(Error::usage(left_out("gRPC", "grpc")))
}

/// Never called.
pub(super) async fn call(_: &Endpoint, _: Request<Bytes>, _: usize) -> Result<Answer, String> {
    Err(left_out("gRPC", "grpc"))
}

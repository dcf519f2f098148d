//! gRPC, in a program that was built without it: who speaks HTTP/2 is answered as anybody who does not speak HTTP/1.1.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::telemetry::http::LiveRun;
use crate::telemetry::http::routes::Routes;
use crate::telemetry::http::service::Ending;
use crate::telemetry::http::slow_client::Patient;

/// None.
pub(super) fn services<S: Clone + Send + Sync + 'static>(
    _: &Arc<LiveRun>,
    _: &watch::Receiver<bool>,
) -> Router<S> {
    Router::new()
}

/// It is not.
pub(super) async fn is_spoken(_: &TcpStream) -> bool {
    false
}

/// Never called.
pub(super) async fn serve(_: Patient<TcpStream>, _: Router, _: Arc<Semaphore>, _: Ending) {}

/// Never called.
pub(super) async fn turn_away(_: Patient<TcpStream>, _: &'static str) {}

/// None is.
pub(super) fn is_call(_: &Request) -> bool {
    false
}

/// Never called.
pub(super) async fn guard(_: &Routes, request: Request, next: Next) -> Response {
    next.run(request).await
}

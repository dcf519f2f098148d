//! gRPC on the port of the listener: HTTP/2 with prior knowledge, under the listener's token and limits.
//!
//! `proto/` describes what is served; [`v1`] is made of it by `scripts/generate`. Beside it there are the standard
//! services of health and reflection.

mod backpressure;
mod connection;
mod health;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{Method, Version};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;

use crate::telemetry::http::LiveRun;
use crate::telemetry::http::routes::{NOT_MEANT, Routes};
use crate::telemetry::http::service::HEADER;
use connection::Held;
pub(super) use connection::{is_spoken, serve, turn_away};

/// The messages and the service of `proto/mdsctl/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod v1 {
    include!("generated.rs");
}

/// The descriptors of `proto/mdsctl/v1`, from which reflection tells clients what there is to call.
const DESCRIPTOR: &[u8] = include_bytes!("descriptor.bin");
/// Largest message of a client: they say next to nothing.
const MESSAGE: usize = 4 << 10;
/// The services of which reflection tells: ours, health and itself.
const OURS: &str = v1::backpressure_server::SERVICE_NAME;

/// What is answered over gRPC, until the run has `stopped`.
pub(super) fn services<S: Clone + Send + Sync + 'static>(
    live: &Arc<LiveRun>,
    stopped: &watch::Receiver<bool>,
) -> Router<S> {
    let pressure = backpressure::Service { live: live.clone(), stopped: stopped.clone() };
    let pressure =
        v1::backpressure_server::BackpressureServer::new(pressure).max_decoding_message_size(MESSAGE);
    let health = health::Service { live: live.clone(), stopped: stopped.clone() };
    let health = HealthServer::new(health).max_decoding_message_size(MESSAGE);
    let router = Router::new()
        .route_service("/mdsctl.v1.Backpressure/{method}", pressure)
        .route_service("/grpc.health.v1.Health/{method}", health);
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // The older one is what most clients ask first.
    match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(v1), Ok(alpha)) => router
            .route_service(
                "/grpc.reflection.v1.ServerReflection/{method}",
                v1.max_decoding_message_size(MESSAGE),
            )
            .route_service(
                "/grpc.reflection.v1alpha.ServerReflection/{method}",
                alpha.max_decoding_message_size(MESSAGE),
            ),
        // The descriptors are constants, and a test reads them.
        _ => router,
    }
}

/// Whether a request is a call.
pub(super) fn is_call(request: &Request) -> bool {
    request.version() == Version::HTTP_2 && *request.method() == Method::POST && is_grpc(request.headers())
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let rest = kind.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.first().is_none_or(|next| matches!(next, b'+' | b';')))
}

/// Lets calls in under the rules of the listener.
pub(super) async fn guard(routes: &Routes, request: Request, next: Next) -> Response {
    if !routes.is_meant(&request) {
        return refused(Status::permission_denied(NOT_MEANT));
    }
    if !routes.is_let_in(&request) {
        let text = "a token is needed, as metadata: authorization: Bearer TOKEN";
        return refused(Status::unauthenticated(text));
    }
    let place = match stays(request.uri().path()) {
        true => match routes.streams.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                let text = "too many are following already; close a stream, or call Get now and then";
                return refused(Status::resource_exhausted(text));
            }
        },
        false => None,
    };
    let path = request.uri().path().to_owned();
    // What is asked has to come in time; a stream then stays as long as it is taken.
    match timeout(HEADER, next.run(request)).await {
        Ok(answer) if is_grpc(answer.headers()) => answer.map(|body| Body::new(Held::new(body, place))),
        Ok(_) => refused(Status::unimplemented(format!(
            "there is nothing at {path}; there are {OURS}, grpc.health.v1.Health and grpc.reflection.v1.ServerReflection"
        ))),
        Err(_) => refused(Status::deadline_exceeded("the request did not come in time")),
    }
}

/// Whether what is called answers with a stream.
fn stays(path: &str) -> bool {
    path.ends_with("/Watch") || path.ends_with("/ServerReflectionInfo")
}

fn refused(status: Status) -> Response {
    status.into_http()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn calls_are_told_by_their_content() {
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_grpc(&headers)
        };
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert!(of(kind), "{kind}");
        }
        for kind in ["application/grpc-web", "application/json", ""] {
            assert!(!of(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn reflection_knows_its_descriptors() {
        let sets = [DESCRIPTOR, tonic_health::pb::FILE_DESCRIPTOR_SET];
        for set in sets {
            let builder = || Builder::configure().register_encoded_file_descriptor_set(set);
            assert!(builder().build_v1().is_ok() && builder().build_v1alpha().is_ok());
        }
    }
}

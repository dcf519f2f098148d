//! What is asked, and what is answered.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::settings::Secret;
use crate::telemetry::http::streams::{self, StatusStream};
use crate::telemetry::http::{LiveRun, grpc};

/// The live page: one file, which asks for nothing from elsewhere.
const PAGE: &str = include_str!("page.html");
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const PATHS: &str = "there is nothing at that path; there are:
/                     a live page
/metrics              for Prometheus
/healthz              whether the process and its workers live
/readyz               whether the store has been reached and the circuit is closed
/status               the run so far, as one JSON object
/status/stream        what the page shows, as events
/backpressure         how full the queue is
/backpressure/stream  each change of that, as events
";

/// What is said to who calls the listener by another name than its own.
pub(super) const NOT_MEANT: &str =
    "this listener is not known by that name; ask for localhost, or for its address";

/// Answers requests.
pub(super) struct Routes {
    live: Arc<LiveRun>,
    token: Option<Secret>,
    feed: Arc<StatusStream>,
    pub(super) streams: Arc<Semaphore>,
    /// The host that was asked for, where only this machine can ask.
    host: Option<String>,
}

impl Routes {
    /// With places for so many `streams` at once.
    pub(super) fn new(
        live: Arc<LiveRun>,
        token: Option<Secret>,
        feed: Arc<StatusStream>,
        streams: usize,
    ) -> Self {
        Self { live, token, feed, streams: Arc::new(Semaphore::new(streams)), host: None }
    }

    /// Where only this machine can ask: answers no request that calls it by another name than this one,
    /// `localhost` or an address.
    pub(super) fn on_host(self, host: Option<String>) -> Self {
        Self { host, ..self }
    }

    /// What answers, until the run has `stopped`. The body of a request is not read, but for a call of gRPC.
    pub(super) fn router(self, stopped: &watch::Receiver<bool>) -> Router {
        let routes = Arc::new(self);
        grpc::services(&routes.live, stopped)
            // The page itself says nothing of the run: it asks for the token, and then for the events.
            .route("/", get(async || ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))))
            .route("/metrics", get(metrics))
            .route("/healthz", get(async |State(to): At| said(to.live.healthy().map(|()| "ok"))))
            .route("/readyz", get(async |State(to): At| said(to.live.ready().map(|()| "ready"))))
            .route("/status", get(async |State(to): At| json(to.live.so_far().1.to_json())))
            .route("/backpressure", get(async |State(to): At| json(to.live.pressure().to_json())))
            .route("/status/stream", get(status_events))
            .route("/backpressure/stream", get(pressure_events))
            .fallback(async || (StatusCode::NOT_FOUND, PATHS))
            .layer(from_fn_with_state(routes.clone(), guard))
            .with_state(routes)
    }

    /// Whether the request calls this listener by a name of it.
    pub(super) fn is_meant(&self, request: &Request) -> bool {
        let Some(own) = &self.host else { return true };
        let named = request.headers().get_all(HOST).into_iter().map(|value| value.to_str().ok());
        let mut named = named.chain(request.uri().authority().map(|name| Some(name.as_str())));
        named.all(|name| name.is_some_and(|name| is_name_of(name, own)))
    }

    /// Whether the request has the token, where one is needed.
    pub(super) fn is_let_in(&self, request: &Request) -> bool {
        self.token.as_ref().is_none_or(|token| knows(request, token))
    }

    /// Why a request gets nothing.
    fn refusal(&self, request: &Request) -> Option<Response> {
        if !self.is_meant(request) {
            return Some((StatusCode::MISDIRECTED_REQUEST, format!("{NOT_MEANT}\n")).into_response());
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let refusal = ([(ALLOW, "GET, HEAD")], "only GET and HEAD are answered\n");
            return Some((StatusCode::METHOD_NOT_ALLOWED, refusal).into_response());
        }
        if request.uri().path() == "/" || self.is_let_in(request) {
            return None;
        }
        let refusal = "a token is needed, as in: Authorization: Bearer TOKEN\n";
        Some((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], refusal).into_response())
    }

    /// Events, where there is a place for one more that follows them.
    fn follow<S>(&self, method: &Method, events: impl FnOnce(OwnedSemaphorePermit) -> S) -> Response
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        let kind = [(CONTENT_TYPE, "text/event-stream")];
        if *method == Method::HEAD {
            return kind.into_response();
        }
        match self.streams.clone().try_acquire_owned() {
            Ok(place) => (kind, Body::from_stream(events(place).map(Ok::<_, Infallible>))).into_response(),
            Err(_) => {
                let full = "too many are following already; close one, or ask for the path without /stream\n";
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], full).into_response()
            }
        }
    }
}

/// How a route gets at what it tells.
type At = State<Arc<Routes>>;

/// What holds for all answers, refusals too.
async fn guard(State(routes): At, request: Request, next: Next) -> Response {
    if grpc::is_call(&request) {
        return grpc::guard(&routes, request, next).await;
    }
    let mut response = match routes.refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn metrics(State(routes): At) -> Response {
    match routes.live.metrics() {
        Ok(metrics) => ([(CONTENT_TYPE, PROMETHEUS)], metrics).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status_events(State(routes): At, method: Method) -> Response {
    routes.follow(&method, |place| routes.feed.clone().stream(place))
}

async fn pressure_events(State(routes): At, method: Method) -> Response {
    routes.follow(&method, |place| streams::pressure(routes.live.clone(), place))
}

fn json(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], text + "\n")
}

fn said<E: std::fmt::Display>(what: Result<&str, E>) -> impl IntoResponse + use<E> {
    match what {
        Ok(word) => (StatusCode::OK, format!("{word}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// Whether `name`, which may have a port, is an address, `localhost` or `own`.
fn is_name_of(name: &str, own: &str) -> bool {
    let port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once(':') {
        Some((name, digits)) if port(digits) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => name,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    address.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost") || name == own
}

/// Whether the request has the token. How long that takes says no more than how long the token is.
fn knows(request: &Request, token: &Secret) -> bool {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return false };
    let Some((scheme, given)) = value.as_bytes().split_at_checked(7) else { return false };
    let given = given.trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.ct_eq(token.reveal().trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::telemetry::http::live_run::tests::{engine, live};

    async fn answer(routes: &Router, request: Request) -> Response {
        TowerToHyperService::new(routes.clone()).call(request).await.unwrap()
    }

    async fn ask(routes: &Router, method: Method, path: &str) -> Response {
        answer(routes, Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    fn routes_of(live: Arc<LiveRun>, token: Option<&str>, streams: usize) -> Routes {
        Routes::new(live.clone(), token.map(Secret::new), Arc::new(StatusStream::new(live)), streams)
    }

    fn router(routes: Routes) -> Router {
        routes.router(&watch::channel(false).1)
    }

    fn routes(token: Option<&str>, streams: usize) -> Router {
        router(routes_of(live(), token, streams))
    }

    #[test]
    fn a_token_is_taken_from_the_header() {
        let token = Secret::new("a b+c\u{e9}");
        let asks = |header: &[u8]| {
            let request = Request::builder().header(AUTHORIZATION, HeaderValue::from_bytes(header).unwrap());
            knows(&request.body(Body::empty()).unwrap(), &token)
        };
        assert!(asks("Bearer a b+c\u{e9}".as_bytes()) && asks("bearer  a b+c\u{e9} ".as_bytes()));
        for wrong in ["", "Bearer", "Bearer ", "Bearer a b+c", "Bearer a b+c\u{e9}d", "Basic a b+c\u{e9}"] {
            assert!(!asks(wrong.as_bytes()), "{wrong}");
        }
        assert!(!knows(&Request::builder().uri("/?token=x").body(Body::empty()).unwrap(), &token));
    }

    #[tokio::test]
    async fn without_the_token_there_is_nothing_but_the_page() {
        let routes = routes(Some("x"), 1);
        assert_eq!(ask(&routes, Method::GET, "/").await.status(), 200);
        for path in ["/metrics", "/healthz", "/status/stream", "/nothing"] {
            let answer = ask(&routes, Method::GET, path).await;
            assert_eq!(
                (answer.status().as_u16(), answer.headers()[WWW_AUTHENTICATE].to_str().unwrap()),
                (401, "Bearer")
            );
        }
    }

    #[tokio::test]
    async fn each_path_has_its_answer() {
        let live = live();
        let routes = router(routes_of(live.clone(), None, 1));
        for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 503), ("/status", 200)] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(ask(&routes, method, path).await.status(), status, "{path}");
            }
            assert_eq!(ask(&routes, Method::POST, path).await.status(), 405, "{path}");
        }
        let _engine = engine(&live, "a");
        assert_eq!(ask(&routes, Method::GET, "/readyz").await.status(), 200);
        assert_eq!(ask(&routes, Method::GET, "/backpressure?x=1").await.status(), 200);
        assert_eq!(ask(&routes, Method::GET, "/none").await.status(), 404);
        for line in PATHS.lines().skip(1) {
            let path = line.split(' ').next().unwrap();
            assert_ne!(ask(&routes, Method::HEAD, path).await.status(), 404, "{path}");
        }
    }

    #[tokio::test]
    async fn a_page_from_elsewhere_has_another_name_for_this_machine() {
        let asks = async |routes: &Router, host: &str| {
            let request = Request::builder().uri("/status").header(HOST, host);
            answer(routes, request.body(Body::empty()).unwrap()).await.status()
        };
        let here = router(routes_of(live(), None, 1).on_host(Some("loader".to_owned())));
        for name in
            ["localhost:9464", "127.0.0.1", "127.0.0.1:1", "[::1]:9464", "loader:80", "LOADER.", "192.0.2.7"]
        {
            assert_eq!(asks(&here, name).await, 200, "{name}");
        }
        for name in
            ["evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert_eq!(asks(&here, name).await, 421, "{name}");
        }
        assert_eq!(asks(&routes(None, 1), "metrics.example").await, 200);
    }

    #[tokio::test]
    async fn streams_are_bounded() {
        let routes = routes(None, 2);
        let streams = [
            ask(&routes, Method::GET, "/status/stream").await,
            ask(&routes, Method::GET, "/backpressure/stream").await,
        ];
        assert!(streams.iter().all(|stream| stream.status() == 200));
        let refused = ask(&routes, Method::GET, "/status/stream").await;
        assert_eq!((refused.status().as_u16(), refused.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
        assert_eq!(ask(&routes, Method::HEAD, "/status/stream").await.status(), 200);
        drop(streams);
        assert_eq!(ask(&routes, Method::GET, "/status/stream").await.status(), 200);
    }
}

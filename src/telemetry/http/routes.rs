//! What is asked, and what is answered.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::Secret;
use crate::telemetry::http::LiveRun;
use crate::telemetry::http::body::Body;
use crate::telemetry::http::streams::{self, StatusStream};

/// The live page: one file, which asks for nothing from elsewhere.
const PAGE: &str = include_str!("page.html");
const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const EVENTS: &str = "text/event-stream";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const PATHS: &str = "there is nothing at that path; there are:
/                     a live page
/metrics              for Prometheus
/healthz              whether the process and its workers live
/readyz               whether the store has been reached and the circuit is closed
/status               the run so far, as --json prints it
/status/stream        what the page shows, as events
/backpressure         how full the queue is
/backpressure/stream  each change of that, as events
";

/// Answers requests.
pub(super) struct Routes {
    live: Arc<LiveRun>,
    token: Option<Secret>,
    feed: Arc<StatusStream>,
    streams: Arc<Semaphore>,
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

    /// Whether the request calls this listener by a name of it.
    fn is_meant<B>(&self, request: &Request<B>) -> bool {
        let Some(own) = &self.host else { return true };
        let named = request.headers().get_all(HOST).into_iter().map(|value| value.to_str().ok());
        let mut named = named.chain(request.uri().authority().map(|name| Some(name.as_str())));
        named.all(|name| name.is_some_and(|name| is_name_of(name, own)))
    }

    /// Answers. The body of a request is never read.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !self.is_meant(request) {
            let refusal = "this listener is not known by that name; ask for localhost, or for its address\n";
            return text(StatusCode::MISDIRECTED_REQUEST, PLAIN, refusal);
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let refusal = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD are answered\n");
            return with(refusal, ALLOW, "GET, HEAD");
        }
        let path = request.uri().path();
        // The page itself says nothing of the run: it asks for the token, and then for the events.
        if path == "/" {
            let page = text(StatusCode::OK, "text/html; charset=utf-8", PAGE);
            return with(page, CONTENT_SECURITY_POLICY, POLICY);
        }
        if !self.token.as_ref().is_none_or(|token| knows(request, token)) {
            let refusal = "a token is needed, as in: Authorization: Bearer TOKEN\n";
            return with(text(StatusCode::UNAUTHORIZED, PLAIN, refusal), WWW_AUTHENTICATE, "Bearer");
        }
        let live = &self.live;
        match path {
            "/metrics" => match live.metrics() {
                Ok(metrics) => text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
            },
            "/healthz" => said(live.healthy().map(|()| "ok")),
            "/readyz" => said(live.ready().map(|()| "ready")),
            "/status" => text(StatusCode::OK, JSON, live.so_far().1.to_json() + "\n"),
            "/backpressure" => text(StatusCode::OK, JSON, live.pressure().to_json() + "\n"),
            "/backpressure/stream" => {
                self.stream(request, |place| Body::Stream(Box::pin(streams::pressure(live.clone(), place))))
            }
            "/status/stream" => {
                self.stream(request, |place| Body::Stream(Box::pin(self.feed.clone().stream(place))))
            }
            _ => text(StatusCode::NOT_FOUND, PLAIN, PATHS),
        }
    }

    fn stream<B>(
        &self,
        request: &Request<B>,
        body: impl FnOnce(OwnedSemaphorePermit) -> Body,
    ) -> Response<Body> {
        if *request.method() == Method::HEAD {
            return respond(StatusCode::OK, EVENTS, Body::whole(""));
        }
        match self.streams.clone().try_acquire_owned() {
            Ok(place) => respond(StatusCode::OK, EVENTS, body(place)),
            Err(_) => {
                let full = "too many are following already; close one, or ask for the path without /stream\n";
                with(text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, full), RETRY_AFTER, "5")
            }
        }
    }
}

fn said<E: std::fmt::Display>(what: Result<&str, E>) -> Response<Body> {
    match what {
        Ok(word) => text(StatusCode::OK, PLAIN, format!("{word}\n")),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{why}\n")),
    }
}

fn text(status: StatusCode, kind: &'static str, text: impl Into<bytes::Bytes>) -> Response<Body> {
    respond(status, kind, Body::whole(text))
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let response = with(response, CONTENT_TYPE, kind);
    let response = with(response, CACHE_CONTROL, "no-store");
    let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    with(response, REFERRER_POLICY, "no-referrer")
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
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
fn knows<B>(request: &Request<B>, token: &Secret) -> bool {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return false };
    let Some((scheme, given)) = value.as_bytes().split_at_checked(7) else { return false };
    let given = given.trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.ct_eq(token.reveal().trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::http::live_run::tests::{engine, live};

    fn ask(routes: &Routes, method: Method, path: &str) -> Response<Body> {
        routes.answer(&Request::builder().method(method).uri(path).body(()).unwrap())
    }

    fn routes(token: Option<&str>, streams: usize) -> Routes {
        let live = live();
        Routes::new(live.clone(), token.map(Secret::new), Arc::new(StatusStream::new(live)), streams)
    }

    #[test]
    fn a_token_is_taken_from_the_header() {
        let token = Secret::new("a b+c\u{e9}");
        let asks = |header: &[u8]| {
            let request = Request::builder().header(AUTHORIZATION, HeaderValue::from_bytes(header).unwrap());
            knows(&request.body(()).unwrap(), &token)
        };
        assert!(asks("Bearer a b+c\u{e9}".as_bytes()) && asks("bearer  a b+c\u{e9} ".as_bytes()));
        for wrong in ["", "Bearer", "Bearer ", "Bearer a b+c", "Bearer a b+c\u{e9}d", "Basic a b+c\u{e9}"] {
            assert!(!asks(wrong.as_bytes()), "{wrong}");
        }
        assert!(!knows(&Request::builder().uri("/?token=x").body(()).unwrap(), &token));
    }

    #[test]
    fn without_the_token_there_is_nothing_but_the_page() {
        let routes = routes(Some("x"), 1);
        assert_eq!(ask(&routes, Method::GET, "/").status(), 200);
        for path in ["/metrics", "/healthz", "/status/stream", "/nothing"] {
            let answer = ask(&routes, Method::GET, path);
            assert_eq!(
                (answer.status().as_u16(), answer.headers()[WWW_AUTHENTICATE].to_str().unwrap()),
                (401, "Bearer")
            );
        }
    }

    #[test]
    fn each_path_has_its_answer() {
        let routes = routes(None, 1);
        for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 503), ("/status", 200)] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(ask(&routes, method, path).status(), status, "{path}");
            }
            assert_eq!(ask(&routes, Method::POST, path).status(), 405, "{path}");
        }
        let _engine = engine(&routes.live, "a");
        assert_eq!(ask(&routes, Method::GET, "/readyz").status(), 200);
        assert_eq!(ask(&routes, Method::GET, "/backpressure?x=1").status(), 200);
        assert_eq!(ask(&routes, Method::GET, "/none").status(), 404);
        for line in PATHS.lines().skip(1) {
            let path = line.split(' ').next().unwrap();
            assert_ne!(ask(&routes, Method::HEAD, path).status(), 404, "{path}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_has_another_name_for_this_machine() {
        let asks = |routes: &Routes, host: &str| {
            routes.answer(&Request::builder().uri("/status").header(HOST, host).body(()).unwrap()).status()
        };
        let here = routes(None, 1).on_host(Some("loader".to_owned()));
        for name in
            ["localhost:9464", "127.0.0.1", "127.0.0.1:1", "[::1]:9464", "loader:80", "LOADER.", "192.0.2.7"]
        {
            assert_eq!(asks(&here, name), 200, "{name}");
        }
        for name in
            ["evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert_eq!(asks(&here, name), 421, "{name}");
        }
        assert_eq!(asks(&routes(None, 1), "metrics.example"), 200);
    }

    #[test]
    fn streams_are_bounded() {
        let routes = routes(None, 2);
        let streams = ["/status/stream", "/backpressure/stream"].map(|path| ask(&routes, Method::GET, path));
        assert!(streams.iter().all(|stream| stream.status() == 200));
        let refused = ask(&routes, Method::GET, "/status/stream");
        assert_eq!((refused.status().as_u16(), refused.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
        assert_eq!(ask(&routes, Method::HEAD, "/status/stream").status(), 200);
        drop(streams);
        assert_eq!(ask(&routes, Method::GET, "/status/stream").status(), 200);
    }
}

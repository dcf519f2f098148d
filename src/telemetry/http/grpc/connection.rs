//! A connection of HTTP/2: what tells it from HTTP/1.1, and what it may take.

use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tonic::Status;

use crate::telemetry::http::service::{Ending, HEAD, HEADER, LAST, MOST_OF_ONE};
use crate::telemetry::http::slow_client::Patient;

/// How HTTP/2 begins; no method of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI";
/// Between two looks for the rest of it.
const LOOK: Duration = Duration::from_millis(10);
/// A connection on which nothing was asked for so long is closed; a client opens another when it needs one.
const IDLE: Duration = Duration::from_secs(20);
/// Between two pings that find out whether a peer is there at all.
const PING: Duration = Duration::from_secs(20);
/// The time for the answer to one.
const PONG: Duration = Duration::from_secs(10);
/// Most bytes that a peer may send before it is read further, on a stream and on all of a connection.
const WINDOWS: (u32, u32) = (16 << 10, 64 << 10);

/// Whether the peer speaks HTTP/2. Takes nothing of what it says.
pub(in crate::telemetry::http) async fn is_spoken(stream: &TcpStream) -> bool {
    let mut begin = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut begin).await {
            Ok(count) if count == PREFACE.len() => return begin == PREFACE,
            Ok(count) if count > 0 && PREFACE.starts_with(&begin[..count]) => sleep(LOOK).await,
            _ => return false,
        }
    }
}

/// Answers on a connection until nothing is asked on it any more, or the run ends. What is asked at once takes
/// `requests` of the peer.
pub(in crate::telemetry::http) async fn serve(
    stream: Patient<TcpStream>,
    router: Router,
    requests: Arc<Semaphore>,
    mut ending: Ending,
) {
    let (going_on, mut open) = watch::channel(0_usize);
    let routes = TowerToHyperService::new(router);
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let place = requests.clone().try_acquire_owned();
        let open = Open::new(&going_on);
        let routes = routes.clone();
        async move {
            let Ok(place) = place else {
                return Ok(busy(
                    &request,
                    Status::resource_exhausted("too many requests of this peer go on; end one"),
                ));
            };
            let answer = routes.call(request.map(Body::new)).await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Body::new(Held::new(body, (place, open)))))
        }
    });
    let mut connection = pin!(protocol().serve_connection(TokioIo::new(stream), answer));
    let left = tokio::select! {
        // What goes wrong with a connection is its peer's affair.
        _ = connection.as_mut() => return,
        () = idle(&mut open) => HEADER,
        _ = ending.stopped.wait_for(|stopped| *stopped) => LAST,
    };
    connection.as_mut().graceful_shutdown();
    let _ = timeout(left, connection).await;
}

/// Tells who has connected where there is no place for another connection, by the answer to what it asks: nothing else
/// is understood by a client of gRPC.
pub(in crate::telemetry::http) async fn turn_away(stream: Patient<TcpStream>, text: &'static str) {
    let asked = Arc::new(Notify::new());
    let told = asked.clone();
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        told.notify_one();
        ready(Ok::<_, std::convert::Infallible>(busy(&request, Status::unavailable(text))))
    });
    let mut connection = pin!(protocol().serve_connection(TokioIo::new(stream), answer));
    let answered = async {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = asked.notified() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    };
    let _ = timeout(HEADER, answered).await;
}

/// A refusal for what there is no room for, in the terms of who asks.
fn busy(request: &hyper::Request<Incoming>, status: Status) -> Response {
    match super::is_grpc(request.headers()) {
        true => status.into_http(),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", status.message())).into_response(),
    }
}

/// HTTP/2, bounded.
fn protocol() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_OF_ONE as u32)
        .max_header_list_size(HEAD as u32)
        .max_send_buf_size(HEAD)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

/// Comes when nothing was asked for a while.
async fn idle(open: &mut watch::Receiver<usize>) {
    loop {
        let _ = open.wait_for(|count| *count == 0).await;
        tokio::select! {
            () = sleep(IDLE) => return,
            // Short ones, too, which may be over by the time that this is woken.
            _ = open.changed() => {}
        }
    }
}

/// A request that goes on; counted.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A body that keeps something until it is sent or given up.
pub(super) struct Held<T> {
    body: Body,
    _kept: T,
}

impl<T> Held<T> {
    pub(super) fn new(body: Body, kept: T) -> Self {
        Self { body, _kept: kept }
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_is_who_asks_nothing_for_a_while() {
        let (count, mut open) = watch::channel(0);
        let start = Instant::now();
        let first = Open::new(&count);
        let second = Open::new(&count);
        let ends = async {
            sleep(IDLE * 3).await;
            drop(first);
            sleep(IDLE).await;
            drop(second);
            sleep(IDLE / 2).await;
            drop(Open::new(&count));
        };
        tokio::join!(ends, idle(&mut open));
        assert_eq!(start.elapsed(), IDLE * 4 + IDLE / 2 + IDLE);
    }
}

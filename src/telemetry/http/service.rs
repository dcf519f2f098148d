//! Serves and sends, on a thread of its own.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};
use crate::telemetry::http::grpc;
use crate::telemetry::http::routes::Routes;
use crate::telemetry::http::slow_client::Patient;
use crate::telemetry::http::streams::StatusStream;
use crate::telemetry::http::{Feedback, Listener, LiveRun};
use crate::text::flags::METRICS_LISTEN;

/// Connections at once.
const MOST: usize = 64;
/// Those of them that one peer may have, so that others get in; and requests that go on over its connections of HTTP/2.
pub(super) const MOST_OF_ONE: usize = 24;
/// Connections beyond, at once, that are told why they are refused in the protocol that they speak; yet others are told in
/// that of HTTP/1.1.
const TURNED_AWAY: usize = 8;
/// What those are told.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";
/// Those of them that get events; they stay.
const STREAMS: usize = 32;
/// Longest time from the beginning of a connection, or of its next request, to the end of its head.
pub(super) const HEADER: Duration = Duration::from_secs(5);
/// Most bytes of the head of a request, and most that wait to be sent on a connection.
pub(super) const HEAD: usize = 16 << 10;
/// Most fields in the head of a request.
const FIELDS: usize = 64;
/// What the last change of level has at the end of a run, to be taken.
pub(super) const LAST: Duration = Duration::from_secs(1);
/// After a connection could not be taken, as when the process has too many files open.
const PAUSE: Duration = Duration::from_millis(100);
/// Turns that each connection gets at the end, to be told of it.
const TURNS: usize = 16;

/// Serves until it is dropped. The run waits for it at its end alone, and then not for long.
pub struct Service {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Answers on `listener`, and sends `feedback`, with what `live` shows.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system has no thread for it.
    pub fn start(live: Arc<LiveRun>, listener: Option<Listener>, feedback: Option<Feedback>) -> Result<Self> {
        let failed = |error: io::Error| Error::internal(format!("{METRICS_LISTEN}: cannot start: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let listener = match listener {
            Some(listener) => {
                let _inside = runtime.enter();
                Some((TcpListener::from_std(listener.socket).map_err(failed)?, listener.token, listener.host))
            }
            None => None,
        };
        // Heard from here on, whenever the thread comes to run.
        let changes = live.changes();
        let work = async move {
            let mut ended = stopped.clone();
            let sends = feedback.map(|feedback| tokio::spawn(feedback.run(changes, stopped.clone())));
            let (ending, mut all_ended) = ending(stopped);
            let serves = listener.map(|(socket, token, host)| {
                let feed = Arc::new(StatusStream::new(live.clone()));
                let routes = Routes::new(live, token, feed.clone(), STREAMS).on_host(host);
                tokio::spawn(feed.clone().run());
                let router = routes.router(&ending.stopped);
                (feed, tokio::spawn(accept(socket, router, ending)))
            });
            // An error says that nobody is there to wait for.
            let _ = ended.wait_for(|ended| *ended).await;
            if let Some(sends) = sends {
                let _ = timeout(LAST, sends).await;
            }
            if let Some((feed, accepting)) = serves {
                accepting.abort();
                let _ = accepting.await;
                feed.note();
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
                // Who watches over gRPC is told how the run ended.
                let _ = timeout(LAST, all_ended.recv()).await;
            }
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(work);
            // What looks up a name may take its time.
            runtime.shutdown_background();
        });
        Ok(Self { stop, thread: Some(thread.map_err(failed)?) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

/// What a connection that is told of the end of the run has of it.
#[derive(Clone)]
pub(super) struct Ending {
    /// Whether it has come.
    pub(super) stopped: watch::Receiver<bool>,
    /// Goes with the connection.
    _open: mpsc::Sender<()>,
}

/// Made of what tells of the end, with what hears that all who have it are gone.
fn ending(stopped: watch::Receiver<bool>) -> (Ending, mpsc::Receiver<()>) {
    let (open, all_ended) = mpsc::channel(1);
    (Ending { stopped, _open: open }, all_ended)
}

/// Room that one peer has.
#[derive(Clone)]
struct Room {
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

impl Room {
    fn new() -> Self {
        let room = || Arc::new(Semaphore::new(MOST_OF_ONE));
        Self { connections: room(), requests: room() }
    }
}

async fn accept(socket: TcpListener, router: Router, ending: Ending) {
    let places = Arc::new(Semaphore::new(MOST));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut peers: HashMap<IpAddr, Room> = HashMap::new();
    loop {
        let Ok((stream, peer)) = socket.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // Who has no connection is forgotten.
        peers.retain(|_, room| room.connections.available_permits() < MOST_OF_ONE);
        let room = peers.entry(peer.ip().to_canonical()).or_insert_with(Room::new);
        match (room.connections.clone().try_acquire_owned(), places.clone().try_acquire_owned()) {
            (Ok(own), Ok(place)) => {
                let requests = room.requests.clone();
                let serving = serve(stream, router.clone(), requests, [own, place], ending.clone());
                drop(tokio::spawn(serving));
            }
            _ => match turned_away.clone().try_acquire_owned() {
                Ok(place) => drop(tokio::spawn(turn_away(stream, place))),
                Err(_) => drop(stream.try_write(FULL)),
            },
        }
    }
}

/// Says that there is no place, in the protocol that the peer speaks.
async fn turn_away(stream: TcpStream, _place: OwnedSemaphorePermit) {
    match timeout(LAST, grpc::is_spoken(&stream)).await {
        Ok(true) => {
            grpc::turn_away(
                Patient::new(stream),
                "too many connections are open; close one, or try again in 5 s",
            )
            .await;
        }
        _ => drop(stream.try_write(FULL)),
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    requests: Arc<Semaphore>,
    _places: [OwnedSemaphorePermit; 2],
    ending: Ending,
) {
    let _ = stream.set_nodelay(true);
    match timeout(HEADER, grpc::is_spoken(&stream)).await {
        Ok(true) => return grpc::serve(Patient::new(stream), router, requests, ending).await,
        Ok(false) => drop(ending),
        Err(_) => return,
    }
    // What goes wrong with a connection is its peer's affair.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(Patient::new(stream)), TowerToHyperService::new(router))
        .await;
}

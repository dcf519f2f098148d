//! Server-sent events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::telemetry::http::history::History;
use crate::telemetry::http::{LiveRun, status};

/// Between two signs of life of a stream on which nothing happens.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two events of the page.
const EVERY: Duration = Duration::from_secs(1);

/// What the page is sent: put into words once a second, however many look at it.
pub(super) struct StatusStream {
    live: Arc<LiveRun>,
    history: Mutex<History>,
    newest: watch::Sender<Bytes>,
}

impl StatusStream {
    pub(super) fn new(live: Arc<LiveRun>) -> Self {
        Self { live, history: Mutex::default(), newest: watch::Sender::new(Bytes::new()) }
    }

    /// Takes note each second.
    pub(super) async fn run(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note();
        }
    }

    /// Takes note of what is now, and tells it to those who look.
    pub(super) fn note(&self) {
        let (snapshot, run) = self.live.so_far();
        let point = self.history().add(run.rows.books.read, snapshot.queue.depth, self.live.lately());
        if self.newest.receiver_count() > 0 {
            let told = status::event(&self.live, (&snapshot, &run), point);
            self.newest.send_replace(event("status", &told.to_string()));
        }
    }

    /// The past, then the status each second. A reader that is slow gets fewer of them.
    pub(super) fn stream(
        self: Arc<Self>,
        place: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Bytes> + Send + use<> {
        let newest = self.newest.subscribe();
        unfold((self, newest, place, 0), |(feed, mut newest, place, sent)| async move {
            let piece = match sent {
                0 => event("past", &status::past(&feed.history()).to_string()),
                1 => {
                    newest.mark_unchanged();
                    let (snapshot, run) = feed.live.so_far();
                    event("status", &status::event(&feed.live, (&snapshot, &run), None).to_string())
                }
                _ => {
                    newest.changed().await.ok()?;
                    newest.borrow_and_update().clone()
                }
            };
            Some((piece, (feed, newest, place, (sent + 1).min(2))))
        })
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the queue now, then each change of level or circuit.
pub(super) fn pressure(live: Arc<LiveRun>, place: OwnedSemaphorePermit) -> impl Stream<Item = Bytes> + Send {
    // Before the first look, so that no change falls in between.
    let changes = live.changes();
    unfold((live, changes, place, true), |(live, mut changes, place, first)| async move {
        let piece = if first {
            message(&live.pressure().to_json())
        } else {
            let next = tokio::select! {
                next = changes.recv() => Some(next),
                () = sleep(HEARTBEAT) => None,
            };
            match next {
                None => Bytes::from_static(b": alive\n\n"),
                Some(Ok(change)) => message(&change.to_json()),
                // Too slow for some of them: what holds now says enough.
                Some(Err(RecvError::Lagged(_))) => message(&live.pressure().to_json()),
                Some(Err(RecvError::Closed)) => return None,
            }
        };
        Some((piece, (live, changes, place, false)))
    })
}

/// One event without a name; its data are one line.
fn message(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// One event of that name.
fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    use super::*;
    use crate::port::{Event, Level};
    use crate::telemetry::http::live_run::tests::{both, engine, live};

    fn place() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_and_heartbeats() {
        let live = live();
        let engine = engine(&live, "a");
        let mut stream = pin!(pressure(live.clone(), place()));
        let first = stream.next().await.unwrap();
        assert!(first.starts_with(b"data: {\"coord_id\":\"bars\",\"level\":\"ok\""), "{first:?}");
        let start = Instant::now();
        assert_eq!(stream.next().await.unwrap(), ": alive\n\n");
        assert_eq!(start.elapsed(), HEARTBEAT);
        let change = |level| Event::Pressure { level, depth: 9, capacity: 10, reason: "filled" };
        both(&engine, change(Level::Hard));
        let next = stream.next().await.unwrap();
        assert!(next.starts_with(b"data: {\"coord_id\":\"bars\",\"level\":\"hard\""), "{next:?}");
        // Who does not look for long is told what holds now.
        (0..1_000).for_each(|_| both(&engine, change(Level::Soft)));
        both(&engine, change(Level::Ok));
        let next = stream.next().await.unwrap();
        assert!(next.starts_with(b"data: {\"coord_id\":\"bars\",\"level\":\"ok\""), "{next:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_page_gets_the_past_and_then_the_newest() {
        let live = live();
        let engine = engine(&live, "a");
        let feed = Arc::new(StatusStream::new(live.clone()));
        (0..3).for_each(|_| feed.note());
        let mut stream = pin!(feed.clone().stream(place()));
        let past = stream.next().await.unwrap();
        let past: serde_json::Value =
            serde_json::from_slice(past.strip_prefix(b"event: past\ndata: ").unwrap()).unwrap();
        assert_eq!(past["points"].as_array().unwrap().len(), 2);
        assert!(stream.next().await.unwrap().starts_with(b"event: status\n"));
        for rows in 1..5 {
            both(&engine, Event::Read { rows });
            feed.note();
        }
        let newest = stream.next().await.unwrap();
        let newest: serde_json::Value =
            serde_json::from_slice(newest.strip_prefix(b"event: status\ndata: ").unwrap()).unwrap();
        assert_eq!(newest["run"]["rows"]["read"], 10);
        assert_eq!(newest["run"]["exit_code"], serde_json::Value::Null);
    }
}

//! `mdsctl.v1.Backpressure`: how full the queue is.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::v1::backpressure_server::Backpressure;
use super::v1::{Circuit, End, GetRequest, Level, Pressure as Told, WatchRequest, Watermarks};
use crate::telemetry::http::{LiveRun, Pressure};

/// Answers with what a run shows.
pub(super) struct Service {
    pub(super) live: Arc<LiveRun>,
    pub(super) stopped: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Backpressure for Service {
    async fn get(&self, _: Request<GetRequest>) -> Result<Response<Told>, Status> {
        Ok(Response::new(told(&self.live, &self.live.pressure())))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Told, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(watch(self.live.clone(), self.stopped.clone()))))
    }
}

/// Where a stream is.
enum Turn {
    First,
    Next,
    Over,
}

/// The state now, each change, and the end.
fn watch(
    live: Arc<LiveRun>,
    stopped: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Told, Status>> + Send {
    // Before the first look, so that no change falls in between.
    let changes = live.changes();
    unfold((live, changes, stopped, Turn::First), |(live, mut changes, mut stopped, turn)| async move {
        let (next, turn) = match turn {
            Turn::Over => return None,
            Turn::First => (told(&live, &live.pressure()), Turn::Next),
            Turn::Next => {
                let changed = tokio::select! {
                    biased;
                    changed = newest(&mut changes) => changed,
                    _ = stopped.wait_for(|stopped| *stopped) => None,
                };
                match changed {
                    Some(Ok(change)) => (told(&live, &change), Turn::Next),
                    Some(Err(Missed)) => (told(&live, &live.pressure()), Turn::Next),
                    None => (ended(&live), Turn::Over),
                }
            }
        };
        Some((Ok(next), (live, changes, stopped, turn)))
    })
}

/// More has changed than is kept: what holds now says enough.
struct Missed;

/// Waits for a change; of several that wait, the last. `None` when there will be none.
async fn newest(changes: &mut Receiver<Pressure>) -> Option<Result<Pressure, Missed>> {
    let mut newest = match changes.recv().await {
        Ok(change) => Ok(change),
        Err(RecvError::Lagged(_)) => Err(Missed),
        Err(RecvError::Closed) => return None,
    };
    loop {
        match changes.try_recv() {
            Ok(change) => newest = Ok(change),
            Err(TryRecvError::Lagged(_)) => newest = Err(Missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(newest),
        }
    }
}

fn ended(live: &LiveRun) -> Told {
    let end = End { exit_code: live.exit_code().map(u32::from) };
    Told { end: Some(end), ..told(live, &live.pressure()) }
}

fn told(live: &LiveRun, pressure: &Pressure) -> Told {
    let millis = (pressure.ts * 1e3).round() as i64;
    Told {
        coord_id: pressure.coord_id.to_string(),
        level: level(pressure.level).into(),
        utilisation: pressure.utilisation,
        queue: pressure.queue,
        capacity: pressure.capacity,
        watermarks: Some(Watermarks { low: pressure.watermarks.low, high: pressure.watermarks.high }),
        circuit: circuit(pressure.circuit).into(),
        run_id: live.run_id(),
        sequence: pressure.sequence,
        time: Some(prost_types::Timestamp {
            seconds: millis.div_euclid(1_000),
            nanos: (millis.rem_euclid(1_000) * 1_000_000) as i32,
        }),
        end: None,
    }
}

fn level(word: &str) -> Level {
    match word {
        "ok" => Level::Ok,
        "soft" => Level::Soft,
        "hard" => Level::Hard,
        _ => Level::Unspecified,
    }
}

fn circuit(word: &str) -> Circuit {
    match word {
        "closed" => Circuit::Closed,
        "open" => Circuit::Open,
        "half-open" => Circuit::HalfOpen,
        _ => Circuit::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::port::{self, Event};
    use crate::telemetry::http::live_run::tests::{both, engine, live};

    #[test]
    fn no_word_is_unspecified() {
        for known in [port::Level::Ok, port::Level::Soft, port::Level::Hard] {
            assert_ne!(level(known.as_str()), Level::Unspecified, "{known:?}");
        }
        for known in [port::Circuit::Closed, port::Circuit::Open, port::Circuit::HalfOpen] {
            assert_ne!(circuit(known.as_str()), Circuit::Unspecified, "{known:?}");
        }
    }

    #[tokio::test]
    async fn who_is_slow_gets_the_newest_and_then_the_end() {
        let live = live();
        let engine = engine(&live, "a");
        let (stop, stopped) = watch::channel(false);
        let mut stream = pin!(watch(live.clone(), stopped));
        let mut next = async || stream.next().await.map(|told| told.unwrap());
        let first = next().await.unwrap();
        assert_eq!((first.level(), first.run_id.as_str(), first.sequence), (Level::Ok, "r", 1));
        assert_eq!(first.watermarks, Some(Watermarks { low: 5, high: 8 }));
        let change = |level| Event::Pressure { level, depth: 9, capacity: 10, reason: "filled" };
        for count in [3, 1_000] {
            (0..count).for_each(|_| both(&engine, change(port::Level::Soft)));
            both(&engine, change(port::Level::Hard));
            let told = next().await.unwrap();
            assert_eq!((told.level(), told.queue, told.utilisation), (Level::Hard, 9, 0.9));
        }
        let now = next();
        both(&engine, Event::Circuit { state: port::Circuit::Open, trouble: None });
        let now = now.await.unwrap();
        assert_eq!((now.circuit(), now.sequence, now.end), (Circuit::Open, 1_007, None));
        live.end(3);
        stop.send_replace(true);
        let last = next().await.unwrap();
        assert_eq!((last.end, last.level()), (Some(End { exit_code: Some(3) }), Level::Hard));
        assert_eq!(next().await, None);
    }
}

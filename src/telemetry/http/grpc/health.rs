//! `grpc.health.v1.Health`: the whole ("") is what `/readyz` says, our service what `/healthz` says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::OURS;
use crate::telemetry::http::LiveRun;

/// Between two looks of who watches: nobody is told of a store that is reached for the first time.
const LOOK: Duration = Duration::from_millis(500);

/// Answers with what a run shows.
pub(super) struct Service {
    pub(super) live: Arc<LiveRun>,
    pub(super) stopped: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match status(&self.live, &request.get_ref().service) {
            ServingStatus::ServiceUnknown => {
                Err(Status::not_found(format!("there is no such service; there are \"\" and {OURS}")))
            }
            status => Ok(Response::new(response(status))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        Ok(Response::new(Box::pin(watch(self.live.clone(), self.stopped.clone(), service))))
    }
}

/// The status now, each other one, and at the end of the run that it is over.
fn watch(
    live: Arc<LiveRun>,
    stopped: watch::Receiver<bool>,
    service: String,
) -> impl Stream<Item = Result<HealthCheckResponse, Status>> + Send {
    unfold((live, stopped, service, None, false), |(live, mut stopped, service, last, over)| async move {
        if over {
            return None;
        }
        let mut over = false;
        let next = loop {
            let next = match over {
                true => ServingStatus::NotServing,
                false => status(&live, &service),
            };
            if last != Some(next) {
                break next;
            }
            if over {
                return None;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = stopped.wait_for(|stopped| *stopped) => over = true,
            }
        };
        Some((Ok(response(next)), (live, stopped, service, Some(next), over)))
    })
}

fn status(live: &LiveRun, service: &str) -> ServingStatus {
    let serves = match service {
        "" => live.ready().is_ok(),
        OURS => live.healthy().is_ok(),
        _ => return ServingStatus::ServiceUnknown,
    };
    if serves { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::port::{Circuit, Event};
    use crate::telemetry::http::live_run::tests::{both, engine, live};

    #[tokio::test(start_paused = true)]
    async fn the_whole_serves_while_the_store_is_there() {
        let live = live();
        assert_eq!(status(&live, ""), ServingStatus::NotServing);
        assert_eq!(status(&live, OURS), ServingStatus::Serving);
        assert_eq!(status(&live, "other"), ServingStatus::ServiceUnknown);
        let (stop, stopped) = watch::channel(false);
        let mut stream = pin!(watch(live.clone(), stopped, String::new()));
        let mut next = async || stream.next().await.map(|said| said.unwrap().status());
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        live.reached();
        assert_eq!(next().await, Some(ServingStatus::Serving));
        let engine = engine(&live, "a");
        both(&engine, Event::Circuit { state: Circuit::Open, trouble: None });
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        both(&engine, Event::Circuit { state: Circuit::Closed, trouble: None });
        assert_eq!(next().await, Some(ServingStatus::Serving));
        stop.send_replace(true);
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        assert_eq!(next().await, None);
    }
}

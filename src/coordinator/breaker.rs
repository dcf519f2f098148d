//! The circuit breaker: one for all workers, since they write to one store.
//!
//! [`BreakerState`] is a pure function of events and time; [`Breaker`] lets workers wait on it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::port::Circuit;
use crate::settings::BreakerSettings;

/// How long an open circuit waits at most where the run is to end soon.
const HURRY: Duration = Duration::from_millis(250);

/// What a worker that wants to write may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Write.
    Go,
    /// Write, alone, and say how it went: the others wait for it.
    Probe,
    /// Ask again then, or when the state has changed.
    WaitUntil(Instant),
    /// A probe is on its way: ask again when the state has changed.
    WaitForProbe,
}

/// The breaker without its waiters.
#[derive(Debug, Clone)]
pub struct BreakerState {
    settings: BreakerSettings,
    circuit: Circuit,
    failures: u32,
    opened: Instant,
    /// Since when nothing has succeeded, if the last write failed.
    outage: Option<Instant>,
}

impl BreakerState {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings, now: Instant) -> Self {
        Self { settings, circuit: Circuit::Closed, failures: 0, opened: now, outage: None }
    }

    /// May a write begin?
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.circuit {
            Circuit::Closed => Admission::Go,
            Circuit::HalfOpen => Admission::WaitForProbe,
            Circuit::Open => {
                let due = self.opened + self.settings.half_open_after;
                if now < due {
                    return Admission::WaitUntil(due);
                }
                self.circuit = Circuit::HalfOpen;
                Admission::Probe
            }
        }
    }

    /// The run is to end soon: the store is asked more often whether it is back.
    pub fn hurry(&mut self) {
        self.settings.half_open_after = self.settings.half_open_after.min(HURRY);
    }

    /// A write went through, or was refused for its data: the store is well.
    pub fn success(&mut self) {
        self.circuit = Circuit::Closed;
        self.failures = 0;
        self.outage = None;
    }

    /// A write failed transiently; `spent` when its worker has used up its own retries.
    pub fn failure(&mut self, now: Instant, spent: bool) {
        self.outage.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let half_open = self.circuit == Circuit::HalfOpen;
        if half_open || spent || self.failures >= self.settings.failure_threshold {
            // A worker that began before the circuit opened does not put the probe off.
            if self.circuit != Circuit::Open {
                self.opened = now;
            }
            self.circuit = Circuit::Open;
        }
    }

    /// The state.
    pub fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// How long nothing has succeeded.
    pub fn outage(&self, now: Instant) -> Duration {
        self.outage.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// The breaker that workers share.
#[derive(Debug)]
pub struct Breaker {
    state: Mutex<BreakerState>,
    changed: Notify,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { state: Mutex::new(BreakerState::new(settings, Instant::now())), changed: Notify::new() }
    }

    /// Waits until a write may begin; `true` when it is the probe. `on_change` hears of the
    /// change to half-open.
    pub async fn admit(&self, on_change: impl Fn(Circuit)) -> bool {
        loop {
            // `enable` registers the waiter now: a change between here and the await counts.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let admission = self.with(|state| state.admit(Instant::now()));
            match admission {
                Admission::Go => return false,
                Admission::Probe => {
                    on_change(Circuit::HalfOpen);
                    return true;
                }
                Admission::WaitForProbe => changed.await,
                Admission::WaitUntil(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// See [`BreakerState::hurry`].
    pub fn hurry(&self) {
        self.with(BreakerState::hurry);
        self.changed.notify_waiters();
    }

    /// Notes that the store is well; the new state if it changed.
    pub fn success(&self) -> Option<Circuit> {
        self.change(BreakerState::success)
    }

    /// Notes a transient failure; the new state if it changed.
    pub fn failure(&self, spent: bool) -> Option<Circuit> {
        self.change(|state| state.failure(Instant::now(), spent))
    }

    /// The state.
    pub fn circuit(&self) -> Circuit {
        self.with(|state| state.circuit())
    }

    /// How long nothing has succeeded.
    pub fn outage(&self) -> Duration {
        self.with(|state| state.outage(Instant::now()))
    }

    fn change(&self, act: impl FnOnce(&mut BreakerState)) -> Option<Circuit> {
        let (before, after) = self.with(|state| {
            let before = state.circuit();
            act(state);
            (before, state.circuit())
        });
        (before != after).then(|| {
            self.changed.notify_waiters();
            after
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BreakerState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failure_threshold: 3, half_open_after: Duration::from_secs(5) };

    #[test]
    fn opens_probes_once_and_closes() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut state = BreakerState::new(SETTINGS, start);
        state.failure(at(1), false);
        state.failure(at(2), false);
        assert_eq!(state.admit(at(2)), Admission::Go);
        state.failure(at(3), false);
        assert_eq!(state.circuit(), Circuit::Open);
        assert_eq!(state.admit(at(4)), Admission::WaitUntil(at(8)));
        assert_eq!(state.admit(at(8)), Admission::Probe);
        assert_eq!(state.admit(at(8)), Admission::WaitForProbe);
        state.failure(at(9), false);
        assert_eq!(state.admit(at(10)), Admission::WaitUntil(at(14)));
        assert_eq!(state.outage(at(14)), Duration::from_secs(13));
        assert_eq!(state.admit(at(14)), Admission::Probe);
        state.success();
        assert_eq!((state.circuit(), state.outage(at(15))), (Circuit::Closed, Duration::ZERO));
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut state = BreakerState::new(SETTINGS, now);
        for _ in 0..10 {
            state.failure(now, false);
            state.failure(now, false);
            state.success();
        }
        assert_eq!(state.circuit(), Circuit::Closed);
        state.failure(now, true);
        assert_eq!(state.circuit(), Circuit::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_go_on_when_the_probe_succeeds() {
        let breaker = std::sync::Arc::new(Breaker::new(SETTINGS));
        breaker.failure(true);
        assert!(breaker.admit(|_| {}).await);
        let other = tokio::spawn({
            let breaker = breaker.clone();
            async move { breaker.admit(|_| {}).await }
        });
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        assert_eq!(breaker.success(), Some(Circuit::Closed));
        assert!(!other.await.unwrap());
    }
}

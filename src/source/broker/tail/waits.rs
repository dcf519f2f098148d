//! What a tail waits for: a broker that is away, and what nobody tells it the reason of.

use std::time::{Duration, Instant};

use crate::source::broker::tail::{RETRY, SLICE, Tail, Way};

/// After so long it is told, once.
const TOLD: Duration = Duration::from_secs(10);

/// What has not gone on for so long is over.
const OVER: Duration = Duration::from_secs(10);

/// A wait that may be long.
#[derive(Default)]
pub(super) struct Waits {
    /// When it began, and when it went on last.
    since: Option<(Instant, Instant)>,
    told: bool,
}

impl Waits {
    /// It goes on, or begins; `what` is told once it has gone on for ten seconds.
    pub(super) fn go_on(&mut self, what: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.since.is_some_and(|(_, last)| now - last > OVER) {
            self.end();
        }
        let began = self.since.map_or(now, |(began, _)| began);
        self.since = Some((began, now));
        if now - began > TOLD && !std::mem::replace(&mut self.told, true) {
            tracing::warn!("{}", what());
        }
    }

    /// It is over, should there have been one.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

impl Tail {
    /// Waits for a broker that is away; it is asked again then what is pending, since an answer may have been lost.
    pub(super) fn wait(&mut self, why: &str) {
        let (since, pause) = self.away.unwrap_or((Instant::now(), SLICE));
        if self.away.is_none() {
            tracing::warn!("{why}; trying again until it can be");
        }
        self.way = Way::Pending(None);
        self.away = Some((since, (pause * 2).min(RETRY)));
        // Nothing can come meanwhile.
        self.moved = Instant::now();
        let until = Instant::now() + pause;
        while !self.with.stop.is_set() && Instant::now() < until {
            std::thread::sleep(SLICE.min(pause));
        }
    }
}

//! Log lines on stderr, and which events of the engine become one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::batch::Reason;
use crate::cli::args::{Color, GlobalArgs, LogFormat};
use crate::port::{Circuit, Event, Observer, Trouble};
use crate::report::shared_stderr::SharedStderr;
use crate::telemetry::traces::Traces;

/// Starts logging as the flags say. Lines pass through `screen`, so that they do not tear the
/// live display. With `traces`, spans go there, and there alone.
pub fn start(global: &GlobalArgs, screen: &SharedStderr, traces: Option<&Traces>) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let screen = screen.clone();
    let color = global.color != Color::Never && super::style(global.color).color;
    let timer = ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned());
    let writer = move || screen.line();
    if let Some(traces) = traces {
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(color)
            .with_timer(timer)
            .with_writer(writer);
        let lines = match global.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        let lines = lines.with_filter(filter_fn(move |meta| meta.is_event() && *meta.level() <= level));
        let _ = tracing_subscriber::registry().with(lines).with(traces.layer()).try_init();
        return;
    }
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(color)
        .with_timer(timer)
        .with_writer(writer);
    // A second start, as in a test, keeps the first.
    let _ = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Time after which it is said again that rows wait.
const AGAIN: Duration = Duration::from_secs(60);

/// Different sentences about a store that is away, in that time.
const MOST_AWAY: usize = 4;

/// Logs what an operator wants to find in a log: outages and their ends, retries, pauses.
#[derive(Default)]
pub struct EventLog {
    blocked: Mutex<Blocked>,
    /// What was said of a store that is away, and when.
    away: Mutex<Vec<(String, Instant)>>,
    /// When it was last said that it is back.
    back: Mutex<Option<Instant>>,
}

/// Whether rows wait for the dead-letter queue.
#[derive(Default)]
struct Blocked {
    /// What was said of it last, and when.
    told: Option<(String, Instant)>,
    /// Whether the circuit is open for that.
    circuit: bool,
}

impl EventLog {
    fn with<A>(&self, act: impl FnOnce(&mut Blocked) -> A) -> A {
        act(&mut self.blocked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The queue is asked every second; the log has better things to hold.
    fn waits(&self, error: &str) {
        let news = self.with(|blocked| match &blocked.told {
            Some((text, at)) if text == error && at.elapsed() < AGAIN => false,
            _ => {
                blocked.told = Some((error.to_owned(), Instant::now()));
                true
            }
        });
        if news {
            warn!("the load waits, no row is dropped: {error}");
        }
    }

    /// The store is tried every few seconds; that it is still away is not said each time.
    fn away(&self, reason: &Reason) {
        let mut told = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| at.elapsed() < AGAIN);
        // A server that comes up says this and that by turns.
        let known = told.iter().any(|(text, _)| *text == *reason.message);
        if !known && told.len() < MOST_AWAY {
            told.push((reason.message.to_string(), Instant::now()));
            warn!(code = %reason.code, "the store is unavailable, rows wait: {}", reason.message);
        }
    }

    fn flows(&self) {
        if self.with(|blocked| blocked.told.take()).is_some() {
            warn!("the dead-letter queue takes rows again");
        }
    }

    fn closed(&self) {
        if !self.with(|blocked| std::mem::take(&mut blocked.circuit)) {
            let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
            if back.is_none_or(|at| at.elapsed() >= AGAIN) {
                *back = Some(Instant::now());
                self.away.lock().unwrap_or_else(PoisonError::into_inner).clear();
                warn!("the store is back");
            } else {
                info!("the store is back");
            }
        }
    }
}

impl Observer for EventLog {
    fn on(&self, event: &Event<'_>) {
        match event {
            // The store is well then, and what waits is told below.
            Event::Circuit { state: Circuit::Open, trouble: Some(Trouble::DeadLetters(_)) } => {
                self.with(|blocked| blocked.circuit = true);
            }
            Event::Circuit { state: Circuit::Open, trouble: Some(Trouble::Store(reason)) } => {
                self.with(|blocked| blocked.circuit = false);
                self.away(reason);
            }
            Event::Circuit { state: Circuit::Closed, .. } => self.closed(),
            Event::Retry { worker, attempt, delay, reason } => info!(
                worker,
                attempt,
                delay_ms = delay.as_millis() as u64,
                code = %reason.code,
                "write failed, trying again: {}",
                reason.message
            ),
            Event::DeadLettersBlocked { error } => self.waits(&error.0),
            Event::Buried { .. } => self.flows(),
            Event::Failed { worker, kind: "data", reason, .. } => {
                info!(worker, code = %reason.code, "looking for the rows that the store refuses: {}", reason.message);
            }
            _ => {}
        }
    }
}

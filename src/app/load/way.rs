//! The way of the rows: from the inputs to the engine, what ends it, and what is shown of it.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::app::caller::Flow;
use crate::app::load::Load;
use crate::dataset::MapperSettings;
use crate::pipeline::{BatchSink, Feed, Report, Source};
use crate::port::Observer;
use crate::report::display::InputGauge;
use crate::source::Peeked;
use crate::source::completion::SettledInputs;
use crate::source::files::Files;
use crate::telemetry::run_counters::RunCounters;

/// Rows that are looked at to see what a load lacks: more than those that may wait for their timeframe.
const PROBED: u64 = 30_000;

impl<'a> Load<'a> {
    pub(super) fn files(
        &self,
        mapper: &Arc<MapperSettings>,
        peeked: Option<Peeked>,
        current: Arc<AtomicUsize>,
    ) -> Files {
        let listener = self.caller.listener.clone();
        Files {
            inputs: self.inputs.clone(),
            open: self.open_options(),
            mapper: mapper.clone(),
            meter: self.meter.clone(),
            on_input: Box::new(move |index| current.store(index + 1, Ordering::Relaxed)),
            unreadable: Default::default(),
            skip: 0,
            settled: SettledInputs::default(),
            on_error: Box::new(move |_, error| {
                listener.say(&format!("error: {error}; going on with the next input"));
                Ok(())
            }),
            peeked,
            at: 0,
            before: self.claim.as_ref().map(|claim| claim.before.clone()).unwrap_or_default(),
            stretch: self.claim.as_ref().and_then(|claim| claim.stretch),
            among: self.claim.as_ref().map(|claim| claim.among).unwrap_or_default(),
        }
    }

    /// Where the rows come from: dead letters, of which the last comes first with `reverse`, followed files,
    /// or `files`.
    pub(super) fn source(
        &self,
        mapper: &Arc<MapperSettings>,
        reverse: bool,
        files: Files,
        follower: Option<Box<dyn Source>>,
    ) -> Box<dyn Source> {
        match (self.letters(), follower) {
            (Some(letters), _) => Box::new(letters.source(mapper, reverse, self.meter.clone())),
            (None, Some(follower)) => follower,
            (None, None) => Box::new(files),
        }
    }

    /// The way of the rows that are read on to `sink`.
    pub(super) fn feed<'f>(
        &'f self,
        mapper: &'f MapperSettings,
        observer: &'f dyn Observer,
        enough: &'f dyn Fn(u64) -> bool,
        sink: &'f mut dyn BatchSink,
    ) -> Feed<'f> {
        let (stop, scope, time) = (&self.stop, &self.meter.scope, mapper.dataset.time.as_deref());
        Feed { sink, observer, stop, scope, time, enough, report: Report::default() }
    }

    pub(super) fn enough<'f>(&'f self, tally: &'f RunCounters) -> impl Fn(u64) -> bool + 'f {
        let limit = self.plan.rejects.max_rejects;
        move |read| {
            if self.probing && read >= PROBED {
                return true;
            }
            limit.is_some_and(|limit| {
                let snapshot = tally.snapshot();
                // What is given back before the end was refused too, and the dead-letter queue took it not.
                let (books, returned) = (snapshot.books, snapshot.returned);
                limit.passed(books.rejected + books.dropped + returned, read, false)
            })
        }
    }

    pub(super) fn gauge(&self) -> (Arc<AtomicUsize>, impl Fn() -> InputGauge + Send + use<>) {
        let current = Arc::new(AtomicUsize::new(0));
        let (meter, at) = (self.meter.clone(), current.clone());
        let names: Vec<Arc<str>> = self.inputs.iter().map(|i| i.name.clone()).collect();
        let gauge = move || {
            let total = meter.total.load(Ordering::Relaxed);
            let at = at.load(Ordering::Relaxed);
            InputGauge {
                consumed: meter.consumed.load(Ordering::Relaxed),
                total: (total > 0).then_some(total),
                decoded: meter.decoded.load(Ordering::Relaxed),
                current: at.checked_sub(1).and_then(|i| names.get(i)).map(|n| n.to_string()),
                files_done: at.saturating_sub(1) as u64,
                files_total: names.len() as u64,
            }
        };
        (current, gauge)
    }

    /// Sets the stop when no byte has come for so long.
    pub(super) fn stop_when_idle(&self, idle: Duration) {
        let (meter, stop) = (self.meter.clone(), self.stop.clone());
        tokio::spawn(async move {
            let (mut seen, mut since) = (0, Instant::now());
            while !stop.is_set() {
                tokio::time::sleep((idle / 10).max(Duration::from_millis(10))).await;
                let now = meter.consumed.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                } else if since.elapsed() >= idle {
                    stop.set();
                }
            }
        });
    }

    /// Shows the progress of what `title` says, until what is returned is dropped.
    pub(super) fn progress(
        &self,
        title: String,
        counters: &Arc<RunCounters>,
        gauge: impl Fn() -> InputGauge + Send + 'static,
    ) -> Option<Box<dyn Any + Send>> {
        self.caller.listener.progress(Flow { title, counters: counters.clone(), gauge: Box::new(gauge) })
    }
}

//! Dead letters as the input of a load: the rows of a claimed file that go to one place.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::batch::Reject;
use crate::dataset::mapping::MapOptions;
use crate::dataset::{Dataset, MapperSettings, by_name, detection};
use crate::decode::text_columns;
use crate::dlq::checkout::called;
use crate::dlq::claim::{Claim, Destination, Moved};
use crate::dlq::read_plan::ReadPlan;
use crate::dlq::rows::LetterRows;
use crate::dlq::{DlqWriter, RunInfo, names};
use crate::error::{Error, Result};
use crate::pipeline::source::{Source, Step};
use crate::pipeline::{Feed, Rest};
use crate::port::runs::InputIdentity;
use crate::port::{DeadLetterError, DeadLetters, Event};
use crate::source::Meter;
use crate::telemetry::result::RunResult;
use crate::text::flags::{DATASET, DISCARD};

/// The rows that go to one place.
#[derive(Clone)]
pub struct Letters {
    /// The way through their files.
    pub course: Arc<ReadPlan>,
    /// The queue that those are of.
    pub queue: PathBuf,
    /// The homes that are one: rows of theirs go to the same place.
    pub homes: Vec<Destination>,
    /// Of each file what an earlier replay of it has moved elsewhere, where there was one.
    pub moved: Vec<Option<Arc<Moved>>>,
    /// Whether an earlier replay of them did not come to its end.
    pub taken_up: bool,
    /// Whether rows go over newer ones.
    pub force: bool,
    /// Rows that have failed so often go aside.
    pub most_attempts: u32,
    /// Of each file: rows that had failed so often when it was claimed are not tried.
    pub tired: Vec<u32>,
    /// Called once the history knows of the run, before the first row is sent.
    pub begin: Arc<dyn Fn() -> Result<()> + Send + Sync>,
    /// Whether rows of these files have begun to go there before.
    pub begun: bool,
    /// Where to.
    pub parked: PathBuf,
    /// What tells these files and the place that their rows go to from others.
    pub identity: String,
    /// Notes which rows went back, for the archive.
    pub tracks: bool,
    /// What has come of it.
    pub done: Arc<Done>,
}

/// What has come of the rows of a file.
#[derive(Default)]
pub struct Done {
    complete: AtomicBool,
    results: Mutex<Vec<(RunResult, u64)>>,
    left: Mutex<Moved>,
    parked: Mutex<(u64, u64)>,
}

impl Done {
    /// Whether all rows of the last home are settled; asked once for each.
    pub fn take_complete(&self) -> bool {
        self.complete.swap(false, Ordering::AcqRel)
    }

    /// The results so far, each with the number of rows that were older than what the store has.
    pub fn take_results(&self) -> Vec<(RunResult, u64)> {
        std::mem::take(&mut lock(&self.results))
    }

    /// Rows that went back or aside.
    pub fn left(&self) -> MutexGuard<'_, Moved> {
        lock(&self.left)
    }

    /// Records and rows that went aside after one attempt too many.
    pub fn parked(&self) -> (u64, u64) {
        *lock(&self.parked)
    }
}

impl Letters {
    /// All rows are settled.
    pub fn complete(&self) {
        self.done.complete.store(true, Ordering::Release);
    }

    /// Notes how it went.
    pub fn note(&self, result: &RunResult, newer: u64) {
        lock(&self.done.results).push((result.clone(), newer));
    }

    /// The input as the history of runs knows it.
    pub fn inputs(&self) -> Vec<InputIdentity> {
        let names = self.course.claims.iter().map(|claim| called(&claim.path));
        let path = names::place(&self.queue);
        vec![InputIdentity {
            // Rows that go elsewhere are not settled by these.
            id: Some(format!("{} {}", path.display(), self.identity)),
            name: names.collect::<Vec<_>>().join(", "),
            bytes: None,
            fingerprint: Some(self.identity.clone()),
            failed: None,
            unproven: false,
            modified: None,
            content: None,
        }]
    }

    /// Rows keep their numbers whatever is done to them on the way, so that nothing else than where
    /// they come from and go to matters to a later replay.
    pub fn settings(&self, table: &str) -> Value {
        json!({"table": table})
    }

    /// The dataset, from the names of the columns.
    ///
    /// # Errors
    /// Usage, where they are of none.
    pub fn detect(&self, columns: &MapOptions) -> Result<Dataset> {
        let sample = self.homes.iter().find_map(|home| sample(&self.course.claims, home));
        let queue = called(&self.queue);
        let Some(sample) = sample else {
            return Err(Error::usage(
                format!("some records say no dataset, and hold no row that could tell it; look at them with mdsctl inspect-dlq, give {DATASET}, mend them, or throw them away with {DISCARD} and a filter"),
            )
            .at(&queue));
        };
        detect(sample, columns).map_err(|e| e.at(&queue))
    }

    /// The rows as a source; with `reverse` the last one comes first.
    pub fn source(&self, mapper: &Arc<MapperSettings>, reverse: bool, meter: Arc<Meter>) -> LetterSource {
        let (course, homes) = (self.course.clone(), self.homes.iter().cloned().collect());
        let (moved, tired) = (self.moved.clone(), self.tired.clone());
        let rows = LetterRows::new(course.clone(), homes, mapper.clone(), moved, reverse, tired);
        LetterSource { rows, course, reverse, meter, legs: 0 }
    }

    /// The queue and the place aside, behind one door.
    ///
    /// # Errors
    /// Usage, where nothing can be written there.
    pub fn sorted(&self, queue: Arc<DlqWriter>, run: RunInfo) -> Result<Arc<Sorted>> {
        let parked = match queue.path() == self.parked {
            true => queue.clone(),
            false => Arc::new(DlqWriter::open(&self.parked, run)?),
        };
        let (most_attempts, tracks, done) = (self.most_attempts, self.tracks, self.done.clone());
        Ok(Arc::new(Sorted { queue, parked, most_attempts, tracks, done }))
    }
}

/// The rows of dead letters on their way: a step is a leg of the way through their files.
pub struct LetterSource {
    rows: LetterRows,
    course: Arc<ReadPlan>,
    reverse: bool,
    meter: Arc<Meter>,
    /// Legs that are done.
    legs: usize,
}

impl Source for LetterSource {
    fn step(&mut self, feed: &mut Feed<'_>) -> Result<Step> {
        let left = self.course.legs.len().checked_sub(self.legs + 1);
        let leg = left.and_then(|left| self.course.legs.get(if self.reverse { left } else { self.legs }));
        let Some(leg) = leg else { return Ok(Step::Done) };
        let span = tracing::trace_span!("decode", rows = tracing::field::Empty, bytes = leg.bytes() as i64);
        if self.rows.rekeys() {
            feed.sink.settle();
        }
        let rowed = span.in_scope(|| self.rows.leg(leg))?;
        span.record("rows", rowed.read as i64);
        feed.report.rows += rowed.read;
        feed.read(rowed.read);
        if rowed.moved > 0 {
            feed.observer.on(&Event::Skipped { rows: rowed.moved });
        }
        // What the queue did not take, and what comes behind it, stays in the claimed files.
        feed.hand_on(rowed.mapped, None, Rest::Return)?;
        self.meter.consumed.fetch_add(leg.bytes(), Ordering::Relaxed);
        self.legs += 1;
        Ok(Step::More)
    }

    fn finish(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        feed.report.finished = usize::from(self.legs == self.course.legs.len());
        let (notes, findings) = self.rows.finish();
        feed.report.notes.extend(notes.into_iter().map(|note| (note, 1)));
        feed.report.findings = findings;
        Ok(())
    }
}

/// The first item of a home.
pub fn sample<'c>(claims: &'c [Arc<Claim>], home: &Destination) -> Option<&'c str> {
    claims.iter().find_map(|claim| claim.samples.get(home)).map(String::as_str)
}

/// The dataset of an item, from the names of its fields.
///
/// # Errors
/// Usage, where they are of none.
pub fn detect(item: &str, columns: &MapOptions) -> Result<Dataset> {
    let item: Map<String, Value> = serde_json::from_str(item).unwrap_or_default();
    detection::detect(&text_columns(item.keys()), columns).cloned().or_else(|error| {
        // A dump of the Python system leaves out what is null: a bar may have its close alone.
        let has = |name: &&str| item.contains_key(*name);
        let bar =
            has(&"timeframe") && ["open_price", "high_price", "low_price", "close_price"].iter().any(has);
        let bars = by_name("bars").filter(|_| bar);
        bars.cloned().ok_or(error)
    })
}

/// Rows that fail again go back to the queue, or aside where they have failed too often.
pub struct Sorted {
    queue: Arc<DlqWriter>,
    parked: Arc<DlqWriter>,
    most_attempts: u32,
    tracks: bool,
    done: Arc<Done>,
}

impl Sorted {
    /// Records and rows that went aside.
    pub fn parked_counts(&self) -> (u64, u64) {
        match Arc::ptr_eq(&self.queue, &self.parked) {
            true => (0, 0),
            false => (self.parked.records(), self.parked.rows()),
        }
    }
}

impl Sorted {
    /// Who says the same, without holding anything open.
    pub fn parked_later(&self) -> impl Fn() -> (u64, u64) + Send + Sync + use<> {
        let apart = !Arc::ptr_eq(&self.queue, &self.parked);
        let counts = self.parked.counts();
        move || if apart { counts() } else { (0, 0) }
    }
}

impl DeadLetters for Sorted {
    async fn bury(&self, rejects: Vec<Reject>) -> std::result::Result<(), DeadLetterError> {
        let tired = |reject: &Reject| {
            let past = reject.origin.past_of(reject.row);
            past.is_some_and(|(record, _)| record.attempts.saturating_add(1) >= self.most_attempts)
        };
        let places = |rejects: &[Reject]| -> Vec<(uuid::Uuid, u64)> {
            let place =
                |reject: &Reject| reject.origin.past_of(reject.row).map(|(record, row)| (record.id, row));
            rejects.iter().filter_map(place).collect()
        };
        let (aside, back): (Vec<Reject>, Vec<Reject>) = rejects.into_iter().partition(tired);
        if !aside.is_empty() {
            // Where the queue takes nothing the whole call is made again: nothing goes aside twice.
            let known = |reject: &Reject| match reject.origin.past_of(reject.row) {
                Some((record, row)) => self.done.left().has(record.id, row),
                None => false,
            };
            let aside: Vec<Reject> = aside.into_iter().filter(|reject| !known(reject)).collect();
            let (places, rows) = (places(&aside), aside.len() as u64);
            self.parked.bury(aside).await?;
            lock(&self.done.parked).1 += rows;
            places.into_iter().for_each(|(id, row)| self.done.left().note(id, row));
        }
        let places = if self.tracks { places(&back) } else { Vec::new() };
        self.queue.bury(back).await?;
        places.into_iter().for_each(|(id, row)| self.done.left().note(id, row));
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::batch::Batch;
    use crate::dataset::nulls::NullTokens;
    use crate::dataset::quality::Quality;
    use crate::dataset::time::TimeOptions;
    use crate::dlq::filter::Filter;
    use crate::error::Error;
    use crate::pipeline::{BatchSink, Report, Stop, drive};
    use crate::port::Observer;
    use crate::sink::sqlite::schema;

    /// Rows that were read, and those that were given back.
    #[derive(Default)]
    struct Count(AtomicU64, AtomicU64);

    impl Observer for Count {
        fn on(&self, event: &Event<'_>) {
            match event {
                Event::Read { rows } => self.0.fetch_add(*rows, Ordering::Relaxed),
                Event::Returned { rows } => self.1.fetch_add(*rows, Ordering::Relaxed),
                _ => 0,
            };
        }
    }

    /// A queue that takes nothing, before a store that takes all.
    struct Blocked<'c>(&'c Count, u64);

    impl BatchSink for Blocked<'_> {
        fn rows(&mut self, batch: Batch) -> Result<bool> {
            self.1 += batch.len() as u64;
            Ok(true)
        }

        fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
            if rejects.is_empty() {
                return Ok(true);
            }
            self.0.on(&Event::Returned { rows: rejects.len() as u64 });
            Err(Error::unavailable("the disk is full"))
        }
    }

    #[test]
    fn rows_beside_those_that_the_queue_did_not_take_are_accounted_for() {
        let bars = by_name("bars").unwrap().clone();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bars.1.ndjson");
        let item = |symbol: &str, close: &str| {
            format!(
                r#"{{"ts":"2024-01-02","vendor":"v","symbol":"{symbol}","timeframe":"1d","close_price":{close}}}"#
            )
        };
        let record = |items: &str| {
            format!(
                r#"{{"ts":1,"error":"x","metadata":{{"dataset":"bars","run_id":"r"}},"items":[{items}]}}"#
            )
        };
        let rows = [item("A", "1"), item("B", "\"x\""), item("C", "3")].join(",");
        let other = item("D", "4").replace("\"close_price\"", "\"open_price\"");
        let mut file = std::fs::File::create(&path).unwrap();
        writeln!(file, "{}\n{}", record(&rows), record(&other)).unwrap();
        let claim = Arc::new(Claim::survey(&path, &Filter::default(), None).unwrap());
        let letters = Letters {
            homes: claim.homes.iter().map(|(home, _)| home.clone()).collect(),
            course: Arc::new(ReadPlan::straight(claim)),
            queue: path.clone(),
            moved: Vec::new(),
            taken_up: false,
            force: false,
            most_attempts: 5,
            tired: vec![5],
            begin: Arc::new(|| Ok(())),
            begun: false,
            parked: path,
            identity: String::new(),
            tracks: false,
            done: Arc::default(),
        };
        let target = schema::planned(&bars);
        let mapper = Arc::new(MapperSettings {
            columns: MapOptions {
                from_name: vec![("tenant_id".into(), uuid::Uuid::nil().to_string())],
                ..MapOptions::default()
            },
            zone_from: None,
            zone_known: false,
            words: Arc::default(),
            name_pattern: None,
            time: TimeOptions::default(),
            nulls: NullTokens::default(),
            decimal: None,
            scales: Default::default(),
            formats: Default::default(),
            keep_case: false,
            quality: Quality::Warn,
            now: || i64::MAX,
            tenant: None,
            sparse: true,
            one_lane: false,
            by_table: false,
            live: None,
            dataset: bars,
            target,
        });
        let (count, stop) = (Count::default(), Stop::new().unwrap());
        let mut outlet = Blocked(&count, 0);
        let meter = Arc::new(Meter::new(&[]));
        let feed = Feed {
            sink: &mut outlet,
            observer: &count,
            stop: &stop,
            scope: &meter.scope,
            time: mapper.dataset.time.as_deref(),
            enough: &|_| false,
            report: Report::default(),
        };
        let error = drive(&mut letters.source(&mapper, false, meter.clone()), feed).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        let (read, returned) = (count.0.load(Ordering::Relaxed), count.1.load(Ordering::Relaxed));
        assert_eq!((read, returned + outlet.1), (4, 4));
    }
}

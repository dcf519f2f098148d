//! The last step of every source: mapped rows go to the engine, rejects to the dead letters, and each row has
//! one outcome, whoever refuses.

use crate::dataset::{Mapped, Mapper};
use crate::error::Result;
use crate::pipeline::rejects::rejected;
use crate::pipeline::scope::Scope;
use crate::pipeline::{BatchSink, Report, Stop};
use crate::port::{Event, Observer};

/// What a source hands its rows on through.
pub struct Feed<'a> {
    /// Where they go.
    pub sink: &'a mut dyn BatchSink,
    /// Hears of those that are given back.
    pub observer: &'a dyn Observer,
    /// Set where no more are taken.
    pub stop: &'a Stop,
    /// Hears of symbols, vendors and times.
    pub scope: &'a Scope,
    /// The column of their times.
    pub time: Option<&'a str>,
    /// Asked now and then, with the rows read so far: whether too many rows were rejected.
    pub enough: &'a dyn Fn(u64) -> bool,
    /// What is found on the way.
    pub report: Report,
}

/// What becomes of the rows behind a batch that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// They fare as it did: to the dead letters, and back to the source once those do not take them either.
    Bury,
    /// Back to the source, which has them for another time.
    Return,
}

impl Feed<'_> {
    /// So many rows were read, good or bad: each of them is to have an outcome.
    pub fn read(&self, rows: u64) {
        self.observer.on(&Event::Read { rows });
    }

    /// So many rows stay where they were read, for another time.
    pub fn returned(&self, rows: u64) {
        if rows > 0 {
            self.observer.on(&Event::Returned { rows });
        }
    }

    /// Ends the reading where too many of the rows read so far were rejected.
    pub fn judge(&mut self, rows: u64) {
        if (self.enough)(rows) {
            self.report.too_many_rejects = true;
            self.stop.set();
        }
    }

    /// Hands on what became of rows, of each part its rejects first. By `keys`, where it is told, rows with one
    /// key are counted.
    ///
    /// # Errors
    /// Where rows or rejects were refused; what came behind those has its outcome all the same, so that the
    /// books close.
    pub fn hand_on(
        &mut self,
        parts: impl IntoIterator<Item = Mapped>,
        keys: Option<&Mapper>,
        rest: Rest,
    ) -> Result<()> {
        let (mut more, mut failed, mut back) = (true, None, 0);
        // Whether the dead letters take what comes behind a failure.
        let mut buries = rest == Rest::Bury;
        for Mapped { batches, rejects, empty, .. } in parts {
            if empty > 0 {
                self.observer.on(&Event::Empty { rows: empty });
            }
            if failed.is_none() {
                // Good rows go no further than the bad ones beside them: the source still has them.
                match self.sink.rejects(rejects) {
                    Ok(taken) => more &= taken,
                    Err(error) => (failed, buries) = (Some(error), false),
                }
            } else if buries {
                buries = self.sink.rejects(rejects).is_ok();
            } else {
                rejects.iter().for_each(|reject| reject.origin.open.open(1));
                back += rejects.len() as u64;
            }
            for batch in batches {
                if failed.is_none() {
                    self.report.look(&batch.columns, self.time, self.scope);
                    if let Some(key) = keys.and_then(|mapper| mapper.key_of(&batch.columns)) {
                        self.report.keys.look(&batch, &key);
                    }
                    match self.sink.rows(batch) {
                        Ok(taken) => more &= taken,
                        Err(error) => failed = Some(error),
                    }
                } else if buries {
                    buries = self.sink.rejects(rejected(&batch)).is_ok();
                } else {
                    batch.origin.open.open(batch.len() as u64);
                    back += batch.len() as u64;
                }
            }
        }
        self.returned(back);
        if let Some(error) = failed {
            return Err(error);
        }
        if !more {
            // The engine has stopped.
            self.stop.set();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use arrow::array::{Int64Array, RecordBatch};

    use super::*;
    use crate::batch::{Batch, Order, Origin, Reason, Reject, RejectedData, Stage};
    use crate::error::Error;

    /// Rows that were given back.
    #[derive(Default)]
    struct Returned(AtomicU64);

    impl Observer for Returned {
        fn on(&self, event: &Event<'_>) {
            if let Event::Returned { rows } = event {
                self.0.fetch_add(*rows, Ordering::Relaxed);
            }
        }
    }

    /// A sink whose every call from one on is refused, of rows and of rejects. A refused call has seen to its own
    /// rows, as the engine does.
    struct Refusing {
        rows_from: usize,
        rejects_from: usize,
        rows: usize,
        rejects: usize,
        outcome: u64,
    }

    impl BatchSink for Refusing {
        fn rows(&mut self, batch: Batch) -> Result<bool> {
            self.rows += 1;
            self.outcome += batch.len() as u64;
            if self.rows > self.rows_from { Err(Error::unavailable("full")) } else { Ok(true) }
        }

        fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
            if rejects.is_empty() {
                return Ok(true);
            }
            self.rejects += 1;
            self.outcome += rejects.len() as u64;
            if self.rejects > self.rejects_from { Err(Error::unavailable("disk")) } else { Ok(true) }
        }
    }

    fn batch(rows: u64) -> Batch {
        let values: Int64Array = (0..rows as i64).collect();
        Batch {
            columns: RecordBatch::try_from_iter([("x", Arc::new(values) as _)]).unwrap(),
            rows: (1..=rows).collect(),
            identities: vec![0; rows as usize],
            origin: Arc::new(Origin::new("x")),
            order: Order::Any,
            given: None,
        }
    }

    fn rejects(rows: u64) -> Vec<Reject> {
        let reject = |row| Reject {
            stage: Stage::Validate,
            reason: Arc::new(Reason::new("x", "x")),
            origin: Arc::new(Origin::new("x")),
            row,
            remains: RejectedData::Raw(vec![]),
            reading: None,
            attempts: 1,
        };
        (1..=rows).map(reject).collect()
    }

    #[test]
    fn each_row_has_one_outcome_whoever_refuses() {
        for rest in [Rest::Bury, Rest::Return] {
            for rows_from in 0..=5 {
                for rejects_from in 0..=5 {
                    let mut sink = Refusing { rows_from, rejects_from, rows: 0, rejects: 0, outcome: 0 };
                    let (returned, stop, scope) =
                        (Returned::default(), Stop::new().unwrap(), Scope::default());
                    let mut feed = Feed {
                        sink: &mut sink,
                        observer: &returned,
                        stop: &stop,
                        scope: &scope,
                        time: None,
                        enough: &|_| false,
                        report: Report::default(),
                    };
                    let parts = [
                        Mapped {
                            batches: vec![batch(1), batch(2)],
                            rejects: rejects(4),
                            ..Mapped::default()
                        },
                        Mapped {
                            batches: vec![batch(8), batch(16)],
                            rejects: rejects(32),
                            ..Mapped::default()
                        },
                    ];
                    let done = feed.hand_on(parts, None, rest);
                    let what =
                        format!("{rest:?}, rows refused from {rows_from}, rejects from {rejects_from}");
                    assert_eq!(sink.outcome + returned.0.load(Ordering::Relaxed), 63, "{what}");
                    assert_eq!(done.is_ok(), rows_from >= 4 && rejects_from >= 2, "{what}");
                    if rest == Rest::Return {
                        assert_eq!(
                            sink.rows.saturating_sub(rows_from) + sink.rejects.saturating_sub(rejects_from),
                            usize::from(done.is_err()),
                            "{what}: nothing is sent behind a failure"
                        );
                    }
                }
            }
        }
    }
}

//! `--rate-limit`: rows are handed on at an even pace.

use std::time::{Duration, Instant};

use crate::batch::{Batch, Reject};
use crate::error::Result;
use crate::pipeline::BatchSink;
use crate::pipeline::Stop;
use crate::pipeline::rejects::rejected;

/// Pieces that go out in a second, where there are so many rows.
const PIECES: f64 = 20.0;

/// What may be made up for where a piece went out late.
const LATE: Duration = Duration::from_millis(100);

/// Longest time until a stop is seen.
const LOOK: Duration = Duration::from_millis(20);

/// An outlet before which rows wait for their turn. Once the reading is to end they wait no longer.
pub struct Paced<O> {
    outlet: O,
    /// Rows a second.
    rate: Option<f64>,
    stop: Stop,
    /// When the next piece may go out.
    next: Instant,
}

impl<O> Paced<O> {
    /// Before that outlet; without a rate nothing waits.
    pub fn new(outlet: O, rate: Option<f64>, stop: Stop) -> Self {
        Self { outlet, rate, stop, next: Instant::now() }
    }

    /// Waits for the turn of so many rows.
    fn wait(&mut self, rows: usize, rate: f64) {
        while !self.stop.is_set()
            && let Some(left) =
                self.next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            std::thread::sleep(left.min(LOOK));
        }
        let now = Instant::now();
        let from = self.next.max(now.checked_sub(LATE).unwrap_or(now));
        // Rates are positive; one that is next to nothing waits as good as for ever.
        self.next = from + Duration::from_secs_f64((rows as f64 / rate).min(1e9));
    }
}

impl<O: BatchSink> BatchSink for Paced<O> {
    fn rows(&mut self, batch: Batch) -> Result<bool> {
        let Some(rate) = self.rate else { return self.outlet.rows(batch) };
        let piece = ((rate / PIECES) as usize).max(1);
        let (mut at, mut more) = (0, true);
        while at < batch.len() {
            let rows = batch.slice(at, piece);
            if more {
                self.wait(rows.len(), rate);
            }
            at += rows.len();
            match self.outlet.rows(rows) {
                Ok(taken) => more &= taken,
                Err(error) => {
                    // The rest fares as these did.
                    self.outlet.rejects(rejected(&batch.slice(at, batch.len())))?;
                    return Err(error);
                }
            }
        }
        Ok(more)
    }

    fn rejects(&mut self, rejects: Vec<Reject>) -> Result<bool> {
        self.outlet.rejects(rejects)
    }

    fn settle(&mut self) -> bool {
        self.outlet.settle()
    }
}

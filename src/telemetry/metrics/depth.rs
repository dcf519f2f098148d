//! How much stands in the dead-letter queues that a run writes to, looked at by a thread of its own.
//!
//! A queue may be large when a run begins, and counting it is no matter of the rows' or of whoever asks: so
//! the metric of such a queue comes when it has been counted, and that of a small one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::IntGaugeVec;

use crate::dlq::depth::{Depth, Standing};
use crate::error::{Error, Result};
use crate::telemetry::metrics::exposition::Exposition;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Bytes of a queue that is counted at once.
const AT_ONCE: u64 = 8 << 20;

/// Keeps the metrics of the queues of a run up to date.
pub struct Depths {
    gauges: Gauges,
    /// Closed when the run has ended.
    queues: Option<Sender<Queue>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Gauges {
    rows: IntGaugeVec,
    bytes: IntGaugeVec,
}

struct Queue {
    labels: [String; 2],
    depth: Depth,
    /// Whether all of it has been counted once.
    counted: bool,
}

impl Depths {
    /// Of no queue yet.
    ///
    /// # Errors
    /// [`Error::Internal`], where there is no thread to be had.
    pub fn start(exposition: &Exposition) -> Result<Self> {
        let families = &exposition.families;
        let gauges =
            Gauges { rows: families.dlq_depth_rows.clone(), bytes: families.dlq_depth_bytes.clone() };
        let (queues, given) = channel();
        let ending = Arc::new(AtomicBool::new(false));
        let (own, ends) = (gauges.clone(), ending.clone());
        let thread = std::thread::Builder::new()
            .name("depth".to_owned())
            .spawn(move || keep(&given, &own, &ends))
            .map_err(|error| Error::internal(format!("metrics: cannot start: {error}")))?;
        Ok(Self { gauges, queues: Some(queues), ending, thread: Some(thread) })
    }

    /// One queue more, of the engine of that `coord_id`.
    pub fn add(&self, coord_id: &str, depth: Depth) {
        let labels = [coord_id.to_owned(), depth.live().display().to_string()];
        let mut queue = Queue { labels, depth, counted: false };
        if queue.depth.bytes().is_ok_and(|bytes| bytes <= AT_ONCE) {
            queue.look(&self.gauges, &self.ending);
        }
        if let Some(queues) = &self.queues {
            // Its thread ends after us.
            let _ = queues.send(queue);
        }
    }

    /// Looks for the last time: the run has ended.
    pub fn finish(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.ending.store(true, Relaxed);
        self.queues = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Depths {
    fn drop(&mut self) {
        self.halt();
    }
}

fn keep(given: &Receiver<Queue>, gauges: &Gauges, ending: &AtomicBool) {
    let mut queues: Vec<Queue> = Vec::new();
    loop {
        let ended = match given.recv_timeout(EVERY) {
            Ok(queue) => {
                if queues.iter().all(|known| known.labels != queue.labels) {
                    queues.push(queue);
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        queues.iter_mut().for_each(|queue| queue.look(gauges, ending));
        if ended {
            return;
        }
    }
}

impl Queue {
    /// A run that has ended does not wait for a large queue to be counted for the first time.
    fn look(&mut self, gauges: &Gauges, ending: &AtomicBool) {
        let counted = self.counted;
        let labels = [self.labels[0].as_str(), self.labels[1].as_str()];
        match self.depth.look(&|| !counted && ending.load(Relaxed)) {
            Ok(Some(standing)) => {
                self.counted = true;
                gauges.set(&labels, standing);
            }
            Ok(None) => {}
            // No number is better than an old one.
            Err(_) => gauges.forget(&labels),
        }
    }
}

impl Gauges {
    fn set(&self, labels: &[&str], standing: Standing) {
        for (gauge, value) in [(&self.rows, standing.rows), (&self.bytes, standing.bytes)] {
            // Two labels for two names: there is nothing in it that could fail.
            if let Ok(gauge) = gauge.get_metric_with_label_values(labels) {
                gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
    }

    fn forget(&self, labels: &[&str]) {
        for gauge in [&self.rows, &self.bytes] {
            let _ = gauge.remove_label_values(labels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::RunIdentity;

    #[test]
    fn of_a_queue_that_cannot_be_read_there_is_no_number() {
        let run = RunIdentity { command: "load".into(), run_id: "r".into(), coord_id: "bars".into() };
        let exposition = Exposition::new(run).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("bars.ndjson");
        let letter = "{\"ts\":1,\"error\":\"x\",\"metadata\":{},\"items\":[{},{}]}\n";
        std::fs::write(&live, letter).unwrap();
        let depths = Depths::start(&exposition).unwrap();
        depths.add("bars", Depth::of(&live));
        let sample = format!("mds_dlq_depth_rows{{coord_id=\"bars\",queue=\"{}\"}} 2\n", live.display());
        assert!(exposition.text().unwrap().contains(&sample), "{}", exposition.text().unwrap());
        std::fs::write(&live, letter.repeat(3)).unwrap();
        depths.finish();
        let text = exposition.text().unwrap();
        assert!(text.contains(&sample.replace(" 2\n", " 6\n")), "{text}");
        assert!(text.contains(&format!("\"}} {}\n", 3 * letter.len())), "{text}");

        std::fs::remove_file(&live).unwrap();
        std::fs::create_dir(&live).unwrap();
        let depths = Depths::start(&exposition).unwrap();
        depths.add("bars", Depth::of(&live));
        depths.finish();
        assert!(!exposition.text().unwrap().contains("mds_dlq_depth"));
    }
}

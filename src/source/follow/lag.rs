//! How far the store is behind the writers of the files, measured beside the reading, which stands still
//! while the store is away.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::port::{Event, Observer};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Sizes that are remembered of a file; of more every second one is forgotten.
const MOST_SIZES: usize = 4096;

/// A file, and how much of it is settled.
pub(super) struct FileProgress {
    file: Arc<File>,
    settled: AtomicU64,
    held: AtomicU64,
    /// The size that it had last, and those that its contents had before each was truncated.
    sizes: Mutex<(u64, Vec<u64>)>,
}

impl FileProgress {
    /// For that file, of which nothing is settled.
    pub(super) fn new(file: Arc<File>) -> Self {
        Self { file, settled: AtomicU64::new(0), held: AtomicU64::new(0), sizes: Mutex::default() }
    }

    /// Its size now.
    pub(super) fn look(&self) -> u64 {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        let (last, ended) = &mut *lock(&self.sizes);
        if size < *last {
            ended.push(*last);
        }
        *last = size;
        size
    }

    /// The sizes that contents of it had when they were looked at last before they were truncated.
    pub(super) fn take_ended(&self) -> Vec<u64> {
        self.look();
        std::mem::take(&mut lock(&self.sizes).1)
    }

    /// All bytes before that one are in the store, in the dead-letter queue, or none of its rows.
    pub(super) fn settle(&self, offset: u64) {
        self.settled.store(offset, Ordering::Relaxed);
    }

    /// So many bytes are of a line that has no end yet.
    pub(super) fn hold(&self, bytes: usize) {
        self.held.store(bytes as u64, Ordering::Relaxed);
    }
}

/// When a file had which size.
#[derive(Default)]
struct Sizes(VecDeque<(Instant, u64)>);

impl Sizes {
    /// The time since there is a byte at that place, given what is there now.
    fn age(&mut self, now: Instant, size: u64, settled: u64) -> Duration {
        if self.0.back().is_some_and(|(_, last)| *last > size) {
            self.0.clear();
        }
        if self.0.back().is_none_or(|(_, last)| *last < size) {
            self.0.push_back((now, size));
        }
        while self.0.front().is_some_and(|(_, first)| *first <= settled) {
            self.0.pop_front();
        }
        if self.0.len() > MOST_SIZES {
            let mut odd = false;
            self.0.retain(|_| {
                odd = !odd;
                odd
            });
        }
        self.0.front().map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}

type Rulers = Arc<Mutex<Vec<(Weak<FileProgress>, Sizes)>>>;

/// Tells an observer how far behind everything is, until it is dropped.
pub(super) struct Lag {
    rulers: Rulers,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lag {
    /// Tells it now and then.
    pub(super) fn told(observer: Arc<dyn Observer>) -> Self {
        let rulers = Rulers::default();
        let (stop, stopped) = channel::<()>();
        let measured = rulers.clone();
        let work = move || {
            loop {
                let (bytes, age) = measure(&mut lock(&measured), Instant::now());
                observer.on(&Event::Lag { bytes, age });
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        // Without the thread nobody hears of it; nothing else depends on it.
        let thread = std::thread::Builder::new().name("lag".to_owned()).spawn(work).ok();
        Self { rulers, stop: Some(stop), thread }
    }

    /// Measures that file too, as long as there is somebody else who has it.
    pub(super) fn add(&self, ruler: &Arc<FileProgress>) {
        lock(&self.rulers).push((Arc::downgrade(ruler), Sizes::default()));
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It looks at sizes alone, and is done with that at once.
            let _ = thread.join();
        }
    }
}

/// Bytes in all, and the greatest age.
fn measure(rulers: &mut Vec<(Weak<FileProgress>, Sizes)>, now: Instant) -> (u64, Duration) {
    let (mut bytes, mut age) = (0, Duration::ZERO);
    rulers.retain_mut(|(ruler, sizes)| {
        let Some(ruler) = ruler.upgrade() else { return false };
        let size = ruler.look();
        // Read in this order they are never too large together.
        let held = ruler.held.load(Ordering::Relaxed);
        let settled = ruler.settled.load(Ordering::Relaxed) + held;
        bytes += size.saturating_sub(settled);
        age = age.max(sizes.age(now, size, settled));
        true
    });
    (bytes, age)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn bytes_and_age_are_of_what_is_not_settled() {
        let mut file = tempfile::tempfile().unwrap();
        let ruler = Arc::new(FileProgress::new(Arc::new(file.try_clone().unwrap())));
        let mut rulers = vec![(Arc::downgrade(&ruler), Sizes::default())];
        let start = Instant::now();
        let mut at = |seconds: u64| measure(&mut rulers, start + Duration::from_secs(seconds));
        assert_eq!(at(0), (0, Duration::ZERO));
        file.write_all(b"0123456789").unwrap();
        assert_eq!(at(1), (10, Duration::ZERO));
        file.write_all(b"01234").unwrap();
        assert_eq!(at(3), (15, Duration::from_secs(2)));
        ruler.settle(10);
        assert_eq!(at(7), (5, Duration::from_secs(4)));
        // The rest is a line without its end.
        ruler.hold(5);
        assert_eq!(at(8), (0, Duration::ZERO));
        drop(ruler);
        assert_eq!(at(9), (0, Duration::ZERO));
        assert!(rulers.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut sizes, now) = (Sizes::default(), Instant::now());
        for size in 1..20_000 {
            sizes.age(now + Duration::from_secs(size), size, 0);
        }
        assert!(sizes.0.len() <= MOST_SIZES + 1);
        assert_eq!(sizes.age(now + Duration::from_secs(20_001), 20_000, 0), Duration::from_secs(20_000));
    }
}

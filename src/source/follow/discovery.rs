//! Opens new files as they appear, beside the reading, which stands still while the store is away: a file
//! may be rotated away before it is read, and again.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::source::follow::SAFETY;
use crate::source::follow::checkpoint::{CheckpointFile, FilePosition};
use crate::source::follow::followed_file::id_of;
use crate::source::follow::patterns::{found, would_follow};
use crate::source::follow::watcher::{Change, Watcher};
use crate::source::followed::FollowOptions;

/// Between two looks at least, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// More files than these are looked for in vain less often.
const MANY: usize = 256;

/// Files that are held open for the reading; later ones are found again by their identity.
const MOST_OPEN: usize = 256;

/// A file that has appeared.
pub(super) struct Arrival {
    pub(super) path: PathBuf,
    pub(super) id: (u64, u64),
    pub(super) file: Option<File>,
    /// The name by which it was found first, where `path` is another one.
    pub(super) born: Option<PathBuf>,
    /// The place in it, where it is a copy of a file that is known.
    pub(super) place: Option<FilePosition>,
}

impl Arrival {
    /// What is at that path now, open.
    pub(super) fn at(path: PathBuf) -> Option<Self> {
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok().filter(Metadata::is_file)?;
        Some(Self { path, id: (metadata.dev(), metadata.ino()), file: Some(file), born: None, place: None })
    }
}

#[derive(Default)]
struct Candidate {
    seen: HashSet<(u64, u64)>,
    arrivals: VecDeque<Arrival>,
}

/// Opens a file that has not been seen, which was named `path` and is named `now`.
fn take(kept: &Mutex<Candidate>, checkpoint: &Mutex<CheckpointFile>, path: &Path, now: &Path) {
    let Some(id) = id_of(now) else { return };
    if lock(kept).seen.contains(&id) {
        return;
    }
    // What may not be read now may be later; what has been renamed meanwhile is heard of.
    let Some(mut arrival) = Arrival::at(now.to_owned()).filter(|arrival| arrival.id == id) else { return };
    path.clone_into(&mut arrival.path);
    if let Some(file) = &arrival.file
        && let Err(error) = lock(checkpoint).arrive(path, id, file)
    {
        tracing::warn!("{error}");
    }
    let mut kept = lock(kept);
    kept.seen.insert(id);
    if kept.arrivals.len() >= MOST_OPEN {
        arrival.file = None;
    }
    kept.arrivals.push_back(arrival);
}

/// Looks for files until it is dropped.
pub(super) struct Discovery {
    found: Arc<Mutex<Candidate>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Discovery {
    /// Looks for those, and has each noted in the checkpoint file, so that a crash does not lose it. The ears
    /// may be open for longer.
    pub(super) fn send_out(
        options: FollowOptions,
        checkpoint: Arc<Mutex<CheckpointFile>>,
        ears: Watcher,
    ) -> Self {
        let all = Arc::new(Mutex::new(Candidate::default()));
        let (stop, stopped) = channel::<()>();
        let kept = all.clone();
        let work = move || {
            let mut renamed: Vec<(PathBuf, PathBuf)> = Vec::new();
            let (mut looked, mut change) = (Instant::now(), Change::Names);
            loop {
                // A file may have come and gone by its name since the last look.
                for (from, to) in std::mem::take(&mut renamed) {
                    if would_follow(&options, &from) {
                        take(&kept, &checkpoint, &from, &to);
                    }
                }
                let pause = if ears.all && lock(&kept).seen.len() > MANY { SAFETY } else { PAUSES.1 };
                if change == Change::Names || looked.elapsed() >= pause {
                    looked = Instant::now();
                    for path in found(&options) {
                        take(&kept, &checkpoint, &path, &path);
                    }
                }
                if stopped.recv_timeout(PAUSES.0) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                change = ears.wait_for(PAUSES.1, &mut renamed);
            }
        };
        // Without the thread files are found by the reading alone.
        let thread = std::thread::Builder::new().name("scout".to_owned()).spawn(work).ok();
        Self { found: all, stop: Some(stop), thread }
    }

    /// What has appeared, the oldest first.
    pub(super) fn arrivals(&self) -> VecDeque<Arrival> {
        std::mem::take(&mut lock(&self.found).arrivals)
    }

    /// A file is done with: what comes with its identity is another one.
    pub(super) fn forget(&self, id: (u64, u64)) {
        lock(&self.found).seen.remove(&id);
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It is back from its look soon.
            let _ = thread.join();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The thread that writes the queue.
//!
//! The engine's tasks hand over their rejects and wait; the thread takes all that wait at once,
//! writes them with one lock, one append and one sync, and only then answers. So a flood of small
//! batches costs few syncs, and nobody counts a row before it is on disk.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::destination::{Destination, FileDestination, unwritable};
use super::record::{self, Count};
use super::remote;
use super::strangers::is_another_file;
use crate::batch::Reject;
use crate::error::{Error, Result, words};
use crate::files::folder_of;
use crate::port::{DeadLetterError, DeadLetters};
use crate::text::flags::DLQ;

/// Batches that wait for the thread at most; a caller beyond waits for its turn.
const WAITING: usize = 16;

/// Bytes of lines after which no more batches join a write.
const GROUP_BYTES: usize = 8 << 20;

/// The run whose rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub run_id: Uuid,
    /// The dataset that it loads, or the table where that is none.
    pub dataset: String,
    /// The table, where it is not the dataset's own.
    pub table: Option<String>,
    /// The tenant that it loads for.
    pub tenant_id: Option<String>,
}

/// Writes rejects to a file of NDJSON, or to objects of it.
///
/// Several writers, in one process or in many, may share a file. Dropping the writer waits until
/// what was handed over is written.
#[derive(Debug)]
pub struct DlqWriter {
    path: PathBuf,
    /// Whether the directory was made for this queue.
    made: bool,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    totals: Arc<Totals>,
}

#[derive(Debug, Default)]
struct Totals {
    records: AtomicU64,
    rows: AtomicU64,
    repaired: AtomicU64,
    rotated: AtomicU64,
    /// Appends to the file, one for all batches that waited.
    writes: AtomicU64,
}

/// What one caller hands over, and where it waits.
#[derive(Debug)]
struct Job {
    letters: Letters,
    done: oneshot::Sender<Result<(), DeadLetterError>>,
}

#[derive(Debug)]
enum Letters {
    /// Rows that failed, to be made into records.
    Rejects(Vec<Reject>),
    /// Records as lines, each with its newline.
    Lines(Vec<u8>, Count),
}

impl DlqWriter {
    /// Makes the directory and starts the thread. The file itself is made for the first reject.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when nothing could be written there, so that a load need not start.
    pub fn open(path: impl Into<PathBuf>, run: RunInfo) -> Result<Self> {
        Self::open_bounded(path, run, None)
    }

    /// Opens a queue whose file is set aside before it grows beyond `most` bytes.
    ///
    /// # Errors
    ///
    /// As [`DlqWriter::open`].
    pub fn open_bounded(path: impl Into<PathBuf>, run: RunInfo, most: Option<u64>) -> Result<Self> {
        let path: PathBuf = path.into();
        if let Some(destination) = remote::destination(&path, run.run_id)? {
            return Self::start(path, false, destination, GROUP_BYTES, run);
        }
        // A link stays where it is; what it leads to is written and set aside.
        let checked = behind_links(&path).and_then(|path| ready(&path).map(|made| (path, made)));
        let (path, made) = checked.map_err(|error| {
            Error::usage(format!(
                "the dead-letter queue {} cannot be written: {}; mend that, or give the queue another place (a load: {DLQ} PATH)",
                path.display(),
                words(&error)
            )).caused_by(error)
        })?;
        // Batches that wait together are not to make a file larger than one of them would.
        let group = most.map_or(GROUP_BYTES, |most| {
            usize::try_from(most).map_or(GROUP_BYTES, |most| most.min(GROUP_BYTES))
        });
        let destination = FileDestination::new(path.clone(), most);
        Self::start(path, made, Box::new(destination), group, run)
    }

    /// Starts the thread that writes there.
    fn start(
        path: PathBuf,
        made: bool,
        destination: Box<dyn Destination>,
        group: usize,
        run: RunInfo,
    ) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let totals = Arc::new(Totals::default());
        let scribe = Scribe { destination, path: path.clone(), group, run, totals: totals.clone() };
        let thread = std::thread::Builder::new()
            .name("dlq".to_owned())
            .spawn(move || scribe.work(waiting))
            .map_err(|error| {
            Error::internal(format!("no thread for the dead-letter queue: {}", words(&error)))
                .caused_by(error)
        })?;
        Ok(Self { path, made, jobs: Some(jobs), thread: Some(thread), totals })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines as they are, each with its newline, and returns when they are on disk. For
    /// records that were in a queue before and go back to it: [`DlqWriter::records`] and
    /// [`DlqWriter::rows`] do not count them.
    ///
    /// # Errors
    ///
    /// What keeps the file from being written, in a sentence; nothing was written then.
    pub async fn append(&self, lines: Vec<u8>, records: u64, rows: u64) -> Result<(), DeadLetterError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.hand_over(Letters::Lines(lines, Count { records, rows })).await
    }

    async fn hand_over(&self, letters: Letters) -> Result<(), DeadLetterError> {
        let ended =
            || DeadLetterError(format!("the writer of {} has ended; this is a bug", self.path.display()));
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        let (done, answer) = oneshot::channel();
        jobs.send(Job { letters, done }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Records of rejects that this writer has brought to disk.
    pub fn records(&self) -> u64 {
        self.totals.records.load(Ordering::Acquire)
    }

    /// Rows of rejects that this writer has brought to disk.
    pub fn rows(&self) -> u64 {
        self.totals.rows.load(Ordering::Acquire)
    }

    /// Who says how many records and rows were written so far, without holding the writer open.
    pub fn counts(&self) -> impl Fn() -> (u64, u64) + Send + Sync + use<> {
        let totals = self.totals.clone();
        move || (totals.records.load(Ordering::Acquire), totals.rows.load(Ordering::Acquire))
    }

    /// Torn last lines found, each kept as a line of its own.
    pub fn repaired(&self) -> u64 {
        self.totals.repaired.load(Ordering::Acquire)
    }

    /// How often this writer has set the file aside, since it had grown to its limit.
    pub fn rotated(&self) -> u64 {
        self.totals.rotated.load(Ordering::Acquire)
    }
}

impl DeadLetters for DlqWriter {
    /// What was handed over is written even when the caller stops waiting.
    async fn bury(&self, rejects: Vec<Reject>) -> Result<(), DeadLetterError> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.hand_over(Letters::Rejects(rejects)).await
    }
}

impl Drop for DlqWriter {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has answered nobody, so nobody has counted those rows.
            let _ = thread.join();
        }
        if self.made {
            // A run without rejects leaves nothing behind. A directory with files in it stays.
            let _ = std::fs::remove_dir(folder_of(&self.path));
        }
    }
}

/// Links that are followed to a file that is not there yet.
const MOST_LINKS: usize = 16;

/// Where a path leads that is a link; the file itself need not be there yet, its directory must.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    if std::fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        // A pipe, a device or a directory is refused under the name that was given.
        return Ok(path);
    }
    for _ in 0..MOST_LINKS {
        if !path.is_symlink() {
            return Ok(path);
        }
        path = match std::fs::canonicalize(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let target = folder_of(&path).join(std::fs::read_link(&path)?);
                let name = target.file_name().ok_or(ErrorKind::NotFound)?.to_owned();
                std::fs::canonicalize(folder_of(&target))?.join(name)
            }
            led => led?,
        };
    }
    Err(ErrorKind::NotFound.into())
}

/// Checks that a file could be written at the path, without making it. Its directory is made if it
/// has to be: `true`.
fn ready(path: &Path) -> io::Result<bool> {
    if path.file_name().is_none() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it has no file name"));
    }
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(_) => {
            std::fs::OpenOptions::new().read(true).append(true).open(path)?;
            if is_another_file(path)? {
                return Err(io::Error::new(
                    ErrorKind::InvalidInput,
                    "it is another file, in which no line is a dead letter",
                ));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let directory = folder_of(path);
    let missing = !directory.exists();
    std::fs::create_dir_all(directory)?;
    // A file without a name tells what permissions alone do not: a read-only or full file system,
    // or one without locks.
    let probe = tempfile::tempfile_in(directory)?;
    probe.try_lock()?;
    Ok(missing)
}

/// What the thread works with.
struct Scribe {
    destination: Box<dyn Destination>,
    path: PathBuf,
    /// Bytes of lines after which no more batches join a write.
    group: usize,
    run: RunInfo,
    totals: Arc<Totals>,
}

impl Scribe {
    fn work(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut lines = Vec::new();
        while let Some(first) = waiting.blocking_recv() {
            lines.clear();
            let (mut count, mut again, mut callers) = (Count::default(), Count::default(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                let before = lines.len();
                let encoded = match job.letters {
                    Letters::Rejects(rejects) => record::encode(&rejects, &self.run, now(), &mut lines),
                    Letters::Lines(whole, of_before) => {
                        lines.extend_from_slice(&whole);
                        again.records += of_before.records;
                        again.rows += of_before.rows;
                        Ok(Count::default())
                    }
                };
                match encoded {
                    Ok(more) => {
                        count.records += more.records;
                        count.rows += more.rows;
                        callers.push(job.done);
                    }
                    Err(error) => {
                        lines.truncate(before);
                        let error = io::Error::from(error);
                        answer(job.done, Err(unwritable(self.path.display(), words(&error))));
                    }
                }
                next = if lines.len() < self.group { waiting.try_recv().ok() } else { None };
            }
            let written = self.write(&lines, count);
            if written.is_ok() && again.records > 0 {
                tracing::debug!(
                    records = again.records,
                    rows = again.rows,
                    "records are back in the dead-letter queue"
                );
            }
            for caller in callers {
                answer(caller, written.clone());
            }
        }
    }

    fn write(&mut self, lines: &[u8], count: Count) -> Result<(), DeadLetterError> {
        if lines.is_empty() {
            return Ok(());
        }
        let appended = self.destination.append(lines)?;
        self.totals.writes.fetch_add(1, Ordering::AcqRel);
        self.totals.records.fetch_add(count.records, Ordering::AcqRel);
        self.totals.rows.fetch_add(count.rows, Ordering::AcqRel);
        self.totals.repaired.fetch_add(appended.repaired.into(), Ordering::AcqRel);
        self.totals.rotated.fetch_add(appended.rotated, Ordering::AcqRel);
        if appended.rotated > 0 {
            tracing::info!(path = %self.path.display(), "the dead-letter queue has grown to its limit; a new file is begun");
        }
        if appended.repaired {
            tracing::warn!(path = %self.path.display(), "the last line of the dead-letter queue was torn; it is kept as a line of its own");
        }
        Ok(())
    }
}

/// Who has stopped waiting needs no answer.
fn answer(caller: oneshot::Sender<Result<(), DeadLetterError>>, written: Result<(), DeadLetterError>) {
    let _ = caller.send(written);
}

/// Seconds of the Unix epoch, to the microsecond.
fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{item, reject, run};
    use super::*;
    use crate::batch::RejectedData;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".dlq/bars.ndjson");
        (directory, path)
    }

    /// Row numbers of all records, each line being whole.
    fn rows(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'));
        let mut rows: Vec<u64> = text
            .lines()
            .flat_map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let rows = record["metadata"]["rows"].as_array().unwrap().clone();
                rows.into_iter().map(|row| row.as_u64().unwrap())
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    #[tokio::test]
    async fn the_file_appears_with_the_first_reject() {
        let (_directory, path) = place();
        let writer = DlqWriter::open(&path, run()).unwrap();
        writer.bury(Vec::new()).await.unwrap();
        assert!(folder_of(&path).is_dir() && !path.exists());
        writer.bury(vec![reject("22003", 1, item(1)), reject("22003", 2, item(2))]).await.unwrap();
        assert_eq!((writer.records(), writer.rows(), writer.repaired()), (1, 2, 0));
        assert_eq!(rows(writer.path()), [1, 2]);
        std::fs::write(&path, "{\"ts\":1").unwrap();
        writer.bury(vec![reject("22003", 3, item(3))]).await.unwrap();
        assert_eq!(writer.repaired(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().next(), Some("{\"ts\":1"));
    }

    #[tokio::test]
    async fn batches_that_wait_share_a_write_and_each_gets_its_answer() {
        let (_directory, path) = place();
        let writer = Arc::new(DlqWriter::open(&path, run()).unwrap());
        writer.bury(vec![reject("22003", 0, item(0))]).await.unwrap();
        // While somebody else has the lock, batches pile up behind it.
        let other = std::fs::File::open(&path).unwrap();
        other.lock().unwrap();
        let mut burying = tokio::task::JoinSet::new();
        for row in 1..=10 {
            let writer = writer.clone();
            burying.spawn(async move { writer.bury(vec![reject("22003", row, item(row))]).await });
        }
        // The one thread of this runtime gives each of them its turn first.
        tokio::task::yield_now().await;
        assert_eq!(writer.rows(), 1);
        other.unlock().unwrap();
        while let Some(answer) = burying.join_next().await {
            answer.unwrap().unwrap();
        }
        // One for the first row, one for what came before the wait, one for all others.
        assert!(writer.totals.writes.load(Ordering::Acquire) <= 3);
        assert_eq!(rows(&path), (0..=10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn lines_go_back_as_they_are_and_are_not_counted() {
        let (_directory, path) = place();
        let writer = DlqWriter::open(&path, run()).unwrap();
        let lines = b"{\"ts\":1, \"items\": [ ]}\nno json\n".to_vec();
        let (appended, buried) =
            tokio::join!(writer.append(lines.clone(), 2, 0), writer.bury(vec![reject("22003", 1, item(1))]));
        assert!(appended.is_ok() && buried.is_ok());
        writer.append(Vec::new(), 0, 0).await.unwrap();
        assert_eq!((writer.records(), writer.rows()), (1, 1));
        assert!(std::fs::read(&path).unwrap().starts_with(&lines));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(writer.append(lines, 2, 0).await.is_err());
    }

    #[tokio::test]
    async fn batches_that_wait_together_do_not_make_a_file_too_large() {
        let (_directory, path) = place();
        let writer = Arc::new(DlqWriter::open_bounded(&path, run(), Some(1000)).unwrap());
        let mut burying = tokio::task::JoinSet::new();
        for row in 0..50 {
            let writer = writer.clone();
            burying.spawn(async move { writer.bury(vec![reject("22003", row, item(row))]).await });
        }
        while let Some(answer) = burying.join_next().await {
            answer.unwrap().unwrap();
        }
        let segments = super::super::names::segments(&path).unwrap();
        assert_eq!(segments.len() as u64, writer.rotated());
        let mut all = Vec::new();
        for file in segments.iter().chain([&path]) {
            // One batch is some 400 bytes, and joins what is below the limit.
            assert!(std::fs::metadata(file).unwrap().len() < 1500);
            all.extend(rows(file));
        }
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    fn bury_all(path: &Path, rows: std::ops::Range<u64>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let writer = DlqWriter::open(path, run()).unwrap();
        for row in rows {
            runtime
                .block_on(writer.bury(vec![reject("bad_line", row, RejectedData::Raw(vec![b'x'; 5000]))]))
                .unwrap();
        }
    }

    #[test]
    fn two_threads_and_a_process_share_a_file() {
        let (_directory, path) = place();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "dlq::writer::tests::another_process", "--ignored"])
            .env("DLQ_TEST_PATH", &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| bury_all(&path, 0..30));
            scope.spawn(|| bury_all(&path, 30..60));
        });
        assert!(child.wait().unwrap().success());
        assert_eq!(rows(&path), (0..90).collect::<Vec<_>>());
    }

    #[test]
    #[ignore = "the other process of two_threads_and_a_process_share_a_file"]
    fn another_process() {
        if let Some(path) = std::env::var_os("DLQ_TEST_PATH") {
            bury_all(Path::new(&path), 60..90);
        }
    }

    #[tokio::test]
    async fn what_was_handed_over_is_written_when_nobody_waits() {
        let (_directory, path) = place();
        let writer = DlqWriter::open(&path, run()).unwrap();
        {
            let burying = writer.bury(vec![reject("22003", 5, item(5))]);
            tokio::select! {
                biased;
                _ = burying => {}
                () = std::future::ready(()) => {}
            }
        }
        drop(writer);
        assert_eq!(rows(&path), [5]);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_told_at_once_and_later() {
        let (directory, path) = place();
        let told = |path: &Path| match DlqWriter::open(path, run()) {
            Err(Error::Usage(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(told(directory.path()).contains("is not a regular file"));
        assert!(told(Path::new("/dev/null")).contains("is not a regular file"));
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = told(&file.join("bars.ndjson"));
        assert!(text.contains("file/bars.ndjson") && text.contains("--dlq PATH"), "{text}");

        let writer = DlqWriter::open(&path, run()).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = writer.bury(vec![reject("22003", 1, item(1))]).await.unwrap_err();
        assert!(error.0.contains("bars.ndjson cannot be written"), "{error}");
        assert_eq!(writer.rows(), 0);
        std::fs::remove_dir(&path).unwrap();
        writer.bury(vec![reject("22003", 1, item(1))]).await.unwrap();
        assert_eq!(rows(&path), [1]);
    }
}

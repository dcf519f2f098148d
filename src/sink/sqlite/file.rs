//! Opening the database file, and making what was committed durable.
//!
//! The file is in WAL mode, so that readers and the one writer do not wait for one another.
//! Bulk commits run with `synchronous=NORMAL`: the log is not synced at each of them, and a power
//! cut may take the last ones back (whole, and in order; never a part of one). [`seal`] is the
//! barrier behind exit 0: a small transaction with `synchronous=FULL`, whose commit syncs the log,
//! and with it every frame written before. A checkpoint would not do: a reader that holds an old
//! snapshot keeps it from finishing, and then what it left out is not synced either.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::batch::Reason;
use crate::port::{SinkError, TransientKind};

/// Longest wait for another process's transaction before it counts as an outage.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait once the program is to end: what holds the lock may be about to let go.
const LAST_WAIT: Duration = Duration::from_millis(250);

/// How long it is slept between looks whether a lock is free, the first times; then [`NAP`].
const NAPS: [u64; 11] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50];

/// How long it is slept between looks once those are over, in milliseconds.
const NAP: u64 = 100;

/// Whether locks are no longer to be waited for.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on locks are hardly waited for, by whoever waits already too: the program is to end. A wait
/// inside SQLite cannot be given up in another way.
pub(super) fn stop_waiting() {
    ENDING.store(true, Ordering::Relaxed);
}

/// Waits a little for a lock, after so many times before; `false` once that was long enough.
fn wait(times: i32) -> bool {
    let times = usize::try_from(times).unwrap_or(0);
    let waited = NAPS.iter().take(times).sum::<u64>() + NAP * times.saturating_sub(NAPS.len()) as u64;
    let longest = if ENDING.load(Ordering::Relaxed) { LAST_WAIT } else { BUSY_TIMEOUT };
    if Duration::from_millis(waited) >= longest {
        return false;
    }
    std::thread::sleep(Duration::from_millis(NAPS.get(times).copied().unwrap_or(NAP)));
    true
}

/// Pages of log (4 KiB each) before they are moved into the database: larger than SQLite's 1000,
/// since a page that many batches touch is then moved once.
const CHECKPOINT_PAGES: i64 = 8192;

/// Page cache of a session, in KiB.
const CACHE_KIB: i64 = 32 << 10;

/// What is going to be done with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read; the file must exist.
    Read,
    /// Read and write; the file must exist.
    Write,
    /// Read and write; the file is made where it is missing.
    Create,
}

/// Opens the file.
pub(super) fn open(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
    let mut connection = Connection::open_with_flags(literal(path), flags)?;
    connection.busy_handler(Some(wait))?;
    if access == Access::Read {
        return Ok(connection);
    }
    let mode = match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
        // SQLite does not wait for who has the file open in another mode. It serves in that mode too, and
        // then each lock is waited for.
        Err(error) if is_busy(&error) => "delete".to_owned(),
        mode => mode?,
    };
    // Where the file system has no shared memory the mode stays what it was, and NORMAL would no
    // longer promise an undamaged file.
    connection.pragma_update(
        None,
        "synchronous",
        if mode.eq_ignore_ascii_case("wal") { "NORMAL" } else { "FULL" },
    )?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// What tells a file from all others: its device, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// That of the file which the path means now, if there is one.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let there = std::fs::metadata(path).ok()?;
        Some(Self(there.dev(), there.ino()))
    }

    /// What has become of the file of that path, where it is no longer this one: what is written into a file
    /// that was deleted or put elsewhere nobody finds again.
    pub(super) fn moved(self, path: &Path) -> Option<SinkError> {
        let shown = path.display();
        let message = match Self::of(path) {
            Some(now) if now == self => return None,
            Some(_) => format!(
                "{shown} is another file than the one that this run has begun to write into; put that one back, or end this run and start again"
            ),
            None => format!(
                "{shown} was deleted or moved away while rows were written into it; put it back, or end this run and start again"
            ),
        };
        Some(SinkError::Transient(TransientKind::Connection, Reason::new("58P01", message)))
    }
}

/// Whether another process is in the way.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The path so that SQLite takes it for a file and nothing else: `:memory:` and `file:` are names
/// like any other here.
fn literal(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns when everything committed to the file is on disk.
pub(super) fn seal(path: &Path) -> rusqlite::Result<()> {
    let connection = open(path, Access::Write)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Any change will do that leaves every table as it is: the file's user version is written
    // again as it was. IMMEDIATE, so that it cannot change in between.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)?;
    connection.execute_batch("COMMIT")
}

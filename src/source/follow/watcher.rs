//! What hears of changes in the directories of followed files.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::source::is_pattern;

/// What there is to hear.
enum Heard {
    /// A file has other bytes.
    Written,
    /// There may be other files, or the same by other names.
    Named,
    /// A file that has another name now.
    Renamed(PathBuf, PathBuf),
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing, as far as is heard.
    None,
    /// Bytes in files.
    Bytes,
    /// Names of files too.
    Names,
}

/// What hears of changes in the directories of the files.
pub(super) struct Watcher {
    heard: Receiver<Heard>,
    /// Held on to, since it ends with its owner.
    watcher: Option<RecommendedWatcher>,
    /// Whether all directories are watched.
    pub(super) all: bool,
}

impl Watcher {
    pub(super) fn open(patterns: &[OsString]) -> Self {
        let (sender, heard) = channel();
        let told = move |event: notify::Result<notify::Event>| {
            let heard = match event {
                // Our own reading is not a change.
                Ok(event) if event.kind.is_access() => return,
                Ok(event) => match (event.kind, event.paths.as_slice()) {
                    (EventKind::Modify(ModifyKind::Data(_)), _) => Heard::Written,
                    (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) => {
                        Heard::Renamed(from.clone(), to.clone())
                    }
                    _ => Heard::Named,
                },
                Err(_) => Heard::Named,
            };
            // Where nobody listens any more nobody wants to know.
            let _ = sender.send(heard);
        };
        let mut watcher = notify::recommended_watcher(told).ok();
        let mut all = watcher.is_some();
        let mut seen = HashSet::new();
        for pattern in patterns {
            let (directory, mode) = watched(pattern);
            if let Some(watcher) = watcher.as_mut().filter(|_| seen.insert(directory.clone())) {
                all &= watcher.watch(&directory, mode).is_ok();
            }
        }
        Self { heard, watcher, all }
    }

    /// Waits for a change.
    pub(super) fn wait(&self, limit: Duration) -> Change {
        self.wait_for(limit, &mut Vec::new())
    }

    /// Waits for a change for so long at most, and adds the files that have been renamed: from where, and to where.
    pub(super) fn wait_for(&self, limit: Duration, renamed: &mut Vec<(PathBuf, PathBuf)>) -> Change {
        let mut change = Change::None;
        let mut note = |heard: Heard| {
            change = change.max(match heard {
                Heard::Written => Change::Bytes,
                Heard::Named => Change::Names,
                Heard::Renamed(from, to) => {
                    renamed.push((from, to));
                    Change::Names
                }
            });
        };
        if self.watcher.is_none() {
            std::thread::sleep(limit);
            return Change::None;
        }
        match self.heard.recv_timeout(limit) {
            Ok(heard) => {
                note(heard);
                while let Ok(heard) = self.heard.try_recv() {
                    note(heard);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(limit),
        }
        change
    }
}

/// The directory whose changes tell of the files of a pattern.
pub(super) fn watched(pattern: &OsStr) -> (PathBuf, RecursiveMode) {
    let path = Path::new(pattern);
    if path.is_dir() {
        return (path.to_owned(), RecursiveMode::Recursive);
    }
    let plain = |part: &std::path::Component<'_>| !is_pattern(part.as_os_str()) || path.exists();
    let whole = path.components().count();
    let mut parts: Vec<_> = path.components().take_while(plain).collect();
    if parts.len() == whole {
        parts.pop();
    }
    let deep = whole - parts.len() > 1;
    let directory: PathBuf = parts.into_iter().collect();
    let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
    (directory, if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive })
}

//! Whether rows can be read again from where they came.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where rows can be read again. What was true of a file when its rows were read need not be when they are
/// let go of, so it is asked then.
#[derive(Debug, Clone)]
pub enum Replayable {
    /// They came through a pipe.
    Never,
    /// Whoever reads them keeps them: the dead-letter queue.
    Kept,
    /// In the file of that name.
    At(Arc<PathBuf>),
    /// In a followed file, whatever its name is by then.
    In(Arc<Content>),
}

impl Replayable {
    /// Whether they could be read now.
    pub fn is_now(&self) -> bool {
        match self {
            Self::Never => false,
            Self::Kept => true,
            Self::At(path) => path.exists(),
            Self::In(content) => content.is_there(),
        }
    }
}

/// What a followed file has had since it was made, or since it was truncated.
#[derive(Debug)]
pub struct Content {
    file: Arc<File>,
    overwritten: AtomicBool,
}

impl Content {
    /// Of that file.
    pub fn of(file: Arc<File>) -> Self {
        Self { file, overwritten: AtomicBool::new(false) }
    }

    /// The file has other content now.
    pub fn is_overwritten(&self) {
        self.overwritten.store(true, Ordering::Release);
    }

    /// Whether it is still in a file that has a name.
    fn is_there(&self) -> bool {
        !self.overwritten.load(Ordering::Acquire) && self.file.metadata().is_ok_and(|m| m.nlink() > 0)
    }
}

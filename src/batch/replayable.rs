//! Whether rows can be read again from where they came.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use xxhash_rust::xxh3::Xxh3;

use crate::objects::Object;

/// Bytes at each end that a fingerprint is about.
const END: u64 = 64 << 10;

/// Where rows can be read again. What was true of a file when its rows were read need not be when they are
/// let go of, so it is asked then.
#[derive(Debug, Clone)]
pub enum Replayable {
    /// They came through a pipe.
    Never,
    /// Whoever reads them keeps them: the dead-letter queue.
    Kept,
    /// In that file, unless it is another one by now.
    At(Arc<LoadedFile>),
    /// In that object, unless it is another one by now.
    Of(Arc<LoadedObject>),
    /// In a followed file, whatever its name is by then.
    In(Arc<Content>),
}

impl Replayable {
    /// Whether they could be read now.
    pub fn is_now(&self) -> bool {
        match self {
            Self::Never => false,
            Self::Kept => true,
            Self::At(file) => file.is_there(),
            Self::Of(object) => *object.there.get_or_init(|| object.object.is_there()),
            Self::In(content) => content.is_there(),
        }
    }

    /// The absolute path of the file, or the address of the object, that they can be read from.
    pub fn path(&self) -> Option<&Arc<str>> {
        match self {
            Self::At(file) => Some(&file.full),
            Self::Of(object) => Some(&object.full),
            Self::Never | Self::Kept | Self::In(_) => None,
        }
    }
}

/// What tells a file from others at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A file that is loaded, as it was when that began.
#[derive(Debug)]
pub struct LoadedFile {
    path: PathBuf,
    full: Arc<str>,
    /// With the fingerprint of all of it; `None` where it could not be looked at.
    then: Option<(Stamp, String)>,
    /// What a look at it came to after it had changed.
    seen: Mutex<Option<(Stamp, bool)>>,
}

impl LoadedFile {
    /// The file at that path; `full` is the path that is the same from everywhere.
    pub fn at(path: PathBuf, full: String) -> Self {
        let look = || -> io::Result<(Stamp, String)> {
            let file = File::open(&path)?;
            let stamp = Stamp::of(&file.metadata()?);
            Ok((stamp, fingerprint(&file, stamp.bytes)?))
        };
        Self { then: look().ok(), path, full: full.into(), seen: Mutex::new(None) }
    }

    /// Whether what was in it is in it still. It may have grown, been touched, or been written anew with the
    /// same beginning: then both ends of what it was are compared.
    fn is_there(&self) -> bool {
        let Some((then, known)) = &self.then else { return self.path.exists() };
        let Ok(now) = self.path.metadata().map(|metadata| Stamp::of(&metadata)) else { return false };
        if now == *then {
            return true;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some((stamp, there)) if stamp == now => there,
            _ => {
                let same =
                    |path: &Path| Ok::<_, io::Error>(fingerprint(&File::open(path)?, then.bytes)? == *known);
                let there = now.bytes >= then.bytes && same(&self.path).unwrap_or(false);
                *seen = Some((now, there));
                there
            }
        }
    }
}

/// An object that is loaded. Whether it is there still is asked once, when its rows are let go of.
#[derive(Debug)]
pub struct LoadedObject {
    object: Object,
    full: Arc<str>,
    there: OnceLock<bool>,
}

impl LoadedObject {
    /// That object; `full` is its name with that of the member of an archive.
    pub fn new(object: Object, full: String) -> Self {
        Self { object, full: full.into(), there: OnceLock::new() }
    }
}

/// Whether the fingerprint of so many bytes is of all of them.
pub fn covers(bytes: u64) -> bool {
    bytes <= 2 * END
}

/// XXH3-128 of a size, and of the first and the last 64 KiB of as much of a file; where that is no longer than
/// both, of all of it. It costs two reads whatever the size. A change in the middle that leaves the size as it
/// is goes unseen: who must know of one compares the content, or the time of the last change, beside it.
///
/// # Errors
/// Where the file is shorter, or cannot be read.
pub fn fingerprint(file: &File, bytes: u64) -> io::Result<String> {
    let mut hash = Xxh3::new();
    hash.update(&bytes.to_le_bytes());
    let mut take = |from: u64, count: u64| -> io::Result<()> {
        let mut buffer = vec![0; usize::try_from(count).unwrap_or(0)];
        file.read_exact_at(&mut buffer, from)?;
        hash.update(&buffer);
        Ok(())
    };
    if covers(bytes) {
        take(0, bytes)?;
    } else {
        take(0, END)?;
        take(bytes - END, END)?;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// What a followed file has had since it was made, or since it was truncated.
#[derive(Debug)]
pub struct Content {
    file: Mutex<Arc<File>>,
    overwritten: AtomicBool,
}

impl Content {
    /// Of that file.
    pub fn of(file: Arc<File>) -> Self {
        Self { file: Mutex::new(file), overwritten: AtomicBool::new(false) }
    }

    /// The file has other content now.
    pub fn is_overwritten(&self) {
        self.overwritten.store(true, Ordering::Release);
    }

    /// It is in another file from now on, which has all of it.
    pub fn is_in(&self, file: Arc<File>) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// Whether it is still in a file that has a name.
    fn is_there(&self) -> bool {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        !self.overwritten.load(Ordering::Acquire) && file.metadata().is_ok_and(|m| m.nlink() > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{remove_file, rename, write};

    use super::*;

    /// What happens to a file, and whether its rows can be read from it after that.
    #[test]
    fn a_file_that_another_one_has_replaced_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        let put = |text: &str| {
            write(&other, text).unwrap();
            rename(&other, &path).unwrap();
        };
        let cases: [(&str, &dyn Fn(), bool); 9] = [
            ("nothing", &|| (), true),
            ("touched", &|| write(&path, "a,b\n1,2\n").unwrap(), true),
            ("grown", &|| write(&path, "a,b\n1,2\n3,4\n").unwrap(), true),
            ("truncated", &|| write(&path, "a,b\n").unwrap(), false),
            ("overwritten, of the same size", &|| write(&path, "a,b\n1,3\n").unwrap(), false),
            ("overwritten, larger", &|| write(&path, "a,b\n7,2\n3,4\n").unwrap(), false),
            ("replaced, of the same size", &|| put("a,b\n1,3\n"), false),
            ("replaced by its like", &|| put("a,b\n1,2\n"), true),
            ("removed", &|| remove_file(&path).unwrap(), false),
        ];
        for (what, happens, there) in cases {
            put("a,b\n1,2\n");
            let file = Replayable::At(Arc::new(LoadedFile::at(path.clone(), "/a".to_owned())));
            assert!(file.is_now());
            happens();
            assert_eq!((file.is_now(), file.is_now()), (there, there), "{what}");
        }
    }
}

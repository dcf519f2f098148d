//! Appending to the queue's file, which several processes may do at once.
//!
//! Everything happens under an exclusive lock on the file (`flock`): whole lines are appended and
//! synced, and what a failed write left is cut off again. A replay claims the file by renaming it
//! while it holds the same lock; whoever gets the lock afterwards sees that the path leads to
//! another file, or to none, and goes there. A file that would grow over its limit is set aside in
//! the same way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::names;
use crate::files::{self, Replace, folder_of, put_in_place, sync_folder, sync_folder_of};

/// Longest wait for another process's lock. It holds it for one write and one sync.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest pause between two tries for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Permissions of a new file: rows may be somebody's business, so others cannot read it.
const MODE: u32 = 0o640;

/// The queue's file, open or not yet there.
#[derive(Debug)]
pub(super) struct QueueFile {
    path: PathBuf,
    /// Size beyond which it is set aside.
    most: Option<u64>,
    file: Option<File>,
    /// The directory in which the file was made, while the entry may not be on disk yet. It is held
    /// open: moved or not, its entries can be synced.
    unsynced: Option<File>,
}

/// What an append found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appended {
    /// The last line was torn; it is a line of its own now.
    pub(super) repaired: bool,
    /// Files set aside since there was no room for the lines.
    pub(super) rotated: u64,
}

impl QueueFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, most: None, file: None, unsynced: None }
    }

    /// Sets the file aside when it would grow beyond `most` bytes.
    pub(super) fn at_most(self, most: Option<u64>) -> Self {
        Self { most, ..self }
    }

    /// Appends whole lines and returns when they are on disk. On an error the file is as before,
    /// as far as the disk allows.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<Appended> {
        let (mut repaired, mut rotated) = (false, 0);
        loop {
            let Some(file) = self.locked(true)? else { continue };
            // On every way out but the last the file is closed, which gives the lock back.
            if self.is_too_full(&file, lines.len() as u64)? {
                repaired |= self.set_aside(&file)?.1;
                rotated += 1;
                continue;
            }
            repaired |= self.append_locked(&file, lines)?;
            self.file = file.unlock().is_ok().then_some(file);
            return Ok(Appended { repaired, rotated });
        }
    }

    /// Sets the file aside as the next segment; `None` where there is nothing in it.
    pub(super) fn rotate(&mut self) -> io::Result<Option<PathBuf>> {
        let Some(file) = self.locked(false)? else { return Ok(None) };
        if file.metadata()?.len() == 0 {
            return Ok(None);
        }
        self.set_aside(&file).map(|(segment, _)| Some(segment))
    }

    /// Puts what `write` makes of the file in its place; nothing happens where that says so, or fails, or
    /// where the file is somebody else's.
    pub(super) fn rewrite(
        &mut self,
        write: impl FnOnce(&File, &mut File) -> io::Result<bool>,
    ) -> io::Result<()> {
        // Closing it gives the lock back: whoever has waited for it sees that the path leads elsewhere.
        let Some(file) = self.locked(false)? else { return Ok(()) };
        let mut beside = files::beside(&self.path, ".rewrite-", MODE)?;
        let (there, here) = (file.metadata()?, beside.as_file().metadata()?);
        if (there.uid(), there.gid()) != (here.uid(), here.gid()) || !write(&file, beside.as_file_mut())? {
            return Ok(());
        }
        beside.as_file().set_permissions(there.permissions())?;
        put_in_place(beside, &self.path, Replace::Yes).map(drop)
    }

    fn is_too_full(&self, file: &File, more: u64) -> io::Result<bool> {
        let Some(most) = self.most else { return Ok(false) };
        let length = file.metadata()?.len();
        let torn = u64::from(is_torn(file, length)?);
        Ok(length > 0 && length + torn + more > most)
    }

    /// Renames the locked file to the next segment; also tells whether its last line was torn.
    fn set_aside(&mut self, file: &File) -> io::Result<(PathBuf, bool)> {
        let length = file.metadata()?.len();
        let torn = is_torn(file, length)?;
        if torn {
            let mut writer = file;
            put(&mut writer, file, length, b"\n")?;
        }
        // Whoever else sets files of this queue aside waits for our lock, so the number stays free.
        let last = names::numbers(&self.path)?.last().copied().unwrap_or(0);
        let next =
            last.checked_add(1).ok_or_else(|| io::Error::other("there are too many segments of it"))?;
        let segment = names::segment(&self.path, next);
        std::fs::rename(&self.path, &segment)?;
        sync_folder_of(&self.path)?;
        self.unsynced = None;
        Ok((segment, torn))
    }

    /// Tells whether the last line was torn.
    fn append_locked(&mut self, file: &File, lines: &[u8]) -> io::Result<bool> {
        // Before the lines, so that none is in a file of which the caller is told that it failed.
        if let Some(folder) = &self.unsynced {
            sync_folder(folder)?;
            self.unsynced = None;
        }
        let length = file.metadata()?.len();
        let repaired = is_torn(file, length)?;
        let mut writer = file;
        if repaired {
            let mut mended = Vec::with_capacity(lines.len() + 1);
            mended.push(b'\n');
            mended.extend_from_slice(lines);
            put(&mut writer, file, length, &mended)?;
        } else {
            put(&mut writer, file, length, lines)?;
        }
        Ok(repaired)
    }

    /// The file that the path leads to, locked. Where there is none it is made, or it is `None`.
    fn locked(&mut self, make: bool) -> io::Result<Option<File>> {
        let end = Instant::now() + LOCK_TIMEOUT;
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => match self.open(make)? {
                    Some(file) => file,
                    None => return Ok(None),
                },
            };
            lock(&file, end)?;
            if self.is_at_path(&file)? {
                return Ok(Some(file));
            }
            if Instant::now() > end {
                return Err(io::Error::new(ErrorKind::TimedOut, "the file is renamed again and again"));
            }
        }
    }

    fn open(&mut self, make: bool) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(MODE);
        match options.open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && make => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => return opened.map(Some),
        }
        std::fs::create_dir_all(folder_of(&self.path))?;
        let folder = File::open(folder_of(&self.path))?;
        let file = options.create(true).open(&self.path)?;
        // Perhaps somebody else made it just now; to sync its entry once more does no harm.
        self.unsynced = Some(folder);
        Ok(Some(file))
    }

    fn is_at_path(&self, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Waits for the lock, but not for ever: `File::lock` would.
fn lock(file: &File, end: Instant) -> io::Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() > end => {
                return Err(io::Error::new(ErrorKind::TimedOut, "another process keeps it locked"));
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LOCK_PAUSE);
            }
        }
    }
}

/// Whether the last line has no end: whoever wrote it was stopped in the middle.
fn is_torn(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Writes all bytes at the end of the file and syncs it. Where that fails, cuts off what came
/// through, unless somebody without a lock has written behind it.
fn put(writer: &mut impl Write, file: &File, length: u64, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    let done = loop {
        if rest.is_empty() {
            break file.sync_all();
        }
        match writer.write(rest) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if done.is_err() {
        let came_through = (bytes.len() - rest.len()) as u64;
        let ours = file.metadata().is_ok_and(|metadata| metadata.len() == length + came_through);
        if ours && came_through > 0 {
            // Where this fails too, the next writer finds a torn line and closes it.
            let _ = file.set_len(length).and_then(|()| file.sync_all());
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("q/bars.ndjson");
        (directory, path)
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_new_file_is_not_for_others() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        assert!(!queue.append(b"1\n").unwrap().repaired);
        queue.append(b"2\n").unwrap();
        assert_eq!(read(&path), "1\n2\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o137, 0);
        assert!(queue.unsynced.is_none());
    }

    #[test]
    fn a_torn_line_is_closed_and_kept() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        queue.append(b"1\n").unwrap();
        std::fs::write(&path, "1\n{\"ts\":17").unwrap();
        assert!(queue.append(b"2\n").unwrap().repaired);
        assert!(!queue.append(b"3\n").unwrap().repaired);
        assert_eq!(read(&path), "1\n{\"ts\":17\n2\n3\n");
    }

    #[test]
    fn a_file_that_was_claimed_is_left_alone() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        queue.append(b"1\n").unwrap();
        let claimed = path.with_extension("claimed");
        std::fs::rename(&path, &claimed).unwrap();
        queue.append(b"2\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        queue.append(b"3\n").unwrap();
        assert_eq!((read(&claimed), read(&path)), ("1\n".to_owned(), "3\n".to_owned()));
        std::fs::remove_dir_all(folder_of(&path)).unwrap();
        queue.append(b"4\n").unwrap();
        assert_eq!(read(&path), "4\n");
    }

    #[test]
    fn a_file_that_would_grow_over_its_limit_is_set_aside() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone()).at_most(Some(5));
        let mut other = QueueFile::new(path.clone()).at_most(Some(5));
        assert_eq!(queue.append(b"111\n").unwrap().rotated, 0);
        assert_eq!(other.append(b"\n").unwrap().rotated, 0);
        assert_eq!(queue.append(b"222\n").unwrap().rotated, 1);
        // It notices that the path leads to another file; one append may be larger than the limit.
        assert_eq!(other.append(b"3333333\n").unwrap(), Appended { repaired: false, rotated: 1 });
        std::fs::write(&path, "4444").unwrap();
        assert_eq!(queue.append(b"5\n").unwrap(), Appended { repaired: true, rotated: 1 });
        let texts: Vec<String> = names::segments(&path).unwrap().iter().map(|path| read(path)).collect();
        assert_eq!((texts.join(""), read(&path)), ("111\n\n222\n4444\n".to_owned(), "5\n".to_owned()));
    }

    #[test]
    fn a_file_is_set_aside_on_demand() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        assert_eq!(queue.rotate().unwrap(), None);
        assert!(!path.exists());
        queue.append(b"1\n").unwrap();
        std::fs::write(names::segment(&path, 7), "").unwrap();
        assert_eq!(queue.rotate().unwrap(), Some(names::segment(&path, 8)));
        assert!(!path.exists());
        queue.append(b"2\n").unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(queue.rotate().unwrap(), None);
        std::fs::write(&path, "torn").unwrap();
        let segment = queue.rotate().unwrap().unwrap();
        assert_eq!((segment.clone(), read(&segment)), (names::segment(&path, 9), "torn\n".to_owned()));
    }

    /// Takes a few bytes, then the disk is full.
    struct Full<'a>(&'a File, usize);

    impl Write for Full<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let count = self.0.write(&bytes[..self.1.min(bytes.len())])?;
            self.1 -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_took_is_cut_off_again() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        queue.append(b"1\n").unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let error = put(&mut Full(&file, 4), &file, 2, b"22222222\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(read(&path), "1\n");

        // Somebody who takes no lock has written meanwhile: nothing of it is lost.
        std::fs::write(&path, "1\nother\n").unwrap();
        put(&mut Full(&file, 4), &file, 2, b"22222222\n").unwrap_err();
        assert_eq!(read(&path), "1\nother\n2222");
    }

    #[test]
    fn the_lock_is_not_waited_for_for_ever() {
        let (_directory, path) = place();
        let mut queue = QueueFile::new(path.clone());
        queue.append(b"1\n").unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let file = queue.file.as_ref().unwrap();
        let error = lock(file, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        other.unlock().unwrap();
        lock(file, Instant::now()).unwrap();
    }
}

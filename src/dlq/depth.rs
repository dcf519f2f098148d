//! How much stands in a queue: counted once, and from then on only what is new.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::byte_range::ByteRange;
use super::letter::Letter;
use super::lines::Lines;
use super::names;

/// What stands in a queue: in its live file, and in those that were set aside and not replayed yet. What a
/// replay has given up (`….parked.ndjson`) is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Rows.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// A queue that is looked at again and again.
#[derive(Debug)]
pub struct Depth {
    live: PathBuf,
    /// By device and inode, since files are renamed.
    files: HashMap<(u64, u64), Counted>,
}

/// A file as it was when it was looked at last.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    /// Its size and the time of its last change.
    state: (u64, i64, i64),
    /// The place behind the last line that has an end.
    end: u64,
    /// Rows before that place.
    rows: u64,
    /// Rows behind it: those of a last line without an end.
    torn: u64,
}

impl Depth {
    /// Of the queue with that live file, which need not be there. Nothing is read yet.
    pub fn of(live: &Path) -> Self {
        Self { live: live.to_owned(), files: HashMap::new() }
    }

    /// The live file.
    pub fn live(&self) -> &Path {
        &self.live
    }

    /// How many bytes the first look has to read.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn bytes(&self) -> io::Result<u64> {
        let files = names::segments(&self.live)?.into_iter().chain([self.live.clone()]);
        files.map(|path| Ok(opened(&path)?.map_or(0, |(_, found)| found.len()))).sum()
    }

    /// Looks at it; `None` where it was `stopped` before it had seen all.
    ///
    /// # Errors
    /// Those of the file system, where that is not just that there is nothing.
    pub fn look(&mut self, stopped: &dyn Fn() -> bool) -> io::Result<Option<Standing>> {
        let (mut standing, mut files) = (Standing::default(), HashMap::new());
        // A file that is set aside in between is seen under both names rather than under none.
        let live = opened(&self.live)?;
        let segments = names::segments(&self.live)?;
        let aside = segments.iter().filter_map(|path| opened(path).transpose());
        for there in live.map(Ok).into_iter().chain(aside) {
            let (file, found) = there?;
            let id = (found.dev(), found.ino());
            if files.contains_key(&id) {
                continue;
            }
            let state = (found.len(), found.mtime(), found.mtime_nsec());
            let before = self.files.get(&id).filter(|before| before.end <= found.len());
            let mut counted = before.copied().unwrap_or_default();
            if counted.state != state && !counted.read(&file, found.len(), stopped)? {
                self.files.insert(id, counted);
                return Ok(None);
            }
            counted.state = state;
            standing.rows += counted.rows + counted.torn;
            standing.bytes += found.len();
            files.insert(id, counted);
        }
        self.files = files;
        Ok(Some(standing))
    }
}

impl Counted {
    /// Counts on to that place; `false` where it was stopped before.
    fn read(&mut self, file: &File, length: u64, stopped: &dyn Fn() -> bool) -> io::Result<bool> {
        let start = self.end;
        let mut lines = Lines::at(ByteRange::new(file, start..length).buffered(), start, 0);
        self.torn = 0;
        while let Some(line) = lines.next()? {
            if stopped() {
                return Ok(false);
            }
            // What is not a record has no rows; inspect-dlq and health tell of it.
            let rows = Letter::read(&line).map_or(0, |letter| letter.rows());
            let behind = line.offset + line.length + 1;
            if behind > length {
                self.torn = rows;
                break;
            }
            self.rows += rows;
            self.end = behind;
        }
        Ok(true)
    }
}

/// A file of a queue; `None` where there is none of that name.
fn opened(path: &Path) -> io::Result<Option<(File, std::fs::Metadata)>> {
    // What is not a file may keep whoever opens it.
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
        }
        Ok(_) => match File::open(path) {
            Ok(file) => file.metadata().map(|found| Some((file, found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn record(rows: usize) -> String {
        let items = vec!["{\"a\":1}"; rows].join(",");
        format!("{{\"ts\":1,\"error\":\"x\",\"metadata\":{{}},\"items\":[{items}]}}")
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rows(depth: &mut Depth) -> u64 {
        let standing = depth.look(&|| false).unwrap().unwrap();
        assert_eq!(standing.bytes, depth.bytes().unwrap());
        // A queue that is looked at for the first time says the same.
        assert_eq!(Depth::of(depth.live()).look(&|| false).unwrap(), Some(standing));
        standing.rows
    }

    #[test]
    fn what_is_appended_set_aside_torn_and_taken_away_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("bars.ndjson");
        let mut depth = Depth::of(&live);
        assert_eq!(rows(&mut depth), 0);
        append(&live, &format!("{}\nno record\n\n{}\n", record(3), record(1)));
        assert_eq!(rows(&mut depth), 4);
        append(&live, &record(2));
        assert_eq!(rows(&mut depth), 6);
        append(&live, &format!("\n{}\n{{\"ts\":", record(1)));
        assert_eq!(rows(&mut depth), 7);
        fs::rename(&live, names::segment(&live, 1)).unwrap();
        append(&live, &format!("{}\n", record(5)));
        append(&names::parked(&live), &format!("{}\n", record(9)));
        assert_eq!(rows(&mut depth), 12);
        fs::remove_file(names::segment(&live, 1)).unwrap();
        assert_eq!(rows(&mut depth), 5);
        // Written anew by somebody else, in its place.
        fs::write(&live, format!("{}\n", record(2))).unwrap();
        assert_eq!(rows(&mut depth), 2);
    }

    #[test]
    fn a_place_that_is_no_file_is_an_error_and_a_stop_gives_no_number() {
        let directory = tempfile::tempdir().unwrap();
        let live = directory.path().join("bars.ndjson");
        append(&live, &format!("{}\n{}\n", record(1), record(1)));
        let mut depth = Depth::of(&live);
        assert_eq!(depth.look(&|| true).unwrap(), None);
        assert_eq!(rows(&mut depth), 2);
        fs::remove_file(&live).unwrap();
        fs::create_dir(&live).unwrap();
        assert!(depth.look(&|| false).is_err());
    }
}

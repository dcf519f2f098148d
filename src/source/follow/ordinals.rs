//! Which rows of which file came when: the ordinals of what is followed.
//!
//! Ordinals grow over all files in the order in which their rows are read, and the store's ledger says of
//! each hash slot up to which ordinal its rows are settled. So that a later tail can tell what that means
//! for the lines of a file, each stretch of rows that came from one file in one go is noted in the
//! checkpoint file before the first of them is handed on. After a crash the stretches are read again, in
//! the same order and under the same ordinals, and what the ledger has is passed over.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dataset::inferred::Learned;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::follow::checkpoint::{CheckpointFile, fingerprint};
use crate::source::follow::discovery::lock;

/// Between two attempts to note a stretch.
const PAUSE: Duration = Duration::from_millis(100);

/// A place between two lines of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Point {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Rows before it.
    pub(super) rows: u64,
}

/// Rows of a file that came one after the other, with none of another file in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Row `r` of the file has the ordinal `base + r`.
    pub(super) base: u64,
    pub(super) from: Point,
    /// Where it ends; `None` for the last one, which may go on.
    pub(super) to: Option<Point>,
    /// Bytes of the file by which it is known again: those that were read of it, as far as is noted,
    pub(super) seen: u64,
    /// and their fingerprint.
    pub(super) fingerprint: String,
}

/// Where a stretch has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) at: Point,
    /// Of the file up to there.
    pub(super) fingerprint: String,
}

impl Stretch {
    pub(super) fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// A file as it is found after a crash.
pub(super) struct Found<'a> {
    pub(super) file: &'a File,
    /// Rows before the place where its reading goes on.
    pub(super) rows: u64,
    pub(super) size: u64,
}

/// A stretch that is read again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) stretch: Stretch,
    /// Byte of the file up to which it is read.
    pub(super) limit: u64,
}

/// What of those stretches is to be read again, in their order, given the files that are there now.
///
/// A file with other content than then has none. Where a stretch does not follow what is settled of its
/// file, its rows cannot be numbered as they were, and are new ones.
pub(super) fn to_read_again<'a>(
    stretches: &[Stretch],
    find: impl Fn((u64, u64)) -> Option<Found<'a>>,
) -> Vec<Again> {
    // Rows may be numbered again: those that had waited for others, and those of a file whose content
    // is another one. The last numbers are theirs.
    let mut bounds: HashMap<(u64, u64), Point> = HashMap::new();
    let mut bounded: Vec<Stretch> = Vec::new();
    for (place, stretch) in stretches.iter().enumerate().rev() {
        let mut stretch = stretch.clone();
        if place + 1 < stretches.len() {
            stretch.to.get_or_insert(stretch.from);
        }
        if let Some(bound) = bounds.get(&stretch.id()) {
            stretch.to = stretch.to.filter(|to| to.rows < bound.rows).or(Some(*bound));
        }
        let first = bounds.entry(stretch.id()).or_insert(stretch.from);
        *first = if stretch.from.rows < first.rows { stretch.from } else { *first };
        if stretch.to.is_none_or(|to| to.rows > stretch.from.rows) {
            bounded.push(stretch);
        }
    }
    // Rows of each file before the next one that is read; `None` where it has no stretches any more.
    let mut places: HashMap<(u64, u64), Option<u64>> = HashMap::new();
    let mut again = Vec::new();
    for stretch in bounded.into_iter().rev() {
        let Some(found) = find(stretch.id()) else { continue };
        let rows = places.entry(stretch.id()).or_insert(Some(found.rows));
        let same = || fingerprint(found.file, stretch.seen).as_ref() == Some(&stretch.fingerprint);
        let Some(before) = rows.filter(|before| stretch.from.rows <= *before && same()) else {
            *rows = None;
            continue;
        };
        let to = stretch.to.unwrap_or(Point { offset: found.size, rows: u64::MAX });
        if to.rows > before {
            *rows = Some(to.rows);
            again.push(Again { stretch, limit: to.offset });
        }
    }
    again
}

/// The stretch that goes on.
struct Current {
    id: (u64, u64),
    file: Arc<File>,
    base: u64,
    /// Where it has come to.
    end: Point,
}

impl Current {
    /// What is not there any more is known by nothing.
    fn end(&self) -> End {
        let fingerprint = fingerprint(&self.file, self.end.offset).unwrap_or_default();
        End { at: self.end, fingerprint }
    }
}

/// What a file is about to hand on.
pub(super) struct Next<'a> {
    pub(super) id: (u64, u64),
    pub(super) file: &'a Arc<File>,
    /// Where it was.
    pub(super) before: Point,
    /// Behind the last row that was handed on, where others wait.
    pub(super) firm: Option<Point>,
    /// Where it will be.
    pub(super) after: Point,
}

/// Gives ordinals to rows.
pub(super) struct Course {
    /// The last one given.
    ordinal: u64,
    current: Option<Current>,
    /// Stretches that are read again.
    pub(super) again: VecDeque<Again>,
    checkpoint: Arc<Mutex<CheckpointFile>>,
    /// Whether stretches are noted.
    noted: bool,
    stop: Stop,
}

impl Course {
    /// Begins above `ordinal`.
    pub(super) fn new(checkpoint: Arc<Mutex<CheckpointFile>>, ordinal: u64, noted: bool, stop: Stop) -> Self {
        Self { ordinal, current: None, again: VecDeque::new(), checkpoint, noted, stop }
    }

    /// All ordinals up to that one are taken.
    pub(super) fn above(&mut self, ordinal: u64) {
        self.ordinal = self.ordinal.max(ordinal);
    }

    /// That file has other content from now on.
    pub(super) fn cut(&mut self, id: (u64, u64)) {
        self.again.retain(|again| again.stretch.id() != id);
        self.current.take_if(|current| current.id == id);
    }

    /// What that file has held is in a copy from now on, and read on there.
    pub(super) fn copied(&mut self, from: (u64, u64), to: (u64, u64), copy: &Arc<File>) {
        for again in self.again.iter_mut().filter(|again| again.stretch.id() == from) {
            (again.stretch.device, again.stretch.inode) = to;
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.id == from) {
            (current.id, current.file) = (to, copy.clone());
        }
    }

    /// What the rows that come next are numbered from, so that row `r` of the file has the ordinal
    /// `base + r`.
    ///
    /// # Errors
    /// Where the stretch cannot be noted before the stop is set.
    pub(super) fn base(&mut self, next: Next<'_>) -> Result<u64> {
        let base = match (self.again.front(), &self.current) {
            (Some(again), _) => again.stretch.base,
            (None, Some(current))
                if current.id == next.id && current.base + next.before.rows == self.ordinal =>
            {
                current.base
            }
            (None, _) => self.begin(&next)?,
        };
        self.above(base + next.after.rows);
        // Of what is read again only the very last stretch goes on.
        let goes_on = self.again.front().is_none_or(|again| again.stretch.to.is_none());
        self.current =
            goes_on.then_some(Current { id: next.id, file: next.file.clone(), base, end: next.after });
        if let Some(current) = self.current.as_ref().filter(|_| self.noted) {
            // Other content is told from this one by all that was handed on.
            let end = current.end();
            self.patiently(|checkpoint| checkpoint.grow(end.clone()))?;
        }
        Ok(base)
    }

    /// A stretch that begins with those rows, and with those that wait for them.
    fn begin(&self, next: &Next<'_>) -> Result<u64> {
        let from = next.firm.unwrap_or(next.before);
        // A file may have more rows before it than have come in this run.
        let base = self.ordinal.saturating_sub(from.rows);
        if !self.noted {
            return Ok(base);
        }
        let (device, inode) = next.id;
        let seen = next.after.offset;
        let stretch = Stretch {
            device,
            inode,
            base,
            from,
            to: None,
            seen,
            fingerprint: fingerprint(next.file, seen).unwrap_or_default(),
        };
        let end = self.current.as_ref().map(Current::end);
        self.patiently(|checkpoint| checkpoint.append(end.clone(), &stretch))?;
        Ok(base)
    }

    /// Notes what the rows of a file have told, up to that place.
    ///
    /// # Errors
    /// Where the ledger counts on it and it cannot be noted before the stop is set.
    pub(super) fn tell(
        &self,
        path: &Path,
        (id, file): ((u64, u64), &File),
        after: Point,
        learned: &Learned,
    ) -> Result<()> {
        let tell = |checkpoint: &mut CheckpointFile| checkpoint.tell(path, (id, file), after.offset, learned);
        if self.noted {
            return self.patiently(tell);
        }
        // The next save says what is wrong.
        if let Err(error) = tell(&mut lock(&self.checkpoint)) {
            tracing::debug!("{error}");
        }
        Ok(())
    }

    /// Writes into the checkpoint file, once that is possible.
    fn patiently(&self, mut write: impl FnMut(&mut CheckpointFile) -> Result<()>) -> Result<()> {
        let mut said = false;
        loop {
            let Err(error) = write(&mut lock(&self.checkpoint)) else { return Ok(()) };
            if self.stop.is_set() {
                return Err(error);
            }
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(
                    "{error}; waiting, since after a crash nobody would know which rows are there"
                );
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A file of so many rows of two bytes each.
    fn rows(count: u64) -> File {
        let mut file = tempfile::tempfile().unwrap();
        (0..count).for_each(|row| writeln!(file, "{}", row % 10).unwrap());
        file
    }

    fn point(rows: u64) -> Point {
        Point { offset: 2 * rows, rows }
    }

    fn stretch(inode: u64, base: u64, from: u64, to: Option<u64>, file: &File) -> Stretch {
        let (from, to, seen) = (point(from), to.map(point), 2 * (from + 1));
        let fingerprint = fingerprint(file, seen).unwrap();
        Stretch { device: 1, inode, base, from, to, seen, fingerprint }
    }

    /// Base and limit of what is read again, given files, by inode from 1, and the rows of each that are
    /// settled.
    fn again(stretches: &[Stretch], files: &[(&File, u64)]) -> Vec<(u64, u64)> {
        let find = |(_, inode): (u64, u64)| {
            let (file, rows) = files.get(inode as usize - 1)?;
            Some(Found { file, rows: *rows, size: file.metadata().unwrap().len() })
        };
        to_read_again(stretches, find).iter().map(|again| (again.stretch.base, again.limit)).collect()
    }

    #[test]
    fn what_is_not_settled_is_read_again_in_its_order() {
        let (a, b) = (rows(50), rows(40));
        let all = [
            stretch(1, 0, 0, Some(10), &a),
            stretch(2, 10, 0, Some(5), &b),
            stretch(1, 5, 10, Some(30), &a),
            stretch(2, 30, 5, None, &b),
        ];
        assert_eq!(again(&all, &[(&a, 0), (&b, 0)]), [(0, 20), (10, 10), (5, 60), (30, 80)]);
        assert_eq!(again(&all, &[(&a, 10), (&b, 4)]), [(10, 10), (5, 60), (30, 80)]);
        assert_eq!(again(&all, &[(&a, 12), (&b, 5)]), [(5, 60), (30, 80)]);
        // One that is no more, and one that has come back shorter.
        assert_eq!(again(&all, &[(&a, 0)]), [(0, 20), (5, 60)]);
        assert_eq!(again(&all, &[(&a, 30), (&rows(6), 5)]), [(30, 12)]);
    }

    #[test]
    fn rows_that_are_not_known_again_are_new_ones() {
        let (a, other) = (rows(50), tempfile::tempfile().unwrap());
        write!(&other, "something else of some length").unwrap();
        let all = [stretch(1, 0, 10, Some(20), &a), stretch(1, 7, 20, None, &a)];
        assert_eq!(again(&all, &[(&other, 10)]), []);
        assert_eq!(again(&all, &[(&a, 10)]), [(0, 40), (7, 100)]);
        // Rows before it that belong to no stretch.
        assert_eq!(again(&all, &[(&a, 9)]), []);
        // Truncated meanwhile: what was there before has gone.
        let all = [
            stretch(1, 0, 10, Some(20), &a),
            stretch(1, 7, 30, Some(45), &a),
            stretch(1, 52, 0, Some(8), &a),
            stretch(1, 60, 8, None, &a),
        ];
        assert_eq!(again(&all, &[(&a, 0)]), [(52, 16), (60, 100)]);
        // Numbered again, since rows waited for others.
        let all = [stretch(1, 0, 0, Some(6), &a), stretch(1, 90, 2, None, &a)];
        assert_eq!(again(&all, &[(&a, 0)]), [(0, 4), (90, 100)]);
        assert_eq!(again(&all, &[(&a, 2)]), [(90, 100)]);
    }

    #[test]
    fn a_stretch_goes_on_until_another_file_has_rows() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("places.json");
        let checkpoint = Arc::new(Mutex::new(CheckpointFile::open(path.clone()).unwrap()));
        let run = uuid::Uuid::now_v7();
        lock(&checkpoint).begin(Some(run), Vec::new()).unwrap();
        let mut course = Course::new(checkpoint.clone(), 100, true, Stop::new().unwrap());
        let file = Arc::new(rows(50));
        let mut base = |inode, before, after| {
            let (before, after) = (point(before), point(after));
            course.base(Next { id: (1, inode), file: &file, before, firm: None, after }).unwrap()
        };
        assert_eq!(
            [base(1, 0, 10), base(1, 10, 12), base(2, 7, 8), base(2, 8, 9), base(1, 12, 20)],
            [100, 100, 105, 105, 102]
        );
        drop(course);
        drop(checkpoint);
        // The last line is torn.
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"{\"end\":{\"off").unwrap();
        let again = CheckpointFile::open(path.clone()).unwrap();
        assert_eq!((again.run(), again.doubt()), (Some(run), None));
        let spans = again.stretches.iter().map(|s| (s.base, s.from.rows, s.to.map(|to| to.rows)));
        assert_eq!(spans.collect::<Vec<_>>(), [(100, 0, Some(12)), (105, 7, Some(9)), (102, 12, None)]);
        // After a boot the lines that came thick and fast may not be all.
        let text = std::fs::read_to_string(&path).unwrap();
        let boot = text.split("\"boot\": \"").nth(1).and_then(|rest| rest.split('"').next());
        if let Some(boot) = boot {
            drop(again);
            std::fs::write(&path, text.replace(boot, "another")).unwrap();
            let doubt = CheckpointFile::open(path.clone()).unwrap().doubt();
            assert!(doubt.is_some_and(|why| why.contains("machine went down")), "{doubt:?}");
        }
        // A line that is damaged is not a torn one; a copy may be an old one.
        let mut lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("{\"end\"")).unwrap();
        lines[at] = "{\"end\":nul";
        std::fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(
            CheckpointFile::open(path.clone()).unwrap().doubt(),
            Some("its checkpoint file is damaged")
        );
        let copy = work.path().join("copy.json");
        std::fs::write(&copy, text).unwrap();
        assert!(CheckpointFile::open(copy).unwrap().doubt().is_some_and(|why| why.contains("a copy")));
    }
}

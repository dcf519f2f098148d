//! Files that come to other names: rotated, copied, cut short, begun anew.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::source::follow::checkpoint::position::{FilePosition, fingerprint};
use crate::source::follow::checkpoint::{CheckpointFile, LONGEST_AWAY};
use crate::source::follow::copies::size_of;
use crate::source::follow::discovery::Arrival;
use crate::source::follow::ordinals::Stretch;
use crate::source::follow::rotation::{is_rotated, moved};

impl CheckpointFile {
    /// Files that have been renamed, within their directories, to names by which none of those `there` was
    /// found, in the order in which they appeared. Of those that are not found it is said once; they
    /// may come back.
    pub(in crate::source::follow) fn moved(&mut self, there: &[Arrival]) -> Vec<Arrival> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // As they were before this run noted anything.
        let mut earlier = std::mem::take(&mut self.earlier);
        // What was read of a file before anything of it was settled tells its content too.
        for place in earlier.iter_mut().filter(|place| !place.has_rows()) {
            let last = self.stretches.iter().rev().find(|stretch| stretch.id() == place.id());
            place.read = last.map(|last| (last.seen, last.fingerprint.clone()));
        }
        let moved = moved(&mut earlier, there, self.written, now);
        self.searched = true;
        for arrival in &moved {
            if let (Some(place), Some(file)) = (&arrival.place, &arrival.file) {
                self.copied(place.id(), &arrival.path, arrival.id, file);
            }
        }
        // Should this run die, the next one finds them again.
        for arrival in &moved {
            let Some(file) = arrival.file.as_ref().filter(|_| arrival.place.is_none()) else { continue };
            if !self.known.iter().any(|place| place.fits(file, arrival.id)) {
                self.anew((&arrival.path, arrival.born.as_deref()), arrival.id, file);
            }
        }
        let away: HashMap<(u64, u64), &FilePosition> =
            earlier.iter().map(|place| (place.id(), place)).collect();
        for place in &mut self.known {
            // What this run has noted is of another file by that identity.
            let before = away.get(&place.id()).filter(|before| before.fingerprint == place.fingerprint);
            place.away = before.and_then(|before| before.away);
        }
        let long = |since: u64| now.saturating_sub(since) >= LONGEST_AWAY;
        self.known.retain(|place| !place.away.is_some_and(long));
        moved
    }

    /// Notes a file of which nothing is settled yet.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(in crate::source::follow) fn arrive(
        &mut self,
        path: &Path,
        id: (u64, u64),
        file: &File,
    ) -> Result<()> {
        if self.known.iter().chain(&self.saved).any(|place| place.fits(file, id)) {
            return Ok(());
        }
        self.anew((path, None), id, file);
        let saved = self.saved.iter().filter(|place| place.id() != id).cloned();
        self.save(saved.collect())
    }

    /// Of what is in that file now nothing is read; `born` is the name that it had first.
    pub(in crate::source::follow) fn anew(
        &mut self,
        (path, born): (&Path, Option<&Path>),
        id: (u64, u64),
        file: &File,
    ) {
        let names = self.names_of(born.unwrap_or(path));
        self.known.retain(|place| place.id() != id);
        let is_of =
            |stretch: &Stretch| fingerprint(file, stretch.seen).as_ref() == Some(&stretch.fingerprint);
        self.stretches.retain(|stretch| stretch.id() != id || is_of(stretch));
        let Some(fingerprint) = fingerprint(file, 0) else { return };
        self.known.push(FilePosition {
            path: path.into(),
            device: id.0,
            inode: id.1,
            fingerprint,
            offset: 0,
            header: 0,
            rows: 0,
            names,
            equals: None,
            read: None,
            born: born.filter(|born| *born != path).map(Path::to_owned),
            done: false,
            away: None,
        });
    }

    /// The header that files of that name have had; where there were none, those of the name of which it is
    /// one that log rotation makes.
    pub(in crate::source::follow) fn names_of(&self, path: &Path) -> Option<String> {
        let of = |is: &dyn Fn(&Path) -> bool| {
            let mut places = self.known.iter().chain(&self.saved).chain(&self.done).rev();
            let own = |place: &&FilePosition| is(place.born.as_deref().unwrap_or(&place.path));
            places.find(|place| place.names.is_some() && own(place))?.names.clone()
        };
        of(&|name| name == path).or_else(|| of(&|name| is_rotated(name, path)))
    }

    /// The last rows without an id of the file that had that name before the one of that identity.
    pub(in crate::source::follow) fn equals_before(&self, born: &Path, id: (u64, u64)) -> Option<String> {
        let is_of = |place: &&FilePosition| {
            place.id() != id && place.equals.is_some() && place.born.as_deref().unwrap_or(&place.path) == born
        };
        // What was still read when the tail before ended came behind all that was done with.
        let (done, left): (Vec<_>, Vec<_>) = self.known.iter().filter(is_of).partition(|place| place.done);
        let last = self.done.iter().rev().find(is_of).or_else(|| left.first().or(done.last()).copied());
        last?.equals.clone()
    }

    /// The last rows without an id of what had that identity.
    pub(in crate::source::follow) fn equals_of(&self, id: (u64, u64)) -> Option<String> {
        self.known.iter().find(|place| place.id() == id)?.equals.clone()
    }

    /// Whether some of that file was read by another name, or before it came back.
    pub(in crate::source::follow) fn has_read(&self, arrival: &Arrival) -> bool {
        let Some(file) = &arrival.file else { return false };
        let mut places = self.known.iter().chain(&self.saved).chain(&self.done);
        places.any(|place| place.offset > 0 && place.fits(file, arrival.id))
    }

    /// What was read of a file is in that copy from now on, and read on there.
    pub(in crate::source::follow) fn copied(
        &mut self,
        from: (u64, u64),
        path: &Path,
        to: (u64, u64),
        copy: &File,
    ) {
        for places in [&mut self.known, &mut self.saved, &mut self.done] {
            places.retain(|place| place.id() != to);
            places.retain_mut(|place| {
                if place.id() != from {
                    return true;
                }
                if !place.is_beginning_of(copy) {
                    return false;
                }
                place.born.get_or_insert_with(|| place.path.clone());
                place.path = path.to_owned();
                (place.device, place.inode) = to;
                true
            });
        }
        let same = |seen, print: &String| fingerprint(copy, seen).as_ref() == Some(print);
        self.stretches.retain(|stretch| stretch.id() != from || same(stretch.seen, &stretch.fingerprint));
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.id() == from) {
            (stretch.device, stretch.inode) = to;
        }
        for told in self.told.iter_mut().filter(|told| (told.device, told.inode) == from) {
            (told.device, told.inode) = to;
        }
    }

    /// A copy of which nothing is to be read.
    pub(in crate::source::follow) fn known_copy(&mut self, arrival: &Arrival, born: &Path) {
        let Some(file) = &arrival.file else { return };
        let offset = size_of(arrival);
        let Some(fingerprint) = fingerprint(file, offset) else { return };
        let ((device, inode), names) = (arrival.id, self.names_of(born));
        let (path, born) = (arrival.path.clone(), Some(born.to_owned()));
        let place = FilePosition {
            path,
            device,
            inode,
            fingerprint,
            offset,
            header: 0,
            rows: 1,
            names,
            equals: None,
            read: None,
            born,
            done: true,
            away: None,
        };
        self.done(arrival.id, Some(place));
    }

    /// Writes what has changed by a truncation.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(in crate::source::follow) fn write_truncated(
        &mut self,
        path: &Path,
        id: (u64, u64),
        file: &File,
    ) -> Result<()> {
        self.anew((path, None), id, file);
        let mut places: Vec<FilePosition> =
            self.saved.iter().filter(|place| place.id() != id).cloned().collect();
        places.extend(self.known.iter().filter(|place| place.id() == id).cloned());
        self.replace(places)
    }

    /// Forgets what a file held that has other content now.
    ///
    /// # Errors
    /// Where the checkpoint file cannot be written.
    pub(in crate::source::follow) fn truncated(
        &mut self,
        path: &Path,
        id: (u64, u64),
        file: &File,
    ) -> Result<()> {
        self.stretches.retain(|stretch| stretch.id() != id);
        self.write_truncated(path, id, file)
    }

    /// The place in a file that this run had done with, and that has come back.
    pub(in crate::source::follow) fn again(&self, file: &File, id: (u64, u64)) -> Option<&FilePosition> {
        self.done.iter().find(|place| place.fits(file, id))
    }
}

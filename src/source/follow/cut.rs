//! A followed file that is truncated, or written over: what of its old content has not been read may be in a
//! copy beside it, and is read there as if the file had been renamed. What is in none is told.

use std::collections::HashSet;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::pipeline::Feed;
use crate::source::follow::Follower;
use crate::source::follow::copies::{Copies, copies, size_of};
use crate::source::follow::discovery::{Arrival, lock};
use crate::source::follow::followed_file::FollowedFile;
use crate::source::followed::From;

impl Follower {
    /// The file at that place has other content from now on; `mended`: what was there could not be read.
    pub(super) fn cut(&mut self, place: usize, mended: bool, feed: &mut Feed<'_>) -> Result<()> {
        let followed: HashSet<(u64, u64)> = self.files.iter().map(|file| file.id).collect();
        let Some(file) = self.files.get_mut(place) else { return Ok(()) };
        let (path, ended) = (file.path.clone(), file.ruler.take_ended());
        let found = {
            let checkpoint = lock(&self.checkpoint);
            let known = |other: &Arrival| followed.contains(&other.id) || checkpoint.has_read(other);
            copies(&path, file.ends(), file.began(), known)
        };
        if !mended {
            tell(file, &found, &ended);
        }
        let Copies { copy, shorter, later } = found;
        let later: Vec<FollowedFile> =
            later.into_iter().filter_map(|later| self.unseen(later, place)).collect();
        let Some(file) = self.files.get_mut(place) else { return Ok(()) };
        for copy in &shorter {
            lock(&self.checkpoint).known_copy(copy, &path);
        }
        let mut successor = None;
        if let Some(mut copy) = copy
            && let Some(handle) = copy.file.take()
        {
            let (cut, id) = file.goes_on_in(&copy, handle);
            self.lag.add(&file.ruler);
            self.course.copied(id, copy.id, file.file());
            let names = file.names();
            let mut checkpoint = lock(&self.checkpoint);
            checkpoint.copied(id, &copy.path, copy.id, file.file());
            if let Err(error) = checkpoint.write_truncated(&path, id, &cut) {
                tracing::warn!("{error}");
            }
            let handle = cut.try_clone().ok();
            let known = (&*checkpoint, None);
            let opened = FollowedFile::open(
                (&path, &path),
                handle,
                From::Start,
                known,
                &self.options.open,
                self.mapper.clone(),
            );
            drop(checkpoint);
            match opened {
                Ok(mut opened) => {
                    opened.has_names(names);
                    opened.is_rewritten();
                    successor = Some(opened);
                }
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                // It is found again by its name, and said what is wrong then.
                Err(error) => tracing::debug!("{error}"),
            }
        } else {
            file.note(&mut feed.report);
            // Those that wait for others will not be read again.
            file.bury_waiting(&mut self.course, feed)?;
            file.begin_again(self.mapper.clone())?;
            self.course.cut(file.id);
            if let Err(error) = lock(&self.checkpoint).truncated(&file.path, file.id, file.found().file) {
                tracing::warn!("{error}");
            }
            // What it has now comes behind what was there meanwhile.
            successor = (!later.is_empty()).then(|| self.files.remove(place));
        }
        for file in later.into_iter().chain(successor) {
            self.course.above(file.rows);
            self.lag.add(&file.ruler);
            self.files.push(file);
        }
        Ok(())
    }

    /// What was in the file at that place and was rotated away before it was seen.
    fn unseen(&self, arrival: Arrival, place: usize) -> Option<FollowedFile> {
        let born = self.files.get(place)?;
        let Arrival { path, id, file, .. } = arrival;
        let mut checkpoint = lock(&self.checkpoint);
        checkpoint.anew((&path, Some(&born.born)), id, file.as_ref()?);
        let known = (&*checkpoint, None);
        let names = (&*path, &*born.born);
        let opened =
            FollowedFile::open(names, file, From::Start, known, &self.options.open, self.mapper.clone());
        match opened {
            Ok(mut file) => {
                file.has_names(born.names());
                file.gone = Some(Instant::now());
                Some(file)
            }
            Err(error) => {
                tracing::warn!("{error}; going on without it");
                None
            }
        }
    }
}

fn bytes(count: u64) -> String {
    format!("{count} {}", if count == 1 { "byte" } else { "bytes" })
}

/// Says what is read, and what cannot be. `ended` are the sizes of the contents that have come to their ends,
/// as far as they were seen, the first of them that of the one that was being read.
fn tell(file: &FollowedFile, found: &Copies, ended: &[u64]) {
    let (name, at) = (&*file.name, file.at());
    let size = ended.first().copied().unwrap_or(at).max(at);
    match &found.copy {
        Some(copy) => {
            let copied = size_of(copy);
            let shown = copy.path.display();
            tracing::info!("{name}: it was truncated; reading on in its copy {shown}, then from its start");
            if size > copied {
                tracing::warn!(
                    "{name}: it was truncated, and its copy {shown} ends at byte {copied}: {} that {} written behind that before are in neither, and not read",
                    bytes(size - copied),
                    if size - copied == 1 { "was" } else { "were" },
                );
            }
        }
        None if size > at => tracing::warn!(
            "{name}: it was truncated when it had been read up to byte {at}, and no copy of it is beside it: {} behind that {} not read",
            bytes(size - at),
            if size - at == 1 { "is" } else { "are" },
        ),
        None if found.shorter.is_empty() && file.ends().is_some() => tracing::warn!(
            "{name}: it was truncated when it had been read up to byte {at}, and no copy of it is beside it: what was written behind that in the last moment, if anything was, is not read; reading it from its start",
        ),
        None => tracing::info!("{name}: it was truncated; reading it from its start"),
    }
    let mut later = found.later.iter().map(size_of);
    let lost: u64 = ended.iter().skip(1).filter(|size| !later.by_ref().any(|later| later >= **size)).sum();
    if lost > 0 {
        tracing::warn!(
            "{name}: it was truncated more than once before it could be read, and of {} that it had meanwhile no copy is beside it: they are not read",
            bytes(lost)
        );
    }
}

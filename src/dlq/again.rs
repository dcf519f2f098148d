//! Letters of a file that was loaded again: those of its earlier run are replaced, since the same row of the
//! same input would stand there twice, and be replayed twice.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::byte_range::ByteRange;
use super::file::QueueFile;
use super::letter::Letter;
use super::lines::{Line, Lines};
use super::names;
use super::replay_lock::{self, Bundle, Hold};
use crate::port::runs::earlier_name;

/// Rows of one run that are looked for at most; more of them stay beside the earlier ones.
const MOST_ROWS: usize = 1_000_000;

/// Bytes of a file that is written anew at most: others wait for it meanwhile.
const MOST_BYTES: u64 = 256 << 20;

/// Takes letters of earlier runs out of a queue whose rows the run `run` has put there once more: of the
/// same file, number and content, for the same table. Returns how many rows that were. `sources` are the absolute
/// paths of the inputs that can be read again; rows of others come only once, however equal they are.
///
/// # Errors
/// Those of the file system; what was there is then as it was.
pub fn replace(live: &Path, run: Uuid, sources: &HashSet<String>, host: &str) -> io::Result<u64> {
    let (mut files, segments) = (vec![live.to_owned()], names::segments(live)?);
    // Those belong to a replay while one runs, or is to be gone on with.
    let hold = if segments.is_empty() { None } else { Hold::take(&names::lock(live), host)?.ok() };
    if hold.is_some() && !names::journal(live).exists() {
        files.extend(segments);
    }
    files.retain(|path| {
        std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() <= MOST_BYTES)
    });
    let run = run.to_string();
    let is_own = |letter: &Letter<'_>| letter.meta.run_id.as_deref() == Some(&*run);
    let paths = Paths::default();
    let is_of = |letter: &Letter<'_>| paths.of(letter).is_some_and(|path| sources.contains(&path));
    let (mut own, mut others) = (HashSet::new(), HashSet::new());
    for path in &files {
        each(&File::open(path)?, |_, letter| {
            match letter.filter(|letter| is_of(letter)) {
                Some(letter) if is_own(letter) && own.len() < MOST_ROWS => {
                    own.extend((0..letter.rows() as usize).map(|row| identity(letter, &paths, row)));
                }
                Some(letter) if !is_own(letter) => {
                    others.insert(path.clone());
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    let mut replaced = 0;
    for path in others.into_iter().filter(|_| !own.is_empty()) {
        replaced += without(&path, |letter, row| {
            is_of(letter) && !is_own(letter) && own.contains(&identity(letter, &paths, row))
        })?;
    }
    Ok(replaced)
}

/// Writes a file anew without those rows; returns how many they were.
fn without(path: &Path, is_gone: impl Fn(&Letter<'_>, usize) -> bool) -> io::Result<u64> {
    let mut gone = 0;
    QueueFile::new(path.to_owned()).rewrite(|file, out| {
        let mut out = BufWriter::with_capacity(1 << 18, out);
        each(file, |line, letter| {
            let rows = letter.map_or(0, Letter::rows) as usize;
            let keep: Vec<bool> =
                (0..rows).map(|row| letter.is_none_or(|letter| !is_gone(letter, row))).collect();
            let here = keep.iter().filter(|keep| !**keep).count() as u64;
            match letter.filter(|_| here > 0) {
                Some(letter) => {
                    let mut rest = Bundle::default();
                    replay_lock::add(&mut rest, line, letter, letter.id(line), &keep)?;
                    out.write_all(&rest.lines)?;
                    gone += here;
                }
                None => {
                    out.write_all(line.stands)?;
                    out.write_all(b"\n")?;
                }
            }
            // Its beginning alone is at hand of a line that is too long.
            if line.bytes.is_err() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        })?;
        out.flush()?;
        Ok(gone > 0)
    })?;
    Ok(gone)
}

fn each(
    file: &File,
    mut take: impl FnMut(&Line<'_>, Option<&Letter<'_>>) -> io::Result<()>,
) -> io::Result<()> {
    let mut lines = Lines::new(ByteRange::new(file, 0..file.metadata()?.len()).buffered());
    while let Some(line) = lines.next()? {
        let letter = Letter::read(&line).ok();
        take(&line, letter.as_ref())?;
    }
    Ok(())
}

/// The files that letters are of, by the names that their runs gave them.
#[derive(Default)]
struct Paths(RefCell<HashMap<String, String>>);

impl Paths {
    /// The absolute path of the file of a letter. Where the letter does not say it, as earlier versions did not,
    /// it is what its name leads to from here.
    fn of(&self, letter: &Letter<'_>) -> Option<String> {
        if let Some(path) = &letter.meta.path {
            return Some(path.to_string());
        }
        let source = letter.meta.source.as_deref()?;
        let mut known = self.0.borrow_mut();
        if let Some(path) = known.get(source) {
            return Some(path.clone());
        }
        let path =
            std::fs::canonicalize(source).ok().and_then(|path| path.into_os_string().into_string().ok());
        let path = path.unwrap_or_else(|| source.to_owned());
        known.insert(source.to_owned(), path.clone());
        Some(path)
    }
}

/// A hash of input, row, table and tenant: equal where a letter is of a row that an earlier letter is of.
fn identity(letter: &Letter<'_>, paths: &Paths, row: usize) -> u128 {
    let mut hash = Xxh3::new();
    let meta = &letter.meta;
    let content = letter.items.get(row).map(|item| item.get());
    let content = content.or(meta.raw_hex.get(row)).or(meta.raw.get(row)).unwrap_or_default();
    hash.update(paths.of(letter).unwrap_or_default().as_bytes());
    for part in [&meta.dataset, &meta.table, &meta.tenant_id] {
        hash.update(&[0]);
        // Letters of earlier versions name a table, which may stand for the dataset, without its quotes.
        hash.update(earlier_name(part.as_deref().unwrap_or_default()).as_bytes());
    }
    hash.update(&letter.row_number(row).to_le_bytes());
    hash.update(content.as_bytes());
    hash.digest128()
}

//! What a replay does with files: it keeps others out, and takes apart what it has claimed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::dlq::claim::{Claim, Destination, Moved, is_meant};
use crate::dlq::file::QueueFile;
use crate::dlq::filter::Meant;
use crate::dlq::letter::Letter;
use crate::dlq::lines::Line;
use crate::files::{Replace, put_in_place, sync_folder_of};

/// Permissions of what is made here, as of the queue itself.
const MODE: u32 = 0o640;

/// Bytes of lines that are written at once.
const GROUP_BYTES: usize = 4 << 20;

/// The right to replay a queue: one process at a time has it, until it ends.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// Since when, in RFC 3339.
    pub since: String,
}

impl Hold {
    /// Takes it, or says who has it; `None` where the holder has not said who it is.
    ///
    /// # Errors
    /// Where the lock file cannot be written.
    pub fn take(lock: &Path, host: &str) -> io::Result<Result<Self, Option<Holder>>> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(MODE).open(lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who has just got it may be about to write.
                let read = file.take(1 << 12).read_to_string(&mut text);
                return Ok(Err(read.ok().and_then(|_| serde_json::from_str(&text).ok())));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let since = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let holder = Holder { pid: std::process::id(), host: host.to_owned(), since };
        file.set_len(0)?;
        file.rewind()?;
        serde_json::to_writer(&mut file, &holder)?;
        file.write_all(b"\n")?;
        Ok(Ok(Self { _file: file }))
    }
}

/// What tells a claimed file from others that may have its name later.
///
/// # Errors
/// Where it cannot be looked at.
pub fn identity(path: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    Ok(format!("{}-{}-{}.{:09}", metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Sets the file of a queue aside as its next segment, so that the queue goes on in a fresh one.
///
/// # Errors
/// Those of the file system, or where another process keeps the file locked.
pub fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    QueueFile::new(path.to_owned()).rotate()
}

/// Removes a file, and brings that to disk.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    sync_folder_of(path)
}

/// Lines for other files of the queue.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Whole lines.
    pub lines: Vec<u8>,
    /// Records among them.
    pub records: u64,
    /// Rows in those.
    pub rows: u64,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Back to the queue: rows that were not meant.
    Queue,
    /// Aside: rows that have been tried too often, and lines that are not records.
    Parked,
}

/// What became of rows that went nowhere, by which a claimed file is put away.
#[derive(Debug, Clone, Copy)]
pub struct Fates<'a> {
    /// Attempts after which rows go aside.
    pub most_attempts: u32,
    /// Homes whose rows stay in the queue.
    pub left_alone: &'a HashSet<Destination>,
    /// Homes whose rows were found in the store: they are done with, however often they were tried.
    pub stored: &'a HashSet<Destination>,
}

impl Fates<'_> {
    fn is_tired(&self, letter: &Letter<'_>) -> bool {
        letter.attempts() >= self.most_attempts && !self.stored.contains(&Destination::of(letter))
    }
}

/// Hands on what a claimed file holds beside the rows that are replayed, as it stands there.
/// What is in other files of the queue already is left out. Rows that are left alone count as not meant.
///
/// # Errors
/// Those of reading, and those of `write`.
pub fn requeue(
    claim: &Claim,
    moved: Option<&Moved>,
    fates: Fates<'_>,
    mut write: impl FnMut(To, Bundle) -> io::Result<()>,
) -> io::Result<()> {
    let (mut back, mut aside) = (Bundle::default(), Bundle::default());
    for window in &claim.windows {
        claim.read(window, |line, letter, _| {
            let Some(letter) = letter else {
                // One that is too long to be read stays in the file.
                let bytes = line.bytes.ok().map(|_| line.stands);
                if let Some(bytes) = bytes.filter(|bytes| moved.is_none_or(|moved| !moved.has_line(bytes))) {
                    aside.lines.extend_from_slice(bytes);
                    aside.lines.push(b'\n');
                    aside.records += 1;
                }
                return Ok(());
            };
            let tired = fates.is_tired(letter);
            let alone = fates.left_alone.contains(&Destination::of(letter));
            let meant = if alone { Meant::None } else { claim.choice.meant(letter, line) };
            let id = claim.id(letter, line);
            let here = |row: usize| moved.is_none_or(|moved| !moved.has(id, letter.row_number(row)));
            let rows = letter.rows() as usize;
            let of = |wanted: bool| -> Vec<bool> {
                (0..rows).map(|row| here(row) && is_meant(&meant, row) == wanted).collect()
            };
            add(&mut back, line, letter, id, &of(false))?;
            if tired {
                add(&mut aside, line, letter, id, &of(true))?;
            }
            if back.lines.len() >= GROUP_BYTES {
                write(To::Queue, std::mem::take(&mut back))?;
            }
            if aside.lines.len() >= GROUP_BYTES {
                write(To::Parked, std::mem::take(&mut aside))?;
            }
            Ok(())
        })?;
    }
    for (to, bundle) in [(To::Queue, back), (To::Parked, aside)] {
        if !bundle.lines.is_empty() {
            write(to, bundle)?;
        }
    }
    Ok(())
}

/// Writes the rows of a claimed file that were loaded into a file of the archive: those that were meant
/// and are in no other file of the queue. Returns their number, and the file if there are any.
///
/// # Errors
/// Those of reading and writing.
pub fn archive(
    claim: &Claim,
    left: &Moved,
    moved: Option<&Moved>,
    fates: Fates<'_>,
    directory: &Path,
    name: &str,
) -> io::Result<(u64, Option<PathBuf>)> {
    std::fs::create_dir_all(directory)?;
    let temporary = tempfile::Builder::new().prefix(".archive-").tempfile_in(directory)?;
    let mut out = BufWriter::with_capacity(1 << 18, temporary);
    let mut rows = 0;
    for window in &claim.windows {
        claim.read(window, |line, letter, _| {
            let Some(letter) = letter.filter(|letter| {
                !fates.is_tired(letter) && !fates.left_alone.contains(&Destination::of(letter))
            }) else {
                return Ok(());
            };
            let (id, meant) = (claim.id(letter, line), claim.choice.meant(letter, line));
            let loaded = |row: usize| {
                let number = letter.row_number(row);
                let gone = moved.is_some_and(|moved| moved.has(id, number));
                is_meant(&meant, row) && !gone && !left.has(id, number)
            };
            let mut bundle = Bundle::default();
            let loaded: Vec<bool> = (0..letter.rows() as usize).map(loaded).collect();
            add(&mut bundle, line, letter, id, &loaded)?;
            rows += bundle.rows;
            out.write_all(&bundle.lines)
        })?;
    }
    let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if rows == 0 {
        return Ok((0, None));
    }
    use std::os::unix::fs::PermissionsExt as _;
    temporary.as_file().set_permissions(std::fs::Permissions::from_mode(MODE))?;
    // The same claim gets the same name: an archive that a crash left half done is replaced.
    let path = directory.join(name);
    put_in_place(temporary, &path, Replace::Yes)?;
    Ok((rows, Some(path)))
}

/// Copies the lines of a claimed file that are too long to be read into a file beside the queue, and
/// returns it where there are any.
///
/// # Errors
/// Those of reading and writing.
pub fn keep_long_lines(claim: &Claim, live: &Path) -> io::Result<Option<PathBuf>> {
    if !claim.too_long {
        return Ok(None);
    }
    let kept = live.with_extension(format!("damaged-{}", identity(&claim.path)?));
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&kept)?;
    for window in &claim.windows {
        claim.read(window, |line, _, _| {
            let Err(length) = line.bytes else { return Ok(()) };
            let mut file = File::open(&claim.path)?;
            file.seek(io::SeekFrom::Start(line.offset))?;
            io::copy(&mut file.take(length), &mut out)?;
            out.write_all(b"\n")
        })?;
    }
    out.sync_all()?;
    sync_folder_of(&kept)?;
    Ok(Some(kept))
}

/// Adds a record with those of its rows.
pub(super) fn add(
    to: &mut Bundle,
    line: &Line<'_>,
    letter: &Letter<'_>,
    id: Uuid,
    rows: &[bool],
) -> io::Result<()> {
    let count = rows.iter().filter(|row| **row).count();
    if count == 0 {
        return Ok(());
    }
    if count == rows.len() && letter.meta.id == Some(id) {
        to.lines.extend_from_slice(line.stands);
    } else {
        excerpt(&mut to.lines, line, letter, id, rows)?;
    }
    to.lines.push(b'\n');
    to.records += 1;
    to.rows += count as u64;
    Ok(())
}

/// Writes a record with some of its rows only; everything else that it says stays.
fn excerpt(
    out: &mut Vec<u8>,
    line: &Line<'_>,
    letter: &Letter<'_>,
    id: Uuid,
    rows: &[bool],
) -> io::Result<()> {
    let mut record: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(line.bytes.unwrap_or_default())?;
    let given = record.remove("metadata").map(RawValue::get).unwrap_or("{}");
    let mut metadata: BTreeMap<Cow<'_, str>, Box<RawValue>> = serde_json::from_str(given).unwrap_or_default();
    let kept = || rows.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row);
    let numbers: Vec<u64> = kept().map(|row| letter.row_number(row)).collect();
    metadata.insert("id".into(), to_raw_value(&id.to_string())?);
    metadata.insert("rows".into(), to_raw_value(&numbers)?);
    for (name, raw) in [("raw", &letter.meta.raw), ("raw_hex", &letter.meta.raw_hex)] {
        if letter.items.is_empty() && raw.len() > 1 {
            let texts: Vec<&str> = kept().filter_map(|row| raw.get(row)).collect();
            let texts = if let [one] = texts[..] { to_raw_value(one)? } else { to_raw_value(&texts)? };
            metadata.insert(name.into(), texts);
        }
    }
    if let Some(first) = letter.first_ts() {
        metadata.entry("first_ts".into()).or_insert(to_raw_value(&first)?);
    }
    let items: Vec<&RawValue> = kept().filter_map(|row| letter.items.get(row).map(|item| &**item)).collect();
    record.remove("items");
    let (ts, error) = (record.remove("ts"), record.remove("error"));
    out.extend_from_slice(b"{\"ts\":");
    serde_json::to_writer(&mut *out, &ts)?;
    out.extend_from_slice(b",\"error\":");
    serde_json::to_writer(&mut *out, &error)?;
    out.extend_from_slice(b",\"metadata\":");
    serde_json::to_writer(&mut *out, &metadata)?;
    out.extend_from_slice(b",\"items\":");
    serde_json::to_writer(&mut *out, &items)?;
    for (name, value) in &record {
        out.push(b',');
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::filter::Filter;

    /// None are known to be anywhere.
    fn fates(none: &HashSet<Destination>) -> Fates<'_> {
        Fates { most_attempts: 5, left_alone: none, stored: none }
    }

    #[test]
    fn one_has_it_and_the_other_hears_who() {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join(".bars.replay.lock");
        let held = Hold::take(&lock, "here").unwrap().unwrap();
        let other = Hold::take(&lock, "there").unwrap().unwrap_err().unwrap();
        assert_eq!((other.pid, &*other.host), (std::process::id(), "here"));
        drop(held);
        assert!(Hold::take(&lock, "there").unwrap().is_ok());
    }

    const FILE: &str = concat!(
        r#"{"ts":1,"error":"x","metadata":{"id":"0197a3f2-1b2c-7000-8000-000000000001","code":"a","rows":[5,6],"mine":[1]},"items":[{"symbol":"A","v":1.10},{"symbol":"B"}]}"#,
        "\n",
        r#"{"ts":2,"error":"y","metadata":{"code":"a"},"items":[{"symbol":"B"}],"more":true}"#,
        "\n",
        r#"{"ts":3,"error":"z","metadata":{"id":"0197a3f2-1b2c-7000-8000-000000000002","code":"a","attempts":5},"items":[{"symbol":"A"}]}"#,
        "\nnonsense\n",
    );

    fn carried(claim: &Claim, moved: Option<&Moved>) -> (String, String) {
        let (mut back, mut aside) = (Vec::new(), Vec::new());
        requeue(claim, moved, fates(&HashSet::new()), |to, bundle| {
            match to {
                To::Queue => back.extend(bundle.lines),
                To::Parked => aside.extend(bundle.lines),
            }
            Ok(())
        })
        .unwrap();
        (String::from_utf8(back).unwrap(), String::from_utf8(aside).unwrap())
    }

    #[test]
    fn what_is_not_meant_goes_back_and_what_is_tired_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bars.claimed.ndjson");
        std::fs::write(&path, FILE).unwrap();
        let filter = Filter { symbols: vec!["A".into()], ..Filter::default() };
        let claim = Claim::survey(&path, &filter, None).unwrap();
        let (back, aside) = carried(&claim, None);
        let lines: Vec<&str> = back.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            r#"{"ts":1,"error":"x","metadata":{"code":"a","first_ts":1.0,"id":"0197a3f2-1b2c-7000-8000-000000000001","mine":[1],"rows":[6]},"items":[{"symbol":"B"}]}"#
        );
        assert!(
            lines[1].contains(r#""first_ts":2.0,"id":"#) && lines[1].ends_with(r#","more":true}"#),
            "{}",
            lines[1]
        );
        assert_eq!(aside, FILE.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>());

        // A second time, after a crash: nothing goes twice.
        let (live, parked) =
            (directory.path().join("bars.ndjson"), directory.path().join("bars.parked.ndjson"));
        std::fs::write(&live, &back).unwrap();
        std::fs::write(&parked, &aside).unwrap();
        let moved = Moved::into(&[live, parked]).unwrap();
        assert_eq!(carried(&claim, Some(&moved)), (String::new(), String::new()));
        let (rows, archived) =
            archive(&claim, &moved, None, fates(&HashSet::new()), &directory.path().join("done"), "x.ndjson")
                .unwrap();
        let archived = std::fs::read_to_string(archived.unwrap()).unwrap();
        assert_eq!((rows, archived.lines().count()), (1, 1));
        assert!(
            archived.contains(r#""items":[{"symbol":"A","v":1.10}]"#) && archived.contains(r#""rows":[5]"#)
        );
    }
}

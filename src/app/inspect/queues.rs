//! The files of dead letters that are meant, found and opened.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::decode::DecodeError;
use crate::dlq::byte_range::ByteRange;
use crate::dlq::claim::Choice;
use crate::dlq::filter::Selection;
use crate::dlq::journal;
use crate::dlq::lines::Lines;
use crate::dlq::names::{self, Kind};
use crate::dlq::remote::{self, Part, RemoteQueue};
use crate::error::{Error, Result, again, words};
use crate::source::{Compression, Parts, decode_error, is_pattern, shown};
use crate::text::flags::FOLLOW;

/// What there is to say of a file that no replay takes.
const PARKED: &str = "parked: tried too often";

/// Where queues are when none is named.
const STANDARD: &str = ".dlq";

/// That there is no queue in those places.
pub fn none(named: &[PathBuf]) -> String {
    let places: Vec<_> = named.iter().map(|path| path.display().to_string()).collect();
    let places = if places.is_empty() { STANDARD.to_owned() } else { places.join(", ") };
    format!("no dead letters: there is no queue in {places}")
}

/// Buffer of a stream.
const BUFFER: usize = 1 << 18;

/// A file of a queue, open, so that nobody can rename it away.
pub struct Queue {
    /// Its name for people.
    pub name: String,
    /// Whether no replay takes it unasked: its rows were tried too often.
    pub parked: bool,
    /// What there is to say of it beside.
    pub what: Option<&'static str>,
    /// What is in it.
    pub bytes: Bytes,
}

/// Where the lines come from.
pub enum Bytes {
    /// A file that can be read more than once, and in pieces.
    File(File),
    /// What can be read only once: standard input, a pipe, what is decompressed on the way.
    Stream(Box<dyn BufRead + Send>),
}

impl Bytes {
    /// A file with the same bytes: itself, or a copy without a name.
    pub fn into_file(self) -> io::Result<File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Stream(mut stream) => {
                let mut file = tempfile::tempfile()?;
                io::copy(&mut stream, &mut file)?;
                Ok(file)
            }
        }
    }
}

/// All of a file as it is now.
pub fn whole(file: &File) -> io::Result<BufReader<ByteRange<'_>>> {
    Ok(ByteRange::new(file, 0..file.metadata()?.len()).buffered())
}

/// A file that cannot be read.
pub fn unreadable(name: impl std::fmt::Display, error: &io::Error) -> Error {
    let why = match error.kind() {
        ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => format!("it cannot be read: {}", words(error)),
    };
    Error::input(format!("{name}: {why}")).caused_by(again(error))
}

fn unopened(name: &str, error: DecodeError) -> Error {
    match error {
        DecodeError::Io(error) if name == "-" => unreadable("standard input", &error),
        DecodeError::Io(error) => unreadable(name, &error),
        other => decode_error(other, name),
    }
}

/// Opens what the arguments name: files, directories, globs, `-`; those in `.dlq` where there are none.
/// A file that several of them come upon is taken once.
pub fn open(named: &[PathBuf]) -> Result<Vec<Queue>> {
    let mut queues = Vec::new();
    let mut seen = HashSet::new();
    let mut add = |path: &Path, must: bool| -> Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            // A replay or a rotation has renamed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && !must => return Ok(()),
            Err(error) => return Err(unreadable(shown(path), &error)),
        };
        let metadata = file.metadata().map_err(|e| unreadable(shown(path), &e))?;
        if seen.insert((metadata.dev(), metadata.ino())) {
            let bytes = bytes(file, metadata.is_file()).map_err(|e| unopened(&shown(path), e))?;
            let parked = names::kind(path) == Kind::Parked;
            queues.push(Queue { name: shown(path), parked, what: what(path), bytes });
        }
        Ok(())
    };
    let standard = Path::new(STANDARD);
    if named.is_empty() && standard.is_dir() {
        in_directory(standard)?.iter().try_for_each(|path| add(path, false))?;
    }
    let (mut stdin, mut elsewhere) = (false, Vec::new());
    for path in named {
        if let Some(queue) = remote::queue(path)? {
            elsewhere.extend(of_remote(&*queue)?);
            continue;
        }
        match found(path)? {
            QueueSource::Stdin => stdin = true,
            QueueSource::Many(paths) => paths.iter().try_for_each(|path| add(path, false))?,
            QueueSource::One => {
                let companions = companions(path)?;
                companions.iter().try_for_each(|path| add(path, false))?;
                // Where only its companions are left, those are the queue.
                if companions.is_empty() || path.exists() {
                    add(path, true)?;
                }
            }
        }
    }
    queues.extend(elsewhere);
    if stdin {
        let bytes = decompressed(io::stdin()).map_err(|e| unopened("-", e))?;
        queues.push(Queue { name: "-".into(), parked: false, what: Some("standard input"), bytes });
    }
    Ok(queues)
}

/// The letters of a queue elsewhere, each part that has a name of its own in a file without one.
fn of_remote(queue: &dyn RemoteQueue) -> Result<Vec<Queue>> {
    let mut queues: Vec<Queue> = Vec::new();
    for Part { name, parked, file } in remote::brought(queue)? {
        let what = parked.then_some(PARKED);
        queues.push(Queue { name, parked, what, bytes: Bytes::File(file) });
    }
    Ok(queues)
}

/// Of each file which rows are meant; where there is a limit the last ones of the first queue, and so on, as
/// a replay takes them.
pub fn chosen(queues: Vec<Queue>, selection: &Selection) -> Result<Vec<(Queue, Choice)>> {
    let mut left = selection.limit;
    let mut all: Vec<(usize, Queue, Choice)> = Vec::new();
    let mut queues: Vec<(usize, Queue)> = queues.into_iter().enumerate().collect();
    let live = |queue: &Queue| names::live(Path::new(&queue.name));
    for own in queues.chunk_by_mut(|a, b| live(&a.1) == live(&b.1)) {
        own.reverse();
        own.sort_by_key(|(_, queue)| queue.parked);
    }
    for (place, Queue { name, parked, what, bytes }) in queues {
        let (bytes, choice) = match left {
            None => (bytes, Choice { filter: selection.filter.clone(), cut: None }),
            Some(limit) => {
                let file = bytes.into_file().map_err(|e| unreadable(&name, &e))?;
                let lines = || whole(&file).map(Lines::new);
                let (choice, rows) =
                    Choice::last(&selection.filter, limit, lines).map_err(|e| unreadable(&name, &e))?;
                left = Some(limit - rows.min(limit));
                (Bytes::File(file), choice)
            }
        };
        all.push((place, Queue { name, parked, what, bytes }, choice));
    }
    all.sort_by_key(|(place, ..)| *place);
    Ok(all.into_iter().map(|(_, queue, choice)| (queue, choice)).collect())
}

/// Leaves parked files out unless they are named themselves; the first of them.
pub fn without_parked(queues: &mut Vec<Queue>, named: &[PathBuf]) -> Option<String> {
    let is_parked = |path: &Path| names::kind(path) == Kind::Parked;
    let are_named = named.iter().any(|path| is_parked(path));
    let parked = |queue: &Queue| queue.parked && !are_named;
    let first = queues.iter().find(|queue| parked(queue)).map(|queue| queue.name.clone());
    queues.retain(|queue| !parked(queue));
    first
}

/// The live files of the queues that are meant, whether they are there yet or not.
pub fn live(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let standard = [PathBuf::from(STANDARD)];
    for path in if named.is_empty() { &standard } else { named } {
        let found = match path.is_dir() || path == Path::new(STANDARD) {
            true if !path.exists() => Vec::new(),
            true => in_directory(path)?,
            false => match found(path)? {
                QueueSource::Many(paths) => paths,
                QueueSource::One => vec![path.clone()],
                QueueSource::Stdin => {
                    return Err(Error::usage(format!(
                        "{FOLLOW}: standard input is read as it comes; name a file"
                    )));
                }
            },
        };
        all.extend(
            found.iter().filter(|path| names::kind(path) != Kind::Parked).map(|path| names::live(path)),
        );
    }
    let mut seen = HashSet::new();
    all.retain(|path| seen.insert(path.clone()));
    Ok(all)
}

enum QueueSource {
    Stdin,
    One,
    Many(Vec<PathBuf>),
}

/// What an argument is.
fn found(path: &Path) -> Result<QueueSource> {
    if path == Path::new("-") {
        return Ok(QueueSource::Stdin);
    }
    if path.is_dir() {
        return in_directory(path).map(QueueSource::Many);
    }
    if path.exists() || !is_pattern(path.as_os_str()) {
        return Ok(QueueSource::One);
    }
    let mut all = Parts::of(path.as_os_str())?.found()?;
    all.retain(|path| !path.is_dir());
    all.sort_by_key(|path| order(path));
    if all.is_empty() {
        Err(Error::input(format!("{}: no file matches", shown(path))))
    } else {
        Ok(QueueSource::Many(all))
    }
}

/// The files of dead letters in a directory: what stands beside a queue comes with it.
fn in_directory(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|e| unreadable(shown(directory), &e))? {
        let path = entry.map_err(|e| unreadable(shown(directory), &e))?.path();
        let name = path.file_name().map(shown).unwrap_or_default();
        let plain = Compression::ENDINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let ours = plain.ends_with(".ndjson");
        if ours && !name.starts_with('.') && path.is_file() {
            all.push(path);
        }
    }
    all.sort_by_key(|path| order(path));
    Ok(all)
}

/// What was set aside of a queue, when it was full or when a replay claimed it.
fn companions(path: &Path) -> Result<Vec<PathBuf>> {
    if names::kind(path) != Kind::Live {
        return Ok(Vec::new());
    }
    let segments = names::segments(path).map_err(|e| unreadable(shown(path), &e))?;
    Ok(segments)
}

/// By queue, the oldest rows of each first.
fn order(path: &Path) -> (PathBuf, u32) {
    let place = match names::kind(path) {
        Kind::Segment(number) => number,
        Kind::Live => u32::MAX - 1,
        Kind::Parked => u32::MAX,
    };
    (names::live(path), place)
}

fn what(path: &Path) -> Option<&'static str> {
    match names::kind(path) {
        Kind::Parked => Some(PARKED),
        Kind::Segment(_) if journal::is_claimed(path) => Some("claimed by a replay: some may be stored"),
        Kind::Segment(_) => Some("set aside"),
        Kind::Live => None,
    }
}

fn bytes(file: File, regular: bool) -> Result<Bytes, DecodeError> {
    let mut head = [0; 4];
    let plain = regular && {
        let count = file.read_at(&mut head, 0)?;
        Compression::of(head.get(..count).unwrap_or_default()) == Compression::None
    };
    if plain { Ok(Bytes::File(file)) } else { decompressed(file) }
}

fn decompressed(mut from: impl Read + Send + 'static) -> Result<Bytes, DecodeError> {
    let mut head = Vec::new();
    from.by_ref().take(4).read_to_end(&mut head)?;
    let compression = Compression::of(&head);
    let stream = compression.undo(Cursor::new(head).chain(from))?;
    Ok(Bytes::Stream(Box::new(BufReader::with_capacity(BUFFER, stream))))
}

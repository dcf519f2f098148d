//! Records of a queue as they come, a line each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::app::exit::Exit;
use crate::app::inspect::queues::{live, unreadable};
use crate::app::interrupts::Interrupts;
use crate::dlq::byte_range::ByteRange;
use crate::dlq::claim::{at_most, count, is_meant};
use crate::dlq::filter::Selection;
use crate::dlq::letter::Letter;
use crate::dlq::lines::{Line, Lines};
use crate::dlq::names::{self, Kind};
use crate::dlq::remote::{self, News, RemoteQueue};
use crate::dlq::stats::moment;
use crate::error::{Error, Result};
use crate::report::letters::plain;
use crate::text::number_format::plural;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two looks at a queue that is no file.
const PAUSE_ELSEWHERE: Duration = Duration::from_secs(1);

/// What is written of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for people.
    News,
    /// The record.
    Record,
    /// Its rows alone.
    Rows,
}

/// Writes to `out` until it is ended: by a request, by its limit, or since nobody reads any more.
pub(crate) fn run(
    named: &[PathBuf],
    form: Form,
    selection: &Selection,
    interrupts: &Interrupts,
    out: impl Write,
) -> Result<Exit> {
    let mut printer = Printer { form, selection, printed: 0, out };
    let mut queues: BTreeMap<PathBuf, Followed> = BTreeMap::new();
    // What is there already is not new; a queue that appears later is, from its start.
    let mut at_end = true;
    let (mut elsewhere, mut here) = (Vec::new(), Vec::new());
    for path in named {
        match remote::queue(path)? {
            Some(queue) => elsewhere.push(FollowedElsewhere::start(&*queue)?),
            None => here.push(path.clone()),
        }
    }
    loop {
        // Where none is named, those of the standard folder are meant.
        let here = if here.is_empty() && !elsewhere.is_empty() { Vec::new() } else { live(&here)? };
        for path in here {
            if let Entry::Vacant(place) = queues.entry(path) {
                let followed = Followed::start(place.key(), at_end);
                let followed = followed.map_err(|e| unreadable(place.key().display(), &e))?;
                place.insert(followed);
            }
        }
        at_end = false;
        for (path, followed) in &mut queues {
            match followed.look(path, &mut printer) {
                Ok(true) => {}
                Ok(false) => return Ok(Exit::Stored),
                Err(error) => return Err(unreadable(path.display(), &error)),
            }
        }
        for queue in &mut elsewhere {
            if !queue.look(&mut printer)? {
                return Ok(Exit::Stored);
            }
        }
        if let Some(exit) = interrupts.exit() {
            return Ok(exit);
        }
        std::thread::sleep(PAUSE);
    }
}

/// A queue that is no file.
struct FollowedElsewhere {
    name: String,
    news: News,
    looked: Instant,
    /// Whether it was told that it cannot be read just now.
    told: bool,
}

impl FollowedElsewhere {
    fn start(queue: &dyn RemoteQueue) -> Result<Self> {
        Ok(Self { name: queue.name(), news: queue.news()?, looked: Instant::now(), told: false })
    }

    /// Prints what has come; `false` once there is no use in more.
    fn look(&mut self, printer: &mut Printer<'_, impl Write>) -> Result<bool> {
        if self.looked.elapsed() < PAUSE_ELSEWHERE {
            return Ok(true);
        }
        let entries = match (self.news)() {
            Err(error @ Error::Unavailable(_)) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!("{error}; it is looked at again and again");
                }
                Vec::new()
            }
            entries => {
                self.told = false;
                entries?
            }
        };
        self.looked = Instant::now();
        for entry in entries {
            let mut lines = Lines::new(&*entry.lines);
            let mut print = || {
                while let Some(line) = lines.next()? {
                    if !printer.line(&line)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            };
            if !print().map_err(|error: io::Error| unreadable(&self.name, &error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A queue, and how far it was read.
struct Followed {
    open: Option<Open>,
    /// Its last segment that is known.
    segment: u32,
}

struct Open {
    file: File,
    offset: u64,
}

impl Followed {
    fn start(path: &Path, at_end: bool) -> io::Result<Self> {
        let segment = match at_end {
            true => segments(path)?.last().map_or(0, |(number, _)| *number),
            false => 0,
        };
        let mut open = Open::new(path)?;
        if let Some(open) = open.as_mut().filter(|_| at_end) {
            open.offset = open.file.metadata()?.len();
        }
        Ok(Self { open, segment })
    }

    /// Prints what has come; `false` once there is no use in more.
    fn look(&mut self, path: &Path, printer: &mut Printer<'_, impl Write>) -> io::Result<bool> {
        loop {
            if let Some(open) = &mut self.open
                && !open.print(printer)?
            {
                return Ok(false);
            }
            let here = std::fs::metadata(path).ok();
            let mine = self.open.as_ref().map(|open| open.file.metadata()).transpose()?;
            if mine.as_ref().is_some_and(|mine| here.as_ref().is_some_and(|here| same(mine, here))) {
                return Ok(true);
            }
            // Renamed by a replay or a rotation: what it got to the last is read, then what has come
            // behind it, which may have been set aside by now too.
            if let Some(mut open) = self.open.take()
                && !open.print(printer)?
            {
                return Ok(false);
            }
            for (number, segment) in segments(path)? {
                let Some(mut open) = Open::new(&segment)?.filter(|_| number > self.segment) else { continue };
                self.segment = number;
                let known = mine.as_ref().is_some_and(|mine| open.is(mine));
                if !known && !open.print(printer)? {
                    return Ok(false);
                }
            }
            self.open = Open::new(path)?;
            if self.open.is_none() {
                return Ok(true);
            }
        }
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { file, offset: 0 })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is(&self, other: &Metadata) -> bool {
        self.file.metadata().is_ok_and(|mine| same(&mine, other))
    }

    /// Prints the whole lines that have come; `false` once there is no use in more.
    fn print(&mut self, printer: &mut Printer<'_, impl Write>) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        // Somebody has emptied it.
        self.offset = self.offset.min(length);
        let mut lines = Lines::at(ByteRange::new(&self.file, self.offset..length).buffered(), self.offset, 0);
        while let Some(line) = lines.next()? {
            let end = line.offset + line.length + 1;
            if end > length {
                // Without its end it is not whole yet.
                return Ok(true);
            }
            if !printer.line(&line)? {
                return Ok(false);
            }
            self.offset = end;
        }
        // Blank lines.
        self.offset = self.offset.max(lines.offset());
        Ok(true)
    }
}

/// The segments that are there, with their numbers, the oldest first.
fn segments(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let numbered = |path: PathBuf| match names::kind(&path) {
        Kind::Segment(number) => Some((number, path)),
        _ => None,
    };
    Ok(names::segments(path)?.into_iter().filter_map(numbered).collect())
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

struct Printer<'s, W> {
    form: Form,
    selection: &'s Selection,
    printed: u64,
    out: W,
}

impl<W: Write> Printer<'_, W> {
    /// Prints what is meant of a line; `false` once there is no use in more.
    fn line(&mut self, line: &Line<'_>) -> io::Result<bool> {
        let limit = self.selection.limit.unwrap_or(u64::MAX);
        let mut text = Vec::new();
        match (Letter::read(line), line.bytes) {
            (Err(why), _) => {
                if self.form == Form::News {
                    text = format!("a damaged line: it {}\n", plain(&why.to_string())).into_bytes();
                }
            }
            (Ok(letter), _) => {
                let room = limit.saturating_sub(self.printed);
                let meant = at_most(self.selection.filter.meant(&letter, line), &letter, room);
                let rows = count(&meant, &letter);
                self.printed += rows;
                match self.form {
                    _ if rows == 0 => {}
                    Form::Record => text = [line.stands.trim_ascii(), b"\n"].concat(),
                    Form::Rows => {
                        let items = letter.items.iter().enumerate();
                        let meant =
                            items.filter(|(row, item)| is_meant(&meant, *row) && item.get().starts_with('{'));
                        meant.for_each(|(_, item)| text.extend([item.get().as_bytes(), b"\n"].concat()));
                    }
                    Form::News => text = news(&letter, rows).into_bytes(),
                }
            }
        }
        match self.out.write_all(&text).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(self.printed < limit),
        }
    }
}

fn news(letter: &Letter<'_>, rows: u64) -> String {
    let at = moment(letter).and_then(chrono::DateTime::from_timestamp_micros);
    let at = at.map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string());
    let meta = &letter.meta;
    format!(
        "{at}  {}  {}  {}: {}\n",
        plain(meta.code.as_deref().unwrap_or("(none)")),
        plural(rows, "row"),
        plain(meta.source.as_deref().unwrap_or("(no source)")),
        plain(&letter.error)
    )
}

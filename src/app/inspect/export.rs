//! Rows of dead letters alone, ready to be mended and loaded.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app::inspect::queues::{Bytes, Queue, chosen, unreadable, whole};
use crate::app::interrupts::Interrupts;
use crate::batch::Reading;
use crate::decode::{ExportCell, FileFormat, RowWriter};
use crate::dlq::claim::{Choice, is_meant};
use crate::dlq::filter::Selection;
use crate::dlq::letter::{Letter, fields, words};
use crate::dlq::lines::Lines;
use crate::error::{self, Error, Result};
use crate::files::{self, Replace, put_in_place};
use crate::text::flags::{DATE_ORDER, EXPORT, FORCE, FORMAT, SCALE, TIME_FORMAT, TIMESTAMP_UNIT, TIMEZONE};
use crate::text::number_format::{count, plural};
use crate::text::phrases::shell_word;

/// Most columns of a file; more come out of a queue whose rows have values for names.
const MOST_COLUMNS: usize = 10_000;

/// Permissions of an export, as of the queue that its rows come from.
const MODE: u32 = 0o640;

/// How many rows were handed out, and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// Rows of which only the input as it came is kept.
    pub raw: u64,
    /// Lines that are not records.
    pub damaged: u64,
    /// Rows of which columns stand as the input's own text, by the flags that read them.
    pub own: BTreeMap<String, u64>,
}

impl Exported {
    /// What was written to that file, for people.
    pub fn written(&self, path: &Path) -> String {
        match self.rows {
            0 => format!("no rows to export; {} was not written", path.display()),
            rows => format!("{} written to {}", plural(rows, "row"), path.display()),
        }
    }

    /// What `--json` prints of an export; `path` is null where there was nothing to write.
    pub fn json(&self, path: &Path) -> Value {
        let path = (self.rows > 0).then(|| path.to_string_lossy());
        json!({"command": "inspect-dlq", "exit_code": 0, "path": path, "rows": self.rows, "undecodable": self.raw, "damaged": self.damaged})
    }

    /// What is not among the rows that were handed out, or not as it was understood.
    pub fn left_out(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (flags, rows) in &self.own {
            let (rows, it) = (plural(*rows, "row"), if *rows == 1 { "it" } else { "them" });
            lines.push(format!("{rows} partly as the input wrote {it}: load {it} with {flags}"));
        }
        if self.raw > 0 {
            let it = plural(self.raw, "row");
            lines.push(format!(
                "{it} left out, since only the input as it came is kept of them: {FORMAT} table shows it"
            ));
        }
        if self.damaged > 0 {
            lines.push(format!(
                "{} left out, since they are damaged: {FORMAT} table says where",
                plural(self.damaged, "line")
            ));
        }
        lines
    }
}

/// The flags that read what stands as the input's own text; none where it needs none.
fn flags(reading: &Reading) -> Option<String> {
    if reading.columns.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let own = |(name, _): &(&String, &String)| reading.is_own_text(name);
    let order = || reading.forms.values().find_map(|form| form.order.clone());
    let flag = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
    let all: Vec<String> = [
        flag(TIMEZONE, reading.zone.clone()),
        flag(TIMESTAMP_UNIT, reading.unit.clone()),
        flag(DATE_ORDER, reading.order.clone().or_else(order)),
    ]
    .into_iter()
    .flatten()
    .chain(reading.time_format.iter().map(|format| format!("{TIME_FORMAT} {}", shell_word(format))))
    .chain(reading.scale.iter().filter(own).map(|(name, factor)| format!("{SCALE} {name}={factor}")))
    .collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// What ended a reading.
enum Ended {
    /// The row could not be handed on.
    Out(io::Error),
    /// All that is said of it.
    In(Error),
}

/// Hands out all rows that are meant, each as the text of its object.
fn each(
    name: &str,
    from: impl BufRead,
    choice: &Choice,
    told: &mut Exported,
    ending: Option<&Interrupts>,
    mut row: impl FnMut(&RawValue) -> io::Result<()>,
) -> std::result::Result<(), Ended> {
    let failed = |error: io::Error| Ended::In(unreadable(name, &error));
    let mut lines = Lines::new(from);
    loop {
        if ending.is_some_and(|ending| ending.exit().is_some()) {
            return Ok(());
        }
        let Some(line) = lines.next().map_err(failed)? else { return Ok(()) };
        let Ok(letter) = Letter::read(&line) else {
            told.damaged += 1;
            continue;
        };
        let meant = choice.meant(&letter, &line);
        for place in (0..letter.rows() as usize).filter(|place| is_meant(&meant, *place)) {
            match letter.items.get(place).filter(|item| item.get().starts_with('{')) {
                Some(item) => {
                    told.rows += 1;
                    if let Some(flags) = letter.meta.reading.as_ref().and_then(flags) {
                        *told.own.entry(flags).or_default() += 1;
                    }
                    row(item).map_err(Ended::Out)?;
                }
                None => told.raw += 1,
            }
        }
    }
}

/// The rows to `out` as they stand in the queue, an object a line.
pub(crate) fn as_they_are(
    mut out: impl Write,
    queues: Vec<Queue>,
    selection: &Selection,
) -> Result<Exported> {
    let mut told = Exported::default();
    let mut row = |item: &RawValue| {
        out.write_all(item.get().as_bytes())?;
        out.write_all(b"\n")
    };
    let chosen = chosen(queues, selection)?;
    let all = || {
        for (Queue { name, bytes, .. }, choice) in chosen {
            match bytes {
                Bytes::File(file) => {
                    let from = whole(&file).map_err(|e| Ended::In(unreadable(&name, &e)))?;
                    each(&name, from, &choice, &mut told, None, &mut row)?;
                }
                Bytes::Stream(stream) => each(&name, stream, &choice, &mut told, None, &mut row)?,
            }
        }
        Ok(())
    };
    let done = all().and_then(|()| out.flush().map_err(Ended::Out));
    drop(out);
    printed(done).map(|()| told)
}

/// The rows as CSV to `out`, once it is `told` what is left out.
pub(crate) fn as_csv(
    out: impl Write + Send,
    queues: Vec<Queue>,
    selection: &Selection,
    told: impl FnOnce(&Exported),
) -> Result<()> {
    let rows = ExportRows::of(queues, selection, None)?;
    told(&rows.told);
    printed(rows.write(FileFormat::Csv, out, None).map(drop))
}

/// A reader that has gone away has read enough.
fn printed(done: std::result::Result<(), Ended>) -> Result<()> {
    match done {
        Err(Ended::In(error)) => Err(error),
        Err(Ended::Out(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::internal(format!("the rows cannot be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// The rows to a file, which is there whole or not at all; with `over` one that is there already is written over.
/// Nothing where it was asked to end meanwhile.
pub(crate) fn to_file(
    path: &Path,
    over: bool,
    queues: Vec<Queue>,
    selection: &Selection,
    interrupts: &Interrupts,
) -> Result<Option<Exported>> {
    let name = path.display();
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let format = match extension.as_str() {
        "csv" => FileFormat::Csv,
        "ndjson" | "jsonl" => FileFormat::Ndjson,
        "parquet" => FileFormat::Parquet,
        _ => {
            return Err(Error::usage(format!(
                "{EXPORT} {name}: its name must end in .csv, .ndjson or .parquet"
            )));
        }
    };
    let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let own = std::fs::metadata(path).ok().map(inode);
    let same = |queue: &Queue| match &queue.bytes {
        Bytes::File(file) => own.is_some() && file.metadata().ok().map(inode) == own,
        Bytes::Stream(_) => {
            Path::new(&queue.name).canonicalize().ok() == path.canonicalize().ok() && own.is_some()
        }
    };
    if queues.iter().any(same) {
        return Err(Error::usage(format!(
            "{EXPORT} {name}: that is one of the files which are read; give another name"
        )));
    }
    let there =
        || Error::usage(format!("{EXPORT} {name}: the file is there already; {FORCE} writes over it"));
    if path.exists() && !over {
        return Err(there());
    }
    let failed = |error: io::Error| {
        Error::usage(format!("{EXPORT} {name}: it cannot be written: {}", error::words(&error)))
            .caused_by(error)
    };
    let temporary = files::beside(path, ".export-", MODE).map_err(failed)?;
    let rows = ExportRows::of(queues, selection, Some(interrupts))?;
    if rows.told.rows > 0 {
        let out = BufWriter::with_capacity(1 << 18, temporary);
        let written = rows.write(format, out, Some(interrupts)).map_err(|ended| match ended {
            Ended::In(error) => error,
            Ended::Out(error) => failed(error),
        });
        let temporary = written?.into_inner().map_err(|error| failed(error.into_error()))?;
        if interrupts.exit().is_some() {
            return Ok(None);
        }
        let replace = if over { Replace::Yes } else { Replace::No };
        put_in_place(temporary, path, replace).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => there(),
            _ => failed(error),
        })?;
    }
    Ok(interrupts.exit().is_none().then_some(rows.told))
}

/// Rows whose columns are known.
struct ExportRows {
    files: Vec<(String, File, Choice)>,
    names: Vec<String>,
    told: Exported,
}

impl ExportRows {
    /// A first reading, for the names of the columns.
    fn of(queues: Vec<Queue>, selection: &Selection, ending: Option<&Interrupts>) -> Result<Self> {
        let mut rows = Self { files: Vec::new(), names: Vec::new(), told: Exported::default() };
        let mut known = HashSet::new();
        for (Queue { name, bytes, .. }, choice) in chosen(queues, selection)? {
            let file = bytes.into_file().map_err(|e| unreadable(&name, &e))?;
            let from = whole(&file).map_err(|e| unreadable(&name, &e))?;
            let names = &mut rows.names;
            let done = each(&name, from, &choice, &mut rows.told, ending, |item| {
                for (name, _) in fields(item) {
                    if !known.contains(&*name) {
                        known.insert(name.clone().into_owned());
                        names.push(name.into_owned());
                    }
                }
                if names.len() > MOST_COLUMNS {
                    return Err(io::Error::other("too many columns"));
                }
                Ok(())
            });
            match done {
                Ok(()) => rows.files.push((name, file, choice)),
                Err(Ended::In(error)) => return Err(error),
                Err(Ended::Out(_)) => {
                    return Err(Error::input(format!(
                        "{name}: its rows have more than {} different fields, too many for columns; {FORMAT} ndjson has them as they are",
                        count(MOST_COLUMNS as u64)
                    )));
                }
            }
        }
        Ok(rows)
    }

    fn write<W: Write + Send>(
        &self,
        format: FileFormat,
        out: W,
        ending: Option<&Interrupts>,
    ) -> std::result::Result<W, Ended> {
        let mut writer = RowWriter::new(format, self.names.clone(), out).map_err(Ended::Out)?;
        let places: std::collections::HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let mut told = Exported::default();
        for (name, file, choice) in &self.files {
            let from = whole(file).map_err(|e| Ended::In(unreadable(name, &e)))?;
            each(name, from, choice, &mut told, ending, |item| {
                let texts: Vec<_> = fields(item)
                    .into_iter()
                    .map(|(name, value)| (name, value.get(), (value.get() != "null").then(|| words(value))))
                    .collect();
                let mut cells = vec![None; self.names.len()];
                for (name, json, text) in &texts {
                    // What has come behind the first reading may have other names.
                    if let Some(cell) = places.get(&**name).and_then(|place| cells.get_mut(*place)) {
                        *cell = Some(ExportCell { json, text: text.as_deref() });
                    }
                }
                writer.row(&cells)
            })?;
        }
        writer.finish().map_err(Ended::Out)
    }
}

//! `mdsctl inspect-dlq`: says what is in a dead-letter queue and why, and hands its rows out.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::args::{ByName, GlobalArgs, InspectArgs, LetterFormat};
use crate::cli::exit::Exit;
use crate::cli::{filter, print, style_of_stdout, tell};
use crate::decode::{Cell, FileFormat, RowWriter};
use crate::dlq::claim::{Claim, is_meant};
use crate::dlq::letter::Letter;
use crate::dlq::lines::Lines;
use crate::dlq::names::{self, Kind};
use crate::dlq::survey::{By, Plan, Survey};
use crate::error::{Error, Result};
use crate::observe::figures::plural;
use crate::observe::letters::{QueueFile, table};

/// Runs it.
pub fn run(global: &GlobalArgs, args: &InspectArgs) -> Result<Exit> {
    let files = files(&args.queues)?;
    let selection = filter::selection(&args.filter);
    let format = if global.json { LetterFormat::Json } else { args.format };
    if args.follow {
        return follow(&files, &selection);
    }
    if files.is_empty() && !global.quiet {
        tell("no dead letters: there is no queue in .dlq");
    }
    if let Some(path) = &args.export {
        return export(global, args, &files, &selection, path);
    }
    match format {
        LetterFormat::Csv => {
            let rows = Rows::of(&files, &selection)?;
            rows.told(global);
            rows.write(FileFormat::Csv, BufWriter::with_capacity(1 << 16, io::stdout())).or_else(unread)?;
            return Ok(Exit::Stored);
        }
        LetterFormat::Ndjson => {
            let rows = Rows::of(&files, &selection)?;
            rows.told(global);
            rows.as_they_are(BufWriter::with_capacity(1 << 16, io::stdout())).or_else(unread)?;
            return Ok(Exit::Stored);
        }
        LetterFormat::Table | LetterFormat::Json => {}
    }
    let by = args.by;
    let plan = |limit| Plan { filter: selection.filter.clone(), limit, by: by.into(), samples: args.samples };
    let (mut all, mut shown, mut left) = (Survey::default(), Vec::new(), selection.limit);
    for path in &files {
        let survey = Survey::of(path, &plan(left)).map_err(|e| unreadable(path, &e))?;
        left = left.map(|left| left - survey.rows.min(left));
        shown.push(QueueFile { name: path.display().to_string(), what: what(path), rows: survey.rows });
        all.merge(survey, args.samples);
    }
    if format == LetterFormat::Json {
        print(&(json_of(&shown, &all, by).to_string() + "\n"))?;
    } else if !files.is_empty() {
        let mut style = style_of_stdout(global.color);
        if io::stdout().is_terminal()
            && let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
            && size.ws_col > 0
        {
            style = style.width(usize::from(size.ws_col));
        }
        print(&table(&shown, &all, by.word(), style))?;
    }
    Ok(Exit::Stored)
}

/// The files that are meant: those named, those in directories named, or those in `.dlq`.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut look = |directory: &Path| -> Result<()> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(|e| unreadable(directory, &e))? {
            let path = entry.map_err(|e| unreadable(directory, &e))?.path();
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.is_file() && path.extension().is_some_and(|e| e == "ndjson") {
                found.push(path);
            }
        }
        // What stands beside a queue comes with it.
        found.sort_by_key(|path| (names::live(path), order(path)));
        all.extend(found);
        Ok(())
    };
    let standard = Path::new(".dlq");
    if named.is_empty() && standard.is_dir() {
        look(standard)?;
    }
    for path in named {
        if path.is_dir() {
            look(path)?;
        }
    }
    for path in named.iter().filter(|path| !path.is_dir()) {
        let mut own = vec![];
        if names::kind(path) == Kind::Live {
            own.push(names::claimed(path));
            own.extend(names::segments(path).map_err(|e| unreadable(path, &e))?);
        }
        own.push(path.clone());
        let there: Vec<PathBuf> = own.into_iter().filter(|path| path.exists()).collect();
        if there.is_empty() {
            return Err(Error::Input(format!("no such file: {}", path.display())));
        }
        all.extend(there);
    }
    Ok(all)
}

fn order(path: &Path) -> u32 {
    match names::kind(path) {
        Kind::Claimed => 0,
        Kind::Segment(number) => number,
        Kind::Live => u32::MAX - 1,
        Kind::Parked => u32::MAX,
    }
}

fn what(path: &Path) -> Option<&'static str> {
    match names::kind(path) {
        Kind::Claimed => Some("claimed by a replay"),
        Kind::Parked => Some("parked: tried too often"),
        Kind::Segment(_) | Kind::Live => None,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Input(format!("{}: it cannot be read: {error}", path.display()))
}

/// A reader that has gone away has read enough.
fn unread(error: io::Error) -> Result<()> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::Internal(format!("the rows cannot be written: {error}"))),
    }
}

fn time(micros: Option<i64>) -> Value {
    let time = micros.and_then(chrono::DateTime::from_timestamp_micros);
    time.map_or(Value::Null, |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into())
}

fn json_of(files: &[QueueFile], survey: &Survey, by: ByName) -> Value {
    let of = |span: Option<(i64, i64)>| (time(span.map(|s| s.0)), time(span.map(|s| s.1)));
    let (oldest, newest) = of(survey.span);
    let groups: Vec<Value> = survey
        .sorted()
        .into_iter()
        .map(|(key, group)| {
            let (first, last) = of(group.span);
            let sample =
                |s: &crate::dlq::survey::Sample| json!({"source": s.source, "row": s.row, "value": s.value});
            json!({"key": key, "rows": group.rows, "records": group.records, "first": first, "last": last,
                "column": group.column, "error": group.message,
                "samples": group.samples.iter().map(sample).collect::<Vec<_>>()})
        })
        .collect();
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for (minute, rows) in &survey.minutes {
        *hours.entry(minute.div_euclid(60)).or_default() += rows;
    }
    let hours: Vec<Value> = hours
        .iter()
        .map(|(hour, rows)| json!({"hour": time(Some(hour.saturating_mul(3_600_000_000))), "rows": rows}))
        .collect();
    let files: Vec<Value> =
        files.iter().map(|f| json!({"path": f.name, "what": f.what, "rows": f.rows})).collect();
    json!({"files": files, "records": survey.records, "rows": survey.rows, "undecodable": survey.raw,
        "damaged": survey.damaged, "oldest": oldest, "newest": newest, "max_attempts": survey.attempts,
        "by": by.word(), "groups": groups, "hours": hours})
}

/// The rows alone.
struct Rows {
    claims: Vec<Claim>,
    names: Vec<String>,
    rows: u64,
    raw: u64,
}

impl Rows {
    fn of(files: &[PathBuf], selection: &filter::Selection) -> Result<Self> {
        let (mut claims, mut left) = (Vec::new(), selection.limit);
        for path in files {
            let claim = Claim::survey(path, &selection.filter, left).map_err(|e| unreadable(path, &e))?;
            left = left.map(|left| left - claim.meant);
            claims.push(claim);
        }
        let mut all = Self { claims, names: Vec::new(), rows: 0, raw: 0 };
        let (mut known, mut names, mut rows, mut raw) = (HashMap::new(), Vec::new(), 0, 0);
        all.each(|letter, row| {
            let Some(item) = letter.items.get(row).and_then(|item| fields(item)) else {
                raw += 1;
                return Ok(());
            };
            rows += 1;
            for (name, _) in item {
                if !known.contains_key(&name) {
                    known.insert(name.clone(), ());
                    names.push(name);
                }
            }
            Ok(())
        })
        .map_err(|error| Error::Input(format!("the dead letters cannot be read: {error}")))?;
        (all.names, all.rows, all.raw) = (names, rows, raw);
        Ok(all)
    }

    fn told(&self, global: &GlobalArgs) {
        if self.raw > 0 && !global.quiet {
            tell(&format!(
                "{} left out, since only the input as it came is kept of them: --format table shows it",
                plural(self.raw, "row")
            ));
        }
    }

    fn each(&self, mut row: impl FnMut(&Letter<'_>, usize) -> io::Result<()>) -> io::Result<()> {
        for claim in &self.claims {
            for window in &claim.windows {
                claim.read(window, |line, letter, _| {
                    let Some(letter) = letter else { return Ok(()) };
                    let meant = claim.choice.meant(letter, line);
                    let places = (0..letter.rows() as usize).filter(|place| is_meant(&meant, *place));
                    places.into_iter().try_for_each(|place| row(letter, place))
                })?;
            }
        }
        Ok(())
    }

    fn as_they_are(&self, mut out: impl Write) -> io::Result<()> {
        self.each(|letter, row| {
            let Some(item) = letter.items.get(row).filter(|item| item.get().starts_with('{')) else {
                return Ok(());
            };
            out.write_all(item.get().as_bytes())?;
            out.write_all(b"\n")
        })?;
        out.flush()
    }

    fn write<W: Write + Send>(&self, format: FileFormat, out: W) -> io::Result<()> {
        self.written(format, out).map(drop)
    }

    fn written<W: Write + Send>(&self, format: FileFormat, out: W) -> io::Result<W> {
        let mut writer = RowWriter::new(format, self.names.clone(), out)?;
        let places: HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        self.each(|letter, row| {
            let Some(item) = letter.items.get(row).and_then(|item| fields(item)) else { return Ok(()) };
            let texts: Vec<(usize, &str, Option<String>)> = item
                .into_iter()
                .filter_map(|(name, value)| Some((*places.get(name.as_str())?, value.get(), text(value))))
                .collect();
            let mut cells = vec![None; self.names.len()];
            for (place, json, text) in &texts {
                if let Some(cell) = cells.get_mut(*place) {
                    *cell = Some(Cell { json, text: text.as_deref() });
                }
            }
            writer.row(&cells)
        })?;
        writer.finish()
    }
}

fn fields(item: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    struct Fields;
    impl<'de> serde::de::Visitor<'de> for Fields {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> std::result::Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                all.push(field);
            }
            Ok(all)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(item.get());
    serde::Deserializer::deserialize_map(&mut reader, Fields).ok()
}

fn text(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        text => Some(text.to_owned()),
    }
}

fn export(
    global: &GlobalArgs,
    args: &InspectArgs,
    files: &[PathBuf],
    selection: &filter::Selection,
    path: &Path,
) -> Result<Exit> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let format = match extension.as_str() {
        "csv" => FileFormat::Csv,
        "ndjson" | "jsonl" => FileFormat::Ndjson,
        "parquet" => FileFormat::Parquet,
        _ => {
            return Err(Error::Usage(format!(
                "--export {}: its name must end in .csv, .ndjson or .parquet",
                path.display()
            )));
        }
    };
    let same = |file: &PathBuf| {
        std::fs::canonicalize(file)
            .is_ok_and(|file| std::fs::canonicalize(path).is_ok_and(|path| path == file))
    };
    if files.iter().any(same) {
        return Err(Error::Usage(format!(
            "--export {}: that is one of the files which are read; give another name",
            path.display()
        )));
    }
    if path.exists() && !args.force {
        return Err(Error::Usage(format!(
            "--export {}: the file is there already; --force writes over it",
            path.display()
        )));
    }
    let failed = |error: io::Error| Error::Usage(format!("--export {}: {error}", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".export-").tempfile_in(directory).map_err(failed)?;
    let rows = Rows::of(files, selection)?;
    let out = BufWriter::with_capacity(1 << 18, temporary);
    let temporary = rows.written(format, out).map_err(failed)?;
    let temporary = temporary.into_inner().map_err(|error| failed(error.into_error()))?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    if !global.quiet {
        tell(&format!("{} written to {}", plural(rows.rows, "row"), path.display()));
    }
    rows.told(global);
    Ok(Exit::Stored)
}

/// Prints records as they come, a line each, until it is ended.
fn follow(files: &[PathBuf], selection: &filter::Selection) -> Result<Exit> {
    let mut queues: Vec<PathBuf> = files.iter().map(|path| names::live(path)).collect();
    queues.dedup();
    if queues.is_empty() {
        return Err(Error::Usage("--follow: there is no queue in .dlq yet; name its file".into()));
    }
    let mut open: Vec<(PathBuf, Option<Followed>)> = queues.into_iter().map(|path| (path, None)).collect();
    for (path, followed) in &mut open {
        // What is there already is not new.
        *followed = Followed::open(path, true).map_err(|e| unreadable(path, &e))?;
    }
    loop {
        for (path, followed) in &mut open {
            if followed.is_none() {
                *followed = Followed::open(path, false).map_err(|e| unreadable(path, &e))?;
            }
            let Some(file) = followed else { continue };
            file.print(selection).map_err(|e| unreadable(path, &e))?;
            // Renamed by a replay or a rotation: what it got to the last is read, then the new one.
            let moved = std::fs::metadata(&*path).map_or(true, |now| now.ino() != file.inode);
            if moved {
                file.print(selection).map_err(|e| unreadable(path, &e))?;
                *followed = None;
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

struct Followed {
    file: File,
    inode: u64,
    offset: u64,
}

impl Followed {
    fn open(path: &Path, at_end: bool) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        Ok(Some(Self { file, inode: metadata.ino(), offset: if at_end { metadata.len() } else { 0 } }))
    }

    /// Prints the whole lines that have come.
    fn print(&mut self, selection: &filter::Selection) -> io::Result<()> {
        use std::io::Seek as _;
        let length = self.file.metadata()?.len();
        if length <= self.offset {
            return Ok(());
        }
        self.file.seek(io::SeekFrom::Start(self.offset))?;
        let mut text = String::new();
        let mut lines =
            Lines::at(BufReader::new(io::Read::take(&self.file, length - self.offset)), self.offset, 0);
        let mut whole = self.offset;
        while let Some(line) = lines.next()? {
            let end = line.offset + line.bytes.map_or_else(|length| length, |bytes| bytes.len() as u64) + 1;
            if end > length {
                break;
            }
            whole = end;
            let Ok(letter) = Letter::read(&line) else {
                text += "a line that is no record\n";
                continue;
            };
            let rows = crate::dlq::claim::count(&selection.filter.meant(&letter, &line), &letter);
            if rows > 0 {
                text += &news(&letter, rows);
            }
        }
        self.offset = whole;
        print(&text).map_err(|error| io::Error::other(error.to_string()))
    }
}

fn news(letter: &Letter<'_>, rows: u64) -> String {
    let at = letter.ts.and_then(|seconds| chrono::DateTime::from_timestamp_micros((seconds * 1e6) as i64));
    let at = at.map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string());
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let meta = &letter.meta;
    format!(
        "{at}  {}  {}  {}: {}\n",
        plain(meta.code.as_deref().unwrap_or("(none)")),
        plural(rows, "row"),
        plain(meta.source.as_deref().unwrap_or("(no source)")),
        plain(&letter.error)
    )
}

impl From<ByName> for By {
    fn from(name: ByName) -> Self {
        match name {
            ByName::Code => Self::Code,
            ByName::Stage => Self::Stage,
            ByName::Dataset => Self::Dataset,
            ByName::Source => Self::Source,
            ByName::Symbol => Self::Symbol,
            ByName::Hour => Self::Hour,
        }
    }
}

impl ByName {
    fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Stage => "stage",
            Self::Dataset => "dataset",
            Self::Source => "source",
            Self::Symbol => "symbol",
            Self::Hour => "hour",
        }
    }
}

//! From an input to a decoder of its rows.

#[cfg(test)]
mod tests;
mod whole;

use std::fs::{File, OpenOptions as FileOptions, create_dir_all};
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use crate::decode::each::Each;
use crate::decode::format::Reading;
use crate::decode::only_rows::OnlyRows;
use crate::decode::pivot::Pivot;
use crate::decode::split::Split;
use crate::decode::unpivot::Unpivot;
use crate::decode::{CsvOptions, DecodeError, Decoder, Format};
use crate::error::{Error, words};
use crate::pipeline::Stop;
use crate::source::archive;
use crate::source::changed::AtOpening;
use crate::source::compress::{Padding, Placed};
use crate::source::fault::{called, decode_error, empty, io_error};
use crate::source::raw_input::{Again, Stored};
use crate::source::reader::{Ahead, Source};
use crate::source::remade::remade;
use crate::source::zip::{Member, Packed};
use crate::source::{Chooser, Chosen, Compression, Input, Meter, TextEncoding, encoding, sniff};

use whole::{Nothing, Reread, Whole, spool};

/// Bytes that settle what an input is, as far as magic bytes go.
const MAGIC: usize = 6;

/// Bytes that are looked at where they are there.
const HEAD: usize = 4096;

/// Bytes of a text that are looked at for what it is.
const SAMPLE: usize = 64 << 10;

/// How an input is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The format; `None`: told by magic bytes, content and name.
    pub format: Option<Format>,
    /// For CSV.
    pub csv: CsvOptions,
    /// Columns that become rows.
    pub unpivot: Option<Unpivot>,
    /// A list that becomes rows.
    pub each: Option<Each>,
    /// Columns, and the columns that their texts are divided into.
    pub split: Split,
    /// Columns, and the values of which a row has to have one.
    pub only_rows: OnlyRows,
    /// Rows that become columns.
    pub pivot: Option<Pivot>,
    /// The encoding of texts; `None`: UTF-8, or what a mark at the beginning or the first texts show.
    pub encoding: Option<TextEncoding>,
    /// Who decides otherwise once the beginning of an input is known.
    pub chooser: Chooser,
}

/// An input that is open.
pub struct Opened {
    /// Its rows.
    pub decoder: Box<dyn Decoder>,
    /// What it is.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Whether it can be read again. Rows of one that cannot (standard input, a pipe) must end in
    /// the store or in the dead-letter queue.
    pub replayable: bool,
    /// Why it is no input at all, where it is a file with nothing in it.
    pub void: Option<Error>,
    /// What was passed over behind the compressed bytes.
    pub padding: Padding,
    /// Where its texts are taken to be no UTF-8: by what text that is seen, and in which encoding it is.
    pub encoding: Option<(TextEncoding, String)>,
    /// By which layout it is read.
    pub chosen: Chosen,
    /// The file as it was, where it is one that can be read again.
    pub(super) at_opening: Option<Arc<AtOpening>>,
    /// The bytes once more, where they are those of the text as it is decoded.
    pub(super) text: Option<Again>,
}

impl Opened {
    /// Whether it is a text of which parts can be read without the others, its rows as they stand there.
    pub fn can_be_parted(&self) -> bool {
        self.text.is_some() && self.replayable && self.void.is_none() && self.decoder.inner().is_none()
    }
}

/// Opens an input: tells its compression and format, and starts to read it.
///
/// What is compressed in a file is decompressed once beforehand, for its checksums: rows of damaged bytes
/// would be stored before the checksum behind them is seen.
///
/// Waits for its first bytes, of CSV for its header. When the stop is set before they are there,
/// the decoder has no rows.
///
/// # Errors
/// [`Error::Input`] where it cannot be read, is an empty stream, is damaged, or is none of our formats;
/// [`Error::Usage`] where it is not what the options say. The message names the input.
pub fn open(input: &Input, options: &OpenOptions, stop: &Stop, meter: &Arc<Meter>) -> Result<Opened, Error> {
    let mut opened = open_by(input, options, stop, meter)?;
    let name = &*input.name;
    if opened.format.is_binary() && opened.void.is_none() {
        let names = opened.decoder.names();
        opened.chosen = options.chooser.of_names(name, opened.format, &names).map_err(|e| e.at(name))?;
    }
    if opened.void.is_none() {
        let how = opened.chosen.open.as_ref().unwrap_or(options);
        opened.decoder = remade(opened.decoder, how).map_err(|e| decode_error(e, name))?;
    }
    Ok(opened)
}

fn open_by(input: &Input, options: &OpenOptions, stop: &Stop, meter: &Arc<Meter>) -> Result<Opened, Error> {
    let name = &*input.name;
    let mut stored = Stored::open(input, stop, meter).map_err(|e| io_error(&e, name))?;
    let (live, cut) = (stored.is_live(), stored.cut());
    let padding = Padding::default();
    let at_opening = stored.at_opening();
    let opened = |decoder: Box<dyn Decoder>, format, compression| {
        let (void, padding, at_opening, encoding) = (None, padding.clone(), at_opening.clone(), None);
        let (replayable, chosen) = (!live, Chosen::default());
        let text = None;
        Ok(Opened {
            decoder,
            format,
            compression,
            replayable,
            void,
            padding,
            encoding,
            chosen,
            at_opening,
            text,
        })
    };
    let nothing = |compression| {
        let (format, error) = (options.format.unwrap_or(Format::CSV), empty(name, compression));
        match live {
            true => Err(error),
            false => Ok(Opened { void: Some(error), ..opened(Box::new(Nothing), format, compression)? }),
        }
    };
    let head = read_head(&mut stored).map_err(|e| io_error(&e, name))?;
    let mut compression = match &input.member {
        Some(member) => {
            let packed = readable(member).map_err(|e| decode_error(e, name))?;
            // Of an object nothing but the member was copied.
            Compression::Zip(if stored.is_copy() { Packed { at: 0, ..packed } } else { packed })
        }
        None => Compression::of(&head),
    };
    if head.is_empty() && cut.is_cut() {
        return opened(Box::new(Nothing), options.format.unwrap_or(Format::CSV), compression);
    }
    if head.is_empty() {
        return nothing(compression);
    }
    let told = |head: &[u8]| {
        let refused = |error: Error| match options.csv.keep.as_deref().filter(|_| live) {
            Some(beside) => error.and(&kept(head, beside)),
            None => error,
        };
        sniff::format(head, name, options.format).map_err(refused)
    };
    let is_archive = compression == Compression::None && archive::is_one(&head);
    let whole_workbook = match stored.file().filter(|_| is_archive) {
        Some(mut file) => {
            let is_workbook = archive::is_workbook(file).map_err(|e| decode_error(e, name))?;
            // The reading goes on where it was.
            file.seek(SeekFrom::Start(head.len() as u64)).map_err(|e| io_error(&e, name))?;
            is_workbook
        }
        None => false,
    };
    if let Some(file) = stored.file().filter(|_| is_archive && !whole_workbook && !stored.is_copy()) {
        // One whose members can be read has been taken for them.
        return Err(decode_error(archive::data(file).err().unwrap_or_else(changed), name));
    }
    let asked = options.encoding.filter(|encoding| !encoding.is_utf8());
    let asked_of = |head: &[u8]| asked.filter(|_| Format::of_magic(head).is_none());
    if compression == Compression::None
        && (!is_archive || whole_workbook)
        && asked_of(&head).is_none()
        && let (format, Some(body)) = (told(&head)?, stored.body().map_err(|e| io_error(&e, name))?)
        && let Reading::File(open) = format.reading
    {
        let decoder = open(body, &options.csv).map_err(|e| decode_error(e, name))?;
        let ahead = if stored.is_copy() { u64::MAX } else { head.len() as u64 };
        let meter = Some((meter.clone(), ahead));
        if let Some(file) = &at_opening {
            file.is_scattered();
        }
        return opened(Box::new(Whole { decoder, stop: stop.clone(), meter }), format, compression);
    }

    if compression != Compression::None
        && let Some(file) = stored.file()
    {
        compression.prove(file, stop).map_err(|e| decode_error(e, name))?;
    }
    let again = stored.again().map_err(|e| io_error(&e, name))?;
    let plain = compression == Compression::None && !is_archive && asked_of(&head).is_none();
    let text = if plain { stored.again().map_err(|e| io_error(&e, name))? } else { None };
    let mut text = text.filter(Again::has_parts);
    let mut whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(stored));
    if is_archive {
        let file = spool(whole, compression, name, meter);
        if cut.is_cut() {
            return Err(stopped(name, "zip"));
        }
        let file = file?;
        // What has been consumed of a stream is decoded to the end, whatever the stop says.
        let unstopped = Stop::new().map_err(|e| io_error(&e, name))?;
        if archive::is_workbook(&file).map_err(|e| decode_error(e, name))?
            && let format = told(b"PK\x03\x04")?
            && let Reading::File(open) = format.reading
        {
            let decoder = open(file.into(), &options.csv).map_err(|e| decode_error(e, name))?;
            return opened(Box::new(Whole { decoder, stop: unstopped, meter: None }), format, compression);
        }
        let member = the_only(&file).map_err(|e| decode_error(e, name))?;
        compression = Compression::Zip(readable(&member).map_err(|e| decode_error(e, name))?);
        compression.prove(&file, stop).map_err(|e| decode_error(e, name))?;
        whole = Box::new(Placed { file, at: member.packed.at, stop: unstopped });
    }
    let bytes = compression.undo_padded(whole, padding.clone());
    let mut bytes = bytes.map_err(|e| decode_error(e, name))?;
    let mut head = match read_head(&mut bytes) {
        Ok(head) => head,
        Err(_) if cut.is_cut() => Vec::new(),
        Err(error) => return Err(decode_error(compression.fault(error), name)),
    };
    if let Some(encoding) = asked_of(&head) {
        bytes = encoding.undo(Cursor::new(head).chain(bytes));
        head = match read_head(&mut bytes) {
            Ok(head) => head,
            Err(_) if cut.is_cut() => Vec::new(),
            Err(error) => return Err(decode_error(compression.fault(error), name)),
        };
    }
    if head.is_empty() && cut.is_cut() {
        return opened(Box::new(Nothing), options.format.unwrap_or(Format::CSV), compression);
    }
    if !live && is_blank(&head) {
        // Blank to its end it is as empty as one of no bytes; what is wrong with the rest is found below.
        match read_head(&mut bytes) {
            Ok(more) if more.is_empty() => return nothing(compression),
            Ok(more) => head.extend(more),
            Err(_) => {}
        }
    }
    if head.is_empty() {
        return nothing(compression);
    }
    let format = told(&head)?;
    let (mut chosen, mut encoding) = (Chosen::default(), None);
    if !format.is_binary() {
        let failed = read_sample(&mut bytes, &mut head, live).err();
        bytes = Box::new(Failing(failed).chain(bytes));
        chosen = options.chooser.of_head(name, format, &head).map_err(|e| e.at(name))?;
    }
    let open_options = chosen.open.as_ref().unwrap_or(options);
    let mut csv = open_options.csv.clone();
    // What is known of the table is no matter of the layout.
    csv.json.known.clone_from(&options.csv.json.known);
    let is_all = !live && head.len() < SAMPLE;
    if !format.is_binary() && open_options.encoding.is_none() {
        encoding = encoding::deduced(&head, is_all);
    }
    let said = open_options.encoding.filter(|_| !format.is_binary());
    let written = encoding.as_ref().map(|(encoding, _)| *encoding).or(said);
    let looks = format.look_through.filter(|_| !live && csv.json.found.is_none());
    let found = match (looks, again) {
        (Some(look), Some(again)) => {
            let again = match again {
                Again::File(file) => compression.again(&file, stop).map_err(|e| decode_error(e, name))?,
                // It is not compressed, or it would have been copied.
                Again::Remote(remote, stop) => Box::new(Again::Remote(remote, stop)),
            };
            let again = match written {
                Some(encoding) => encoding.undo(again),
                None => again,
            };
            look(Box::new(Reread { bytes: again, compression }), &csv).map(Some)
        }
        _ => Ok(None),
    };
    let found = match found {
        // What was not read to its end tells nothing.
        _ if stop.is_set() => None,
        found => found.map_err(|e| chosen.perhaps_else(decode_error(e, name)))?,
    };
    let mut bytes: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(bytes));
    // What was asked for has been undone before the format was told.
    if let Some(encoding) = written.filter(|_| asked.is_none()) {
        bytes = encoding.undo(bytes);
    }
    if let Reading::File(open) = format.reading {
        let file = spool(bytes, compression, name, meter);
        if cut.is_cut() {
            return Err(stopped(name, format.title));
        }
        // What has been consumed of a stream is decoded to the end, whatever the stop says.
        let stop = if live { Stop::new().map_err(|e| io_error(&e, name))? } else { stop.clone() };
        let decoder = open(file?.into(), &options.csv).map_err(|e| decode_error(e, name))?;
        return opened(Box::new(Whole { decoder, stop, meter: None }), format, compression);
    }
    let source = Source { bytes, compression, live, cut };
    let chunks = Box::new(Ahead::start(source, stop, meter).map_err(|e| io_error(&e, name))?);
    // What can be read again keeps its rows itself.
    csv.keep = options.csv.keep.clone().filter(|_| live);
    csv.json.found = found.map(Arc::new);
    let decoder: Result<Box<dyn Decoder>, DecodeError> = match format.reading {
        Reading::Stream(open) => open(chunks, csv),
        Reading::Lines(open) => open(chunks, csv).map(|decoder| decoder as _),
        Reading::File(_) => Ok(Box::new(Nothing)),
    };
    let decoder = decoder.map_err(|e| chosen.perhaps_else(decode_error(e, name)))?;
    let opened = opened(decoder, format, compression)?;
    text.take_if(|_| written.is_some());
    Ok(Opened { chosen, encoding, text, ..opened })
}

/// The bytes of a member of an archive.
fn readable(member: &Member) -> Result<Packed, DecodeError> {
    match &member.refused {
        Some(why) => Err(DecodeError::Corrupt(format!("it {why}, which cannot be read; unpack it first"))),
        None => Ok(member.packed),
    }
}

/// The one member of an archive that is data.
fn the_only(file: &File) -> Result<Member, DecodeError> {
    let mut all = archive::data(file)?;
    match (all.pop(), all.len()) {
        (Some(member), 0) => Ok(member),
        (_, others) => Err(DecodeError::Corrupt(format!(
            "the zip archive has {} files of data, of which a pipe can bring one; save it to a file and load that",
            others + 1
        ))),
    }
}

fn stopped(name: &str, title: &str) -> Error {
    Error::input(format!(
        "{}: stopped before the whole {title} file had been read; none of its rows were loaded",
        called(name)
    ))
}

fn changed() -> DecodeError {
    DecodeError::Corrupt("the zip archive was written to while it was read".into())
}

/// Keeps the first bytes of a pipe that is refused by them beside the dead letters: nobody has them any more.
/// Returns what to say of that.
fn kept(head: &[u8], beside: &Path) -> String {
    let name = beside.file_name().unwrap_or_default().to_string_lossy();
    let path = beside.with_file_name(format!("refused-{}", name.trim_start_matches("long-")));
    let write = || {
        if let Some(folder) = path.parent() {
            create_dir_all(folder)?;
        }
        let mut file = FileOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        io::Write::write_all(&mut file, head)?;
        file.sync_all()
    };
    match write() {
        Ok(()) => format!("; the {} bytes that were read of it are kept in {}", head.len(), path.display()),
        Err(error) => {
            format!("; the {} bytes that were read of it are lost: {}", head.len(), words(&error))
        }
    }
}

/// Whether a file is one whose bytes can be proven, and they are whole.
pub fn is_whole(input: &Input, stop: &Stop) -> bool {
    let Some(file) = input.path.as_deref().filter(|_| input.bytes.is_some()).and_then(|p| File::open(p).ok())
    else {
        return false;
    };
    let mut head = [0; MAGIC];
    let known = file.read_exact_at(&mut head, 0).is_ok();
    if let Some(member) = &input.member {
        return readable(member).is_ok_and(|packed| Compression::Zip(packed).unpack(&file, stop).is_ok());
    }
    match (Compression::of(&head), Format::of_magic(&head).filter(|_| known).map(Format::reading)) {
        (Compression::None, Some(Reading::File(open))) => open(file.into(), &CsvOptions::default())
            .and_then(|decoder| decoder.prove_until(&|| stop.is_set()))
            .is_ok(),
        (Compression::None, _) => false,
        (compression, _) => compression.unpack(&file, stop).is_ok(),
    }
}

/// Whether there is nothing but white space, behind a byte order mark perhaps.
fn is_blank(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    text.iter().all(u8::is_ascii_whitespace)
}

/// The first bytes: what one read gives, or more where that is too little to tell anything.
fn read_head(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < MAGIC {
        match from.read(head.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Adds what follows until there is enough to know what an input is: of one that comes slowly its first line.
fn read_sample(from: &mut impl Read, head: &mut Vec<u8>, live: bool) -> io::Result<()> {
    while head.len() < SAMPLE && !(live && memchr::memchr(b'\n', head).is_some()) {
        let filled = head.len();
        head.resize(SAMPLE, 0);
        let read = from.read(head.get_mut(filled..).unwrap_or_default());
        head.truncate(filled + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What was met while more was read than is needed: told when the reading comes to that place.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

//! What of an archive is data.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::decode::{DecodeError, xlsx};
use crate::objects::Object;
use crate::source::input::is_marker;
use crate::source::remote::Sought;
use crate::source::sniff::of_name;
use crate::source::zip::{self, Member};

/// Whether a name is that of an archive.
pub(super) fn is_named_so(name: &str) -> bool {
    name.len() > 4 && name.to_ascii_lowercase().ends_with(".zip")
}

/// Whether bytes are the first ones of an archive.
pub(super) fn is_one(head: &[u8]) -> bool {
    zip::MAGIC.iter().any(|magic| head.starts_with(magic))
}

/// The members of an archive that are data; `None` where the file is none, or has nothing in it that can be loaded:
/// then reading the file says what it is.
pub(super) fn members(path: &Path) -> Option<Vec<Member>> {
    let file = File::open(path).ok()?;
    let mut head = [0; 4];
    file.read_exact_at(&mut head, 0).ok()?;
    if !is_one(&head) {
        return None;
    }
    data(&file).ok()
}

/// [`members`] of an object.
pub(super) fn members_of(object: &Object) -> Option<Vec<Member>> {
    let mut head = [0; 4];
    Sought::new(object).read_exact(&mut head).ok()?;
    if !is_one(&head) {
        return None;
    }
    chosen(zip::members(BufReader::new(Sought::new(object))).ok()?).ok()
}

/// Whether an archive is an Excel workbook, which is an input itself.
///
/// # Errors
/// Where the archive cannot be read.
pub(super) fn is_workbook(file: &File) -> Result<bool, DecodeError> {
    let all = zip::members(file)?;
    Ok(xlsx::is_workbook(all.iter().map(|member| &*member.name)))
}

/// The members of an archive that are data, in the order of their names, at least one: those whose names have the
/// extension of a format, or the only one that there is. Empty and hidden ones and what writers leave beside their
/// data are passed over, as in a folder.
///
/// # Errors
/// Where the archive cannot be read, or there is none.
pub(super) fn data(file: &File) -> Result<Vec<Member>, DecodeError> {
    chosen(zip::members(file)?)
}

fn chosen(all: Vec<Member>) -> Result<Vec<Member>, DecodeError> {
    let has = |wanted: &str| all.iter().any(|member| member.name == wanted);
    if all.iter().any(|member| member.name == "[Content_Types].xml") {
        let what = match has("xl/workbook.bin") {
            true => "a binary Excel workbook (.xlsb), which cannot be read; save it as .xlsx or CSV",
            false => "an Office document that is not a workbook, which cannot be read; save it as CSV first",
        };
        return Err(DecodeError::Corrupt(what.into()));
    }
    if has("mimetype") && has("content.xml") {
        let what = "an OpenDocument spreadsheet, which cannot be read; save it as .xlsx or CSV";
        return Err(DecodeError::Corrupt(what.into()));
    }
    let beside = |part: &str| part.starts_with('.') || part == "__MACOSX" || is_marker(OsStr::new(part));
    let mut files: Vec<Member> = all;
    files.retain(|member| member.packed.bytes > 0 && !member.name.split('/').any(beside));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    if files.len() > 1 {
        files.retain(|member| of_name(&member.name).is_some());
    }
    if files.is_empty() {
        let what = "there is nothing to load in the zip archive, no file in it has the name of a format and holds anything";
        return Err(DecodeError::Corrupt(what.into()));
    }
    Ok(files)
}

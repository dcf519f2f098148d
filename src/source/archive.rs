//! What of an archive is data.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::decode::DecodeError;
use crate::source::input::is_marker;
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

/// The members of an archive that are data, in the order of their names, at least one: those whose names have the
/// extension of a format, or the only one that there is. Empty and hidden ones and what writers leave beside their
/// data are passed over, as in a folder.
///
/// # Errors
/// Where the archive cannot be read, or there is none.
pub(super) fn data(file: &File) -> Result<Vec<Member>, DecodeError> {
    let all = zip::members(file)?;
    if all.iter().any(|member| member.name == "[Content_Types].xml") {
        let what = "a spreadsheet or another document of Office, which cannot be read; save it as CSV first";
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

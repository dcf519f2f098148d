//! What tells an input from others, and from itself after a change.
//!
//! Of its content that is its [`fingerprint`].

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

use crate::batch::{covers, fingerprint};
use crate::objects::Object;
use crate::pipeline::Stop;
use crate::port::runs::InputIdentity;
use crate::source::changed::modified;
use crate::source::zip::Member;
use crate::source::{Compression, Input, shown};

/// Bytes of all the files of a load of which the whole content is hashed when it begins: some 20 ms. Those
/// that do not fit are known by the time of their last change.
const MOST_CONTENT: u64 = 64 << 20;

/// What each input is known by. Once the stop is set no more content is hashed. With a `source_id` that name stands in the place of the paths. A
/// file that cannot be read has no fingerprint: it is for those who load it to say so.
pub fn identify(inputs: &[Input], source_id: Option<&str>, stop: &Stop) -> Vec<InputIdentity> {
    let mut left = MOST_CONTENT;
    let named = |name: &str, index: usize| match inputs.len() {
        1 => format!("id:{name}"),
        _ => format!("id:{name}#{}", index + 1),
    };
    let one = |(index, input): (usize, &Input)| {
        // A pipe has a path too, and opening it would take bytes from it.
        let file = input.path.as_deref().zip(input.bytes);
        if let Some(member) = &input.member {
            return of_member(input, member, source_id.map(|name| named(name, index)));
        }
        if let Some(object) = &input.object {
            return of_object(input, object, source_id.map(|name| named(name, index)));
        }
        let fingerprint =
            file.and_then(|(path, bytes)| File::open(path).and_then(|file| fingerprint(&file, bytes)).ok());
        let id = match (source_id, &input.path) {
            (Some(name), _) => Some(named(name, index)),
            (None, Some(path)) if file.is_some() => Some(absolute(path)),
            (None, _) => None,
        };
        let bytes = input.bytes.filter(|_| file.is_some());
        let modified =
            file.and_then(|(path, _)| std::fs::metadata(path).ok()).map(|metadata| modified(&metadata));
        let short = file.filter(|(_, bytes)| !covers(*bytes) && *bytes <= left && !stop.is_set());
        let content = short.and_then(|(path, bytes)| {
            left -= bytes;
            content(&File::open(path).ok()?, bytes, &|| stop.is_set())
        });
        let (failed, unproven) = (None, false);
        let name = input.name.to_string();
        InputIdentity { name, id, bytes, fingerprint, failed, unproven, modified, content }
    };
    inputs.iter().enumerate().map(one).collect()
}

/// A member of an archive is known by what the archive says of it, whatever else is in there.
fn of_member(input: &Input, member: &Member, named: Option<String>) -> InputIdentity {
    InputIdentity {
        name: input.name.to_string(),
        id: named.or_else(|| input.absolute()),
        bytes: Some(member.packed.bytes),
        fingerprint: Some(format!("{:08x}", member.packed.crc)),
        failed: None,
        unproven: false,
        modified: None,
        content: None,
    }
}

/// An object is known by what its store says of its version, without a byte of it.
fn of_object(input: &Input, object: &Object, named: Option<String>) -> InputIdentity {
    InputIdentity {
        name: input.name.to_string(),
        id: named.or_else(|| input.absolute()),
        bytes: input.bytes,
        fingerprint: object.version(),
        failed: None,
        unproven: false,
        modified: None,
        content: None,
    }
}

/// A hash of the first bytes of a file, so many; `None` where it has fewer, or was stopped.
pub(super) fn content(file: &File, bytes: u64, stopped: &dyn Fn() -> bool) -> Option<String> {
    let mut hash = Xxh3Default::new();
    each_piece(file, 0..bytes, stopped, &mut |piece| hash.update(piece)).then(|| hex(&hash))
}

/// The hash as it is noted.
pub(super) fn hex(hash: &Xxh3Default) -> String {
    format!("{:016x}", hash.digest())
}

/// Hands on a part of a file, piece by piece; whether that was all of it.
fn each_piece(
    file: &File,
    part: Range<u64>,
    stopped: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]),
) -> bool {
    let (mut at, mut buffer) = (part.start, vec![0; 256 << 10]);
    while at < part.end {
        let most = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(buffer.len());
        match file.read_at(buffer.get_mut(..most).unwrap_or_default(), at) {
            _ if stopped() => return false,
            Ok(0) => return false,
            Ok(count) => {
                take(buffer.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// Whether the file begins with all that was in it then, of which the hash is known.
pub fn begins_with(input: &Input, before: &InputIdentity) -> bool {
    let path = input.path.as_deref().filter(|_| input.member.is_none());
    let file = path.and_then(|path| File::open(path).ok());
    let now = file.zip(before.bytes).and_then(|(file, bytes)| content(&file, bytes, &|| false));
    now.is_some() && now == before.content
}

/// Whether the file has only grown since it had that size and fingerprint, and what it had then
/// are whole lines of plain text, so that they mean today what they meant then; or a compressed stream,
/// which is not read beyond what has come: one that ended early gives the same rows, and then the rest.
pub fn has_grown(input: &Input, before: &InputIdentity) -> bool {
    let (Some(path), Some(now), Some(then)) = (&input.path, input.bytes, before.bytes) else {
        return false;
    };
    if now <= then || then == 0 || input.member.is_some() {
        return false;
    }
    let look = || -> io::Result<bool> {
        let file = File::open(path)?;
        if Some(fingerprint(&file, then)?) != before.fingerprint {
            return Ok(false);
        }
        let (mut first, mut last) = ([0; 4], [0; 1]);
        let some = file.read_at(&mut first, 0)?;
        file.read_exact_at(&mut last, then - 1)?;
        if Compression::of(first.get(..some).unwrap_or_default()) != Compression::None {
            return Ok(true);
        }
        let text = first.iter().take(some).all(|b| *b >= b' ' || matches!(b, b'\t' | b'\r' | b'\n'));
        Ok(text && !first.starts_with(b"PAR1") && !first.starts_with(b"ARRO") && last == *b"\n")
    };
    look().unwrap_or(false)
}

/// The path that is the same from everywhere.
pub(crate) fn absolute(path: &Path) -> String {
    let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    path.map_or_else(|_| String::new(), shown)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::expand;

    fn of(path: &Path) -> (Input, InputIdentity) {
        let input = expand(&[path.as_os_str().to_owned()], false).unwrap().remove(0);
        let stop = Stop::new().unwrap();
        let identity = identify(std::slice::from_ref(&input), None, &stop).remove(0);
        (input, identity)
    }

    #[test]
    fn a_change_at_either_end_and_of_the_size_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        for size in [0, 1, 1000, 128 << 10, 300 << 10] {
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            let (_, before) = of(&path);
            assert!(before.is_same(&of(&path).1));
            for at in [0, size.saturating_sub(1)] {
                if size > 0 {
                    let mut bytes = vec![b'x'; size];
                    bytes[at] = b'y';
                    std::fs::write(&path, bytes).unwrap();
                    assert!(!before.is_same(&of(&path).1), "{size} {at}");
                }
            }
            std::fs::write(&path, vec![b'x'; size + 1]).unwrap();
            assert!(!before.is_same(&of(&path).1), "{size}");
        }
    }

    #[test]
    fn of_all_files_together_no_more_is_read_beforehand_than_takes_a_moment() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv", "c.csv", "d.csv"] {
            let size = if name == "d.csv" { 1 << 20 } else { 30 << 20 };
            File::create(directory.path().join(name)).unwrap().set_len(size).unwrap();
        }
        let inputs = expand(&[directory.path().as_os_str().to_owned()], false).unwrap();
        let stop = Stop::new().unwrap();
        let known =
            || identify(&inputs, None, &stop).iter().map(|one| one.content.is_some()).collect::<Vec<_>>();
        assert_eq!(known(), [true, true, false, true]);
        stop.set();
        assert_eq!(known(), [false; 4]);
    }

    #[test]
    fn growth_is_told_from_other_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        let grows = |before: &str, after: &str| {
            std::fs::write(&path, before).unwrap();
            let (_, identity) = of(&path);
            std::fs::write(&path, after).unwrap();
            has_grown(&of(&path).0, &identity)
        };
        assert!(grows("a,b\n1,2\n", "a,b\n1,2\n3,4\n"));
        // The line that was the last is another one now.
        assert!(!grows("a,b\n1,2", "a,b\n1,23\n"));
        assert!(!grows("a,b\n1,2\n", "a,b\n1,3\n3,4\n"));
        assert!(!grows("a,b\n1,2\n", "a,b\n"));
        assert!(!grows("PAR1\n", "PAR1\nPAR1\n"));
        assert!(!grows("\u{1f}\u{8b}\n", "\u{1f}\u{8b}\n\n"));
    }

    #[test]
    fn pipes_are_known_by_the_name_they_are_given() {
        let pipe = Input { name: "-".into(), path: None, bytes: Some(7), member: None, object: None };
        let stop = Stop::new().unwrap();
        let named = |id| identify(std::slice::from_ref(&pipe), id, &stop).remove(0);
        assert_eq!(named(None).id, None);
        assert!(!named(None).is_same(&named(None)));
        assert!(named(Some("feed")).is_same(&named(Some("feed"))));
        assert_eq!(named(Some("feed")).bytes, None);
        let directory = tempfile::tempdir().unwrap();
        let mut file = File::create(directory.path().join("a.csv")).unwrap();
        file.write_all(b"x\n").unwrap();
        let two = expand(&[directory.path().as_os_str().to_owned(), "-".into()], false).unwrap();
        let ids = identify(&two, Some("day"), &stop);
        assert_eq!(ids[0].id.as_deref(), Some("id:day#1"));
        assert_eq!(ids[1].id.as_deref(), Some("id:day#2"));
        assert!(ids[0].fingerprint.is_some() && ids[1].fingerprint.is_none());
    }
}

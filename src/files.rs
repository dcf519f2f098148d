//! Files that take the place of others, whole or not at all, the folders that hold them, and small files that are
//! read whole.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// The folder that holds a file: `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside `path` that [`put_in_place`] is to put there. It goes when it is dropped; where the process
/// is killed it stays, so its name begins with `prefix`.
///
/// # Errors
/// Those of making a file with those permission bits in the folder of `path`.
pub fn beside(path: &Path, prefix: &str, mode: u32) -> io::Result<NamedTempFile> {
    let permissions = Permissions::from_mode(mode);
    tempfile::Builder::new().prefix(prefix).permissions(permissions).tempfile_in(folder_of(path))
}

/// Whether [`put_in_place`] may put a file where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// It takes the place of that one.
    Yes,
    /// It is refused, with [`ErrorKind::AlreadyExists`].
    No,
}

/// Puts what [`beside`] made at `path`: its bytes are on disk first, then its name.
///
/// # Errors
/// Those of syncing and renaming; the file that was there is there still.
pub fn put_in_place(file: NamedTempFile, path: &Path, replace: Replace) -> io::Result<File> {
    file.as_file().sync_all()?;
    let file = match replace {
        Replace::Yes => file.persist(path),
        Replace::No => file.persist_noclobber(path),
    };
    let file = file.map_err(|error| error.error)?;
    sync_folder_of(path)?;
    Ok(file)
}

/// Brings the entry of a file to disk.
///
/// # Errors
/// Those of opening and syncing the folder that holds it.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(&File::open(folder_of(path))?)
}

/// Brings a folder's entries to disk.
///
/// # Errors
///
/// What the file system says.
pub fn sync_folder(folder: &File) -> io::Result<()> {
    match folder.sync_all() {
        // Some file systems cannot sync a folder, and do not need to.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Bytes of a file of settings, passwords or certificates: more than any has, and little for a machine.
const SMALL: u64 = 16 << 20;

/// What is in a file that people write by hand, or that holds a few certificates.
///
/// # Errors
/// Those of opening and reading; [`ErrorKind::FileTooLarge`] where it has more than 16 MiB, as a device without an end
/// has, too.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SMALL + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it has more than 16 MiB"));
    }
    Ok(bytes)
}

/// The text in such a file.
///
/// # Errors
/// Those of [`read_small`]; [`ErrorKind::InvalidData`] where it is not UTF-8.
pub fn read_small_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_small(path)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let put = |text: &str, replace| {
            let mut file = beside(&path, ".a-", 0o640).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            put_in_place(file, &path, replace)
        };
        put("one", Replace::No).unwrap();
        assert_eq!(put("two", Replace::No).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        put("three", Replace::Yes).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_small_file_is_read_and_one_without_an_end_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a\n").unwrap();
        assert_eq!(read_small_text(&path).unwrap(), "a\n");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_small_text(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(read_small(Path::new("/dev/zero")).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_bare_name_is_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("a.csv")), Path::new("."));
        assert_eq!(folder_of(Path::new("b/a.csv")), Path::new("b"));
    }
}

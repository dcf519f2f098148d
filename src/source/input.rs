//! What the user named: files, directories, globs, standard input.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::Format;
use crate::decode::format::Reading;
use crate::error::Error;
use crate::objects::{Address, Object, Stopped};
use crate::source::Compression;
use crate::source::archive;
use crate::source::delta;
use crate::source::fault::{address, io_error};
use crate::source::identity::absolute;
use crate::source::names::shown;
use crate::source::objects;
use crate::source::pattern::{Parts, is_pattern};
use crate::source::sniff::of_name;
use crate::source::zip::Member;
use crate::text::flags::RECURSIVE;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name for people: the path, what is no UTF-8 in it escaped, or `-` for standard input.
    pub name: Arc<str>,
    /// Where it is; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Its size in bytes, where it has one: as it is stored.
    pub bytes: Option<u64>,
    /// Which part of the file it is, where that is an archive.
    pub member: Option<Arc<Member>>,
    /// The object that it is, where it is one: the path is its address then.
    pub object: Option<Object>,
}

impl Input {
    /// The one of that name, which need not be there yet.
    pub fn named(name: &OsString) -> Self {
        Self { name: shown(name).into(), path: Some(name.into()), bytes: None, member: None, object: None }
    }

    /// Has its first bytes fetched before it is read, where it is an object that is read from them on.
    pub(super) fn fetch_ahead(&self) {
        let by_places =
            |name: &str| of_name(name).is_some_and(|format| matches!(format.reading, Reading::File(_)));
        if let Some(object) = self.object.as_ref().filter(|_| self.member.is_none() && !by_places(&self.name))
        {
            object.fetch_ahead();
        }
    }

    /// Its path that is the same from everywhere, the member of an archive behind that of the archive; `None` for
    /// standard input.
    pub fn absolute(&self) -> Option<String> {
        if self.object.is_some() {
            return Some(self.name.to_string());
        }
        let path = absolute(self.path.as_deref()?);
        Some(match &self.member {
            Some(member) => format!("{path}/{}", member.name),
            None => path,
        })
    }
}

/// The inputs that the arguments name, in their order.
///
/// `-` is standard input. A path that exists is taken as it is, whatever its name. A directory
/// stands for the files in it that have the extension of a format of ours, sorted by name, with
/// `recursive` for those below it too; hidden ones are passed over. What else has `*`, `?` or `[`
/// in it is a glob. What writers leave beside their data (`_SUCCESS`, `_delta_log`, `.crc`) is no
/// data, unless it is named itself. A file that globs and directories come upon several times is
/// taken once. Of a zip archive each member that is data is an input of its own. The same holds for addresses of
/// object stores; of a web server each file is named.
///
/// # Errors
/// [`Error::Input`] for what does not exist, cannot be looked at, or holds nothing to load;
/// [`Error::Usage`] where standard input is named twice.
pub fn expand(args: &[OsString], recursive: bool) -> Result<Vec<Input>, Error> {
    expand_told(args, recursive, &|| false).map(|(inputs, _)| inputs)
}

/// [`expand`], and what was left out of folders: a sentence for each that has some. `stop` gives up waiting for
/// object stores.
///
/// # Errors
/// As [`expand`].
pub fn expand_told(
    args: &[OsString],
    recursive: bool,
    stop: Stopped<'_>,
) -> Result<(Vec<Input>, Vec<String>), Error> {
    let (mut inputs, mut told) = (Vec::new(), Vec::new());
    let mut stdin = false;
    let plain = |arg: &&OsString| *arg != "-" && fs::metadata(arg).is_ok_and(|m| !m.is_dir());
    let mut seen: HashSet<PathBuf> = args.iter().filter(plain).map(|arg| identity(Path::new(arg))).collect();
    for arg in args {
        if arg == "-" {
            if std::mem::replace(&mut stdin, true) {
                return Err(Error::usage("standard input (-) is named more than once"));
            }
            inputs.push(Input {
                name: "-".into(),
                path: None,
                bytes: stdin_bytes(),
                member: None,
                object: None,
            });
            continue;
        }
        let path = Path::new(arg);
        let found = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let (found, left_out) = directory(path, recursive)?;
                told.extend(left_out.sentence(&shown(path)));
                found
            }
            Ok(_) => {
                inputs.extend(file(path));
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(address) = Address::parse(arg) {
                    let address = address?;
                    let (found, left_out) = objects::named(&address, recursive, stop)?;
                    told.extend(left_out.sentence(&address.name()));
                    inputs.extend(found.into_iter().filter(|input| seen.insert(PathBuf::from(&*input.name))));
                    continue;
                }
                if let Some(error) =
                    address(arg).or_else(|| (!is_pattern(arg)).then(|| io_error(&error, &shown(arg))))
                {
                    return Err(error);
                }
                let (found, left_out) = pattern(arg, recursive)?;
                told.extend(left_out.sentence(&shown(arg)));
                found
            }
            Err(error) => return Err(io_error(&error, &shown(arg))),
        };
        delta::check(&found)?;
        inputs.extend(found.iter().filter(|path| seen.insert(identity(path))).flat_map(|path| file(path)));
    }
    Ok((inputs, told))
}

/// What folders and patterns came upon and did not take.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Files and folders that writers leave beside their data: how many, and the name of one.
    beside: (u64, Option<String>),
    /// Files whose names are those of no format.
    unknown: (u64, Option<String>),
}

impl LeftOut {
    fn count(counted: &mut (u64, Option<String>), path: &Path) {
        counted.0 += 1;
        counted.1.get_or_insert_with(|| shown(path.file_name().unwrap_or_default()));
    }

    /// Something that writers leave beside their data.
    pub(super) fn beside(&mut self, path: &Path) {
        Self::count(&mut self.beside, path);
    }

    /// Something with the name of no format.
    pub(super) fn unknown(&mut self, path: &Path) {
        Self::count(&mut self.unknown, path);
    }

    pub(super) fn add(&mut self, other: Self) {
        for (all, more) in [(&mut self.beside, other.beside), (&mut self.unknown, other.unknown)] {
            all.0 += more.0;
            if all.1.is_none() {
                all.1 = more.1;
            }
        }
    }

    /// What is to be said of it, where there is anything.
    pub(super) fn sentence(self, place: &str) -> Option<String> {
        let said = |(count, one): (u64, Option<String>), (one_of, many): (&str, &str), why: &str| {
            let one = one?;
            let what = if count == 1 { one_of } else { many };
            let such = if count == 1 { format!("({one})") } else { format!("(such as {one})") };
            Some(format!("{count} {what} {why} {such}"))
        };
        let beside =
            said(self.beside, ("file or folder", "files or folders"), "that writers leave beside their data");
        let unknown = said(self.unknown, ("file", "files"), "with the name of no format");
        let all: Vec<String> = beside.into_iter().chain(unknown).collect();
        (!all.is_empty()).then(|| format!("{place}: left out were {}", all.join(", and ")))
    }
}

/// What two names of one file have in common: its path without links, or the name itself where it cannot be
/// followed.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A file; of an archive the files in it. What is wrong with an archive is told when it is read.
fn file(path: &Path) -> Vec<Input> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let name = shown(path);
    let members = metadata.as_ref().and_then(|_| archive::members(path));
    let input = |name: String, bytes, member| Input {
        name: name.into(),
        path: Some(path.to_owned()),
        bytes,
        member,
        object: None,
    };
    match members {
        None => vec![input(name, metadata.map(|m| m.len()), None)],
        Some(members) => members
            .into_iter()
            .map(|one| input(format!("{name}/{}", one.name), Some(one.packed.stored), Some(Arc::new(one))))
            .collect(),
    }
}

/// The size of standard input where it is a file, read from its start.
fn stdin_bytes() -> Option<u64> {
    let stat = rustix::fs::fstat(io::stdin()).ok()?;
    let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    u64::try_from(stat.st_size).ok().filter(|_| regular)
}

fn directory(path: &Path, recursive: bool) -> Result<(Vec<PathBuf>, LeftOut), Error> {
    let (mut found, mut left_out) = (Vec::new(), LeftOut::default());
    let mut directories = 0;
    // A link to a directory may lead back to where it stands.
    let mut been = HashSet::new();
    let mut is_new = |metadata: &fs::Metadata| been.insert((metadata.dev(), metadata.ino()));
    if let Ok(metadata) = fs::metadata(path) {
        is_new(&metadata);
    }
    // Depth first and in order, without a call stack that a deep tree could exhaust.
    let mut open = vec![listed(path)?];
    while let Some(entries) = open.last_mut() {
        let Some(entry) = entries.pop() else {
            open.pop();
            continue;
        };
        let metadata = fs::metadata(&entry).ok();
        if entry.file_name().is_some_and(is_marker) || is_of_iceberg(&entry) {
            LeftOut::count(&mut left_out.beside, &entry);
            continue;
        }
        if metadata.as_ref().is_some_and(fs::Metadata::is_dir) {
            directories += 1;
            if recursive && metadata.as_ref().is_some_and(&mut is_new) {
                open.push(listed(&entry)?);
            }
        } else if of_name(&shown(&entry)).is_none() && !archive::is_named_so(&shown(&entry)) {
            LeftOut::count(&mut left_out.unknown, &entry);
        } else if metadata.is_none_or(|metadata| metadata.is_file()) {
            // A link to nowhere is data that is missing: the reading says so.
            found.push(entry);
        }
    }
    if found.is_empty() {
        let hint = if directories > 0 && !recursive {
            format!("; {RECURSIVE} looks into its directories")
        } else {
            String::new()
        };
        let path = shown(path);
        return Err(Error::input(format!(
            "{path}: nothing to load, no file ends in {}, with or without {}, or in .zip{hint}",
            Format::endings(),
            Compression::endings()
        )));
    }
    Ok((found, left_out))
}

/// What is in a directory and not hidden, the last name first.
fn listed(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let fault = |e: io::Error| io_error(&e, &shown(path));
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// Whether a name is of what Spark, Hive, Delta Lake, Flink and the like leave beside the data that they
/// write: marks that it is complete, logs of its versions, checksums, summaries of its footers.
pub(super) fn is_marker(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let whole: [&[u8]; 8] = [
        b"_SUCCESS",
        b"_FAILURE",
        b"_metadata",
        b"_common_metadata",
        b"_delta_log",
        b"_change_data",
        b"_temporary",
        b"_spark_metadata",
    ];
    let begun: [&[u8]; 2] = [b"_started_", b"_committed_"];
    whole.contains(&name) || begun.iter().any(|begin| name.starts_with(begin)) || name.ends_with(b".crc")
}

/// Whether a folder is the one that Iceberg keeps the versions of a table in, beside that of its data.
fn is_of_iceberg(folder: &Path) -> bool {
    let sign = |name: &OsStr| {
        let name = name.as_bytes();
        name.ends_with(b".metadata.json") || name == b"version-hint.text"
    };
    folder.file_name() == Some(OsStr::new("metadata"))
        && fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| sign(&entry.file_name())))
}

/// Whether a path leads to or through such a name, which the glob does not mean: `out/*.crc` means it,
/// `out/*` does not.
pub(super) fn is_beside(arg: &OsStr, path: &Path) -> bool {
    let parts: Vec<&[u8]> = arg.as_bytes().split(|byte| *byte == b'/').collect();
    let meant = |name: &OsStr| {
        parts.iter().any(|part| {
            *part == name.as_bytes()
                || part.starts_with(b"_")
                || part.ends_with(b".crc") && name.as_bytes().ends_with(b".crc")
        })
    };
    path.iter().any(|name| is_marker(name) && !meant(name))
}

fn pattern(arg: &OsStr, recursive: bool) -> Result<(Vec<PathBuf>, LeftOut), Error> {
    let mut left_out = LeftOut::default();
    let parts = Parts::of(arg)?;
    let (mut files, mut directories, mut markers) = (Vec::new(), Vec::new(), 0);
    for path in parts.found()? {
        match path.is_dir() {
            _ if is_beside(arg, &path) => {
                markers += 1;
                LeftOut::count(&mut left_out.beside, &path);
            }
            true => directories.push(path),
            false => files.push(path),
        }
    }
    // `**` matches directories on its way to the files in them.
    if files.is_empty() && !parts.is_deep() {
        directories.sort_unstable();
        for path in &directories {
            let (found, beside) = directory(path, recursive)?;
            files.extend(found);
            left_out.add(beside);
        }
    } else {
        files.sort_unstable();
    }
    if files.is_empty() {
        let arg = shown(arg);
        return Err(Error::input(match markers {
            0 => format!("{arg}: no file matches"),
            _ => format!("{arg}: no file matches but what writers leave beside their data"),
        }));
    }
    Ok((files, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with these files, each with two bytes in it.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x\n").unwrap();
        }
        root
    }

    /// Expands arguments below the root; gives the names below it, or the message.
    fn expanded(root: &tempfile::TempDir, args: &[&str], recursive: bool) -> String {
        let prefix = format!("{}/", root.path().display());
        let full = |arg: &&str| if *arg == "-" { arg.to_string() } else { format!("{prefix}{arg}") };
        let args: Vec<OsString> = args.iter().map(full).map(OsString::from).collect();
        match expand(&args, recursive) {
            Ok(inputs) => {
                let names: Vec<&str> = inputs.iter().map(|i| i.name.as_ref()).collect();
                names.join(" ").replace(&prefix, "")
            }
            Err(error) => error.to_string().replace(&prefix, "").replace(prefix.trim_end_matches('/'), "."),
        }
    }

    #[test]
    fn directories_give_their_data_files_sorted() {
        let root = tree(&["d/b.csv", "d/a.ndjson.gz", "d/C.PARQUET", "d/x.md", "d/.dlq/bars.ndjson"]);
        assert_eq!(expanded(&root, &["d"], false), "d/C.PARQUET d/a.ndjson.gz d/b.csv");
        let root = tree(&["d/b.csv", "d/a/z.csv", "d/a/.h/x.csv", "d/.hidden.csv", "d/c/y.json"]);
        assert_eq!(expanded(&root, &["d"], false), "d/b.csv");
        assert_eq!(expanded(&root, &["d"], true), "d/a/z.csv d/b.csv d/c/y.json");
    }

    #[test]
    fn a_directory_with_nothing_to_load() {
        let root = tree(&["d/x.md", "d/e/y.csv"]);
        assert_eq!(
            expanded(&root, &["d"], false),
            format!(
                "d: nothing to load, no file ends in {}, with or without .gz, .zst, .bz2, .xz or .lz4, or in .zip; \
                 --recursive looks into its directories",
                Format::endings()
            )
        );
    }

    #[test]
    fn a_name_that_is_no_utf_8_is_no_obstacle() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = tree(&["d/a.csv", "d/.b.csv", "d/.x/c.csv", "d/e/f.csv"]);
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"d/c\xFF.csv")), "x\n").unwrap();
        assert_eq!(expanded(&root, &["d/*.csv"], false), "d/a.csv d/c\\xFF.csv");
        assert_eq!(expanded(&root, &["d/c?.csv"], false), "d/c\\xFF.csv");
        assert_eq!(expanded(&root, &["d"], false), "d/a.csv d/c\\xFF.csv");
        assert_eq!(expanded(&root, &["d/.*.csv"], false), "d/.b.csv");
        assert_eq!(expanded(&root, &["d/**/*.csv"], false), "d/a.csv d/c\\xFF.csv d/e/f.csv");
    }

    #[test]
    fn what_writers_leave_beside_their_data_is_no_data() {
        let root = tree(&[
            "o/_SUCCESS",
            "o/_delta_log/0.json",
            "o/a.csv.crc",
            "o/a.csv",
            "o/_b.csv",
            "o/_committed_1",
            "o/s=1/_metadata",
            "o/s=1/c.csv",
        ]);
        assert_eq!(expanded(&root, &["o"], true), "o/_b.csv o/a.csv o/s=1/c.csv");
        assert_eq!(expanded(&root, &["o/*"], false), "o/_b.csv o/a.csv");
        assert_eq!(expanded(&root, &["o/**/*"], false), "o/_b.csv o/a.csv o/s=1/c.csv");
        assert_eq!(expanded(&root, &["o/_SUCCESS"], false), "o/_SUCCESS");
        assert_eq!(expanded(&root, &["o/_S*"], false), "o/_SUCCESS");
    }

    #[test]
    fn what_was_left_out_of_a_folder_is_told() {
        let root =
            tree(&["d/a.csv", "d/README.md", "d/_SUCCESS", "d/_delta_log/0.json", "d/.hidden", "e/b.csv"]);
        let told = |arg: &str| {
            let (_, told) = expand_told(&[root.path().join(arg).into()], true, &|| false).unwrap();
            told.join("; ").replace(&format!("{}/", root.path().display()), "")
        };
        assert_eq!(
            told("d"),
            "d: left out were 2 files or folders that writers leave beside their data (such as _SUCCESS), and 1 file with the name of no format (README.md)"
        );
        assert_eq!(told("e"), "");
        assert_eq!(
            told("d/*"),
            "d/*: left out were 2 files or folders that writers leave beside their data (such as _SUCCESS)"
        );
    }

    #[test]
    fn the_versions_of_an_iceberg_table_are_no_data() {
        let root = tree(&[
            "t/data/a.parquet",
            "t/metadata/v1.metadata.json",
            "t/metadata/s.json",
            "u/metadata/b.json",
        ]);
        assert_eq!(expanded(&root, &["t", "u"], true), "t/data/a.parquet u/metadata/b.json");
    }

    #[test]
    fn files_that_a_delta_table_has_no_more_are_refused() {
        let root = tree(&["t/p=a%20b/a.csv", "t/b.csv", "t/c.csv"]);
        let log = root.path().join("t/_delta_log");
        fs::create_dir(&log).unwrap();
        let version =
            |number: u32, text: &str| fs::write(log.join(format!("{number:020}.json")), text).unwrap();
        version(
            0,
            "{\"add\":{\"path\":\"p=a%2520b/a.csv\"}}\n{\"add\":{\"path\":\"b.csv\"}}\n{\"commitInfo\":{}}\n",
        );
        assert_eq!(expanded(&root, &["t"], true), "t/b.csv t/c.csv t/p=a%20b/a.csv");
        version(1, "{\"remove\":{\"path\":\"p=a%2520b/a.csv\"}}\n{\"remove\":{\"path\":\"b.csv\"}}\n");
        version(2, "{\"add\":{\"path\":\"b.csv\"}}\n");
        let refused = "t: a Delta table that has t/p=a%20b/a.csv no more, of which the rows were deleted or written anew; export the table by what wrote it, or name its files one by one";
        assert_eq!(expanded(&root, &["t"], true), refused);
        assert_eq!(expanded(&root, &["t/*/*.csv"], false), refused);
        // What is in it still, and what is named.
        assert_eq!(expanded(&root, &["t"], false), "t/b.csv t/c.csv");
        assert_eq!(expanded(&root, &["t/p=a%20b/a.csv"], false), "t/p=a%20b/a.csv");
        fs::remove_file(log.join(format!("{:020}.json", 0))).unwrap();
        assert!(expanded(&root, &["t"], false).starts_with("t: a Delta table whose log does not begin"));
    }

    #[test]
    fn links_to_directories_are_followed_once_and_links_to_nowhere_are_told() {
        let root = tree(&["d/a.csv", "e/b.csv"]);
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, root.path().join(at)).unwrap();
        link("../d", "d/back");
        link("../e", "d/e");
        link("../e", "e/self");
        link("gone.csv", "d/z.csv");
        assert_eq!(expanded(&root, &["d"], true), "d/a.csv d/e/b.csv d/z.csv");
        assert_eq!(expanded(&root, &["d/**/*.csv"], true), "d/a.csv d/e/b.csv d/z.csv");
        assert_eq!(expanded(&root, &["**/a.csv"], true), "d/a.csv");
    }

    #[test]
    fn globs_and_names_with_their_characters() {
        let root = tree(&["a/1.csv", "a/b/2.csv", "a/b/.h.csv", "3.csv", "[x].csv", "x.csv"]);
        assert_eq!(expanded(&root, &["**/*.csv"], false), "3.csv [x].csv a/1.csv a/b/2.csv x.csv");
        assert_eq!(expanded(&root, &["[x].csv"], false), "[x].csv");
        assert_eq!(expanded(&root, &["[wx].csv"], false), "x.csv");
        assert_eq!(expanded(&root, &["a*"], false), "a/1.csv");
        assert_eq!(expanded(&root, &["*.tsv"], false), "*.tsv: no file matches");
        assert!(expanded(&root, &["x[.csv"], false).starts_with("x[.csv: no such file, and not a pattern"));
    }

    #[test]
    fn what_is_named_twice_is_loaded_twice_and_what_is_found_twice_once() {
        let root = tree(&["a.csv", "b.csv"]);
        assert_eq!(expanded(&root, &["a.csv", "a.csv"], false), "a.csv a.csv");
        assert_eq!(expanded(&root, &["*.csv", "[ab].csv", "."], false), "a.csv b.csv");
        assert_eq!(expanded(&root, &["*.csv", "a.csv"], false), "b.csv a.csv");
    }

    #[test]
    fn single_inputs() {
        let root = tree(&["notes.md"]);
        assert_eq!(expanded(&root, &["notes.md", "-"], false), "notes.md -");
        assert_eq!(expanded(&root, &["gone.csv"], false), "no such file: gone.csv");
        assert_eq!(expanded(&root, &["-", "-"], false), "standard input (-) is named more than once");
        let path = root.path().join("notes.md").into_os_string();
        let inputs = expand(&[path], false).unwrap();
        assert_eq!(inputs[0].bytes, Some(2));
    }
}

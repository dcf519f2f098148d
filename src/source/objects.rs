//! What an address names: one object, those of a folder, those that a pattern fits.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::Format;
use crate::error::{Error, Result};
use crate::objects::{Address, Object, Stopped, list, look};
use crate::source::input::{LeftOut, is_beside, is_marker};
use crate::source::pattern::{Parts, is_pattern};
use crate::source::sniff::of_name;
use crate::source::{Compression, Input, archive};
use crate::text::flags::RECURSIVE;

/// Folders above those that were named that are looked at for the log of a Delta table.
const DEEPEST: usize = 16;

/// The inputs that an address names, in the order in which files of these names come, and what was left out.
///
/// What stands for what is as with files: a key that is there is taken as it is, one with objects below it is a
/// folder, and what else has `*`, `?` or `[` in it is a pattern.
///
/// # Errors
/// Where there is none, or nobody can tell.
pub(super) fn named(address: &Address, recursive: bool, stop: Stopped<'_>) -> Result<(Vec<Input>, LeftOut)> {
    let key = address.key();
    let is_pattern = match address.is_listed() {
        true => is_pattern(OsStr::new(key)),
        // A question mark has begun what follows the path.
        false => key.contains(['*', '[']),
    };
    let is_folder = key.is_empty() || key.ends_with('/');
    if !address.is_listed() && (is_pattern || is_folder) {
        return Err(Error::input(format!(
            "{}: a web server has no list of its files; name each of them",
            address.name()
        )));
    }
    if !is_folder && let Some(object) = found(address, is_pattern, stop)? {
        return Ok((inputs(object), LeftOut::default()));
    }
    if !address.is_listed() {
        return Err(Error::input(format!("no such file: {}", address.name())));
    }
    let (all, left_out) = match is_pattern {
        true => fitting(address, recursive, stop)?,
        false => {
            let below = if is_folder { key.to_owned() } else { format!("{key}/") };
            let all = listed(&address.at(below), stop)?;
            if all.is_empty() {
                let what = if is_folder { "objects below" } else { "object" };
                return Err(Error::input(format!("no such {what}: {}", address.name())));
            }
            folder(address, all, recursive)?
        }
    };
    no_delta(address, &all, stop)?;
    Ok((all.into_iter().flat_map(inputs).collect(), left_out))
}

/// The object at an address. One that looks like a pattern is asked for as well: its name may be like that.
fn found(address: &Address, is_pattern: bool, stop: Stopped<'_>) -> Result<Option<Object>> {
    match (look(address, stop), is_pattern) {
        // Who may only list is told so by the listing.
        (Err(_), true) => Ok(None),
        (found, _) => found,
    }
}

/// An object; of an archive the files in it.
fn inputs(object: Object) -> Vec<Input> {
    let name = object.name().clone();
    let is_archive = archive::is_named_so(&name);
    let members = is_archive.then(|| archive::members_of(&object)).flatten();
    let input = |name: Arc<str>, bytes, member| Input {
        path: Some(PathBuf::from(&*name)),
        name,
        bytes: Some(bytes),
        member,
        object: Some(object.clone()),
    };
    match members {
        None => vec![input(name, object.bytes(), None)],
        Some(members) => members
            .into_iter()
            .map(|one| input(format!("{name}/{}", one.name).into(), one.packed.stored, Some(Arc::new(one))))
            .collect(),
    }
}

/// The objects below a prefix, in the order of files of these names; marks of folders are none.
fn listed(prefix: &Address, stop: Stopped<'_>) -> Result<Vec<Object>> {
    let mut all = list(prefix, stop)?;
    all.sort_by(|a, b| a.address().key().split('/').cmp(b.address().key().split('/')));
    let folder = prefix.key().trim_end_matches('/').to_owned();
    let mut marks: HashSet<String> = HashSet::new();
    for pair in all.windows(2) {
        let (one, next) = (pair[0].address().key(), pair[1].address().key());
        if pair[0].bytes() == 0 && next.strip_prefix(one).is_some_and(|rest| rest.starts_with('/')) {
            marks.insert(one.to_owned());
        }
    }
    all.retain(|object| {
        let key = object.address().key();
        !(marks.contains(key) || object.bytes() == 0 && key == folder)
    });
    Ok(all)
}

/// Those of a folder, as of one of files.
fn folder(address: &Address, all: Vec<Object>, recursive: bool) -> Result<(Vec<Object>, LeftOut)> {
    let at = match address.key() {
        "" => 0,
        key => key.trim_end_matches('/').len() + 1,
    };
    let (mut found, mut left_out, mut deeper) = (Vec::new(), LeftOut::default(), false);
    let iceberg = iceberg(&all);
    for object in all {
        let key = object.address().key();
        let below = key.get(at..).unwrap_or_default();
        let (folders, name) = below.rsplit_once('/').unwrap_or(("", below));
        if below.split('/').any(|part| part.starts_with('.')) {
            continue;
        }
        if !folders.is_empty() && !recursive {
            deeper = true;
        } else if below.split('/').any(|part| is_marker(OsStr::new(part)))
            || iceberg.iter().any(|folder| key.starts_with(&**folder))
        {
            left_out.beside(Path::new(key));
        } else if of_name(name).is_none() && !archive::is_named_so(name) {
            left_out.unknown(Path::new(key));
        } else {
            found.push(object);
        }
    }
    if found.is_empty() {
        let hint = if deeper { format!("; {RECURSIVE} looks into its folders") } else { String::new() };
        return Err(Error::input(format!(
            "{}: nothing to load, no object ends in {}, with or without {}, or in .zip{hint}",
            address.name(),
            Format::endings(),
            Compression::endings()
        )));
    }
    Ok((found, left_out))
}

/// The folders called `metadata` in which Iceberg keeps the versions of a table.
fn iceberg(all: &[Object]) -> HashSet<String> {
    let folder = |object: &Object| {
        let (folder, name) = object.address().key().rsplit_once('/')?;
        let is = (folder == "metadata" || folder.ends_with("/metadata"))
            && (name.ends_with(".metadata.json") || name == "version-hint.text");
        is.then(|| format!("{folder}/"))
    };
    all.iter().filter_map(folder).collect()
}

/// Those that a pattern fits; where it fits folders alone, those in them.
fn fitting(address: &Address, recursive: bool, stop: Stopped<'_>) -> Result<(Vec<Object>, LeftOut)> {
    let key = address.key();
    let parts = Parts::of(OsStr::new(key))?;
    let plain = key.find(['*', '?', '[']).and_then(|at| key.get(..at)).unwrap_or(key);
    let all = listed(&address.at(plain), stop)?;
    let (mut left_out, mut markers) = (LeftOut::default(), 0u64);
    let (mut found, mut folders) = (Vec::new(), Vec::<String>::new());
    for object in &all {
        let key = object.address().key();
        if parts.fit(Path::new(key)) {
            if is_beside(OsStr::new(address.key()), Path::new(key)) {
                markers += 1;
                left_out.beside(Path::new(key));
            } else {
                found.push(object.clone());
            }
        } else if !parts.is_deep() {
            let above = key.match_indices('/').filter_map(|(at, _)| key.get(..at));
            let fits = above.filter(|folder| parts.fit(Path::new(folder))).map(str::to_owned);
            folders.extend(fits.filter(|folder| folders.last() != Some(folder)).take(1).collect::<Vec<_>>());
        }
    }
    if found.is_empty() && !parts.is_deep() {
        for name in folders {
            let below = format!("{name}/");
            let own =
                all.iter().filter(|object| object.address().key().starts_with(&below)).cloned().collect();
            let (more, beside) = folder(&address.at(below), own, recursive)?;
            found.extend(more);
            left_out.add(beside);
        }
    }
    if found.is_empty() {
        let name = address.name();
        return Err(Error::input(match markers {
            0 => format!("no object fits {name}"),
            _ => format!("{name} fits nothing but what writers leave beside their data"),
        }));
    }
    Ok((found, left_out))
}

/// Refuses what is of a Delta table, whose log says which of its objects still count.
fn no_delta(address: &Address, found: &[Object], stop: Stopped<'_>) -> Result<()> {
    let log = |folder: &str| match folder {
        "" => "_delta_log/".to_owned(),
        folder => format!("{folder}/_delta_log/"),
    };
    let key = address.key();
    let plain = key.find(['*', '?', '[']).and_then(|at| key.get(..at)).unwrap_or(key);
    let mut above: Vec<String> =
        plain.match_indices('/').filter_map(|(at, _)| plain.get(..at)).map(str::to_owned).collect();
    above.push(String::new());
    // Folders between the one that was named and its objects are those of partitions: the table is above them.
    let first =
        found.first().and_then(|object| object.address().key().rsplit_once('/')).map(|(folder, _)| folder);
    for folder in first
        .into_iter()
        .flat_map(|folder| folder.match_indices('/').filter_map(|(at, _)| folder.get(..at)).chain([folder]))
    {
        above.push(folder.to_owned());
    }
    above.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
    above.dedup();
    for folder in above.iter().take(DEEPEST) {
        let log = address.at(log(folder));
        if !list(&log, stop)?.is_empty() {
            return Err(Error::input(format!(
                "{}: it is of a Delta table ({}), whose log says which of its files still count, and the log is not read in an object store: download the folder and load that, or name the files that count",
                address.name(),
                log.name()
            )));
        }
    }
    Ok(())
}

//! Which files are meant by what the user named.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::follow::watcher::watched;
use crate::source::followed::FollowOptions;
use crate::source::{Parts, expand, shown};

/// The files that the patterns name now.
pub(super) fn found(options: &FollowOptions) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for pattern in &options.patterns {
        // What is not there yet may come.
        let inputs = expand(std::slice::from_ref(pattern), options.recursive).unwrap_or_default();
        paths.extend(inputs.into_iter().filter_map(|input| input.path));
    }
    paths
}

/// Says what is not there yet. What may not be read will not appear.
pub(super) fn expect(options: &FollowOptions) -> Result<()> {
    if found(options).is_empty() {
        tracing::warn!(
            "nothing to follow yet: waiting for {}",
            options.patterns.iter().map(shown).collect::<Vec<_>>().join(", ")
        );
    }
    for pattern in &options.patterns {
        let (directory, _) = watched(pattern);
        let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        let list = std::fs::read_dir(&directory).map(drop);
        // A directory that may be passed and not listed shows a file to whoever knows its name.
        if list.as_ref().is_err_and(denied) && !Path::new(pattern).is_file() {
            return Err(Error::input(format!(
                "{}: this user may not read the directory, and would never see what comes into it; mend its permissions",
                shown(&directory)
            )));
        }
    }
    Ok(())
}

/// Whether a file of that name, which may be there no more, would be followed.
pub(super) fn would_follow(options: &FollowOptions, path: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = absolute(path);
    options.patterns.iter().any(|pattern| {
        let named = absolute(Path::new(pattern));
        let within = || match options.recursive {
            true => path.starts_with(&named),
            false => path.parent() == Some(&named),
        };
        named == path
            || named.is_dir() && within()
            || Parts::of(named.as_os_str()).is_ok_and(|parts| parts.fit(&path))
    })
}

pub(super) fn is_named(options: &FollowOptions, path: &Path) -> bool {
    options.patterns.iter().any(|pattern| Path::new(pattern) == path)
}

//! What comes with the program: completions, manual, units, dashboard, alerts, package.

mod completions;
mod grafana;
mod man;
mod package;
mod units;
mod vendors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{programs, without};

/// The folder of that name in the repository.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of the repository.
fn text(name: &str) -> String {
    fs::read_to_string(folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("a name of UTF-8");
        let bytes = fs::read(entry.path()).expect("a file");
        // Pictures are no texts; that they are there is enough.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (name, text)
    };
    entries.map(|entry| read(entry.expect("an entry"))).collect()
}

/// Runs a program, the first word of the command; `None` where it is left out.
fn try_run(command: &mut Command, tested: &str) -> Option<Output> {
    let name = command.get_program().to_str().expect("a name of UTF-8").to_owned();
    without::program(&name, tested)?;
    Some(command.env("PATH", programs::path()).output().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// All that it said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

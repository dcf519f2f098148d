//! What comes with the program: completions, manual, units, dashboard, alerts, package.
//!
//! What a machine has no program for is left out, and a line says so.

mod completions;
mod grafana;
mod man;
mod package;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use crate::harness::programs;

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

/// What has been told is not told again.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Runs a program; `None` where it is not installed, which is told.
fn try_run(command: &mut Command, unchecked: &str) -> Option<Output> {
    match command.env("PATH", programs::path()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            let line = format!("{program}: {error}; {unchecked} is not checked");
            if TOLD.lock().expect("no teller panics").insert(line.clone()) {
                // Not by `eprintln!`, which a passing test keeps to itself.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            None
        }
    }
}

/// All that it said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

//! Tests that are left out, by the name of what they need and this machine has not.
//!
//! `MDSCTL_TEST_WITHOUT` lists the names, with commas between them; `scripts/test` sets it to what it cannot
//! install. Without it a test that cannot run fails: one that passes by not running is worth nothing.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::harness::programs;

/// The variable with the names.
const VARIABLE: &str = "MDSCTL_TEST_WITHOUT";

/// What has been told is not told again.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Leaves out what is tested with something that is not there, and says so.
///
/// # Panics
/// Where the name is not among those that are left out.
pub fn leave_out(name: &str, tested: &str) {
    let names = std::env::var(VARIABLE).unwrap_or_default();
    assert!(
        names.split(',').any(|left| left.trim() == name),
        "{name} is not there, and {tested} is tested with it: scripts/test installs what it can, and {VARIABLE}={name} leaves it out"
    );
    let line = format!("left out, for want of {name}: {tested}");
    if TOLD.lock().expect("no teller panics").insert(line.clone()) {
        // Not by `eprintln!`, which a passing test keeps to itself.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// The program of that name; `None` where it is left out, which is told.
pub fn program(name: &str, tested: &str) -> Option<PathBuf> {
    let places = programs::path();
    // Some are where only root looks.
    let mut places = places.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let found = places.find_map(|place| Some(Path::new(place).join(name)).filter(|path| path.is_file()));
    if found.is_none() {
        leave_out(name, tested);
    }
    found
}

/// A command of that program with an empty environment but for the search path; `None` where it is left out.
pub fn command(name: &str, tested: &str) -> Option<Command> {
    let mut command = Command::new(program(name, tested)?);
    command.env_clear().env("PATH", programs::path());
    Some(command)
}

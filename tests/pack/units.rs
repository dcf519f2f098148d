//! The units of `contrib/systemd`.

use std::process::Command;

use super::{files, folder, said, text, try_run};
use crate::harness::Work;

const PROGRAM: &str = "/usr/bin/mdsctl";

#[test]
fn systemd_has_no_complaint() {
    let work = Work::new();
    let mut paths = Vec::new();
    for (name, unit) in files(&folder("contrib/systemd")) {
        if name.ends_with(".service") || name.ends_with(".timer") {
            let name = name.replace("@.", "@ticks.");
            paths.push(work.write(&name, unit.replace(PROGRAM, env!("CARGO_BIN_EXE_mdsctl"))));
        }
    }
    assert_eq!(paths.len(), 5, "{paths:?}");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).args(&paths);
    let Some(output) = try_run(&mut verify, "the form of the units") else { return };
    let said = said(&output);
    // Of other units of the machine nothing is our business.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("mdsctl")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn units_start_commands_and_flags_that_there_are() {
    let work = Work::new();
    for (name, unit) in files(&folder("contrib/systemd")) {
        if !name.ends_with(".service") {
            continue;
        }
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("ExecStart");
        let line = line.strip_prefix(PROGRAM).unwrap_or_else(|| panic!("{name}: {line}"));
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with('$')).collect();
        // The form is looked at before --help is obeyed.
        work.mdsctl(words).arguments(["--help"]).run().expect(0);
        for setting in
            ["SuccessExitStatus=3 130 143", "Restart=on-failure", "NoNewPrivileges=yes", "User=mdsctl"]
        {
            assert!(unit.lines().any(|line| line == setting), "{name}: {setting}");
        }
        let prevented = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
        assert!(prevented.is_some_and(|codes| codes.split(' ').any(|code| code == "2")), "{name}");
        // It hides the processes by which a run is known to be alive.
        assert!(!unit.lines().any(|line| line.starts_with("ProtectProc=")), "{name}");
    }
    assert!(text("contrib/README.md").contains("Why 3 is a success"));
}

/// `--help` ends the parsing at once; unknown flags before it are still found.
#[test]
fn a_flag_that_there_is_not_would_be_found() {
    Work::new().mdsctl(["tail", "--no-such-flag", "--help"]).run().expect(2);
}

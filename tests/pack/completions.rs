//! `completions`: current, and understood by the shells that are installed.

use std::collections::BTreeMap;
use std::process::Command;

use super::{files, folder, said, text, try_run};
use crate::documents::completions;
use crate::harness::Work;

/// Shells, and how the files of their completions are called.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "mdsctl.bash"),
    ("zsh", "_mdsctl"),
    ("fish", "mdsctl.fish"),
    ("elvish", "mdsctl.elv"),
    ("powershell", "_mdsctl.ps1"),
];
const DATASETS: [&str; 6] = ["bars", "ticks", "quotes", "options", "fundamentals", "news"];

#[test]
fn the_checked_in_ones_are_current() {
    let work = Work::new();
    let generated: BTreeMap<String, String> = SHELLS
        .iter()
        .map(|(shell, file)| ((*file).into(), work.mdsctl(["completions", shell]).run().expect(0).stdout))
        .collect();
    let made = completions::scripts().expect("the scripts");
    let current = generated == files(&folder("completions")) && generated == made;
    assert!(current, "completions/ is not what the command line is now: run scripts/generate");
}

#[test]
fn neither_configuration_nor_store_matters_and_only_stdout_is_written() {
    let work = Work::new();
    work.write("mdsctl.toml", "this is [no TOML");
    for arguments in [["completions", "bash"], ["man", "load"]] {
        let run = work
            .mdsctl(arguments)
            .env("MDS_DSN", "postgres://nobody@localhost:1/none")
            .env("MDS_COORDINATOR_WORKERS", "many")
            .run()
            .expect(0);
        assert!(run.stderr.is_empty(), "{run}");
    }
    let left: Vec<_> = std::fs::read_dir(work.path("")).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 2, "more than the home and the configuration: {left:?}");
    let run = Work::new().mdsctl(["completions", "tcsh"]).run().expect(2);
    assert!(run.stderr.contains("bash") && run.stderr.contains("powershell"), "{run}");
}

/// What bash's own completion gives for the last of these words.
fn bash(words: &[&str]) -> Option<Vec<String>> {
    const ASK: &str = r#"
        source "$0" || exit 1
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        function=$(complete -p mdsctl | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" mdsctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let script = folder("completions/mdsctl.bash");
    let mut command = Command::new("bash");
    let output = try_run(
        command.args(["--noprofile", "--norc", "-c", ASK]).arg(script).args(words),
        "completion in bash",
    )?;
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    Some(said(&output).lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes() {
    for (words, expected) in [
        (&["mdsctl", "loa"][..], &["load"][..]),
        (&["mdsctl", "schema", "ap"], &["apply"]),
        (&["mdsctl", "load", "--dataset", ""], &DATASETS),
        (&["mdsctl", "load", "x.csv", "--on-conf"], &["--on-conflict"]),
        (&["mdsctl", "completions", "fi"], &["fish"]),
    ] {
        let Some(found) = bash(words) else { return };
        assert_eq!(found, expected, "{words:?}");
    }
}

/// What zsh shows, asked for what there is to choose from or for the line after a Tab.
fn zsh(what: &str, line: &str) -> Option<String> {
    try_run(Command::new("zsh").arg("--version"), "completion in zsh")?;
    let mut command = Command::new("timeout");
    command.args(["60", "zsh", "-f"]).arg(folder("tests/pack/complete.zsh"));
    command.arg(folder("completions")).args([what, line]).env("TERM", "xterm");
    // The line ends are a terminal's.
    try_run(&mut command, "completion in zsh").map(|output| said(&output).replace('\r', ""))
}

#[test]
fn zsh_completes() {
    for (line, choices) in [
        ("mdsctl loa", &["load"][..]),
        ("mdsctl schema ap", &["apply"]),
        ("mdsctl load --dataset ", &DATASETS),
    ] {
        let Some(said) = zsh("choices", line) else { return };
        for choice in choices {
            assert!(said.contains(&format!("choice:{choice}\n")), "{line:?}, {choice}: {said}");
        }
    }
    for (line, completed) in [
        ("mdsctl loa", "mdsctl load "),
        ("mdsctl schema ap", "mdsctl schema apply "),
        ("mdsctl load --dataset ti", "mdsctl load --dataset ticks "),
        ("mdsctl load --on-conf", "mdsctl load --on-conflict="),
        ("mdsctl load --on-conflict=up", "mdsctl load --on-conflict=update "),
    ] {
        let Some(said) = zsh("line", line) else { return };
        assert!(said.contains(&format!("line:{completed}\n")), "{line:?}: {said}");
    }
}

#[test]
fn fish_completes() {
    let work = Work::new();
    for (line, expected) in [
        ("mdsctl loa", &["load"][..]),
        ("mdsctl schema ap", &["apply"]),
        ("mdsctl load --dataset ", &DATASETS),
        ("mdsctl load --on-conf", &["--on-conflict"]),
    ] {
        let mut command = Command::new("fish");
        command.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]);
        command.arg(folder("completions/mdsctl.fish")).arg(line).env("HOME", work.path("home"));
        let Some(output) = try_run(&mut command, "completion in fish") else { return };
        let said = said(&output);
        let mut found: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{line:?}: {said}");
    }
}

#[test]
fn elvish_and_powershell_know_every_command_and_flag() {
    for file in ["mdsctl.elv", "_mdsctl.ps1"] {
        let script = text(&format!("completions/{file}"));
        for word in
            ["load", "tail", "inspect-dlq", "replay-dlq", "schema", "runs", "--dataset", "--on-conflict"]
        {
            assert!(script.contains(&format!("{word} ")) || script.contains(&format!("'{word}'")), "{word}");
        }
    }
}

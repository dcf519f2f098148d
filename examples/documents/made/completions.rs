//! What a shell completes, from the command line's own description.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use clap_complete::Shell;

/// Shells, and how the files of their completions are called.
pub const SHELLS: [(Shell, &str); 5] = [
    (Shell::Bash, "mdsctl.bash"),
    (Shell::Zsh, "_mdsctl"),
    (Shell::Fish, "mdsctl.fish"),
    (Shell::Elvish, "mdsctl.elv"),
    (Shell::PowerShell, "_mdsctl.ps1"),
];

/// A script for each of them, by the names of their files.
pub fn scripts() -> Result<BTreeMap<String, String>> {
    SHELLS.iter().map(|(shell, name)| Ok(((*name).to_owned(), script(*shell)?))).collect()
}

fn script(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut mdsctl::cli::command(), "mdsctl", &mut script);
    let script = String::from_utf8(script).context("the completions are not text")?;
    Ok(match shell {
        Shell::Bash => in_bash(&script),
        Shell::Zsh => in_zsh(&script),
        _ => script,
    })
}

/// Commands that take files.
const OF_FILES: [&str; 4] = ["load", "tail", "inspect__subcmd__dlq", "replay__subcmd__dlq"];

/// What bash offers where no flag is begun.
const FILES: &str = "            local IFS=$'\\n'
            COMPREPLY=($(compgen -f -- \"${cur}\"))
            if [[ \"${BASH_VERSINFO[0]}\" -ge 4 ]]; then
                compopt -o filenames 2>/dev/null
            fi
            return 0
";

/// With files in place of flags and of names of arguments, where it is files that are taken.
fn in_bash(script: &str) -> String {
    let (mut out, mut of_files) = (String::new(), false);
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let text = line.trim();
        if let Some(case) = text.strip_suffix(')').filter(|case| case.starts_with("mdsctl__subcmd__")) {
            of_files = OF_FILES.iter().any(|name| case.strip_prefix("mdsctl__subcmd__") == Some(name));
        }
        if let Some(words) = text.strip_prefix("opts=\"").and_then(|rest| rest.strip_suffix('"')) {
            let is_word = |word: &&str| !word.starts_with(['<', '[']);
            let words: Vec<&str> = words.split(' ').filter(is_word).collect();
            out.push_str(&format!("            opts=\"{}\"\n", words.join(" ")));
        } else if of_files && text.starts_with("if [[ ${cur} == -* ||") {
            out.push_str("            if [[ ${cur} == -* ]] ; then\n");
        } else if of_files && line == "            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )" {
            // The line behind it returns.
            lines.next();
            out.push_str(FILES);
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// With flags after the first file too: two colons would have all that follows be files.
fn in_zsh(script: &str) -> String {
    let line = |line: &str| match line.strip_prefix("'*::") {
        Some(rest) => format!("'*:{rest}\n"),
        None => format!("{line}\n"),
    };
    script.lines().map(line).collect()
}

//! `mdsctl completions`: what a shell completes, from the command line's own description.

use anyhow::{Context as _, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::app::exit::Exit;
use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::print;

/// Runs it.
pub fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mdsctl", &mut script);
    let script = String::from_utf8(script).context("the completions are not text")?;
    let script = match args.shell {
        Shell::Bash => in_bash(&script),
        Shell::Zsh => in_zsh(&script),
        _ => script,
    };
    print(&script)?;
    Ok(Exit::Stored)
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

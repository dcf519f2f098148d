//! The manual, a page a command, from the command line's own description.
//!
//! Options come from the arguments; examples and notes from the help behind them; exit status,
//! environment and files from which groups of arguments a command has. No page has a date: the same
//! program gives the same pages.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Of the commands that write rows.
const ENDS_OF_RUNS: [(&str, &str); 8] = [
    ("0", "All rows are stored, and on disk."),
    ("1", "Internal error."),
    ("2", "Usage, configuration, credentials or schema."),
    ("3", "Finished; some rows are in the dead-letter queue."),
    ("4", "Stopped at --max-rejects."),
    ("5", "The store was not available, and the run gave up."),
    ("6", "An input is unreadable or corrupt."),
    ("130, 143", "Interrupted (SIGINT) or terminated (SIGTERM, SIGHUP, SIGQUIT); what was read is stored."),
];
/// Of those that only look.
const ENDS: [(&str, &str); 3] =
    [("0", "Done."), ("1", "Internal error."), ("2", "Usage, configuration, credentials or schema.")];
const UNAVAILABLE: (&str, &str) = ("5", "The store was not available.");
const UNREADABLE: (&str, &str) = ("6", "An input is unreadable or corrupt.");
/// Of `health`, as monitoring plugins have it.
const HEALTH: [(&str, &str); 4] = [
    ("0", "All is well."),
    ("1", "Warning."),
    ("2", "Critical."),
    ("3", "Unknown: it could not be found out."),
];

/// Environment that no single flag stands for.
const STORE_VARIABLES: [(&str, &str); 3] = [
    ("DATABASE_URL", "The store, where neither --dsn nor MDS_DSN names one."),
    (
        "PGSERVICE, PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, …",
        "What the connection string leaves out, as libpq reads them.",
    ),
    ("PGPASSFILE, PGSERVICEFILE, PGSYSCONFDIR", "Where passwords and services are kept."),
];
const TERMINAL_VARIABLES: [(&str, &str); 2] =
    [("NO_COLOR", "Without colours, if it is not empty."), ("TERM", "dumb: no colours, no live display.")];

const CONFIGURATION: [(&str, &str); 2] = [
    ("./mdsctl.toml", "Configuration: the long names of flags, as defaults."),
    (
        "$XDG_CONFIG_HOME/mdsctl/config.toml, ~/.config/mdsctl/config.toml",
        "The same, where the working directory has none.",
    ),
];
const STORE_FILES: [(&str, &str); 2] = [
    ("mds.db", "The embedded store, in the working directory, where no other is named."),
    ("~/.pgpass, ~/.pg_service.conf", "Passwords and services, as libpq reads them."),
];
const QUEUES: (&str, &str) =
    (".dlq/<dataset>.ndjson", "The dead-letter queue: rows that were refused, with the reason.");
const CHECKPOINTS: (&str, &str) =
    (".mdsctl/tail-<hash>.json", "How far each file has been followed, where --checkpoint names no other.");

/// Parts of the help that are sections of their own here.
const OWN_SECTIONS: [&str; 2] = ["Environment:", "Exit codes:"];

/// A page for each command, by the names of their files.
pub fn pages() -> Result<BTreeMap<String, String>> {
    let commands = commands();
    commands.iter().map(|entry| Ok((format!("{}.1", entry.name), page(entry, &commands)?))).collect()
}

/// A command, and those above and below it.
struct Entry {
    command: Command,
    /// `mdsctl-schema-apply`.
    name: String,
}

/// All commands, each behind the one that it belongs to.
fn commands() -> Vec<Entry> {
    let mut root = mdsctl::cli::command().disable_help_subcommand(true);
    root.build();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found
}

fn collect(command: &Command, found: &mut Vec<Entry>) {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    found.push(Entry { command: command.clone(), name });
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| collect(sub, found));
}

/// The page of a command.
fn page(entry: &Entry, commands: &[Entry]) -> Result<String> {
    let command = &entry.command;
    let man = Man::new(command.clone());
    let mut text = title(&entry.name).into_bytes();
    let mut own = Roff::new();
    synopsis(&mut own, command);
    (|| -> std::io::Result<()> {
        man.render_name_section(&mut text)?;
        own.to_writer(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut text)?;
        }
        rest(entry, commands).to_writer(&mut text)
    })()
    .with_context(|| format!("the page {} cannot be made", entry.name))?;
    let text = String::from_utf8(text).with_context(|| format!("the page {} is not text", entry.name))?;
    Ok(tidy(&text))
}

/// The title line, with an empty date.
fn title(name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {} 1 \"\" \"mdsctl {version}\" \"mdsctl manual\"\n", name.to_uppercase())
}

/// With the preamble once, and with requests rather than empty lines, which are a fault in a page.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut preamble = Vec::new();
    let mut literal = false;
    for line in text.lines().map(str::trim_end) {
        match line {
            ".nf" => literal = true,
            ".fi" => literal = false,
            _ if line.starts_with(".ie ") || line.starts_with(".el ") => {
                if !preamble.contains(&line) {
                    preamble.push(line);
                }
                continue;
            }
            _ => {}
        }
        let line = if line.is_empty() && !literal { ".sp" } else { line };
        match (lines.last(), line) {
            (Some(&".sp"), ".sp" | ".br") => {}
            (Some(&".br"), ".sp") => {
                lines.pop();
                lines.push(line);
            }
            _ => lines.push(line),
        }
    }
    preamble.append(&mut lines);
    preamble.join("\n") + "\n"
}

/// The usage line rather than all flags once more.
fn synopsis(roff: &mut Roff, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold(name), roman(usage.strip_prefix(name).unwrap_or(usage))]);
}

/// The sections behind the options.
fn rest(entry: &Entry, commands: &[Entry]) -> Roff {
    let command = &entry.command;
    let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
    let is_root = entry.name == "mdsctl";
    let mut roff = Roff::new();

    roff.control("SH", ["EXIT STATUS"]);
    let mut ends: Vec<(&str, &str)> = match entry.name.as_str() {
        "mdsctl-health" => HEALTH.to_vec(),
        _ if is_root || has("workers") => ENDS_OF_RUNS.to_vec(),
        _ => ENDS.to_vec(),
    };
    if ends.len() == ENDS.len() {
        ends.extend(has("dsn").then_some(UNAVAILABLE));
        ends.extend(has("queues").then_some(UNREADABLE));
    }
    if entry.name == "mdsctl-schema-check" {
        ends.insert(3, ("2", "The tables are not as they should be."));
    }
    list(&mut roff, &ends);

    let mut variables = Vec::new();
    for argument in command.get_arguments() {
        let (Some(name), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        variables.push((
            name.to_string_lossy().into_owned(),
            format!("As --{flag}, which takes precedence over it."),
        ));
    }
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    if is_root || has("dsn") {
        variables.extend(STORE_VARIABLES.iter().map(owned));
    }
    if is_root {
        variables.push(("MDS_…".to_owned(), "As flags of the commands; see their pages.".to_owned()));
    }
    variables.extend(TERMINAL_VARIABLES.iter().map(owned));
    roff.control("SH", ["ENVIRONMENT"]);
    list(&mut roff, &variables);

    let mut files = CONFIGURATION.to_vec();
    files.extend((is_root || has("dsn")).then_some(STORE_FILES).into_iter().flatten());
    files.extend((is_root || has("dlq") || has("queues")).then_some(QUEUES));
    files.extend(has("checkpoint").then_some(CHECKPOINTS));
    roff.control("SH", ["FILES"]);
    list(&mut roff, &files);

    help_behind(&mut roff, command);

    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<&Entry> = commands.iter().filter(|other| other.name != entry.name).collect();
    let mut line: Vec<Inline> = Vec::new();
    for (at, other) in others.iter().filter(|other| near(&entry.name, &other.name)).enumerate() {
        line.extend((at > 0).then(|| roman(", ")));
        line.extend([bold(&*other.name), roman("(1)")]);
    }
    roff.text(line);
    roff
}

/// Whether a page leads to another: `schema` and its actions know one another, others leave the
/// actions out.
fn near(from: &str, to: &str) -> bool {
    const ACTIONS: &str = "mdsctl-schema-";
    !to.starts_with(ACTIONS) || from.starts_with("mdsctl-schema")
}

/// Names and what they mean.
fn list<T: AsRef<str>>(roff: &mut Roff, items: &[(T, T)]) {
    for (name, text) in items {
        roff.control("TP", []);
        roff.text([bold(name.as_ref())]);
        roff.text([roman(text.as_ref())]);
    }
}

/// Examples and notes: what `--help` says behind the flags.
fn help_behind(roff: &mut Roff, command: &Command) {
    let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) else { return };
    let help = help.to_string();
    let blocks: Vec<&str> = help.split("\n\n").collect();
    let examples = |block: &&str| block.starts_with("Examples:");
    for block in blocks.iter().copied().filter(examples) {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in block.lines().skip(1) {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    let own = |block: &&str| OWN_SECTIONS.iter().any(|start| block.starts_with(start));
    let notes = blocks.iter().copied().filter(|block| !examples(block) && !own(block));
    for (at, block) in notes.enumerate() {
        if at == 0 {
            roff.control("SH", ["NOTES"]);
        } else {
            roff.control("PP", []);
        }
        for line in block.lines() {
            // Lines set in on purpose stay lines.
            if line.starts_with(' ') {
                roff.control("br", []);
            }
            roff.text([roman(line.trim_start())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_sections_and_no_date() {
        let commands = commands();
        for entry in &commands {
            let page = page(entry, &commands).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "ENVIRONMENT"] {
                assert!(page.contains(&format!("\n.SH {section}\n")), "{section} in {page}");
            }
            for section in ["EXIT STATUS", "SEE ALSO"] {
                assert!(page.contains(&format!("\n.SH \"{section}\"\n")), "{section} in {page}");
            }
            assert!(page.contains(&title(&entry.name)), "{page}");
            assert!(!page.contains("\n\n"), "{page}");
        }
    }
}

//! What the documents name is there: chapters and headings that are linked, files, flags of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Work;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents, with their texts. What has changed names what is gone by now.
fn documents() -> Vec<(PathBuf, String)> {
    let within = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut all = within(root());
    all.extend(within(&root().join("docs")));
    all.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".md") && name != "CHANGELOG.md" && name != "COORDINATOR-NOTE.md"
    });
    all.sort();
    assert!(all.len() > 5, "{all:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, text)
    };
    all.into_iter().map(read).collect()
}

/// The lines of a document, each with whether it is within a fence.
fn lines(text: &str) -> Vec<(bool, &str)> {
    let mut fenced = false;
    let mut all = Vec::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if !fence {
            all.push((fenced, line));
        }
    }
    all
}

/// What stands between the marks in a line, every second part of it.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The anchors of a document's headings, as they are made of them.
fn anchors(text: &str) -> BTreeSet<String> {
    let of = |heading: &str| {
        let plain = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let headings = lines(text).into_iter().filter(|(fenced, line)| !fenced && line.starts_with('#'));
    headings.map(|(_, line)| of(line)).collect()
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for (_, line) in lines(&text).into_iter().filter(|(fenced, _)| !fenced) {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
            {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => path.clone(),
                    file => path.parent().unwrap_or(root()).join(file),
                };
                let known = match anchor {
                    "" => target.exists(),
                    anchor => fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)),
                };
                if !known {
                    wrong.push(format!("{}: {link}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_that_are_named_are_there() {
    const PLACES: [&str; 10] = [
        "src/",
        "tests/",
        "docs/",
        "examples/",
        "scripts/",
        "contrib/",
        "fixtures/",
        "grafana/",
        "man/",
        "completions/",
    ];
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for (_, line) in lines(&text).into_iter().filter(|(fenced, _)| !fenced) {
            for word in quoted(line).flat_map(str::split_whitespace) {
                let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
                if PLACES.iter().any(|place| word.starts_with(place))
                    && word.chars().all(plain)
                    && !root().join(word).exists()
                {
                    wrong.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What `a/{b,c}.rs` stands for.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (names, after))) => {
            names.split(',').map(|name| format!("{before}{name}{after}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// The table that says where is what has paths below `src`; a name alone is that of a file beside the one before it,
/// or of one of the crate's root.
#[test]
fn files_of_the_table_of_questions_are_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && line.contains("? |")).collect();
    assert!(rows.len() >= 20, "{rows:?}");
    let mut wrong = Vec::new();
    for row in rows {
        let mut folder = root().join("src");
        for word in quoted(row).filter(|word| word.ends_with(".rs") || word.ends_with('/')) {
            for path in expanded(word) {
                let place = match path.contains('/') {
                    true if path.starts_with("tests/") => root().join(&path),
                    true => root().join("src").join(&path),
                    false if root().join("src").join(&path).exists() => root().join("src").join(&path),
                    false => folder.join(&path),
                };
                if !place.exists() {
                    wrong.push(format!("{row}: {path}"));
                }
                folder = place.parent().unwrap_or(root()).to_owned();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The flags in a text: two dashes and a word.
fn flags(text: &str) -> BTreeSet<String> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = text.split(|c: char| !inside(c));
    let flags = words.filter(|word| {
        word.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    flags.map(|word| word.trim_end_matches('-').to_owned()).collect()
}

/// All flags of all commands, by their help.
fn known_flags(work: &Work) -> BTreeSet<String> {
    let mut known = flags(&work.mdsctl(["--help"]).run().expect(0).stdout);
    for command in [
        &["load"][..],
        &["tail"],
        &["replay-dlq"],
        &["inspect-dlq"],
        &["verify"],
        &["health"],
        &["runs"],
        &["schema", "show"],
        &["schema", "apply"],
        &["schema", "check"],
        &["completions"],
        &["man"],
    ] {
        let help = work.mdsctl(command.iter().copied()).arguments(["--help"]).run().expect(0);
        known.extend(flags(&help.stdout));
    }
    known
}

/// The sources of the program, by their paths below `src`, with their own lines: no comments, no unit tests.
fn sources() -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("sources").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.extend((name != "tests").then_some(path));
            } else if name.ends_with(".rs") && !name.contains("test") && name != "type_matrix.rs" {
                let text = fs::read_to_string(&path).expect("a source");
                let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let own = own.lines().filter(|line| !line.trim_start().starts_with("//"));
                let below = path.strip_prefix(root().join("src")).expect("a path below it");
                found.push((below.display().to_string(), own.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(found.len() > 300, "{}", found.len());
    found
}

/// Where those flags are spelled that sentences below the command line name.
const FLAGS: &str = "text/flags.rs";

#[test]
fn advice_of_the_program_names_flags_that_it_has() {
    let mut known = known_flags(&Work::new());
    // Of cargo: how a program is built with what this one was built without.
    known.insert("--features".to_owned());
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let named: Vec<String> =
            text.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).flat_map(flags).collect();
        assert!(path != FLAGS || named.len() > 50, "{named:?}");
        wrong
            .extend(named.iter().filter(|flag| !known.contains(*flag)).map(|flag| format!("{path}: {flag}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn below_the_command_line_flags_are_spelled_in_one_place() {
    let spells = |line: &&str| {
        let rest = line.split("--").skip(1);
        rest.into_iter().any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '{'))
    };
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        // `--features` is a flag of cargo.
        if !path.starts_with("cli/") && path != FLAGS && path != "error/left_out.rs" {
            wrong.extend(text.lines().filter(spells).map(|line| format!("{path}: {}", line.trim())));
        }
    }
    assert!(wrong.is_empty(), "take them from {FLAGS}: {wrong:#?}");
}

#[test]
fn flags_that_are_named_are_known_to_the_program() {
    let mut known = known_flags(&Work::new());
    // Scripts and benchmarks of the repository have flags of their own.
    for directory in ["scripts", "examples", "examples/generate"] {
        let Ok(entries) = fs::read_dir(root().join(directory)) else { continue };
        let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
        known.extend(texts.flat_map(|text| flags(&text)));
    }
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for (fenced, line) in lines(&text) {
            let said: Vec<&str> = match fenced {
                // Of a line with several commands that of ours, up to its comment.
                true => line
                    .split_once("mdsctl ")
                    .map(|(_, ours)| ours.split([';', '|', '#', ':']).next().unwrap_or_default())
                    .into_iter()
                    .collect(),
                false => quoted(line)
                    .filter(|code| code.starts_with("--") || code.starts_with("mdsctl "))
                    .map(|code| code.split(" | ").next().unwrap_or_default())
                    .collect(),
            };
            // `--retry-…` stands for all that begin so.
            let group = |flag: &String| {
                line.contains(&format!("{flag}-…"))
                    && known.iter().any(|one| one.starts_with(&format!("{flag}-")))
            };
            let unknown =
                said.into_iter().flat_map(flags).filter(|flag| !known.contains(flag) && !group(flag));
            wrong.extend(unknown.map(|flag| format!("{}: {flag}: {line}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

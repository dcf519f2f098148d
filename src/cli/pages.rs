//! `mdsctl man` and `mdsctl completions`: what `scripts/generate` has made of the command line.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::app::exit::Exit;
use crate::cli::args::{CompletionsArgs, ManArgs};
use crate::cli::print;
use crate::error::Error;

macro_rules! pages {
    ($($name:literal),+) => { &[$(($name, include_str!(concat!("../../man/mdsctl", $name, ".1")))),+] };
}

/// The pages: what their names have behind that of the program, and their text.
const PAGES: &[(&str, &str)] = pages![
    "",
    "-load",
    "-tail",
    "-inspect-dlq",
    "-replay-dlq",
    "-verify",
    "-health",
    "-runs",
    "-schema",
    "-schema-show",
    "-schema-apply",
    "-schema-check",
    "-completions",
    "-man"
];

/// Shells, and what they complete.
const SHELLS: [(&str, &str); 5] = [
    ("bash", include_str!("../../completions/mdsctl.bash")),
    ("elvish", include_str!("../../completions/mdsctl.elv")),
    ("fish", include_str!("../../completions/mdsctl.fish")),
    ("powershell", include_str!("../../completions/_mdsctl.ps1")),
    ("zsh", include_str!("../../completions/_mdsctl")),
];

/// The script of a shell, by its name.
pub fn script() -> impl TypedValueParser<Value = &'static str> {
    let script =
        |name: String| SHELLS.into_iter().find(|(shell, _)| *shell == name).map(|(_, script)| script);
    PossibleValuesParser::new(SHELLS.map(|(shell, _)| shell))
        .try_map(move |name| script(name).ok_or("no shell"))
}

/// `completions`.
pub fn completions(args: &CompletionsArgs) -> Result<Exit> {
    print(args.shell)?;
    Ok(Exit::Stored)
}

/// `man`.
pub fn man(args: &ManArgs) -> Result<Exit> {
    let Some(directory) = &args.dir else {
        print(page(&args.command)?)?;
        return Ok(Exit::Stored);
    };
    let failed = |path: &Path| Error::usage(format!("{} cannot be written", path.display()));
    std::fs::create_dir_all(directory).with_context(|| failed(directory))?;
    for (name, text) in PAGES {
        let path = directory.join(format!("mdsctl{name}.1"));
        std::fs::write(&path, text).with_context(|| failed(&path))?;
    }
    Ok(Exit::Stored)
}

/// The page of these words, which may be its name.
fn page(words: &[String]) -> Result<&'static str> {
    let name = format!("-{}", words.join("-"));
    let name = if name == "-" { "" } else { name.strip_prefix("-mdsctl").unwrap_or(&name) };
    let found = PAGES.iter().find(|(page, _)| *page == name).map(|(_, text)| *text);
    found.with_context(|| {
        let known = |name: &&str| !name.starts_with("schema-");
        let all: Vec<&str> =
            PAGES.iter().filter_map(|(page, _)| page.strip_prefix('-')).filter(known).collect();
        Error::usage(format!("there is no command {}; there are {}", words.join(" "), all.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_the_words_of_its_command_and_by_its_name() {
        let named = |words: &[&str]| page(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        for (words, name) in [
            (&[][..], ""),
            (&["mdsctl"], ""),
            (&["load"], "-load"),
            (&["mdsctl-inspect-dlq"], "-inspect-dlq"),
            (&["schema", "apply"], "-schema-apply"),
            (&["schema-apply"], "-schema-apply"),
        ] {
            let title = format!(".TH MDSCTL{} 1 ", name.to_uppercase());
            assert!(named(words).unwrap().contains(&title), "{words:?}");
        }
        let error = named(&["lod"]).unwrap_err().to_string();
        assert!(error.contains("no command lod") && error.contains(" load"), "{error}");
    }
}

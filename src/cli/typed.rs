//! The words of the command line as they were typed, for what has to be known before they are understood.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;

use crate::cli::args::Cli;

/// The words of the command line up to a `--`, without the name of the program.
pub struct Typed(Vec<OsString>);

impl Typed {
    /// Of this process.
    pub fn read() -> Self {
        Self::of(std::env::args_os().skip(1))
    }

    fn of(words: impl Iterator<Item = OsString>) -> Self {
        Self(words.take_while(|word| word != "--").collect())
    }

    /// The command: the first word that is neither a flag nor the value of one.
    pub fn command(&self) -> Option<&str> {
        let all = Cli::command();
        let flags = all.get_arguments().filter(|flag| flag.get_action().takes_values());
        let with_value: Vec<&str> = flags.filter_map(clap::Arg::get_long).collect();
        let mut words = self.0.iter();
        while let Some(word) = words.next() {
            let word = word.to_str()?;
            match word.strip_prefix("--") {
                Some(flag) if with_value.contains(&flag) => drop(words.next()),
                Some(_) => {}
                None if word.len() > 1 && word.starts_with('-') => {}
                None => return Some(word),
            }
        }
        None
    }

    /// Those words, in their order.
    pub fn words(&self) -> &[OsString] {
        &self.0
    }

    /// Whether a flag is among them, with or without a value.
    pub fn has(&self, long: &str) -> bool {
        self.places(long).next().is_some()
    }

    /// The last value of a flag.
    pub fn value(&self, long: &str) -> Option<&OsStr> {
        self.places(long).last().and_then(|(place, joined)| match joined {
            Some(value) => Some(value),
            None => self.0.get(place + 1).map(OsString::as_os_str),
        })
    }

    /// Where a flag stands, and its value where that stands in the same word.
    fn places(&self, long: &str) -> impl Iterator<Item = (usize, Option<&OsStr>)> {
        let flag = format!("--{long}");
        self.0.iter().enumerate().filter_map(move |(place, word)| {
            use std::os::unix::ffi::OsStrExt as _;
            match word.as_bytes().strip_prefix(flag.as_bytes())? {
                [] => Some((place, None)),
                [b'=', value @ ..] => Some((place, Some(OsStr::from_bytes(value)))),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        Typed::of(line.split(' ').map(OsString::from))
    }

    #[test]
    fn a_value_is_no_command() {
        for (line, command) in [
            ("--config health load x", Some("load")),
            ("--config=health -v health", Some("health")),
            ("--log-format json --color never tail -", Some("tail")),
            ("--json runs health", Some("runs")),
            ("-q", None),
        ] {
            assert_eq!(typed(line).command(), command, "{line}");
        }
    }

    #[test]
    fn flags_and_their_values() {
        let line = typed("load --config a.toml --log-format=json --json -- --quiet");
        assert_eq!(line.value("config"), Some(OsStr::new("a.toml")));
        assert_eq!(line.value("log-format"), Some(OsStr::new("json")));
        assert!(line.has("json") && !line.has("quiet") && !line.has("log"));
    }
}

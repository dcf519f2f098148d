//! The values of the configuration file as defaults of flags, behind flag and environment.
//!
//! A name that no command has is an error, so that a slip of the pen is not overlooked.

use std::path::Path;

use clap::Command;

use crate::app::configuration::{Fault, Named, Places, names, read};
use crate::app::layout::Layout;
use crate::cli::store::DATABASE_URL;
use crate::error::{Error, Result};

/// The command with the file's values as defaults, and where they stand.
pub fn with_defaults(command: Command, explicit: Option<&Path>) -> Result<(Command, Places)> {
    let Some((path, mode, text)) = read(explicit)? else { return Ok((command, Places::default())) };
    let (command, names, layouts) = apply(command, &text).map_err(|(line, why)| {
        Error::usage(format!("configuration file {}:{line}: {why}", path.display()))
    })?;
    Ok((command, Places { path, mode, names, layouts }))
}

/// The command with the values of that text as defaults, the names in it, and its layouts.
fn apply(command: Command, text: &str) -> Result<(Command, Vec<Named>, Vec<Layout>), Fault> {
    let (names, layouts) = names(text, |name| command.find_subcommand(name).is_some())?;
    let command = names.iter().try_fold(command, |command, named| {
        let mut known = false;
        let command = set(command, named.section.as_deref(), named, &mut known);
        match (&named.section, known) {
            (_, true) => Ok(command),
            (Some(section), _) => {
                Err((named.line, format!("[{section}] {}: the command has no such flag", named.flag)))
            }
            (None, _) => Err((named.line, format!("{}: no command has such a flag", named.flag))),
        }
    })?;
    Ok((command, names, layouts))
}

/// Sets the default of a flag, in all commands or in that of its section, and in the commands below.
fn set(command: Command, section: Option<&str>, named: &Named, known: &mut bool) -> Command {
    let is_meant = |sub: &&Command| section.is_none_or(|section| section == sub.get_name());
    let below: Vec<String> =
        command.get_subcommands().filter(is_meant).map(|sub| sub.get_name().to_owned()).collect();
    let own = command.get_arguments().find(|flag| flag.get_long() == Some(&named.flag));
    let own = own.filter(|_| section.is_none() && named.flag != "config").map(|flag| flag.get_id().clone());
    let command = below
        .iter()
        .fold(command, |command, name| command.mut_subcommand(name, |sub| set(sub, None, named, known)));
    let Some(own) = own else { return command };
    *known = true;
    // A variable takes precedence over the file; the flag and `MDS_DSN` take precedence over this one.
    if named.flag == "dsn" && std::env::var_os(DATABASE_URL).is_some_and(|url| !url.is_empty()) {
        return command;
    }
    let values = named.values.clone();
    command.mut_arg(own, |flag| flag.default_values(values))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::args::{Cli, Command as Chosen, WriteCommand};
    use crate::settings::quantity::Workers;

    fn parse(config: &str, line: &str) -> Result<Cli> {
        let (command, ..) = apply(Cli::command(), config).map_err(|(_, why)| Error::usage(why))?;
        let matches =
            command.try_get_matches_from(line.split(' ')).map_err(|e| Error::usage(e.to_string()))?;
        Cli::from_arg_matches(&matches).map_err(|e| Error::usage(e.to_string()))
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let config = "vendor = 'file'\n[load]\nworkers = 3\nkeep-case = true\nmap = ['ts=a', 'volume=b']";
        let Chosen::Write(WriteCommand::Load(load)) = parse(config, "mdsctl load x.csv").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!(
            (load.rows.data.vendor.as_deref(), load.engine.workers),
            (Some("file"), Workers::Fixed(3))
        );
        assert!(load.rows.data.values.keep_case && load.rows.data.values.map.len() == 2);
        let Chosen::Write(WriteCommand::Load(load)) =
            parse(config, "mdsctl load x.csv --vendor flag --workers 1").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!(
            (load.rows.data.vendor.as_deref(), load.engine.workers),
            (Some("flag"), Workers::Fixed(1))
        );
    }

    #[test]
    fn a_section_goes_before_the_top_whatever_their_names() {
        let config = "workers = 3\nvendor = 'top'\nsymbol = 'top'\n[load]\nworkers = 4\nvendor = 'own'\n[tail]\nworkers = 0x10";
        let Chosen::Write(WriteCommand::Load(load)) = parse(config, "mdsctl load x.csv").unwrap().command
        else {
            panic!("load")
        };
        assert_eq!((load.engine.workers, load.rows.data.vendor.as_deref()), (Workers::Fixed(4), Some("own")));
        assert_eq!(load.rows.data.symbol.as_deref(), Some("top"));
        let Chosen::Write(WriteCommand::Tail(tail)) = parse(config, "mdsctl tail x.csv").unwrap().command
        else {
            panic!("tail")
        };
        assert_eq!(
            (tail.engine.workers, tail.rows.data.vendor.as_deref()),
            (Workers::Fixed(16), Some("top"))
        );
    }

    #[test]
    fn slips_of_the_pen_are_named() {
        for (config, word) in
            [("vendr = 'x'", "vendr"), ("[load]\nvendr = 'x'", "vendr"), ("[lod]\nvendor = 'x'", "lod")]
        {
            let error = parse(config, "mdsctl load x.csv").unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn every_name_has_its_line() {
        let text = "# store\ndsn = 'x'\n\n[load]\nworkers = 3\n\n[tail]\nworkers = [\n1]\n";
        let (_, names, layouts) = apply(Cli::command(), text).unwrap();
        let places = Places { path: "a.toml".into(), mode: 0o644, names, layouts };
        let of = |command, flag| places.of(command, flag);
        assert_eq!(of("load", "workers").as_deref(), Some("configuration file a.toml:5"));
        assert_eq!(of("tail", "workers").as_deref(), Some("configuration file a.toml:8"));
        assert_eq!(of("runs", "dsn").as_deref(), Some("configuration file a.toml:2"));
        assert_eq!(of("runs", "workers"), None);
        assert_eq!(apply(Cli::command(), "a = 1\nb = 'x\n").unwrap_err().0, 2);
    }
}

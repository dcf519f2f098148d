//! What is told where columns of the target find nothing in the input: all of it at once.

use arrow::datatypes::Schema;

use crate::dataset::describe::{Check, Dataset};
use crate::dataset::detection;
use crate::dataset::mapping::finder::choices;
use crate::dataset::mapping::{MapOptions, Mapping};
use crate::dataset::names::Names;
use crate::error::Error;
use crate::text::flags::{DATASET, MAP, SET, TENANT, flag};
use crate::text::phrases::{enumerated, list, shell_word};

/// Why a column has no feed.
pub(super) enum Lack {
    /// Several columns could be it.
    Doubt(String),
    /// The name of its column stands in the header more than once: its own name, theirs.
    Repeated(String, Vec<String>),
    /// A sentence that says what is wrong, and a flag.
    Wrong(String, String),
    /// There is none.
    Missing(String),
}

/// What is wrong with rows that say nothing beside their key: they are of another kind.
pub(super) fn no_measure(dataset: &Dataset, mapping: &Mapping) -> Option<Lack> {
    let measures = dataset.checks.iter().find_map(|check| match check {
        Check::Says(names) | Check::Filled(names) => Some(*names),
        _ => None,
    })?;
    let fed = |name: &&str| mapping.columns.iter().any(|(column, ..)| column.name == **name);
    if measures.iter().any(fed) {
        return None;
    }
    let quoted: Vec<String> = measures.iter().map(|name| format!("{name:?}")).collect();
    Some(Lack::Wrong(
        format!(
            "rows of {} need one of {}, and the input has a column for none",
            dataset.name,
            enumerated(&quoted, "and")
        ),
        format!("{MAP} {}=COLUMN if it has one of them by another name", measures.first()?),
    ))
}

/// What is said of an input that has nothing of the dataset, and all of another one: no flag makes it fit.
pub(super) fn of_another(
    source: &Schema,
    dataset: &Dataset,
    names: &Names<'_>,
    options: &MapOptions,
) -> Option<Error> {
    let own = |name: &&str| dataset.column(name).is_some_and(|column| names.has(column));
    if options.mending || dataset.signature.is_empty() || dataset.signature.iter().any(own) {
        return None;
    }
    let other = detection::detect(source, options).ok().filter(|other| other.name != dataset.name)?;
    Some(Error::usage(format!(
        "these columns look like {}, and not like {}: {}; load it by itself, with {DATASET} {}",
        other.name,
        dataset.name,
        list(names.all.iter().copied()),
        other.name
    )))
}

/// Everything that is lacking, in one sentence, with all the flags that it takes.
pub(super) fn lacking(lacks: &[Lack], names: &Names<'_>, mending: bool) -> Error {
    let missing: Vec<&str> = lacks
        .iter()
        .filter_map(|lack| if let Lack::Missing(name) = lack { Some(&**name) } else { None })
        .collect();
    let mut said: Vec<String> = Vec::new();
    let mut flags: Vec<String> = Vec::new();
    for lack in lacks {
        match lack {
            Lack::Doubt(sentence) => said.push(sentence.clone()),
            Lack::Wrong(sentence, flag) => {
                said.push(sentence.clone());
                flags.push(flag.clone());
            }
            Lack::Missing(_) | Lack::Repeated(..) => {}
        }
    }
    let repeated: Vec<(&String, &Vec<String>)> = lacks
        .iter()
        .filter_map(|lack| if let Lack::Repeated(name, all) = lack { Some((name, all)) } else { None })
        .collect();
    if let Some((_, all)) = repeated.first() {
        let quoted: Vec<String> = repeated.iter().map(|(_, all)| format!("{:?}", all[0])).collect();
        let (stand, second) = (if quoted.len() == 1 { "stands" } else { "stand" }, &all[1]);
        said.push(format!(
            "{} {stand} in the header more than once (the second {:?} is called {second:?})",
            enumerated(&quoted, "and"),
            all[0]
        ));
        let which = |(name, all): &(&String, &Vec<String>)| {
            format!("say which: {}", choices(name, all.iter().map(String::as_str)))
        };
        said.extend(repeated.iter().map(which));
    }
    if !missing.is_empty() {
        let quoted: Vec<String> = missing.iter().map(|name| format!("{name:?}")).collect();
        let found = list(names.all.iter().copied());
        said.insert(0, format!("no column for {}: found {found}", enumerated(&quoted, "and")));
        flags.extend(missing.iter().map(|name| match *name {
            "vendor" | "symbol" | "timeframe" if !mending => format!("{} VALUE", flag(name)),
            "vendor" | "symbol" | "timeframe" => format!("{SET} {name}=VALUE"),
            "tenant_id" => format!("{TENANT} UUID or {TENANT} NAME"),
            _ if missing.len() == 1 => format!("{MAP} {name}=COLUMN or {SET} {name}=VALUE"),
            _ => format!("{MAP} {name}=COLUMN"),
        }));
    }
    if missing.iter().any(|name| !matches!(*name, "vendor" | "symbol" | "timeframe" | "tenant_id")) {
        said.extend(names.letters_in_both_cases());
    }
    let flags = if flags.is_empty() { String::new() } else { format!("; add {}", flags.join(" ")) };
    Error::usage(format!("{}{flags}", said.join("; ")))
}

/// The flag that gives a column one value.
pub(in crate::dataset) fn flag_of(name: &str, value: &str) -> String {
    match name {
        "vendor" | "symbol" | "timeframe" => format!("{} {}", flag(name), shell_word(value)),
        _ => format!("{SET} {name}={}", shell_word(value)),
    }
}

//! The module rules of the design, read off the sources.
//!
//! Each layer may use those below it, never those above; modules of one layer do not know one
//! another, except the vocabulary. Each of some crates has one place.

use std::fs;
use std::path::Path;

/// The layers, top to bottom.
const LAYERS: [&[&str]; 11] = [
    &["main"],
    &["cli"],
    &["app"],
    &["report"],
    &["telemetry"],
    &["source", "sink", "dlq"],
    &["pipeline"],
    &["decode"],
    &["coordinator"],
    &["dataset"],
    &["settings"],
];
/// Below them all; its modules know one another.
const VOCABULARY: [&str; 8] = ["batch", "brokers", "model", "port", "error", "files", "objects", "text"];
/// Modules side by side that must not know one another, below their parent. Among the rooms of a store those
/// that know others: a connection knows none, the catalog the connection, and so on to the writes.
const APART: [(&str, &str); 24] = [
    ("sink/postgres", "sink::sqlite"),
    ("sink/sqlite", "sink::postgres"),
    ("sink/postgres/connection", "postgres::catalog"),
    ("sink/postgres/connection", "postgres::encode"),
    ("sink/postgres/connection", "postgres::ledger"),
    ("sink/postgres/connection", "postgres::schema"),
    ("sink/postgres/connection", "postgres::write"),
    ("sink/postgres/catalog", "postgres::encode"),
    ("sink/postgres/catalog", "postgres::ledger"),
    ("sink/postgres/catalog", "postgres::schema"),
    ("sink/postgres/catalog", "postgres::write"),
    ("sink/postgres/encode", "postgres::ledger"),
    ("sink/postgres/encode", "postgres::schema"),
    ("sink/postgres/encode", "postgres::write"),
    ("sink/postgres/bulk", "postgres::ledger"),
    ("sink/postgres/bulk", "postgres::schema"),
    ("sink/postgres/bulk", "postgres::write"),
    ("sink/postgres/catalog", "postgres::bulk"),
    ("sink/postgres/connection", "postgres::bulk"),
    ("sink/postgres/encode", "postgres::bulk"),
    ("sink/postgres/ledger", "postgres::catalog"),
    ("sink/postgres/ledger", "postgres::write"),
    ("sink/postgres/schema", "postgres::write"),
    ("sink/postgres/write", "postgres::schema"),
];
/// Crates, and the only places that may name them.
const PLACES: [(&str, &[&str]); 30] = [
    ("clap", &["main", "cli"]),
    ("anyhow", &["main", "cli"]),
    ("tokio_postgres", &["sink/postgres"]),
    ("tokio_postgres_rustls", &["sink/postgres"]),
    ("rusqlite", &["sink/sqlite"]),
    ("indicatif", &["report"]),
    ("prometheus", &["telemetry"]),
    ("axum", &["telemetry"]),
    ("hyper", &["telemetry"]),
    ("hyper_util", &["telemetry"]),
    ("reqwest", &["telemetry", "objects"]),
    ("object_store", &["objects"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("prost", &["telemetry"]),
    ("prost_types", &["telemetry"]),
    ("tonic", &["telemetry"]),
    ("tonic_health", &["telemetry"]),
    ("tonic_reflection", &["telemetry"]),
    ("parquet", &["decode"]),
    ("dbn", &["decode"]),
    ("zip", &["source", "decode/xlsx"]),
    ("calamine", &["decode"]),
    ("encoding_rs", &["source"]),
    ("redis", &["source/broker"]),
    ("async_nats", &["brokers", "dlq", "source/broker"]),
    ("rdkafka", &["brokers", "dlq", "source/broker"]),
];
/// The only places that look at which of Arrow's types a column has; all others match on `model::values`.
const TYPES: [&str; 2] = ["model", "decode"];
/// What only the command line does: print and exit.
const ENDINGS: [&str; 6] = ["println!", "print!", "eprintln!", "eprint!", "process::exit", "process::abort"];

/// What a use case leaves to its caller.
const STREAMS: [&str; 3] = ["stdout()", "stderr()", "SharedStderr"];

fn layer(module: &str) -> Option<usize> {
    let above = LAYERS.iter().position(|modules| modules.contains(&module));
    above.or_else(|| VOCABULARY.contains(&module).then_some(LAYERS.len()))
}

/// The code of a file without its comments and its unit tests.
fn code(text: &str) -> String {
    let mut code = Vec::new();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//")).peekable();
    while let Some(line) = lines.next() {
        match (line, lines.peek()) {
            ("#[cfg(test)]", Some(next)) if module(next).is_some() => drop(lines.next()),
            // Unit tests stand at the end of their file.
            ("#[cfg(test)]", Some(next)) if next.ends_with(" {") && next.contains("mod ") => break,
            _ => code.push(line),
        }
    }
    code.join("\n")
}

/// The module that a line declares to be in a file of its own.
fn module(line: &str) -> Option<&str> {
    line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name)
}

/// The files, of the one at `path`, that hold nothing but its tests.
fn test_files(path: &str, text: &str) -> Vec<String> {
    let own = path.strip_suffix("/mod").unwrap_or(path);
    let lines = text.lines().zip(text.lines().skip(1));
    let names = lines.filter(|(line, _)| *line == "#[cfg(test)]").filter_map(|(_, next)| module(next));
    names.map(|name| format!("{own}/{name}")).collect()
}

/// Whether `word` stands in `text` by itself.
fn mentions(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part) && (!word.ends_with(part) || !text[at + word.len()..].starts_with(part))
    })
}

/// The modules that a file names through `crate::` or the library's name, nested braces included.
fn used(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let roots = ["crate::", "mdsctl::"];
    for (at, root) in roots.iter().flat_map(|root| code.match_indices(root)) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + root.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ => {}
                }
                match c {
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    _ => name.push(c),
                }
            }
            found.push(name);
        } else {
            found.push(rest.into());
        }
    }
    let first = |path: &String| -> String {
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    found.iter().map(first).filter(|name| !name.is_empty()).collect()
}

/// The literals that look like a SQLSTATE, in unit tests too.
fn states(text: &str) -> Vec<&str> {
    let is_state = |word: &&str| {
        let of_state = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
        word.len() == 5 && word.bytes().all(of_state) && word.bytes().any(|b| b.is_ascii_digit())
    };
    text.split('"').filter(is_state).collect()
}

/// The stores: the folders below `sink`. Others know `sink::Store`, and not which one it is.
fn stores() -> Vec<String> {
    let sinks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink");
    let entries = fs::read_dir(sinks).expect("a directory").flatten().filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().to_str().expect("a name").to_owned()).collect()
}

/// What a file breaks; `path` is below `src`, without `.rs`.
fn faults(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let module = path.split('/').next().unwrap_or(path);
    if module == "lib" {
        return Vec::new();
    }
    let Some(own) = layer(module) else { return vec![format!("{path}: a module without a layer")] };
    let mut faults = Vec::new();
    for name in used(&code) {
        match layer(&name) {
            _ if name == module => {}
            Some(theirs) if theirs > own => {}
            Some(theirs) if theirs == own && own == LAYERS.len() => {}
            Some(_) => faults.push(format!("{path} uses {name}, which is not below it")),
            // Macros and items at the root.
            None => {}
        }
    }
    for (place, other) in APART {
        if path.starts_with(place) && mentions(&code, other) {
            faults.push(format!("{path} uses {other}"));
        }
    }
    for (name, places) in PLACES {
        let at_home = places.iter().any(|p| path == *p || path.starts_with(&format!("{p}/")));
        if !at_home && mentions(&code, &format!("{name}::")) {
            faults.push(format!("{path} names {name}, whose place is {}", places.join(" and ")));
        }
    }
    if module != "sink" {
        for store in stores() {
            let named = code
                .match_indices("sink::")
                .any(|(at, _)| code[at..].split(';').next().is_some_and(|names| mentions(names, &store)));
            let kind = store[..1].to_uppercase() + &store[1..];
            if named || mentions(&code, &kind) {
                faults.push(format!("{path} knows the store {store}, and not any"));
            }
        }
    }
    // What an error means is the store's to say: the engine reads its kind.
    if module == "coordinator" {
        faults.extend(states(text).iter().map(|state| format!("{path} knows the SQLSTATE {state}")));
    }
    if !TYPES.contains(&module) {
        let lines = code.lines().filter(|line| tells_types_apart(line));
        faults.extend(lines.map(|line| format!("{path} tells Arrow's types apart: {}", line.trim())));
    }
    for stream in STREAMS {
        if module == "app" && mentions(&code, stream) {
            faults.push(format!("{path} writes to {stream}, and is to tell its caller"));
        }
    }
    for ending in ENDINGS {
        if !["main", "cli"].contains(&module) && mentions(&code, ending) {
            faults.push(format!("{path} calls {ending}"));
        }
    }
    faults
}

/// Whether a line has one of Arrow's types in a pattern or a comparison, not as one that it makes.
fn tells_types_apart(line: &str) -> bool {
    line.match_indices("DataType::").any(|(at, _)| {
        let (before, after) = (line[..at].trim_end(), &line[at..]);
        let compared = ["|", "let", "matches!(", "== &", "== ", "!= &"]
            .iter()
            .any(|end| before.ends_with(end.trim_end()));
        compared || after.contains("=>") && !before.contains("=>")
    })
}

fn sources(directory: &Path, below: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().expect("a name");
        if path.is_dir() {
            sources(&path, &format!("{below}{name}/"), found);
        } else if let Some(stem) = name.strip_suffix(".rs") {
            found.push((format!("{below}{stem}"), fs::read_to_string(&path).expect("a file")));
        }
    }
}

#[test]
fn every_module_uses_only_what_is_below_it() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    assert!(found.len() > 10, "the sources");
    let tests: Vec<String> = found.iter().flat_map(|(path, text)| test_files(path, text)).collect();
    found.retain(|(path, _)| !tests.iter().any(|test| path == test || path.starts_with(&format!("{test}/"))));
    let faults: Vec<String> = found.iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_rules_are_enforced() {
    let wrong = [
        ("decode/csv", "use crate::source::Files;"),
        ("decode/csv", "use crate::{batch::Batch, source::{Files, More}};"),
        ("decode/csv", "fn f() { crate::cli::run() }"),
        ("sink/postgres/copy", "use crate::dlq::Writer;"),
        ("sink/postgres/copy", "use crate::sink::sqlite::Thing;"),
        ("sink/postgres/encode/text", "use crate::sink::postgres::write::Session;"),
        ("sink/sqlite/write", "use tokio_postgres::Row;"),
        ("coordinator/queue", "use crate::decode::RawBatch;"),
        ("coordinator/queue", "fn f() { eprintln!(\"no\") }"),
        ("cli/load", "use crate::sink::sqlite::SqliteSink;"),
        ("app/health", "use crate::sink::{Store, postgres::PgHealth};"),
        ("app/load", "use crate::cli::args::LoadArgs;"),
        ("app/load", "fn f() { writeln!(std::io::stdout(), \"no\") }"),
        ("cli/load", "fn f(store: &Kind) -> bool { matches!(store, Kind::Postgres(_)) }"),
        ("coordinator/worker", "fn f(code: &str) -> bool { code == \"40P01\" }"),
        ("coordinator/tests/script", "#[cfg(test)]\nmod tests {\n    const CODE: &str = \"23505\";\n}"),
        ("settings", "use crate::dataset::BARS;"),
        ("batch", "use crate::settings::Secret;"),
        ("model/decimal", "use crate::dataset::number::NumberBuilder;"),
        ("report/bar", "use clap::Parser;"),
        ("cli/health", "use hyper::Request;"),
        ("sink/postgres/trace", "use opentelemetry_sdk::Resource;"),
        ("dlq/mod", "fn f() -> anyhow::Result<()> { std::process::exit(1) }"),
        ("extra/mod", ""),
        ("dataset/convert", "match array.data_type() {\n    DataType::Utf8 => 1,"),
        ("dataset/convert", "match array.data_type() {\n    DataType::Int8\n    | DataType::Int16 => 1,"),
        ("sink/sqlite/bind", "if field.data_type() == &DataType::Utf8 {"),
        ("decode/mod", "#[cfg(test)]\nmod script;\nuse crate::cli::Thing;"),
    ];
    for (path, text) in wrong {
        assert!(!faults(path, text).is_empty(), "{path}: {text}");
    }
    let right = [
        ("main", "use mdsctl::cli;\nfn main() -> anyhow::Result<()> { println!(\"x\") }"),
        ("cli/load", "use crate::report::Bar; use crate::sink::Store; use clap::Parser;"),
        ("source/files", "use crate::{decode::Chunks, error::Result};"),
        ("port", "use crate::batch::Reject;"),
        ("dataset/describe", "Self::Date => Some(DataType::Date32),"),
        ("model/values", "match array.data_type() { DataType::Utf8 => 1,"),
        ("coordinator/worker", "const NAMES: [&str; 2] = [\"timeout\", \"PANIC\"];"),
        ("sink/postgres/copy", "use tokio_postgres::Row; use crate::sink::Split;"),
        ("decode/csv", "// use crate::cli;\n#[cfg(test)]\nmod tests {\n    use crate::source::Files;\n}"),
        ("decode/mod", "#[cfg(test)]\nmod script;\npub mod csv;"),
        ("dataset/mapper", "use crate::dataset::Kind; fn blueprint() {}"),
    ];
    for (path, text) in right {
        assert_eq!(faults(path, text), Vec::<String>::new(), "{path}: {text}");
    }
    assert_eq!(test_files("decode/mod", "#[cfg(test)]\nmod script;\nmod csv;"), ["decode/script"]);
    assert_eq!(test_files("decode/csv", "#[cfg(test)]\npub(super) mod tests;"), ["decode/csv/tests"]);
}

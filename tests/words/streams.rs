//! What goes to stdout and to stderr, whatever the names and the values are.

use serde_json::Value;

use super::{BARS, object};
use crate::harness::run::Run;
use crate::harness::{Store, Work};

/// No server listens there.
const AWAY: &str = "postgres://nobody@127.0.0.1:1/none";

#[test]
fn json_is_an_object_at_every_end() {
    let work = Work::new();
    work.write("bars.csv", BARS);
    let flags = ["--vendor", "v", "--timeframe", "1d"];
    let (pg, lite) = (["--dsn", AWAY], ["--dsn", "sqlite:s.db"]);
    // Arguments, exit code, whether an error is told.
    let cases: [(&[&str], &[&str], i32, bool); 19] = [
        (&["load", "missing.csv"], &lite, 6, true),
        (&["load", "bars.csv"], &pg, 5, true),
        (&["load", "bars.csv", "--no-such-flag"], &lite, 2, true),
        (&["load", "bars.csv", "--workers", "many"], &lite, 2, true),
        (&["load"], &lite, 2, true),
        (&["tail", "x.parquet", "--format", "parquet"], &lite, 2, true),
        (&["tail", "-"], &pg, 5, true),
        (&["replay-dlq", "missing"], &lite, 6, true),
        (&["inspect-dlq", "missing"], &[], 6, true),
        (&["inspect-dlq"], &[], 0, false),
        (&["inspect-dlq", "--limit", "x"], &[], 2, true),
        (&["health"], &pg, 2, true),
        (&["health", "--no-such-flag"], &lite, 3, true),
        (&["runs"], &pg, 5, true),
        (&["runs"], &lite, 0, false),
        (&["runs", "0123"], &lite, 2, true),
        (&["schema", "check"], &pg, 5, true),
        (&["schema", "apply"], &pg, 5, true),
        (&["schema", "check", "--rls"], &lite, 2, true),
    ];
    for (arguments, store, code, told) in cases {
        let run = work.mdsctl(arguments.iter().chain(store).copied()).arguments(["--json"]).run();
        if arguments[0] == "replay-dlq" && run.code == 0 {
            // Whether a queue that is not there is a mistake is not the matter here.
            object(&run);
            continue;
        }
        let object = object(&run.expect(code));
        assert_eq!(!object["error"].is_null(), told, "{arguments:?}: {object}");
        assert_eq!(object["command"], arguments[0], "{object}");
    }
    for (more, dry) in [(&["--dry-run"][..], true), (&[], false)] {
        let run = work.mdsctl(["load", "bars.csv", "--json"]).arguments(flags).arguments(lite);
        let object = object(&run.arguments(more.iter().copied()).run().expect(3));
        assert_eq!(object["dry_run"], dry, "{object}");
        let books = object["rows"].as_object().expect("books");
        let of = |name: &str| books[name].as_u64().expect("a number");
        let outcomes = books.keys().filter(|name| *name != "read").map(|name| of(name)).sum::<u64>();
        assert_eq!((of("read"), outcomes), (3, 3), "{object}");
    }
}

/// Lines of stderr, each an object with a level and a message.
fn lines(run: &Run) -> Vec<Value> {
    let read = |line: &str| -> Value {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}: {run}"));
        let is_progress = value["event"] == "progress";
        assert!(
            is_progress || value["level"].is_string() && value["fields"]["message"].is_string(),
            "{line}"
        );
        value
    };
    run.stderr.lines().map(read).collect()
}

#[test]
fn every_line_of_stderr_is_json_where_that_is_asked_for() {
    let work = Work::new();
    work.write("bars.csv", BARS);
    work.write("broken.toml", "dsn = 'sqlite:s.db\n");
    work.write("json.toml", "log-format = 'json'\n");
    let json = ["--log-format", "json"];
    let load = |more: &[&str]| {
        let flags = ["load", "bars.csv", "--vendor", "v", "--timeframe", "1d", "--dsn", "sqlite:s.db"];
        work.mdsctl(flags).arguments(more.iter().copied()).arguments(json).run()
    };
    let said = lines(&load(&[]).expect(3));
    let last = &said[said.len() - 1];
    assert_eq!(last["fields"]["result"]["rows"]["rejected"], 1, "{said:?}");
    for more in
        [&["--dry-run"][..], &["--progress", "plain"], &["--progress", "bar", "-v"], &["--color", "always"]]
    {
        assert!(!lines(&load(more)).is_empty(), "{more:?}");
    }
    for (arguments, code) in [
        (&["load", "missing.csv"][..], 6),
        (&["load", "bars.csv", "--no-such-flag"], 2),
        (&["load", "bars.csv", "--config", "broken.toml"], 2),
        (&["load", "bars.csv", "--dsn", AWAY], 5),
        (&["inspect-dlq", "missing"], 6),
        (&["inspect-dlq", "missing/"], 6),
        (&["runs", "--dsn", AWAY], 5),
        (&["schema", "check"], 2),
    ] {
        let run = work.mdsctl(arguments.iter().copied()).arguments(json).run().expect(code);
        let said = lines(&run);
        assert!(!said.is_empty(), "{run}");
        if code != 2 || arguments[0] == "load" {
            assert!(said.iter().any(|line| line["level"] == "ERROR"), "{run}");
        }
    }
    let run = work.mdsctl(["load", "missing.csv", "--config", "json.toml"]).run().expect(6);
    assert_eq!(lines(&run).len(), 1, "{run}");
    let run = work.mdsctl(["load", "x", "--nothing", "--config", "json.toml"]).run().expect(2);
    assert_eq!(lines(&run).len(), 1, "{run}");
}

/// What a terminal would obey.
const ACTIVE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}";

fn is_still(text: &str) -> bool {
    !text.chars().any(|c| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)))
}

#[test]
fn no_name_and_no_value_acts_on_a_terminal() {
    for store in ["SQLite", "PostgreSQL"] {
        let work = Work::new();
        let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
        let name = format!("b{ACTIVE}.csv");
        let rows = BARS.replace(",x,", &format!(",x{ACTIVE},")).replacen("AAPL", &format!("A{ACTIVE}"), 1);
        work.write(&name, rows);
        let odd = format!("odd{ACTIVE}");
        let dsn = store.dsn();
        let stored = ["--dsn", &dsn];
        let load = |more: &[&str]| {
            let flags = ["load", &name, "--vendor", &odd, "--timeframe", "1d", "--format", "csv"];
            work.mdsctl(flags).arguments(stored).arguments(more.iter().copied()).run()
        };
        let mut runs = vec![load(&["--dry-run"]), load(&["-vv"]).expect(3), load(&["--progress", "plain"])];
        let queue = ".dlq/bars.ndjson";
        for arguments in [
            &["load", &odd][..],
            &["load", &name, "--dlq", &odd, "--vendor", "v"],
            &["load", &name, "--map", &odd],
            &["load", &name, "--timezone", &odd],
            &["load", &name, "--table", &odd],
            &["load", &name, "--dataset", &odd],
            &["load", &format!("--{ACTIVE}")],
            &["--config", &odd, "load", &name],
            &["tail", &odd, "--idle-exit", "1ms"],
            &["inspect-dlq", &odd],
            &["inspect-dlq", "--by", "symbol,source", queue],
            &["runs"],
            &["runs", &odd],
            &["replay-dlq", queue],
            &["health", "--url", &odd],
            &["schema", "apply", "--retention", &format!("{odd}=7d")],
        ] {
            let run = work.mdsctl(arguments.iter().copied());
            let takes_store = arguments.iter().any(|a| ["load", "runs", "replay-dlq", "schema"].contains(a));
            runs.push(if takes_store { run.arguments(stored).run() } else { run.run() });
        }
        for run in runs {
            assert!(is_still(&run.stderr) && is_still(&run.stdout), "{store}: {:?}", run.to_string());
        }
        // Where nobody can be harmed the rows are as they are.
        let csv = work.mdsctl(["inspect-dlq", "--format", "csv", queue]).run().expect(0);
        assert!(csv.stdout.contains(&format!("x{ACTIVE}")), "{csv}");
    }
}

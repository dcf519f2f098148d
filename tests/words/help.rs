//! What is offered: help that fits, flags to paste, completions.

use super::BARS;
use crate::harness::{Store, Work};

#[test]
fn short_help_is_wrapped_once() {
    let work = Work::new();
    for command in [
        "load",
        "tail",
        "inspect-dlq",
        "replay-dlq",
        "verify",
        "health",
        "runs",
        "schema",
        "completions",
        "man",
    ] {
        let run = work.mdsctl([command, "-h"]).run().expect(0);
        let wide = run.stdout.lines().find(|line| line.chars().count() > 80 && line.contains(' '));
        assert_eq!(wide, None, "{command}");
        // A word alone between two full lines is what a second wrapping leaves.
        let lines: Vec<&str> = run.stdout.lines().collect();
        let torn = lines.windows(2).find(|pair| {
            let [first, second] = [pair[0], pair[1]];
            let prose = |line: &str| line.starts_with(|c: char| c.is_alphabetic());
            prose(first) && prose(second) && first.chars().count() < 55 && !first.ends_with(['.', ':'])
        });
        assert_eq!(torn, None, "{command}");
    }
    let run = work.mdsctl(["-h"]).run().expect(0);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    let wide = work.mdsctl(["load", "-h"]).env("COLUMNS", "100").run().expect(0);
    assert!(wide.stdout.lines().any(|line| line.chars().count() > 80), "{wide}");
}

#[test]
fn what_is_missing_is_one_command_that_loads_the_file() {
    for store in ["SQLite", "PostgreSQL"] {
        let work = Work::new();
        let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
        let header = "ts,symbol,open,hh,low,close,volume";
        let rows = BARS.replace(",x,", ",1,").replace("ts,symbol,open,high,low,close,volume", header);
        work.write("my bars.csv", rows);
        let dsn = store.dsn();
        let run = work.mdsctl(["-q", "load", "my bars.csv", "--dsn", &dsn]).run().expect(2);
        let said = run.error();
        assert!(said.contains("closest is bars; missing: ") && said.contains("high_price"), "{run}");
        let (_, command) = said.split_once("; run: mdsctl ").expect("a command");
        let command = command.replace("VALUE", "acme").replace("'my bars.csv'", "my\u{a0}bars.csv");
        let words = command.split(' ').map(|word| word.replace('\u{a0}', " "));
        work.mdsctl(words).run().expect(0);
        assert_eq!(store.count("bars"), Some(3), "{store}");
        let high = store.rows("SELECT max(high_price) FROM bars WHERE vendor = 'acme'");
        assert_eq!(high[0][0].as_deref().and_then(|high| high.parse().ok()), Some(2.0), "{store}");
    }
}

#[test]
fn synonyms_are_targets_of_map_and_set() {
    for store in ["SQLite", "PostgreSQL"] {
        let work = Work::new();
        let store = if store == "SQLite" { Store::sqlite(&work) } else { Store::postgres() };
        work.write("bars.csv", "when,what,a,b,c,d\n2024-01-02T00:00:00Z,AAPL,1,4,0.5,2\n");
        let maps = ["time=when", "ticker=what", "o=a", "High=b", "l=c", "close=d"];
        let dsn = store.dsn();
        let run = work.mdsctl([
            "load",
            "bars.csv",
            "--dsn",
            &dsn,
            "--set",
            "provider=acme",
            "--set",
            "interval=1d",
        ]);
        run.arguments(maps.iter().flat_map(|map| ["--map", map])).run().expect(0);
        let found = store.rows(
            "SELECT vendor, symbol, timeframe, open_price, high_price, low_price, close_price FROM bars",
        );
        let texts: Vec<&str> = found[0].iter().map(|value| value.as_deref().unwrap_or("null")).collect();
        assert_eq!(texts[..3], ["acme", "AAPL", "1d"], "{store}");
        let numbers: Vec<f64> = texts[3..].iter().map(|text| text.parse().expect("a number")).collect();
        assert_eq!(numbers, [1.0, 4.0, 0.5, 2.0], "{store}");
    }
}

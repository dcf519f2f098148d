//! What is said of a queue, and the rows that are handed out of it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::pack;
use crate::harness::programs::PROGRAMS;
use crate::harness::run::Running;
use crate::harness::wait::PATIENCE;
use crate::harness::{Run, Store, Work, wait};

const QUEUE: &str = ".dlq/bars.ndjson";

/// Five rows, of which four are bad: two prices, a time, and a line that is too short.
const CSV: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
    2024-03-04T14:30:00Z,acme,AAPL,1m,\"1,5\",2,1,1,0.123456789012345678901\n\
    2024-03-04T14:31:00Z,acme,MSFT,1m,n/b,2,1,1,18446744073709551617\n\
    yesterday,acme,AAPL,1m,1,2,1,1,3\n\
    2024-03-04,acme\n\
    2024-03-04T14:34:00Z,acme,AAPL,1m,1,2,1,1,5\n";

/// A directory with the queue of a load of those.
fn loaded() -> Work {
    let work = Work::new();
    work.write("in/bars.csv", CSV);
    work.mdsctl(["load", "in/bars.csv", "--dataset", "bars", "--json"]).run().expect(3);
    work
}

fn inspect(work: &Work, arguments: &[&str]) -> Run {
    work.mdsctl(["inspect-dlq"]).arguments(arguments.iter().copied()).run()
}

fn record(error: &str, metadata: &Value, items: &Value) -> String {
    json!({"ts": 1732351234.5, "error": error, "metadata": metadata, "items": items}).to_string() + "\n"
}

/// Keys of the groups with their rows.
fn groups(run: &Run) -> Vec<(String, u64)> {
    let json = run.json();
    let groups = json["groups"].as_array().unwrap_or_else(|| panic!("no groups: {run}"));
    let pair = |g: &Value| (g["key"].as_str().unwrap_or("").to_owned(), g["rows"].as_u64().unwrap_or(0));
    groups.iter().map(pair).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

#[test]
fn a_load_with_bad_rows_by_every_key() {
    let work = loaded();
    let by = |by: &str| groups(&inspect(&work, &["--json", "--by", by]).expect(0));
    let pairs = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs.iter().map(|(key, rows)| ((*key).to_owned(), *rows)).collect()
    };
    let codes = by("code");
    assert_eq!(codes.iter().map(|(_, rows)| rows).sum::<u64>(), 4, "{codes:?}");
    assert!(codes[0].0.ends_with(" in open_price") && codes[0].1 == 2, "{codes:?}");
    assert_eq!(by("stage"), pairs(&[("validate", 3), ("decode", 1)]));
    assert_eq!(by("dataset"), pairs(&[("bars", 4)]));
    assert_eq!(by("source"), pairs(&[("in/bars.csv", 4)]));
    assert_eq!(by("symbol"), pairs(&[("AAPL", 2), ("(none)", 1), ("MSFT", 1)]));
    assert_eq!(by("hour").iter().map(|(_, rows)| rows).sum::<u64>(), 4);
    let both = pairs(&[("validate, AAPL", 2), ("decode, (none)", 1), ("validate, MSFT", 1)]);
    assert_eq!(by("stage,symbol"), both);

    let run = inspect(&work, &[]).expect(0);
    for text in [
        "4 dead rows in",
        "in/bars.csv row 1: open_price = \"1,5\"",
        "in/bars.csv row 3: ts = \"yesterday\"",
        "in/bars.csv row 4: 2024-03-04,acme",
        "of 1 row only the input as it came is kept",
    ] {
        assert!(run.stdout.contains(text), "{text:?} is not there: {run}");
    }
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    assert!(!run.stdout.contains('\x1b'), "{run}");
    assert!(inspect(&work, &["--samples", "0"]).expect(0).stdout.lines().all(|l| !l.contains("row 1")));
}

#[test]
fn the_object_for_scripts() {
    let work = loaded();
    let run = inspect(&work, &["--json", "--samples", "1", "--by", "code"]).expect(0);
    let json = run.json();
    assert_eq!(json["files"], json!([{"path": QUEUE, "what": null, "rows": 4}]), "{run}");
    for (name, value) in [("rows", 4), ("undecodable", 1), ("damaged", 0), ("max_attempts", 1)] {
        assert_eq!(json[name], value, "{name}: {run}");
    }
    let time = |value: &Value| {
        let text = value.as_str().unwrap_or_else(|| panic!("no time: {run}"));
        chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|_| panic!("no time: {run}"))
    };
    assert!(time(&json["oldest"]) <= time(&json["newest"]), "{run}");
    assert_eq!(json["hours"].as_array().map(|h| h.iter().filter_map(|h| h["rows"].as_u64()).sum()), Some(4));
    let group = &json["groups"][0];
    assert_eq!((&group["rows"], &group["column"]), (&2.into(), &"open_price".into()), "{run}");
    assert_eq!(group["key"], "bad_number in open_price", "{run}");
    assert_eq!(group["keys"], json!({"code": "bad_number"}), "{run}");
    assert!(group["error"].as_str().is_some_and(|error| !error.is_empty()), "{run}");
    time(&group["first"]);
    let sample =
        json!({"source": "in/bars.csv", "row": 1, "column": "open_price", "value": "1,5", "raw": null});
    assert_eq!(group["samples"], json!([sample]), "{run}");
    assert_eq!(inspect(&work, &["--format", "json", "--samples", "1"]).expect(0).stdout, run.stdout);
}

#[test]
fn filters_choose_rows() {
    let work = Work::new();
    let lines = [
        record(
            "a",
            &json!({"code": "22003", "stage": "write", "source": "x.csv", "rows": [1, 2]}),
            &json!([{"symbol": "A", "volume": 1}, {"symbol": "B", "volume": 2.0}]),
        ),
        record(
            "b",
            &json!({"code": "bad_number", "stage": "validate", "batch": 7}),
            &json!([{"symbol": "a"}]),
        ),
        r#"{"ts":"2020-05-01T12:00:00Z","error":"c","metadata":{"stage":"decode","raw":"x"},"items":[]}"#
            .to_owned()
            + "\n",
    ];
    work.write(QUEUE, lines.concat());
    for (flags, rows) in [
        (&[][..], 4),
        (&["--code", "22003"], 2),
        (&["--code", "22003", "--code", "bad_number"], 3),
        (&["--stage", "DECODE"], 1),
        (&["--symbol", "a"], 2),
        (&["--where", "source=x.csv", "--where", "volume=2.0"], 1),
        (&["--where", "batch=7"], 1),
        (&["--where", "error=a"], 2),
        (&["--since", "2021-01-01"], 3),
        (&["--until", "2020-05-01T12:00:00.5Z"], 1),
        (&["--since", "1h"], 0),
        (&["--limit", "3"], 3),
        (&["--code", "none"], 0),
    ] {
        let run = inspect(&work, &["--json"].iter().chain(flags).copied().collect::<Vec<_>>()).expect(0);
        assert_eq!(run.json()["rows"], rows, "{flags:?}: {run}");
        inspect(&work, flags).expect(0);
    }
    let few = inspect(&work, &["--format", "ndjson", "--limit", "1", "--symbol", "B"]).expect(0);
    assert_eq!(few.stdout, "{\"symbol\":\"B\",\"volume\":2.0}\n");
    for (flags, word) in [
        (&["--since", "soon"][..], "--since"),
        (&["--by", "colour"], "--by"),
        (&["--samples", "1000000"], "--samples"),
        (&["--force"], "--export"),
    ] {
        assert!(inspect(&work, flags).expect(2).stderr.contains(word), "{flags:?}");
    }
}

/// Numbers that no binary float holds, and texts that CSV has to quote.
#[test]
fn exports_are_loaded_again_with_every_digit() {
    let items = json!([
        {"ts": "2024-03-04T14:30:00Z", "vendor": "acme", "symbol": "A", "timeframe": "1m", "open_price": "X", "high_price": null, "low_price": null, "close_price": null, "volume": null},
        {"ts": "2024-03-04T14:31:00.123456Z", "symbol": "B \"Q\", \n ü", "timeframe": "1m", "vendor": "acme", "trades": 7},
    ]);
    let exact = r#"{"ts":"2024-03-04T14:32:00Z","vendor":"acme","symbol":"C","timeframe":"1m","open_price":0.1234567890123456789,"close_price":12345678901234567890.5,"volume":1.10}"#;
    let exact = format!("{{\"ts\":1,\"error\":\"x\",\"metadata\":{{}},\"items\":[{exact}]}}\n");
    let lines = [
        record("x", &json!({"rows": [1, 2]}), &items)
            .replace("\"X\"", "18446744073709551617.000000000000000001"),
        exact,
        record("raw", &json!({"raw": "1;2"}), &json!([])),
        "torn\n".to_owned(),
    ];
    let mut stored = Vec::new();
    for (kind, name) in
        [("csv", "out.csv"), ("ndjson", "out.ndjson"), ("parquet", "out.parquet"), ("stdout", "")]
    {
        let work = Work::new();
        work.write(QUEUE, lines.concat());
        let store = Store::sqlite(&work);
        let to = ["--dataset", "bars", "--dsn", &store.dsn(), "--json"];
        let load = if kind == "stdout" {
            let rows = inspect(&work, &["--format", "ndjson"]).expect(0);
            assert_eq!(rows.stdout.lines().count(), 3, "{rows}");
            assert_eq!(
                rows.stdout.lines().last(),
                lines[1].split_once('[').map(|l| l.1.trim_end_matches("]}\n"))
            );
            work.mdsctl(["load", "-"]).arguments(to).stdin(rows.stdout).run()
        } else {
            let run = inspect(&work, &["--export", name]).expect(0);
            for text in [&format!("3 rows written to {name}"), "1 row left out", "1 line left out"] {
                assert!(run.stderr.contains(text), "{text}: {run}");
            }
            let mode = fs::metadata(work.path(name)).expect("the export").permissions().mode();
            assert_eq!(mode & 0o137, 0, "mode {mode:o}");
            work.mdsctl(["load", name]).arguments(to).run()
        };
        assert_eq!(load.expect(0).books().inserted, 3, "{kind}");
        let columns = "ts, vendor, symbol, open_price, high_price, close_price, volume";
        stored.push(store.rows(&format!("SELECT {columns} FROM bars ORDER BY ts")));
    }
    assert!(stored.iter().all(|rows| *rows == stored[0]), "{stored:?}");
    let cell = |row: usize, column: usize| stored[0][row][column].as_deref();
    assert_eq!(cell(0, 3), Some("18446744073709551617.000000000000000001"));
    assert_eq!(cell(2, 3), Some("0.1234567890123456789"));
    assert_eq!(cell(2, 5), Some("12345678901234567890.5"));
    assert_eq!(cell(1, 2), Some("B \"Q\", \n ü"));
}

#[test]
fn an_export_is_there_whole_or_not_at_all() {
    let work = loaded();
    work.write("mend.csv", "mine");
    let run = inspect(&work, &["--export", "mend.csv"]).expect(2);
    assert!(run.error().contains("--force"), "{run}");
    assert_eq!(fs::read_to_string(work.path("mend.csv")).expect("it"), "mine");
    inspect(&work, &["--export", "mend.csv", "--force", "--code", "no_such_code"]).expect(0);
    assert_eq!(fs::read_to_string(work.path("mend.csv")).expect("it"), "mine");
    let run = inspect(&work, &["--export", "mend.csv", "--force", "--symbol", "msft", "--json"]).expect(0);
    let written = json!({"command": "inspect-dlq", "exit_code": 0, "path": "mend.csv", "rows": 1,
        "undecodable": 0, "damaged": 0, "error": null, "dry_run": false, "notes": [], "deductions": []});
    assert_eq!(run.json(), written);
    let text = fs::read_to_string(work.path("mend.csv")).expect("it");
    assert!(text.lines().count() == 2 && text.contains("18446744073709551617"), "{text}");
    for (path, word) in [("mend.txt", ".parquet"), ("mend", ".parquet"), ("none/mend.csv", "written")] {
        assert!(inspect(&work, &["--export", path]).expect(2).error().contains(word));
    }
    let left = fs::read_dir(work.path(""))
        .expect("it")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert!(left.into_iter().all(|name| !name.starts_with(".export")));
}

#[test]
fn rows_as_csv_have_all_columns() {
    let work = Work::new();
    let items = json!([{"symbol": "A", "text": "a,\"b\"\n"}, {"x": [1, 2], "symbol": ""}, 7]);
    work.write(
        QUEUE,
        record("x", &json!({}), &items) + "{\"ts\":1,\"error\":\"y\",\"items\":[{\"n\":1.10e400}]}\n",
    );
    let run = inspect(&work, &["--format", "csv"]).expect(0);
    let rows = "symbol,text,x,n\nA,\"a,\"\"b\"\"\n\",,\n\"\",,\"[1,2]\",\n,,,1.10e400\n";
    assert_eq!(run.stdout, rows, "{run}");
    assert!(run.stderr.contains("1 row left out"), "{run}");
    // The first row of a file says what columns there are.
    inspect(&work, &["--export", "out.ndjson"]).expect(0);
    let rows = [
        r#"{"symbol":"A","text":"a,\"b\"\n","x":null,"n":null}"#,
        r#"{"symbol":"","text":null,"x":[1,2],"n":null}"#,
        r#"{"symbol":null,"text":null,"x":null,"n":1.10e400}"#,
    ];
    let text = fs::read_to_string(work.path("out.ndjson")).expect("the export");
    assert_eq!(text.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn records_of_the_python_system_and_damaged_lines() {
    let work = Work::new();
    let mut bytes = Vec::new();
    bytes.extend(br#"{"ts": 1732351234.123, "error": "boom", "metadata": {"batch": 7, "attempts": "2"}, "items": [{"symbol": "A", "volume": 1}, {"symbol": "B"}]}"#);
    bytes.extend(b"\nno json\n\xff\xfe\x00binary\n[1,2]\n{\"a\":1}\n\n   \n");
    bytes.extend(vec![b'x'; 65 << 20]);
    bytes.extend(b"\n{\"ts\": \"2024-11-23T10:00:00Z\", \"error\": {\"type\": \"E\"}, \"items\": {\"symbol\": \"C\"}}\n");
    bytes.extend(br#"{"ts": 1732351234, "error": "cut o"#);
    work.write("old.ndjson", bytes);
    let run = inspect(&work, &["old.ndjson", "--json"]).expect(0);
    let json = run.json();
    assert_eq!(
        (&json["rows"], &json["records"], &json["damaged"]),
        (&3.into(), &2.into(), &6.into()),
        "{run}"
    );
    assert_eq!(json["first_damage"]["file"], "old.ndjson", "{run}");
    assert_eq!(json["max_attempts"], 2, "{run}");
    assert_eq!(
        (&json["oldest"], &json["newest"]),
        (&"2024-11-23T08:40:34.123Z".into(), &"2024-11-23T10:00:00.000Z".into())
    );
    let run = inspect(&work, &["old.ndjson"]).expect(0);
    assert!(run.stdout.contains("6 lines are damaged") && run.stdout.contains("boom"), "{run}");
    assert_eq!(inspect(&work, &["old.ndjson", "--format", "ndjson"]).expect(0).stdout.lines().count(), 3);
    let alone = Work::new();
    alone.write(QUEUE, vec![b'x'; 65 << 20]);
    let run = inspect(&alone, &[]).expect(0);
    assert!(run.stdout.contains("longer than 64 MiB"), "{run}");
}

#[test]
fn values_that_are_huge_or_command_a_terminal() {
    let work = Work::new();
    let huge = "9".repeat(3 << 20);
    let items = json!([{"symbol": "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}"}]);
    let metadata =
        json!({"column": "symbol", "source": "\u{1b}[31m/日本語/\r\n", "code": "\u{9b}1m", "rows": [1]});
    let long = format!(
        "{{\"ts\":1e300,\"error\":\"{huge}\",\"metadata\":{{\"column\":\"v\",\"code\":\"{huge}\"}},\"items\":[{{\"v\":{huge}}}]}}\n"
    );
    work.write(QUEUE, record("\u{1b}[2J\n\n\nx", &metadata, &items) + &long);
    for by in ["code", "symbol", "source", "code,source,symbol"] {
        let run = inspect(&work, &["--by", by]).expect(0);
        assert!(run.stdout.len() < 4000, "{by}: {} bytes", run.stdout.len());
        assert!(!run.stdout.contains(|c: char| c.is_control() && c != '\n'), "{run}");
        assert!(!run.stdout.contains('\u{202e}'), "{run}");
        assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    }
    let rows = inspect(&work, &["--format", "ndjson", "--where", "column=v"]).expect(0);
    assert_eq!(rows.stdout, format!("{{\"v\":{huge}}}\n"));
    assert!(inspect(&work, &["--json"]).expect(0).stdout.len() < 8000);
}

#[test]
fn files_are_found_and_taken_once() {
    let work = Work::new();
    let line = |symbol: &str| record("x", &json!({}), &json!([{"symbol": symbol}]));
    for (name, symbol) in [
        ("bars.1.ndjson", "1"),
        ("bars.2.ndjson", "2"),
        ("bars.10.ndjson", "3"),
        ("bars.ndjson", "4"),
        ("bars.parked.ndjson", "5"),
        ("ticks.ndjson", "6"),
    ] {
        work.write(&format!(".dlq/{name}"), line(symbol));
    }
    work.write(".dlq/.hidden.ndjson", line("h"));
    work.write(".dlq/notes.txt", "no queue");
    let symbols = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(["--format", "ndjson"]).collect();
        let run = inspect(&work, &all).expect(0);
        run.stdout.chars().filter(char::is_ascii_digit).collect::<String>()
    };
    assert_eq!(symbols(&[]), "12346", "what is parked is handed out only when it is named");
    assert_eq!(symbols(&[".dlq"]), "12346");
    // As a replay takes them.
    assert_eq!(symbols(&["--limit", "1"]), "4");
    assert_eq!(symbols(&["--limit", "3"]), "234");
    assert_eq!(symbols(&["--limit", "5"]), "12346");
    assert_eq!(inspect(&work, &["--json", "--limit", "2"]).expect(0).json()["rows"], 2);
    assert_eq!(symbols(&[".dlq/bars.ndjson"]), "1234");
    assert_eq!(symbols(&[".dlq/bars.ndjson", ".dlq/bars.2.ndjson", ".dlq"]), "12346");
    assert_eq!(symbols(&[".dlq/bars.parked.ndjson"]), "5");
    assert_eq!(symbols(&[".dlq/*.parked.ndjson", ".dlq/t*.ndjson"]), "56");
    let run = inspect(&work, &[]).expect(0);
    for what in ["parked: tried too often", "set aside"] {
        assert!(run.stdout.contains(what), "{what}: {run}");
    }
    // A replay has the queue, and no row has failed since.
    fs::remove_file(work.path(QUEUE)).expect("removed");
    assert_eq!(symbols(&[QUEUE]), "123");
}

#[test]
fn standard_input_and_archives() {
    let work = loaded();
    let plain = fs::read(work.path(QUEUE)).expect("the queue");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("packed");
    let gzip = gzip.finish().expect("packed");
    work.write("gz/old.ndjson.gz", &gzip);
    work.write("zst/old.ndjson.zst", zstd::encode_all(&*plain, 1).expect("packed"));
    work.write("bz2/old.ndjson.bz2", pack::bzip2(&plain));
    work.write("xz/old.ndjson.xz", pack::xz(&plain));
    work.write("lz4/old.ndjson.lz4", pack::lz4(&plain));
    for arguments in [&["gz/old.ndjson.gz"][..], &["zst"], &["bz2"], &["xz"], &["lz4"], &["-"]] {
        for form in [&["--json"][..], &["--format", "csv"], &["--export", "x.parquet", "--force", "--json"]] {
            let all = arguments.iter().chain(form).copied();
            let run = work.mdsctl(["inspect-dlq"]).arguments(all).stdin(gzip.clone()).run().expect(0);
            let good = match form[0] {
                "--json" => run.json()["rows"] == 4,
                "--format" => run.stdout.lines().count() == 4,
                _ => run.json()["rows"] == 3,
            };
            assert!(good, "{run}");
        }
    }
    work.write("cut.ndjson.gz", &gzip[..gzip.len() / 2]);
    assert!(inspect(&work, &["cut.ndjson.gz"]).expect(6).error().contains("cut.ndjson.gz"));
}

#[test]
fn what_is_not_there_or_cannot_be_read() {
    let work = Work::new();
    for form in [&[][..], &["--format", "csv"], &["--format", "ndjson"], &["--export", "x.csv"]] {
        let run = inspect(&work, form).expect(0);
        assert!(run.stderr.contains("no dead letters: there is no queue in .dlq"), "{run}");
        assert_eq!(run.stdout, "");
    }
    assert!(!work.path("x.csv").exists());
    let run = inspect(&work, &["--json"]).expect(0);
    assert_eq!((&run.json()["rows"], &run.json()["groups"]), (&0.into(), &json!([])), "{run}");
    fs::create_dir(work.path("empty")).expect("made");
    assert!(inspect(&work, &["empty"]).expect(0).stderr.contains("no queue in empty"));
    for name in ["none.ndjson", "none/*.ndjson", "empty/none.ndjson", "/proc/self/mem"] {
        let run = inspect(&work, &[name]).expect(6);
        assert!(run.error().contains(name), "{run}");
    }
    work.write(QUEUE, "");
    assert!(inspect(&work, &[]).expect(0).stdout.contains("0 dead rows"));
    let Some((user, group)) = PROGRAMS.user else {
        fs::set_permissions(work.path(QUEUE), fs::Permissions::from_mode(0o000)).expect("its mode");
        assert!(inspect(&work, &[QUEUE]).expect(6).error().contains("may not read it"));
        return;
    };
    // Permissions do not bind root: somebody else has to run it, and to get here.
    let mut program = Command::new(env!("CARGO_BIN_EXE_mdsctl"));
    if program.arg("--version").uid(user).gid(group).output().is_ok_and(|out| out.status.success()) {
        fs::set_permissions(work.path(""), fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::set_permissions(work.path(QUEUE), fs::Permissions::from_mode(0o600)).expect("its mode");
        let run = work.mdsctl(["inspect-dlq", QUEUE]).user(PROGRAMS.user).run().expect(6);
        assert!(run.error().contains("may not read it"), "{run}");
    }
}

/// What it has printed, once there are so many lines.
fn lines(running: &mut Running, count: usize) -> Vec<String> {
    wait::until(PATIENCE, "lines", || {
        let text = running.printed();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        assert!(!running.has_ended() || lines.len() >= count, "it has ended: {text} {}", running.said());
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn following_goes_on_through_renames() {
    let work = Work::new();
    let live = work.path(QUEUE);
    let line =
        |symbol: &str| record(&format!("e-{symbol}"), &json!({"code": "c"}), &json!([{"symbol": symbol}]));
    work.write(QUEUE, line("old"));
    // Limited, so that it ends by itself.
    let mut running = work.mdsctl(["inspect-dlq", "--follow", "--limit", "9", "--where", "code=c"]).spawn();
    // The first record that it sees tells that it has begun.
    wait::until(PATIENCE, "it to begin", || {
        append(&live, &line("0"));
        wait::within(Duration::from_millis(300), || running.printed().contains("e-0").then_some(()))
    });
    let begun = running.printed().lines().count();
    append(&live, "{\"ts\":1,\"error\":\"e-torn\",\"metadata\":{\"code\":\"c\"},");
    append(&live, "\"items\":[{}]}\n");
    // A replay takes it, with a record that came just before.
    append(&live, &line("1"));
    fs::rename(&live, work.path(".dlq/bars.1.ndjson")).expect("renamed");
    append(&live, &line("2"));
    lines(&mut running, begun + 3);
    // Two rotations between two looks.
    append(&live, &line("3"));
    fs::rename(&live, work.path(".dlq/bars.2.ndjson")).expect("renamed");
    append(&live, &line("4"));
    fs::rename(&live, work.path(".dlq/bars.3.ndjson")).expect("renamed");
    append(&live, &(line("5") + "not a record\n" + &record("other", &json!({"code": "d"}), &json!([{}]))));
    let seen = lines(&mut running, begun + 7);
    // A queue that was not there.
    append(&work.path(".dlq/ticks.ndjson"), &line("6").repeat(20));
    let run = running.finish().expect(0);
    assert!(!run.stdout.contains("e-old") && !run.stdout.contains("other"), "{run}");
    let reason = |line: &String| line.rsplit(": ").next().unwrap_or_default().to_owned();
    let reasons: Vec<String> = seen[begun..].iter().map(reason).collect();
    assert_eq!(reasons[..6], ["e-torn", "e-1", "e-2", "e-3", "e-4", "e-5"], "{run}");
    assert!(seen[begun + 6].contains("damaged"), "{run}");
    assert_eq!(run.stdout.lines().filter(|line| !line.contains("damaged")).count(), 9, "{run}");
}

#[test]
fn following_ends_with_a_signal_and_prints_for_programs() {
    let work = Work::new();
    let line = record("x", &json!({"code": "c"}), &json!([{"symbol": "A", "v": 1.5}, {"symbol": "B"}]));
    for (signal, code, form) in [(Signal::INT, 130, "json"), (Signal::TERM, 143, "ndjson")] {
        let name = format!("{form}.ndjson");
        work.write(&name, "");
        let mut running =
            work.mdsctl(["inspect-dlq", &name, "--follow", "--format", form, "--symbol", "b"]).spawn();
        wait::until(PATIENCE, "a line", || {
            append(&work.path(&name), &line);
            wait::within(Duration::from_millis(300), || (!running.printed().is_empty()).then_some(()))
        });
        let first = lines(&mut running, 1).remove(0);
        assert_eq!(first, if form == "json" { line.trim_end() } else { "{\"symbol\":\"B\"}" });
        running.signal(signal);
        running.finish().expect(code);
    }
    assert!(inspect(&work, &["--follow", "--format", "csv"]).expect(2).error().contains("ndjson"));
    assert!(inspect(&work, &["--follow", "-"]).expect(2).error().contains("standard input"));
}

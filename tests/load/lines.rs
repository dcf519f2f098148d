//! Lines that are no rows, and headers that are none: passed over and said, or refused with advice that
//! loads the file when it is followed.

use crate::harness::{Run, Store, Work, on_every_store};

/// Time, symbol and volume of the bars, in order.
fn bars(store: &Store) -> Vec<String> {
    let rows = store.try_rows("SELECT ts, symbol, volume FROM bars ORDER BY ts, symbol").unwrap_or_default();
    let day = |cell: &Option<String>| cell.as_deref().unwrap_or("null").chars().take(10).collect::<String>();
    rows.iter().map(|row| row.iter().map(day).collect::<Vec<_>>().join(" ")).collect()
}

fn load(work: &Work, store: &Store, inputs: &[&str], more: &[&str]) -> Run {
    let dsn = store.dsn();
    let flags = ["load", "--vendor", "v", "--timeframe", "1d", "--dsn", &dsn];
    work.mdsctl(flags).arguments(inputs.iter().copied()).arguments(more.iter().copied()).run()
}

/// What is said of the error, behind the screen.
fn sentence(run: &Run) -> &str {
    &run.stderr[run.stderr.find("error: ").unwrap_or_default()..]
}

/// The flags behind this word of a message, up to its end or a comma.
fn advised<'r>(run: &'r Run, from: &str) -> Vec<&'r str> {
    let said = sentence(run);
    let at = said.find(from).unwrap_or_else(|| panic!("{from} is not advised: {run}"));
    let mut flags = said[at..].split([',', '\n']).next().unwrap_or_default().split_whitespace();
    let mut all: Vec<&str> = Vec::new();
    while let Some(word) = flags.next() {
        all.push(word);
        if ["--skip-lines", "--map", "--comment"].contains(&word) {
            all.push(flags.next().expect("a value"));
        }
    }
    all
}

#[test]
fn a_header_that_begins_with_a_hash_is_the_header() {
    on_every_store(|work, store, _, what| {
        let text = "# made by, nobody\n#RIC,date,open,high,low,close,volume\n\
                    ABC.N,2024-01-02,1,1,1,1,5\n#SP,2024-01-03,1,1,1,1,6\n";
        let run = load(work, store, &[&work.write("lseg.csv", text)], &[]).expect(0);
        assert_eq!(bars(store), ["2024-01-02 ABC.N 5", "2024-01-03 #SP 6"], "{what}: {run}");
        assert!(
            run.stderr.contains("1 comment line passed over, the first: # made by, nobody"),
            "{what}: {run}"
        );
    });
}

#[test]
fn under_no_header_every_line_is_data() {
    on_every_store(|work, store, _, what| {
        let text = "#SP,2024-01-02,1,1,1,1,5\n#NQ,2024-01-02,1,1,1,1,6\nAAPL,2024-01-02,1,1,1,1,7\n";
        let path = work.write("symbols.csv", text);
        let maps =
            ["symbol=1", "ts=2", "open_price=3", "high_price=4", "low_price=5", "close_price=6", "volume=7"];
        let flags: Vec<&str> = maps.iter().flat_map(|map| ["--map", map]).chain(["--no-header"]).collect();
        let run = load(work, store, &[&path], &flags).expect(0);
        assert_eq!(
            bars(store),
            ["2024-01-02 #NQ 6", "2024-01-02 #SP 5", "2024-01-02 AAPL 7"],
            "{what}: {run}"
        );

        // Unless the user says otherwise.
        let other = Work::new();
        let said = Store::sqlite(&other);
        let run = load(work, &said, &[&path], &[&flags[..], &["--comment", "#"]].concat()).expect(0);
        assert_eq!(bars(&said), ["2024-01-02 AAPL 7"], "{what}: {run}");
        assert!(run.stderr.contains("2 comment lines passed over"), "{what}: {run}");
    });
}

#[test]
fn joined_files_repeat_their_header() {
    on_every_store(|work, store, _, what| {
        let header = "date,open,high,low,close,volume";
        let text = format!(
            "\u{feff}{header}\r\n2024-01-02,1,1,1,1,5\r\n{header}\r\n2024-01-03,1,1,1,1,6\r\n\u{feff}{header}\r\n2024-01-04,1,1,1,1,7"
        );
        for (name, input) in [("a.csv", None), ("-", Some(text.clone()))] {
            let path = if input.is_none() { work.write(name, &text) } else { name.to_owned() };
            let dsn = store.dsn();
            let flags = [
                "load",
                &path,
                "--vendor",
                "v",
                "--symbol",
                "X",
                "--timeframe",
                "1d",
                "--dataset",
                "bars",
                "--dsn",
                &dsn,
            ];
            let run = work.mdsctl(flags).stdin(input.unwrap_or_default()).run().expect(0);
            assert!(run.stderr.contains("2 repeated header lines passed over"), "{what}: {run}");
            assert_eq!(bars(store), ["2024-01-02 X 5", "2024-01-03 X 6", "2024-01-04 X 7"], "{what}: {run}");
        }
        // A line with another name is a row.
        let path =
            work.write("b.csv", format!("{header}\n2024-01-05,1,1,1,1,8\ndate,open,high,low,close,shares\n"));
        let run = load(work, store, &[&path], &["--symbol", "X"]).expect(3);
        assert_eq!(bars(store).len(), 4, "{what}: {run}");
    });
}

#[test]
fn rows_that_end_in_a_delimiter_fit() {
    on_every_store(|work, store, _, what| {
        let text = "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,5,\n2024-01-03,1,1,1,1,6,\n";
        let run = load(work, store, &[&work.write("rows.csv", text)], &["--symbol", "X"]).expect(0);
        assert_eq!(bars(store), ["2024-01-02 X 5", "2024-01-03 X 6"], "{what}: {run}");
        assert!(run.stderr.contains("2 rows with an empty field behind the last column"), "{what}: {run}");

        let text = "date,open,high,low,close,volume,\n2024-01-04,1,1,1,1,7\n";
        let run = load(work, store, &[&work.write("header.csv", text)], &["--symbol", "X"]).expect(0);
        assert_eq!(bars(store).len(), 3, "{what}: {run}");

        // A value in the field that is too many may be any column's.
        let text = "date,open,high,low,close,volume\n2024-01-05,1,1,1,1,8\n2024-01-06,1,1,1,1,9,9\n";
        let run = load(work, store, &[&work.write("filled.csv", text)], &["--symbol", "X"]).expect(3);
        assert_eq!(bars(store).len(), 4, "{what}: {run}");
        assert!(run.stderr.contains("bad_width"), "{what}: {run}");
    });
}

#[test]
fn a_file_without_a_header_is_refused_with_flags_that_load_it() {
    on_every_store(|work, store, _, what| {
        let text =
            "1704153600000,34,36,33,35,5,1704239999999,x\n1704240000000,35,37,34,36,6,1704326399999,x\n";
        let path = work.write("klines.csv", text);
        for flags in
            [vec![], vec!["--dataset", "bars"], vec!["--map", "ts=1704153600000", "--map", "open_price=34"]]
        {
            let run = load(work, store, &[&path], &[&["--symbol", "X"], &flags[..]].concat()).expect(2);
            assert!(
                run.error().contains("--no-header") && run.error().contains("klines.csv"),
                "{what}: {run}"
            );
            assert!(!run.error().contains("=1704"), "{what}: {run}");
            assert!(bars(store).is_empty(), "{what}: {run}");
        }
        let run = load(work, store, &[&path], &["--symbol", "X"]).expect(2);
        let flags = advised(&run, "--no-header --map");
        let run = load(work, store, &[&path], &[&["--symbol", "X"], &flags[..]].concat()).expect(0);
        assert_eq!(bars(store), ["2024-01-02 X 5", "2024-01-03 X 6"], "{what}: {run}");
    });
}

#[test]
fn lines_before_the_header_are_refused_with_the_number_to_skip() {
    for preamble in [
        "https://www.example.com\n",
        "Symbol,X\nPeriod,1d\n\n",
        "# note\nprepared for, a, reader, of, many, more, columns, than, rows\n",
    ] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        let text = format!(
            "{preamble}date,open,high,low,close,volume\n2024-01-02,1,1,1,1,5\n2024-01-03,1,1,1,1,6\n"
        );
        let path = work.write("in.csv", text);
        let run = load(&work, &store, &[&path], &["--symbol", "X"]).expect(2);
        assert!(bars(&store).is_empty(), "{run}");
        let lines = preamble.lines().count().to_string();
        assert_eq!(advised(&run, "--skip-lines"), ["--skip-lines", &lines], "{run}");
        let run = load(&work, &store, &[&path], &["--symbol", "X", "--skip-lines", &lines]).expect(0);
        assert_eq!(bars(&store), ["2024-01-02 X 5", "2024-01-03 X 6"], "{run}");
    }
}

/// Shifted by one, each value would be a plausible one of its neighbour.
#[test]
fn a_first_column_without_a_name_shifts_nothing() {
    on_every_store(|work, store, _, what| {
        let text = "date,open,high,low,close,volume\n0,2024-01-02,1,1,1,1,5\n1,2024-01-03,1,1,1,1,6\n";
        let path = work.write("index.csv", text);
        let run = load(work, store, &[&path], &["--symbol", "X"]).expect(2);
        assert!(bars(store).is_empty(), "{what}: {run}");
        let flags = advised(&run, "--skip-lines 1 --no-header");
        let maps = &sentence(&run)[sentence(&run).find("which is which:").expect("maps")..];
        let maps: Vec<&str> = maps.lines().next().expect("a line").split_whitespace().skip(3).collect();
        let run =
            load(work, store, &[&path], &[&["--symbol", "X"], &flags[..], &maps[..]].concat()).expect(0);
        assert_eq!(bars(store), ["2024-01-02 X 5", "2024-01-03 X 6"], "{what}: {run}");
        // With an empty name it has a place.
        let text = text.replacen("date", ",date", 1);
        load(work, store, &[&work.write("named.csv", text)], &["--symbol", "Y"]).expect(0);
        assert_eq!(bars(store).len(), 4, "{what}");
    });
}

#[test]
fn what_a_spreadsheet_writes_before_the_header_is_no_header() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let text = "\u{feff}sep=;\r\ndate;open;high;low;close;volume\r\n2024-01-02;1;1;1;1;5\r\n";
    let run = load(&work, &store, &[&work.write("excel.csv", text)], &["--symbol", "X"]).expect(0);
    assert_eq!(bars(&store), ["2024-01-02 X 5"], "{run}");
    assert!(run.stderr.contains("1 line that names the delimiter"), "{run}");
    let run = load(&work, &store, &[&work.write("short.csv", "a,b\n")], &["--skip-lines", "5"]).expect(6);
    assert!(run.error().contains("5 lines to be skipped"), "{run}");
}

#[test]
fn comments_and_blank_lines_of_ndjson_are_counted() {
    on_every_store(|work, store, _, what| {
        let row = |day: u8| {
            format!(
                "{{\"date\":\"2024-01-0{day}\",\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":{day}}}\n"
            )
        };
        let text = format!("# dump\n{}\n\n{}# end\n\n", row(2), row(3));
        let run = load(work, store, &[&work.write("in.ndjson", text)], &["--symbol", "X"]).expect(0);
        assert_eq!(bars(store), ["2024-01-02 X 2", "2024-01-03 X 3"], "{what}: {run}");
        assert!(run.stderr.contains("2 comment lines passed over, the first: # dump"), "{what}: {run}");
        assert!(run.stderr.contains("2 blank lines passed over"), "{what}: {run}");
    });
}

/// The first line is one of the rows of a pipe: it is kept with them.
#[test]
fn a_pipe_without_a_header_is_kept_whole() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let text = "1704153600000,34,36,33,35,5\n1704240000000,35,37,34,36,6\n";
    for flags in [vec![], vec!["--dataset", "bars"]] {
        let dsn = store.dsn();
        let all = [
            &["load", "-", "--symbol", "X", "--vendor", "v", "--dsn", &dsn, "--dlq", "kept.ndjson"],
            &flags[..],
        ]
        .concat();
        let run = work.mdsctl(all).stdin(text).run().expect(2);
        assert!(run.error().contains("--no-header"), "{run}");
        let kept = std::fs::read_to_string(work.path("kept.ndjson")).expect("a queue");
        for field in text.split(['\n', ',']).filter(|field| field.len() > 2) {
            assert!(kept.contains(field), "{field}: {kept}");
        }
        std::fs::remove_file(work.path("kept.ndjson")).expect("it is removed");
    }
}

//! Large files of CSV are claimed by their lines, and come to the same rows as in one go.

use super::*;

/// A table of texts that come back as they were, with a row that it refuses.
const TABLE: &str = "CREATE TABLE t (ts timestamptz NOT NULL, symbol text NOT NULL, seq bigint NOT NULL CHECK (seq <> 1777), note text";

/// Where a file lies.
enum Place {
    Here,
    #[cfg(feature = "objects")]
    Bucket(Bucket),
}

struct Lines {
    work: Work,
    db: Db,
    place: Place,
}

impl Lines {
    fn new(keyed: bool, text: &[u8], in_bucket: bool) -> Self {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("{TABLE}{})", if keyed { ", PRIMARY KEY (symbol, ts)" } else { "" }));
        let place = match in_bucket {
            #[cfg(feature = "objects")]
            true => {
                let bucket = Bucket::new();
                bucket.put("in/a.csv", text);
                Place::Bucket(bucket)
            }
            _ => {
                work.write("in/a.csv", text);
                Place::Here
            }
        };
        Self { work, db, place }
    }

    fn load(&self, dlq: &str, more: &[&str]) -> Mdsctl {
        let input = match &self.place {
            Place::Here => "in/a.csv",
            #[cfg(feature = "objects")]
            Place::Bucket(_) => "s3://days/in/a.csv",
        };
        let load = self
            .work
            .mdsctl(["load", input, "--table", "t", "--json", "--dlq", dlq, "--dsn", &self.db.dsn()])
            .arguments(["--workers", "1", "--batch-size", "50", "--capacity", "400"])
            .arguments(more)
            .within(PATIENCE);
        match &self.place {
            Place::Here => load,
            #[cfg(feature = "objects")]
            Place::Bucket(bucket) => bucket.open(load),
        }
    }

    fn share(&self, dlq: &str, part: &str, more: &[&str]) -> Mdsctl {
        self.load(dlq, more).arguments(["--share", "j", "--part-size", part])
    }

    fn job(&self) -> Value {
        self.work.mdsctl(["runs", "j", "--json", "--dsn", &self.db.dsn()]).run().expect(0).json()
    }

    fn stored(&self) -> Vec<Vec<Option<String>>> {
        self.db.rows("SELECT ts::text, symbol, seq::text, note FROM t ORDER BY seq, ts, note")
    }

    /// The rows in dead letters: their numbers in the file, why, and what they were.
    fn letters(&self, queues: &[&str]) -> Vec<(u64, String, String)> {
        let records = queues.iter().flat_map(|queue| self.work.dlq(queue));
        let mut rows: Vec<_> = records
            .flat_map(|record| {
                let what = |at: usize| {
                    record.raws.get(at).cloned().or_else(|| record.items.get(at).map(ToString::to_string))
                };
                let row =
                    |(at, row): (usize, &u64)| (*row, record.code.clone(), what(at).unwrap_or_default());
                record.rows.iter().enumerate().map(row).collect::<Vec<_>>()
            })
            .collect();
        rows.sort();
        rows
    }

    /// Loads the file in one go, and then once more by two loaders; returns the parts of the job.
    fn assert_same(&self, what: &str, more: &[&str]) -> u64 {
        let whole = self.load("whole.ndjson", more).run();
        let (stored, letters) = (self.stored(), self.letters(&["whole.ndjson"]));
        assert!(stored.len() > 2_000, "{what}: {whole}");
        self.db.execute("TRUNCATE t; DELETE FROM mds_runs; DELETE FROM mds_checkpoints");
        let loaders = ["0.ndjson", "1.ndjson"].map(|dlq| self.share(dlq, "20K", more).spawn());
        let runs = loaders.map(|loader| loader.finish().expect(whole.code));
        let what = format!("{what}\n{}\n{}", runs[0], runs[1]);
        assert_eq!(self.letters(&["0.ndjson", "1.ndjson"]), letters, "{what}");
        assert!(self.stored() == stored, "other rows: {what}");
        let (job, read) = (self.job(), whole.books().read);
        assert_eq!((&job["inputs"], &job["settled"]), (&1.into(), &0.into()), "{what}");
        let count = |name: &str| job["rows"][name].as_u64().unwrap_or_default();
        assert_eq!((count("read"), count("rejected")), (read, letters.len() as u64), "{what}: {job}");
        assert_eq!(count("inserted") + count("skipped"), stored.len() as u64, "{what}: {job}");
        assert_eq!(runs.iter().map(|run| run.books().read).sum::<u64>(), read, "{what}");
        job["parts"]["total"].as_u64().expect("a number")
    }
}

/// Rows of a file, each with what `note` makes of its number.
fn rows(all: std::ops::Range<u64>, note: &dyn Fn(u64) -> String) -> String {
    let time = |row: u64| 1_700_000_000 + row * 60;
    let symbol = |row: u64| ["A", "B", "C"][row as usize % 3];
    all.map(|row| format!("{},{},{row},{}\n", time(row), symbol(row), note(row))).collect()
}

/// As they come out of vendors' hands: a text, and the flags that it needs.
fn texts() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let header = "ts,symbol,seq,note\n";
    let plain = header.to_owned() + &rows(0..3_000, &|row| format!("a note of row {row}"));
    let quoted = rows(0..3_000, &|row| match row % 3 {
        0 => format!("\"of {row}:\n1700000000,A,{row},\"\"b\"\"\n\""),
        1 => format!("\"one, two\r\n{row}\""),
        _ => "none".to_owned(),
    });
    // In every part a row too short, one with a broken quote, one that has no number and one that is not UTF-8.
    let bad = |row: u64| match row % 100 {
        17 => "x,y".to_owned(),
        18 => "\"x\"y".to_owned(),
        19 => format!("fine\n1700000001,A,none{row},bad"),
        20 => "fine\n1,2".to_owned(),
        _ => format!("a note of row {row}"),
    };
    // What is not UTF-8 comes behind what tells the encoding.
    let mut latin = (header.to_owned() + &rows(0..3_000, &bad)).into_bytes();
    let places: Vec<usize> =
        (0..latin.len()).filter(|at| latin[*at] == b'o' && *at > 70_000 && at % 97 == 0).collect();
    places.iter().for_each(|at| latin[*at] = 0xE9);
    let joined: String = (0..5)
        .map(|file| header.to_owned() + &rows(file * 800..file * 800 + 800, &|row| format!("of {row}\n\n")))
        .collect();
    vec![
        ("plain", plain.clone().into(), vec![]),
        ("CRLF", plain.replace('\n', "\r\n").into(), vec![]),
        ("no line end at the end", plain.trim_end().into(), vec![]),
        ("a byte order mark", format!("\u{feff}{plain}").into(), vec![]),
        ("quoted line ends", (header.to_owned() + &quoted).into(), vec![]),
        ("bad rows in all parts", latin, vec![]),
        ("files that were joined", joined.into(), vec![]),
        ("a field too many", plain.replace('\n', ",\n").into(), vec![]),
        (
            "lines before the header",
            format!("made \"today\nof A, B\n{plain}").into(),
            vec!["--skip-lines", "2"],
        ),
        (
            "no header",
            plain.trim_start_matches(header).into(),
            vec!["--no-header", "--map", "ts=1", "--map", "symbol=2", "--map", "seq=3", "--map", "note=4"],
        ),
        ("comments", plain.replace("\n1700", "\n# \"no row\n1700").into(), vec!["--comment", "#"]),
        ("semicolons", plain.replace(',', ";").into(), vec![]),
    ]
}

#[test]
fn the_lines_of_a_file_come_to_the_rows_of_the_whole_file() {
    for (at, (what, text, flags)) in texts().into_iter().enumerate() {
        let lines = Lines::new(at % 2 == 0, &text, false);
        let parts = lines.assert_same(what, &flags);
        assert!(parts >= 5, "{what}: {parts}");
    }
}

#[cfg(feature = "objects")]
#[test]
fn the_lines_of_an_object_come_to_the_rows_of_the_whole_object() {
    for (at, (what, text, flags)) in texts().into_iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        let lines = Lines::new(at % 4 == 0, &text, true);
        let parts = lines.assert_same(what, &flags);
        assert!(parts >= 5, "{what}: {parts}");
        let Place::Bucket(bucket) = &lines.place else { continue };
        let asked = bucket.asked();
        let mut gets = asked.iter().filter(|asked| asked.method == "GET" && asked.target.contains("a.csv"));
        assert!(gets.all(|get| get.range.is_some()), "{what}: {asked:?}");
    }
}

#[test]
fn what_depends_on_rows_before_is_claimed_whole() {
    let plain = "ts,symbol,seq,note\n".to_owned() + &rows(0..3_000, &|row| format!("a note of row {row}"));
    let local = plain.lines().map(|line| match line.split_once(',') {
        Some(("ts", _)) | None => line.to_owned() + "\n",
        Some((ts, rest)) => {
            let at = chrono::DateTime::from_timestamp(ts.parse().expect("a number"), 0).expect("a time");
            format!("{},{rest}\n", at.format("%Y-%m-%d %H:%M:%S"))
        }
    });
    let utf16 = std::iter::once(0xFEFF).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let stray = plain.replacen(",a note of row 2000", ",\"of row 2000", 1);
    let texts: [(&str, Vec<u8>, &[&str]); 3] = [
        ("UTF-16", utf16, &[]),
        ("a stray quote", stray.into(), &[]),
        ("local times", local.collect::<String>().into(), &["--timezone", "Europe/Berlin"]),
    ];
    for (what, text, flags) in texts {
        let parts = Lines::new(true, &text, false).assert_same(what, flags);
        assert_eq!(parts, 1, "{what}");
    }
    // Compressed bytes are read from their start.
    let lines = Lines::new(false, b"", false);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut packed, plain.as_bytes()).expect("it is packed");
    lines.work.write("in/a.csv", packed.finish().expect("it is packed"));
    assert_eq!(lines.assert_same("gzip", &[]), 1);
}

/// Two loaders of one file are killed in its middle, and others go on.
#[test]
fn parts_of_a_file_are_gone_on_with_where_their_loaders_were_killed() {
    let text = "ts,symbol,seq,note\n".to_owned()
        + &rows(0..20_000, &|row| format!("\"row\n{row}\"")).replace(",1777,", ",20000,");
    for (keyed, in_bucket) in [(true, false), (false, false), (false, cfg!(feature = "objects"))] {
        let lines = Lines::new(keyed, text.as_bytes(), in_bucket);
        let share = |dlq: &str| lines.share(dlq, "100K", &[]).spawn();
        let mut loaders = vec![share("0"), share("1"), share("2")];
        for kill in 0..2 {
            wait::until(PATIENCE, "rows", || (lines.db.count("t") > 2_000 + kill * 5_000).then_some(()));
            let victim = loaders.remove(0);
            victim.signal(Signal::KILL);
            assert_eq!(victim.finish_quietly(), -9);
            loaders.push(share("3"));
        }
        let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(0)).collect();
        let what = runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let found = lines.db.rows("SELECT count(*), count(DISTINCT seq), count(DISTINCT ts), bool_and(note = E'row\\n' || CASE seq WHEN 20000 THEN 1777 ELSE seq END) FROM t");
        let expected = ["20000", "20000", "20000", "t"].map(|text| Some(text.to_owned()));
        assert_eq!(found, [expected.to_vec()], "{what}");
        let job = lines.job();
        assert_closed(&job, 20_000, &what);
        assert!(job["parts"]["total"].as_u64().is_some_and(|parts| parts >= 5), "{job}");
        assert_eq!(lines.db.count("mds_checkpoints"), 0, "nothing is left to go on with");
    }
}

/// The loader of the first part sleeps in its middle until all others are loaded.
#[test]
fn of_rows_with_one_key_in_several_parts_the_last_of_the_file_stays() {
    let row = |n: u64| {
        format!("{},{},{n},of {n}\n", 1_800_000_000 + n / 2 % 1_000 * 60, ["A", "B"][n as usize % 2])
    };
    let text = "ts,symbol,seq,note\n".to_owned() + &(2_000..12_000).map(row).collect::<String>();
    let lines = Lines::new(true, text.as_bytes(), false);
    let slow = lines.share("0", "60K", &["--lease", "10m"]).spawn();
    wait::until(PATIENCE, "rows", || (lines.db.count("t") > 100).then_some(()));
    stop_between_transactions(&slow, &lines.db);
    let other = lines.share("1", "60K", &["--lease", "10m"]).spawn();
    wait::until(PATIENCE, "the others are done", || {
        let parts = lines.job()["parts"].clone();
        (parts["done"].as_u64()? + 1 >= parts["total"].as_u64()?).then_some(())
    });
    slow.signal(Signal::CONT);
    let runs = [slow.finish().expect(0), other.finish().expect(0)];
    let what = format!("{}\n{}", runs[0], runs[1]);
    let expected: Vec<Vec<Option<String>>> =
        (10_000..12_000).map(|n: u64| vec![Some(n.to_string()), Some(format!("of {n}"))]).collect();
    assert_eq!(lines.db.rows("SELECT seq, note FROM t ORDER BY seq"), expected, "{what}");
    let job = lines.job();
    assert_closed(&job, 10_000, &what);
    assert!(job["settled"].as_u64().is_some_and(|rows| rows > 2_000), "{job}");
}

#[test]
fn a_file_that_was_written_to_since_is_told_part_by_part() {
    let text = "ts,symbol,seq,note\n".to_owned()
        + &rows(0..6_000, &|row| format!("a note of row {row}")).replace(",1777,", ",6000,");
    let lines = Lines::new(false, text.as_bytes(), false);
    let first = lines.share("0", "20K", &[]).spawn();
    wait::until(PATIENCE, "rows", || (lines.db.count("t") > 100).then_some(()));
    first.signal(Signal::INT);
    first.finish().expect(130);
    let stored = lines.db.count("t");
    assert!(stored < 6_000, "it was over before the signal");
    lines.work.write("in/a.csv", text.clone() + "1800000000,A,6001,more\n");
    let second = lines.share("1", "20K", &[]).run().expect(6);
    assert!(second.stderr.contains("in/a.csv has changed since job j was begun"), "{second}");
    assert_eq!(lines.db.count("t"), stored, "{second}");
    lines.work.write("in/a.csv", text);
    let third = lines.share("2", "20K", &[]).run().expect(0);
    let found = lines.db.rows("SELECT count(*), count(DISTINCT seq) FROM t");
    assert_eq!(found, [vec![Some("6000".to_owned()), Some("6000".to_owned())]], "{third}");
    assert_closed(&lines.job(), 6_000, &third.to_string());
}

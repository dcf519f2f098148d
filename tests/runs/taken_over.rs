//! What the version before has left, made by its own program (`before/README.md`): a run to go on with, dead
//! letters, a claimed replay, a followed file. The table has every row once, whoever has written it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Store, Work};

/// The directory that it worked in.
const THEN: &str = "/tmp/mdsctl-before";
/// How it read the file.
const FLAGS: &str = "--table mine --delimiter ; --decimal , --date-order dmy --timezone Europe/Berlin";
const JOURNAL: &str = ".letters.replay.json";
/// A row of the table: number, time, symbol, price.
type Row = (u32, String, String, Option<f64>);

/// A copy of what was left, and the store as it was.
struct Left {
    work: Work,
    store: Store,
}

impl Left {
    fn of(sqlite: bool, name: &str) -> Self {
        let kind = if sqlite { "sqlite" } else { "postgres" };
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runs/before").join(kind).join(name);
        let work = Work::new();
        let here = work.path("").display().to_string();
        let read = |name: &str| {
            let text = fs::read_to_string(kept.join(name)).expect("text");
            text.replace(THEN, here.trim_end_matches('/'))
        };
        for entry in fs::read_dir(&kept).expect("a fixture") {
            let name = entry.expect("a file").file_name().into_string().expect("a name");
            let path = work.write(&name, read(&name));
            fs::set_permissions(path, Permissions::from_mode(0o640)).expect("its mode");
        }
        // The rows that were against the check may come now.
        let mut sql = read("store.sql").replace("< 105", "< 1000").replace("< (105)", "< (1000)");
        // A claimed file is known by what a copy has of its own.
        if let Ok(claimed) = fs::metadata(work.path("letters.1.ndjson")) {
            let (place, seconds, nanos) = (claimed.ino(), claimed.mtime(), claimed.mtime_nsec());
            let own = format!("{place}-{}-{seconds}.{nanos:09}", claimed.len());
            let noted: Value = serde_json::from_str(&read(JOURNAL)).expect("JSON");
            let then = noted["files"][0]["identity"].as_str().expect("a text");
            work.write(JOURNAL, read(JOURNAL).replace(then, &own));
            sql = sql.replace(then, &own);
        }
        Self { store: Store::holding(&work, sqlite, &sql), work }
    }

    fn stored(&self) -> Vec<Row> {
        let rows = self.store.rows("SELECT n, ts, symbol, price FROM mine ORDER BY n");
        let row = |row: Vec<Option<String>>| -> Row {
            let [n, ts, symbol, price] = row.try_into().expect("four columns");
            let text = |value: Option<String>| value.expect("a value");
            let price = price.map(|price| price.parse().expect("a number"));
            (text(n).parse().expect("a number"), text(ts), text(symbol), price)
        };
        rows.into_iter().map(row).collect()
    }

    /// The rows of the input, read by a reader of its own; without those that have no price.
    fn input(&self, name: &str) -> Vec<Row> {
        let text = fs::read_to_string(self.work.path(name)).expect("the input");
        let row = |line: &str| -> Option<Row> {
            let fields: Vec<&str> = line.split(';').collect();
            let [n, ts, symbol, price] = fields.try_into().ok()?;
            let ts = ts.replace("02.01.2024 10:", "2024-01-02 09:");
            let price = if price == "n/a" { None } else { Some(price.replace(',', ".").parse().ok()?) };
            Some((n.parse().ok()?, ts, symbol.to_owned(), price))
        };
        text.lines().skip(1).filter_map(row).collect()
    }

    fn mdsctl(&self, line: &str) -> crate::harness::run::Mdsctl {
        self.work.mdsctl(line.split(' ')).arguments(["--json", "--dsn", &self.store.dsn()])
    }

    fn meta(&self, name: &str) -> fs::Metadata {
        fs::metadata(self.work.path(name)).expect("a file")
    }
}

/// Rows with a price.
fn priced(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|(.., price)| price.is_some()).collect()
}

#[test]
fn a_run_of_the_version_before_is_gone_on_with() {
    for sqlite in [true, false] {
        let left = Left::of(sqlite, "resume");
        let before = left.stored().len() as u64;
        assert!((50..118).contains(&before), "{before}");
        let run =
            left.mdsctl(&format!("load trades.csv {FLAGS} --dlq letters.ndjson --resume")).run().expect(3);
        assert_eq!(left.stored(), priced(left.input("trades.csv")), "{run}");
        assert_eq!(run.books().inserted, 118 - before, "{run}");
        let letters: Vec<u64> = left.work.dlq("letters.ndjson").into_iter().flat_map(|l| l.rows).collect();
        assert_eq!(letters, [7, 110], "{run}");
    }
}

#[test]
fn dead_letters_of_the_version_before_are_put_into_the_store() {
    for sqlite in [true, false] {
        let left = Left::of(sqlite, "letters");
        let run = left.mdsctl("replay-dlq letters.ndjson --null n/a").run().expect(3);
        // What has too few fields stays what it is.
        assert_eq!(left.stored(), left.input("trades.csv"), "{run}");
        let kept = left.work.dlq("letters.ndjson");
        assert_eq!(kept.iter().map(|letter| &*letter.rows).collect::<Vec<_>>(), [[9]], "{run}");
    }
}

#[test]
fn a_replay_of_the_version_before_is_taken_over() {
    for sqlite in [true, false] {
        let left = Left::of(sqlite, "replay");
        let before = left.stored().len() as u64;
        assert!((20..60).contains(&before), "{before}");
        let journal = left.work.path(JOURNAL);
        let mut noted: Value =
            serde_json::from_slice(&fs::read(&journal).expect("the journal")).expect("JSON");
        noted["way"]["store"] = left.mdsctl("runs").run().expect(0).json()["store"].clone();
        fs::write(&journal, noted.to_string()).expect("the journal");

        let run = left.mdsctl("replay-dlq letters.ndjson").run().expect(0);
        let later = |row: Row| (row.0, row.1, "LATER".to_owned(), row.3);
        let expected: Vec<Row> = left.input("trades.csv").into_iter().map(later).collect();
        assert_eq!(left.stored(), expected, "{run}");
        assert!(run.stderr.contains("going on with what an earlier replay left"), "{run}");
        let files = fs::read_dir(left.work.path("")).expect("it").map(|entry| entry.expect("it").path());
        let is_left =
            |path: &PathBuf| path.to_string_lossy().contains("letters.1.ndjson") || *path == journal;
        assert_eq!(files.filter(is_left).collect::<Vec<_>>(), Vec::<PathBuf>::new(), "{run}");
    }
}

#[test]
fn a_tail_goes_on_behind_the_checkpoint_of_the_version_before() {
    for sqlite in [true, false] {
        let left = Left::of(sqlite, "tail");
        let before = left.stored().len() as u64;
        assert!((40..58).contains(&before), "{before}");
        let checkpoint = left.work.path("place.json");
        let text = fs::read_to_string(&checkpoint).expect("the checkpoint");
        let (document, lines) = text.split_once("\n}\n").expect("a document, and lines behind it");
        let mut noted: Value = serde_json::from_str(&format!("{document}}}")).expect("JSON");
        let (feed, own) = (left.meta("feed.csv"), left.meta("place.json"));
        noted["inode"] = json!(own.ino());
        for list in ["files", "stretches"] {
            noted[list][0]["inode"] = json!(feed.ino());
            noted[list][0]["device"] = json!(feed.dev());
        }
        fs::write(&checkpoint, format!("{}\n{lines}", serde_json::to_string_pretty(&noted).expect("JSON")))
            .expect("the checkpoint");
        assert_eq!(left.meta("place.json").ino(), own.ino());

        let run = left
            .mdsctl(&format!(
                "tail feed.csv {FLAGS} --dlq letters.ndjson --checkpoint place.json --idle-exit 300ms"
            ))
            .run()
            .expect(3);
        assert_eq!(left.stored(), priced(left.input("feed.csv")), "{run}");
        assert_eq!(run.books().inserted, 58 - before, "{run}");
        let letters: BTreeSet<u64> =
            left.work.dlq("letters.ndjson").into_iter().flat_map(|l| l.rows).collect();
        // After a crash a row beyond the last commit may be there once more.
        assert_eq!(letters, BTreeSet::from([25, 55]), "{run}");
    }
}

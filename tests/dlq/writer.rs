//! What loads write into the queue: whole, once, and later rather than never.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::dlq::DeadLetter;
use crate::harness::programs::PROGRAMS;
use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Run, Store, Work, dlq, wait, without};

/// What says that the load waits for the queue.
const WAITS: &str = "the load waits, no row is dropped";

/// Bars, of which those with an even minute are bad. A bad one is found by us, or by the store
/// when it has been told to refuse volume 13.
pub(super) fn bars(rows: u64, bad: &str) -> String {
    let mut csv = String::from("ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    for row in 0..rows {
        let (open, volume) = match (row % 2, bad) {
            (0, "store") => ("1", 13),
            (0, _) => ("n/b", 1),
            _ => ("1", 1),
        };
        let (day, hour, minute) = (1 + row / 1440, row / 60 % 24, row % 60);
        csv += &format!("2024-03-{day:02}T{hour:02}:{minute:02}:00Z,v,AAPL,1m,{open},1,1,1,{volume}\n");
    }
    csv
}

/// A database that refuses volume 13.
pub(super) fn refusing() -> Store {
    let db = Postgres::shared().database_with_schema();
    db.execute("ALTER TABLE bars ADD CONSTRAINT unlucky CHECK (volume <> 13)");
    Store::Postgres(db)
}

/// All files of a queue, the live one last.
fn files(live: &Path) -> Vec<PathBuf> {
    let stem = live.file_stem().expect("a name").to_str().expect("UTF-8").to_owned() + ".";
    let mut segments: Vec<(u64, PathBuf)> = fs::read_dir(live.parent().expect("a directory"))
        .expect("the directory")
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            let rest = path.file_name()?.to_str()?.strip_prefix(&stem)?.strip_suffix(".ndjson")?;
            Some((rest.parse().ok()?, path.clone()))
        })
        .collect();
    segments.sort();
    let live = live.exists().then(|| live.to_owned());
    segments.into_iter().map(|(_, path)| path).chain(live).collect()
}

/// Rows of records, each once.
pub(super) fn numbers(letters: &[DeadLetter]) -> BTreeSet<u64> {
    let all: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
    let once: BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "a row is there twice");
    once
}

/// Rows 1, 3, … as the input counts them.
pub(super) fn bad_of(rows: u64) -> BTreeSet<u64> {
    (1..=rows).step_by(2).collect()
}

fn all_is_where_it_belongs(store: &Store, letters: &[DeadLetter], run: &Run, rows: u64, what: &str) {
    let books = run.books();
    assert_eq!((books.read, books.rejected), (rows, rows / 2), "{what}: {run}");
    assert_eq!(numbers(letters), bad_of(rows), "{what}: {run}");
    assert_eq!(store.count("bars"), Some(rows / 2), "{what}: {run}");
}

/// A file system of 64 KiB, full; gone at the end of the test.
pub(super) struct Full {
    work: Work,
}

impl Full {
    /// `None` where nothing can be mounted, and that is left out.
    pub(super) fn mount() -> Option<Self> {
        let work = Work::new();
        let place = work.path("small");
        fs::create_dir(&place).expect("a directory");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&place).output();
        if !mounted.is_ok_and(|out| out.status.success()) {
            without::leave_out("mount", "a disk that is full");
            return None;
        }
        let full = Self { work };
        let mut ballast = fs::File::create(full.path("ballast")).expect("a file");
        while ballast.write_all(&[0; 1024]).is_ok() {}
        Some(full)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.work.path("small").join(name)
    }

    fn free(&self) {
        fs::remove_file(self.path("ballast")).expect("the ballast goes");
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.work.path("small")).output();
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    for (bad, workers) in [("ours", "1"), ("store", "1"), ("store", "4")] {
        let Some(full) = Full::mount() else { return };
        let (work, store) = (Work::new(), refusing());
        let (input, queue) = (work.write("bars.csv", bars(200, bad)), full.path("bars.ndjson"));
        let flags = ["load", &input, "--json", "--workers", workers, "--dsn", &store.dsn()];
        let program = work.mdsctl(flags).arguments(["--cb-half-open-after", "1s", "--max-outage", "10m"]);
        let mut running = program.arguments(["--dlq".into(), queue.clone().into_os_string()]).spawn();
        let said = wait::until(PATIENCE, "word of the full disk", || {
            assert!(!running.has_ended(), "{bad}: it waits");
            Some(running.said()).filter(|said| said.contains(WAITS) && said.ends_with('\n'))
        });
        let line = said.lines().find(|line| line.contains(WAITS)).expect("the line");
        for word in ["is full", "free some space", "--dlq PATH", queue.to_str().expect("UTF-8")] {
            assert!(line.contains(word), "{word}: {line}");
        }
        // Asked again and again, and told once.
        let again = wait::within(Duration::from_secs(3), || {
            assert!(!running.has_ended(), "{bad}: it waits");
            (running.said().matches(WAITS).count() > 1).then_some(())
        });
        assert!(again.is_none(), "{bad}: {}", running.said());
        assert!(!running.said().contains("store is unavailable"), "the store is well: {}", running.said());
        full.free();
        let run = running.finish().expect(3);
        all_is_where_it_belongs(&store, &dlq::read(&queue), &run, 200, bad);
        assert!(run.stderr.contains("takes rows again"), "{bad}: {run}");
    }
}

#[test]
fn a_disk_that_stays_full_is_given_up_and_the_file_has_the_rows() {
    for bad in ["ours", "store"] {
        let Some(full) = Full::mount() else { return };
        let (work, store) = (Work::new(), refusing());
        let (input, queue) = (work.write("bars.csv", bars(200, bad)), full.path("bars.ndjson"));
        let load = || {
            let flags = ["load", &input, "--json", "--dsn", &store.dsn(), "--max-outage", "1s"];
            let program = work.mdsctl(flags).arguments(["--cb-half-open-after", "300ms"]);
            program.arguments(["--dlq".into(), queue.clone().into_os_string()]).run()
        };
        let run = load().expect(5);
        let books = run.books();
        assert_eq!(books.rejected, 0, "{bad}: {run}");
        assert_eq!(store.count("bars"), Some(books.inserted), "{bad}: {run}");
        assert!(dlq::read(&queue).is_empty(), "{bad}: {run}");
        for word in ["dead-letter queue took no rows", "is full", "their files still have them", "again"] {
            assert!(run.stderr.contains(word), "{bad}: {word}: {run}");
        }
        assert!(!run.stderr.contains("store stayed away"), "{bad}: {run}");
        full.free();
        let run = load().expect(3);
        assert_eq!(numbers(&dlq::read(&queue)), bad_of(200), "{bad}: {run}");
        assert_eq!(store.count("bars"), Some(100), "{bad}: {run}");
    }
}

#[test]
fn a_limit_on_the_size_of_files_does_not_kill_it() {
    let (work, store) = (Work::new(), Store::postgres());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--json", "--dataset", "bars", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    // It has nothing to write before it has something to read.
    running.limit_files(Some(4096));
    // Nothing tells when it catches signals; it connects to the store after that.
    let wait_for_it = || running_sessions(&store);
    wait::until(PATIENCE, "a session", wait_for_it);
    let feeder = std::thread::spawn(move || writer.write_all(bars(2000, "ours").as_bytes()));
    let said = wait::until(PATIENCE, "word of the limit", || {
        assert!(!running.has_ended(), "it waits: {}", running.said());
        Some(running.said()).filter(|said| said.contains(WAITS) && said.ends_with('\n'))
    });
    assert!(said.contains("ulimit -f") && said.contains(".dlq/bars.ndjson"), "{said}");
    let letters = work.dlq(".dlq/bars.ndjson");
    assert!(letters.is_empty(), "half a record is none: {letters:#?}");
    running.limit_files(None);
    let run = running.finish().expect(3);
    feeder.join().expect("the feeder").expect("all is read");
    all_is_where_it_belongs(&store, &work.dlq(".dlq/bars.ndjson"), &run, 2000, "a pipe");
}

/// Whether a load is connected.
fn running_sessions(store: &Store) -> Option<()> {
    let sessions = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    (!store.rows(sessions).is_empty()).then_some(())
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_the_load() {
    let (work, store) = (Work::new(), Store::postgres());
    let input = work.write("bars.csv", bars(10, "ours"));
    fs::create_dir(work.path("closed")).expect("a directory");
    fs::set_permissions(work.path("closed"), fs::Permissions::from_mode(0o555)).expect("its mode");
    if let Some((user, group)) = PROGRAMS.user {
        // Permissions do not bind root: somebody else has to run it, and to get here.
        for path in [work.path(""), work.path("home"), work.path("closed")] {
            chown(path, Some(user), Some(group)).expect("an owner");
        }
        use std::os::unix::process::CommandExt;
        let mut program = Command::new(env!("CARGO_BIN_EXE_mdsctl"));
        if !program.arg("--version").uid(user).gid(group).output().is_ok_and(|out| out.status.success()) {
            without::leave_out("other-user", "a queue that may not be written to");
            return;
        }
    }
    for stdin in [false, true] {
        let input = if stdin { "-" } else { &*input };
        let flags = ["load", input, "--dataset", "bars", "--dsn", &store.dsn(), "--dlq", "closed/q.ndjson"];
        let mut program = work.mdsctl(flags).user(PROGRAMS.user);
        if stdin {
            program = program.stdin(bars(10, "ours"));
        }
        let run = program.run().expect(2);
        let error = run.error();
        assert!(error.contains("closed/q.ndjson") && error.contains("--dlq PATH"), "{run}");
        assert_eq!(store.count("bars"), Some(0), "{run}");
    }
}

#[test]
fn a_torn_last_line_is_closed_kept_and_told() {
    let (work, torn) = (Work::new(), r#"{"ts":1732351234.123,"error":"the power we"#);
    let store = Store::sqlite(&work);
    let input = work.write("bars.csv", bars(10, "ours"));
    let queue = work.path(".dlq/bars.ndjson");
    work.write(".dlq/bars.ndjson", torn);
    fs::set_permissions(&queue, fs::Permissions::from_mode(0o640)).expect("its mode");
    let run = work.mdsctl(["load", &input, "--dsn", &store.dsn()]).run().expect(3);
    assert!(run.stderr.contains("1 torn line") && run.stderr.contains(".dlq/bars.ndjson"), "{run}");
    let text = fs::read_to_string(&queue).expect("the queue");
    let (first, rest) = text.split_once('\n').expect("lines");
    assert_eq!(first, torn);
    fs::write(&queue, rest).expect("the queue");
    assert_eq!(numbers(&dlq::read(&queue)), bad_of(10));
    // Closed once and for all.
    let run = work.mdsctl(["load", &input, "--dsn", &store.dsn()]).run().expect(3);
    assert!(!run.stderr.contains("torn"), "{run}");
}

#[test]
fn two_loads_share_a_queue_that_rotates() {
    let (work, most) = (Work::new(), 20_000);
    let (rows, each) = (100, 40);
    let inputs: Vec<String> = (0..2 * each)
        .map(|file| work.write(&format!("{}/{file}.csv", file % 2), bars(rows, "ours")))
        .collect();
    let start = |place: u64| {
        let dsn = format!("sqlite:{}", work.path(&format!("{place}.db")).display());
        let flags = ["load", &place.to_string(), "--json", "--dsn", &dsn, "--dlq", "letters.ndjson"];
        work.mdsctl(flags).arguments(["--dlq-max-bytes", &most.to_string()]).spawn()
    };
    let running: Vec<_> = (0..2).map(start).collect();
    let runs: Vec<Run> = running.into_iter().map(|running| running.finish().expect(3)).collect();
    for run in &runs {
        assert_eq!(run.books().rejected, each * rows / 2, "{run}");
    }
    let files = files(&work.path("letters.ndjson"));
    assert!(files.len() > 10, "it rotates: {files:?}");
    assert!(runs.iter().any(|run| run.stderr.contains("letters.ndjson was full")), "{runs:?}");
    let mut letters = Vec::new();
    for file in &files {
        // Strictly read: every line is whole.
        let records = dlq::read(file);
        assert!(!records.is_empty(), "{}", file.display());
        let bytes = fs::metadata(file).expect("the file").len();
        let lines = records.len();
        assert!(bytes <= most || lines == 1, "{} holds {bytes}", file.display());
        letters.extend(records);
    }
    for input in &inputs {
        let of_it: Vec<DeadLetter> = letters
            .iter()
            .filter(|letter| input.ends_with(&format!("/{}", letter.source)))
            .cloned()
            .collect();
        assert_eq!(numbers(&of_it), bad_of(rows), "{input}");
    }
}

#[test]
fn segments_are_numbered_onwards() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let input = work.write("bars.csv", bars(10, "ours"));
    work.write(".dlq/bars.9.ndjson", "");
    for last in [9, 10, 11] {
        let flags = ["load", &input, "--dsn", &store.dsn(), "--dlq-max-bytes", "1K"];
        let run = work.mdsctl(flags).run().expect(3);
        let names: Vec<String> = files(&work.path(".dlq/bars.ndjson"))
            .iter()
            .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
            .collect();
        let segments = (9..=last).map(|n| format!("bars.{n}.ndjson"));
        assert_eq!(names, segments.chain(["bars.ndjson".to_owned()]).collect::<Vec<_>>(), "{run}");
    }
    let run = work.mdsctl(["load", &input, "--dlq-max-bytes", "1X"]).run().expect(2);
    assert!(run.stderr.contains("not a unit of size"), "{run}");
}

#[test]
fn a_pipe_that_is_interrupted_while_the_server_is_away() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--json", "--dsn", &db.dsn(), "--cb-failure-threshold", "1"];
    let mut running = work.mdsctl(flags).pipe(reader).spawn();
    let csv = bars(40, "none of them").replace("n/b", "1");
    let (header_and_first, rest) = csv.split_at(csv.match_indices('\n').nth(10).expect("lines").0 + 1);
    writer.write_all(header_and_first.as_bytes()).expect("the pipe");
    wait::until(PATIENCE, "the first rows", || {
        assert!(!running.has_ended(), "the pipe is open");
        (db.count("bars") == 10).then_some(())
    });
    server.stop();
    writer.write_all(rest.as_bytes()).expect("the pipe");
    let mut says = |words: &str| {
        wait::until(PATIENCE, words, || {
            assert!(!running.has_ended(), "it waits for the server");
            running.said().contains(words).then_some(())
        });
    };
    says("the store is unavailable");
    running.signal(Signal::INT);
    let says = |words: &str| {
        wait::until(PATIENCE, words, || running.said().contains(words).then_some(()));
    };
    says("once more to stop at once");
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    drop(writer);
    let books = run.books();
    assert_eq!((books.inserted, books.rejected), (10, 30), "{run}");
    let letters: Vec<Value> =
        work.dlq(".dlq/bars.ndjson").into_iter().flat_map(|letter| letter.items).collect();
    assert_eq!(letters.len(), 30, "{run}");
    assert!(!run.stderr.contains("what was read is stored"), "{run}");
    for words in
        ["30 rows that cannot be read again could not be stored", "kept in .dlq/bars.ndjson", "for the rest"]
    {
        assert!(run.stderr.contains(words), "{words}: {run}");
    }
    server.start();
    assert_eq!(db.count("bars"), 10);
}

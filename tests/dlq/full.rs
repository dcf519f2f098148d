//! The disk of the dead letters is full, and the store well: good rows are stored as far as nothing of them
//! is lost by that, and what is lost is named.

use super::writer::{Full, bad_of, bars, numbers, refusing};
use crate::harness::{Run, Store, Work};

const ROWS: u64 = 2000;

/// A store in which volume 13 is refused.
fn refusing_sqlite(work: &Work) -> Store {
    let store = Store::sqlite(work);
    work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
    let Store::Sqlite(path) = &store else { unreachable!() };
    let trigger = "CREATE TRIGGER unlucky BEFORE INSERT ON bars WHEN NEW.volume = 13
        BEGIN SELECT RAISE(ABORT, 'unlucky'); END";
    rusqlite::Connection::open(path).expect("it").execute_batch(trigger).expect("a trigger");
    store
}

fn assert_told(run: &Run, what: &str) {
    assert!(run.stderr.contains("dead-letter queue"), "{what}: {run}");
    for wrong in ["bug", "store stayed away", "store is unavailable", "panicked"] {
        assert!(!run.stderr.contains(wrong), "{what}: says {wrong}: {run}");
    }
}

/// Good rows of a pipe are in the store, whatever the waiting was cut off in.
#[test]
fn good_rows_of_a_pipe_are_stored_when_the_dead_letters_have_no_room() {
    for (postgres, bad) in [(true, "ours"), (true, "store"), (false, "store"), (false, "ours")] {
        // The second ends the waiting while the circuit is open.
        let half_open: &[&str] = if bad == "store" { &["100ms", "30s"] } else { &["30s"] };
        for half_open in half_open.iter().copied() {
            let what = format!("PostgreSQL: {postgres}, refused by {bad}, {half_open}");
            let work = Work::new();
            let store = if postgres { refusing() } else { refusing_sqlite(&work) };
            let flags = ["load", "-", "--json", "--dsn", &store.dsn(), "--max-outage", "1s"];
            let program = work.mdsctl(flags).arguments(["--cb-half-open-after", half_open, "--dlq"]);
            let run = if postgres {
                program.arguments(["d.ndjson"]).stdin(bars(ROWS, bad)).no_room().run()
            } else {
                // The limit would be one of the store, too.
                let Some(full) = Full::mount() else { return };
                program.arguments([full.path("d.ndjson").into_os_string()]).stdin(bars(ROWS, bad)).run()
            };
            let run = run.expect(5);
            assert_eq!(store.count("bars"), Some(ROWS / 2), "{what}: {run}");
            assert_told(&run, &what);
            assert!(run.stderr.contains("1,000 rows that cannot be read again are lost"), "{what}: {run}");
            assert!(!run.stderr.contains("their files"), "{what}: there are none: {run}");
            assert_eq!(run.json()["rows"]["inserted"], ROWS / 2, "{what}: {run}");
        }
    }
}

#[test]
fn rows_of_a_file_are_stored_once_the_dead_letters_have_room() {
    for bad in ["ours", "store"] {
        let work = Work::new();
        let (store, input) = (refusing(), work.write("bars.csv", bars(ROWS, bad)));
        let load = || {
            let flags = ["load", &input, "--dlq", "d.ndjson", "--json", "--dsn", &store.dsn()];
            work.mdsctl(flags).arguments(["--max-outage", "1s"])
        };
        let run = load().no_room().run().expect(5);
        assert_told(&run, bad);
        assert!(!run.stderr.contains("are lost"), "{bad}: {run}");
        assert!(
            run.stderr.contains("their files still have them") && run.stderr.contains("--resume"),
            "{bad}: {run}"
        );
        let run = load().arguments(["--resume"]).run().expect(3);
        assert_eq!(store.count("bars"), Some(ROWS / 2), "{bad}: {run}");
        assert_eq!(numbers(&work.dlq("d.ndjson")), bad_of(ROWS), "{bad}: {run}");
    }
}

#[test]
fn a_replay_without_room_leaves_all_dead_letters() {
    let work = Work::new();
    let store = refusing();
    let dsn = store.dsn();
    let input = work.write("bars.csv", bars(200, "store"));
    work.mdsctl(["load", &input, "--dlq", "d.ndjson", "--dsn", &dsn]).run().expect(3);
    let replay = || work.mdsctl(["replay-dlq", "d.ndjson", "--max-outage", "1s", "--dsn", &dsn]);
    let run = replay().no_room().run();
    assert!(run.code == 2 || run.code == 5, "{run}");
    assert_told(&run, "a replay");
    assert_eq!(store.count("bars"), Some(100), "{run}");
    // Nothing is lost by that.
    replay().run().expect(3);
    assert_eq!(numbers(&work.dlq("d.ndjson")), bad_of(200));
}

/// A queue that is a device keeps nothing, whether it takes what is written there or not.
#[test]
fn a_device_is_no_queue() {
    let work = Work::new();
    let (store, input) = (Store::sqlite(&work), work.write("bars.csv", bars(10, "ours")));
    let dsn = store.dsn();
    for device in ["/dev/full", "/dev/null", "/dev/stdout"] {
        let run = work.mdsctl(["load", &input, "--dlq", device, "--dsn", &dsn]).run().expect(2);
        assert!(run.error().contains(device) && run.error().contains("not a regular file"), "{run}");
        assert!(store.count("bars").unwrap_or(0) == 0, "{run}");
    }
}

/// A directory for the queue that is there and empty, or that is nothing but a name.
#[test]
fn an_empty_directory_holds_no_dead_letters() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    std::fs::create_dir(work.path("empty")).expect("a directory");
    std::fs::create_dir(work.path(".dlq")).expect("a directory");
    for place in [&["empty"][..], &[]] {
        let run = work.mdsctl(["inspect-dlq"]).arguments(place.iter().copied()).run().expect(0);
        assert!(run.stderr.contains("no dead") || run.stdout.contains("no dead"), "{place:?}: {run}");
        let run = work.mdsctl(["replay-dlq", "--dsn", &dsn]).arguments(place.iter().copied()).run().expect(0);
        assert!(!run.stderr.contains("error"), "{place:?}: {run}");
    }
    let run = work.mdsctl(["replay-dlq", "nowhere", "--dsn", &dsn]).run().expect(6);
    assert!(run.error().contains("nowhere"), "{run}");
    // A queue that is a directory is none.
    let input = work.write("bars.csv", bars(10, "ours"));
    let run = work.mdsctl(["load", &input, "--dlq", "empty", "--dsn", &dsn]).run().expect(2);
    assert!(run.error().contains("empty"), "{run}");
}

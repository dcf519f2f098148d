//! What a tail of months meets: restarts from elsewhere, outages, queues that run over, places that it may
//! not read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::{HEADER, PATIENCE, append, bars, stop, stored, tail};
use crate::harness::http::{address, get};
use crate::harness::programs::PROGRAMS;
use crate::harness::{Postgres, Store, Work, wait};

#[test]
fn where_it_begins_is_what_the_flag_says() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let run = |flags: &[&str], code: i32| {
        let base = ["tail", "bars.csv", "--json", "--idle-exit", "300ms", "--dsn"];
        work.mdsctl(base).arguments([store.dsn()]).arguments(flags.iter().copied()).run().expect(code)
    };
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..3));
    assert_eq!(run(&["--from", "end", "--checkpoint", "place.json"], 0).books().read, 0);
    append(&work, "bars.csv", &bars(3..5));
    assert_eq!(run(&["--checkpoint", "place.json"], 0).books().inserted, 2, "behind the end of then");
    assert!(work.path("place.json").exists() && !work.path(".mdsctl").exists());
    let all = run(&["--from", "start", "--checkpoint", "place.json"], 0).books();
    assert_eq!((all.read, all.inserted, all.unchanged), (5, 3, 2));
    assert_eq!(run(&["--checkpoint", "place.json"], 0).books().read, 0);
    // What is somebody else's file is not taken for a place.
    work.write("place.json", "ts,open\n1,2\n");
    let refused = run(&["--checkpoint", "place.json"], 2);
    assert!(refused.error().contains("place.json"), "{refused}");
}

#[test]
fn one_place_is_kept_by_one_tail() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..1));
    let mut running = tail(&work, &store, "bars.csv", "1");
    stored(&store, &mut running, 1);
    let second = work.mdsctl(["tail", "bars.csv", "--dsn", &store.dsn()]).run().expect(2);
    assert!(second.error().contains(".mdsctl/tail-"), "{second}");
    stop(running);
}

#[test]
fn ndjson_that_grows_and_a_polite_end() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let line = |minute: u64| {
        format!(
            "{{\"ts\":\"2024-03-04T00:{minute:02}:00Z\",\"vendor\":\"v\",\"symbol\":\"A\",\"timeframe\":\"1m\",\"open\":1,\"high\":1,\"low\":1,\"close\":1,\"volume\":{minute}}}\n"
        )
    };
    append(&work, "feed.ndjson", &line(0));
    let mut running = tail(&work, &store, "feed.ndjson", "1");
    stored(&store, &mut running, 1);
    append(&work, "feed.ndjson", &(line(1) + "no json\n" + &line(2)[..20]));
    stored(&store, &mut running, 2);
    append(&work, "feed.ndjson", &line(2)[20..]);
    stored(&store, &mut running, 3);
    running.signal(Signal::TERM);
    let run = running.finish().expect(143);
    assert_eq!((run.books().inserted, run.books().rejected), (3, 1), "{run}");
    assert_eq!(work.dlq(".dlq/bars.ndjson").len(), 1);
}

#[test]
fn what_it_would_never_see_is_an_error() {
    let Some(user) = PROGRAMS.user else { return };
    let work = Work::new();
    let store = Store::sqlite(&work);
    fs::set_permissions(work.path(""), fs::Permissions::from_mode(0o777)).expect("its mode");
    append(&work, "closed/bars.csv", "");
    fs::set_permissions(work.path("closed"), fs::Permissions::from_mode(0o700)).expect("its mode");
    let run = work
        .mdsctl(["tail", "closed/*.csv", "--dataset", "bars", "--idle-exit", "300ms", "--dsn", &store.dsn()])
        .user(Some(user))
        .run()
        .expect(6);
    assert!(run.error().contains("closed: this user may not read the directory"), "{run}");
    // What may still come is waited for, aloud.
    let run = work.mdsctl(["tail", "none.csv", "--dataset", "bars", "--idle-exit", "300ms"]).run().expect(0);
    assert!(run.stderr.contains("waiting for none.csv"), "{run}");
}

#[test]
fn an_outage_shows_in_the_lag_and_loses_nothing() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let store = Store::Postgres(db);
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..2));
    let flags =
        ["tail", "bars.csv", "--json", "--metrics-listen", "127.0.0.1:0", "--capacity", "100", "--dsn"];
    let mut running =
        work.mdsctl(flags).arguments([store.dsn()]).env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").spawn();
    let at = address(&mut running);
    stored(&store, &mut running, 2);
    let lag = |what: &str, is: &dyn Fn(u64) -> bool| {
        wait::until(PATIENCE, what, || {
            let lag = get(at, "/status").json()["lag"].clone();
            is(lag["bytes"].as_u64()?).then_some(lag)
        })
    };
    lag("no lag", &|bytes| bytes == 0);
    server.stop();
    let text = bars(2..1_000);
    append(&work, "bars.csv", &text);
    let seen = lag("a lag of all", &|bytes| bytes == text.len() as u64);
    assert!(seen["seconds"].is_f64(), "{seen}");
    let sample = format!("mds_tail_lag_bytes{{coord_id=\"bars\"}} {}", text.len());
    assert!(get(at, "/metrics").body.contains(&sample));
    server.start();
    stored(&store, &mut running, 1_000);
    assert_eq!(lag("no lag", &|bytes| bytes == 0)["seconds"], 0.0);
    assert_eq!(stop(running).inserted, 1_000);
}

/// A pipe whose store is away: with `block` it is held back, with `drop-oldest` the oldest rows go to the
/// dead letters.
#[test]
fn a_pipe_in_an_outage() {
    for overflow in ["block", "drop-oldest"] {
        let server = Postgres::private();
        let (work, db) = (Work::new(), server.database_with_schema());
        let store = Store::Postgres(db);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["tail", "-", "--json", "--dataset", "bars", "--overflow", overflow, "--capacity", "200"];
        let mut running = work
            .mdsctl(flags)
            .arguments(["--dsn", &store.dsn(), "--batch-size", "50"])
            .env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2")
            .pipe(reader)
            .spawn();
        writer.write_all((HEADER.to_owned() + &bars(0..1)).as_bytes()).expect("the pipe");
        stored(&store, &mut running, 1);
        server.stop();
        // Some 5 MB, more than pipe, reader and queue hold.
        let rows = 100_000;
        let flood = std::thread::spawn(move || {
            for minute in 1..rows {
                let time = chrono::DateTime::from_timestamp(1_700_000_000 + minute * 60, 0).expect("a time");
                let line = format!("{},v,AAPL,1m,1,1,1,1,{minute}\n", time.to_rfc3339());
                if writer.write_all(line.as_bytes()).is_err() {
                    return false;
                }
            }
            true
        });
        if overflow == "block" {
            wait::until(PATIENCE, "the queue to be full", || {
                running.said().contains("waiting").then_some(())
            });
            assert!(!flood.is_finished(), "the writer is held back");
        } else {
            assert!(flood.join().expect("the flood"), "the writer is never held back");
            server.start();
            let run = running.finish().expect(3);
            let books = run.books();
            assert_eq!(books.inserted + books.dropped, u64::try_from(rows).expect("few"), "{run}");
            assert!(books.dropped > 0, "{run}");
            let dead: usize = work.dlq(".dlq/bars.ndjson").iter().map(|letter| letter.items.len()).sum();
            assert_eq!(dead as u64, books.dropped, "{run}");
            continue;
        }
        server.start();
        assert!(flood.join().expect("the flood"));
        let books = running.finish().expect(0).books();
        assert_eq!((books.inserted, books.dropped), (u64::try_from(rows).expect("few"), 0));
    }
}

/// The short form of scripts/soak: a file that is rotated on and on while the server is killed.
#[test]
fn rotations_and_kills_of_the_server() {
    let server = Postgres::private();
    let (work, store) = (Work::new(), Store::Postgres(server.database_with_schema()));
    let line = |n: u64| {
        let time = chrono::DateTime::from_timestamp(1_700_000_000 + n as i64, 0).expect("a time");
        format!("{},v,AAPL,1s,1,1,1,1,{n}\n", time.to_rfc3339())
    };
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &line(0));
    let mut running = tail(&work, &store, "bars.csv", "2");
    stored(&store, &mut running, 1);
    let (rotations, each) = (12, 500u64);
    for rotation in 0..rotations {
        for n in 0..each {
            append(&work, "bars.csv", &line(1 + rotation * each + n));
        }
        fs::rename(work.path("bars.csv"), work.path(&format!("bars.csv.{rotation}"))).expect("renamed");
        append(&work, "bars.csv", HEADER);
        if rotation % 4 == 1 {
            server.kill9();
            server.start();
        }
    }
    stored(&store, &mut running, 1 + rotations * each);
    let sum = &store.rows("SELECT sum(volume)::bigint::text FROM bars")[0][0];
    let last = rotations * each;
    assert_eq!(sum.as_deref(), Some((last * (last + 1) / 2).to_string().as_str()));
    let books = stop(running);
    assert_eq!((books.read, books.rejected, books.dropped), (1 + last, 0, 0));
}

/// Files that come and go by the name that is followed while the store is away, and the tail is killed too.
#[test]
fn rotations_in_an_outage_are_all_read() {
    for killed in [false, true] {
        let server = Postgres::private();
        let (work, store) = (Work::new(), Store::Postgres(server.database_with_schema()));
        append(&work, "bars.csv", HEADER);
        append(&work, "bars.csv", &bars(0..1));
        let begin = || {
            let flags = ["tail", "bars.csv", "--json", "--capacity", "50", "--wait", "--dsn"];
            let engine = work.mdsctl(flags).arguments([store.dsn()]);
            engine.env("MDS_CB_HALF_OPEN_AFTER_SEC", "0.2").spawn()
        };
        let mut running = begin();
        stored(&store, &mut running, 1);
        server.stop();
        for rotation in 0..4 {
            append(&work, "bars.csv", &bars(1 + rotation * 100..1 + (rotation + 1) * 100));
            fs::rename(work.path("bars.csv"), work.path(&format!("bars.csv.{rotation}"))).expect("renamed");
            append(&work, "bars.csv", HEADER);
            // It is known by its place, even if nothing of it is read.
            wait::until(PATIENCE, "the file to be noted", || {
                let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(work.path("bars.csv")).ok()?);
                let kept = fs::read_dir(work.path(".mdsctl")).ok()?;
                let mut texts = kept.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
                texts.any(|text| text.contains(&format!("\"inode\": {inode},"))).then_some(())
            });
        }
        append(&work, "bars.csv", &bars(401..402));
        if killed {
            running.signal(Signal::KILL);
            running.finish_quietly();
            running = begin();
        }
        server.start();
        stored(&store, &mut running, 402);
        stop(running);
    }
}

#[test]
fn rows_of_now_are_not_in_the_future() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..1));
    let flags = ["tail", "bars.csv", "--json", "--quality", "reject", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).spawn();
    stored(&store, &mut running, 1);
    let line = |at: chrono::DateTime<chrono::Utc>| format!("{},v,AAPL,1m,1,1,1,1,1\n", at.to_rfc3339());
    let now = chrono::Utc::now();
    append(&work, "bars.csv", &(line(now) + &line(now + chrono::Duration::hours(1))));
    stored(&store, &mut running, 2);
    running.signal(Signal::INT);
    assert_eq!(running.finish().expect(130).books().rejected, 1);
}

#[test]
fn what_was_rotated_while_nobody_looked_is_read_and_what_was_rewritten_too() {
    let server = Postgres::private();
    let (work, store) = (Work::new(), Store::Postgres(server.database_with_schema()));
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..2));
    let mut running = tail(&work, &store, "bars.csv", "2");
    stored(&store, &mut running, 2);
    stop(running);
    append(&work, "bars.csv", &bars(2..4));
    fs::rename(work.path("bars.csv"), work.path("bars.csv.2")).expect("renamed");
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(4..6));
    fs::rename(work.path("bars.csv"), work.path("bars.csv.1")).expect("renamed");
    work.write("bars.csv.old", HEADER.to_owned() + &bars(900..905));
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(6..8));
    let mut running = tail(&work, &store, "bars.csv", "2");
    stored(&store, &mut running, 8);

    // Stopped while the store is away, and rewritten before it is back.
    server.stop();
    append(&work, "bars.csv", &bars(8..10));
    wait::until(PATIENCE, "the outage", || running.said().contains("unavailable").then_some(()));
    running.signal(Signal::TERM);
    let size = fs::metadata(work.path("bars.csv")).expect("it").len();
    let other = HEADER.to_owned() + &bars(10..14);
    assert!(other.len() as u64 >= size, "not shorter than before");
    fs::write(work.path("bars.csv"), other).expect("rewritten");
    server.start();
    let run = running.finish().expect(143);
    assert!(run.books().inserted >= 8, "{run}");
    let again = ["tail", "bars.csv", "--idle-exit", "500ms", "--dsn", &store.dsn()];
    work.mdsctl(again).run().expect(0);
    assert_eq!(store.count("bars"), Some(14));
}

/// Rows that wait for the store when a tail is asked to end are left to their file, unless that has lost
/// them meanwhile.
#[test]
fn what_a_file_has_lost_before_it_was_stored_is_kept() {
    type Loss = fn(&std::path::Path);
    let truncated: Loss = |path| fs::write(path, HEADER).expect("truncated");
    let removed: Loss = |path| fs::remove_file(path).expect("removed");
    for (what, lose) in [("truncated", truncated), ("removed", removed)] {
        let server = Postgres::private();
        let (work, store) = (Work::new(), Store::Postgres(server.database_with_schema()));
        append(&work, "bars.csv", HEADER);
        append(&work, "bars.csv", &bars(0..2));
        let mut running = tail(&work, &store, "bars.csv", "2");
        stored(&store, &mut running, 2);
        server.stop();
        append(&work, "bars.csv", &bars(2..5));
        wait::until(PATIENCE, "the outage", || running.said().contains("unavailable").then_some(()));
        lose(&work.path("bars.csv"));
        running.signal(Signal::TERM);
        let run = running.finish().expect(143);
        assert!(run.stderr.contains("3 rows that cannot be read again"), "{what}: {run}");
        assert_eq!(run.books().rejected, 3, "{what}: {run}");
        server.start();
        work.mdsctl(["replay-dlq", ".dlq/bars.ndjson", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(store.count("bars"), Some(5), "{what}");
    }
}

#[test]
fn one_bad_file_among_many_costs_only_itself() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    append(&work, "in/a.csv", HEADER);
    append(&work, "in/a.csv", &bars(0..1));
    append(&work, "in/b.csv", "colour,shape\nred,round\n");
    work.write("in/c.csv", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]);
    let flags = ["tail", "in/*.csv", "--dataset", "bars", "--json", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).spawn();
    stored(&store, &mut running, 1);
    wait::until(PATIENCE, "words", || {
        let said = running.said();
        (said.contains("in/b.csv") && said.contains("in/c.csv: a compressed file")).then_some(())
    });
    // Mended, it is read.
    fs::write(work.path("in/b.csv"), HEADER.to_owned() + &bars(1..3)).expect("mended");
    stored(&store, &mut running, 3);
    running.signal(Signal::INT);
    assert_eq!(running.finish().books().inserted, 3);
}

#[test]
fn more_files_than_a_shell_may_open() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    for file in 0..150 {
        append(&work, &format!("in/{file}.csv"), &(HEADER.to_owned() + &bars(file..file + 1)));
    }
    let flags = ["tail", "in/*.csv", "--json", "--idle-exit", "500ms", "--dsn", &store.dsn()];
    let run = work.mdsctl(flags).open_files(64).run().expect(0);
    assert_eq!(run.books().inserted, 150, "{run}");
}

#[test]
fn a_file_that_may_not_be_read_is_told_and_waited_for() {
    let Some(user) = PROGRAMS.user else { return };
    let work = Work::new();
    let store = Store::postgres();
    fs::set_permissions(work.path(""), fs::Permissions::from_mode(0o777)).expect("its mode");
    let mode = |mode| fs::set_permissions(work.path("b.csv"), fs::Permissions::from_mode(mode));
    append(&work, "a.csv", &(HEADER.to_owned() + &bars(0..1)));
    append(&work, "b.csv", &(HEADER.to_owned() + &bars(1..2)));
    mode(0o600).expect("its mode");
    let flags = ["tail", "*.csv", "--json", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).user(Some(user)).spawn();
    stored(&store, &mut running, 1);
    wait::until(PATIENCE, "words", || running.said().contains("b.csv").then_some(()));
    mode(0o644).expect("its mode");
    stored(&store, &mut running, 2);
    stop(running);
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let work = Work::new();
    append(&work, "bars.csv", HEADER);
    append(&work, "bars.csv", &bars(0..1));
    work.write("new.json", "{\"version\":9,\"files\":[]}");
    for (path, words) in [("/dev/full", "is not a checkpoint file"), ("new.json", "version 9")] {
        let run =
            work.mdsctl(["tail", "bars.csv", "--checkpoint", path, "--idle-exit", "300ms"]).run().expect(2);
        assert!(run.error().contains(words), "{run}");
    }
}

//! Dead letters in streams of NATS JetStream.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::nats::{Letter, Nats};
use crate::harness::wait::PATIENCE;
use crate::harness::{Run, Store, Work, wait};

/// Rows, of which a table that refuses them keeps those of each seventh out.
const ROWS: u64 = 700;

fn scene(work: &Work, sqlite: bool) -> Store {
    let number = if sqlite { "INTEGER" } else { "BIGINT" };
    let tables = format!(
        "CREATE TABLE seqs (seq {number}, note TEXT, CHECK (seq % 7 <> 0)); CREATE TABLE kept (seq {number}, note TEXT)"
    );
    Store::holding(work, sqlite, &tables)
}

fn csv(rows: u64) -> String {
    "seq,note\n".to_owned() + &(1..=rows).map(|seq| format!("{seq},n{seq}\n")).collect::<String>()
}

/// The numbers of rows in letters, in their order.
fn rows_of(letters: &[Letter]) -> Vec<u64> {
    let mut rows = Vec::new();
    for letter in letters {
        let record: Value = serde_json::from_str(&letter.body).expect("a record");
        let items = record["items"].as_array().expect("items").clone();
        rows.extend(items.iter().map(|item| item["seq"].as_u64().expect("a number")));
    }
    rows.sort_unstable();
    rows
}

fn sevenths(rows: u64) -> Vec<u64> {
    (1..=rows / 7).map(|n| n * 7).collect()
}

fn stored(store: &Store, table: &str) -> Vec<u64> {
    let rows = store.rows(&format!("SELECT seq FROM {table} ORDER BY seq"));
    rows.into_iter().map(|row| row[0].as_deref().expect("a value").parse().expect("a number")).collect()
}

fn load(work: &Work, store: &Store, queue: &str, rows: u64) -> Run {
    let file = work.write("a.csv", csv(rows));
    let dsn = store.dsn();
    work.mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", queue, "--json", "--force"]).run()
}

#[test]
fn letters_go_to_a_subject_and_are_inspected_and_replayed_there() {
    let Some(nats) = Nats::start(&[]) else { return };
    for sqlite in [true, false] {
        let work = Work::new();
        let store = scene(&work, sqlite);
        let subject = if sqlite { "dead.sqlite" } else { "dead.postgres" };
        nats.make(subject);
        let queue = nats.subject(subject);
        let run = load(&work, &store, &queue, ROWS).expect(3);
        assert_eq!(run.json()["dlq"]["path"], queue.as_str());
        let letters = nats.letters(subject);
        assert_eq!(rows_of(&letters), sevenths(ROWS), "{store}");
        for letter in &letters {
            let record: Value = serde_json::from_str(&letter.body).expect("a record");
            let (meta, header) =
                (&record["metadata"], |name: &str| letter.headers.get(name).map(String::as_str));
            assert_eq!(header("mds-code"), meta["code"].as_str());
            assert_eq!(header("mds-reason"), record["error"].as_str());
            assert_eq!((header("mds-stage"), header("mds-source")), (Some("write"), meta["source"].as_str()));
            assert_eq!(header("mds-run"), meta["run_id"].as_str());
            assert_eq!(header("mds-row"), Some(&*meta["rows"][0].to_string()));
        }
        let run = work.mdsctl(["inspect-dlq", &queue, "--json"]).run().expect(0);
        assert_eq!(run.json()["rows"], 100, "{run}");
        let run = work.mdsctl(["health", "--dsn", &store.dsn(), "--dlq", &queue, "--json"]).run();
        assert_eq!(run.json()["perfdata"]["dlq_rows"], 100.0, "{run}");

        // Rows that fail again are put back, those that were before are gone.
        let dsn = store.dsn();
        let replay = |table: &str, more: &[&str]| {
            let flags = ["replay-dlq", &queue, "--table", table, "--dsn", &dsn, "--json"];
            work.mdsctl([&flags[..], more].concat()).run()
        };
        let run = replay("kept", &["--dry-run"]);
        assert_eq!(run.json()["rows"]["read"], 100, "{run}");
        assert_eq!(nats.letters(subject), letters);
        replay("seqs", &[]).expect(3);
        let again = nats.letters(subject);
        assert_eq!(rows_of(&again), sevenths(ROWS));
        assert!(again.iter().all(|letter| !letters.contains(letter)));
        replay("seqs", &["--max-attempts", "3"]).expect(3);
        assert!(nats.letters(subject).iter().all(|letter| letter.headers.contains_key("mds-parked")));
        replay("kept", &[]).expect(0);
        assert_eq!((rows_of(&nats.letters(subject)), store.count("kept")), (sevenths(ROWS), Some(0)));
        replay("kept", &["--max-attempts", "9"]).expect(0);
        assert_eq!((nats.letters(subject), stored(&store, "kept")), (Vec::new(), sevenths(ROWS)), "{store}");
    }
}

#[test]
fn what_is_added_is_told_as_it_comes() {
    let Some(nats) = Nats::start(&[]) else { return };
    let work = Work::new();
    let store = scene(&work, true);
    nats.make("dead");
    let queue = nats.subject("dead");
    let following = work.mdsctl(["inspect-dlq", &queue, "--follow", "--json"]).spawn();
    // What was there before it began is not new, so that it is loaded until some is.
    let told = wait::until(PATIENCE, "it is told of letters", || {
        load(&work, &store, &queue, 7).expect(3);
        std::thread::sleep(Duration::from_millis(1_500));
        Some(following.printed()).filter(|told| told.contains('\n'))
    });
    let record: Value = serde_json::from_str(told.lines().next().expect("a line")).expect("a record");
    assert_eq!(record["items"][0]["seq"], 7, "{record}");
    following.signal(Signal::INT);
    following.finish().expect(130);
}

#[test]
fn replays_that_are_killed_lose_and_double_no_row() {
    let Some(nats) = Nats::start(&[]) else { return };
    for sqlite in [true, false] {
        let work = Work::new();
        // Without a key, so that a row that is stored twice is there twice.
        let number = if sqlite { "INTEGER" } else { "BIGINT" };
        let tables =
            format!("CREATE TABLE seqs (seq {number}, note TEXT); CREATE TABLE words (seq TEXT, note TEXT)");
        let store = Store::holding(&work, sqlite, &tables);
        let subject = if sqlite { "dead.sqlite" } else { "dead.postgres" };
        nats.make(subject);
        let (queue, dsn) = (nats.subject(subject), store.dsn());
        let text =
            "seq,note\n".to_owned() + &(1..=3_000).map(|seq| format!("x{seq},n\n")).collect::<String>();
        let file = work.write("a.csv", text);
        work.mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue]).run().expect(3);
        let replay = || {
            let flags = ["replay-dlq", &queue, "--table", "words", "--dsn", &dsn, "--batch-size", "20"];
            work.mdsctl(flags).within(PATIENCE)
        };
        let (mut killed, mut time) = (0, Duration::from_millis(50));
        loop {
            let mut running = replay().spawn();
            std::thread::sleep(time);
            if running.has_ended() {
                running.finish().expect(0);
                break;
            }
            running.signal(Signal::KILL);
            running.finish_quietly();
            (killed, time) = (killed + 1, time.mul_f64(1.2));
        }
        assert!(killed > 0);
        let mut expected: Vec<String> = (1..=3_000).map(|seq| format!("x{seq}")).collect();
        expected.sort_unstable();
        let mut rows: Vec<String> =
            store.rows("SELECT seq FROM words").into_iter().filter_map(|row| row[0].clone()).collect();
        rows.sort_unstable();
        assert_eq!(nats.letters(subject), Vec::new(), "{store}, killed {killed} times");
        assert!(rows == expected, "{store}, killed {killed} times: {} rows", rows.len());
    }
}

#[test]
fn another_machine_waits_for_a_replay_that_goes_on() {
    let Some(nats) = Nats::start(&[]) else { return };
    let work = Work::new();
    let store = scene(&work, false);
    nats.make("dead");
    let (queue, dsn) = (nats.subject("dead"), store.dsn());
    load(&work, &store, &queue, 70).expect(3);
    let Store::Postgres(db) = &store else { panic!("PostgreSQL") };
    let holder = db.session().expect("a session");
    holder.execute("BEGIN; LOCK TABLE kept IN ACCESS EXCLUSIVE MODE");
    let flags = ["replay-dlq", &queue, "--table", "kept", "--dsn", &dsn];
    let running = work.mdsctl(flags).spawn();
    let other = Work::new();
    let refused = wait::until(PATIENCE, "it has claimed them", || {
        let look = work.mdsctl(["health", "--dsn", &dsn, "--dlq", &queue, "--json"]).run().json();
        let all = look["findings"].as_array().expect("findings").clone();
        all.iter().any(|found| found["check"] == "dlq_claim").then(|| other.mdsctl(flags).run())
    });
    assert!(refused.expect(2).error().contains(&format!("is being replayed by process {}", running.pid())));
    running.signal(Signal::KILL);
    running.finish_quietly();
    holder.execute("ROLLBACK");
    assert_eq!(rows_of(&nats.letters("dead")), sevenths(70));
    // With force it is taken over: nothing was stored.
    other.mdsctl(flags).arguments(["--force"]).run().expect(0);
    assert_eq!((nats.letters("dead"), stored(&store, "kept")), (Vec::new(), sevenths(70)));
    // What was here of it is of no use any more.
    work.mdsctl(flags).run().expect(0);
    assert_eq!(stored(&store, "kept"), sevenths(70));
}

#[test]
fn rows_stay_in_their_files_where_the_server_is_away() {
    for sqlite in [true, false] {
        let work = Work::new();
        let (store, kept) = (scene(&work, sqlite), Nats::directory());
        let Some(nats) = Nats::kept(kept.path(), None) else { return };
        nats.make("dead");
        let (queue, port, dsn) = (nats.subject("dead"), nats.port(), store.dsn());
        let (reader, mut pipe) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--format", "csv", "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
        let flags = [&flags[..], &["--flush-interval", "50ms", "--max-outage", "1s"]].concat();
        let running = work.mdsctl(flags).pipe(reader).within(PATIENCE * 3).spawn();
        let good = |from: u64, to: u64| {
            let rows = (from..to).filter(|seq| !seq.is_multiple_of(7));
            rows.map(|seq| format!("{seq},n\n")).collect::<String>()
        };
        let mut write =
            |text: String| std::io::Write::write_all(&mut pipe, text.as_bytes()).expect("it is read");
        write("seq,note\n".to_owned() + &good(1, 20_000));
        wait::until(PATIENCE, "a row", || store.count("seqs").filter(|rows| *rows > 0));
        // The server goes while the load is at work.
        drop(nats);
        write("7,bad\n".to_owned() + &good(20_000, 20_100));
        drop(pipe);
        let run = running.finish().expect(5);
        assert!(run.stderr.contains(&queue) && run.stderr.contains("cannot be written"), "{run}");
        assert!(run.stderr.contains("1 row that cannot be read again is lost"), "{run}");
        let before: Vec<u64> = (1..20_100_u64).filter(|seq| !seq.is_multiple_of(7)).collect();
        assert!(stored(&store, "seqs") == before, "{store}: {run}");

        // Before it begins it is told, and nothing is done.
        let run = load(&work, &store, &queue, 70).expect(5);
        assert!(run.error().contains("NATS cannot be reached"), "{run}");
        assert_eq!(store.count("seqs"), Some(before.len() as u64));
        let Some(nats) = Nats::kept(kept.path(), Some(port)) else { return };
        load(&work, &store, &queue, 70).expect(3);
        assert_eq!(rows_of(&nats.letters("dead")), sevenths(70));
    }
}

/// Of a write that fails the stream may have a part. Its rows are written again, and are there once.
#[test]
fn what_was_written_in_vain_is_taken_back() {
    let Some(nats) = Nats::start(&[]) else { return };
    for sqlite in [true, false] {
        let work = Work::new();
        let store = scene(&work, sqlite);
        let subject = if sqlite { "full1" } else { "full2" };
        nats.make_bounded(subject, Some(3), 12_000);
        let file = work.write("a.csv", csv(7 * ROWS));
        let (dsn, queue) = (store.dsn(), nats.subject(subject));
        let running = work
            .mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue, "--progress", "none"])
            .spawn();
        wait::until(PATIENCE, "it waits for room", || {
            running.said().contains(&format!("the stream {subject} is full")).then_some(())
        });
        nats.make_bounded(subject, None, 12_000);
        let run = running.finish().expect(3);
        let letters = nats.letters(subject);
        assert!(letters.len() > 3, "{letters:?}");
        assert_eq!(rows_of(&letters), sevenths(7 * ROWS), "{store} {run}");
        assert_eq!(store.count("seqs"), Some(6 * ROWS), "{store}");
    }
}

#[test]
fn a_record_larger_than_a_message_goes_in_parts() {
    let Some(nats) = Nats::start(&[]) else { return };
    let work = Work::new();
    let store = scene(&work, true);
    nats.make("dead");
    let queue = nats.subject("dead");
    let long = |seq: u64| format!("{seq},{}\n", "ü".repeat(1_500));
    let text = "seq,note\n".to_owned() + &(1..=1_000).map(|n| long(n * 7)).collect::<String>();
    let (file, dsn) = (work.write("a.csv", text), store.dsn());
    let flags = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
    work.mdsctl(flags).run().expect(3);
    assert_eq!(rows_of(&nats.letters("dead")), sevenths(7_000));
    // They are larger where they are put back, too.
    work.mdsctl(["replay-dlq", &queue, "--dsn", &dsn, "--table", "seqs"]).run().expect(3);
    assert_eq!(rows_of(&nats.letters("dead")), sevenths(7_000));
    work.mdsctl(["replay-dlq", &queue, "--dsn", &dsn, "--table", "kept"]).run().expect(0);
    assert_eq!(stored(&store, "kept"), sevenths(7_000));
    let notes = store.rows("SELECT DISTINCT length(note) FROM kept");
    assert_eq!(notes, [[Some("1500".to_owned())]]);
}

#[test]
fn a_subject_that_keeps_no_letters_is_refused_before_a_row_is_read() {
    let Some(nats) = Nats::start(&[]) else { return };
    let work = Work::new();
    let store = scene(&work, true);
    nats.make("dead");
    nats.make_forgetful("gone");
    for (subject, says) in [
        ("nowhere", "no stream of JetStream takes the subject nowhere; make one"),
        ("dead.*", "dead letters go to one subject"),
        ("gone", "the stream gone keeps no message for good"),
        ("dead?durable=x", "has no parameter durable: there are ca, cert, creds, key, tls"),
    ] {
        let run = load(&work, &store, &nats.subject(subject), 70).expect(2);
        assert!(run.error().contains(says), "{run}");
    }
    let run = load(&work, &store, &format!("nats://me:hunter2@{}/dead", nats.servers()), 70).expect(2);
    assert!(run.error().contains("NATS_PASSWORD") && !run.stderr.contains("hunter2"), "{run}");
    assert_eq!((store.count("seqs"), nats.letters("dead")), (Some(0), Vec::new()));
}

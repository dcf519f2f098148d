//! Dead letters in topics of Kafka.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::kafka::{Kafka, Read};
use crate::harness::run::PASSWORD;
use crate::harness::wait::PATIENCE;
use crate::harness::{Run, Store, Work, wait};

/// Rows, of which a table that refuses them keeps those of each seventh out.
const ROWS: u64 = 700;

fn scene(work: &Work, sqlite: bool) -> Store {
    let number = if sqlite { "INTEGER" } else { "BIGINT" };
    // Without a key, so that a row that is stored twice is there twice.
    let tables = format!(
        "CREATE TABLE seqs (seq {number}, note TEXT, CHECK (seq % 7 <> 0)); CREATE TABLE kept (seq {number}, note TEXT)"
    );
    Store::holding(work, sqlite, &tables)
}

fn csv(rows: u64) -> String {
    "seq,note\n".to_owned() + &(1..=rows).map(|seq| format!("{seq},n{seq}\n")).collect::<String>()
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
    work.mdsctl(["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", queue, "--json", "--force"])
        .within(PATIENCE)
        .run()
}

/// How many rows are left in a queue.
fn left(work: &Work, queue: &str) -> u64 {
    let run = work.mdsctl(["inspect-dlq", queue, "--json"]).within(PATIENCE).run().expect(0);
    run.json()["rows"].as_u64().expect("a number")
}

/// The numbers of the rows in messages, in their order.
fn rows_of(messages: &[Read]) -> Vec<u64> {
    let letters = messages.iter().filter(|message| !message.headers.contains_key("mds-control"));
    let rows = letters.flat_map(|message| {
        let record: Value = serde_json::from_str(&message.body).expect("a record");
        let items = record["items"].as_array().expect("items").clone();
        items.into_iter().map(|item| {
            let seq = item["seq"].as_u64().expect("a number");
            assert_eq!(item["note"], format!("n{seq}"));
            seq
        })
    });
    let mut rows: Vec<u64> = rows.collect();
    rows.sort_unstable();
    rows
}

#[test]
fn letters_go_to_a_topic_and_are_inspected_and_replayed_there() {
    let kafka = Kafka::start(1);
    for sqlite in [true, false] {
        let work = Work::new();
        let store = scene(&work, sqlite);
        let topic = if sqlite { "dead.sqlite" } else { "dead.postgres" };
        kafka.make(topic, 3);
        let queue = kafka.queue(topic);
        let run = load(&work, &store, &queue, ROWS).expect(3);
        assert_eq!(run.json()["dlq"]["path"], queue.as_str());
        assert_eq!(run.json()["dlq"]["rows"], 100, "{run}");
        let letters = kafka.read(topic);
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
            assert!(
                header("mds-id").is_some_and(|id| id.starts_with(meta["run_id"].as_str().unwrap_or("-")))
            );
        }
        assert_eq!(left(&work, &queue), 100, "{store}");
        let run = work.mdsctl(["health", "--dsn", &store.dsn(), "--dlq", &queue, "--json"]).run();
        assert_eq!(run.json()["perfdata"]["dlq_rows"], 100.0, "{run}");

        // Rows that fail again are put back, those that were before count no more.
        let dsn = store.dsn();
        let replay = |table: &str, more: &[&str]| {
            let flags = ["replay-dlq", &queue, "--table", table, "--dsn", &dsn, "--json"];
            work.mdsctl([&flags[..], more].concat()).within(PATIENCE).run()
        };
        let run = replay("kept", &["--dry-run"]);
        assert_eq!(run.json()["rows"]["read"], 100, "{run}");
        assert_eq!(kafka.read(topic), letters, "a dry run writes nothing");
        replay("seqs", &[]).expect(3);
        let again = kafka.read(topic);
        assert_eq!(again[..letters.len()], letters, "nothing can be deleted");
        assert_eq!(rows_of(&again[letters.len()..]), sevenths(ROWS), "{store}");
        assert_eq!(left(&work, &queue), 100, "{store}");
        replay("seqs", &["--max-attempts", "3"]).expect(3);
        let parked = kafka.read(topic);
        let parked = parked[again.len()..].iter().filter(|letter| letter.headers.contains_key("mds-parked"));
        assert_eq!(rows_of(&parked.cloned().collect::<Vec<_>>()), sevenths(ROWS), "{store}");
        assert_eq!(replay("kept", &[]).expect(0).books().read, 0, "parked ones stay");
        assert_eq!(store.count("kept"), Some(0));
        // A letter that is not parked is replayed though those before it stay.
        load(&work, &store, &queue, 7).expect(3);
        assert_eq!(replay("kept", &[]).expect(0).books().inserted, 1, "{store}");
        assert_eq!((stored(&store, "kept"), left(&work, &queue)), (vec![7], 100), "{store}");
        replay("kept", &["--max-attempts", "9"]).expect(0);
        let mut all = sevenths(ROWS);
        all.insert(0, 7);
        assert_eq!((stored(&store, "kept"), left(&work, &queue)), (all.clone(), 0), "{store}");
        // All of it is marked as settled, and nothing is stored again.
        let group = format!("mdsctl-replay-{topic}");
        assert_eq!(kafka.lag(topic, &group, 1), Some(0), "{store}");
        assert_eq!(replay("kept", &["--max-attempts", "9"]).expect(0).books().read, 0);
        assert_eq!(stored(&store, "kept"), all, "{store}");
        load(&work, &store, &queue, 14).expect(3);
        assert_eq!(left(&work, &queue), 2, "{store}");
    }
}

#[test]
fn what_is_added_is_told_as_it_comes() {
    let kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, true);
    kafka.make("dead", 1);
    let queue = kafka.queue("dead");
    let following = work.mdsctl(["inspect-dlq", &queue, "--follow", "--json"]).within(PATIENCE).spawn();
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
    let kafka = Kafka::start(1);
    for sqlite in [true, false] {
        let work = Work::new();
        let number = if sqlite { "INTEGER" } else { "BIGINT" };
        let tables =
            format!("CREATE TABLE seqs (seq {number}, note TEXT); CREATE TABLE words (seq TEXT, note TEXT)");
        let store = Store::holding(&work, sqlite, &tables);
        let topic = if sqlite { "dead.sqlite" } else { "dead.postgres" };
        kafka.make(topic, 1);
        let (queue, dsn) = (kafka.queue(topic), store.dsn());
        let text =
            "seq,note\n".to_owned() + &(1..=3_000).map(|seq| format!("x{seq},n\n")).collect::<String>();
        let file = work.write("a.csv", text);
        let flags = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
        work.mdsctl(flags).within(PATIENCE).run().expect(3);
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
        assert_eq!(left(&work, &queue), 0, "{store}, killed {killed} times");
        assert!(rows == expected, "{store}, killed {killed} times: {} rows", rows.len());
    }
}

#[test]
fn another_machine_waits_for_a_replay_that_goes_on() {
    let kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, false);
    kafka.make("dead", 1);
    let (queue, dsn) = (kafka.queue("dead"), store.dsn());
    load(&work, &store, &queue, 70).expect(3);
    let Store::Postgres(db) = &store else { panic!("PostgreSQL") };
    let holder = db.session().expect("a session");
    holder.execute("BEGIN; LOCK TABLE kept IN ACCESS EXCLUSIVE MODE");
    let flags = ["replay-dlq", &queue, "--table", "kept", "--dsn", &dsn];
    let running = work.mdsctl(flags).within(PATIENCE).spawn();
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
    assert_eq!(left(&work, &queue), 10);
    // With force it is taken over: nothing was stored.
    other.mdsctl(flags).arguments(["--force"]).within(PATIENCE).run().expect(0);
    assert_eq!((left(&work, &queue), stored(&store, "kept")), (0, sevenths(70)));
    // What was here of it is of no use any more.
    work.mdsctl(flags).within(PATIENCE).run().expect(0);
    assert_eq!(stored(&store, "kept"), sevenths(70));
}

#[test]
fn rows_stay_in_their_files_where_the_servers_are_away() {
    for sqlite in [true, false] {
        let mut kafka = Kafka::start(1);
        let work = Work::new();
        let store = scene(&work, sqlite);
        kafka.make("dead", 1);
        let (queue, dsn) = (kafka.queue("dead"), store.dsn());
        let (reader, mut pipe) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--format", "csv", "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
        let flags = [&flags[..], &["--flush-interval", "50ms", "--max-outage", "1s"]].concat();
        let running = work.mdsctl(flags).pipe(reader).within(PATIENCE).spawn();
        let good = |from: u64, to: u64| {
            let rows = (from..to).filter(|seq| !seq.is_multiple_of(7));
            rows.map(|seq| format!("{seq},n\n")).collect::<String>()
        };
        let mut write = |text: String| pipe.write_all(text.as_bytes()).expect("it is read");
        write("seq,note\n".to_owned() + &good(1, 20_000));
        wait::until(PATIENCE, "a row", || store.count("seqs").filter(|rows| *rows > 0));
        // The servers go while the load is at work.
        kafka.set_up(false);
        write("7,bad\n".to_owned() + &good(20_000, 20_100));
        drop(pipe);
        let run = running.finish().expect(5);
        assert!(run.stderr.contains(&queue) && run.stderr.contains("cannot be written"), "{run}");
        assert!(run.stderr.contains("Kafka cannot be reached"), "{run}");
        assert!(run.stderr.contains("1 row that cannot be read again is lost"), "{run}");
        let before: Vec<u64> = (1..20_100_u64).filter(|seq| !seq.is_multiple_of(7)).collect();
        assert!(stored(&store, "seqs") == before, "{store}: {run}");

        // Before it begins it is told, and nothing is done.
        let run = load(&work, &store, &queue, 70).expect(5);
        assert!(run.error().contains("Kafka cannot be reached"), "{run}");
        let run = work.mdsctl(["inspect-dlq", &queue]).within(PATIENCE).run();
        assert!(run.code != 0 && run.error().contains("Kafka cannot be reached"), "{run}");
        assert_eq!(store.count("seqs"), Some(before.len() as u64));
        kafka.set_up(true);
        load(&work, &store, &queue, 70).expect(3);
        assert_eq!(left(&work, &queue), 10);
    }
}

/// The load waits as long as the servers are away, and each letter is there once.
#[test]
fn letters_wait_for_servers_that_come_back() {
    let mut kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, false);
    kafka.make("dead", 1);
    let (queue, dsn) = (kafka.queue("dead"), store.dsn());
    let (reader, mut pipe) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--format", "csv", "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
    let flags = [&flags[..], &["--flush-interval", "50ms", "--json"]].concat();
    let running = work.mdsctl(flags).pipe(reader).within(PATIENCE * 2).spawn();
    pipe.write_all(b"seq,note\n7,n7\n8,n8\n").expect("it is read");
    wait::until(PATIENCE, "the first letter", || (rows_of(&kafka.read("dead")) == [7]).then_some(()));
    kafka.set_up(false);
    pipe.write_all(b"14,n14\n15,n15\n21,n21\n").expect("it is read");
    wait::until(PATIENCE, "a word about it", || running.said().contains("cannot be written").then_some(()));
    kafka.set_up(true);
    drop(pipe);
    let run = running.finish().expect(3);
    assert_eq!((run.books().inserted, run.books().rejected), (2, 3), "{run}");
    assert_eq!(left(&work, &queue), 3, "{run}");
    let flags = ["replay-dlq", &queue, "--table", "kept", "--dsn", &dsn];
    work.mdsctl(flags).within(PATIENCE).run().expect(0);
    assert_eq!(stored(&store, "kept"), [7, 14, 21]);
}

/// Of a write that fails the topic may have a part. Its rows are written again, and are there once.
#[test]
fn what_was_written_in_vain_does_not_count() {
    for sqlite in [true, false] {
        let kafka = Kafka::start(1);
        let work = Work::new();
        let store = scene(&work, sqlite);
        kafka.make("dead", 1);
        // A message a request, so that of some that are sent together one part is taken.
        let file = work.write("slow.conf", "batch.num.messages=1\nmax.in.flight.requests.per.connection=1\n");
        let queue = format!("{}?config={file}", kafka.queue("dead"));
        kafka.answer_writes("..x..x..");
        let file = work.write("a.csv", csv(7 * ROWS));
        let dsn = store.dsn();
        let flags = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue, "--batch-size", "50"];
        let run = work.mdsctl(flags).within(PATIENCE).run().expect(3);
        assert_eq!(store.count("seqs"), Some(6 * ROWS), "{store}");
        assert_eq!(left(&work, &queue), ROWS, "{store}: {run}");
        let all = kafka.read("dead");
        let withdrawn = all.iter().any(|message| message.body.contains("\"withdrawn\""));
        assert!(withdrawn, "{store}: nothing was written in vain: {run}");
        let flags = ["replay-dlq", &queue, "--table", "kept", "--dsn", &dsn];
        work.mdsctl(flags).within(PATIENCE).run().expect(0);
        assert_eq!((stored(&store, "kept"), left(&work, &queue)), (sevenths(7 * ROWS), 0), "{store}");
    }
}

#[test]
fn a_record_larger_than_a_message_goes_in_parts() {
    let kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, true);
    kafka.make("dead", 1);
    let queue = kafka.queue("dead");
    let long = |seq: u64| format!("{seq},{}\n", "ü".repeat(1_500));
    let text = "seq,note\n".to_owned() + &(1..=500).map(|n| long(n * 7)).collect::<String>();
    let (file, dsn) = (work.write("a.csv", text), store.dsn());
    let flags = ["load", &file, "--table", "seqs", "--dsn", &dsn, "--dlq", &queue];
    work.mdsctl(flags).within(PATIENCE).run().expect(3);
    let ids: Vec<String> = kafka.read("dead").iter().map(|letter| letter.headers["mds-id"].clone()).collect();
    assert!(ids.len() > 1 && ids.iter().collect::<BTreeSet<_>>().len() == ids.len(), "{ids:?}");
    assert_eq!(left(&work, &queue), 500);
    let flags = ["replay-dlq", &queue, "--dsn", &dsn, "--table", "kept"];
    work.mdsctl(flags).within(PATIENCE).run().expect(0);
    assert_eq!(stored(&store, "kept"), sevenths(3_500));
    let notes = store.rows("SELECT DISTINCT length(note) FROM kept");
    assert_eq!(notes, [[Some("1500".to_owned())]]);
}

#[test]
fn letters_that_the_topic_deletes_by_itself_are_told() {
    let kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, true);
    kafka.make("dead", 1);
    let queue = kafka.queue("dead");
    load(&work, &store, &queue, 70).expect(3);
    // More than the servers of the tests keep.
    let other = format!("{{\"note\":\"{}\"}}", "x".repeat(100_000));
    kafka.publish("dead", 1, (0..70).map(|_| other.clone()));
    let run = work.mdsctl(["inspect-dlq", &queue]).within(PATIENCE).run();
    assert!(run.stderr.contains("deleted by the topic itself (its retention)"), "{run}");
}

#[test]
fn a_topic_that_takes_no_letters_is_refused_before_a_row_is_read() {
    let kafka = Kafka::start(1);
    let work = Work::new();
    let store = scene(&work, true);
    kafka.make("dead", 1);
    work.write("fixed.conf", "acks=1\n");
    work.write("group.conf", "group.id=x\n");
    work.write("odd.conf", "no.such.setting=1\n");
    for (topic, says) in [
        ("nowhere", "there is no topic nowhere; make one"),
        ("a%20b", "a b is no name of a topic"),
        ("dead?group=x", "has no parameter group: there are config, sasl.mechanism"),
        ("dead?config=fixed.conf", "fixed.conf: acks is not for you to set"),
        ("dead?config=group.conf", "group.conf: group.id is not for you to set"),
        ("dead?config=odd.conf", "no.such.setting is no setting of this client of Kafka"),
    ] {
        let run = load(&work, &store, &kafka.queue(topic), 70).expect(2);
        assert!(run.error().contains(says), "{run}");
    }
    let queue = format!("kafka://me:{PASSWORD}@{}/dead", kafka.servers());
    let run = load(&work, &store, &queue, 70).expect(2);
    assert!(run.error().contains("set sasl.password in a file") && !run.stderr.contains(PASSWORD), "{run}");
    assert_eq!((store.count("seqs"), kafka.read("dead")), (Some(0), Vec::new()));
}

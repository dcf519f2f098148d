//! Topics of Kafka.

use std::collections::BTreeMap;

use rustix::process::Signal;

use super::PATIENCE;
use super::redis::{assert_exact_in, body, comes_to, is_good, progress, scene, stored};
use crate::harness::kafka::{Kafka, Sent};
use crate::harness::run::{Mdsctl, Running};
use crate::harness::{Store, Work, on_both_stores, wait};

/// Messages, unless `MDSCTL_KAFKA_MESSAGES` asks for more.
const MESSAGES: u64 = 12_000;

/// Headers of a message.
type Headers<'h> = &'h [(&'h str, Option<&'h [u8]>)];

fn tail(work: &Work, store: &Store, address: &str, dlq: &str) -> Mdsctl {
    let flags = ["tail", address, "--json", "--dlq", dlq, "--dsn", &store.dsn()];
    work.mdsctl(flags).within(PATIENCE)
}

#[test]
fn rows_of_messages_are_stored_and_bad_ones_are_named_by_their_message() {
    let kafka = Kafka::start(2);
    on_both_stores(|work, store, what| {
        let topic = format!("bars.{what}");
        kafka.make(&topic, 2);
        let bar = |minute: u32, close: &str| {
            format!(
                r#"{{"ts":"2024-03-04T10:{minute:02}:00Z","vendor":"v","symbol":"AAPL","timeframe":"1m","open":1.25,"high":9,"low":1,"close":{close},"volume":{minute}}}"#
            )
        };
        let two = format!("[{},\n {}]", bar(1, "2.5"), bar(2, "\"3.5\""));
        let with_bad = format!("{}{}", bar(4, "4.5"), bar(5, "\"x\""));
        for (partition, body) in [
            (0, Some(two.as_bytes())),
            (1, Some(&b"{\"ts\":\"2024-03-04T10:03:00Z\", oh"[..])),
            (1, Some(with_bad.as_bytes())),
            // What marks a key as deleted has no row.
            (0, None),
            (0, Some(b"[]")),
            (0, Some(b"{\"symbol\":\"\xFF\"}")),
        ] {
            kafka.publish_in(&topic, partition, body);
        }
        kafka.flush();
        let address = kafka.address(&topic, "group=g");
        let run =
            tail(work, store, &address, "letters.ndjson").arguments(["--idle-exit", "500ms"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (6, 3, 3), "{what}: {run}");
        let rows = store.rows("SELECT symbol, open_price, close_price, volume FROM bars ORDER BY ts");
        let number = |text: &Option<String>| text.as_deref().and_then(|v| v.parse().ok()).expect("a number");
        let rows: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                assert_eq!(row[0].as_deref(), Some("AAPL"), "{what}");
                row[1..].iter().map(number).collect()
            })
            .collect();
        assert_eq!(rows, [[1.25, 2.5, 1.0], [1.25, 3.5, 2.0], [1.25, 4.5, 4.0]], "{what}");

        let letters = work.dlq("letters.ndjson");
        let of = |place: &str| {
            let name = format!("kafka://{}/{topic}#{place}", kafka.servers());
            let mut found = letters.iter().filter(|letter| letter.source == name);
            let letter = found.next().unwrap_or_else(|| panic!("{what}: {name} in {letters:?}"));
            assert!(found.next().is_none());
            letter
        };
        assert_eq!((of("1:0").rows.as_slice(), &*of("1:0").code), (&[1][..], "bad_line"), "{what}");
        assert_eq!(of("1:0").raw.as_deref(), Some("{\"ts\":\"2024-03-04T10:03:00Z\", oh"), "{what}");
        assert_eq!((of("1:1").rows.as_slice(), &*of("1:1").stage), (&[2][..], "validate"), "{what}");
        assert_eq!(of("1:1").items[0]["volume"].to_string().trim_matches('"'), "5", "{what}");
        assert_eq!(of("0:3").stage, "decode", "{what}");
        assert_eq!(letters.len(), 3, "{what}");

        assert_eq!(kafka.lag(&topic, "g", 2), Some(0), "{what}: all is committed");
        let again =
            tail(work, store, &address, "letters.ndjson").arguments(["--idle-exit", "300ms"]).run().expect(0);
        assert_eq!(again.books().read, 0, "{what}: {again}");
    });
}

#[test]
fn keys_headers_times_and_places_are_columns() {
    let kafka = Kafka::start(1);
    for sqlite in [true, false] {
        let work = Work::new();
        let time = if sqlite { "TEXT" } else { "TIMESTAMPTZ" };
        let table = format!(
            "CREATE TABLE seqs (seq BIGINT NOT NULL, own TEXT, venue TEXT, message TEXT, sent {time})"
        );
        let store = Store::holding(&work, sqlite, &table);
        let topic = format!("told.{sqlite}");
        kafka.make(&topic, 2);
        let message = |partition: i32, key: Option<&[u8]>, at: i64, headers: Headers<'_>, body: &str| {
            let body = Some(body.as_bytes());
            kafka.send(&topic, partition, &Sent { key, at: Some(at), headers, body });
        };
        let venue = |value: Option<&'static [u8]>| [("Venue", value), ("other", Some(&b"no"[..]))];
        let twice = [("Venue", Some(&b"XPAR"[..])), ("venue", Some(b"no")), ("Venue", Some(b"XAMS"))];
        message(0, Some(b"AAPL"), 1_709_546_400_123, &venue(Some(b"XNAS")), "[{\"seq\":1},{\"seq\":2}]");
        message(0, Some("Zürich 株".as_bytes()), 1, &twice, "{\"seq\":3}");
        message(1, None, 1_709_546_400_000, &[], "{\"seq\":4}");
        message(1, Some(b""), 1_709_546_401_000, &venue(None), "{\"seq\":5}");
        message(1, Some(b"a\xFFb"), 1_709_546_402_000, &[], "{\"seq\":6}");
        message(0, Some(b"k"), 1_709_546_402_000, &venue(Some(b"\xC3")), "{\"seq\":7}");
        message(0, Some(b"MSFT"), 1_709_546_403_999, &venue(Some(b"")), "{\"seq\":8}");
        kafka.flush();
        let columns = "group=g&key_as=own&header.Venue=venue&id_as=message&time_as=sent";
        let run = tail(&work, &store, &kafka.address(&topic, columns), "letters.ndjson")
            .arguments(["--table", "seqs", "--idle-exit", "500ms"])
            .run()
            .expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (8, 6, 2), "{store}: {run}");
        let sent = match sqlite {
            true => "sent",
            false => "to_char(sent AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
        };
        let rows = store.rows(&format!("SELECT seq, own, venue, message, {sent} FROM seqs ORDER BY seq"));
        let rows: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect())
            .collect();
        let expected = [
            ["1", "AAPL", "XNAS", "0:0", "2024-03-04T10:00:00.123Z"],
            ["2", "AAPL", "XNAS", "0:0", "2024-03-04T10:00:00.123Z"],
            ["3", "Zürich 株", "XAMS", "0:1", "1970-01-01T00:00:00.001Z"],
            ["4", "NULL", "NULL", "1:0", "2024-03-04T10:00:00.000Z"],
            ["5", "", "NULL", "1:1", "2024-03-04T10:00:01.000Z"],
            ["8", "MSFT", "", "0:3", "2024-03-04T10:00:03.999Z"],
        ];
        assert_eq!(rows, expected, "{store}");
        let letters = work.dlq("letters.ndjson");
        let mut found: Vec<(&str, &str, Option<&str>)> = letters
            .iter()
            .map(|letter| {
                (letter.source.rsplit('#').next().unwrap_or(""), &*letter.error, letter.raw.as_deref())
            })
            .collect();
        found.sort_unstable();
        let expected = [
            ("0:2", "the header Venue of the message is not UTF-8", Some("{\"seq\":7}")),
            ("1:2", "the key of the message is not UTF-8", Some("{\"seq\":6}")),
        ];
        assert_eq!(found, expected, "{store}");
        assert_eq!(kafka.lag(&topic, "g", 2), Some(0), "{store}: all is committed");
    }
}

#[test]
fn a_row_that_the_store_refuses_is_named_by_its_message() {
    let kafka = Kafka::start(1);
    for (sqlite, keyed) in [(false, false), (false, true), (true, false), (true, true)] {
        let (work, store) = scene(sqlite, keyed);
        let (what, topic) = (format!("{store}, keyed {keyed}"), format!("few.{sqlite}.{keyed}"));
        kafka.make(&topic, 1);
        kafka.publish(&topic, 1, ["{\"seq\":1}".into(), "[{\"seq\":102},{\"seq\":202}]".into()]);
        let run = tail(&work, &store, &kafka.address(&topic, "group=g"), "letters.ndjson")
            .arguments(["--table", "seqs", "--idle-exit", "500ms"])
            .run()
            .expect(3);
        assert_eq!(run.books().rejected, 1, "{what}: {run}");
        assert_eq!(stored(&store), [(1, 1), (102, 1)].into(), "{what}");
        let letters = work.dlq("letters.ndjson");
        let found: BTreeMap<&str, (&[u64], &str)> =
            letters.iter().map(|letter| (&*letter.source, (&*letter.rows, &*letter.stage))).collect();
        let name = format!("kafka://{}/{topic}#0:1", kafka.servers());
        assert_eq!(found, [(&*name, (&[2][..], "write"))].into(), "{what}");
        assert_eq!(kafka.lag(&topic, "g", 1), Some(0), "{what}: all is committed");
    }
}

/// Two instances share the group, one of them is killed, a third one comes and goes; none comes back.
fn shared(sqlite: bool, keyed: bool) {
    let messages = std::env::var("MDSCTL_KAFKA_MESSAGES").map_or(MESSAGES, |n| n.parse().expect("a number"));
    let patience = PATIENCE * 10 * u32::try_from(messages.div_ceil(MESSAGES)).expect("a number");
    // The servers of the tests keep so much of a partition.
    let partitions = i32::try_from(messages / 30_000).expect("a number").max(6);
    let kafka = Kafka::start(3);
    let (work, store) = scene(sqlite, keyed);
    let what = format!("{store}, keyed {keyed}");
    kafka.make("seqs", partitions);
    let began = std::time::Instant::now();
    let letters = ["one.ndjson", "two.ndjson", "three.ndjson"];
    let start = |place: usize| {
        let address = kafka.address("seqs", &format!("group=g&instance=i{place}"));
        let flags = ["--table", "seqs", "--batch-size", "200"];
        tail(&work, &store, &address, letters[place]).arguments(flags).within(patience).spawn()
    };
    let mut published = 0;
    let publish = |published: &mut u64, last: u64| {
        kafka.publish("seqs", partitions, (*published + 1..=last).map(body));
        *published = last;
    };
    // A bad row in each partition goes to the dead letters of whoever has it.
    let takes_part = |published: &mut u64, place: usize, running: &mut [&mut Running]| {
        wait::until(patience, "the instance to be given a partition", || {
            for one in running.iter_mut() {
                assert!(!one.has_ended(), "{what}: it has ended: {}", one.said());
            }
            publish(published, *published + 97 * u64::try_from(partitions).expect("a number"));
            std::thread::sleep(std::time::Duration::from_millis(300));
            work.path(letters[place]).exists().then_some(())
        });
    };
    publish(&mut published, messages / 4);
    let mut one = start(0);
    comes_to(&store, messages / 10, &mut one);
    let mut two = start(1);
    takes_part(&mut published, 1, &mut [&mut one, &mut two]);
    // Before there are more, which may all be stored by the time that they are counted.
    let goal = progress(&store) + messages / 20;
    let last = published + messages / 4;
    publish(&mut published, last);
    comes_to(&store, goal, &mut one);
    one.signal(Signal::KILL);
    one.finish_quietly();
    let last = published + messages / 4;
    publish(&mut published, last);
    let mut three = start(2);
    takes_part(&mut published, 2, &mut [&mut two, &mut three]);
    let goal = progress(&store) + messages / 20;
    let last = published + messages / 4;
    publish(&mut published, last);
    comes_to(&store, goal, &mut three);
    three.signal(Signal::INT);
    let left = three.finish().expect(130);
    let good = (1..=published).filter(|seq| is_good(*seq)).count() as u64;
    wait::until(patience, "all to be stored and committed", || {
        assert!(!two.has_ended(), "{what}: it has ended: {}", two.said());
        (progress(&store) >= good && kafka.lag("seqs", "g", partitions) == Some(0)).then_some(())
    });
    two.signal(Signal::INT);
    let run = two.finish().expect(130);
    assert_exact_in(&work, &letters, &store, published, &what);
    for run in [&left, &run] {
        assert!(run.books().inserted > 0, "{what}: it took no part: {run}");
    }
    if !keyed {
        eprintln!(
            "{what}: {published} messages in {:.0?}; {} rows had been stored by who was killed",
            began.elapsed(),
            left.books().skipped + run.books().skipped
        );
    }
}

#[test]
fn instances_come_go_and_are_killed_and_each_row_is_in_postgresql_once_without_a_key() {
    shared(false, false);
}

#[test]
fn instances_come_go_and_are_killed_and_each_row_is_in_postgresql_once_with_a_key() {
    shared(false, true);
}

#[test]
fn instances_come_go_and_are_killed_and_each_row_is_in_sqlite_once_without_a_key() {
    shared(true, false);
}

#[test]
fn instances_come_go_and_are_killed_and_each_row_is_in_sqlite_once_with_a_key() {
    shared(true, true);
}

#[test]
fn a_broker_that_goes_away_is_waited_for() {
    let mut kafka = Kafka::start(1);
    let (work, store) = scene(true, false);
    kafka.make("seqs", 2);
    kafka.publish("seqs", 2, (1..=50).map(body));
    let address = kafka.address("seqs", "group=g");
    let mut running = tail(&work, &store, &address, "letters.ndjson").arguments(["--table", "seqs"]).spawn();
    comes_to(&store, 50, &mut running);
    kafka.set_up(false);
    wait::until(PATIENCE, "a word about it", || {
        running.said().contains("Kafka cannot be reached").then_some(())
    });
    let down = tail(&work, &store, &kafka.address("seqs", "group=other"), "other.ndjson")
        .arguments(["--table", "seqs"])
        .run()
        .expect(5);
    assert!(
        down.error().contains("Kafka cannot be reached: no connection to it comes about; start it"),
        "{down}"
    );
    kafka.set_up(true);
    kafka.publish("seqs", 2, (51..=90).map(body));
    comes_to(&store, 90, &mut running);
    wait::until(PATIENCE, "all to be committed", || (kafka.lag("seqs", "g", 2) == Some(0)).then_some(()));
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    assert_eq!(run.books().inserted, 90, "{run}");
    assert_exact_in(&work, &["letters.ndjson"], &store, 90, "a broker that went away");
}

#[test]
fn nothing_is_fetched_while_the_store_is_waited_for() {
    let kafka = Kafka::start(1);
    let (work, store) = scene(false, false);
    kafka.make("seqs", 2);
    kafka.publish("seqs", 2, (1..=20_000).map(body));
    work.write("kafka.conf", "# of a client\n\nmax.poll.interval.ms = 20000\n");
    let address = kafka.address("seqs", "group=g&config=kafka.conf");
    let mut running = tail(&work, &store, &address, "letters.ndjson")
        .arguments(["--table", "seqs", "--capacity", "1000", "-vv"])
        .spawn();
    comes_to(&store, 500, &mut running);
    let Store::Postgres(db) = &store else { unreachable!("a server") };
    let holder = db.session().expect("a session");
    holder.execute("BEGIN; LOCK TABLE seqs IN SHARE MODE");
    wait::until(PATIENCE, "fetching to pause", || {
        running.said().contains("nothing is fetched until more is asked for").then_some(())
    });
    holder.execute("COMMIT");
    wait::until(PATIENCE, "all to be committed", || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        (kafka.lag("seqs", "g", 2) == Some(0)).then_some(())
    });
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    assert!(run.books().inserted > 0, "{run}");
    assert_exact_in(&work, &["letters.ndjson"], &store, 20_000, "a store that was held");
}

#[test]
fn what_the_topic_no_longer_has_is_told() {
    let kafka = Kafka::start(1);
    let (work, store) = scene(true, true);
    kafka.make("seqs", 1);
    kafka.publish("seqs", 1, (1..=10).map(body));
    let address = kafka.address("seqs", "group=g");
    let start = || {
        tail(&work, &store, &address, "letters.ndjson").arguments(["--table", "seqs", "--idle-exit", "500ms"])
    };
    assert_eq!(start().run().expect(0).books().inserted, 10);
    // More than the servers keep.
    for seq in 1_001..=1_080 {
        let body = format!("{{\"seq\":{},\"note\":\"{}\"}}", seq * 101 + 1, "x".repeat(100_000));
        kafka.publish("seqs", 1, [body]);
    }
    let run = start().run().expect(0);
    let gone = 80 - run.books().inserted;
    assert!(gone > 0, "{run}");
    let said = format!("up to {gone} messages of partition 0 were deleted before the group g had read them");
    assert!(run.stderr.contains(&said), "{run}");
}

#[test]
fn reading_begins_at_the_end_where_that_is_asked_for() {
    let kafka = Kafka::start(1);
    let (work, store) = scene(true, false);
    kafka.make("seqs", 2);
    kafka.publish("seqs", 2, (1..=10).map(body));
    let address = kafka.address("seqs", "group=g");
    let start = |flags: &[&str]| {
        tail(&work, &store, &address, "letters.ndjson")
            .arguments(["--table", "seqs", "--idle-exit", "300ms"])
            .arguments(flags.iter().copied())
    };
    let run = start(&["--from", "end"]).run().expect(0);
    assert_eq!(run.books().read, 0, "{run}");
    kafka.publish("seqs", 2, (11..=20).map(body));
    let run = start(&[]).run().expect(0);
    assert_eq!(run.books().inserted, 10, "{run}");
    assert_eq!(stored(&store), (11..=20).map(|seq| (seq, 1)).collect(), "{run}");
    let error = start(&["--from", "start"]).run().expect(2).error().to_owned();
    assert!(error.contains("the group g is there already, and goes on where it is"), "{error}");
}

#[test]
fn what_cannot_be_followed_is_said() {
    let kafka = Kafka::start(1);
    let (work, store) = scene(true, false);
    kafka.make("seqs", 1);
    kafka.publish("seqs", 1, [body(1)]);
    let secret = crate::harness::run::PASSWORD;
    work.write("fixed.conf", "group.id=x\n");
    work.write("odd.conf", format!("sasl.password={secret}\nno.such.setting=1\n"));
    work.write("bare.conf", format!("sasl.password {secret}\n"));
    work.write("value.conf", format!("socket.timeout.ms={secret}\n"));
    let said = |address: &str, code: i32| {
        let run = tail(&work, &store, address, "letters.ndjson")
            .arguments(["--table", "seqs", "--idle-exit", "300ms"])
            .run()
            .expect(code);
        assert!(!run.stderr.contains(secret), "{run}");
        run.error().to_owned()
    };
    let at = |parameters: &str| format!("kafka://{}/seqs?{parameters}", kafka.servers());
    for (address, words) in [
        (at("instance=a"), "is read by a group of consumers; name one, as in"),
        (
            at("group=g&grup=x"),
            "has no parameter grup: there are config, group, header., id_as, instance, key_as, sasl.mechanism",
        ),
        (
            at("group=g&subject_as=note"),
            "has no parameter subject_as: there are config, group, header., id_as,",
        ),
        (at("group=g&key_as="), "key_as has no value"),
        (at("group=g&key_as=note&time_as=note"), "two parameters name the column note"),
        (at("group=g&session.timeout.ms=1"), "session.timeout.ms= takes milliseconds, 6000 at least"),
        (at("group=g&sasl.username=me"), "a user is named, who is asked for where security.protocol="),
        (
            at("group=g&security.protocol=sasl_ssl"),
            "sasl.mechanism= has to be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        ),
        (
            at("group=g&security.protocol=SASL_SSL&sasl.mechanism=PLAIN&sasl.username=me"),
            "a file that config= names has to have the password, as sasl.password",
        ),
        (at("group=g&security.protocol=none"), "security.protocol= cannot have that value"),
        (at("group=g&ssl.ca.location=none.pem"), "the file of ssl.ca.location= cannot be read: none.pem"),
        (at("group=g&config=none.conf"), "the file of settings that config= names cannot be read: none.conf"),
        (at("group=g&config=/dev/zero"), "cannot be read: /dev/zero: it has more than 16 MiB"),
        (at("group=g&config=fixed.conf"), "fixed.conf: group.id is not for you to set"),
        (at("group=g&config=odd.conf"), "no.such.setting is no setting of this client of Kafka"),
        (at("group=g&config=bare.conf"), "bare.conf, line 1: a setting of Kafka is written NAME=VALUE"),
        (at("group=g&config=value.conf"), "socket.timeout.ms= cannot have that value"),
        (format!("kafka://{}/a%2Fb?group=g", kafka.servers()), "a/b is no name of a topic"),
        (format!("kafka://me:{secret}@{}/seqs?group=g", kafka.servers()), "set sasl.password in a file"),
    ] {
        let error = said(&address, 2);
        assert!(error.contains(words), "{address}: {error}");
    }
    let error = said(&format!("kafka://{}/none?group=g", kafka.servers()), 6);
    assert!(error.contains("there is no topic none"), "{error}");
    let error = said("kafka://127.0.0.1:1/seqs?group=g", 5);
    assert!(error.contains("Kafka cannot be reached: no connection to it comes about; start it"), "{error}");
    // These servers know nothing of TLS.
    let error = said(&at("group=g&security.protocol=ssl"), 5);
    assert!(error.contains("Kafka cannot be reached: "), "{error}");
}

//! Streams of NATS JetStream.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use super::PATIENCE;
use super::redis::{assert_exact_in, body, comes_to, is_good, progress, scene, stored};
use crate::harness::nats::Nats;
use crate::harness::run::Mdsctl;
use crate::harness::{Store, Work, wait};

/// Messages, unless `MDSCTL_NATS_MESSAGES` asks for more.
const MESSAGES: u64 = 30_000;

/// Instances that share the durable consumer.
const INSTANCES: usize = 3;

fn tail(work: &Work, store: &Store, address: &str, dlq: &str) -> Mdsctl {
    let flags = ["tail", address, "--json", "--dlq", dlq, "--dsn", &store.dsn(), "--table", "seqs"];
    work.mdsctl(flags).within(PATIENCE)
}

/// A cluster of three servers and three instances, of which one each is killed on the way, and neither comes back.
fn cluster(keyed: bool) {
    let Some(mut nats) = Nats::cluster() else { return };
    let messages = std::env::var("MDSCTL_NATS_MESSAGES").map_or(MESSAGES, |n| n.parse().expect("a number"));
    let patience = PATIENCE * 10 * u32::try_from(messages.div_ceil(MESSAGES)).expect("a number");
    let (work, store) = scene(false, keyed);
    let what = format!("{store}, keyed {keyed}");
    nats.make("seqs");
    nats.publish("seqs", 1, (1..=100).map(body));
    let letters: Vec<String> = (0..INSTANCES).map(|instance| format!("letters-{instance}.ndjson")).collect();
    let mut running: Vec<_> = letters
        .iter()
        .enumerate()
        .map(|(instance, dlq)| {
            let address = nats.address("seqs", &format!("durable=g&ack_wait=5&instance=i{instance}"));
            tail(&work, &store, &address, dlq).arguments(["--batch-size", "200"]).within(patience).spawn()
        })
        .collect();
    let published = AtomicU64::new(100);
    let publish = |nats: &Nats, last: u64| {
        let first = published.swap(last, Ordering::Relaxed) + 1;
        nats.publish("seqs", first, (first..=last).map(body));
    };
    publish(&nats, messages / 3);
    comes_to(&store, messages / 10, &mut running[1]);
    let killed = running.remove(0);
    killed.signal(Signal::KILL);
    killed.finish_quietly();
    publish(&nats, messages / 2);
    comes_to(&store, messages / 4, &mut running[0]);
    nats.kill_one();
    publish(&nats, messages);
    let good = (1..=messages).filter(|seq| is_good(*seq)).count() as u64;
    wait::until(patience, "all to be stored and acknowledged", || {
        for one in &mut running {
            assert!(!one.has_ended(), "{what}: it has ended: {}", one.said());
        }
        (progress(&store) >= good && nats.open("seqs", "g") == Some((0, 0))).then_some(())
    });
    let mut skipped = 0;
    for one in running {
        one.signal(Signal::INT);
        skipped += one.finish().expect(130).books().skipped;
    }
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_exact_in(&work, &letters, &store, messages, &what);
    if !keyed {
        eprintln!("{what}: {skipped} rows had been stored by who was killed");
    }
}

#[test]
fn three_instances_at_three_servers_store_each_row_once_without_a_key_though_one_of_each_is_killed() {
    cluster(false);
}

#[test]
fn three_instances_at_three_servers_store_each_row_once_with_a_key_though_one_of_each_is_killed() {
    cluster(true);
}

#[test]
fn rows_of_messages_are_stored_and_bad_ones_are_named_by_their_message() {
    let Some(nats) = Nats::start(&[]) else { return };
    for (place, sqlite) in [true, false].into_iter().enumerate() {
        let (work, store) = scene(sqlite, false);
        let stream = format!("few{place}");
        nats.make(&stream);
        let bodies =
            ["{\"seq\":1,\"note\":\"x\"}", "[{\"seq\":2},{\"seq\":101},{\"seq\":3}]", "{\"seq\": oh"];
        nats.publish(&stream, 1, bodies.map(str::to_owned));
        let address = nats.address(&stream, "durable=g");
        let run =
            tail(&work, &store, &address, "letters.ndjson").arguments(["--idle-exit", "1s"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (5, 3, 2), "{store}: {run}");
        assert_eq!(stored(&store), [(1, 1), (2, 1), (3, 1)].into(), "{store}");
        let letters = work.dlq("letters.ndjson");
        let named: Vec<(&str, &[u64], &str)> =
            letters.iter().map(|letter| (&*letter.source, &*letter.rows, &*letter.stage)).collect();
        let name = |sequence: u64| format!("nats://{}/{stream}#{sequence}", nats.servers());
        assert!(named.contains(&(&*name(2), &[2], "write")), "{named:?}");
        assert!(named.contains(&(&*name(3), &[1], "decode")), "{named:?}");
        assert_eq!(nats.open(&stream, "g"), Some((0, 0)), "{store}: all is acknowledged");
        let again = tail(&work, &store, &address, "letters.ndjson")
            .arguments(["--idle-exit", "500ms"])
            .run()
            .expect(0);
        assert_eq!(again.books().read, 0, "{store}: {again}");
    }
}

#[test]
fn what_cannot_be_followed_is_said() {
    let secret = crate::harness::run::PASSWORD;
    let Some(nats) = Nats::guarded("me", secret) else { return };
    let (work, store) = scene(true, false);
    nats.make("seqs");
    nats.publish("seqs", 1, [body(1)]);
    let said = |address: &str, password: &str, code: i32| {
        let run = tail(&work, &store, address, "letters.ndjson")
            .env("NATS_PASSWORD", password)
            .arguments(["--idle-exit", "300ms"])
            .run()
            .expect(code);
        // What the client of NATS writes itself is not for people.
        assert!(!run.stderr.contains("authorization violation"), "{run}");
        run.error().to_owned()
    };
    let at = |stream: &str, parameters: &str| format!("nats://me@{}/{stream}?{parameters}", nats.servers());
    for (address, words) in [
        (at("seqs", "instance=a"), "is read through a durable consumer; name one, as in"),
        (at("seqs", "durable=a.b"), "durable= takes a name without blanks"),
        (at("seqs", "durable=g&ack_wait=1"), "ack_wait= takes seconds, 5 at least"),
        (at("seqs", "durable=g&creds=none.creds"), "the file of creds= cannot be read: none.creds"),
        (at("seqs", "durable=g&grup=x"), "has no parameter grup"),
        (
            format!("nats://me:{secret}@{}/seqs?durable=g", nats.servers()),
            "set the environment variable NATS_PASSWORD",
        ),
    ] {
        let error = said(&address, secret, 2);
        assert!(error.contains(words), "{error}");
    }
    let error = said(&at("seqs", "durable=g"), "wrong", 2);
    assert!(error.contains("NATS does not take the user, the password"), "{error}");
    let error = said(&at("none", "durable=g"), secret, 6);
    assert!(error.contains("there is no stream none"), "{error}");
    let error = said("nats://127.0.0.1:1/seqs?durable=g", secret, 5);
    assert!(error.contains("NATS cannot be reached: no connection to it comes about; start it"), "{error}");
    let run = tail(&work, &store, &at("seqs", "durable=g"), "letters.ndjson")
        .env("NATS_PASSWORD", secret)
        .arguments(["--idle-exit", "500ms"])
        .run()
        .expect(0);
    assert_eq!(run.books().inserted, 1, "{run}");
    let error = tail(&work, &store, &at("seqs", "durable=g"), "letters.ndjson")
        .env("NATS_PASSWORD", secret)
        .arguments(["--from", "start"])
        .run()
        .expect(2)
        .error()
        .to_owned();
    assert!(error.contains("the durable consumer g is there already, and goes on where it is"), "{error}");
}

/// More bytes than are asked for at once, in messages of many sizes, the largest as large as the server takes them.
#[test]
fn large_messages_come_a_few_at_a_time() {
    let Some(nats) = Nats::start(&[]) else { return };
    let (work, store) = scene(true, true);
    nats.make("seqs");
    let size = |seq: u64| if seq.is_multiple_of(3) { (1 << 20) - 100 } else { 1 << (seq % 20) };
    let body = |seq: u64| format!("{{\"seq\":{seq},\"note\":\"{}\"}}", "x".repeat(size(seq)));
    nats.publish("seqs", 1, (1..=100).map(body));
    let address = nats.address("seqs", "durable=g");
    let run =
        tail(&work, &store, &address, "letters.ndjson").arguments(["--idle-exit", "1s"]).run().expect(0);
    assert_eq!(run.books().inserted, 100, "{run}");
    let rows = store.rows("SELECT seq, length(note) FROM seqs ORDER BY seq");
    let expected = (1..=100).map(|seq| vec![Some(seq.to_string()), Some(size(seq).to_string())]);
    assert!(rows.into_iter().eq(expected));
}

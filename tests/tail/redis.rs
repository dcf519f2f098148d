//! Streams of Redis.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::PATIENCE;
use crate::generator::random::Random;
use crate::harness::redis::Redis;
use crate::harness::run::{Mdsctl, Running};
use crate::harness::seed::seed;
use crate::harness::{Store, Work, on_both_stores, wait};

/// Kills of a running tail, unless `MDSCTL_TAIL_KILLS` asks for more.
const KILLS: u64 = 8;

fn tail(work: &Work, store: &Store, address: &str) -> Mdsctl {
    let flags = ["tail", address, "--json", "--dlq", "letters.ndjson", "--dsn", &store.dsn()];
    work.mdsctl(flags).within(PATIENCE)
}

/// A table of numbers, with a key or without one.
pub fn scene(sqlite: bool, keyed: bool) -> (Work, Store) {
    let work = Work::new();
    let number = if sqlite { "INTEGER" } else { "BIGINT" };
    let key = if keyed { "PRIMARY KEY" } else { "NOT NULL" };
    let table =
        format!("CREATE TABLE seqs (seq {number} {key} CONSTRAINT odd CHECK (seq % 101 <> 0), note TEXT)");
    let store = Store::holding(&work, sqlite, &table);
    (work, store)
}

fn on_every_table(test: impl Fn(&Work, &Store, &str, bool)) {
    for sqlite in [true, false] {
        for keyed in [false, true] {
            let (work, store) = scene(sqlite, keyed);
            let key = if keyed { "with a key" } else { "without a key" };
            test(&work, &store, &format!("{store}, {key}"), keyed);
        }
    }
}

pub fn body(seq: u64) -> String {
    match seq % 97 {
        0 => format!("{{\"seq\": {seq}, \"note\": bad}}"),
        _ => format!("{{\"seq\":{seq},\"note\":\"a\\nb\"}}"),
    }
}

pub fn is_good(seq: u64) -> bool {
    !seq.is_multiple_of(97) && !seq.is_multiple_of(101)
}

/// How often each number is in the table.
pub fn stored(store: &Store) -> BTreeMap<u64, u64> {
    let rows = store.rows("SELECT seq, count(*) FROM seqs GROUP BY seq");
    let number =
        |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok()).expect("a number");
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

/// The numbers in the dead letters.
fn buried(work: &Work, queues: &[&str]) -> Vec<u64> {
    let mut all = Vec::new();
    for letter in queues.iter().filter(|name| work.path(name).exists()).flat_map(|name| work.dlq(name)) {
        let of_item = letter.items.iter().map(|item| item["seq"].to_string().trim_matches('"').to_owned());
        let of_raw =
            letter.raws.iter().map(|raw| raw[7..].split(',').next().expect("a number").trim().to_owned());
        all.extend(of_item.chain(of_raw).map(|text| text.parse::<u64>().expect("a number")));
    }
    all.sort_unstable();
    all
}

/// Fails unless each of those rows is in the table once, or in the dead letters.
fn assert_exact(work: &Work, store: &Store, last: u64, what: &str) {
    assert_exact_in(work, &["letters.ndjson"], store, last, what);
}

/// The same, where there are several queues.
pub fn assert_exact_in(work: &Work, queues: &[&str], store: &Store, last: u64, what: &str) {
    let (stored, buried) = (stored(store), buried(work, queues));
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(twice.is_empty(), "{what}: twice in the table: {twice:?}");
    let missing: Vec<u64> =
        (1..=last).filter(|seq| is_good(*seq) && !stored.contains_key(seq)).take(5).collect();
    assert!(missing.is_empty(), "{what}: not in the table: {missing:?}");
    let lost: Vec<u64> = (1..=last).filter(|seq| !is_good(*seq) && !buried.contains(seq)).take(5).collect();
    assert!(lost.is_empty(), "{what}: not in the dead letters: {lost:?}");
    assert_eq!(stored.len() as u64, (1..=last).filter(|seq| is_good(*seq)).count() as u64, "{what}");
}

pub fn progress(store: &Store) -> u64 {
    store.count("seqs").unwrap_or(0)
}

pub fn comes_to(store: &Store, rows: u64, running: &mut Running) {
    wait::until(PATIENCE, &format!("{rows} rows in the table"), || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        (progress(store) >= rows).then_some(())
    });
}

#[test]
fn rows_of_messages_are_stored_and_bad_ones_are_named_by_their_message() {
    let Some(redis) = Redis::start() else { return };
    on_both_stores(|work, store, what| {
        let stream = format!("bars.{what}");
        // A row of its fields; a body in one field, with two rows; one that is no JSON; one with a bad value.
        redis.add_fields(
            &stream,
            "5-1",
            &[
                ("ts", b"2024-03-04T10:00:00Z"),
                ("vendor", b"v"),
                ("symbol", b"AAPL"),
                ("timeframe", b"1m"),
                ("open", b"1.25"),
                ("high", b"2"),
                ("low", b"1"),
                ("close", b"1.5"),
                ("volume", b"7"),
            ],
        );
        let bar = |minute: u32, close: &str| {
            format!(
                r#"{{"ts":"2024-03-04T10:{minute:02}:00Z","vendor":"v","symbol":"AAPL","timeframe":"1m","open":1,"high":9,"low":1,"close":{close},"volume":{minute}}}"#
            )
        };
        let two = format!("[{},\n {}]", bar(1, "2.5"), bar(2, "\"3.5\""));
        redis.add_fields(&stream, "5-2", &[("data", two.as_bytes())]);
        redis.add_fields(&stream, "6-0", &[("data", b"{\"ts\":\"2024-03-04T10:03:00Z\", oh")]);
        let with_bad = format!("{}{}", bar(4, "4.5"), bar(5, "\"x\""));
        redis.add_fields(&stream, "7-0", &[("data", with_bad.as_bytes())]);
        redis.add_fields(&stream, "8-0", &[("data", b"[]")]);
        redis.add_fields(&stream, "9-0", &[("data", b"{\"symbol\":\"\xFF\"}")]);

        let address = redis.address(&stream, "group=g&consumer=one");
        let run = tail(work, store, &address).arguments(["--idle-exit", "500ms"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (7, 4, 3), "{what}: {run}");
        let rows = store.rows("SELECT symbol, open_price, close_price, volume FROM bars ORDER BY ts");
        let rows: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                assert_eq!(row[0].as_deref(), Some("AAPL"), "{what}");
                row[1..]
                    .iter()
                    .map(|v| v.as_deref().and_then(|v| v.parse().ok()).expect("a number"))
                    .collect()
            })
            .collect();
        let expected = [[1.25, 1.5, 7.0], [1.0, 2.5, 1.0], [1.0, 3.5, 2.0], [1.0, 4.5, 4.0]];
        assert_eq!(rows, expected, "{what}");

        let letters = work.dlq("letters.ndjson");
        let name = |id: &str| format!("redis://127.0.0.1:{}/{stream}#{id}", redis.port());
        let of = |id: &str| {
            let mut found = letters.iter().filter(|letter| letter.source == name(id));
            let letter = found.next().unwrap_or_else(|| panic!("{what}: {id} in {letters:?}"));
            assert!(found.next().is_none());
            letter
        };
        assert_eq!((of("6-0").rows.as_slice(), &*of("6-0").code), (&[1][..], "bad_line"), "{what}");
        assert_eq!(of("6-0").raw.as_deref(), Some("{\"ts\":\"2024-03-04T10:03:00Z\", oh"), "{what}");
        assert_eq!((of("7-0").rows.as_slice(), &*of("7-0").stage), (&[2][..], "validate"), "{what}");
        assert_eq!(of("7-0").items[0]["volume"].to_string().trim_matches('"'), "5", "{what}");
        assert_eq!(of("9-0").stage, "decode", "{what}");
        assert_eq!(letters.len(), 3, "{what}");

        assert_eq!(redis.pending(&stream, "g"), 0, "{what}: all is acknowledged");
        let again = tail(work, store, &address).arguments(["--idle-exit", "300ms"]).run().expect(0);
        assert_eq!(again.books().read, 0, "{what}: {again}");
    });
}

#[test]
fn a_row_that_the_store_refuses_is_named_by_its_message() {
    let Some(redis) = Redis::start() else { return };
    on_every_table(|work, store, what, _| {
        let stream = what.replace([' ', ','], "_");
        redis.add_fields(&stream, "1-1", &[("seq", b"100"), ("note", b"x")]);
        redis.add_fields(&stream, "1-2", &[("body", br#"[{"seq":102},{"seq":202}]"#), ("key", b"k")]);
        let address = redis.address(&stream, "group=g&consumer=one&field=body");
        // The first one has no such field.
        let run = tail(work, store, &address)
            .arguments(["--table", "seqs", "--idle-exit", "500ms"])
            .run()
            .expect(3);
        assert_eq!(run.books().rejected, 2, "{what}: {run}");
        assert_eq!(stored(store), [(102, 1)].into(), "{what}");
        let letters = work.dlq("letters.ndjson");
        let name = |id: &str| format!("redis://127.0.0.1:{}/{stream}#{id}", redis.port());
        let found: BTreeMap<&str, (&[u64], &str)> =
            letters.iter().map(|letter| (&*letter.source, (&*letter.rows, &*letter.stage))).collect();
        let expected: BTreeMap<_, _> = [name("1-1"), name("1-2")]
            .into_iter()
            .collect::<Vec<_>>()
            .into_iter()
            .zip([(&[1][..], "decode"), (&[2][..], "write")])
            .collect();
        let expected: BTreeMap<&str, (&[u64], &str)> =
            expected.iter().map(|(name, what)| (&**name, *what)).collect();
        assert_eq!(found, expected, "{what}");
    });
}

/// Publishes messages while the tail is killed again and again.
fn torment(sqlite: bool, keyed: bool) {
    let Some(redis) = Redis::start() else { return };
    let wanted = std::env::var("MDSCTL_TAIL_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let seed = seed();
    let (work, store) = scene(sqlite, keyed);
    let address = redis.address("seqs", "group=g&consumer=one");
    let start = |flags: &[&str]| {
        tail(&work, &store, &address).arguments(["--table", "seqs"]).arguments(flags.iter().copied())
    };
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let what = format!("{store}, keyed {keyed}, seed {seed}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(seed, 1);
            while !stop.load(Ordering::Relaxed) {
                let first = written.load(Ordering::Relaxed) + 1;
                let last = first + random.between(0, 60) as u64;
                // One message, or several, of one row or more.
                let good = (first..=last).filter(|seq| seq % 97 != 0).map(body);
                match random.once_in(4) {
                    true => redis.add("seqs", Some(good.collect::<String>()).filter(|all| !all.is_empty())),
                    false => redis.add("seqs", good),
                }
                redis.add("seqs", (first..=last).filter(|seq| seq % 97 == 0).map(body));
                written.store(last, Ordering::Relaxed);
                if random.once_in(3) {
                    std::thread::sleep(Duration::from_micros(random.between(0, 4_000) as u64));
                }
                wait::until(PATIENCE, "the tail to come near", || {
                    let near = last < progress(&store) + 15_000 || stop.load(Ordering::Relaxed);
                    near.then_some(())
                });
            }
        });
        let mut random = Random::new(seed, 77);
        for _ in 0..wanted {
            let (workers, batch) = (random.between(1, 4).to_string(), random.between(5, 200).to_string());
            let goal = progress(&store) + random.between(1, 3_000) as u64;
            let mut running =
                start(&["--workers", &workers, "--batch-size", &batch, "--capacity", "1000"]).spawn();
            if !random.once_in(6) {
                comes_to(&store, goal, &mut running);
            }
            running.signal(Signal::KILL);
            running.finish_quietly();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let run = start(&["--idle-exit", "1s"]).run();
    assert!([0, 3].contains(&run.code), "{what}: {run}");
    assert_exact(&work, &store, written.load(Ordering::Relaxed), &what);
    assert_eq!(redis.pending("seqs", "g"), 0, "{what}: all is acknowledged");
    if !keyed {
        assert_eq!(store.count("mds_checkpoints"), Some(0), "{what}: nothing is left to go on with");
    }
    let again = start(&["--idle-exit", "300ms"]).run().expect(0);
    assert_eq!(again.books().read, 0, "{what}: {again}");
}

#[test]
fn killed_again_and_again_into_postgresql_without_a_key() {
    torment(false, false);
}

#[test]
fn killed_again_and_again_into_postgresql_with_a_key() {
    torment(false, true);
}

#[test]
fn killed_again_and_again_into_sqlite_without_a_key() {
    torment(true, false);
}

#[test]
fn killed_again_and_again_into_sqlite_with_a_key() {
    torment(true, true);
}

/// Two consumers of one group, of which one is killed, and never started again: the other one takes over what it was
/// given, and stores what of it is not stored.
#[test]
fn one_of_two_consumers_is_killed_and_the_other_one_goes_on_with_its_messages() {
    let Some(redis) = Redis::start() else { return };
    for (sqlite, keyed) in [(false, false), (false, true), (true, false), (true, true)] {
        let (work, store) = scene(sqlite, keyed);
        let what = format!("{store}, keyed {keyed}");
        let stream = format!("two.{sqlite}.{keyed}");
        let start = |consumer: &str, flags: &[&str]| {
            let claim = if keyed { 1 } else { 5 };
            let address = redis.address(&stream, &format!("group=g&consumer={consumer}&claim={claim}"));
            tail(&work, &store, &address)
                .arguments(["--table", "seqs", "--capacity", "2000"])
                .arguments(flags.iter().copied())
        };
        redis.add(&stream, (1..=20_000).map(body));
        let mut one = start("one", &["--batch-size", "20"]).spawn();
        let mut two = start("two", &["--batch-size", "50"]).spawn();
        comes_to(&store, 3_000, &mut one);
        one.signal(Signal::KILL);
        one.finish_quietly();
        redis.add(&stream, (20_001..=25_000).map(body));
        wait::until(PATIENCE, "all to be acknowledged", || {
            assert!(!two.has_ended(), "{what}: it has ended: {}", two.said());
            let good = (1..=25_000).filter(|seq| is_good(*seq)).count() as u64;
            (progress(&store) >= good && redis.pending(&stream, "g") == 0).then_some(())
        });
        two.signal(Signal::INT);
        let run = two.finish().expect(130);
        assert_exact(&work, &store, 25_000, &what);
        if !keyed {
            assert!(run.books().skipped > 0, "{what}: nothing was stored of what it took over: {run}");
            let left = store.rows(
                "SELECT c.run_id, r.status, r.resumed_by, count(*) FROM mds_checkpoints c JOIN mds_runs r ON r.run_id = c.run_id GROUP BY 1, 2, 3",
            );
            assert!(left.is_empty(), "{what}: nothing is left to go on with: {left:?}\n{run}");
        }
    }
}

/// A consumer that hangs may still store what it was given: nobody else does, and whoever waits for it says so. (Not with
/// SQLite, whose file one that is stopped in the middle of a transaction would lock.)
#[test]
fn messages_that_a_tail_was_given_which_hangs_wait_for_it_and_that_is_told() {
    let Some(redis) = Redis::start() else { return };
    let (work, store) = scene(false, false);
    let stream = "hung";
    let start = |consumer: &str| {
        let address = redis.address(stream, &format!("group=g&consumer={consumer}&claim=5"));
        // Each has a queue of its own, whose lock a stopped one may hold.
        let queue = format!("{consumer}.ndjson");
        work.mdsctl(["tail", &address, "--json", "--dlq", &queue, "--dsn", &store.dsn()]).arguments([
            "--table",
            "seqs",
            "--batch-size",
            "20",
            "--capacity",
            "2000",
        ])
    };
    redis.add(stream, (1..=200).map(body));
    let mut one = start("one").spawn();
    comes_to(&store, 1, &mut one);
    let Store::Postgres(db) = &store else { return };
    let session = db.session().expect("a session");
    session.execute("BEGIN; LOCK TABLE seqs IN SHARE MODE");
    redis.add(stream, (201..=10_000).map(body));
    wait::until(PATIENCE, "a write that hangs", || {
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'seqs'::regclass";
        (!db.rows(waiting).is_empty()).then_some(())
    });
    one.signal(Signal::STOP);
    session.execute("ROLLBACK");
    let mut two = start("two").spawn();
    let count = |sql: &str| store.rows(sql)[0][0].clone().unwrap_or_default();
    wait::until(PATIENCE, "a word of the other tail", || {
        assert!(!two.has_ended(), "{store}: it has ended: {}", two.said());
        two.said().contains("that it neither stores nor gives back").then_some(())
    });
    let hung = count("SELECT run_id FROM mds_runs ORDER BY started_at LIMIT 1");
    let said = two.said();
    assert!(said.contains(&format!("another tail, run {hung}, was given messages")), "{store}: {said}");
    assert!(redis.pending(stream, "g") > 0, "{store}: {said}");
    one.signal(Signal::CONT);
    let good = (1..=10_000).filter(|seq| is_good(*seq)).count() as u64;
    wait::until(PATIENCE, "all to be acknowledged", || {
        assert!(!two.has_ended(), "{store}: it has ended: {}", two.said());
        (progress(&store) >= good && redis.pending(stream, "g") == 0).then_some(())
    });
    [&one, &two].iter().for_each(|tail| tail.signal(Signal::INT));
    for tail in [one, two] {
        tail.finish().expect(130);
    }
    assert_exact_in(&work, &["one.ndjson", "two.ndjson"], &store, 10_000, &store.to_string());
}

#[test]
fn a_broker_that_goes_away_is_waited_for() {
    let Some(program) = crate::harness::without::program("redis-server", "following streams of Redis") else {
        return;
    };
    let (work, store) = scene(true, false);
    let port = crate::harness::postgres::free_port();
    let kept = work.path("kept");
    std::fs::create_dir(&kept).expect("a directory");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(work.path("."), std::fs::Permissions::from_mode(0o777)).expect("a mode");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    let folder = kept.to_str().expect("a path");
    let settings = ["--dir", folder, "--appendonly", "yes", "--appendfsync", "always"];
    let redis = Redis::on(&program, port, &settings);
    redis.add("seqs", (1..=50).map(body));
    let address = redis.address("seqs", "group=g");
    let mut running = tail(&work, &store, &address).arguments(["--table", "seqs"]).spawn();
    comes_to(&store, 50, &mut running);
    drop(redis);
    wait::until(PATIENCE, "a word about it", || {
        running.said().contains("Redis cannot be reached").then_some(())
    });
    let redis = Redis::on(&program, port, &settings);
    redis.add("seqs", (51..=90).map(body));
    comes_to(&store, 90, &mut running);
    wait::until(PATIENCE, "all to be acknowledged", || (redis.pending("seqs", "g") == 0).then_some(()));
    running.signal(Signal::INT);
    let run = running.finish().expect(130);
    assert_eq!(run.books().inserted, 90, "{run}");
    assert_exact(&work, &store, 90, "a broker that went away");
}

#[test]
fn what_cannot_be_followed_is_said() {
    let Some(redis) = Redis::start() else { return };
    let (work, store) = scene(true, false);
    redis.add("seqs", [body(1)]);
    redis.ask("SET other x");
    redis.ask("XGROUP CREATE seqs old 0");
    let said = |parameters: &str, stream: &str, flags: &[&str], code: i32| {
        let run = tail(&work, &store, &redis.address(stream, parameters))
            .arguments(["--table", "seqs", "--idle-exit", "200ms"])
            .arguments(flags.iter().copied())
            .run()
            .expect(code);
        run.error().to_owned()
    };
    for (parameters, flags, words) in [
        ("consumer=one", &[][..], "is read by a group of consumers; name one, as in"),
        (
            "group=g&grup=x",
            &[],
            "has no parameter grup: there are ca, cert, claim, consumer, db, field, group",
        ),
        ("group=g&claim=soon", &[], "claim= takes seconds, as a whole number"),
        ("group=g&claim=2", &[], "seqs has no key; give claim= 5 seconds at least"),
        ("group=old", &["--from", "start"], "the group old is there already, and goes on where it is"),
        (
            "group=g",
            &["--format", "parquet"],
            "messages are read as JSON, CSV or Arrow, and not as Parquet; leave --format out",
        ),
    ] {
        let error = said(parameters, "seqs", flags, 2);
        assert!(error.contains(words), "{error}");
    }
    let error = said("group=g", "other", &[], 6);
    assert!(error.ends_with("/other: the key other is there and is no stream"), "{error}");
    // A server without room says so, and is waited for by a tail that has begun.
    redis.ask("CONFIG SET maxmemory 1");
    let error = said("group=new", "seqs", &[], 5);
    assert!(error.contains("Redis takes no commands just now: its memory is full (maxmemory)"), "{error}");
    redis.ask("CONFIG SET maxmemory 0");
    let error = said("group=g&db=99", "seqs", &[], 6);
    assert!(error.contains("Redis refuses it (code ERR); see that it is of version 6.2 or later"), "{error}");
    let secret = crate::harness::run::PASSWORD;
    let address = format!("redis://me:{secret}@127.0.0.1:{}/seqs?group=g", redis.port());
    let run = tail(&work, &store, &address).arguments(["--table", "seqs"]).run().expect(2);
    assert_eq!(run.json()["inputs"][0].as_str(), Some(&*address.replace(secret, "…")), "{run}");
    assert!(run.error().contains("set the environment variable REDISCLI_AUTH"), "{run}");
    let run = work
        .mdsctl(["tail", "redis://127.0.0.1:1/seqs?group=g", "--table", "seqs", "--dsn", &store.dsn()])
        .run()
        .expect(5);
    assert!(
        run.error().contains("Redis cannot be reached: no connection to it comes about; start it"),
        "{run}"
    );

    // Of two tails that call themselves the same the second one is refused, wherever it runs.
    let mut first =
        tail(&work, &store, &redis.address("seqs", "group=g")).arguments(["--table", "seqs"]).spawn();
    comes_to(&store, 1, &mut first);
    assert!(said("group=g", "seqs", &[], 2).contains("another tail is using the checkpoint file"));
    let error = said("group=g", "seqs", &["--checkpoint", "other.json"], 2);
    assert!(error.contains("another program reads as that consumer just now"), "{error}");
}

#[test]
fn a_password_is_taken_from_the_environment() {
    let Some(redis) = Redis::start() else { return };
    let (work, store) = scene(true, true);
    redis.add("seqs", [body(1)]);
    let secret = crate::harness::run::PASSWORD;
    redis.ask(&format!("ACL SETUSER me on >{secret} ~* +@all"));
    let address = format!("redis://me@127.0.0.1:{}/seqs?group=g", redis.port());
    let start = || tail(&work, &store, &address).arguments(["--table", "seqs", "--idle-exit", "300ms"]);
    let run = start().env("REDISCLI_AUTH", "wrong").run().expect(2);
    assert!(run.error().contains("does not take the user or the password"), "{run}");
    let run = start().env("REDISCLI_AUTH", secret).run().expect(0);
    assert_eq!(run.books().inserted, 1, "{run}");
}

#[test]
fn an_entry_without_the_field_of_the_rows_is_a_dead_letter_that_says_so() {
    let Some(redis) = Redis::start() else { return };
    for (form, good) in [("json", &b"{\"seq\":1,\"note\":\"a\"}"[..]), ("csv", b"1,a")] {
        let (work, store) = scene(true, true);
        // What a line of CSV with two fields may look like.
        redis.add_fields(form, "1-0", &[("at", b"9"), ("data", good)]);
        redis.add_fields(form, "2-0", &[("rows", b"2,b")]);
        redis.add_fields(form, "3-0", &[("a", b"3"), ("b", b"c")]);
        let flags: &[&str] = if form == "csv" { &["--format", "csv", "--columns", "seq,note"] } else { &[] };
        let start = |parameters: &str| {
            let tail = tail(&work, &store, &redis.address(form, parameters));
            tail.arguments(["--table", "seqs", "--idle-exit", "300ms"]).arguments(flags.iter().copied()).run()
        };
        let run = start("group=g&field=data").expect(3);
        assert_eq!((run.books().inserted, run.books().rejected), (1, 2), "{form}: {run}");
        let letters = work.dlq("letters.ndjson");
        let said: Vec<(&str, Option<&str>)> =
            letters.iter().map(|letter| (&*letter.error, letter.raw.as_deref())).collect();
        let why = "the entry has no field data, which field= says that the rows are in";
        let expected = [(why, Some("{\"rows\":\"2,b\"]")), (why, Some("{\"a\":\"3\",\"b\":\"c\"]"))];
        assert_eq!(said, expected, "{form}");
        if form == "csv" {
            // Without a field named an entry of one field is what that says, and one of several is none.
            let run = start("group=h").expect(3);
            assert_eq!((run.books().read, run.books().rejected), (3, 2), "{run}");
            let why = "the entry has several fields; field= says which one has the rows";
            assert_eq!(
                work.dlq("letters.ndjson")[2..].iter().filter(|letter| letter.error == why).count(),
                2
            );
            assert_eq!(stored(&store).into_keys().collect::<Vec<_>>(), [1, 2]);
        }
    }
}

/// More bytes than are asked for at once, in messages of many sizes.
#[test]
fn large_messages_come_a_few_at_a_time() {
    let Some(redis) = Redis::start() else { return };
    let (work, store) = scene(true, true);
    let size = |seq: u64| if seq.is_multiple_of(7) { 3 << 20 } else { 1 << (seq % 20) };
    let body = |seq: u64| format!("{{\"seq\":{seq},\"note\":\"{}\"}}", "x".repeat(size(seq)));
    redis.add("seqs", (1..=100).map(body));
    let address = redis.address("seqs", "group=g");
    let run =
        tail(&work, &store, &address).arguments(["--table", "seqs", "--idle-exit", "1s"]).run().expect(0);
    assert_eq!(run.books().inserted, 100, "{run}");
    let rows = store.rows("SELECT seq, length(note) FROM seqs ORDER BY seq");
    let expected = (1..=100).map(|seq| vec![Some(seq.to_string()), Some(size(seq).to_string())]);
    assert!(rows.into_iter().eq(expected));
}

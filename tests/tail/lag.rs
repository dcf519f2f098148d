//! How far a tail of a stream is behind, as it is told.

use rustix::process::Signal;

use super::bodies::Broker;
use crate::harness::http::{address, get};
use crate::harness::wait::PATIENCE;
use crate::harness::{Store, Work, wait};

const MESSAGES: u64 = 300;

fn publish(broker: &Broker) {
    let bodies: Vec<String> = (1..=MESSAGES).map(|seq| format!("{{\"seq\":{seq}}}")).collect();
    let messages: Vec<_> = bodies.iter().map(|body| (&[][..], body.as_bytes())).collect();
    broker.send("seqs", &messages);
}

#[test]
fn messages_that_are_not_settled_are_told_in_every_place() {
    for broker in Broker::all() {
        let work = Work::new();
        let store = Store::holding(&work, false, "CREATE TABLE seqs (seq BIGINT NOT NULL)");
        let what = broker.address("seqs", "");
        publish(&broker);
        let Store::Postgres(db) = &store else { unreachable!("a server") };
        let holder = db.session().expect("a session");
        holder.execute("BEGIN; LOCK TABLE seqs IN SHARE MODE");
        let mut running = work
            .mdsctl(["tail", &what, "--table", "seqs", "--json", "--progress", "json", "--dsn", &store.dsn()])
            .arguments(["--metrics-listen", "127.0.0.1:0"])
            .within(PATIENCE * 3)
            .spawn();
        let at = address(&mut running);
        let comes_to = |wanted: u64| {
            wait::until(PATIENCE * 2, &format!("{wanted} messages of {what} that are not settled"), || {
                let lag = get(at, "/status").json()["lag"].clone();
                (lag == serde_json::json!({"messages": wanted})).then_some(())
            });
            let sample = format!("mds_tail_lag_messages{{coord_id=\"public.seqs\"}} {wanted}\n");
            let mut metrics = String::new();
            let seen = wait::within(PATIENCE, || {
                metrics = get(at, "/metrics").body;
                metrics.contains(&sample).then_some(())
            });
            assert!(seen.is_some(), "{what}: no {sample} in {metrics}");
            assert!(!metrics.contains("mds_tail_lag_bytes{"), "{what}: {metrics}");
        };
        comes_to(MESSAGES);
        wait::until(PATIENCE, "a line of progress with it", || {
            running.said().contains(&format!("\"lag\":{{\"messages\":{MESSAGES}}}")).then_some(())
        });
        holder.execute("COMMIT");
        comes_to(0);
        running.signal(Signal::INT);
        let run = running.finish().expect(130);
        assert_eq!(run.json()["lag"], serde_json::json!({"messages": 0}), "{what}: {run}");
        assert_eq!(store.count("seqs"), Some(MESSAGES), "{what}");
    }
}

#[test]
fn the_last_word_is_of_the_end_and_in_plain_words() {
    for broker in Broker::all() {
        let work = Work::new();
        let store = Store::holding(&work, true, "CREATE TABLE seqs (seq BIGINT NOT NULL)");
        publish(&broker);
        let stream = broker.address("seqs", "");
        let flags =
            ["tail", &stream, "--table", "seqs", "--dsn", &store.dsn(), "--idle-exit", "500ms", "--json"];
        let run = work.mdsctl(flags).within(PATIENCE).run().expect(0);
        assert_eq!(run.json()["lag"], serde_json::json!({"messages": 0}), "{stream}: {run}");
        assert_eq!(run.books().inserted, MESSAGES, "{stream}: {run}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn where_the_broker_is_away_no_old_number_is_told() {
    let mut kafka = crate::harness::kafka::Kafka::start(1);
    let work = Work::new();
    let store = Store::holding(&work, true, "CREATE TABLE seqs (seq BIGINT NOT NULL, note TEXT)");
    kafka.make("seqs", 1);
    kafka.publish("seqs", 1, ["{\"seq\":1}".to_owned()]);
    let stream = kafka.address("seqs", "group=g");
    let flags = ["tail", &stream, "--table", "seqs", "--json", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).arguments(["--metrics-listen", "127.0.0.1:0"]).spawn();
    let at = address(&mut running);
    let lag = || get(at, "/status").json()["lag"].clone();
    let is = |wanted: serde_json::Value| {
        wait::until(PATIENCE, "what is known of it", || (lag() == wanted).then_some(()));
    };
    is(serde_json::json!({"messages": 0}));
    kafka.set_up(false);
    is(serde_json::Value::Null);
    assert!(!get(at, "/metrics").body.contains("mds_tail_lag_messages{"));
    kafka.set_up(true);
    is(serde_json::json!({"messages": 0}));
    running.signal(Signal::INT);
    running.finish().expect(130);
}

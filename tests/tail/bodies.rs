//! What messages hold, and what brokers tell beside it, as rows and columns.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;

use super::PATIENCE;
use crate::harness::redis::Redis;
use crate::harness::run::Mdsctl;
use crate::harness::{Store, Work};

/// A broker that messages are sent to.
pub(super) enum Broker {
    Redis(Redis),
    #[cfg(feature = "nats")]
    Nats(Box<crate::harness::nats::Nats>),
    #[cfg(feature = "kafka")]
    Kafka(crate::harness::kafka::Kafka),
}

/// What a message has beside its body.
pub(super) type Headers<'h> = &'h [(&'h str, &'h [u8])];

impl Broker {
    /// All that are not left out.
    pub(super) fn all() -> Vec<Self> {
        let redis = Redis::start().map(Self::Redis);
        #[cfg(feature = "nats")]
        let nats = crate::harness::nats::Nats::start(&[]).map(Box::new).map(Self::Nats);
        #[cfg(not(feature = "nats"))]
        let nats = None;
        #[cfg(feature = "kafka")]
        let kafka = Some(Self::Kafka(crate::harness::kafka::Kafka::start(1)));
        #[cfg(not(feature = "kafka"))]
        let kafka = None;
        redis.into_iter().chain(nats).chain(kafka).collect()
    }

    /// Sends messages; how each of them is named.
    pub(super) fn send(&self, stream: &str, messages: &[(Headers<'_>, &[u8])]) -> Vec<String> {
        match self {
            Self::Redis(redis) => {
                let send = |(place, (headers, body)): (usize, &(Headers<'_>, &[u8]))| {
                    let id = format!("1700000000123-{place}");
                    let fields: Vec<(&str, &[u8])> =
                        headers.iter().copied().chain([("body", *body)]).collect();
                    redis.add_fields(stream, &id, &fields);
                    id
                };
                messages.iter().enumerate().map(send).collect()
            }
            #[cfg(feature = "nats")]
            Self::Nats(nats) => {
                nats.make(stream);
                messages.iter().for_each(|(headers, body)| nats.send(stream, headers, body));
                (1..=messages.len()).map(|sequence| sequence.to_string()).collect()
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => {
                kafka.make(stream, 1);
                for (headers, body) in messages {
                    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, Some(*value))).collect();
                    let message = crate::harness::kafka::Sent {
                        at: Some(1_700_000_000_123),
                        headers: &headers,
                        body: Some(body),
                        ..Default::default()
                    };
                    kafka.send(stream, 0, &message);
                }
                kafka.flush();
                (0..messages.len()).map(|offset| format!("0:{offset}")).collect()
            }
        }
    }

    pub(super) fn address(&self, stream: &str, more: &str) -> String {
        match self {
            Self::Redis(redis) => redis.address(stream, &format!("group=g&field=body{more}")),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.address(stream, &format!("durable=g{more}")),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.address(stream, &format!("group=g{more}")),
        }
    }

    /// Whether all messages are acknowledged.
    fn is_done(&self, stream: &str) -> bool {
        match self {
            Self::Redis(redis) => redis.pending(stream, "g") == 0,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.open(stream, "g") == Some((0, 0)),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.lag(stream, "g", 1) == Some(0),
        }
    }

    /// Whether it has times and headers as they were sent.
    fn keeps_all(&self) -> bool {
        match self {
            Self::Redis(_) => true,
            #[cfg(feature = "nats")]
            Self::Nats(_) => false,
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => true,
        }
    }
}

/// For all brokers and both stores; the stream has a name of its own.
fn on_all(test: impl Fn(&Broker, &str, &Work, &Store)) {
    for broker in Broker::all() {
        for sqlite in [true, false] {
            let work = Work::new();
            let time = if sqlite { "TEXT" } else { "TIMESTAMPTZ" };
            let table = format!(
                "CREATE TABLE seqs (seq BIGINT NOT NULL, note TEXT, venue TEXT, message TEXT, sent {time})"
            );
            let store = Store::holding(&work, sqlite, &table);
            test(&broker, if sqlite { "one" } else { "two" }, &work, &store);
        }
    }
}

fn tail(work: &Work, store: &Store, address: &str) -> Mdsctl {
    let flags = ["tail", address, "--json", "--dlq", "letters.ndjson", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(["--table", "seqs", "--idle-exit", "500ms"]).within(PATIENCE)
}

/// The rows, with how often the time is there.
fn rows(store: &Store) -> Vec<Vec<String>> {
    let rows = store.rows(
        "SELECT seq, note, venue, message, CASE WHEN sent IS NULL THEN 'never' ELSE 'sent' END FROM seqs ORDER BY seq",
    );
    rows.into_iter()
        .map(|row| row.into_iter().map(|value| value.unwrap_or_else(|| "-".into())).collect())
        .collect()
}

const VENUES: &str = "&header.Venue=venue&id_as=message&time_as=sent";

#[test]
fn lines_of_csv_have_columns_of_what_is_told_beside_them_also_once_they_are_mended() {
    on_all(|broker, stream, work, store| {
        let named = broker.send(
            stream,
            &[
                (&[("Venue", b"XNAS")], b"1,a\n2,\"x\ny\"\n"),
                (&[], b"3,b"),
                (&[("Venue", b"XPAR")], b"4,\"open"),
                (&[("Venue", b"XAMS")], b"5\n\n6,f\r\n"),
                (&[("Venue", b"")], b"seq,note\n7,g"),
                (&[], b""),
            ],
        );
        let address = broker.address(stream, VENUES);
        let csv = ["--format", "csv", "--columns", "seq,note"];
        let run = tail(work, store, &address).arguments(csv).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (7, 5, 2), "{store}: {run}");
        let row = |seq: &str, note: &str, venue: &str, place: usize| {
            [seq, note, venue, &named[place], "sent"].map(str::to_owned).to_vec()
        };
        let good = [
            row("1", "a", "XNAS", 0),
            row("2", "x\ny", "XNAS", 0),
            row("3", "b", "-", 1),
            row("6", "f", "XAMS", 3),
            row("7", "g", "", 4),
        ];
        assert_eq!(rows(store), good, "{store}");
        let letters = work.dlq("letters.ndjson");
        let mut refused: Vec<(&str, &[u64], Option<&str>)> = letters
            .iter()
            .map(|letter| {
                (letter.source.rsplit('#').next().unwrap_or(""), &*letter.rows, letter.raw.as_deref())
            })
            .collect();
        refused.sort_unstable();
        let expected = [(&*named[2], &[1][..], Some("4,\"open")), (&*named[3], &[1], Some("5"))];
        assert_eq!(refused, expected, "{store}");
        assert!(broker.is_done(stream), "{store}");

        let queue = fs::read_to_string(work.path("letters.ndjson")).expect("the queue");
        let mended =
            queue.replace(r#""raw":"4,\"open""#, r#""raw":"4,d""#).replace(r#""raw":"5""#, r#""raw":"5,e""#);
        work.write("letters.ndjson", mended);
        work.mdsctl(["replay-dlq", "letters.ndjson", "--dsn", &store.dsn()]).run().expect(0);
        let all = rows(store);
        assert_eq!(all[3..5], [row("4", "d", "XPAR", 2), row("5", "e", "XAMS", 3)], "{store}");
        assert_eq!(all.len(), 7, "{store}");
        if broker.keeps_all() && stream == "one" {
            let times = store.rows("SELECT DISTINCT sent FROM seqs");
            assert_eq!(times, [[Some("2023-11-14T22:13:20.123Z".to_owned())]]);
        }
    });
}

/// A stream of Arrow.
fn stream_of<const N: usize>(columns: [(&str, ArrayRef); N]) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns");
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.finish().expect("an end");
    drop(writer);
    bytes
}

#[test]
fn streams_of_arrow_are_put_together_and_one_that_breaks_off_is_no_row_of_others() {
    on_all(|broker, stream, work, store| {
        let rows_of = |seqs: std::ops::RangeInclusive<i64>| {
            let notes = seqs.clone().map(|seq| (seq % 3 > 0).then(|| format!("n{seq}")));
            stream_of([
                ("seq", Arc::new(Int64Array::from_iter_values(seqs)) as ArrayRef),
                ("note", Arc::new(notes.collect::<StringArray>())),
            ])
        };
        let whole = rows_of(1..=3);
        let alone = stream_of([("seq", Arc::new(Int32Array::from_iter_values([6, 7])) as ArrayRef)]);
        let named = broker.send(
            stream,
            &[
                (&[("Venue", b"XNAS")], &whole),
                (&[], &whole[..whole.len() / 2]),
                (&[("Venue", b"XPAR")], &rows_of(4..=5)),
                (&[], b"{\"seq\":9}"),
                (&[("Venue", b"XAMS")], &alone),
            ],
        );
        let address = broker.address(stream, VENUES);
        let run = tail(work, store, &address).arguments(["--format", "arrow"]).run().expect(3);
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.rejected), (9, 7, 2), "{store}: {run}");
        let row = |seq: &str, note: &str, venue: &str, place: usize| {
            [seq, note, venue, &named[place], "sent"].map(str::to_owned).to_vec()
        };
        let expected = [
            row("1", "n1", "XNAS", 0),
            row("2", "n2", "XNAS", 0),
            row("3", "-", "XNAS", 0),
            row("4", "n4", "XPAR", 2),
            row("5", "n5", "XPAR", 2),
            row("6", "-", "XAMS", 4),
            row("7", "-", "XAMS", 4),
        ];
        assert_eq!(rows(store), expected, "{store}");
        let letters = work.dlq("letters.ndjson");
        let mut refused: Vec<&str> =
            letters.iter().map(|letter| letter.source.rsplit('#').next().unwrap_or("")).collect();
        refused.sort_unstable();
        assert_eq!(refused, [&*named[1], &*named[3]], "{store}");
        for letter in &letters {
            assert!(letter.error.contains("the body of the message cannot be read: "), "{}", letter.error);
        }
        assert!(broker.is_done(stream), "{store}");
    });
}

#[test]
fn a_column_that_would_be_two_things_is_refused_and_its_messages_stay() {
    on_all(|broker, stream, work, store| {
        broker.send(stream, &[(&[("Venue", b"XNAS")], b"{\"seq\":1,\"venue\":\"XPAR\"}")]);
        let address = broker.address(stream, VENUES);
        let run = tail(work, store, &address).run().expect(2);
        assert!(run.error().contains("the rows have venue themselves"), "{store}: {run}");
        assert!(!broker.is_done(stream), "{store}");
        assert!(rows(store).is_empty(), "{store}");
        let address = broker.address(stream, "&header.Venue=note&id_as=note");
        let run = tail(work, store, &address).run().expect(2);
        assert!(run.error().contains("two parameters name the column note"), "{store}: {run}");
        let address = broker.address(stream, "");
        let run = tail(work, store, &address).arguments(["--format", "csv"]).run().expect(2);
        assert!(run.error().contains("name their columns in their order with --columns"), "{store}: {run}");
    });
}

#[test]
fn a_header_that_is_no_text_costs_its_message_alone() {
    on_all(|broker, stream, work, store| {
        if !broker.keeps_all() {
            return;
        }
        broker.send(stream, &[(&[("Venue", b"\xFF")], b"{\"seq\":1}"), (&[("Venue", b"X")], b"{\"seq\":2}")]);
        let run = tail(work, store, &broker.address(stream, "&header.Venue=venue")).run().expect(3);
        assert_eq!(run.books().inserted, 1, "{store}: {run}");
        assert_eq!(rows(store)[0][..3], ["2", "-", "X"].map(str::to_owned), "{store}");
        let letters = work.dlq("letters.ndjson");
        assert_eq!(letters[0].error, "the header Venue of the message is not UTF-8", "{store}");
        assert_eq!(letters[0].raw.as_deref(), Some("{\"seq\":1}"), "{store}");
    });
}

#[cfg(feature = "nats")]
#[test]
fn subjects_are_columns_too() {
    let Some(nats) = crate::harness::nats::Nats::start(&[]) else { return };
    let work = Work::new();
    let store = Store::holding(&work, true, "CREATE TABLE seqs (seq BIGINT NOT NULL, symbol TEXT)");
    nats.make("seqs");
    nats.send("seqs.AAPL", &[], b"{\"seq\":1}");
    nats.send("seqs.MSFT", &[], b"{\"seq\":2}");
    let address = nats.address("seqs", "durable=g&subject_as=symbol&subject=seqs.*");
    tail(&work, &store, &address).run().expect(0);
    let rows = store.rows("SELECT seq, symbol FROM seqs ORDER BY seq");
    let row = |seq: &str, symbol: &str| vec![Some(seq.to_owned()), Some(symbol.to_owned())];
    assert_eq!(rows, [row("1", "seqs.AAPL"), row("2", "seqs.MSFT")]);
}

//! A dead letter that is to be read by a zone, a unit, an order or a sign that is not known here stays in the
//! queue with that reason: read in another way its row would be another one.

use serde_json::{Value, json};

use crate::harness::{Store, Work, on_both_stores};

fn letter(reading: &Value) -> String {
    let item = json!({"ts": "2024-01-02 09:31:00", "vendor": "v", "symbol": "S", "timeframe": "1m", "close_price": 1});
    let letter = json!({
        "ts": 1_795_761_183.3, "error": "e", "items": [item],
        "metadata": {
            "id": "01a21bb5-1aea-7291-9e3f-000000000001", "dataset": "bars", "stage": "write", "code": "23514",
            "source": "in.csv", "rows": [1], "reading": reading, "attempts": 1, "first_ts": 1_795_761_183.3,
            "version": 1
        }
    });
    format!("{letter}\n")
}

fn replay(work: &Work, store: &Store, flags: &[&str]) -> crate::harness::Run {
    work.mdsctl(["replay-dlq", "q.ndjson", "--dsn", &store.dsn()]).arguments(flags.iter().copied()).run()
}

#[test]
fn what_is_to_be_read_in_an_unknown_way_stays_in_the_queue() {
    let unknown = [
        (json!({"columns": ["ts"], "zone": "Mars/Phobos"}), "zone \"Mars/Phobos\"", ["--timezone", "UTC"]),
        (json!({"columns": ["ts"], "zone": "America/New York"}), "zone", ["--timezone", "UTC"]),
        (json!({"columns": ["ts"], "zone": "EST5EDT,M3.2.0,M11.1.0"}), "zone", ["--timezone", "UTC"]),
        (json!({"columns": ["ts"], "unit": "fortnight"}), "unit \"fortnight\"", ["--timestamp-unit", "s"]),
        (json!({"columns": ["ts"], "order": "myd"}), "order of dates \"myd\"", ["--date-order", "ymd"]),
        (json!({"columns": ["ts"], "decimal": "'"}), "decimal sign", ["--decimal", "."]),
        (json!({"columns": ["ts"], "forms": {"ts": {"unit": "x"}}}), "unit \"x\"", ["--timestamp-unit", "s"]),
    ];
    on_both_stores(|work, store, name| {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        for (reading, said, flag) in &unknown {
            let what = format!("{name}: {reading}");
            work.write("q.ndjson", letter(reading));
            let run = replay(work, store, &[]).expect(3);
            assert_eq!(store.count("bars"), Some(0), "{what}: {run}");
            let letters = work.dlq("q.ndjson");
            assert_eq!(letters.len(), 1, "{what}: {run}");
            assert!(letters[0].error.contains(said), "{what}: {}", letters[0].error);
            // It is still to be read so, and a flag says how.
            replay(work, store, &[]).expect(3);
            replay(work, store, flag).expect(0);
            assert_eq!(store.count("bars"), Some(1), "{what}");
            store.try_rows("DELETE FROM bars").expect("emptied");
        }
        // Rows that were understood have no text that the zone would tell of.
        work.write("q.ndjson", letter(&json!({"columns": [], "zone": "Mars/Phobos"})));
        replay(work, store, &[]).expect(0);
        assert_eq!(store.count("bars"), Some(1), "{name}");
    });
}

#[test]
fn a_reading_that_is_none_is_not_taken_for_one_that_says_nothing() {
    on_both_stores(|work, store, name| {
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        for reading in [json!({"columns": ["ts"], "zone": 5}), json!("America/New_York"), json!(["ts"])] {
            work.write("q.ndjson", letter(&reading));
            let run = replay(work, store, &[]).expect(3);
            assert_eq!((store.count("bars"), work.dlq("q.ndjson").len()), (Some(0), 1), "{name}: {run}");
        }
    });
}

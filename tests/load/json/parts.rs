//! Columns that are parts of values: `--map close=c.price`.

use super::{bars, load, ticks};
use crate::harness::on_every_store;

#[test]
fn parts_of_objects_and_lists_are_columns() {
    on_every_store(|work, store, workers, what| {
        let rows = "{\"when\":\"2024-01-02T14:30:00Z\",\"symbol\":\"A\",\"asks\":[{\"price\":1.50,\"q\":{\"n\":7}}],\"at\":{\"venue\":\"N\"}}\n\
                    {\"when\":\"2024-01-02T14:31:00Z\",\"symbol\":\"A\",\"asks\":[{\"price\":2.25,\"q\":{\"n\":8}},{\"price\":9}],\"at\":{}}\n";
        let flags =
            ["--map", "price=asks[0].price", "--map", "size=asks[0].q.n", "--map", "exchange=at.venue"];
        let flags: Vec<&str> = flags.into_iter().chain(["--map", "ts=when", "--dataset", "ticks"]).collect();
        let expected = ["2024-01-02T14:30:00.000000Z A 1.5 7 N", "2024-01-02T14:31:00.000000Z A 2.25 8 "];
        let path = work.write("quotes.ndjson", rows);
        let run = load(work, store, workers, &path, &flags).expect(0);
        assert_eq!(ticks(store), expected, "{what}: {run}");
        store.rows("DELETE FROM ticks");
        let document = format!("{{\"quotes\":[{}]}}", rows.trim().replace('\n', ","));
        let path = work.write("quotes.json", document);
        let run = load(work, store, workers, &path, &flags).expect(0);
        assert_eq!(ticks(store), expected, "{what}: {run}");
    });
}

#[test]
fn what_is_mapped_from_a_document_is_found_by_its_part() {
    on_every_store(|work, store, workers, what| {
        let document = r#"{"prices":[{"snapshotTime":"2024-01-02T14:30:00","openPrice":{"bid":1.5,"ask":1.6},"highPrice":{"bid":2.5},"lowPrice":{"bid":1},"closePrice":{"bid":2.0},"lastTradedVolume":12}],"instrumentType":"SHARES","metadata":{"size":20}}"#;
        let path = work.write("prices.json", document);
        let maps = [
            "ts=snapshotTime",
            "open=openPrice.bid",
            "high=highPrice.bid",
            "low=lowPrice.bid",
            "close=closePrice.bid",
            "volume=lastTradedVolume",
        ];
        let flags: Vec<&str> = maps.iter().flat_map(|map| ["--map", map]).collect();
        let more = ["--symbol", "CS.D", "--timeframe", "1m"];
        let flags: Vec<&str> = flags.into_iter().chain(more).collect();
        let run = load(work, store, workers, &path, &flags).expect(0);
        assert_eq!(bars(store), ["2024-01-02T14:30:00.000000Z CS.D 1m 1.5 2.5 1 2 12 ∅ ∅"], "{what}: {run}");
    });
}

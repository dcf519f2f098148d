//! What the version before has left: a run to go on with, a claimed replay.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::harness::{Store, Work};

/// The settings of a run as the version before noted them: by them it is known whether a run can be gone on with.
const SETTINGS: &str = r##"{"comment":"#","dataset":"bars","date-order":"dmy","decimal":",","delimiter":";","exact":true,"format":"csv","keep-case":true,"key":["symbol","timeframe","ts","vendor","tenant_id"],"map":["ts=T","symbol=x","open_price=o","high_price=h","low_price=l","close_price=c","volume=v"],"name-pattern":null,"no-header":false,"null":["n/a"],"on-conflict":"skip","quality":"reject","round":false,"set":["vendor=acme"],"skip-lines":null,"slots":64,"symbol":null,"tenant":null,"timeframe":"1m","timestamp-unit":null,"timezone":"Europe/Berlin","vendor":null}"##;

#[test]
fn the_settings_of_a_run_are_noted_as_the_version_before_did() {
    let work = Work::new();
    let path = work.write("b.csv", "T;x;o;h;l;c;v\n01/02/2024 10:00;A;1,5;2;1;1,5;3\n");
    let flags = "--dataset bars --map ts=T --map symbol=x --map open_price=o --map high_price=h --map low_price=l \
        --map close_price=c --map volume=v --set vendor=acme --timeframe 1m --timezone Europe/Berlin --date-order dmy \
        --decimal , --null n/a --keep-case --exact --on-conflict skip --quality reject --format csv --delimiter ; \
        --skip-lines 0 --comment #";
    let store = Store::sqlite(&work);
    let dsn = store.dsn();
    work.mdsctl(["load", &path, "--dsn", &dsn]).arguments(flags.split_whitespace()).run().expect(0);
    let noted = store.rows("SELECT settings FROM mds_runs");
    assert_eq!(noted, [[Some(SETTINGS.to_owned())]]);
}

/// A queue that a replay of the version before has claimed, with flags in the form that it noted.
fn claimed(work: &Work) -> Store {
    let store = Store::sqlite(work);
    let Store::Sqlite(database) = &store else { panic!("SQLite") };
    let bar = json!({"ts": "2024-01-02T00:00:00Z", "symbol": "A", "timeframe": "1d", "open_price": "1",
        "high_price": "2", "low_price": "1", "close_price": "1.5"});
    let record = json!({"ts": 1.7e9, "error": "bad", "metadata": {"dataset": "bars"}, "items": [bar]});
    let path = work.write(".dlq/bars.1.ndjson", record.to_string() + "\n");
    let file = fs::metadata(&path).expect("it");
    let identity = format!("{}-{}-{}.{:09}", file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    let filter = json!({"codes": [], "stages": [], "symbols": [], "wheres": [], "since": null, "until": null,
        "tenant": null});
    let mend = json!({"dataset": "Bars", "table": null, "map": [], "set": [["vendor", "then"]],
        "timestamp_unit": "Ms", "timezone": null, "date_order": "Ymd", "decimal": null, "null": [],
        "keep_case": false, "exact": false, "round": false, "on_conflict": "Update", "quality": "Warn"});
    let file = json!({"name": "bars.1.ndjson", "identity": identity, "generation": 0, "left_alone": [],
        "orders": {"filter": filter, "take": null, "most_attempts": 5, "discard": false}});
    let place = format!("sqlite:{}", database.display());
    let journal = json!({"way": {"store": place, "tenant": null, "mend": mend}, "files": [file], "begun": [],
        "settled": false});
    work.write(".dlq/.bars.replay.json", journal.to_string());
    store
}

#[test]
fn a_claim_of_the_version_before_is_taken_over_as_it_was_meant() {
    let words = "its rows are mended as they were then";
    let same = ["--dataset", "bars", "--set", "vendor=then", "--timestamp-unit", "ms", "--date-order", "ymd"];
    for (flags, other) in [(&["--set", "vendor=now"][..], true), (&same, false)] {
        let work = Work::new();
        let store = claimed(&work);
        let run = work.mdsctl(["replay-dlq", "--dsn", &store.dsn()]).arguments(flags).run().expect(0);
        assert!(run.stderr.contains("going on with what an earlier replay left"), "{run}");
        assert_eq!(run.stderr.contains(words), other, "{run}");
        assert_eq!(store.rows("SELECT vendor FROM bars"), [[Some("then".to_owned())]], "{run}");
        assert!(!work.path(".dlq/.bars.replay.json").exists());
    }
}

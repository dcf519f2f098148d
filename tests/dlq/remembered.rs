//! What a load was told, by its flags or by the name of its input, holds for its dead letters: nobody has to
//! tell it again for the replay.

use std::fs;

use crate::harness::{Postgres, Store, Work};

#[test]
fn texts_that_the_server_casts_are_replayed_by_the_zone_and_the_order_of_their_load() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(&format!("ALTER DATABASE {} SET TimeZone = 'Asia/Tokyo'", db.name()));
    let columns = "k int PRIMARY KEY, r tstzrange, d daterange, a timestamptz[], z timetz";
    db.execute(&format!(
        "CREATE TABLE plain ({columns}); CREATE TABLE t ({columns}, CONSTRAINT c CHECK (k < 0))"
    ));
    let loads: [&[&str]; 3] = [
        &["--timezone", "America/New_York", "--date-order", "dmy"],
        &["--timezone", "Asia/Kolkata", "--date-order", "mdy"],
        &["--date-order", "dmy"],
    ];
    let both = |sql: &str| db.rows(&sql.replace("TABLE", "plain")) == db.rows(&sql.replace("TABLE", "t"));
    for (number, flags) in loads.iter().enumerate() {
        let lines: String = (0..3)
            .map(|row| {
                let (k, minute) = (number + 3 * row, 10 + row);
                format!(
                    "{k},\"[2024-01-02 09:{minute},)\",\"[02/03/2024,05/06/2024)\",\
                     \"{{2024-07-02 09:{minute},03/04/2024 10:00}}\",09:{minute}\n"
                )
            })
            .collect();
        let path = work.write(&format!("{number}.csv"), format!("k,r,d,a,z\n{lines}"));
        for (table, code) in [("plain", 0), ("t", 3)] {
            work.mdsctl(["load", &path, "--table", table, "--dlq", "d.ndjson", "--dsn", &db.dsn()])
                .arguments(*flags)
                .run()
                .expect(code);
        }
    }
    // Rows that are refused once more are still read so.
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &db.dsn()]).run().expect(3);
    db.execute("ALTER TABLE t DROP CONSTRAINT c");
    work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!(db.value("SELECT count(*) FROM t"), "9");
    assert!(
        both("SELECT k, r, d, a, z FROM TABLE ORDER BY k"),
        "{:?}",
        db.rows("SELECT t::text FROM t ORDER BY k")
    );
    let told = "SELECT lower(r) = '2024-01-02 14:10Z' AND a[2] = '2024-04-03 14:00Z' AND lower(d) = '2024-03-02' FROM t WHERE k = 0";
    assert_eq!(db.value(told), "t");
}

#[test]
fn a_mended_line_has_what_the_flags_and_the_name_of_its_file_tell() {
    on_both(|work, store, dsn| {
        let text = "time,open,high,low,close,n\n2024-01-02 09:30,1,3,1,2,7\n2024-01-02 09:31,1,3,1\n";
        let path = work.write("ACME-1m-x.csv", text);
        let flags = ["--vendor", "v", "--timezone", "America/New_York", "--map", "volume=n"];
        let pattern = ["--name-pattern", "{symbol}-{timeframe}-{rest}"];
        work.mdsctl(["load", &path, "--dataset", "bars", "--dlq", "d.ndjson", "--dsn", dsn])
            .arguments(flags)
            .arguments(pattern)
            .run()
            .expect(3);
        let queue = fs::read_to_string(work.path("d.ndjson")).expect("the queue");
        work.write("d.ndjson", queue.replace("09:31,1,3,1\"", "09:31,1,3,1,2,8\""));
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", dsn]).run().expect(0);
        assert_eq!(bars(store), ["v ACME 1m 30 7", "v ACME 1m 31 8"], "{store}");
    });
}

#[test]
fn a_timeframe_that_the_spacing_told_holds_for_a_mended_line() {
    on_both(|work, store, dsn| {
        let lines: String =
            (30..59).map(|minute| format!("2024-01-02 14:{minute},A,1,3,1,2,{minute}\n")).collect();
        let path = work
            .write("b.csv", format!("time,symbol,open,high,low,close,volume\n{lines}2024-01-02 14:59,A,1\n"));
        let to = ["--dlq", "d.ndjson", "--dsn", dsn];
        work.mdsctl(["load", &path, "--vendor", "v"]).arguments(to).run().expect(3);
        let queue = fs::read_to_string(work.path("d.ndjson")).expect("the queue");
        work.write("d.ndjson", queue.replace("14:59,A,1\"", "14:59,A,1,3,1,2,59\""));
        work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", dsn]).run().expect(0);
        assert_eq!(bars(store).last().map(String::as_str), Some("v A 1m 59 59"), "{store}");
    });
}

#[test]
fn the_advice_for_a_letter_that_remembers_nothing_is_one_that_a_replay_takes() {
    on_both(|work, store, dsn| {
        let item =
            r#"{"ts":"2024-01-02T14:30:00Z","symbol":"A","open":1,"high":3,"low":1,"close":2,"volume":7}"#;
        let line = format!(r#"{{"ts":1.0,"error":"x","metadata":{{"dataset":"bars"}},"items":[{item}]}}"#);
        work.write("d.ndjson", line + "\n");
        let replay = || work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", dsn]);
        let said = replay().run().expect(3);
        assert!(said.stderr.contains("x bad_columns: no column for \"vendor\""), "{said}");
        assert!(said.stderr.contains("add --set vendor=VALUE"), "{said}");
        let said = replay().arguments(["--set", "vendor=v"]).run().expect(3);
        assert!(said.stderr.contains("add it, for instance --set timeframe=1m"), "{said}");
        replay().arguments(["--set", "vendor=v", "--set", "timeframe=1m"]).run().expect(0);
        assert_eq!(bars(store), ["v A 1m 30 7"], "{store}");
    });
}

/// Runs a test on a fresh store of each kind.
fn on_both(test: impl Fn(&Work, &Store, &str)) {
    for postgres in [true, false] {
        let work = Work::new();
        let store = if postgres { Store::postgres() } else { Store::sqlite(&work) };
        test(&work, &store, &store.dsn());
    }
}

/// Vendor, symbol, timeframe, minute and volume of the bars.
fn bars(store: &Store) -> Vec<String> {
    let (minute, volume) = match store {
        Store::Postgres(_) => ("to_char(ts, 'MI')", "trim_scale(volume)::text"),
        Store::Sqlite(_) => ("substr(ts, 15, 2)", "volume"),
    };
    let sql = format!("SELECT vendor, symbol, timeframe, {minute}, {volume} FROM bars ORDER BY ts");
    let row = |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(" ");
    store.rows(&sql).into_iter().map(row).collect()
}

//! A timeframe has one spelling, whoever brings it: two of them never become two series.

use std::fs;

use crate::harness::Work;
use crate::harness::store::on_both_stores;

const SPELLINGS: [&str; 12] = [
    "1m",
    "1min",
    "1Min",
    "60s",
    "60sec",
    "60 seconds",
    "1 minute",
    "1 Minute",
    "M1",
    "PT1M",
    "minute",
    "1_min",
];
/// Of seconds or of minutes, of trades or of minutes, of minutes or of months.
const UNCLEAR: [&str; 3] = ["60", "1T", "5M"];

fn bar(timeframe: &str) -> String {
    format!(
        "ts,vendor,symbol,timeframe,open,high,low,close,volume\n2024-01-02T10:00:00Z,v,A,{timeframe},1,1,1,1,1\n"
    )
}

fn without(timeframe: &str) -> String {
    bar(timeframe).replace(&format!(",{timeframe},"), ",").replace(",timeframe,", ",")
}

#[test]
fn spellings_of_a_timeframe_are_one_series_in_load_tail_and_replay() {
    on_both_stores(|work: &Work, store, _| {
        let dsn = &*store.dsn();
        let place = ["--dsn", dsn, "--dlq", "d.ndjson"];
        let stored = || store.rows("SELECT timeframe FROM bars").concat();
        let one = vec![Some("1m".to_owned())];
        let all: String =
            SPELLINGS.iter().map(|t| bar(t).lines().last().unwrap().to_owned() + "\n").collect();
        let path = work.write("all.csv", bar("1m") + &all);
        let run = work.mdsctl(["load", &path]).arguments(place).run().expect(0);
        assert_eq!(stored(), one, "{run}");
        let rows: Vec<String> =
            SPELLINGS.iter().map(|t| format!("{{\"timeframe\": \"{t}\", \"ts\": 1704189600, \"symbol\": \"A\", \"vendor\": \"v\", \"open\": 1, \"high\": 1, \"low\": 1, \"close\": 1, \"volume\": 1}}")).collect();
        let run = work.mdsctl(["tail", "-"]).arguments(place).stdin(rows.join("\n") + "\n").run().expect(0);
        assert_eq!(stored(), one, "{run}");
        for spelling in SPELLINGS {
            for flag in [format!("--timeframe={spelling}"), format!("--set=timeframe={spelling}")] {
                for command in ["load", "tail"] {
                    let program = work.mdsctl([command, "-", &flag]).arguments(place);
                    let run = program.stdin(without("1m")).run().expect(0);
                    assert_eq!(stored(), one, "{command} {flag}: {run}");
                }
            }
        }
        // Dead letters under all of them, one mended by a flag.
        let run = work.mdsctl(["load", "-"]).arguments(place).stdin(bar("nothing")).run().expect(3);
        let letter = fs::read_to_string(work.path("d.ndjson")).expect("a letter");
        assert!(letter.contains("\"nothing\""), "{run}");
        let letters: String =
            SPELLINGS.iter().map(|t| letter.replace("\"nothing\"", &format!("\"{t}\""))).collect();
        fs::write(work.path("d.ndjson"), letters).expect("letters");
        let run = work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", dsn]).run().expect(0);
        assert_eq!(stored(), one, "{run}");
        fs::write(work.path("d.ndjson"), &letter).expect("a letter");
        let mend = ["replay-dlq", "d.ndjson", "--set", "timeframe=60s", "--dsn", dsn];
        let run = work.mdsctl(mend).run().expect(0);
        assert_eq!(stored(), one, "{run}");
        // What is not clear is no timeframe at all.
        for unclear in UNCLEAR {
            let run = work.mdsctl(["load", "-"]).arguments(place).stdin(bar(unclear)).run().expect(3);
            assert_eq!(stored(), one, "{run}");
            let flag = format!("--timeframe={unclear}");
            let run = work.mdsctl(["load", "-", &flag]).arguments(place).stdin(without("1m")).run().expect(2);
            assert!(run.error().contains("is not a timeframe"), "{run}");
        }
    });
}

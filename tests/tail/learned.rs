//! What the first rows of a followed file tell holds for those that follow, in other batches and after
//! a restart.

use super::{append, stop, stored};
use crate::harness::run::Running;
use crate::harness::truth::number;
use crate::harness::{Store, Work};

const FORMATS: [&str; 2] = ["bars.csv", "bars.ndjson"];

/// A bar as its format has it.
fn line(format: &str, ts: &str, price: &str) -> String {
    match format {
        "bars.csv" => format!("{ts};A;{price};{price};{price};{price};1\n"),
        _ => format!(
            "{{\"ts\":\"{ts}\",\"symbol\":\"A\",\"open\":\"{price}\",\"high\":\"{price}\",\"low\":\"{price}\",\"close\":\"{price}\",\"volume\":1}}\n"
        ),
    }
}

fn header(format: &str) -> &'static str {
    if format == "bars.csv" { "ts;symbol;open;high;low;close;volume\n" } else { "" }
}

fn on_each(test: impl Fn(&Work, &Store, &str)) {
    for format in FORMATS {
        for sqlite in [true, false] {
            let work = Work::new();
            let store = if sqlite { Store::sqlite(&work) } else { Store::postgres() };
            append(&work, format, header(format));
            test(&work, &store, format);
        }
    }
}

fn tail(work: &Work, store: &Store, format: &str, more: &[&str]) -> Running {
    let flags = ["tail", format, "--json", "--vendor", "v", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(more.iter().copied()).spawn()
}

/// `1,234` alone could be a thousand.
#[test]
fn the_decimal_comma_holds_in_later_batches_and_after_a_restart() {
    on_each(|work, store, format| {
        let more = ["--timeframe", "1m"];
        let at = |minute: u64, price: &str| line(format, &format!("2024-03-04T14:{minute:02}:00Z"), price);
        append(work, format, &at(0, "187,14"));
        let mut running = tail(work, store, format, &more);
        stored(store, &mut running, 1);
        append(work, format, &at(1, "1,234"));
        stored(store, &mut running, 2);
        for minute in [2, 3] {
            stop(running);
            append(work, format, &at(minute, "2,345"));
            running = tail(work, store, format, &more);
            stored(store, &mut running, minute + 1);
        }
        let books = stop(running);
        assert_eq!(books.rejected, 0, "{store}, {format}");
        let prices: Vec<String> = store
            .rows("SELECT open_price FROM bars ORDER BY ts")
            .iter()
            .map(|row| number(row[0].as_deref().unwrap_or("NULL")))
            .collect();
        assert_eq!(prices, ["187.14", "1.234", "2.345", "2.345"], "{store}, {format}");
    });
}

/// The hour that comes twice when the clocks are put back, cut wherever that is worst.
#[test]
fn the_two_hours_of_a_change_of_clocks_are_told_apart_over_batches_and_restarts() {
    let local = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"];
    let utc = ["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"];
    on_each(|work, store, format| {
        let more = ["--timeframe", "30m", "--timezone", "America/New_York"];
        let mut running = None;
        for (at, time) in local.iter().enumerate() {
            // Within one tail and over a restart, in turn: the step back to 01:00 falls on one.
            if at % 2 == 1
                && let Some(before) = running.take()
            {
                stop(before);
            }
            append(work, format, &line(format, &format!("2024-11-03 {time}:00"), "1.5"));
            let now = running.get_or_insert_with(|| tail(work, store, format, &more));
            stored(store, now, at as u64 + 1);
        }
        let books = stop(running.expect("the last one runs"));
        assert_eq!(books.rejected, 0, "{store}, {format}");
        let zone = if matches!(store, Store::Sqlite(_)) { "ts" } else { "ts AT TIME ZONE 'UTC'" };
        let times: Vec<String> = store
            .rows(&format!("SELECT substr(CAST({zone} AS text), 12, 5) FROM bars ORDER BY ts"))
            .into_iter()
            .filter_map(|mut row| row.remove(0))
            .collect();
        assert_eq!(times, utc, "{store}, {format}");
    });
}

/// The timeframe that was told from the first rows is not that of a bar between two of its steps.
#[test]
fn later_bars_between_the_steps_of_the_timeframe_are_told() {
    on_each(|work, store, format| {
        let at = |time: &str| line(format, &format!("2024-03-04T14:{time}Z"), "1.5");
        append(work, format, &(at("00:00") + &at("01:00")));
        let mut running = tail(work, store, format, &[]);
        stored(store, &mut running, 2);
        append(work, format, &(at("07:00") + &at("07:30")));
        stored(store, &mut running, 4);
        running.signal(rustix::process::Signal::INT);
        let run = running.finish().expect(130);
        let told = run.json()["notes"].to_string();
        assert!(
            told.contains("ts is not a step of 1m") && told.contains("1 row"),
            "{store}, {format}: {run}"
        );

        let rejects = ["--quality", "reject", "--from", "start", "--checkpoint", "other.json"];
        let work = Work::new();
        append(&work, format, &(header(format).to_owned() + &at("00:00") + &at("01:00")));
        let store = Store::sqlite(&work);
        let mut running = tail(&work, &store, format, &rejects);
        stored(&store, &mut running, 2);
        append(&work, format, &(at("07:30") + &at("08:00")));
        stored(&store, &mut running, 3);
        assert_eq!(stop(running).rejected, 1, "{format}");
    });
}

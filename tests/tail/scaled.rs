//! Numbers that are multiplied and times that are spelled out, in a file that grows, over a restart and in rows
//! that a tail sets aside.

use super::{append, stop, stored};
use crate::harness::{Store, Work};

#[test]
fn rows_of_a_followed_file_are_multiplied_once_before_and_after_a_restart() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store = if sqlite { Store::sqlite(&work) } else { Store::postgres() };
        let tail = || {
            let flags = ["tail", "in.csv", "--json", "--vendor", "v", "--timeframe", "1m", "--symbol", "S"];
            let read = ["--scale", "close=0.01", "--time-format", "%d/%m/%Y %H.%M", "--dsn", &store.dsn()];
            let bars = ["--dataset", "bars", "--set", "open_price=1", "--set", "high_price=1"];
            work.mdsctl(flags).arguments(bars).arguments(["--set", "low_price=1"]).arguments(read).spawn()
        };
        append(&work, "in.csv", "time,close\n3/11/2024 09.30,125\n");
        let mut running = tail();
        stored(&store, &mut running, 1);
        append(&work, "in.csv", "3/11/2024 09.31,226\n");
        stored(&store, &mut running, 2);
        assert_eq!(stop(running).rejected, 0, "{store}");
        append(&work, "in.csv", "3/11/2024 09.32,x\n3/11/2024 09.33,428\n");
        let mut running = tail();
        stored(&store, &mut running, 3);
        assert_eq!(stop(running).rejected, 1, "{store}");
        let queue = work.path(".dlq/bars.ndjson");
        let letters = std::fs::read_to_string(&queue).expect("a queue");
        std::fs::write(&queue, letters.replace("\"x\"", "\"327\"")).expect("mended");
        work.mdsctl(["replay-dlq", "--dsn", &store.dsn()]).run().expect(0);
        let rows = store.rows("SELECT close_price FROM bars ORDER BY ts");
        let prices: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        assert_eq!(prices, ["1.25", "2.26", "3.27", "4.28"], "{store}");
    }
}

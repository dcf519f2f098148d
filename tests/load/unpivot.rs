//! Columns that become rows, and lists that do: what a row of the file is told by, and what a resume goes by.

use crate::harness::store::on_every_store;
use crate::layouts::stored;

const CHAIN: &str = "quote_date,symbol,expiry,strike,call_bid,call_ask,put_bid,put_ask\n\
    2024-01-02,AAPL,2024-02-16,100,1,2,3,4\n\
    2024-01-02,AAPL,2024-02-16,105,x,2.5,0,\n\
    2024-01-02,AAPL,2024-02-16,110,,,5,6\n";

/// A refused row is told by its row of the file, the one beside it is stored, and one without values is left out.
#[test]
fn calls_and_puts_of_one_row_are_two() {
    on_every_store(|work, store, workers, which| {
        work.write("chain.csv", CHAIN);
        let (dsn, pattern) = (store.dsn(), "{option_type=call|put}_{}");
        let arguments = [
            "load",
            "chain.csv",
            "--vendor",
            "v",
            "--unpivot",
            pattern,
            "--json",
            "--workers",
            workers,
            "--dsn",
            &dsn,
        ];
        let run = work.mdsctl(arguments).run().expect(3);
        let rows = &run.json()["rows"];
        assert_eq!(
            (&rows["read"], &rows["inserted"], &rows["rejected"]),
            (&5.into(), &4.into(), &1.into()),
            "{run}"
        );
        let at = "options_snap ts=2024-01-02T00:00:00.000000Z vendor=v symbol=AAPL expiry=2024-02-16";
        let expected = [
            format!("{at} option_type=C strike=100 bid=1 ask=2\n"),
            format!("{at} option_type=P strike=100 bid=3 ask=4\n"),
            format!("{at} option_type=P strike=105 bid=0\n"),
            format!("{at} option_type=P strike=110 bid=5 ask=6\n"),
        ];
        assert_eq!(stored(store), expected.concat(), "{which}");
        let letters = work.dlq(".dlq/options.ndjson");
        assert_eq!(letters[0].rows, [2], "{which}");
        assert_eq!(letters[0].items[0]["option_type"], "C", "{which}");
        assert!(
            run.json()["notes"].to_string().contains("1 row of those that columns become"),
            "{which}: {run}"
        );
        work.mdsctl(["replay-dlq", "--set", "bid=2", "--dsn", &dsn]).run().expect(0);
        assert!(stored(store).contains("option_type=C strike=105 bid=2 ask=2.5"), "{which}");
    });
}

/// A pattern that fits no column is refused with what is there; a tail takes none.
#[test]
fn a_pattern_that_fits_nothing_is_refused() {
    on_every_store(|work, store, _, which| {
        work.write("chain.csv", CHAIN);
        let dsn = store.dsn();
        let run = work.mdsctl(["load", "chain.csv", "--unpivot", "{side}-{}", "--dsn", &dsn]).run().expect(2);
        assert!(
            run.error().contains("no column has a name that fits --unpivot {side}-{}: found quote_date"),
            "{which}: {run}"
        );
        let run = work.mdsctl(["tail", "chain.csv", "--unpivot", "{side}_{}", "--dsn", &dsn]).run().expect(2);
        assert!(run.error().contains("mdsctl load"), "{which}: {run}");
        let run = work.mdsctl(["load", "chain.csv", "--unpivot", "side", "--dsn", &dsn]).run().expect(2);
        assert!(run.stderr.contains("{option_type}_{}"), "{which}: {run}");
    });
}

/// Statements whose columns are periods.
#[test]
fn periods_are_rows() {
    on_every_store(|work, store, workers, which| {
        work.write(
            "s.csv",
            "Item,2023-12-31,2022-12-31\nTotal Assets,352583,352755\nNet Income,96995,99803\n",
        );
        let (dsn, pattern) = (store.dsn(), "{asof}:Item");
        let arguments = [
            "load",
            "s.csv",
            "--vendor",
            "v",
            "--symbol",
            "AAPL",
            "--unpivot",
            pattern,
            "--workers",
            workers,
            "--dsn",
            &dsn,
        ];
        work.mdsctl(arguments).run().expect(0);
        let at = |day: &str| format!("fundamentals asof={day}T00:00:00.000000Z vendor=v symbol=AAPL");
        let expected = [
            format!("{} total_assets=352755 net_income=99803\n", at("2022-12-31")),
            format!("{} total_assets=352583 net_income=96995\n", at("2023-12-31")),
        ];
        assert_eq!(stored(store), expected.concat(), "{which}");
    });
}

//! Which layout is taken, and who says more than it.

use super::stored;
use crate::harness::Work;
use crate::harness::store::on_both_stores;

const KLINES: &str = "1704067200000,1,3,0.5,2,10,1704067259999,15,7,5,8,0\n1704067260000,2,4,1,3,11,1704067319999,16,8,6,9,0\n";

/// A flag takes precedence over what the layout says, column by column.
#[test]
fn flags_take_precedence_over_a_layout() {
    on_both_stores(|work, store, which| {
        work.write("BTCUSDT-1m-2024-01-01.csv", KLINES);
        let arguments = [
            "load",
            "BTCUSDT-1m-2024-01-01.csv",
            "--vendor",
            "mine",
            "--map",
            "volume=7",
            "--dsn",
            &store.dsn(),
        ];
        let run = work.mdsctl(arguments).run();
        // Columns are called as the layout calls them.
        run.expect(2);
        let arguments = [
            "load",
            "BTCUSDT-1m-2024-01-01.csv",
            "--vendor",
            "mine",
            "--map",
            "volume=quote_volume",
            "--dsn",
            &store.dsn(),
        ];
        work.mdsctl(arguments).run().expect(0);
        let text = stored(store);
        assert!(text.contains("vendor=mine symbol=BTCUSDT timeframe=1m"), "{which}: {text}");
        assert!(
            text.contains("volume=15 trades=7") && text.contains("volume=16 trades=8"),
            "{which}: {text}"
        );
    });
}

/// With `none` a file is what its columns say, and a name that is none is told.
#[test]
fn none_is_no_layout_and_an_unknown_one_is_refused() {
    let work = Work::new();
    work.write("BTCUSDT-1m-2024-01-01.csv", KLINES);
    let run = work.mdsctl(["load", "BTCUSDT-1m-2024-01-01.csv", "--layout", "none"]).run().expect(2);
    assert!(run.error().contains("--no-header"), "{run}");
    let run = work.mdsctl(["load", "BTCUSDT-1m-2024-01-01.csv", "--layout", "binanse"]).run().expect(2);
    assert!(run.error().contains("--layout help"), "{run}");
}

/// A layout of the user's own, in the configuration file.
#[test]
fn a_layout_of_the_configuration_file_is_taken() {
    on_both_stores(|work, store, which| {
        work.write(
            "mdsctl.toml",
            "[layouts.desk]\ntitle = 'The desk'\ndataset = 'bars'\nvendor = 'desk'\ntimeframe = '1d'\n\
             timezone = 'Europe/Berlin'\nmap = ['ts=Tag', 'close_price=Kurs', 'open_price=Erster', \
             'high_price=Hoch', 'low_price=Tief', 'symbol=Papier']\n\
             [[layouts.desk.sign]]\nheader = ['Tag', 'Papier', 'Kurs']\n",
        );
        work.write("x.csv", "Tag,Papier,Erster,Hoch,Tief,Kurs\n2024-01-02 10:00:00,SAP,1,2,0.5,1.5\n");
        work.mdsctl(["load", "x.csv", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(
            stored(store),
            "bars ts=2024-01-02T00:00:00.000000Z vendor=desk symbol=SAP timeframe=1d open_price=1 high_price=2 \
             low_price=0.5 close_price=1.5\n",
            "{which}"
        );
    });
}

/// Files of two layouts in one load are each read by their own; one of another dataset is refused by name, and the
/// others are loaded.
#[test]
fn every_input_has_its_own_layout() {
    on_both_stores(|work, store, which| {
        work.write("BTCUSDT-1m-2024-01-01.csv", KLINES);
        work.write(
            "a.csv",
            "ticker,volume,open,close,high,low,window_start,transactions\n\
             AAPL,5,1,2,3,0.5,1704067200000000000,4\nAAPL,6,1,2,3,0.5,1704067260000000000,4\n",
        );
        work.write("ETHUSDT-trades-2024-01-01.csv", "1,2000.5,0.25,500.125,1704067200000,True,True\n");
        let run = work
            .mdsctl([
                "load",
                "BTCUSDT-1m-2024-01-01.csv",
                "a.csv",
                "ETHUSDT-trades-2024-01-01.csv",
                "--dsn",
                &store.dsn(),
            ])
            .run();
        assert_eq!(run.code, 2, "{which}: {run}");
        assert!(
            run.error().contains("ETHUSDT-trades-2024-01-01.csv: by its layout it is of ticks"),
            "{which}: {run}"
        );
        let text = stored(store);
        assert_eq!(text.matches("vendor=binance symbol=BTCUSDT timeframe=1m").count(), 2, "{which}: {text}");
        assert_eq!(text.matches("vendor=massive symbol=AAPL timeframe=1m").count(), 2, "{which}: {text}");
        assert!(!text.contains("ticks"), "{which}: {text}");
    });
}

/// A growing file has a layout as any other.
#[test]
fn a_tail_reads_by_the_layout_of_its_file() {
    on_both_stores(|work, store, which| {
        work.write("BTCUSDT-1m-2024-01-01.csv", KLINES);
        let arguments = ["tail", "BTCUSDT-1m-2024-01-01.csv", "--idle-exit", "1s", "--dsn", &store.dsn()];
        work.mdsctl(arguments).run().expect(0);
        let text = stored(store);
        assert_eq!(text.matches("vendor=binance symbol=BTCUSDT timeframe=1m").count(), 2, "{which}: {text}");
        let more = "1704067320000,2,4,1,3,11,1704067379999,16,8,6,9,0\n";
        work.write("BTCUSDT-1m-2024-01-01.csv", KLINES.to_owned() + more);
        work.mdsctl(arguments).run().expect(0);
        assert_eq!(stored(store).matches("vendor=binance").count(), 3, "{which}");
    });
}

/// What is refused keeps what the layout said of it, so that a replay stores it as the load would have.
#[test]
fn a_refused_row_is_replayed_as_its_layout_reads_it() {
    on_both_stores(|work, store, which| {
        work.write("BTCUSDT-1m-2024-01-01.csv", KLINES.replace(",2,10,", ",x,10,"));
        work.mdsctl(["load", "BTCUSDT-1m-2024-01-01.csv", "--dsn", &store.dsn()]).run().expect(3);
        assert_eq!(stored(store).lines().count(), 1, "{which}");
        work.mdsctl(["replay-dlq", "--set", "close_price=2.5", "--dsn", &store.dsn()]).run().expect(0);
        let text = stored(store);
        assert!(
            text.contains(
                "bars ts=2024-01-01T00:00:00.000000Z vendor=binance symbol=BTCUSDT timeframe=1m open_price=1 \
                 high_price=3 low_price=0.5 close_price=2.5 volume=10 trades=7"
            ),
            "{which}: {text}"
        );
    });
}

/// Rows before what looks like a vendor's header, and columns that a vendor has too, are somebody else's.
#[test]
fn a_file_of_somebody_else_gets_no_layout() {
    let work = Work::new();
    work.write(
        "rows-before.csv",
        "2024-01-01,1,2,0.5,1.6,1.6,100\n2024-01-02,1,2,0.5,1.6,1.6,100\n\
         Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-03,1,2,0.5,1.6,1.6,100\n",
    );
    let run = work.mdsctl(["load", "rows-before.csv", "--symbol", "A"]).run().expect(2);
    assert!(run.error().contains("--skip-lines 2"), "{run}");
    work.write(
        "price.csv",
        "Price,Open,High,Low,Close,Volume\n2024-01-02,1,2,0.5,1.5,10\n2024-01-03,1,2,0.5,1.5,10\n",
    );
    let arguments = ["load", "price.csv", "--symbol", "A", "--vendor", "v", "--map", "ts=Price", "--json"];
    let run = work.mdsctl(arguments).run().expect(0);
    assert_eq!(run.json()["rows"]["inserted"], 2, "{run}");
    assert!(!run.json()["deductions"].to_string().contains("layout"), "{run}");
    // Prices that a spreadsheet has written without their decimals are no billionths.
    work.write(
        "spreadsheet.csv",
        "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n\
         2024-01-02T14:30:00.000000000Z,33,1,5482,4783,4784,4782,4783.25,100,ESH4\n\
         2024-01-02T14:31:00.000000000Z,33,1,5482,4783.5,4784,4782,4783,100,ESH4\n",
    );
    let store = work.path("d.db");
    let dsn = format!("sqlite:{}", store.display());
    work.mdsctl(["load", "spreadsheet.csv", "--vendor", "v", "--dsn", &dsn]).run().expect(0);
    let text = stored(&crate::harness::store::Store::Sqlite(store));
    assert!(text.contains("open_price=4783 ") && text.contains("close_price=4783.25"), "{text}");
}

/// The unit of times is deduced and held to, whatever the vendor writes as a rule; a copy has the name of its file.
#[test]
fn times_in_another_unit_are_what_they_are() {
    on_both_stores(|work, store, which| {
        work.write(
            "x.csv",
            "ticker,volume,open,close,high,low,window_start,transactions\n\
             AAPL,5,1,2,3,0.5,1704067200000,4\nAAPL,6,1,2,3,0.5,1704067260000,4\n",
        );
        work.write("ETHUSDT-1m-2024-01-01 (1).csv", KLINES);
        let run =
            work.mdsctl(["load", "x.csv", "ETHUSDT-1m-2024-01-01 (1).csv", "--dsn", &store.dsn()]).run();
        assert_eq!(run.code, 0, "{which}: {run}");
        let text = stored(store);
        assert!(
            text.contains("ts=2024-01-01T00:00:00.000000Z vendor=massive symbol=AAPL timeframe=1m"),
            "{which}: {text}"
        );
        assert!(text.contains("vendor=binance symbol=ETHUSDT timeframe=1m"), "{which}: {text}");
    });
}

/// A daily bar is stored under the day of its place, by a load and by the replay of what it refused.
#[test]
fn days_of_a_place_are_replayed_as_days() {
    on_both_stores(|work, store, which| {
        work.write(
            "d.csv",
            "symbol,timestamp,open,high,low,close\nA,2024-03-30 00:00:00,1,2,0.5,1.5\nA,2024-03-31 00:00:00,1,2,0.5,x\n",
        );
        let dsn = store.dsn();
        let arguments = [
            "load",
            "d.csv",
            "--vendor",
            "v",
            "--timezone",
            "Asia/Tokyo",
            "--timeframe",
            "1d",
            "--dsn",
            &dsn,
        ];
        work.mdsctl(arguments).run().expect(3);
        work.mdsctl(["replay-dlq", "--set", "close_price=1.5", "--dsn", &dsn]).run().expect(0);
        let at = |day: &str| format!("bars ts={day}T00:00:00.000000Z vendor=v symbol=A timeframe=1d");
        let prices = "open_price=1 high_price=2 low_price=0.5 close_price=1.5\n";
        let expected = format!("{} {prices}{} {prices}", at("2024-03-30"), at("2024-03-31"));
        assert_eq!(stored(store), expected, "{which}");
    });
}

/// A shape that several write is nobody's for sure where the name of the file is that of another.
#[test]
fn a_shared_shape_is_not_taken_against_the_name_of_the_file() {
    on_both_stores(|work, store, which| {
        let candles = r#"{"candles":[{"start":"1673391840","low":"1","high":"3","open":"2","close":"2.5","volume":"4"},{"start":"1673391780","low":"1","high":"3","open":"2","close":"2.25","volume":"5"}]}"#;
        for name in ["TradingView-BTCUSD.json", "YahooFinance-SP500.json", "x_binance_BTC.json"] {
            work.write(name, candles);
            let run = work.mdsctl(["load", name, "--symbol", "A", "--dsn", &store.dsn()]).run().expect(2);
            assert!(run.error().contains("no column for \"vendor\""), "{which}: {run}");
        }
        for name in ["Coinbase-BTC-USD-PT1D.json", "candles.json"] {
            work.write(name, candles);
            work.mdsctl(["load", name, "--symbol", name, "--dsn", &store.dsn()]).run().expect(0);
        }
        assert_eq!(stored(store).matches("vendor=coinbase").count(), 4, "{which}");
    });
}

/// A symbol that the name of a file tells is told; of a name that says more than the symbol none is taken.
#[test]
fn a_symbol_of_the_name_is_told_and_is_nothing_else() {
    on_both_stores(|work, store, which| {
        let rows = "Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume\n\
                    2011-01-03,1,2,0.5,1.5,10,0.0,1.0,1,2,0.5,1.5,10\n";
        for name in ["WIKI-AAPL-2011-quandl.csv", "WIKI-AAPL_2011.csv", "WIKI-AAPL2011.csv"] {
            work.write(name, rows);
            let run = work.mdsctl(["load", name, "--dsn", &store.dsn()]).run().expect(2);
            assert!(run.error().contains("\"symbol\""), "{which}: {run}");
        }
        let names = ["WIKI-AAPL.csv", "WIKI-MSFT.csv", "WIKI-IBM.csv", "WIKI-F.csv", "WIKI-GE.csv"];
        names.iter().for_each(|name| {
            work.write(name, rows);
        });
        let run = work.mdsctl(["load", names[0], "--json", "--dsn", &store.dsn()]).run().expect(0);
        let said = run.json()["deductions"].to_string();
        assert!(said.contains("symbol is AAPL, from the file's name"), "{which}: {run}");
        let dsn = store.dsn();
        let arguments = [&["load", "--json", "--dsn", &dsn][..], &names[..]].concat();
        let run = work.mdsctl(arguments).run().expect(0);
        let said = run.json()["deductions"].to_string();
        assert!(said.contains("symbol is AAPL, F, GE and 2 others, from the files' names"), "{which}: {run}");
    });
}

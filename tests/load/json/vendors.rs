//! What vendors' interfaces answer with, in their true form.

use super::{load, loads, ticks};
use crate::harness::on_every_store;

#[test]
fn polygon_has_its_rows_under_results() {
    loads(
        r#"{"ticker":"AAPL","queryCount":2,"resultsCount":2,"adjusted":true,"results":[{"v":77287356.0,"vw":146.991,"o":145.935,"c":146.8,"h":147.835,"l":145.49,"t":1626912000000,"n":480209},{"v":71447416,"vw":148.1,"o":147.55,"c":148.56,"h":148.72,"l":146.92,"t":1626998400000,"n":1}],"status":"OK","request_id":"bf3d","count":2}"#,
        &["--timeframe", "1d"],
        "rows are at results",
        &[
            "2021-07-22T00:00:00.000000Z AAPL 1d 145.935 147.835 145.49 146.8 77287356 146.991 480209",
            "2021-07-23T00:00:00.000000Z AAPL 1d 147.55 148.72 146.92 148.56 71447416 148.1 1",
        ],
    );
}

#[test]
fn alpaca_has_its_bars_by_symbol_or_beside_one() {
    loads(
        r#"{"bars":{"AAPL":[{"t":"2022-01-03T09:00:00Z","o":178.26,"h":178.26,"l":178.21,"c":178.21,"v":1118,"n":65,"vw":178.235733}],"MSFT":[{"t":"2022-01-03T09:00:00Z","o":1.5,"h":2,"l":1,"c":1.75,"v":3,"n":1,"vw":1.6}]},"next_page_token":null}"#,
        &["--timeframe", "1m"],
        "rows are at bars, by symbol",
        &[
            "2022-01-03T09:00:00.000000Z AAPL 1m 178.26 178.26 178.21 178.21 1118 178.235733 65",
            "2022-01-03T09:00:00.000000Z MSFT 1m 1.5 2 1 1.75 3 1.6 1",
        ],
    );
    loads(
        r#"{"bars":[{"t":"2022-01-03T09:00:00Z","o":178.26,"h":178.26,"l":178.21,"c":178.21,"v":1118,"n":65,"vw":178.235733}],"symbol":"AAPL","next_page_token":null}"#,
        &["--timeframe", "1m"],
        "rows are at bars",
        &["2022-01-03T09:00:00.000000Z AAPL 1m 178.26 178.26 178.21 178.21 1118 178.235733 65"],
    );
}

#[test]
fn alpha_vantage_has_its_rows_by_time_under_numbered_names() {
    loads(
        r#"{
    "Meta Data": {
        "1. Information": "Intraday (1min) open, high, low, close prices and volume",
        "2. Symbol": "IBM",
        "3. Last Refreshed": "2024-01-02 19:59:00",
        "4. Interval": "1min",
        "5. Output Size": "Compact",
        "6. Time Zone": "US/Eastern"
    },
    "Time Series (1min)": {
        "2024-01-02 19:59:00": {
            "1. open": "161.5000",
            "2. high": "161.6000",
            "3. low": "161.4000",
            "4. close": "161.5500",
            "5. volume": "12"
        },
        "2024-01-02 19:58:00": {
            "1. open": "161.4000",
            "2. high": "161.5000",
            "3. low": "161.4000",
            "4. close": "161.5000",
            "5. volume": "7"
        }
    }
}
"#,
        &["--timezone", "US/Eastern"],
        "rows are at Time Series (1min), by time",
        &[
            "2024-01-03T00:58:00.000000Z IBM 1m 161.4 161.5 161.4 161.5 7 ∅ ∅",
            "2024-01-03T00:59:00.000000Z IBM 1m 161.5 161.6 161.4 161.55 12 ∅ ∅",
        ],
    );
}

#[test]
fn yahoo_has_a_list_for_each_column_in_its_chart() {
    loads(
        r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","exchangeName":"NMS","instrumentType":"EQUITY","firstTradeDate":345479400,"regularMarketTime":1704229201,"gmtoffset":-18000,"timezone":"EST","regularMarketPrice":185.64,"dataGranularity":"1d","range":"5d","validRanges":["1d","5d","1mo"]},"timestamp":[1704205800,1704292200],"indicators":{"quote":[{"open":[187.1499938964844,184.22],"close":[185.63999938964844,184.25],"volume":[82488700,58414500],"high":[188.44,185.88],"low":[183.89,183.43]}],"adjclose":[{"adjclose":[184.73,183.35]}]}}],"error":null}}"#,
        &["--timeframe", "1d"],
        "rows are at chart.result[0], a list for each column",
        &[
            "2024-01-02T14:30:00.000000Z AAPL 1d 187.1499938964844 188.44 183.89 185.63999938964844 82488700 ∅ ∅",
            "2024-01-03T14:30:00.000000Z AAPL 1d 184.22 185.88 183.43 184.25 58414500 ∅ ∅",
        ],
    );
}

#[test]
fn finnhub_has_a_list_for_each_column() {
    loads(
        r#"{"c":[217.68,221.03],"h":[222.49,221.5],"l":[217.19,217.1402],"o":[221.03,218.55],"s":"ok","t":[1569297600,1569384000],"v":[33463820,24018876]}"#,
        &["--timeframe", "1d", "--symbol", "AAPL"],
        "rows are at the top of the document, a list for each column",
        &[
            "2019-09-24T04:00:00.000000Z AAPL 1d 221.03 222.49 217.19 217.68 33463820 ∅ ∅",
            "2019-09-25T04:00:00.000000Z AAPL 1d 218.55 221.5 217.1402 221.03 24018876 ∅ ∅",
        ],
    );
}

#[test]
fn kraken_has_arrays_by_pair_which_get_their_names() {
    loads(
        r#"{"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23],[1688671260,"30304.5","30304.5","30300.0","30300.0","30300.0","4.42996871",18]],"last":1688672160}}"#,
        &["--timeframe", "1m", "--columns", "time,open,high,low,close,vwap,volume,count"],
        "rows are at result, by symbol",
        &[
            "2023-07-06T19:20:00.000000Z XXBTZUSD 1m 30306.1 30306.2 30305.7 30305.7 3.39243896 30306.1 23",
            "2023-07-06T19:21:00.000000Z XXBTZUSD 1m 30304.5 30304.5 30300 30300 4.42996871 30300 18",
        ],
    );
}

#[test]
fn okx_and_ccxt_have_arrays_which_get_their_names() {
    loads(
        r#"{"code":"0","msg":"","data":[["1704205860000","42500.1","42510","42500","42505.5","12.34","1","524000","1"],["1704205800000","42490","42500.1","42480","42500.1","1.5","1","63000","1"]]}"#,
        &["--symbol", "BTC-USDT", "--columns", "ts,open,high,low,close,volume,volCcy,volCcyQuote,confirm"],
        "rows are at data",
        &[
            "2024-01-02T14:30:00.000000Z BTC-USDT 1m 42490 42500.1 42480 42500.1 1.5 ∅ ∅",
            "2024-01-02T14:31:00.000000Z BTC-USDT 1m 42500.1 42510 42500 42505.5 12.34 ∅ ∅",
        ],
    );
    loads(
        "[[1704205800000,1.0,2.0,0.5,1.5,10],\n[1704205860000,1.5,2.5,1.0,2.0,20]]\n",
        &["--symbol", "X", "--columns", "ts,open,high,low,close,volume"],
        "rows are at the top of the document, an array each",
        &[
            "2024-01-02T14:30:00.000000Z X 1m 1 2 0.5 1.5 10 ∅ ∅",
            "2024-01-02T14:31:00.000000Z X 1m 1.5 2.5 1 2 20 ∅ ∅",
        ],
    );
}

#[test]
fn twelve_data_and_coinbase_have_their_rows_in_a_list() {
    loads(
        r#"{"meta":{"symbol":"AAPL","interval":"1min","currency":"USD","exchange_timezone":"America/New_York","exchange":"NASDAQ","mic_code":"XNAS","type":"Common Stock"},"values":[{"datetime":"2021-09-16 15:59:00","open":"148.73500","high":"148.86000","low":"148.73000","close":"148.85001","volume":"624277"}],"status":"ok"}"#,
        &["--timezone", "America/New_York"],
        "rows are at values",
        &["2021-09-16T19:59:00.000000Z AAPL 1m 148.735 148.86 148.73 148.85001 624277 ∅ ∅"],
    );
    loads(
        r#"{"candles":[{"start":"1639508050","low":"140.21","high":"140.25","open":"140.23","close":"140.22","volume":"56437345.5"}]}"#,
        &["--symbol", "BTC-USD", "--timeframe", "1m"],
        "rows are at candles",
        &["2021-12-14T18:54:10.000000Z BTC-USD 1m 140.23 140.25 140.21 140.22 56437345.5 ∅ ∅"],
    );
}

#[test]
fn nasdaq_data_link_names_the_columns_of_its_arrays() {
    loads(
        r#"{"dataset_data":{"limit":null,"transform":null,"column_index":null,"column_names":["Date","Open","High","Low","Close","Volume"],"start_date":"2017-01-01","end_date":"2017-12-28","frequency":"daily","data":[["2017-12-28",171.0,171.85,170.48,171.08,16480187.0],["2017-12-27",170.1,170.78,169.71,170.6,21498213.0]],"collapse":null,"order":null}}"#,
        &["--symbol", "AAPL", "--timeframe", "1d"],
        "rows are at dataset_data.data",
        &[
            "2017-12-27T00:00:00.000000Z AAPL 1d 170.1 170.78 169.71 170.6 21498213 ∅ ∅",
            "2017-12-28T00:00:00.000000Z AAPL 1d 171 171.85 170.48 171.08 16480187 ∅ ∅",
        ],
    );
    loads(
        r#"{"datatable":{"data":[["AAPL","2017-12-28",171.0,171.85,170.48,171.08,16480187.0]],"columns":[{"name":"ticker","type":"String"},{"name":"date","type":"Date"},{"name":"open","type":"BigDecimal(34,12)"},{"name":"high","type":"BigDecimal(34,12)"},{"name":"low","type":"BigDecimal(34,12)"},{"name":"close","type":"BigDecimal(34,12)"},{"name":"volume","type":"BigDecimal(37,15)"}]},"meta":{"next_cursor_id":null}}"#,
        &["--timeframe", "1d"],
        "rows are at datatable.data",
        &["2017-12-28T00:00:00.000000Z AAPL 1d 171 171.85 170.48 171.08 16480187 ∅ ∅"],
    );
}

#[test]
fn a_snapshot_for_each_symbol_is_a_row_for_each() {
    let document = r#"{"AAPL":{"latestTrade":{"t":"2024-01-02T14:30:00.123456789Z","x":"V","p":185.5,"s":100},"dailyBar":{"t":"2024-01-02T05:00:00Z","o":1,"h":2,"l":1,"c":1.5,"v":9}},"MSFT":{"latestTrade":{"t":"2024-01-02T14:30:00Z","x":"Q","p":370.5,"s":10},"dailyBar":{"t":"2024-01-02T05:00:00Z","o":3,"h":4,"l":3,"c":3.5,"v":9}}}"#;
    on_every_store(|work, store, workers, what| {
        let path = work.write("snapshots.json", document);
        let maps =
            ["ts=latestTrade.t", "price=latestTrade.p", "size=latestTrade.s", "exchange=latestTrade.x"];
        let flags: Vec<&str> =
            maps.iter().flat_map(|map| ["--map", map]).chain(["--dataset", "ticks"]).collect();
        let run = load(work, store, workers, &path, &flags).expect(0);
        assert!(run.stderr.contains("rows are at the top of the document, by symbol"), "{what}: {run}");
        assert_eq!(
            ticks(store),
            ["2024-01-02T14:30:00.000000Z MSFT 370.5 10 Q", "2024-01-02T14:30:00.123456Z AAPL 185.5 100 V"],
            "{what}: {run}"
        );
    });
}

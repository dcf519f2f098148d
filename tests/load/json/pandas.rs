//! What `DataFrame.to_json` writes, in each of its forms.

use super::loads;

const STORED: [&str; 2] = [
    "2024-01-02T00:00:00.000000Z X 1d 1 2 0.5 1.5 10 ∅ ∅",
    "2024-01-03T00:00:00.000000Z X 1d 1.5 2.5 1 2 20 ∅ ∅",
];

const FLAGS: [&str; 4] = ["--symbol", "X", "--timeframe", "1d"];

#[test]
fn every_form_is_loaded() {
    for (document, says) in [
        // The default.
        (
            r#"{"open":{"1704153600000":1.0,"1704240000000":1.5},"high":{"1704153600000":2.0,"1704240000000":2.5},"low":{"1704153600000":0.5,"1704240000000":1.0},"close":{"1704153600000":1.5,"1704240000000":2.0},"volume":{"1704153600000":10,"1704240000000":20}}"#,
            "rows are at the top of the document, an object for each column",
        ),
        (
            r#"{"date":{"0":1704153600000,"1":1704240000000},"open":{"0":1.0,"1":1.5},"high":{"0":2.0,"1":2.5},"low":{"0":0.5,"1":1.0},"close":{"0":1.5,"1":2.0},"volume":{"0":10,"1":20}}"#,
            "rows are at the top of the document, an object for each column",
        ),
        (
            r#"{"columns":["open","high","low","close","volume"],"index":[1704153600000,1704240000000],"data":[[1.0,2.0,0.5,1.5,10],[1.5,2.5,1.0,2.0,20]]}"#,
            "rows are at data, an array each, with times at index",
        ),
        (
            r#"{"columns":["date","open","high","low","close","volume"],"index":[0,1],"data":[["2024-01-02",1.0,2.0,0.5,1.5,10],["2024-01-03",1.5,2.5,1.0,2.0,20]]}"#,
            "rows are at data, an array each",
        ),
        (
            r#"{"1704153600000":{"open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":10},"1704240000000":{"open":1.5,"high":2.5,"low":1.0,"close":2.0,"volume":20}}"#,
            "rows are at the top of the document, by time",
        ),
        (
            r#"{"0":{"date":"2024-01-02T00:00:00.000","open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":10},"1":{"date":"2024-01-03T00:00:00.000","open":1.5,"high":2.5,"low":1.0,"close":2.0,"volume":20}}"#,
            "rows are at the top of the document, by number",
        ),
        (
            r#"{"schema":{"fields":[{"name":"date","type":"datetime"},{"name":"open","type":"number"},{"name":"high","type":"number"},{"name":"low","type":"number"},{"name":"close","type":"number"},{"name":"volume","type":"integer"}],"primaryKey":["date"],"pandas_version":"1.4.0"},"data":[{"date":"2024-01-02T00:00:00.000","open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":10},{"date":"2024-01-03T00:00:00.000","open":1.5,"high":2.5,"low":1.0,"close":2.0,"volume":20}]}"#,
            "rows are at data",
        ),
        (
            r#"[{"date":1704153600000,"open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":10},{"date":1704240000000,"open":1.5,"high":2.5,"low":1.0,"close":2.0,"volume":20}]"#,
            "Loaded",
        ),
    ] {
        loads(document, &FLAGS, says, &STORED);
    }
    let values = "[[1704153600000,1.0,2.0,0.5,1.5,10],[1704240000000,1.5,2.5,1.0,2.0,20]]";
    let flags: Vec<&str> =
        FLAGS.into_iter().chain(["--columns", "date,open,high,low,close,volume"]).collect();
    loads(values, &flags, "rows are at the top of the document, an array each", &STORED);
}

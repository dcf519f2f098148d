//! A folder and a flag that say the same in other words.

use crate::harness::on_every_store;

#[test]
fn a_flag_that_says_the_same_as_a_folder_in_another_spelling_is_no_contradiction() {
    on_every_store(|work, store, _, what| {
        let header = "ts,vendor,open,high,low,close,volume";
        for (folder, flags, code) in [
            ("timeframe=1min/symbol=AAPL", &["--timeframe", "1m"][..], 0),
            ("timeframe=1m/symbol=AAPL", &["--timeframe", "PT1M"], 0),
            ("timeframe=1m/symbol=AAPL", &["--symbol", "aapl"], 0),
            ("timeframe=1m/symbol=aapl", &["--symbol", "AAPL"], 0),
            ("timeframe=1m/symbol=AAPL", &["--timeframe", "5m"], 2),
            ("timeframe=1m/symbol=AAPL", &["--symbol", "aapl", "--keep-case"], 2),
        ] {
            let path = format!("{folder}/a.csv");
            work.write(&path, format!("{header}\n2024-01-02T00:00:00Z,v,1,1,1,1,1\n"));
            let line = ["load", &path, "--dsn", &store.dsn()];
            let run = work.mdsctl(line).arguments(flags.to_vec()).run().expect(code);
            let said = run.stderr.contains("says otherwise");
            assert_eq!(said, code == 2, "{what}: {folder} {flags:?}: {run}");
            let rows = store.rows("SELECT symbol, timeframe FROM bars");
            assert_eq!(
                rows,
                [[Some("AAPL".to_owned()), Some("1m".to_owned())]],
                "{what}: {folder} {flags:?}"
            );
        }
    });
}

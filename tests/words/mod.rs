//! What is said, and where: the two streams, the configuration, the words of mistakes.

mod help;
mod libraries;
mod listener;
mod pace;
mod precedence;
mod settings;
mod streams;

use crate::harness::run::Run;

/// Three bars, the second of which has no close.
const BARS: &str = "ts,symbol,open,high,low,close,volume\n\
    2024-01-02T00:00:00Z,AAPL,1,2,0.5,1.5,10\n\
    2024-01-03T00:00:00Z,AAPL,1,2,0.5,x,10\n\
    2024-01-04T00:00:00Z,AAPL,1,2,0.5,1.5,10\n";

/// The one object that `--json` prints, with the fields that all of them have.
fn object(run: &Run) -> serde_json::Value {
    let object = run.json();
    for name in ["error", "dry_run", "notes", "deductions", "exit_code"] {
        assert!(object.get(name).is_some(), "{name} is missing: {run}");
    }
    assert_eq!(object["exit_code"], run.code, "{run}");
    object
}

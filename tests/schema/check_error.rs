//! What `schema check --json` says of a schema that is not as it should be.

use crate::harness::{Work, on_both_stores};

#[test]
fn a_check_that_fails_has_its_error_in_json_too() {
    on_both_stores(|work: &Work, store, name| {
        let check = || work.mdsctl(["schema", "check", "--json", "--dsn", &store.dsn()]).run();
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert!(check().expect(0).json()["error"].is_null(), "{name}");
        store.try_rows("DROP TABLE ticks").expect("dropped");
        let run = check().expect(2);
        let json = run.json();
        assert_eq!(json["exit_code"], 2, "{name}: {run}");
        assert!(json["error"].as_str().is_some_and(|error| error.contains("ticks")), "{name}: {run}");
    });
}

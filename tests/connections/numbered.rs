//! Without a ledger the server is asked for a commit by its number: also while somebody resets its statistics,
//! and where the role may not know which system it is of.

use crate::harness::proxy::{Loss, Proxy};
use crate::harness::{Db, Postgres, Work};

/// A role that may write and no more, so that the store keeps no ledger for it.
fn guest(db: &Db) -> String {
    let role = format!("guest_{}", db.name());
    db.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT ON plain TO {role}"
    ));
    db.dsn_as(&role)
}

fn lines() -> String {
    (0..100).map(|n| format!("{{\"n\": {n}, \"note\": \"row {n}\"}}\n")).collect()
}

#[test]
fn a_commit_that_came_through_is_known_though_statistics_were_reset() {
    let server = Postgres::shared();
    for forbidden in [false, true] {
        let (work, db) = (Work::new(), server.database());
        // While the rows are on their way.
        db.execute(
            "CREATE TABLE plain (n bigint, note text);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
               BEGIN PERFORM pg_stat_reset_shared('bgwriter'); RETURN NULL; END$$;
             CREATE TRIGGER t AFTER INSERT ON plain FOR EACH STATEMENT EXECUTE FUNCTION f()",
        );
        if forbidden {
            db.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
        }
        let dsn = guest(&db);
        let proxy = Proxy::start(server.port(), 1, 1, Loss::Cut);
        let flags = ["load", "-", "--table", "plain", "--json", "--workers", "1", "--dlq", "d.ndjson"];
        let load = work.mdsctl(flags).arguments(["--dsn", &proxy.dsn(&dsn, server.port())]);
        let run = load.stdin(lines()).run().expect(0);
        assert_eq!(proxy.lost(), 1, "{run}");
        assert_eq!((run.books().inserted, db.count("plain")), (100, 100), "{forbidden}: {run}");
        assert!(!run.stderr.contains("twice"), "{forbidden}: {run}");
    }
}

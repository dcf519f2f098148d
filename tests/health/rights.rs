//! Roles that may see less than the owner of the tables: what they cannot be told is no alarm, and no error.

use super::{OK, WARNING, complaint, findings, health};
use crate::harness::existing::existing;
use crate::harness::{Db, Postgres, Work};

fn role(db: &Db, grant: &str) -> String {
    let role = format!("watch_{}", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN; {}", grant.replace("ROLE", &role)));
    db.dsn_as(&role)
}

fn drop_role(db: &Db) {
    db.execute(&format!("DROP OWNED BY watch_{0}; DROP ROLE watch_{0}", db.name()));
}

#[test]
fn a_role_that_may_not_read_mds_schema_hears_the_same() {
    let loads = "GRANT SELECT, INSERT, UPDATE ON bars, ticks, quotes, options_snap, fundamentals, news, mds_runs, \
                 mds_checkpoints TO ROLE";
    for grant in [loads, "GRANT SELECT ON bars TO ROLE", "SELECT 1"] {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        let dsn = role(&db, grant);
        let seen = |dsn: &str| {
            let run = health(&work, dsn, &["--json"]).expect(OK);
            ["schema", "ledger", "writable"].map(|check| findings(&run, check))
        };
        assert_eq!(seen(&dsn), seen(&db.dsn()), "{grant}");

        // A table that is not as it was made is told, with the doubt about who has made it.
        db.execute("ALTER TABLE bars DROP COLUMN vwap");
        let run = health(&work, &dsn, &[]).expect(WARNING);
        let line = complaint(&run, "schema");
        assert!(line.contains("bars: column vwap") && line.contains("this role may not know"), "{run}");
        assert!(line.contains("schema apply --grant"), "{run}");
        db.execute(&format!("GRANT SELECT ON mds_schema TO watch_{}", db.name()));
        let run = health(&work, &dsn, &[]).expect(WARNING);
        assert!(complaint(&run, "schema").contains("mdsctl schema check lists them all"), "{run}");
        drop_role(&db);
    }
}

#[test]
fn a_role_that_may_not_even_enter_the_schema_finds_no_tables() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    db.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    let dsn = role(&db, "SELECT 1");
    let run = health(&work, &dsn, &[]).expect(WARNING);
    assert!(complaint(&run, "schema").contains("there is none of the tables"), "{run}");
    drop_role(&db);
}

#[test]
fn tables_of_a_python_system_are_no_alarm_once_the_role_may_know_whose_they_are() {
    let (work, db) = (Work::new(), existing());
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(OK);
    let dsn = role(&db, "GRANT SELECT ON bars, tenants TO ROLE");
    let run = health(&work, &dsn, &[]).expect(WARNING);
    assert!(complaint(&run, "schema").contains("this role may not know"), "{run}");
    let tenant = health(&work, &dsn, &["--tenant", "desk-a", "--json"]).expect(WARNING);
    assert_eq!(findings(&tenant, "tenant")[0]["status"], "ok", "{tenant}");
    let grant = format!("watch_{}", db.name());
    work.mdsctl(["schema", "apply", "--grant", &grant, "--dsn", &db.dsn()]).run().expect(OK);
    health(&work, &dsn, &[]).expect(OK);
    drop_role(&db);
}

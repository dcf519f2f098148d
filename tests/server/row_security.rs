//! Row-level security that would refuse every row is told at the start, and not row by row.

use crate::harness::{Db, Postgres, Work};

const TENANT: &str = "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0001";
const OTHER: &str = "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0002";

/// A table of one tenant at a time, and a role that its policies bind.
fn secured(role: &str, policy: &str) -> Db {
    let db = Postgres::shared().database();
    db.execute(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid, v int);
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; {policy};
         DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT ALL ON t TO {role}"
    ));
    db
}

fn rows(count: u32) -> String {
    let lines: String = (1..=count).map(|id| format!("{id},1\n")).collect();
    format!("id,v\n{lines}")
}

#[test]
fn without_a_tenant_nothing_is_begun() {
    let own = "tenant_id = current_setting('app.tenant_id', true)::uuid";
    let role = "without_a_tenant";
    let db = secured(role, &format!("CREATE POLICY p ON t USING ({own}) WITH CHECK ({own})"));
    let dsn = db.dsn_as(role);
    let work = Work::new();
    let path = work.write("rows.csv", rows(500));
    let letters = work.write(
        "dead.ndjson",
        format!(
            "{}\n",
            r#"{"ts":1732351234.1,"error":"x","metadata":{"dataset":"t","table":"t"},"items":[{"id":1,"v":1}]}"#
        ),
    );
    for arguments in [
        vec!["load", &path, "--table", "t"],
        vec!["load", &path, "--table", "t", "--on-conflict", "skip"],
        vec!["tail", &path, "--table", "t"],
        vec!["replay-dlq", &letters, "--table", "t"],
    ] {
        let run = work.mdsctl(arguments.clone()).arguments(["--dsn", &dsn]).run().expect(2);
        assert!(run.stderr.contains("--tenant UUID"), "{arguments:?}: {run}");
        assert!(!work.path(".dlq").exists(), "{arguments:?}: dead letters");
    }
    let flags = ["load", &path, "--table", "t", "--json", "--tenant", TENANT, "--dsn", &dsn];
    assert_eq!(work.mdsctl(flags).run().expect(0).books().inserted, 500);
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_policy_that_knows_what_to_do_without_a_tenant_needs_none() {
    let own = "current_setting('app.tenant_id', true) IS NULL OR current_setting('app.tenant_id', true) = ''";
    let role = "with_a_way_out";
    let db = secured(role, &format!("CREATE POLICY p ON t USING (true) WITH CHECK ({own})"));
    let work = Work::new();
    let path = work.write("rows.csv", rows(5));
    let flags = ["load", &path, "--table", "t", "--json", "--dsn", &db.dsn_as(role)];
    assert_eq!(work.mdsctl(flags).run().expect(0).books().inserted, 5);
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn no_policy_that_lets_rows_in() {
    let role = "no_policy";
    let db = secured(role, "CREATE POLICY p ON t FOR SELECT USING (true)");
    let work = Work::new();
    let path = work.write("rows.csv", rows(5));
    let run = work.mdsctl(["load", &path, "--table", "t", "--dsn", &db.dsn_as(role)]).run().expect(2);
    assert!(run.error().contains("no policy of it lets this role insert"), "{run}");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_policy_that_takes_none_of_the_rows_ends_the_run_and_one_that_takes_some_costs_the_others() {
    let role = "another_policy";
    let db = secured(role, "CREATE POLICY p ON t USING (true) WITH CHECK (v < 10)");
    let dsn = db.dsn_as(role);
    for count in [1, 20, 3_000] {
        let work = Work::new();
        let lines: String = (1..=count).map(|id| format!("{id},11\n")).collect();
        let path = work.write("rows.csv", format!("id,v\n{lines}"));
        let run = work.mdsctl(["load", &path, "--table", "t", "--dsn", &dsn]).run().expect(2);
        assert!(run.stderr.contains("policies of the table"), "{run}");
        assert!(!work.path(".dlq/t.ndjson").exists(), "{count}: dead letters");
    }
    let work = Work::new();
    let lines: String =
        (1..=3_000).map(|id| format!("{id},{}\n", if id % 1000 == 0 { 11 } else { 1 })).collect();
    let path = work.write("rows.csv", format!("id,v\n{lines}"));
    let flags = ["load", &path, "--table", "t", "--json", "--dlq", "dead.ndjson", "--dsn", &dsn];
    let books = work.mdsctl(flags).run().expect(3).books();
    assert_eq!((books.inserted, books.rejected), (2_997, 3));
    assert!(work.dlq("dead.ndjson").iter().all(|letter| letter.code == "42501"));
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_row_of_another_tenant_among_ours_is_dead_alone() {
    let own = "tenant_id = current_setting('app.tenant_id', true)::uuid";
    let role = "another_tenant";
    let db = secured(role, &format!("CREATE POLICY p ON t USING ({own})"));
    let work = Work::new();
    let path = work.write("rows.csv", format!("id,tenant_id,v\n1,{TENANT},1\n2,{OTHER},2\n3,{TENANT},3\n"));
    let flags = ["load", &path, "--table", "t", "--json", "--dlq", "dead.ndjson", "--tenant", TENANT];
    let books = work.mdsctl(flags).arguments(["--dsn", &db.dsn_as(role)]).run().expect(3).books();
    assert_eq!((books.inserted, books.rejected), (2, 1));
    assert_eq!(work.dlq("dead.ndjson")[0].rows, [2]);
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

//! Privileges that a role lacks beside those on its table: told with what grants them.

use crate::harness::{Postgres, Work};

#[test]
fn a_role_without_temporary_tables_is_told_what_to_grant() {
    let db = Postgres::shared().database();
    let role = "makes_no_stage";
    db.execute(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, v int); DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
         GRANT INSERT, UPDATE, SELECT ON t TO {role}; REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC",
        db.name()
    ));
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let load = |text: &str, more: &[&str]| {
        let path = work.write("a.csv", text);
        work.mdsctl(["load", &path, "--table", "t", "--json", "--dsn", &dsn, "--force"])
            .arguments(more.iter().copied())
            .run()
    };
    // Rows that are new go without.
    assert_eq!(load("id,v\n1,1\n2,2\n", &[]).expect(0).books().inserted, 2);
    let run = load("id,v\n2,5\n3,3\n", &[]).expect(2);
    let advice = format!("GRANT TEMPORARY ON DATABASE \"{}\" TO \"{role}\"", db.name());
    assert!(run.stderr.contains(&advice), "{run}");
    let (_, grant) = run.stderr.split_once("as its owner run: ").expect("advice");
    let (grant, _) = grant.split_once(&format!("\"{role}\"")).expect("advice");
    db.execute(&format!("{grant}\"{role}\""));
    let books = load("id,v\n2,5\n3,3\n", &[]).expect(0).books();
    assert_eq!(books.rejected, 0);
    assert_eq!(db.value("SELECT string_agg(id || ':' || v, ',' ORDER BY id) FROM t"), "1:1,2:5,3:3");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_ledger_that_is_there_is_granted_and_not_made() {
    let db = Postgres::shared().database_with_schema();
    let role = "keeps_no_ledger";
    db.execute(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, v int); DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
         GRANT INSERT, UPDATE, SELECT ON t TO {role}"
    ));
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let path = work.write("a.csv", "id,v\n1,1\n");
    let load = || work.mdsctl(["load", &path, "--table", "t", "--dsn", &dsn]).run().expect(0);
    let run = load();
    assert!(run.stderr.contains(&format!("mdsctl schema apply --grant {role}")), "{run}");
    assert!(!run.stderr.contains("schema apply makes it"), "{run}");
    work.mdsctl(["schema", "apply", "--grant", role, "--dsn", &db.dsn()]).run().expect(0);
    let run = load();
    assert!(!run.stderr.contains("no ledger") && !run.stderr.contains("no history"), "{run}");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

//! A role that may not keep the ledger: loads go on without one, and a resume says who can make it.

use crate::harness::{Postgres, Work};

#[test]
fn without_a_ledger_a_load_goes_on_and_a_resume_is_refused() {
    let (db, role) = (Postgres::shared().database(), "keeps_no_ledger");
    db.execute(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, v int); DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
         GRANT INSERT, SELECT, UPDATE ON t TO {role}"
    ));
    let (work, dsn) = (Work::new(), db.dsn_as(role));
    let path = work.write("a.csv", "id,v\n1,1\n");
    let load = |more: &[&str]| {
        work.mdsctl(["load", &path, "--table", "t", "--dsn", &dsn]).arguments(more.iter().copied()).run()
    };
    load(&[]).expect(0);
    let run = load(&["--resume"]).expect(2);
    let sentence = "--resume needs the ledger (mds_runs and mds_checkpoints), which this role may not keep; run mdsctl schema apply --grant ROLE as the owner, which makes it and lets this role write to it";
    assert!(run.stderr.contains(sentence), "{run}");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

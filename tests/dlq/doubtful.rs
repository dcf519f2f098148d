//! Rows whose commit got no answer: nobody can tell whether a table without a key has them, and a replay must
//! not put them there a second time.

use std::fs;

use crate::harness::{Postgres, Work};

#[test]
fn a_replay_into_a_table_without_a_key_leaves_rows_that_may_be_there() {
    for key in ["", " PRIMARY KEY"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("CREATE TABLE n (id int{key}, v text CONSTRAINT c CHECK (v <> 'bad'))"));
        let dsn = db.dsn();
        let flags = ["load", "-", "--table", "n", "--dlq", "d.ndjson", "--dsn", &dsn];
        work.mdsctl(flags).stdin("id,v\n1,bad\n").run().expect(3);
        let queue = work.path("d.ndjson");
        let letters = fs::read_to_string(&queue).expect("the queue");
        fs::write(&queue, letters.replace("\"23514\"", "\"commit_unknown\"")).expect("it again");
        work.mdsctl(flags).stdin("id,v\n2,bad\n").run().expect(3);
        db.execute("ALTER TABLE n DROP CONSTRAINT c");
        let replay = || work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]);
        let ids = || db.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM n");
        if key.is_empty() {
            let run = replay().run().expect(3);
            assert_eq!(ids(), "2", "{run}");
            assert!(run.stderr.contains("commit_unknown may be in public.n already"), "{run}");
            assert_eq!(work.dlq("d.ndjson").len(), 1, "{run}");
            replay().arguments(["--force"]).run().expect(0);
        } else {
            replay().run().expect(0);
        }
        assert_eq!(ids(), "1,2");
    }
}

//! What values lose in a column that has become another one under them is said.

use super::held_up;
use crate::harness::{Postgres, Work};

#[test]
fn times_of_day_and_words_that_are_lost_under_way_are_told() {
    for (from, to, value, told) in [
        (
            "timestamptz",
            "date",
            "2024-01-02T09:30:00Z",
            "column v is a day now: times of day that its rows have are cut off",
        ),
        ("text", "numeric USING v::numeric", "NaN", "column v: NaN is read as null"),
    ] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(&format!("CREATE TABLE t (id int PRIMARY KEY, v {from})"));
        work.write("f.csv", format!("id,v\n1,{value}\n2,{value}\n"));
        let session = db.session().expect("a session");
        session.execute(&format!("BEGIN; ALTER TABLE t ALTER COLUMN v TYPE {to}"));
        let running = work.mdsctl(["load", "f.csv", "--table", "t", "--dsn", &db.dsn()]).spawn();
        held_up(&db);
        session.execute("COMMIT");
        let run = running.finish().expect(0);
        assert_eq!(run.stderr.matches(&format!("table public.t has changed: {told}\n")).count(), 1, "{run}");
    }
}

//! A store that is lost, or goes silent, after it has taken the connection and before the first row.

use rustix::process::Signal;

use crate::harness::proxy::{Loss, Proxy};
use crate::harness::{Postgres, Work, wait};

/// What one run through a proxy is given.
const FLAGS: [&str; 4] = ["--table", "t", "--write-timeout", "2s"];

#[test]
fn a_connection_that_is_lost_before_the_first_row_is_made_again() {
    for (keyed, loss) in [(true, Loss::Cut), (false, Loss::Cut), (true, Loss::Silence)] {
        let db = Postgres::shared().database();
        db.execute(if keyed { "CREATE TABLE t (id int PRIMARY KEY)" } else { "CREATE TABLE t (id int)" });
        let port = Postgres::shared().port();
        let proxy = Proxy::from_the_first(port, 1, loss);
        let work = Work::new();
        let path = work.write("a.csv", "id\n1\n2\n3\n");
        let dsn = proxy.dsn(&db.dsn(), port);
        let run = work.mdsctl(["load", &path, "--dsn", &dsn]).arguments(FLAGS).run().expect(0);
        assert_eq!((db.count("t"), proxy.lost()), (3, 1), "{loss:?}: {run}");
        assert_eq!(db.count("mds_runs WHERE status = 'done'"), 1, "{loss:?}: {run}");
    }
}

#[test]
fn a_store_that_is_silent_before_the_first_row_is_given_up_as_an_outage() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE t (id int PRIMARY KEY)");
    let port = Postgres::shared().port();
    let proxy = Proxy::from_the_first(port, usize::MAX, Loss::Silence);
    let work = Work::new();
    let path = work.write("a.csv", "id\n1\n");
    let dsn = proxy.dsn(&db.dsn(), port);
    let load = || work.mdsctl(["load", &path, "--dsn", &dsn]).arguments(FLAGS);
    let run = load().arguments(["--max-outage", "1s"]).run().expect(5);
    assert!(run.stderr.contains("no answer"), "{run}");
    let running = load().spawn();
    wait::until(wait::PATIENCE, "a word of it", || running.said().contains("no answer").then_some(()));
    running.signal(Signal::INT);
    running.finish().expect(130);
    assert_eq!(db.count("t"), 0);
}

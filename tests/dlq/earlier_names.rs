//! Earlier versions named a table whose name needs quotes without them: what they left in the queue and in the
//! books is of the same table.

use std::fs;

use crate::harness::{Postgres, Work};

const QUEUE: &str = "letters.ndjson";

#[test]
fn letters_of_an_earlier_version_are_replaced_when_their_file_is_loaded_again() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE \"MineX\" (n bigint PRIMARY KEY, note text)");
    let path = work.write("a.csv", "n,note\n1,good\nx,bad\n");
    let load = || {
        let flags = ["load", &path, "--table", "public.\"MineX\"", "--dlq", QUEUE, "--dsn", &db.dsn()];
        work.mdsctl(flags).run().expect(3)
    };
    load();
    let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
    let earlier = letters.replace(r#"public.\"MineX\""#, "public.MineX");
    assert_ne!(letters, earlier, "it names the table");
    fs::write(work.path(QUEUE), earlier).expect("the queue");
    let run = load();
    assert_eq!(work.dlq(QUEUE).len(), 1, "{run}");
}

/// The marks of a run that was interrupted before the upgrade go with those of the one that loads its input
/// whole, and from then on tell nothing of its commits.
#[test]
fn marks_of_an_earlier_version_go_with_the_run_that_loads_their_input() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute("CREATE TABLE \"MineX\" (n bigint, note text CONSTRAINT c CHECK (note <> 'bad'))");
    let place = ["load", "-", "--table", "public.\"MineX\"", "--source-id", "S", "--dlq", QUEUE, "--dsn"];
    let load = || work.mdsctl(place).arguments([db.dsn()]);
    load().stdin("n,note\n1,good\n2,bad\n").run().expect(3);
    let letters = fs::read_to_string(work.path(QUEUE)).expect("the queue");
    let (_, run) = letters.split_once("\"run_id\":\"").expect("a run");
    let run = &run[..36];
    let commit = format!(
        "\"code\":\"commit_unknown\",\"commit\":{{\"run_id\":\"{run}\",\"worker\":0,\"slot\":0,\"serial\":2}}"
    );
    let code = letters.split("\"code\":").nth(1).and_then(|rest| rest.split(',').next()).expect("a code");
    let letters = letters.replace(&format!("\"code\":{code}"), &commit).replace("\"bad\"", "\"late\"");
    fs::write(work.path(QUEUE), &letters).expect("it again");
    db.execute(&format!(
        "UPDATE mds_runs SET status = 'interrupted', table_name = 'public.MineX' WHERE run_id = '{run}';
         INSERT INTO mds_checkpoints VALUES ('{run}', 0, 2, 2, now())"
    ));
    load().arguments(["--force"]).stdin("n,note\n3,good\n").run().expect(0);
    assert_eq!(db.count("mds_checkpoints"), 0);
    let run = work.mdsctl(["replay-dlq", QUEUE, "--dsn", &db.dsn()]).run().expect(3);
    assert!(run.stderr.contains("already"), "{run}");
    assert_eq!(db.count("\"MineX\""), 2, "{run}");
}

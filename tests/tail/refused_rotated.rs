//! A followed file that was refused and is rotated away: each later tail that does not read it names it, until one
//! is told how to read it, or it is gone.

use std::fs;

use crate::harness::{Store, Work};

#[test]
fn a_file_that_was_refused_and_rotated_away_is_named_until_it_is_read() {
    for (sqlite, name, refused, good) in [
        (true, "feed.csv", "nr,text\n1,a\n2,b\n", "id,v\n10,x\n"),
        (
            false,
            "feed.ndjson",
            "{\"nr\":1,\"text\":\"a\"}\n{\"nr\":2,\"text\":\"b\"}\n",
            "{\"id\":10,\"v\":\"x\"}\n",
        ),
    ] {
        let work = Work::new();
        let store = Store::holding(&work, sqlite, "CREATE TABLE t (id bigint, v text)");
        let what = format!("{store}, {name}");
        let rotated = format!("{name}.1");
        let tail = |more: &[&str], code| {
            let flags =
                ["tail", name, "--table", "t", "--json", "--idle-exit", "300ms", "--dsn", &store.dsn()];
            work.mdsctl(flags).arguments(more.iter().copied()).run().expect(code)
        };
        work.write(name, refused);
        assert!(tail(&[], 2).stderr.contains(name), "{what}");
        fs::rename(work.path(name), work.path(&rotated)).expect("it is rotated");
        work.write(name, good);
        for round in 0..3 {
            let run = tail(&[], 2);
            assert!(run.stderr.contains(&rotated), "{what}, round {round}: {run}");
            assert_eq!(store.count("t"), Some(1), "{what}, round {round}: {run}");
        }
        let run = tail(&["--map", "id=nr", "--map", "v=text"], 0);
        assert_eq!(run.books().read, 2, "{what}: {run}");
        let rows = store.rows("SELECT id, v FROM t ORDER BY id");
        let text = |row: &[Option<String>]| row.iter().flatten().cloned().collect::<Vec<_>>().join(",");
        let rows: Vec<String> = rows.iter().map(|row| text(row)).collect();
        assert_eq!(rows, ["1,a", "2,b", "10,x"], "{what}: {run}");
        assert_eq!(tail(&[], 0).books().read, 0, "{what}");
    }
}

//! What a tail meets when it starts: a store that refuses it, and a checkpoint file that is damaged.

use std::fs;

use super::{HEADER, append, bars};
use crate::harness::{Postgres, Store, Work};

/// A store that refuses us is told at the start, though there is no file yet.
#[test]
fn a_store_that_refuses_us_is_said_before_the_first_file_comes() {
    let work = Work::new();
    let db = Postgres::shared().database_with_schema();
    let dsn = db.dsn();
    let missing = dsn.rsplit_once('/').expect("a path").0.to_owned() + "/nobody_has_that";
    for dsn in [missing, dsn.replacen("://mds@", "://nobody_is_that@", 1)] {
        for more in [&[][..], &["--dataset", "bars"]] {
            let flags = ["tail", "feed/*.csv", "--idle-exit", "30s", "--dsn", &dsn];
            let run = work.mdsctl(flags).arguments(more.iter().copied()).run().expect(2);
            assert!(run.error().contains("nobody_"), "{run}");
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_told() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let tail = || {
        let flags =
            ["tail", "bars.csv", "--json", "--idle-exit", "300ms", "--checkpoint", "place.json", "--dsn"];
        work.mdsctl(flags).arguments([store.dsn()]).run().expect(0)
    };
    append(&work, "bars.csv", &(HEADER.to_owned() + &bars(0..3)));
    tail();
    let whole = fs::read(work.path("place.json")).expect("a checkpoint");
    let torn: [&[u8]; 4] = [&whole[..40], b"", b"\xFF\xFE{", &[0; 300]];
    let hollow: [&[u8]; 6] = [b"{\"version\":2,\"files\":[{}]}\n", b"null", b"[]\n", b"\"x\"", b"0", b"{}"];
    let damaged = [&torn[..], &hollow[..]].concat();
    for (nth, damaged) in damaged.iter().enumerate() {
        let nth = nth as u64 + 1;
        work.write("place.json", damaged);
        append(&work, "bars.csv", &bars(2 + nth..3 + nth));
        let run = tail();
        assert!(run.stderr.contains("checkpoint file") && run.stderr.contains("is damaged"), "{run}");
        let books = run.books();
        assert_eq!((books.read, books.inserted, books.unchanged), (3 + nth, 1, 2 + nth), "{run}");
        let aside =
            if nth == 1 { "place.json.damaged".to_owned() } else { format!("place.json.damaged.{nth}") };
        assert_eq!(&fs::read(work.path(&aside)).expect("it is kept"), damaged);
        assert_eq!(tail().books().read, 0);
    }
}

/// A checkpoint file that says nothing is told, and what is no checkpoint file is left alone.
#[test]
fn a_checkpoint_that_names_no_file_is_told() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let tail = || {
        let flags =
            ["tail", "bars.csv", "--json", "--idle-exit", "300ms", "--checkpoint", "place.json", "--dsn"];
        work.mdsctl(flags).arguments([store.dsn()]).run()
    };
    append(&work, "bars.csv", &(HEADER.to_owned() + &bars(0..3)));
    assert!(!tail().expect(0).stderr.contains("names no file"));
    assert!(!tail().expect(0).stderr.contains("names no file"));
    work.write("place.json", "{\"version\":2,\"files\":[]}");
    let run = tail().expect(0);
    assert!(run.stderr.contains("place.json names no file"), "{run}");
    assert_eq!(run.books().unchanged, 3, "{run}");
    let data = "[{\"ts\":1,\"close\":2}]\n";
    work.write("place.json", data);
    let run = tail().expect(2);
    assert!(run.error().contains("is not a checkpoint file"), "{run}");
    assert_eq!(fs::read_to_string(work.path("place.json")).expect("it is there"), data);
}

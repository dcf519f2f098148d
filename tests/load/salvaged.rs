//! Rows of a pipe that were read when its run could not begin are counted like those of any run.

use crate::harness::dlq::rows;
use crate::harness::{Store, Work};

#[test]
fn rows_of_a_pipe_that_are_kept_before_the_run_begins_are_counted() {
    let csv = "colour,weight\nred,1\nblue,2\ngreen,3\n";
    let ndjson = "{\"colour\":\"red\"}\n{\"colour\":\"blue\"}\n{\"colour\":\"green\"}\n";
    for (text, what) in [(csv, "CSV"), (ndjson, "NDJSON")] {
        for command in ["load", "tail"] {
            let work = Work::new();
            let dsn = Store::sqlite(&work).dsn();
            let run = work.mdsctl([command, "-", "--json", "--dsn", &dsn]).stdin(text).run().expect(2);
            let kept = rows(&work.dlq(".dlq/unknown.ndjson"));
            let books = run.books();
            assert_eq!((books.read, books.rejected, kept), (3, 3, 3), "{command} {what}: {run}");
            let dlq = &run.json()["dlq"];
            assert_eq!(dlq["rows"], 3, "{command} {what}: {run}");
            assert_eq!(dlq["path"], ".dlq/unknown.ndjson", "{command} {what}: {run}");
            assert!(run.error().contains("3 rows already read from stdin are in"), "{run}");
        }
    }
}

#[test]
fn rows_of_a_pipe_that_nobody_takes_before_the_run_begins_are_counted_as_lost() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let arguments = ["load", "-", "--json", "--dsn", &dsn];
    let run = work.mdsctl(arguments).stdin("colour,weight\nred,1\nblue,2\n").no_room().run().expect(5);
    let (books, json) = (run.books(), run.json());
    assert_eq!((books.read, books.rejected, &json["rows"]["lost"]), (2, 0, &2.into()), "{run}");
}

//! Zero bytes and other control characters: they cost the row in which they stand at most.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use super::PATIENCE;
use crate::harness::run::Running;
use crate::harness::{Postgres, Store, Work, wait};

const TABLE: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY, price NUMERIC, note TEXT)";

fn on_each_store(test: impl Fn(&Work, &Store, &str)) {
    let work = Work::new();
    let path = work.path("store.db");
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(TABLE)).expect("a table");
    test(&work, &Store::Sqlite(path), "SQLite");
    let work = Work::new();
    let db = Postgres::shared().database();
    db.execute(TABLE);
    test(&work, &Store::Postgres(db), "PostgreSQL");
}

fn ids(store: &Store) -> Vec<u64> {
    let rows = store.rows("SELECT id FROM notes ORDER BY id");
    rows.iter().map(|row| row[0].as_deref().expect("an id").parse().expect("a number")).collect()
}

fn row(format: &str, id: u64, note: &str) -> String {
    match format {
        "csv" => format!("{id},1.5,{note}\n"),
        _ => format!("{{\"id\":{id},\"price\":1.5,\"note\":\"{note}\"}}\n"),
    }
}

fn head(format: &str) -> &'static str {
    if format == "csv" { "id,price,note\n" } else { "" }
}

/// In the first block, in a number and in a line's name: the file is what it is all the same.
#[test]
fn a_control_character_costs_its_row_at_most() {
    on_each_store(|work, store, what| {
        for (format, packed) in [("csv", false), ("csv", true), ("ndjson", false), ("ndjson", true)] {
            for command in ["load", "tail"] {
                for strange in ["\0", "\u{1}", "\u{1b}", "\u{7f}"] {
                    if packed && command == "tail" {
                        continue;
                    }
                    store.try_rows("DELETE FROM notes").ok();
                    let bad = row(format, 2, "b").replace("1.5", &format!("1{strange}.5"));
                    let text = head(format).to_owned() + &row(format, 1, "a") + &bad + &row(format, 3, "c");
                    let name = format!("{command}{packed}{}.{format}", strange.as_bytes()[0]);
                    let name = if packed { format!("{name}.gz") } else { name };
                    match packed {
                        true => work.write(&name, gzip(text.as_bytes())),
                        false => work.write(&name, &text),
                    };
                    let dsn = store.dsn();
                    let mut flags = vec![command, &name, "--table", "notes", "--dsn", &dsn];
                    flags.extend(
                        (command == "tail").then_some(["--idle-exit", "300ms"]).into_iter().flatten(),
                    );
                    let run = work.mdsctl(flags).run();
                    assert_eq!(run.code, 3, "{what} {name}: {run}");
                    assert_eq!(ids(store), [1, 3], "{what} {name}: {run}");
                }
            }
        }
    });
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let work = Work::new();
    work.write("in", bytes);
    let out = std::process::Command::new("gzip").args(["-c", "in"]).current_dir(work.path("")).output();
    out.expect("gzip").stdout
}

fn comes_to(store: &Store, id: u64, running: &mut Running) {
    wait::until(PATIENCE, &format!("row {id} in the table"), || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        ids(store).contains(&id).then_some(())
    });
}

/// A writer that goes on at the old end of a file that was truncated leaves a hole before its next line.
#[test]
fn a_hole_in_a_followed_file_is_passed_over_and_the_header_stays_known() {
    on_each_store(|work, store, what| {
        for (format, again) in [("csv", false), ("csv", true), ("ndjson", false)] {
            for rows in [3, 20_000] {
                store.try_rows("DELETE FROM notes").ok();
                let name = format!("{again}{rows}.{format}");
                let file =
                    || OpenOptions::new().create(true).truncate(false).write(true).open(work.path(&name));
                let file = file().expect("a file");
                let mut end = 0;
                let mut write = |text: &str, file: &File| {
                    file.write_all_at(text.as_bytes(), end).expect("written");
                    end += text.len() as u64;
                };
                write(head(format), &file);
                write(&(1..=rows).map(|id| row(format, id, &"x".repeat(60))).collect::<String>(), &file);
                let dsn = store.dsn();
                let flags = ["tail", &name, "--table", "notes", "--json", "--dsn", &dsn];
                let mut running = work.mdsctl(flags).spawn();
                comes_to(store, rows, &mut running);
                file.set_len(0).expect("truncated");
                if again {
                    write(head(format), &file);
                }
                write(&row(format, 50_001, "new"), &file);
                comes_to(store, 50_001, &mut running);
                write(&row(format, 50_002, "new"), &file);
                comes_to(store, 50_002, &mut running);
                // In the middle of a file, behind a line that breaks off.
                end += 5_000;
                let mut write = |text: &str, file: &File| {
                    file.write_all_at(text.as_bytes(), end).expect("written");
                    end += text.len() as u64;
                };
                write(&row(format, 50_003, "new"), &file);
                comes_to(store, 50_003, &mut running);
                running.signal(rustix::process::Signal::TERM);
                let run = running.finish().expect(143);
                assert_eq!(run.books().rejected, 0, "{what} {name}: {run}");
                assert!(run.stderr.contains("zero bytes passed over"), "{what} {name}: {run}");
                assert_eq!(ids(store).len() as u64, rows + 3, "{what} {name}: {run}");
                // A restart goes on behind all of it, and a load of the file reads the same.
                let again = work.mdsctl(flags).arguments(["--idle-exit", "300ms"]).run().expect(0);
                assert_eq!(again.books().read, 0, "{what} {name}: {again}");
            }
        }
    });
}

/// A line that breaks off in a hole is dead, and those around it are not.
#[test]
fn a_hole_in_a_file_that_is_loaded_costs_the_line_that_breaks_off() {
    on_each_store(|work, store, what| {
        for format in ["csv", "ndjson"] {
            for packed in [false, true] {
                store.try_rows("DELETE FROM notes").ok();
                let torn = row(format, 2, "b");
                let torn = &torn[..torn.len() - 3];
                let text = [
                    head(format),
                    &row(format, 1, "a"),
                    torn,
                    &"\0".repeat(70_000),
                    &row(format, 3, "c"),
                    &"\0".repeat(100),
                    &row(format, 4, "d"),
                    &"\0".repeat(500),
                ]
                .concat();
                let name = format!("hole.{format}{}", if packed { ".gz" } else { "" });
                match packed {
                    true => work.write(&name, gzip(text.as_bytes())),
                    false => work.write(&name, &text),
                };
                let run =
                    work.mdsctl(["load", &name, "--table", "notes", "--json", "--dsn", &store.dsn()]).run();
                let run = run.expect(3);
                assert_eq!(ids(store), [1, 3, 4], "{what} {name}: {run}");
                assert_eq!(run.books().rejected, 1, "{what} {name}: {run}");
                assert!(run.stderr.contains("zero bytes passed over"), "{what} {name}: {run}");
            }
        }
    });
    // Nothing but zero bytes is no input.
    let work = Work::new();
    let store = Store::sqlite(&work);
    for name in ["zeros.csv", "zeros.ndjson", "zeros"] {
        work.write(name, [0; 9_000]);
        let run = work.mdsctl(["load", name, "--dataset", "bars", "--dsn", &store.dsn()]).run().expect(6);
        assert!(run.error().contains("zero bytes") || run.error().contains("not CSV"), "{run}");
    }
}

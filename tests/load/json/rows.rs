//! Rows that have lists and objects in them are rows.

use std::io::Write;

use crate::harness::{on_every_store, wait};

#[test]
fn rows_with_parts_are_rows() {
    on_every_store(|work, store, workers, what| {
        // Alone in its input, spread over lines of which some look like rows, one after the other.
        let alone = r#"{"ts":"2024-01-02T14:30:00Z","symbol":"A","price":1,"size":2,"conditions":["@","I"],"legs":[{"x":1}]}"#;
        let spread = "{\"ts\":\"2024-01-02T14:31:00Z\",\"symbol\":\"A\",\"price\":1,\"size\":2,\"legs\":[\n{\"x\":1}\n]}\n";
        let several = format!("{}\n{}\n", alone.replace("14:30", "14:32"), alone.replace("14:30", "14:33"));
        for (name, rows) in [("alone", alone.to_owned()), ("spread", spread.to_owned()), ("several", several)]
        {
            let path = work.write(&format!("{name}.ndjson"), rows);
            let flags = ["load", &path, "--vendor", "v", "--dsn", &store.dsn(), "--workers", workers];
            work.mdsctl(flags).run().expect(0);
        }
        assert_eq!(store.count("ticks"), Some(4), "{what}");
    });
}

#[test]
fn the_first_row_of_a_pipe_is_not_held_back_for_its_parts() {
    on_every_store(|work, store, workers, what| {
        let row = r#"{"ts":"2024-01-02T14:30:00Z","symbol":"A","price":1,"size":2,"legs":[{"x":1}]}"#;
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = ["load", "-", "--vendor", "v", "--dsn", &store.dsn(), "--workers", workers];
        let running = work.mdsctl(flags).pipe(reader).spawn();
        writer.write_all(format!("{row}\n").as_bytes()).expect("a row is written");
        wait::until(wait::PATIENCE, &format!("{what}: a stored row"), || {
            (store.count("ticks") == Some(1)).then_some(())
        });
        drop(writer);
        running.finish().expect(0);
    });
}

#[test]
fn a_row_of_an_own_table_with_a_column_for_its_parts_is_one() {
    let table = "CREATE TABLE t (id int PRIMARY KEY, items text, note text)";
    for sqlite in [true, false] {
        let work = crate::harness::Work::new();
        let store = crate::harness::Store::holding(&work, sqlite, table);
        for (name, rows) in [
            ("one", "{\"id\":1,\"items\":[{\"t\":1,\"p\":2,\"s\":3}]}\n"),
            (
                "two",
                "{\"id\":2,\"items\":[{\"t\":1,\"p\":2,\"s\":3}]}\n{\"id\":3,\"items\":[],\"note\":\"x\"}\n",
            ),
        ] {
            let path = work.write(&format!("{name}.ndjson"), rows);
            let run = work.mdsctl(["load", &path, "--table", "t", "--dsn", &store.dsn()]).run().expect(0);
            assert!(!run.stderr.contains("rows are at"), "{run}");
        }
        let stored = store.rows("SELECT id, items FROM t ORDER BY id");
        let text = |text: &str| Some(text.to_owned());
        let parts = "[{\"t\":1,\"p\":2,\"s\":3}]";
        let expected = [[text("1"), text(parts)], [text("2"), text(parts)], [text("3"), text("[]")]];
        assert_eq!(stored, expected, "{store}");
    }
}

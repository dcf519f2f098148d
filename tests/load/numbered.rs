//! Tables whose primary key the store numbers, with another unique column beside it: rows that bring the number are
//! known by it, the others by that column. No row of the table gets another number.

use crate::harness::{Store, Work, dlq};

fn each(test: impl Fn(&Work, &Store, &str)) {
    for not_null in ["", " NOT NULL"] {
        for sqlite in [true, false] {
            let work = Work::new();
            let (number, next) = match sqlite {
                true => ("integer", ""),
                false => ("bigserial", "SELECT setval('u_id_seq', 2);"),
            };
            let statements = format!(
                "CREATE TABLE u (id {number} PRIMARY KEY, c text{not_null} UNIQUE, v bigint); \
                 INSERT INTO u (id, c, v) VALUES (1, 'a', 1), (2, 'b', 2); {next}"
            );
            let store = Store::holding(&work, sqlite, &statements);
            test(&work, &store, &format!("{store}, c{not_null}"));
        }
    }
}

fn table(store: &Store) -> Vec<String> {
    let rows = store.rows("SELECT id, c, v FROM u ORDER BY id");
    rows.iter().map(|row| row.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn the_number_is_the_key_of_rows_that_bring_it_and_no_row_gets_another() {
    each(|work, store, what| {
        let load = |name: &str, text: &str, code| {
            work.write(name, text);
            let flags = ["load", name, "--table", "u", "--json", "--dlq", "q.ndjson", "--dsn", &store.dsn()];
            work.mdsctl(flags).run().expect(code)
        };
        // A correction of the row with that number.
        let run = load("one.csv", "id,c,v\n2,bb,22\n", 0);
        assert_eq!(run.books().updated, 1, "{what}: {run}");
        assert_eq!(table(store), ["1,a,1", "2,bb,22"], "{what}: {run}");
        // Another number for a text that is there.
        let run = load("two.ndjson", "{\"id\":3,\"c\":\"a\",\"v\":3}\n{\"id\":4,\"c\":\"d\",\"v\":4}\n", 3);
        assert_eq!(table(store), ["1,a,1", "2,bb,22", "4,d,4"], "{what}: {run}");
        let letters = dlq::read(&work.path("q.ndjson"));
        assert_eq!(letters.len(), 1, "{what}: {run}");
        assert_eq!(
            (&*letters[0].code, letters[0].items[0]["id"].as_u64()),
            ("23505", Some(3)),
            "{what}: {run}"
        );
        // Without a number the text tells the row, which keeps its own.
        let run = load("three.csv", "c,v\na,9\n", 0);
        assert_eq!(run.books().updated, 1, "{what}: {run}");
        assert_eq!(table(store), ["1,a,9", "2,bb,22", "4,d,4"], "{what}: {run}");
    });
}

//! Changes at moments that nobody chose: every value is what it should be, whenever they come.

use std::io::Write;

use super::{PATIENCE, append, rounds, stop, tail};
use crate::generator::random::Random;
use crate::harness::db::Db;
use crate::harness::seed::seed;
use crate::harness::{Postgres, Work, wait};

/// What the columns become, over and over. Each type holds the values of each row.
const CHANGES: &[&str] = &[
    "ALTER COLUMN a TYPE bigint USING a::text::numeric::bigint",
    "ALTER COLUMN a TYPE numeric USING a::text::numeric",
    "ALTER COLUMN a TYPE integer USING a::text::numeric::integer",
    "ALTER COLUMN a TYPE double precision USING a::text::double precision",
    "ALTER COLUMN a TYPE text USING a::text",
    "ALTER COLUMN a TYPE numeric(20,4) USING a::text::numeric",
    "ALTER COLUMN b TYPE double precision USING b::text::double precision",
    "ALTER COLUMN b TYPE numeric USING b::text::numeric",
    "ALTER COLUMN b TYPE real USING b::text::real",
    "ALTER COLUMN b TYPE text USING b::text",
    "ALTER COLUMN c TYPE varchar(9)",
    "ALTER COLUMN c TYPE text",
    "ALTER COLUMN c TYPE varchar(40)",
    "ALTER COLUMN c TYPE char(12)",
    "ALTER COLUMN d TYPE timestamp USING d::text::timestamp",
    "ALTER COLUMN d TYPE timestamptz USING d::text::timestamptz",
    "ALTER COLUMN d TYPE text USING d::text",
    "ALTER COLUMN e TYPE boolean USING e::text::boolean",
    "ALTER COLUMN e TYPE text USING e::text",
    "ALTER COLUMN a SET NOT NULL",
    "ALTER COLUMN a DROP NOT NULL",
    "ADD COLUMN IF NOT EXISTS other text",
    "DROP COLUMN IF EXISTS other",
    "ALTER COLUMN id TYPE bigint",
    "SET SCHEMA public",
];

fn line(id: u64) -> String {
    let (a, b, d) = (id * 7, id % 4096, 1_700_000_000 + id);
    let quarter = ["", ".25", ".5", ".75"][(id % 4) as usize];
    let day = chrono::DateTime::from_timestamp(d as i64, 0).expect("a time").format("%Y-%m-%d %H:%M:%S+00");
    format!("{id},{a},{b}{quarter},s{id},{day},{}\n", id.is_multiple_of(2))
}

/// The rows whose values are not what the input gave.
fn wrong(db: &Db) -> Vec<Vec<Option<String>>> {
    db.rows(
        "SET timezone TO 'UTC'; SELECT id, a, b, c, d, e FROM t WHERE \
         a::text::numeric IS DISTINCT FROM id * 7 \
         OR b::text::numeric IS DISTINCT FROM (id % 4096) + (id % 4) * 0.25 \
         OR rtrim(c::text) IS DISTINCT FROM 's' || id \
         OR d::text::timestamptz IS DISTINCT FROM to_timestamp(1700000000 + id) \
         OR e::text::boolean IS DISTINCT FROM (id % 2 = 0) ORDER BY id LIMIT 5",
    )
}

fn table(db: &Db, key: &str) {
    // A role's own settings are none of ours.
    db.execute(&format!(
        "ALTER DATABASE {} SET timezone TO 'UTC'; \
         CREATE TABLE t (id int {key}, a bigint, b double precision, c varchar(12), d timestamptz, e boolean)",
        db.name()
    ));
}

/// The changes in an order of chance: each once, then each once more, and so on.
struct Deck {
    random: Random,
    left: Vec<&'static str>,
}

impl Deck {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed, 104), left: Vec::new() }
    }

    fn change(&mut self, db: &Db) {
        if self.left.is_empty() {
            self.left = CHANGES.to_vec();
        }
        let at = self.random.between(0, self.left.len() as i64 - 1) as usize;
        db.execute(&format!("ALTER TABLE t {}", self.left.swap_remove(at)));
    }
}

/// `MDSCTL_TEST_SEED` replays a failure, `MDSCTL_CHANGES` asks for more rounds.
#[test]
fn a_table_that_changes_all_the_time_under_a_load() {
    let seed = seed();
    let mut deck = Deck::new(seed);
    for (key, command) in [("PRIMARY KEY", "load"), ("", "load"), ("PRIMARY KEY", "tail")] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        table(&db, key);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let flags = [command, "-", "--table", "t", "--json", "--batch-size", "200", "--capacity", "2000"];
        let running = work.mdsctl(flags).arguments(["--dsn", &db.dsn()]).pipe(reader).spawn();
        writer.write_all(b"id,a,b,c,d,e\n").expect("the pipe");
        let changes = rounds() * CHANGES.len() as u64;
        let (mut id, rows) = (0, changes * 700);
        for change in 1..=changes {
            let some = match change == changes {
                true => rows - id,
                false => deck.random.between(1, 1_300) as u64,
            };
            let text: String = (id..(id + some).min(rows)).map(line).collect();
            writer.write_all(text.as_bytes()).expect("the pipe");
            id = (id + some).min(rows);
            deck.change(&db);
        }
        drop(writer);
        let run = running.finish().expect(0);
        let books = run.books();
        assert_eq!((books.read, books.inserted), (rows, rows), "{run}");
        assert_eq!((db.count("t"), wrong(&db)), (rows, Vec::new()), "seed {seed}: {run}");
    }
}

/// `MDSCTL_TEST_SEED` replays a failure, `MDSCTL_CHANGES` asks for more rounds.
#[test]
fn a_table_that_changes_all_the_time_under_a_tail() {
    let seed = seed();
    let mut deck = Deck::new(seed);
    let (work, db) = (Work::new(), Postgres::shared().database());
    table(&db, "PRIMARY KEY");
    append(&work, "id,a,b,c,d,e\n");
    let mut running = tail(&work, &db.dsn());
    let mut id = 0;
    for _ in 0..rounds() * CHANGES.len() as u64 {
        let some = deck.random.between(1, 5) as u64;
        append(&work, &(id..id + some).map(line).collect::<String>());
        id += some;
        if deck.random.once_in(2) {
            let seen = wait::within(PATIENCE, || {
                assert!(!running.has_ended(), "it has ended: {}", running.said());
                (db.count("t") == id).then_some(())
            });
            assert!(seen.is_some(), "seed {seed}: {} of {id}: {}", db.count("t"), running.said());
        }
        deck.change(&db);
    }
    super::stored(&db, &mut running, id);
    let run = stop(running);
    assert_eq!((run.books().inserted, wrong(&db)), (id, Vec::new()), "seed {seed}: {run}");
}

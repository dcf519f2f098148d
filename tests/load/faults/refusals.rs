//! Rows that the table refuses, among many that it takes: those and no others are in the DLQ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::harness::truth::{Notation, Table, assert_same};
use crate::harness::{Db, Postgres, Run, Store, Work};

/// A table that refuses rows in every way that PostgreSQL has.
const TABLES: &str = "
    CREATE TABLE venues (mic text PRIMARY KEY);
    CREATE TABLE desks (desk int PRIMARY KEY);
    INSERT INTO venues VALUES ('XNAS');
    INSERT INTO desks VALUES (1);
    CREATE TABLE fills (
        fill_id bigint PRIMARY KEY,
        price numeric CONSTRAINT price_is_positive CHECK (price > 0),
        venue text CONSTRAINT venue_is_known REFERENCES venues,
        desk int CONSTRAINT desk_is_known REFERENCES desks DEFERRABLE INITIALLY DEFERRED,
        ticket text CONSTRAINT ticket_is_unique UNIQUE,
        note text
    );
    INSERT INTO fills VALUES (0, 1, 'XNAS', 1, 'TAKEN', 'was there before');
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.note = 'raise' THEN RAISE EXCEPTION 'no such fill, please'; END IF;
        IF NEW.note = 'check' THEN
            RAISE EXCEPTION 'not this fill' USING ERRCODE = 'check_violation', CONSTRAINT = 'in_the_trigger';
        END IF;
        RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON fills FOR EACH ROW EXECUTE FUNCTION refuse()";

const COLUMNS: [(&str, Notation); 6] = [
    ("fill_id", Notation::Number),
    ("price", Notation::Number),
    ("venue", Notation::Text),
    ("desk", Notation::Number),
    ("ticket", Notation::Text),
    ("note", Notation::Text),
];

/// Ways to spoil a row: the column, its value, and what the server says of it.
const WAYS: [(usize, &str, &str, &str); 6] = [
    (1, "-3", "23514", "price_is_positive"),
    (2, "XXXX", "23503", "venue_is_known"),
    (3, "9", "23503", "desk_is_known"),
    (4, "TAKEN", "23505", "ticket_is_unique"),
    (5, "raise", "P0001", ""),
    (5, "check", "23514", "in_the_trigger"),
];

fn tables() -> Db {
    let db = Postgres::shared().database();
    db.execute(TABLES);
    db
}

fn load(work: &Work, db: &Db, csv: String, workers: &str) -> Run {
    let path = work.write("fills.csv", csv);
    let flags = ["load", &path, "--table", "fills", "--dlq", "fills.ndjson", "--json", "--workers", workers];
    work.mdsctl(flags).arguments(["--dsn", &db.dsn(), "--batch-size", "500"]).run().expect(3)
}

/// A row of the table as it should be.
fn row(number: u64, key: u64) -> Vec<String> {
    let ticket = format!("T{number}");
    [&key.to_string(), "1.5", "XNAS", "1", &ticket, &format!("row {number}")].map(String::from).to_vec()
}

#[test]
fn one_bad_row_in_a_hundred_of_every_kind() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), tables());
        let mut csv = String::from("fill_id,price,venue,desk,ticket,note\n");
        let mut stored: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut refused: Vec<(u64, &str, &str)> = Vec::new();
        for number in 1..=6_000u64 {
            let mut values = row(number, number);
            if number % 100 != 0 {
                stored.insert(number, values.clone());
            } else {
                let nth = number / 100;
                let (column, value, code, constraint) = WAYS[nth as usize % WAYS.len()];
                // A key of its own, or that of a good row: just before it, or long written.
                let key = [number, number - 1, number.saturating_sub(2501).max(1)][nth as usize / 6 % 3];
                values = row(number, key);
                values[column] = value.into();
                refused.push((number, code, constraint));
            }
            let _ = writeln!(csv, "{}", values.join(","));
        }
        let run = load(&work, &db, csv, workers);
        let what = format!("{workers} workers: {run}");
        let books = run.books();
        assert_eq!((books.read, books.rejected), (6_000, 60), "{what}");
        assert_eq!(books.inserted + books.superseded, 5_940, "{what}");
        let mut expected: Table = stored.into_values().collect();
        expected.push(["0", "1", "XNAS", "1", "TAKEN", "was there before"].map(String::from).to_vec());
        expected.sort();
        assert_same(&Store::Postgres(db).table("fills", &COLUMNS), &expected, &what);

        let letters = work.dlq("fills.ndjson");
        let mut found: Vec<(u64, &str, &str)> = letters
            .iter()
            .flat_map(|l| l.rows.iter().map(|row| (*row, &*l.code, l.constraint.as_deref().unwrap_or(""))))
            .collect();
        found.sort_unstable();
        assert_eq!(found, refused, "{what}");
        for letter in &letters {
            assert_eq!(letter.stage, "write", "{}", letter.line);
            for (row, item) in letter.rows.iter().zip(&letter.items) {
                let spoilt = item["ticket"] == format!("T{row}") || item["ticket"] == "TAKEN";
                assert!(spoilt, "the row itself: {}", letter.line);
            }
        }
    }
}

#[test]
fn bad_rows_one_after_the_other_bring_back_the_good_one_before_them() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), tables());
        let mut csv = String::from("fill_id,price,venue,desk,ticket,note\n");
        let (mut expected, mut bad, mut number) = (Table::new(), Vec::new(), 0);
        for key in 1..=40 {
            // Good, good, and up to three bad ones, each in another way.
            for turn in 0..2 + key % 4 {
                number += 1;
                let mut values = row(number, key);
                match turn {
                    0 => {}
                    1 => expected.push(values.clone()),
                    _ => {
                        let (column, value, ..) = WAYS[(key + turn) as usize % WAYS.len()];
                        values[column] = value.into();
                        bad.push(number);
                    }
                }
                let _ = writeln!(csv, "{}", values.join(","));
            }
        }
        let run = load(&work, &db, csv, workers);
        let books = run.books();
        assert_eq!((books.read, books.rejected), (number, bad.len() as u64), "{run}");
        expected.push(["0", "1", "XNAS", "1", "TAKEN", "was there before"].map(String::from).to_vec());
        expected.sort();
        assert_same(&Store::Postgres(db).table("fills", &COLUMNS), &expected, &format!("{run}"));
        let mut rows: Vec<u64> = work.dlq("fills.ndjson").into_iter().flat_map(|l| l.rows).collect();
        rows.sort_unstable();
        assert_eq!(rows, bad, "{run}");
    }
}

#[test]
fn of_two_rows_that_want_the_same_ticket_at_once_one_gets_it() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), tables());
        let mut csv = String::from("fill_id,price,venue,desk,ticket,note\n");
        for number in 1..=4_000u64 {
            let mut values = row(number, number);
            // Rows next to one another, written by different workers as a rule.
            if number % 200 < 2 {
                values[4] = format!("PAIR{}", number / 200);
            }
            let _ = writeln!(csv, "{}", values.join(","));
        }
        let run = load(&work, &db, csv, workers);
        let pairs: BTreeSet<u64> = (1..20).collect();
        let mut losers = BTreeSet::new();
        for letter in work.dlq("fills.ndjson") {
            let facts = (&*letter.code, letter.constraint.as_deref());
            assert_eq!(facts, ("23505", Some("ticket_is_unique")), "{}", letter.line);
            for row in letter.rows {
                assert!(
                    row % 200 < 2 && losers.insert(row / 200),
                    "one of each pair, once: row {row}: {run}"
                );
            }
        }
        assert_eq!(losers, pairs, "{workers} workers: {run}");
        assert_eq!(run.books().rejected, pairs.len() as u64, "{run}");
        assert_eq!(db.count("fills"), 1 + 4_000 - pairs.len() as u64, "{run}");
        assert_eq!(db.value("SELECT count(DISTINCT ticket) FROM fills WHERE ticket LIKE 'PAIR%'"), "21");
    }
}

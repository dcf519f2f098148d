//! A row that breaks a constraint of the table costs that row only.

use crate::harness::{Db, Postgres, Work, dlq};

/// Rows of a table with every kind of constraint; the faults are at known rows.
const TABLES: &str = "
    CREATE TABLE venues (mic text PRIMARY KEY);
    INSERT INTO venues VALUES ('XNAS'), ('XNYS');
    CREATE TABLE fills (
        fill_id bigint PRIMARY KEY,
        ts timestamptz NOT NULL,
        symbol text NOT NULL,
        price numeric CONSTRAINT price_is_positive CHECK (price > 0),
        venue text CONSTRAINT venue_is_known REFERENCES venues,
        ticket text CONSTRAINT ticket_is_unique UNIQUE,
        note text,
        lots int NOT NULL
    )";

fn load(work: &Work, db: &Db, rows: u64, workers: &str, row: impl Fn(u64) -> String) -> (u64, u64) {
    let mut csv = String::from("fill_id,ts,symbol,price,venue,ticket,note,lots\n");
    for number in 1..=rows {
        csv += &row(number);
        csv.push('\n');
    }
    let path = work.write("fills.csv", csv);
    let flags = ["load", &path, "--table", "fills", "--dlq", "fills.ndjson", "--json", "--workers", workers];
    let run = work.mdsctl(flags).arguments(["--dsn", &db.dsn(), "--batch-size", "400"]).run();
    let books = run.books();
    assert_eq!(run.code, if books.rejected == 0 { 0 } else { 3 }, "{run}");
    (books.inserted, books.rejected)
}

fn good(number: u64) -> String {
    format!("{number},2024-03-04T14:30:00Z,AAPL,{number}.5,XNAS,T{number},fine,1")
}

#[test]
fn check_foreign_key_not_null_and_unique_in_the_middle_of_a_batch() {
    for workers in ["1", "4"] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        db.execute(TABLES);
        db.execute(
            "INSERT INTO fills VALUES (100000, now(), 'OLD', 1, 'XNAS', 'T900', 'was there before', 1)",
        );
        let faulty = [
            (150, "23514", "price_is_positive"),
            (151, "23514", "price_is_positive"),
            (640, "23503", "venue_is_known"),
            (900, "23505", "ticket_is_unique"),
        ];
        let (inserted, rejected) = load(&work, &db, 2_000, workers, |number| match number {
            150 | 151 => format!("{number},2024-03-04T14:30:00Z,AAPL,-1,XNAS,T{number},not positive,1"),
            640 => format!("{number},2024-03-04T14:30:00Z,AAPL,1,XXXX,T{number},no such venue,1"),
            _ => good(number),
        });
        assert_eq!((inserted, rejected), (1_996, 4), "{workers} workers");
        assert_eq!(db.count("fills"), 1_997);
        let gone = "fills WHERE fill_id IN (150, 151, 640, 900)";
        assert_eq!(db.count(gone), 0);
        assert_eq!(db.value("SELECT note FROM fills WHERE ticket = 'T900'"), "was there before");

        let letters = work.dlq("fills.ndjson");
        let mut found: Vec<(u64, &str, &str)> = letters
            .iter()
            .flat_map(|l| l.rows.iter().map(|row| (*row, &*l.code, l.constraint.as_deref().unwrap_or(""))))
            .collect();
        found.sort_unstable();
        assert_eq!(found, faulty, "{letters:#?}");
        for letter in &letters {
            assert_eq!(letter.stage, "write", "{}", letter.line);
            for (row, item) in letter.rows.iter().zip(&letter.items) {
                assert_eq!(item["fill_id"].to_string().trim_matches('"'), row.to_string(), "{}", letter.line);
            }
        }
    }
}

#[test]
fn a_column_that_must_not_be_null() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLES);
    let counts = load(&work, &db, 500, "2", |number| match number {
        77 => "77,2024-03-04T14:30:00Z,AAPL,1,XNAS,T77,none,".into(),
        _ => good(number),
    });
    assert_eq!(counts, (499, 1));
    let letters = work.dlq("fills.ndjson");
    assert_eq!((letters.len(), &*letters[0].rows), (1, &[77][..]));
    assert_eq!(letters[0].column.as_deref(), Some("lots"), "{}", letters[0].line);
}

#[test]
fn the_earlier_of_two_rows_that_share_a_secondary_key_stays() {
    // One worker: with several there is no earlier and later between rows of different keys.
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLES);
    let counts = load(&work, &db, 300, "1", |number| match number {
        201 => "201,2024-03-04T14:30:00Z,AAPL,1,XNAS,T200,the ticket of the row before,1".into(),
        _ => good(number),
    });
    assert_eq!(counts, (299, 1));
    assert_eq!(db.value("SELECT fill_id FROM fills WHERE ticket = 'T200'"), "200");
    assert_eq!(work.dlq("fills.ndjson")[0].rows, [201]);
}

#[test]
fn many_bad_rows_among_many_good_ones() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLES);
    let (inserted, rejected) = load(&work, &db, 3_000, "2", |number| match number % 7 {
        3 => format!("{number},2024-03-04T14:30:00Z,AAPL,0,XNAS,T{number},zero,1"),
        _ => good(number),
    });
    let bad: Vec<u64> = (1..=3_000).filter(|number| number % 7 == 3).collect();
    assert_eq!((inserted, rejected), (3_000 - bad.len() as u64, bad.len() as u64));
    let letters = work.dlq("fills.ndjson");
    let mut rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
    rows.sort_unstable();
    assert_eq!(rows, bad);
    assert_eq!(dlq::rows(&letters), rejected);
    assert_eq!(db.count("fills"), inserted);
}

#[test]
fn a_trigger_that_refuses_a_row() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    db.execute(TABLES);
    db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.fill_id = 123 THEN RAISE EXCEPTION 'no fill 123' USING ERRCODE = 'check_violation'; END IF;
            RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON fills FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    assert_eq!(load(&work, &db, 400, "2", good), (399, 1));
    let letters = work.dlq("fills.ndjson");
    assert_eq!(letters[0].rows, [123]);
    assert!(letters[0].error.contains("no fill 123"), "{}", letters[0].line);
}

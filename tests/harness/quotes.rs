//! Rows for a small table, the same keys again and again and some that the table refuses, and
//! what loading them row by row, in order, leaves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::truth::{NULL, Notation, Table, assert_same, sorted};
use super::{Db, Run, Store, Work, dlq};
use crate::generator::random::Random;
use crate::generator::write::Format;

/// The table.
pub const TABLE: &str = "CREATE TABLE quotes (
    series text, k int, seq bigint NOT NULL, note text,
    price numeric(20,8) CONSTRAINT price_is_positive CHECK (price > 0),
    PRIMARY KEY (series, k))";

/// File of the dead letters, below the working directory.
pub const DLQ: &str = "letters.ndjson";

const COLUMNS: [(&str, Notation); 5] = [
    ("series", Notation::Text),
    ("k", Notation::Number),
    ("seq", Notation::Number),
    ("note", Notation::Text),
    ("price", Notation::Number),
];

/// A source of rows and the model of the table.
pub struct Quotes {
    random: Random,
    /// The keys to draw from; none for a new key in every row.
    keys: Vec<u64>,
    next_key: u64,
    /// Rows so far; `seq` of the last one.
    rows: u64,
    /// Rows before this load.
    before: u64,
    stored: BTreeMap<u64, Vec<String>>,
    /// Rows of this load that the table refuses, counted from 1.
    bad: Vec<u64>,
}

impl Quotes {
    /// Rows of that many keys.
    pub fn new(random: Random, keys: u64) -> Self {
        Self {
            random,
            keys: (0..keys).collect(),
            next_key: keys,
            rows: 0,
            before: 0,
            stored: BTreeMap::new(),
            bad: Vec::new(),
        }
    }

    /// Rows each with a key of its own.
    pub fn distinct(random: Random) -> Self {
        Self::new(random, 0)
    }

    /// Rows of all loads so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows of this load that the table refuses, counted from 1.
    pub fn bad(&self) -> &[u64] {
        &self.bad
    }

    /// What a CSV begins with; nothing for NDJSON.
    pub fn header(format: Format) -> &'static str {
        if format == Format::Csv { "seq,series,k,note,price\n" } else { "" }
    }

    /// Appends the next row.
    pub fn line(&mut self, format: Format, text: &mut String) {
        self.rows += 1;
        let random = &mut self.random;
        let bad = random.once_in(400);
        let mut key = self.next_key;
        if !self.keys.is_empty() && (!bad || random.once_in(2)) {
            let place = (random.next() % self.keys.len() as u64) as usize;
            key = self.keys[place];
            if bad {
                // A bad row is the last one of its key: a later good one may replace it before it
                // is written, and then it counts as superseded.
                self.keys[place] = self.next_key;
            }
        }
        if bad || self.keys.is_empty() {
            self.next_key += 1;
        }
        let series = ["ES", "NQ", "6E", "Öl"][key as usize % 4];
        let price = if bad { "-1.5".into() } else { format!("{}.25", random.between(1, 9)) };
        // Null now and then: a later null wins over an earlier text.
        let note = if random.once_in(5) { None } else { Some(random.pick(&["a", "b,c", "d \"e\""])) };
        let seq = self.rows;
        let _ = if format == Format::Csv {
            let note = note.map_or(String::new(), |note| format!("\"{}\"", note.replace('"', "\"\"")));
            writeln!(text, "{seq},{series},{key},{note},{price}")
        } else {
            let note = serde_json::to_string(&note).expect("a text");
            // Long, so that not too many are on their way through buffers when a stream ends.
            let gap = " ".repeat(400);
            writeln!(
                text,
                r#"{{"seq":{seq},"series":"{series}","k":{key},"note":{note},{gap}"price":{price}}}"#
            )
        };
        if bad {
            self.bad.push(self.rows - self.before);
        } else {
            let note = note.unwrap_or(NULL).to_string();
            self.stored.insert(key, vec![series.into(), key.to_string(), seq.to_string(), note, price]);
        }
    }

    /// Appends that many rows.
    pub fn lines(&mut self, rows: u64, format: Format, text: &mut String) {
        (0..rows).for_each(|_| self.line(format, text));
    }

    /// The table that all rows so far leave.
    pub fn table(&self) -> Table {
        sorted(self.stored.values().cloned().collect())
    }

    /// The table as it is.
    pub fn stored(db: &Db) -> Table {
        Store::Postgres(db.clone()).table("quotes", &COLUMNS)
    }

    /// Fails unless all rows of this load have come to where they belong: the table is the
    /// model's, the books close, and the dead letters are the rows that the table refuses, each
    /// of them once. The next row begins another load.
    pub fn assert_loaded(&mut self, work: &Work, db: &Db, run: &Run, what: &str) {
        assert_eq!(run.code, if self.bad.is_empty() { 0 } else { 3 }, "{what}: {run}");
        let books = run.books();
        assert_eq!(books.read, self.rows - self.before, "{what}: {run}");
        assert_same(&Self::stored(db), &self.table(), &format!("{what}: {run}"));
        let letters = work.dlq(DLQ);
        let mut rows: Vec<u64> = letters.iter().flat_map(|letter| letter.rows.clone()).collect();
        rows.sort_unstable();
        assert_eq!(rows, self.bad, "{what}: {run}\n{letters:#?}");
        assert_eq!((books.rejected, books.dropped), (rows.len() as u64, 0), "{what}: {run}");
        for letter in &letters {
            assert_refused(letter, what);
        }
        self.before = self.rows;
        self.bad.clear();
    }
}

/// Fails unless the letter is about rows that the table refuses.
pub fn assert_refused(letter: &dlq::DeadLetter, what: &str) {
    let facts = (&*letter.stage, &*letter.code, letter.constraint.as_deref());
    assert_eq!(facts, ("write", "23514", Some("price_is_positive")), "{what}: {}", letter.line);
}

//! Rows with bad ones of every kind among them, and what loading them leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::generator::random::Random;
use crate::harness::Store;
use crate::harness::dlq::DeadLetter;
use crate::harness::truth::{NULL, Notation, Table, assert_same, sorted};
pub use crate::harness::wait::PATIENCE;

/// File of the dead letters.
pub const DLQ: &str = "letters.ndjson";

const COLUMNS: [(&str, Notation); 5] = [
    ("series", Notation::Text),
    ("k", Notation::Number),
    ("seq", Notation::Number),
    ("note", Notation::Text),
    ("price", Notation::Number),
];

/// Why a row is refused.
#[derive(Clone, Copy, PartialEq)]
enum Bad {
    /// A column is missing.
    Line,
    /// The price is no number.
    Number,
    /// The table refuses the price.
    Price,
}

struct Row {
    series: &'static str,
    key: u64,
    seq: u64,
    note: Option<&'static str>,
    price: String,
    bad: Option<Bad>,
}

/// The rows of one or more files.
pub struct Rows {
    rows: Vec<Row>,
}

impl Rows {
    /// So many rows, their `seq` from 1.
    pub fn new(random: Random, count: u64) -> Self {
        Self::after(random, 0, count)
    }

    /// So many rows that follow those up to that one.
    pub fn after(mut random: Random, before: u64, count: u64) -> Self {
        let row = |seq: u64| {
            let bad = random.once_in(120).then(|| *random.pick(&[&Bad::Line, &Bad::Number, &Bad::Price]));
            // A bad row has a key of its own: nothing replaces it before it is written.
            let key = if bad.is_some() { 1_000_000 + seq } else { random.between(1, 900) as u64 };
            Row {
                series: ["ES", "NQ", "6E"][key as usize % 3],
                key,
                seq,
                note: if random.once_in(5) { None } else { Some(random.pick(&["a", "b c", "Öl"])) },
                price: format!("{}.25", random.between(1, 9)),
                bad,
            }
        };
        Self { rows: (before + 1..=before + count).map(row).collect() }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    /// How many are bad.
    pub fn bad(&self) -> u64 {
        self.rows.iter().filter(|row| row.bad.is_some()).count() as u64
    }

    /// These rows and those.
    pub fn and(mut self, more: Self) -> Self {
        self.rows.extend(more.rows);
        self
    }

    /// As CSV.
    pub fn csv(&self) -> String {
        let mut text = String::from("seq,series,k,note,price\n");
        for Row { series, key, seq, note, price, bad } in &self.rows {
            let note = note.unwrap_or_default();
            let _ = match bad {
                Some(Bad::Line) => writeln!(text, "{seq},{series},{key},{note}"),
                Some(Bad::Number) => writeln!(text, "{seq},{series},{key},{note},12.5x"),
                Some(Bad::Price) => writeln!(text, "{seq},{series},{key},{note},-1.5"),
                None => writeln!(text, "{seq},{series},{key},{note},{price}"),
            };
        }
        text
    }

    /// As NDJSON.
    pub fn ndjson(&self) -> String {
        let mut text = String::new();
        for Row { series, key, seq, note, price, bad } in &self.rows {
            let note = serde_json::to_string(note).expect("a text");
            let price = match bad {
                Some(Bad::Line) => "12.",
                Some(Bad::Number) => "\"12.5x\"",
                Some(Bad::Price) => "-1.5",
                None => price,
            };
            let _ = writeln!(
                text,
                r#"{{"seq":{seq},"series":"{series}","k":{key},"note":{note},"price":{price}}}"#
            );
        }
        text
    }

    /// Fails unless the table is what loading them in order leaves.
    pub fn assert_stored(&self, store: &Store, keyed: bool, what: &str) {
        let good = self.rows.iter().filter(|row| row.bad.is_none());
        let text = |row: &Row| {
            let note = row.note.unwrap_or(NULL).to_owned();
            vec![row.series.into(), row.key.to_string(), row.seq.to_string(), note, row.price.clone()]
        };
        let expected: Table = if keyed {
            good.map(|row| (row.key, text(row))).collect::<BTreeMap<_, _>>().into_values().collect()
        } else {
            good.map(text).collect()
        };
        assert_same(&store.table("quotes", &COLUMNS), &sorted(expected), what);
    }

    /// Fails unless the letters are about the bad rows, each of them at least once: a program that
    /// dies between burying and committing buries again.
    pub fn assert_buried(&self, letters: &[DeadLetter], what: &str) {
        let mut found = BTreeSet::new();
        for letter in letters {
            assert!(["decode", "validate", "write"].contains(&&*letter.stage), "{what}: {}", letter.line);
            let raw = letter.raws.iter().map(|raw| {
                let seq = raw.split("\"seq\":").nth(1).unwrap_or(raw);
                seq.split(',').next().expect("a part").parse().unwrap_or_else(|_| panic!("{what}: {raw}"))
            });
            let items = letter.items.iter().map(|item| {
                let seq = &item["seq"];
                let text = seq.as_str().and_then(|text| text.parse().ok());
                seq.as_u64().or(text).unwrap_or_else(|| panic!("{what}: {item}"))
            });
            found.extend(raw.chain(items));
        }
        let bad: BTreeSet<u64> = self.rows.iter().filter(|r| r.bad.is_some()).map(|r| r.seq).collect();
        assert_eq!(found, bad, "{what}");
    }
}

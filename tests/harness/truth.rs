//! Tables as plain text in one canonical form, whatever store they come from, and the table that
//! the generator says must be there.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

use crate::generator::cell::{Cell, Field, Type, date};
use crate::generator::market::{Dataset, Plan};

/// Rows in canonical text, sorted; null is `∅`.
pub type Table = Vec<Vec<String>>;

/// The word for null.
pub const NULL: &str = "∅";

/// What the values of a column are, for bringing two stores' notations together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Text, taken as it is.
    Text,
    /// Numbers, without trailing zeros.
    Number,
    /// Instants, to the microsecond.
    Instant,
    /// Days.
    Day,
}

/// Name of the table of a dataset.
pub fn table_name(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Bars => "bars",
        Dataset::Ticks => "ticks",
        Dataset::Options => "options_snap",
        Dataset::Fundamentals => "fundamentals",
        Dataset::News => "news",
    }
}

/// Columns of the plan in its table, and how they are written.
pub fn columns(plan: &Plan) -> Vec<(&'static str, Notation)> {
    plan.fields().iter().map(|f| (f.column, notation(f))).collect()
}

fn notation(field: &Field) -> Notation {
    match field.ty {
        Type::Text => Notation::Text,
        Type::Int | Type::Float | Type::Decimal(_) => Notation::Number,
        Type::Micros | Type::Nanos => Notation::Instant,
        Type::Day if field.column == "asof" => Notation::Instant,
        Type::Day => Notation::Day,
    }
}

/// The table that loading the whole plan leaves.
pub fn truth(plan: &Plan) -> Table {
    truth_of(plan, |_| true)
}

/// The table that loading the rows of those numbers (from 1) leaves.
pub fn truth_of(plan: &Plan, kept: impl Fn(u64) -> bool) -> Table {
    let fields = plan.fields();
    let rows = plan.rows().zip(1..).filter(|(_, number)| kept(*number));
    sorted(rows.map(|(row, _)| canonical_row(&fields, &row)).collect())
}

/// One row of the plan in canonical text.
pub fn canonical_row(fields: &[Field], row: &[Cell]) -> Vec<String> {
    let text = |(field, cell): (&Field, &Cell)| match cell {
        // The key of the news has the symbol, and not all are about one.
        Cell::Null if field.column == "symbol" => String::new(),
        _ => from_cell(notation(field), cell),
    };
    fields.iter().zip(row).map(text).collect()
}

fn from_cell(notation: Notation, cell: &Cell) -> String {
    match (cell, notation) {
        (Cell::Null, _) => NULL.into(),
        (Cell::Instant(ns), _) => instant(DateTime::from_timestamp_nanos(*ns)),
        (Cell::Day(day), Notation::Instant) => {
            instant(date(*day).and_hms_opt(0, 0, 0).expect("midnight").and_utc())
        }
        _ => cell.to_text(),
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A value as a store writes it, in canonical text.
pub fn canonical(notation: Notation, value: Option<&str>) -> String {
    let Some(value) = value else { return NULL.into() };
    match notation {
        Notation::Text => value.into(),
        Notation::Number => number(value),
        Notation::Instant => instant(read_instant(value)),
        Notation::Day => match value.parse::<u64>() {
            Ok(days) => (NaiveDate::default() + Days::new(days)).to_string(),
            Err(_) => value.into(),
        },
    }
}

/// Plain notation without trailing zeros.
pub fn number(text: &str) -> String {
    let text = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => text,
    };
    if text == "-0" { "0".into() } else { text.into() }
}

/// The notations of the stores: PostgreSQL's text, RFC 3339, microseconds since 1970.
fn read_instant(text: &str) -> DateTime<Utc> {
    if let Ok(micros) = text.parse::<i64>() {
        return DateTime::from_timestamp_micros(micros).unwrap_or_else(|| panic!("an instant: {text}"));
    }
    let plain = text.trim_end_matches("+00:00").trim_end_matches("+00").trim_end_matches('Z');
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(plain, format).ok())
        .unwrap_or_else(|| panic!("an instant in UTC: {text}"))
        .and_utc()
}

/// The same rows in order.
pub fn sorted(mut table: Table) -> Table {
    table.sort();
    table
}

/// Fails and shows the first rows that differ.
pub fn assert_same(stored: &Table, expected: &Table, what: &str) {
    if stored == expected {
        return;
    }
    let only = |a: &Table, b: &Table| -> Vec<String> {
        a.iter().filter(|row| b.binary_search(row).is_err()).take(3).map(|row| row.join(" | ")).collect()
    };
    panic!(
        "{what}: {} rows stored, {} expected\nstored, not expected: {:#?}\nexpected, not stored: {:#?}",
        stored.len(),
        expected.len(),
        only(stored, expected),
        only(expected, stored),
    );
}

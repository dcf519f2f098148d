//! Values and the columns that they stand in, before any format.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// A text.
    Text(Arc<str>),
    /// An integer.
    Int(i64),
    /// `digits` divided by ten to the power of `scale`.
    Number {
        /// The digits.
        digits: i64,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// Nanoseconds since 1970-01-01 UTC.
    Instant(i64),
    /// Days since 1970-01-01.
    Day(i32),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// A decimal number.
    pub fn number(digits: i64, scale: u8) -> Self {
        Self::Number { digits, scale }
    }

    /// The value as text files have it: no trailing zeros, RFC 3339, nothing for null.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Number { digits, scale } => decimal(*digits, *scale),
            Self::Instant(ns) => {
                DateTime::from_timestamp_nanos(*ns).to_rfc3339_opts(SecondsFormat::AutoSi, true)
            }
            Self::Day(day) => date(*day).to_string(),
        }
    }
}

/// The calendar day that many days after 1970-01-01.
pub fn date(day: i32) -> NaiveDate {
    NaiveDate::default() + Days::new(u64::try_from(day).expect("days from 1970 on"))
}

/// What the values of a column are, and with it their type in Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Text,
    /// Signed 64-bit integer.
    Int,
    /// Decimal numbers that Parquet keeps as 64-bit floats.
    Float,
    /// Decimal numbers that Parquet keeps exactly, with that many digits behind the point.
    Decimal(u8),
    /// Instants to the microsecond; RFC 3339 in text formats.
    Micros,
    /// Instants to the nanosecond; NDJSON writes them as integers.
    Nanos,
    /// Calendar days.
    Day,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name in the file.
    pub name: &'static str,
    /// Canonical name in the table.
    pub column: &'static str,
    /// Type of its values.
    pub ty: Type,
}

/// A decimal number in plain notation, without trailing zeros.
pub fn decimal(digits: i64, scale: u8) -> String {
    let mut text = String::with_capacity(24);
    if digits < 0 {
        text.push('-');
    }
    let unit = 10_u64.pow(u32::from(scale));
    let (whole, rest) = (digits.unsigned_abs() / unit, digits.unsigned_abs() % unit);
    let _ = write!(text, "{whole}");
    if rest != 0 {
        let _ = write!(text, ".{rest:0width$}", width = usize::from(scale));
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

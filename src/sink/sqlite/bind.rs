//! Values from Arrow columns into the parameters of a statement.

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::catalog::Room;
use super::instant::Clock;
use super::number::{self, Stored};
use super::plan::PlanColumn;
use crate::batch::Reason;
use crate::dataset::time::to_micros;
use crate::model::decimal::Decimal;
use crate::model::values::{Numbers, Values};
use crate::text::flags::EXACT;

/// Why a value was not bound.
#[derive(Debug)]
pub(super) enum Unbound {
    /// Its column cannot hold it.
    Refused(Reason),
    /// SQLite did not take it.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unbound {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Binds values, with the buffers that this takes.
#[derive(Debug)]
pub(super) struct Binder {
    clock: Clock,
    scratch: String,
    bytes: Vec<u8>,
    /// Refuses what would have to be rounded.
    exact: bool,
}

impl Binder {
    pub(super) fn new(exact: bool) -> Self {
        Self { clock: Clock::new(), scratch: String::with_capacity(64), bytes: Vec::new(), exact }
    }

    /// Binds the value of a row to parameter `index`. Returns whether it had to be rounded.
    pub(super) fn bind(
        &mut self,
        statement: &mut Statement<'_>,
        index: usize,
        column: &PlanColumn,
        values: &Values<'_>,
        row: usize,
    ) -> Result<bool, Unbound> {
        let stored = match *values {
            values if values.is_null(row) => {
                set(statement, index, ValueRef::Null)?;
                return Ok(false);
            }
            Values::Null => {
                set(statement, index, ValueRef::Null)?;
                return Ok(false);
            }
            Values::Number(Numbers::Int(a)) => Stored::Integer(a.value(row)),
            Values::Number(Numbers::Double(a)) => match number::float64(a.value(row), &mut self.scratch) {
                Some(stored) => stored,
                None => return Err(refused("22003", column, "is not a finite number")),
            },
            Values::Number(
                numbers @ (Numbers::Unsigned(_)
                | Numbers::Single(_)
                | Numbers::Decimal(..)
                | Numbers::Digits(_)),
            ) => {
                let short = match numbers {
                    Numbers::Decimal(a, scale) => Stored::short(a.value(row), scale),
                    _ => None,
                };
                match short.or_else(|| Some(Stored::of(&numbers.get(row)?, &mut self.scratch))) {
                    Some(stored) => stored,
                    None => return Err(refused("22003", column, "is not a finite number")),
                }
            }
            Values::Instant(a) => {
                let (micros, rounded) = to_micros(a.value(row), column.nanos_kept);
                if rounded && self.exact {
                    return Err(inexact(column));
                }
                let Some(text) = self.clock.instant(micros) else { return Err(no_year(column)) };
                set(statement, index, text.into())?;
                return Ok(rounded);
            }
            Values::Far(a) => {
                let Some(text) = self.clock.instant(a.value(row)) else { return Err(no_year(column)) };
                set(statement, index, text.into())?;
                return Ok(false);
            }
            Values::Day(a) => {
                let Some(text) = self.clock.day(a.value(row).into()) else { return Err(no_year(column)) };
                set(statement, index, text.into())?;
                return Ok(false);
            }
            Values::Text(a) => {
                self.text(statement, index, column, a.value(row))?;
                return Ok(false);
            }
            Values::Coded(keys, values) => {
                let key = keys.value(row) as usize;
                self.text(statement, index, column, values.value(key))?;
                return Ok(false);
            }
            Values::Bytes(a) => {
                set(statement, index, ValueRef::Blob(a.value(row)))?;
                return Ok(false);
            }
            Values::Clock(_) | Values::Span(_) => {
                return Err(refused("42804", column, "is a time of day or a span, which is stored as text"));
            }
            Values::Bool(a) => {
                set(statement, index, ValueRef::Integer(a.value(row).into()))?;
                return Ok(false);
            }
        };
        let (value, rounded) = fit(stored, column)?;
        if rounded && self.exact {
            return Err(inexact(column));
        }
        set(statement, index, value)?;
        Ok(rounded)
    }
}

impl Binder {
    /// Binds a text, or the bytes that it stands for.
    fn text(
        &mut self,
        statement: &mut Statement<'_>,
        index: usize,
        column: &PlanColumn,
        text: &str,
    ) -> rusqlite::Result<()> {
        match text.strip_prefix("\\x").filter(|digits| column.bytes && digits.len() % 2 == 0) {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0) as u8;
                self.bytes.clear();
                self.bytes.extend(digits.as_bytes().chunks_exact(2).map(|pair| match pair {
                    [high, low] => value(high) << 4 | value(low),
                    _ => 0,
                }));
                set(statement, index, ValueRef::Blob(&self.bytes))
            }
            _ => set(statement, index, text.into()),
        }
    }
}

/// The number as its column holds it, and whether it had to be rounded for that.
fn fit<'a>(stored: Stored<'a>, column: &PlanColumn) -> Result<(ValueRef<'a>, bool), Unbound> {
    Ok(match (column.room, stored) {
        (Room::Any | Room::Numeric | Room::Integer, Stored::Integer(integer)) => {
            (ValueRef::Integer(integer), false)
        }
        (Room::Any | Room::Numeric | Room::Real, Stored::Real(real)) => (ValueRef::Real(real), false),
        (Room::Any | Room::Text, Stored::Text(text)) => (text.into(), false),
        // SQLite writes the number down itself, all digits of it.
        (Room::Text, Stored::Integer(integer)) => (ValueRef::Integer(integer), false),
        (Room::Text, Stored::Real(real)) => (ValueRef::Real(real), false),
        (Room::Real, Stored::Integer(integer)) => {
            let real = integer as f64;
            (ValueRef::Real(real), real as i128 != i128::from(integer))
        }
        (Room::Real | Room::Numeric, Stored::Text(text)) => {
            let real: f64 = text.parse().unwrap_or(f64::NAN);
            if !real.is_finite() || real == 0.0 {
                return Err(refused("22003", column, "is beyond what its column holds, which is doubles"));
            }
            let rounded = Decimal::from_f64(real) != Decimal::parse(text.as_bytes()).ok();
            (ValueRef::Real(real), rounded)
        }
        (Room::Integer, Stored::Real(_) | Stored::Text(_)) => {
            return Err(refused(
                "22003",
                column,
                "is not an integer of 64 bits, and its column holds no other",
            ));
        }
    })
}

fn set(statement: &mut Statement<'_>, index: usize, value: ValueRef<'_>) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))
}

fn refused(code: &'static str, column: &PlanColumn, what: &str) -> Unbound {
    let name = &column.name;
    Unbound::Refused(Reason::new(code, format!("the value for column {name} {what}")).column(name.clone()))
}

fn inexact(column: &PlanColumn) -> Unbound {
    refused("22003", column, &format!("would have to be rounded, which {EXACT} forbids"))
}

fn no_year(column: &PlanColumn) -> Unbound {
    refused("22008", column, "lies outside the years 0 to 9999, beyond which times in SQLite do not sort")
}

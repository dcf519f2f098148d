//! Values of the wire, so that equal ones have equal bytes, and as JSON.

use super::json;
use crate::model::calendar::{write_clock, write_day};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::encode::encoder::EPOCH_SECONDS;
use crate::sink::postgres::encode::hash::write_numeric;
use crate::sink::verify::{Cell, CellReader, RowBuffer};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days from 1970 to 2000.
const EPOCH_DAYS: i64 = EPOCH_SECONDS / 86_400;

/// Reads cells by the types of their columns.
pub(super) struct PgCells {
    pub types: Vec<ColumnType>,
}

impl CellReader for PgCells {
    fn day(&self, cell: &[u8]) -> Option<i64> {
        match *cell {
            [a, b, c, d] => match i32::from_be_bytes([a, b, c, d]) {
                i32::MIN | i32::MAX => None,
                day => Some(i64::from(day) + EPOCH_DAYS),
            },
            _ => match i64::from_be_bytes(cell.try_into().ok()?) {
                i64::MIN | i64::MAX => None,
                micros => Some(micros.div_euclid(DAY) + EPOCH_DAYS),
            },
        }
    }

    fn json(&self, column: usize, cell: Cell<'_>) -> String {
        let Cell::Value(bytes) = cell else { return "null".to_owned() };
        shown(self.types.get(column).copied(), bytes)
    }
}

/// A value, so that equal ones have equal bytes.
pub(super) fn put(type_: Option<ColumnType>, bytes: &[u8], rows: &mut RowBuffer) {
    use ColumnType as T;
    match type_ {
        Some(T::Numeric(limits)) => rows.write(|out| numeric(bytes, limits.map(|(_, scale)| scale), out)),
        Some(T::Timestamp(digits @ 0..6) | T::Timestamptz(digits @ 0..6) | T::Time(digits @ 0..6)) => {
            let micros = i64::from_be_bytes(bytes.try_into().unwrap_or_default());
            rows.push(Cell::Value(&rounded(micros, digits).to_be_bytes()));
        }
        // Whether there is a null among the elements is said by these too.
        Some(T::TextArray | T::VarcharArray(_)) if bytes.len() >= 8 => rows.write(|out| {
            out.extend_from_slice(&bytes[..4]);
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&bytes[8..]);
        }),
        Some(T::Float4) if f32::from_be_bytes(bytes.try_into().unwrap_or_default()) == 0.0 => {
            rows.push(Cell::Value(&[0; 4]));
        }
        Some(T::Float8) if f64::from_be_bytes(bytes.try_into().unwrap_or_default()) == 0.0 => {
            rows.push(Cell::Value(&[0; 8]));
        }
        Some(T::Bpchar(_)) => {
            let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
            rows.push(Cell::Value(bytes.get(..end).unwrap_or_default()));
        }
        Some(T::Jsonb) => {
            let text = bytes.strip_prefix(&[1]).unwrap_or(bytes);
            match json::canonical(text) {
                Some(text) => rows.push(Cell::Value(text.as_bytes())),
                None => rows.push(Cell::Value(text)),
            }
        }
        _ => rows.push(Cell::Value(bytes)),
    }
}

/// A time, rounded as the server does for a column with so many digits of the second.
fn rounded(micros: i64, digits: u8) -> i64 {
    let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
    match micros {
        i64::MIN | i64::MAX => micros,
        0.. => micros.saturating_add(unit / 2) / unit * unit,
        _ => -(micros.saturating_neg().saturating_add(unit / 2) / unit * unit),
    }
}

/// A NUMERIC of the wire without what does not change its value: groups of zeros at its ends, and how many decimals are
/// shown. Where its column has a scale it is rounded to that, half of a unit away from zero, as the server does.
fn numeric(bytes: &[u8], scale: Option<i32>, out: &mut Vec<u8>) {
    let half =
        |at: usize| bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign) = (usize::from(half(0)), half(1) as i16, half(2));
    // Digits of the last groups that are behind the scale.
    let behind = scale.map_or(0, |scale| 4 * (count as i32 - 1 - i32::from(weight)) - scale);
    if behind <= 0 || !matches!(sign, 0 | 0x4000) {
        return trimmed(bytes, out);
    }
    let mut groups: Vec<u16> = std::iter::once(0).chain((0..count).map(|at| half(4 + at))).collect();
    let (whole, digits) = ((behind / 4) as usize, (behind % 4) as u32);
    // What is cut off is more than half of a unit by its first digit alone.
    let (at, unit) = match digits {
        0 => (groups.len().saturating_sub(whole), 10_000),
        digits => (groups.len().saturating_sub(whole + 1), 10_u16.pow(digits)),
    };
    let up = match (digits, at) {
        (_, 0) if whole >= groups.len() => false,
        (0, at) => groups.get(at).is_some_and(|group| *group >= 5_000),
        (_, at) => groups.get(at).is_some_and(|group| group % unit >= unit / 2),
    };
    if digits == 0 {
        groups.truncate(at);
    } else {
        groups.truncate(at + 1);
        if let Some(last) = groups.last_mut() {
            *last -= *last % unit;
        }
    }
    if up {
        let mut carry = if digits == 0 { 1 } else { unit };
        for group in groups.iter_mut().rev() {
            *group += carry;
            carry = *group / 10_000;
            *group %= 10_000;
            if carry == 0 {
                break;
            }
        }
    }
    let mut wire = Vec::with_capacity(8 + 2 * groups.len());
    for value in [groups.len() as u16, weight.wrapping_add(1) as u16, sign, 0].into_iter().chain(groups) {
        wire.extend_from_slice(&value.to_be_bytes());
    }
    trimmed(&wire, out);
}

/// The same, as it is.
fn trimmed(bytes: &[u8], out: &mut Vec<u8>) {
    let half =
        |at: usize| bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign) = (usize::from(half(0)), half(1) as i16, half(2));
    let (mut first, mut last) = (0, count);
    while last > first && half(4 + last - 1) == 0 {
        last -= 1;
    }
    while first < last && half(4 + first) == 0 {
        first += 1;
    }
    let finite = matches!(sign, 0 | 0x4000);
    let (weight, sign) = match (finite, first == last) {
        (true, true) => (0, 0),
        (true, false) => (weight.wrapping_sub(first as i16), sign),
        (false, _) => (0, sign),
    };
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(bytes.get(8 + 2 * first..8 + 2 * last).unwrap_or_default());
}

/// A cell as JSON.
fn shown(type_: Option<ColumnType>, bytes: &[u8]) -> String {
    use ColumnType as T;
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let wide = || i64::from_be_bytes(bytes.try_into().unwrap_or_default());
    match type_ {
        Some(T::Bool) => (bytes == [1]).to_string(),
        Some(T::Int2) => i16::from_be_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        Some(T::Int4) => i32::from_be_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        Some(T::Int8) => wide().to_string(),
        Some(T::Float4) => match f32::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            number if number.is_finite() => number.to_string(),
            other => text(infinite(other.into())),
        },
        Some(T::Float8) => match f64::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            number if number.is_finite() => number.to_string(),
            other => text(infinite(other)),
        },
        Some(T::Numeric(_)) => {
            // As on the wire again: so many groups, and the decimals that they have.
            let half = |at: usize| {
                bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
            };
            let groups = (bytes.len().saturating_sub(4) / 2) as u16;
            let (weight, last) = (i32::from(half(0) as i16), half(1 + usize::from(groups)));
            let spare = [1_000, 100, 10].iter().filter(|unit| last % **unit == 0).count() as i32;
            let decimals = match i32::from(groups) - 1 - weight {
                behind if groups > 0 && behind > 0 => 4 * behind - spare,
                _ => 0,
            };
            let mut wire = Vec::with_capacity(bytes.len() + 4);
            wire.extend_from_slice(&groups.to_be_bytes());
            wire.extend_from_slice(bytes.get(..4).unwrap_or_default());
            wire.extend_from_slice(&(decimals as u16).to_be_bytes());
            wire.extend_from_slice(bytes.get(4..).unwrap_or_default());
            let mut out = Vec::new();
            match write_numeric(&wire, None, &mut out) {
                true => String::from_utf8_lossy(&out).into_owned(),
                // As the wire says it.
                false => text(match half(1) {
                    0xD000 => "Infinity",
                    0xF000 => "-Infinity",
                    _ => "NaN",
                }),
            }
        }
        Some(T::Uuid) => text(&uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string()),
        Some(T::Date) => match i32::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            i32::MAX => text("infinity"),
            i32::MIN => text("-infinity"),
            day => {
                let mut out = String::new();
                write_day(i64::from(day) + EPOCH_DAYS, &mut out);
                text(&out)
            }
        },
        Some(T::Timestamp(_) | T::Timestamptz(_)) => match wide() {
            i64::MAX => text("infinity"),
            i64::MIN => text("-infinity"),
            micros => {
                // The last times of the server lie beyond those that are counted from 1970.
                let (day, rest) = (micros.div_euclid(DAY) + EPOCH_DAYS, micros.rem_euclid(DAY));
                let mut out = String::new();
                write_day(day, &mut out);
                out.push('T');
                write_clock(rest, 1_000_000, &mut out);
                out.push('Z');
                text(&out)
            }
        },
        Some(T::Time(_)) => {
            let mut out = String::new();
            write_clock(wide(), 1_000_000, &mut out);
            text(&out)
        }
        Some(T::TextArray | T::VarcharArray(_)) => {
            text_list(bytes).unwrap_or_else(|| text("(several dimensions)"))
        }
        Some(T::Jsonb | T::Json) => String::from_utf8_lossy(bytes).into_owned(),
        _ => text(&String::from_utf8_lossy(bytes)),
    }
}

/// What is no number, as the server writes it.
fn infinite(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// An array of texts on the wire, as JSON; none where it has several dimensions.
fn text_list(bytes: &[u8]) -> Option<String> {
    let number = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = match number(0)? {
        0 => return Some("[]".to_owned()),
        1 => number(12)?,
        _ => return None,
    };
    let (mut at, mut elements) = (20, Vec::new());
    for _ in 0..count {
        let len = usize::try_from(number(at)?).ok();
        at += 4;
        elements.push(match len {
            Some(len) => {
                let text = String::from_utf8_lossy(bytes.get(at..at + len)?);
                at += len;
                serde_json::Value::from(text)
            }
            None => serde_json::Value::Null,
        });
    }
    Some(serde_json::Value::from(elements).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the server sends it: the digits in groups of four.
    fn wire(text: &str) -> Vec<u8> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let decimals = format!("{decimals}{}", "0".repeat((4 - decimals.len() % 4) % 4));
        let weight = (whole.len() / 4) as i16 - 1;
        let digits = whole + &decimals;
        let groups = digits
            .as_bytes()
            .chunks(4)
            .map(|four| std::str::from_utf8(four).unwrap().parse::<u16>().unwrap());
        let groups: Vec<u16> = groups.collect();
        let head =
            [groups.len() as u16, weight as u16, if negative { 0x4000 } else { 0 }, decimals.len() as u16];
        head.into_iter().chain(groups).flat_map(u16::to_be_bytes).collect()
    }

    fn shown_as(text: &str, scale: Option<i32>) -> String {
        let mut cell = Vec::new();
        numeric(&wire(text), scale, &mut cell);
        shown(Some(ColumnType::Numeric(None)), &cell)
    }

    #[test]
    fn numbers_are_shown_as_they_are() {
        for (text, expected) in [
            ("0.00012", "0.00012"),
            ("1000000", "1000000"),
            ("12345678.90123456789", "12345678.90123456789"),
            ("-0.5", "-0.5"),
            ("1.50", "1.5"),
            ("0.000", "0"),
            ("100000000", "100000000"),
            ("0.00000001", "0.00000001"),
            ("9999.9999", "9999.9999"),
            ("10000.0001", "10000.0001"),
        ] {
            assert_eq!(shown_as(text, None), expected);
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_scale_of_their_column_as_the_server_does() {
        for (text, scale, expected) in [
            ("1.23456", 4, "1.2346"),
            ("1.23454", 4, "1.2345"),
            ("-1.23455", 4, "-1.2346"),
            ("9999.99995", 4, "10000"),
            ("0.5", 0, "1"),
            ("0.4999", 0, "0"),
            ("1.5", 0, "2"),
            ("12345.678", 2, "12345.68"),
            ("0.00004", 4, "0"),
            ("0.00005", 4, "0.0001"),
            ("99999999.995", 2, "100000000"),
            ("15", -1, "20"),
            ("14", -1, "10"),
            ("12345678", -4, "12350000"),
            ("0.000000004", 8, "0"),
            ("0.000000005", 8, "0.00000001"),
            ("1.2", 8, "1.2"),
            ("4", -1, "0"),
            ("49999", -5, "0"),
            ("50000", -5, "100000"),
        ] {
            assert_eq!(shown_as(text, Some(scale)), expected, "{text} to {scale}");
        }
    }

    #[test]
    fn times_are_rounded_to_the_digits_of_their_column() {
        for (micros, digits, expected) in [
            (1_500, 3, 2_000),
            (1_499, 3, 1_000),
            (-1_500, 3, -2_000),
            (499_999, 0, 0),
            (i64::MAX, 0, i64::MAX),
        ] {
            assert_eq!(rounded(micros, digits), expected);
        }
    }

    #[test]
    fn times_are_shown_however_far_they_are() {
        let date = |day: i32| shown(Some(ColumnType::Date), &day.to_be_bytes());
        assert_eq!((date(0), date(-1)), ("\"2000-01-01\"".into(), "\"1999-12-31\"".into()));
        assert_eq!(date(2_145_031_948), "\"+5874897-12-31\"");
        assert_eq!((date(i32::MAX), date(i32::MIN)), ("\"infinity\"".into(), "\"-infinity\"".into()));
        let time = |micros: i64| shown(Some(ColumnType::Timestamptz(6)), &micros.to_be_bytes());
        assert_eq!(time(1), "\"2000-01-01T00:00:00.000001Z\"");
        assert_eq!(time(9_223_371_331_199_999_999), "\"+294276-12-31T23:59:59.999999Z\"");
        assert_eq!((time(i64::MAX), time(i64::MIN)), ("\"infinity\"".into(), "\"-infinity\"".into()));
        let clock = |micros: i64| shown(Some(ColumnType::Time(6)), &micros.to_be_bytes());
        assert_eq!((clock(DAY), clock(34_200_250_000)), ("\"24:00:00\"".into(), "\"09:30:00.250\"".into()));
        let day = |cell: &[u8]| PgCells { types: Vec::new() }.day(cell);
        assert_eq!(day(&2_145_031_948_i32.to_be_bytes()), Some(2_145_042_905));
        assert_eq!(day(&9_223_371_331_199_999_999_i64.to_be_bytes()), Some(106_762_939));
        assert_eq!((day(&i64::MAX.to_be_bytes()), day(&i32::MIN.to_be_bytes())), (None, None));
    }
}

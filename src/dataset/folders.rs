//! Columns from the names of folders, as Hive, Spark and their kin partition tables: `symbol=AAPL/date=2024-01-02/`.

use crate::dataset::mapping::{MapOptions, flag_of, target_of};
use crate::dataset::names::plain;
use crate::dataset::{Dataset, Kind, Target, timeframe};
use crate::error::{Error, Result};
use crate::text::flags::FORCE_SET;

/// What stands for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Adds what the folders of a file tell of the table's columns, where nothing else has told it: neither a flag
/// nor the name of the file. A column of the input takes precedence.
///
/// A date is the day of times of day; it is the time itself of bars that span days and have no other.
///
/// `same` tells whether two texts are one value in a column.
///
/// # Errors
/// Usage, where a flag says another value than a folder.
pub(super) fn add(
    options: &mut MapOptions,
    source: &str,
    (dataset, target): (&Dataset, &Target),
    same: &dyn Fn(&str, [&str; 2]) -> bool,
) -> Result<()> {
    let Some((folders, _)) = source.rsplit_once('/') else { return Ok(()) };
    let mut day = None;
    let mut parts: [Option<String>; 3] = Default::default();
    for folder in folders.split('/') {
        let Some((key, value)) = folder.split_once('=') else { continue };
        let (key, value) = (decoded(key), decoded(value));
        if key.is_empty() || value.is_empty() {
            continue;
        }
        let name = target_of(&key, dataset, target).ok();
        let known = name.and_then(|name| target.column(&name).map(|column| (name, column.kind)));
        match known {
            // The day of a file is no time of its rows.
            Some((name, kind)) if kind != Kind::Timestamp || name == key => match value == NULL {
                false if let Some(flag) = contradicting(options, &name, &value, same) => {
                    return Err(Error::usage(format!(
                        "{source}: {flag}, and the folder {folder:?} says otherwise; leave the flag out to take {name} from the names of the folders, or add {FORCE_SET} to give every row that one value"
                    )));
                }
                true => {
                    options.folders.push(name.clone());
                    options.nulls.push(name);
                }
                false => tell(options, &name, value),
            },
            _ if value == NULL => {}
            _ if is_date(&value) => day = Some(value),
            _ => {
                let place = ["year", "month", "day"].iter().position(|part| plain(&key) == *part);
                if let Some(part) = place.and_then(|place| parts.get_mut(place)) {
                    *part = Some(value);
                }
            }
        }
    }
    if let ([Some(year), Some(month), Some(date)], None) = (&parts, &day) {
        let joined = format!("{year}-{month:0>2}-{date:0>2}");
        day = Some(joined).filter(|joined| is_date(joined));
    }
    let Some(day) = day else { return Ok(()) };
    let of_days = dataset.columns.iter().filter(|column| column.kind == Kind::Timeframe).any(|column| {
        let said = |told: &[(String, String)]| {
            told.iter().any(|(name, value)| **name == *column.name && timeframe::is_of_days(value))
        };
        said(&options.sets) || said(&options.from_name)
    });
    if let Some(time) = dataset.time.as_deref().filter(|_| of_days) {
        tell(options, time, day.clone());
    }
    if options.day.is_none() {
        options.day = Some(day);
    }
    Ok(())
}

/// The flag that gives a column another value than that.
fn contradicting(
    options: &MapOptions,
    name: &str,
    value: &str,
    same: &dyn Fn(&str, [&str; 2]) -> bool,
) -> Option<String> {
    let (_, set) = options.sets.iter().find(|(known, _)| known == name)?;
    let told = !options.force_set && !same(name, [set, value]);
    told.then(|| flag_of(name, set))
}

fn tell(options: &mut MapOptions, name: &str, value: String) {
    // A tenant that `--tenant` has told already is told once more, so that rows of another one are refused.
    let named = options.from_name.iter().filter(|(known, _)| known != "tenant_id");
    if named.chain(&options.sets).all(|(known, _)| known != name) {
        options.from_name.push((name.to_owned(), value));
        options.folders.push(name.to_owned());
    }
}

/// Whether it is a day: `2024-01-02` or `20240102`.
fn is_date(text: &str) -> bool {
    let digits: String = match text.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => text.split('-').collect(),
        _ => text.to_owned(),
    };
    digits.len() == 8
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.get(..4).is_some_and(|year| ("1800".."2300").contains(&year))
        && digits.get(4..6).is_some_and(|month| ("01"..="12").contains(&month))
        && digits.get(6..).is_some_and(|day| ("01"..="31").contains(&day))
}

/// The text with `%2F` and the like undone, as writers escape what a folder cannot be called; as it is where
/// that gives no text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = behind.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{BARS, KeyPrecision, TargetColumn};

    fn table() -> Target {
        let column = |column: &crate::dataset::Column| TargetColumn {
            name: column.name.to_string(),
            kind: column.kind,
            type_name: "text".into(),
            nullable: true,
            has_default: false,
            constant_default: false,
            grain: KeyPrecision::Exact,
        };
        Target { columns: BARS.columns.iter().map(column).collect(), ..Target::default() }
    }

    fn told(source: &str, sets: &[(&str, &str)]) -> String {
        let sets = sets.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut options = MapOptions { sets, force_set: true, ..MapOptions::default() };
        add(&mut options, source, (&BARS, &table()), &|_, [one, other]| one == other).unwrap();
        let mut all: Vec<String> =
            options.from_name.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.extend(options.nulls.iter().map(|name| format!("{name} null")));
        all.extend(options.day.map(|day| format!("day {day}")));
        all.join(", ")
    }

    #[test]
    fn folders_tell_columns() {
        for (source, wanted) in [
            ("h/symbol=AAPL/date=2024-01-02/x.csv", "symbol=AAPL, day 2024-01-02"),
            ("h/ticker=BRK%2FB/timeframe=1m/x.csv", "symbol=BRK/B, timeframe=1m"),
            ("symbol=50%/x", "symbol=50%"),
            ("symbol=__HIVE_DEFAULT_PARTITION__/x.csv", "symbol null"),
            ("ticker=%5F_HIVE_DEFAULT_PARTITION__/date=__HIVE_DEFAULT_PARTITION__/x.csv", "symbol null"),
            ("symbol=/=x/nothing=1/x.csv", ""),
            ("year=2024/month=1/day=02/x.csv", "day 2024-01-02"),
            ("dt=20240102/x.csv", "day 20240102"),
            ("date=today/symbol=A", ""),
            ("symbol=A", ""),
        ] {
            assert_eq!(told(source, &[]), wanted, "{source}");
        }
        let daily = told("symbol=A/date=2024-01-02/x.csv", &[("timeframe", "1d"), ("symbol", "B")]);
        assert_eq!(daily, "ts=2024-01-02, day 2024-01-02");
    }
}

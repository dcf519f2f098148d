//! Whether fields look like the names of columns or like values, and which values they may be.

use std::cmp::Ordering;

use crate::dataset::{ALL, describe};
use crate::text::flags::MAP;

/// Whether a dataset has a column of that name, however it is spelt.
pub fn is_known(name: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
    }
    let is = |known: &str| letters(known).eq(letters(name));
    // Names without a letter are nobody's.
    name.chars().any(char::is_alphabetic)
        && ALL
            .iter()
            .flat_map(|dataset| dataset.columns.iter())
            .any(|column| is(&column.name) || column.synonyms.iter().any(|synonym| is(synonym)))
}

/// How many of the names are known.
pub fn known(names: &[&str]) -> usize {
    names.iter().filter(|name| is_known(name)).count()
}

/// A number, in the form that most files have; not the words for what is not a number.
pub fn as_number(field: &str) -> Option<f64> {
    let field = field.trim();
    let begins = field.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit());
    begins.then(|| field.parse().ok()).flatten()
}

/// Whether it is a number or a time.
pub fn is_value(field: &str) -> bool {
    let field = field.trim();
    let digits = field.bytes().filter(u8::is_ascii_digit).count();
    let letters = field.chars().filter(|c| c.is_alphabetic()).count();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-/:., '%".contains(c);
    as_number(field).is_some()
        || digits > 0 && letters == 0 && field.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c))
            && field.chars().all(plain)
        // 2024-01-02T09:30:00Z, 02-Jan-2024
        || field.starts_with(|c: char| c.is_ascii_digit()) && digits >= 5 && letters <= 5 && field.chars().all(plain)
}

/// Whether the first line of a file holds values and no names: at least half of it are numbers and
/// times, and none is the name of anything. A single letter is not a name there: it may be a symbol.
pub fn is_data(fields: &[&str]) -> bool {
    let filled = fields.iter().filter(|field| !field.trim().is_empty()).count();
    let values = fields.iter().filter(|field| is_value(field)).count();
    values > 0
        && 2 * values >= filled
        && (values > 1 || filled == 1)
        && !fields.iter().any(|field| field.trim().len() > 1 && is_known(field))
        && !is_count(fields)
}

/// Whether the fields count on, 0, 1, 2 or 1, 2, 3: names that a program gave to columns without any.
fn is_count(fields: &[&str]) -> bool {
    [0, 1].into_iter().any(|from| {
        fields.len() > 1 && fields.iter().enumerate().all(|(i, field)| field.trim() == (from + i).to_string())
    })
}

/// Whether it is a time of day without its day: `09:30`.
pub fn is_clock(field: &str) -> bool {
    let mut parts = field.trim().split(':');
    let whole = |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(whole) && parts.next().is_some_and(whole)
}

/// The flags that load rows of bars whose columns have no names, where the rows leave no doubt about
/// them: a time, then four prices of which one is always the highest and one the lowest, then a volume.
pub fn bars_by_number(rows: &[Vec<&str>]) -> Option<String> {
    let first = rows.first()?;
    let number = |row: &[&str], at: usize| row.get(at).and_then(|field| as_number(field));
    let is_time = |field: &str| match as_number(field) {
        Some(number) => number.fract() == 0.0 && number.abs() >= 1e7,
        None => is_value(field) && field.trim().len() >= 8,
    };
    let time = first.iter().position(|field| is_time(field))?;
    let clock = first.get(time + 1).is_some_and(|field| is_clock(field));
    let from = time + 1 + usize::from(clock);
    let mut order: Option<[usize; 2]> = None;
    for row in rows {
        let prices: Vec<f64> = (from..from + 4).filter_map(|at| number(row, at)).collect();
        let [_, _, _, _] = prices[..] else { return None };
        if !is_time(row.get(time)?) {
            return None;
        }
        let place = |wanted: Ordering| {
            let best = prices
                .iter()
                .copied()
                .reduce(|a, b| if b.partial_cmp(&a) == Some(wanted) { b } else { a })?;
            let mut at = (0..4).filter(|i| prices.get(*i) == Some(&best));
            // Where several prices are equal the row tells nothing.
            Some((at.next()?, at.next().is_none()))
        };
        let ((high, high_alone), (low, low_alone)) = (place(Ordering::Greater)?, place(Ordering::Less)?);
        // Prices of one interval are close to one another; a volume among them is not.
        let (most, least) = (*prices.get(high)?, *prices.get(low)?);
        if least <= 0.0 || most > 2.0 * least {
            return None;
        }
        if !(high_alone && low_alone) {
            continue;
        }
        if *order.get_or_insert([high, low]) != [high, low] {
            return None;
        }
    }
    let [high, low] = order?;
    let mut others = (0..4).filter(|i| *i != high && *i != low);
    let (open, close) = (others.next()?, others.next()?);
    let mut flags = format!("{MAP} ts={}", time + 1);
    if clock {
        flags.push_str(&format!("+{}", time + 2));
    }
    for (name, at) in [("open_price", open), ("high_price", high), ("low_price", low), ("close_price", close)]
    {
        flags.push_str(&format!(" {MAP} {name}={}", from + at + 1));
    }
    if rows.iter().all(|row| number(row, from + 4).is_some()) {
        flags.push_str(&format!(" {MAP} volume={}", from + 5));
    }
    Some(flags)
}

/// The flags that give columns the names that stand `shift` columns before them, as far as a dataset
/// has such columns.
pub fn by_number(names: &[&str], shift: usize) -> String {
    let has = |column: &describe::Column, name: &str| {
        let is = |known: &str| known.eq_ignore_ascii_case(name.trim());
        is(&column.name) || column.synonyms.iter().any(|synonym| is(synonym))
    };
    let place = |column: &describe::Column| names.iter().position(|name| has(column, name));
    let found = |dataset: &&describe::Dataset| dataset.columns.iter().filter(|c| place(c).is_some()).count();
    let Some(dataset) = ALL.iter().max_by_key(found) else { return String::new() };
    let flags = dataset
        .columns
        .iter()
        .filter_map(|column| place(column).map(|at| format!(" {MAP} {}={}", column.name, at + shift + 1)));
    flags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_told_apart() {
        for line in [
            "1698364800000,34151.66,34171.28,33972.39",
            "AAPL,2024-01-02,1,2,3,4,100",
            "20240102 170000;1.1;1.2".replace(';', ",").as_str(),
            "02-Jan-2024,1,,3",
            "1700000000",
            "T,1704153600000,1,2",
        ] {
            assert!(is_data(&line.split(',').collect::<Vec<_>>()), "{line}");
        }
        for line in [
            "date,2020,2021,2022",
            "0,1,2,3",
            "1,2,3",
            "ts,open",
            "a,b",
            "",
            "x,5",
            "NaN,inf",
            "Volume BTC,1d",
        ] {
            assert!(!is_data(&line.split(',').collect::<Vec<_>>()), "{line}");
        }
    }

    #[test]
    fn prices_are_told_by_their_order_or_not_at_all() {
        let rows = |text: &'static str| -> Vec<Vec<&str>> {
            text.lines().map(|line| line.split(',').collect()).collect()
        };
        assert_eq!(
            bars_by_number(&rows("1698364800000,22,24,21,23,9,x\n1698368400000,25,27,24,26,8,x")).as_deref(),
            Some(
                "--map ts=1 --map open_price=2 --map high_price=3 --map low_price=4 --map close_price=5 --map volume=6"
            )
        );
        assert_eq!(
            bars_by_number(&rows("A,2024-01-02,22,23,21,24\nA,2024-01-03,22,23,21,24")).as_deref(),
            Some("--map ts=2 --map open_price=3 --map high_price=6 --map low_price=5 --map close_price=4")
        );
        assert_eq!(
            bars_by_number(&rows("2024.01.02,00:00,22,24,21,23\n2024.01.02,00:01:00,22,24,21,23")).as_deref(),
            Some("--map ts=1+2 --map open_price=3 --map high_price=4 --map low_price=5 --map close_price=6")
        );
        for unclear in [
            "1698364800000,22,24,21,23\n1698364800000,22,21,24,23",
            "1698364800000,9000,22,24,21,23",
            "1698364800000,2,2,2,2",
            "x,1,2,3,4",
            "1698364800000,1,2",
        ] {
            assert_eq!(bars_by_number(&rows(unclear)), None, "{unclear}");
        }
    }
}

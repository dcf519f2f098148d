//! Whether fields look like the names of columns or like values, and which values they may be.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::dataset::{ALL, Column, describe};
use crate::text::flags::MAP;

/// The letters and digits of a name, in small letters.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names of all columns, and their synonyms.
static KNOWN: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let columns = ALL.iter().flat_map(|dataset| dataset.columns.iter());
    let named = |column: &Column| {
        let names = std::iter::once(&*column.name).chain(column.synonyms.iter().map(|synonym| &**synonym));
        names.map(letters).collect::<Vec<_>>()
    };
    columns.flat_map(named).collect()
});

/// Whether a dataset has a column of that name, however it is spelt.
pub fn is_known(name: &str) -> bool {
    // Names without a letter are nobody's.
    name.chars().any(char::is_alphabetic) && KNOWN.contains(&letters(name))
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

/// What rows are whose columns have no names, by the looks of their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByLooks {
    /// The dataset.
    pub dataset: &'static str,
    /// Columns of it, and the places of theirs in a row, from 0; the time may have two.
    places: Vec<(&'static str, usize)>,
}

impl ByLooks {
    /// What rows of bars, trades or quotes are, where their first ones leave no doubt about it.
    pub fn of(rows: &[Vec<&str>]) -> Option<Self> {
        bars(rows).or_else(|| quotes(rows)).or_else(|| trades(rows))
    }

    /// The flags that map their columns by number.
    pub fn flags(&self) -> String {
        let mut flags: Vec<String> = Vec::new();
        for (name, at) in &self.places {
            match flags.last_mut().filter(|_| *name == CLOCK) {
                Some(time) => time.push_str(&format!("+{}", at + 1)),
                None => flags.push(format!("{MAP} {name}={}", at + 1)),
            }
        }
        flags.join(" ")
    }

    /// The names of that many columns in their order, for a flag; a column that means nothing is called by its number.
    /// Nothing where two of them are one.
    pub fn names(&self, width: usize) -> Option<String> {
        let name = |at: usize| self.places.iter().find(|(_, place)| *place == at).map(|(name, _)| *name);
        let names: Vec<String> =
            (0..width).map(|at| name(at).map_or((at + 1).to_string(), str::to_owned)).collect();
        (!names.iter().any(|name| name == CLOCK)).then(|| names.join(","))
    }
}

/// The column with the time of day behind that of the day.
const CLOCK: &str = "time of day";

/// A time with its day: digits alone or in a form, of the length of a day at least.
fn is_time(field: &str) -> bool {
    match as_number(field) {
        Some(number) => number.fract() == 0.0 && number.abs() >= 1e7,
        None => is_value(field) && field.trim().len() >= 8,
    }
}

/// The numbers of a row from a place on, so many of them.
fn numbers<const N: usize>(row: &[&str], from: usize) -> Option<[f64; N]> {
    let fields = row.get(from..from + N)?;
    let all: Vec<f64> = fields.iter().filter_map(|field| as_number(field)).collect();
    all.try_into().ok()
}

/// A time, then four prices of which one is always the highest and one the lowest, then a volume.
fn bars(rows: &[Vec<&str>]) -> Option<ByLooks> {
    let first = rows.first()?;
    let time = first.iter().position(|field| is_time(field))?;
    let clock = first.get(time + 1).is_some_and(|field| is_clock(field));
    let from = time + 1 + usize::from(clock);
    let (mut highest, mut lowest) = ([true; 4], [true; 4]);
    // The prices of another side behind the first: both are of quotes.
    let mut sides = true;
    for row in rows {
        let prices: [f64; 4] = numbers(row, from)?;
        if !is_time(row.get(time)?) {
            return None;
        }
        let most = prices.iter().copied().fold(f64::MIN, f64::max);
        let least = prices.iter().copied().fold(f64::MAX, f64::min);
        // Prices of one interval are close to one another; a volume among them is not.
        if least <= 0.0 || most > 2.0 * least {
            return None;
        }
        for (at, price) in prices.iter().enumerate() {
            highest[at] &= *price == most;
            lowest[at] &= *price == least;
        }
        let near = |price: &f64| *price > 0.5 * least && *price < 2.0 * most;
        sides &= (from + 4..=from + 5)
            .any(|from| numbers::<4>(row, from).is_some_and(|prices| prices.iter().all(near)));
    }
    let alone = |all: [bool; 4]| match all.iter().filter(|is| **is).count() {
        1 => all.iter().position(|is| *is),
        _ => None,
    };
    let (high, low) = (alone(highest)?, alone(lowest)?);
    let mut others = (0..4).filter(|i| *i != high && *i != low);
    let (open, close) = (others.next()?, others.next()?);
    let mut places = vec![("ts", time)];
    places.extend(clock.then_some((CLOCK, time + 1)));
    for (name, at) in [("open_price", open), ("high_price", high), ("low_price", low), ("close_price", close)]
    {
        places.push((name, from + at));
    }
    if rows.iter().all(|row| numbers::<1>(row, from + 4).is_some()) {
        places.push(("volume", from + 4));
    }
    (!sides).then_some(ByLooks { dataset: "bars", places })
}

/// How much more than the bid an ask may be, as a part of it.
const WIDEST: f64 = 0.05;

/// A time, then a bid and an ask that is a little more, and at most one column behind.
fn quotes(rows: &[Vec<&str>]) -> Option<ByLooks> {
    let mut apart = false;
    for row in rows {
        let [bid, ask] = numbers(row, 1)?;
        let near = bid > 0.0 && ask >= bid && ask <= bid * (1.0 + WIDEST);
        if !is_time(row.first()?) || !(3..=4).contains(&row.len()) || !near {
            return None;
        }
        apart |= ask > bid;
    }
    let places = vec![("ts", 0), ("bid", 1), ("ask", 2)];
    (apart && rows.len() > 1).then_some(ByLooks { dataset: "quotes", places })
}

/// A time, then a price that moves little, and a size that does not go with it.
fn trades(rows: &[Vec<&str>]) -> Option<ByLooks> {
    let (mut least, mut most, mut alike) = (f64::MAX, f64::MIN, true);
    for row in rows {
        let [price, size] = numbers(row, 1)?;
        if !is_time(row.first()?) || row.len() != 3 || price <= 0.0 || size <= 0.0 {
            return None;
        }
        (least, most) = (least.min(price), most.max(price));
        alike &= (size - price).abs() <= price * WIDEST;
    }
    let places = vec![("ts", 0), ("price", 1), ("size", 2)];
    (rows.len() > 1 && most <= 2.0 * least && !alike).then_some(ByLooks { dataset: "ticks", places })
}

/// The flags that give columns the names that stand `shift` columns before them, as far as a dataset
/// has such columns. `row` is the first one behind the names: a day in its first column and a time of day in the second
/// are one time.
pub fn by_number(names: &[&str], shift: usize, row: &[&str]) -> String {
    let clock = shift == 1
        && row.first().is_some_and(|day| {
            is_value(day) && !is_clock(day) && as_number(day).is_none_or(|day| day >= 1e7)
        })
        && row.get(1).is_some_and(|clock| is_clock(clock));
    let has = |column: &describe::Column, name: &str| {
        let is = |known: &str| known.eq_ignore_ascii_case(name.trim());
        is(&column.name) || column.synonyms.iter().any(|synonym| is(synonym))
    };
    let place = |column: &describe::Column| names.iter().position(|name| has(column, name));
    let found = |dataset: &&describe::Dataset| dataset.columns.iter().filter(|c| place(c).is_some()).count();
    let Some(dataset) = ALL.iter().max_by_key(found) else { return String::new() };
    let flags = dataset.columns.iter().filter_map(|column| place(column).map(|at| (&column.name, at))).map(
        |(name, at)| match clock && at == 0 {
            true => format!(" {MAP} {name}=1+2"),
            false => format!(" {MAP} {name}={}", at + shift + 1),
        },
    );
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
    fn columns_are_told_by_their_values_or_not_at_all() {
        let looks = |text: &'static str| {
            let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
            ByLooks::of(&rows).map(|looks| {
                let names = looks.names(rows[0].len());
                (looks.dataset, looks.flags().replace("--map ", ""), names.unwrap_or_default())
            })
        };
        let bars = "open_price,high_price,low_price,close_price";
        for (text, dataset, flags, names) in [
            (
                "1698364800000,22,24,21,23,9,x\n1698368400000,25,27,24,26,8,x",
                "bars",
                "ts=1 open_price=2 high_price=3 low_price=4 close_price=5 volume=6",
                &*format!("ts,{bars},volume,7"),
            ),
            (
                "A,2024-01-02,22,23,21,24\nA,2024-01-03,22,23,21,24",
                "bars",
                "ts=2 open_price=3 high_price=6 low_price=5 close_price=4",
                "1,ts,open_price,close_price,low_price,high_price",
            ),
            (
                "2024.01.02,00:00,22,24,21,23\n2024.01.02,00:01:00,22,24,21,23",
                "bars",
                "ts=1+2 open_price=3 high_price=4 low_price=5 close_price=6",
                "",
            ),
            // What one row leaves open another one settles.
            (
                "20240102 090100,22,24,22,23\n20240102 090200,22,22,22,22\n20240102 090300,22,22,21,22",
                "bars",
                "ts=1 open_price=2 high_price=3 low_price=4 close_price=5",
                &*format!("ts,{bars}"),
            ),
            ("1672531436,90.5,1.1\n1672531471,90.4,1", "ticks", "ts=1 price=2 size=3", "ts,price,size"),
            (
                "20200101 170000065,1.1212,1.1217,0\n20200101 170001065,1.1213,1.1213,0",
                "quotes",
                "ts=1 bid=2 ask=3",
                "ts,bid,ask,4",
            ),
        ] {
            assert_eq!(looks(text), Some((dataset, flags.to_owned(), names.to_owned())), "{text}");
        }
        for unclear in [
            "1698364800000,22,24,21,23\n1698364800000,22,21,24,23",
            "1698364800000,9000,22,24,21,23",
            "1698364800000,2,2,2,2",
            "x,1,2,3,4",
            "1698364800000,1,2",
            // Rates are no trades, and two sides are no bars.
            "1609200000000,0.0002,0\n1609200000001,0.0004,1",
            "1698364800000,22,24,21,23,9,22.1,24.1,21.1,23.1,8\n1698368400000,25,27,24,26,8,25,27,24,26,1",
        ] {
            assert_eq!(looks(unclear), None, "{unclear}");
        }
        assert_eq!(
            by_number(&["Date", "Open"], 1, &["2006-01-02", "09:01:00", "1"]),
            " --map ts=1+2 --map open_price=3"
        );
        assert_eq!(
            by_number(&["Date", "Open"], 1, &["0", "2006-01-02", "1"]),
            " --map ts=2 --map open_price=3"
        );
    }
}

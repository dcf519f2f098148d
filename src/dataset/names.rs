//! Names of columns, compared as people read them.
//!
//! `Open Price`, `open-price` and `<OPEN>` are `open_price` and `open`; `Adj Close` is no `close`. The
//! streams of exchanges have `T` and `t`, `L` and `l` for different things, and each exchange others: where one-letter
//! names come in both cases, only the same case counts, and a letter that is there in both means nothing.

use crate::dataset::describe::Column;
use crate::dataset::known::rare_names;

/// A name without case, blanks and punctuation, and without a number before it as in `4. close`.
pub fn plain(name: &str) -> String {
    let number = name.trim_start().split_once(". ").filter(|(number, _)| {
        (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let name = number.map_or(name, |(_, name)| name);
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names of an input's columns.
pub struct Names<'a> {
    /// As they stand there, without blanks around them.
    pub all: Vec<&'a str>,
    plain: Vec<String>,
    /// Whether one-letter names come in both cases.
    both_cases: bool,
}

impl<'a> Names<'a> {
    /// Of those columns, in their order.
    pub fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let all: Vec<&str> = names.map(str::trim).collect();
        let one = |upper: bool| {
            let of_case = |c: char| if upper { c.is_ascii_uppercase() } else { c.is_ascii_lowercase() };
            all.iter().any(|name| name.len() == 1 && name.chars().all(of_case))
        };
        let both_cases = one(true) && one(false);
        let plain = all.iter().map(|name| plain(name)).collect();
        Self { all, plain, both_cases }
    }

    /// Whether it is a letter that stands there in the other case too, so that neither tells what it means.
    pub fn is_in_both_cases(&self, index: usize) -> bool {
        let Some(name) = self.all.get(index) else { return false };
        let other = |name: &&str| match name.as_bytes() {
            [letter] if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
            [letter] => letter.to_ascii_uppercase(),
            _ => 0,
        };
        name.len() == 1 && self.all.iter().any(|known| known.as_bytes() == [other(name)] && known != name)
    }

    /// What is to be said of letters that are there in both cases; nothing where there are none.
    pub fn letters_in_both_cases(&self) -> Option<String> {
        let small = |index: &usize| {
            self.is_in_both_cases(*index) && self.all[*index].bytes().all(|b| b.is_ascii_lowercase())
        };
        let pairs = (0..self.all.len()).filter(small);
        let pairs: Vec<String> = pairs
            .map(|index| format!("{:?} and {:?}", self.all[index], self.all[index].to_ascii_uppercase()))
            .collect();
        (!pairs.is_empty()).then(|| {
            format!("{} differ in case alone, so no such letter tells what it means", pairs.join(", "))
        })
    }

    /// Names that a column may go by, from the one that says it best: its own, its own in other
    /// writing, a synonym, a synonym in other writing, a rare name. Each step with the columns that it finds.
    pub fn steps(&self, column: &Column, free: impl Fn(usize) -> bool) -> [Vec<usize>; 5] {
        let own = plain(&column.name);
        let rare = rare_names(&column.name);
        let synonyms: Vec<String> = column.synonyms.iter().map(|s| plain(s)).collect();
        let loosely = |index: usize| {
            let name = self.all[index];
            !(self.plain[index].is_empty() || self.both_cases && name.chars().count() == 1)
        };
        let exactly =
            |index: usize| column.synonyms.contains(&self.all[index]) && !self.is_in_both_cases(index);
        let mut left: Vec<usize> = (0..self.all.len()).filter(|index| free(*index)).collect();
        let mut step = |fits: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let found: Vec<usize> = left.iter().copied().filter(|index| fits(*index)).collect();
            left.retain(|index| !found.contains(index));
            found
        };
        [
            step(&|index| self.all[index] == column.name),
            step(&|index| loosely(index) && self.plain[index] == own),
            step(&|index| exactly(index)),
            step(&|index| loosely(index) && synonyms.contains(&self.plain[index])),
            step(&|index| loosely(index) && rare.contains(&self.plain[index].as_str())),
        ]
    }

    /// The columns that say it best.
    pub fn best(&self, column: &Column, free: impl Fn(usize) -> bool) -> Vec<usize> {
        self.steps(column, free).into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// Whether any column goes by a name of that one.
    pub fn has(&self, column: &Column) -> bool {
        self.steps(column, |_| true).iter().any(|found| !found.is_empty())
    }

    /// The columns that a flag names: by name, or by name in other writing.
    pub fn named(&self, source: &str) -> Vec<usize> {
        let source = source.trim();
        let by = |fits: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..self.all.len()).filter(|index| fits(*index)).collect()
        };
        let wanted = plain(source);
        let mut found = by(&|index| self.all[index] == source);
        if found.is_empty() {
            found = by(&|index| self.all[index].eq_ignore_ascii_case(source));
        }
        if found.is_empty() && !wanted.is_empty() {
            found = by(&|index| self.plain[index] == wanted);
        }
        found
    }

    /// Whether a flag's source, or both halves of one of two, are there.
    pub fn has_source(&self, source: &str) -> bool {
        let has = |source: &str| !self.named(source).is_empty();
        has(source) || source.match_indices('+').any(|(at, _)| has(&source[..at]) && has(&source[at + 1..]))
    }

    /// The name without case, blanks and punctuation.
    pub fn plain(&self, index: usize) -> &str {
        &self.plain[index]
    }

    /// The other columns of the same name, where it stands in the header more than once: the second
    /// `Close` is called `Close#2` by the reader.
    pub fn repeated(&self, index: usize) -> Vec<usize> {
        let name = self.all[index];
        let again = |other: &str| {
            let number = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('#'));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        (0..self.all.len()).filter(|other| again(self.all[*other])).collect()
    }

    /// Columns whose name has a name of that column as one of its words (`Volume BTC`).
    pub fn speaking_of(&self, column: &Column, free: impl Fn(usize) -> bool) -> Vec<usize> {
        let own = column.name.trim_end_matches("_price");
        // `volumefrom`, `baseTokenVolume`: the word stands in names of all kinds, and means the same in all.
        let of_volume = |index: usize| own == "volume" && self.plain[index].contains("volume");
        let wanted = |word: &str| {
            word.len() > 2
                && (word.eq_ignore_ascii_case(own)
                    || column.synonyms.iter().any(|s| word.eq_ignore_ascii_case(s)))
        };
        (0..self.all.len())
            .filter(|index| free(*index))
            .filter(|index| {
                of_volume(*index) || self.all[*index].split(|c: char| !c.is_alphanumeric()).any(wanted)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{BARS, TICKS};

    fn best(dataset: &crate::dataset::Dataset, column: &str, names: &[&str]) -> Vec<usize> {
        Names::new(names.iter().copied()).best(dataset.column(column).unwrap(), |_| true)
    }

    #[test]
    fn blanks_dashes_and_brackets_are_no_part_of_a_name() {
        for name in ["Open Price", "open-price", "<OPEN>", "OPEN_PRICE", "open.price", " open ", "O"] {
            assert_eq!(best(&BARS, "open_price", &["other", name]), [1], "{name}");
        }
        for name in ["Adj Close", "adj_close", "Previous Close", "close_time", "Close BTC"] {
            assert!(best(&BARS, "close_price", &["x", name]).is_empty(), "{name}");
        }
        for name in ["Volume BTC", "Volume_(BTC)", "quote_volume", "Volume USDT"] {
            assert!(best(&BARS, "volume", &[name]).is_empty(), "{name}");
        }
        assert_eq!(best(&BARS, "volume", &["Vol."]), [0]);
        assert_eq!(best(&BARS, "close_price", &["1. open", "4. close", "x. close"]), [1]);
        assert_eq!(best(&BARS, "close_price", &["Close/Last"]), [0]);
        assert_eq!(best(&BARS, "ts", &["Date Time", "Local"]), [0]);
    }

    #[test]
    fn a_letter_in_both_cases_means_nothing() {
        let stream = ["T", "S", "i", "x", "p", "s", "t", "c", "z"];
        assert!(best(&TICKS, "ts", &stream).is_empty());
        assert!(best(&TICKS, "size", &stream).is_empty());
        assert_eq!(best(&TICKS, "price", &stream), [4]);
        let said = Names::new(stream.into_iter()).letters_in_both_cases();
        assert!(said.is_some_and(|said| said.starts_with("\"s\" and \"S\", \"t\" and \"T\" differ in case alone")));
        // Kline streams: `V` is what takers bought, `L` a trade's id.
        let stream = ["t", "T", "s", "i", "f", "L", "o", "c", "h", "l", "v", "n", "V", "Q"];
        for column in ["ts", "volume", "low_price"] {
            assert!(best(&BARS, column, &stream).is_empty(), "{column}");
        }
        assert_eq!(best(&BARS, "open_price", &stream), [6]);
        // Where one case is alone, it is the name.
        assert_eq!(best(&BARS, "ts", &["T", "O", "H", "L", "C", "V"]), [0]);
        // A letter whose other case is there is not taken for it.
        assert!(best(&TICKS, "ts", &["e", "E", "s", "a", "p", "q", "T", "m"]).is_empty());
    }

    #[test]
    fn columns_that_flags_name() {
        let names = Names::new(["Date", "Close", "Close#2", "Open Price", "Close#x"].into_iter());
        assert_eq!(names.named("close"), [1]);
        assert_eq!(names.named("close#2"), [2]);
        assert_eq!(names.repeated(1), [2]);
        assert!(names.repeated(0).is_empty());
        assert_eq!(names.named("open_price"), [3]);
        assert!(names.named("volume").is_empty() && names.named("").is_empty());
    }
}

//! The signs in numbers that are written for people: `1,234.50`, `1.234,50`, `1 234,5`.
//!
//! `1,234` alone is 1234 to some and 1.234 to others. So the signs are judged once for an input, by values
//! that can be read in one way only, and a value that nothing settles is refused, never guessed.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::text::Texts;

/// What stands before the decimals of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
}

impl Decimal {
    /// The sign itself.
    pub fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    /// Reads the sign.
    pub(crate) fn of_sign(text: &str) -> Option<Self> {
        match text {
            "." => Some(Self::Point),
            "," => Some(Self::Comma),
            _ => None,
        }
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of_sign(text).ok_or_else(|| "it is a point or a comma: . or ,".to_owned())
    }
}

/// How a text is to be taken for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// As it stands.
    AsIs,
    /// As what has been written in plain form.
    Written,
    /// It has two readings.
    Ambiguous,
}

/// Signs that stand between thousands and mean nothing else.
const BLANKS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];

/// The parts of a number with signs in it.
struct Signed<'a> {
    sign: &'a str,
    body: &'a str,
    exponent: &'a str,
    points: usize,
    commas: usize,
    blank: Option<char>,
    /// Whether there is the sign of a currency, or a letter for thousands or millions.
    marked: bool,
}

/// Signs of currencies that stand before a number.
const CURRENCIES: [char; 6] = ['$', '€', '£', '¥', '₹', '₩'];

/// Letters behind a number, and the exponent that they stand for.
const MAGNITUDES: [(char, &str); 6] =
    [('K', "e3"), ('k', "e3"), ('M', "e6"), ('B', "e9"), ('T', "e12"), ('%', "e-2")];

/// Whether a number among these texts may have a sign of a currency, or a letter for its magnitude.
pub fn may_be_marked(texts: &Texts<'_>) -> bool {
    texts.any(|all| {
        memchr::memchr3(b'K', b'M', b'B', all).is_some()
            || memchr::memchr3(b'k', b'T', b'%', all).is_some()
            || memchr::memchr(b'$', all).is_some()
            || !all.is_ascii()
    })
}

impl<'a> Signed<'a> {
    /// `None` where nothing but signs and digits makes a number, or there is no sign to think about.
    fn of(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (sign, _) = text.split_at(text.len() - unsigned.len());
        let bare = unsigned.strip_prefix(CURRENCIES).unwrap_or(unsigned);
        let (bare, magnitude) = MAGNITUDES
            .iter()
            .find_map(|(letter, exponent)| Some((bare.strip_suffix(*letter)?, Some(*exponent))))
            .unwrap_or((bare, None));
        let marked = bare.len() < unsigned.len();
        let end = bare.find(['e', 'E']).unwrap_or(bare.len());
        let (body, exponent) = bare.split_at(end);
        let exponent = match magnitude {
            Some(_) if !exponent.is_empty() => return None,
            Some(magnitude) => magnitude,
            None => exponent,
        };
        let (mut points, mut commas, mut blank) = (0, 0, None);
        for character in body.chars() {
            match character {
                '0'..='9' => {}
                '.' => points += 1,
                ',' => commas += 1,
                _ if BLANKS.contains(&character) && blank.is_none_or(|other| other == character) => {
                    blank = Some(character);
                }
                _ => return None,
            }
        }
        let digits = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
        let framed = digits(body.chars().next()) && digits(body.chars().next_back());
        (framed && (marked || points + commas + usize::from(blank.is_some()) > 0)).then_some(Self {
            sign,
            body,
            exponent,
            points,
            commas,
            blank,
            marked,
        })
    }

    /// What stands before the decimals as far as this number alone tells; `Err` where it has none or
    /// could have one of either.
    fn tells(&self) -> Result<Decimal, bool> {
        use Decimal::{Comma, Point};
        match (self.points, self.commas) {
            (1, 0) | (0, 1) if self.blank.is_some() => Ok(if self.points == 1 { Point } else { Comma }),
            (0, 0) => Err(false),
            (1, 0) | (0, 1) => {
                let (sign, one) = if self.points == 1 { ('.', Point) } else { (',', Comma) };
                let (whole, rest) = self.body.split_once(sign).unwrap_or_default();
                // Three digits behind one to three others that are no zero: of either meaning.
                let thousands = rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
                if thousands { Err(true) } else { Ok(one) }
            }
            (_, 0) => Ok(Comma),
            (0, _) => Ok(Point),
            (1, _) if self.body.rfind('.') > self.body.rfind(',') => Ok(Point),
            (_, 1) if self.body.rfind(',') > self.body.rfind('.') => Ok(Comma),
            _ => Err(false),
        }
    }

    /// Writes the number in plain form; `false` where its groups are none.
    fn write(&self, decimal: Decimal, out: &mut String) -> bool {
        let (whole, decimals) = match self.body.rsplit_once(decimal.sign()) {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (self.body, None),
        };
        let other = if decimal == Decimal::Point { ',' } else { '.' };
        if whole.contains(decimal.sign()) || decimals.is_some_and(|d| !d.bytes().all(|b| b.is_ascii_digit()))
        {
            return false;
        }
        let group = match (self.blank, whole.contains(other)) {
            (Some(_), true) => return false,
            (Some(blank), false) => blank,
            (None, _) => other,
        };
        let mut sizes = whole.split(group).map(str::len);
        let first = sizes.next().unwrap_or(0);
        let sizes: Vec<usize> = sizes.collect();
        if let Some((last, inner)) = sizes.split_last() {
            // Of three digits, or as in India of two before the last three.
            let even =
                inner.iter().all(|size| *size == 3) || inner.iter().all(|size| *size == 2) && first <= 2;
            if *last != 3 || !even || !(1..=3).contains(&first) {
                return false;
            }
        }
        out.clear();
        out.push_str(self.sign);
        out.extend(whole.chars().filter(|c| *c != group));
        if let Some(decimals) = decimals {
            out.push('.');
            out.push_str(decimals);
        }
        out.push_str(self.exponent);
        true
    }
}

/// Writes a text, trimmed, as a plain number where its signs ask for it.
pub fn plain(text: &str, decimal: Option<Decimal>, out: &mut String) -> Plain {
    let Some(number) = Signed::of(text) else { return Plain::AsIs };
    let simple = number.points <= 1 && number.commas == 0 && number.blank.is_none();
    let meant = match (decimal, number.tells()) {
        (None | Some(Decimal::Point), _) if simple && !number.marked => return Plain::AsIs,
        (None | Some(Decimal::Point), _) if simple => Decimal::Point,
        (Some(decimal), _) => decimal,
        // Blanks between the thousands and no decimals.
        (None, Err(false)) if number.points + number.commas == 0 => Decimal::Point,
        (None, Err(true)) => return Plain::Ambiguous,
        // Other values of the input tell another sign, or it would have been judged by this one.
        (None, _) => return Plain::AsIs,
    };
    if number.write(meant, out) {
        return Plain::Written;
    }
    if simple {
        // By the signs of the input it is not a number, though it looks like one.
        out.clear();
        out.push_str(number.body);
        out.push(',');
        return Plain::Written;
    }
    Plain::AsIs
}

/// Judges the signs of the numbers of an input.
#[derive(Debug, Clone, Default)]
pub struct Separators {
    decimal: Option<Decimal>,
    /// Whether that was said and not judged.
    told: bool,
    /// Whether values have been read with a point before their decimals.
    points: bool,
    /// Whether a first look has been taken.
    looked: bool,
    /// A value with signs that were taken out, as an example.
    example: Option<(String, String)>,
    /// One with the sign of a currency or a letter for its magnitude.
    marked: Option<(String, String)>,
}

impl Separators {
    /// With what the user says.
    pub fn told(decimal: Option<Decimal>) -> Self {
        Self { decimal, told: decimal.is_some(), ..Self::default() }
    }

    /// Goes on with what was judged before.
    pub fn knows(&mut self, decimal: Option<Decimal>) {
        if !self.told {
            self.decimal = decimal.or(self.decimal);
        }
    }

    /// What was judged, where it is another than what a plain number has, or signs were taken out by it.
    pub fn learned(&self) -> Option<Decimal> {
        self.decimal.filter(|decimal| !self.told && (*decimal == Decimal::Comma || self.example.is_some()))
    }

    /// What stands before the decimals, as far as it is known.
    pub fn decimal(&self) -> Option<Decimal> {
        self.decimal
    }

    /// Looks at the columns of numbers of some rows.
    pub fn look(&mut self, columns: &[Texts<'_>]) {
        if self.decimal.is_some() {
            return;
        }
        let has = |byte: u8| columns.iter().any(|texts| texts.any(|all| memchr::memchr(byte, all).is_some()));
        if self.looked && !has(b',') {
            self.points |= has(b'.');
            return;
        }
        self.looked = true;
        let (mut point, mut comma) = (self.points, false);
        let mut scratch = String::new();
        for text in columns.iter().flat_map(|texts| texts.iter()).flatten() {
            let text = text.trim();
            if text.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let Some(number) = Signed::of(text) else { continue };
            // What has been told already need not be written again.
            match number.tells() {
                Ok(Decimal::Point) if point => {}
                Ok(Decimal::Comma) if comma => {}
                Ok(decimal) if number.write(decimal, &mut scratch) => match decimal {
                    Decimal::Point => point = true,
                    Decimal::Comma => comma = true,
                },
                _ => {}
            }
        }
        self.decimal = match (point, comma) {
            (true, false) => Some(Decimal::Point),
            (false, true) => Some(Decimal::Comma),
            // Of both kinds or of neither: what has two readings is refused.
            _ => None,
        };
        self.points |= has(b'.');
    }

    /// Notes a value that was read without its signs.
    pub fn took(&mut self, text: &str, plain: &str) {
        let is_marked = text
            .starts_with(|c: char| !matches!(c, '-' | '+') && !c.is_ascii_digit() && c != '.' && c != ',')
            || text.ends_with(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
        let example = if is_marked { &mut self.marked } else { &mut self.example };
        if example.is_none() {
            *example = Some((text.to_owned(), plain.to_owned()));
        }
    }

    /// What there is to say of currencies and magnitudes.
    pub fn note_of_marks(&self) -> Option<String> {
        let (text, plain) = self.marked.as_ref()?;
        Some(format!("numbers are written with their currency or magnitude: {text} is read as {plain}"))
    }

    /// What there is to say of it.
    pub fn note(&self) -> Option<String> {
        let (text, plain) = self.example.as_ref()?;
        let sign = if self.decimal == Some(Decimal::Comma) { "a comma" } else { "a point" };
        let why = if self.told { "" } else { ", as other values show" };
        Some(format!("numbers have {sign} before their decimals{why}: {text} is read as {plain}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn judged(texts: &[&str]) -> Option<Decimal> {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let mut separators = Separators::default();
        separators.look(&[Texts::of(&array).unwrap()]);
        separators.decimal()
    }

    fn read(text: &str, decimal: Option<Decimal>) -> String {
        let mut out = String::new();
        match plain(text, decimal, &mut out) {
            Plain::AsIs => text.to_owned(),
            Plain::Written => out,
            Plain::Ambiguous => "?".to_owned(),
        }
    }

    #[test]
    fn signs_are_judged_by_values_of_one_reading() {
        use Decimal::{Comma, Point};
        for (texts, decimal) in [
            (&["1,234", "1,234.5"][..], Some(Point)),
            (&["1.234", "1.234,5"], Some(Comma)),
            (&["1.234", "12,5"], Some(Comma)),
            (&["1,234", "12.5"], Some(Point)),
            (&["1,234"], None),
            (&["1.234"], None),
            (&["1,234,567"], Some(Point)),
            (&["1.234.567"], Some(Comma)),
            (&["0,123"], Some(Comma)),
            (&["1234,567"], Some(Comma)),
            (&["1 234,567"], Some(Comma)),
            (&["1,23,456.7"], Some(Point)),
            (&["12.5", "12,5"], None),
            (&["5", "NaN", "a,b", "1.2.3"], None),
        ] {
            assert_eq!(judged(texts), decimal, "{texts:?}");
        }
    }

    #[test]
    fn values_are_read_by_what_was_judged_or_not_at_all() {
        use Decimal::{Comma, Point};
        for (text, by_point, by_comma, unjudged) in [
            ("12.5", "12.5", "12.5,", "12.5"),
            ("1.234", "1.234", "1234", "1.234"),
            ("1,234", "1234", "1.234", "?"),
            ("-1,234.50", "-1234.50", "-1,234.50", "-1,234.50"),
            ("1.234,5e3", "1.234,5e3", "1234.5e3", "1.234,5e3"),
            ("1 234", "1234", "1234", "1234"),
            ("1'234.5", "1234.5", "1'234.5", "1'234.5"),
            ("12,34", "12,34", "12.34", "12,34"),
            ("1,2,3", "1,2,3", "1,2,3", "1,2,3"),
            ("abc", "abc", "abc", "abc"),
            ("", "", "", ""),
            ("1,23,456", "123456", "1,23,456", "1,23,456"),
            ("$184.25", "184.25", "184.25,", "184.25"),
            ("-$1,234.50", "-1234.50", "-$1,234.50", "-$1,234.50"),
            ("1.38M", "1.38e6", "1.38,", "1.38e6"),
            ("746K", "746e3", "746e3", "746e3"),
            ("35.5%", "35.5e-2", "35.5,", "35.5e-2"),
            ("1e5M", "1e5M", "1e5M", "1e5M"),
            ("M", "M", "M", "M"),
            ("$", "$", "$", "$"),
        ] {
            assert_eq!(read(text, Some(Point)), by_point, "{text}");
            assert_eq!(read(text, Some(Comma)), by_comma, "{text}");
            assert_eq!(read(text, None), unjudged, "{text}");
        }
    }
}

//! Option contracts whose symbol says all of them: `AAPL  240119C00150000`, `O:AAPL240119C00150000`.

use std::fmt::Write as _;

/// Digits and the letter behind the root: a day, call or put, and the strike in thousandths.
const TAIL: usize = 15;

/// Longest root.
const ROOT: usize = 6;

/// What the symbol of a contract says, by the standard of the Options Clearing Corporation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract<'a> {
    /// The root: the symbol of the underlying, with a digit behind it where the contract was adjusted.
    pub root: &'a str,
    year: &'a str,
    month: &'a str,
    day: &'a str,
    /// `C` or `P`.
    pub right: &'a str,
    strike: u64,
}

impl<'a> Contract<'a> {
    /// Reads one; `None` where a text is none.
    pub fn read(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("O:").unwrap_or(text);
        let at = text.len().checked_sub(TAIL)?;
        let (root, tail) = text.split_at_checked(at)?;
        let root = root.trim_end();
        let is_root = (1..=ROOT).contains(&root.len())
            && root.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && root.bytes().any(|b| b.is_ascii_uppercase());
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let (date, rest) = tail.split_at_checked(6)?;
        let (right, strike) = rest.split_at_checked(1)?;
        if !is_root || !digits(date) || !digits(strike) || !matches!(right, "C" | "P") {
            return None;
        }
        let (year, rest) = date.split_at_checked(2)?;
        let (month, day) = rest.split_at_checked(2)?;
        let within = |text: &str, most: u8| text.parse().is_ok_and(|n: u8| (1..=most).contains(&n));
        (within(month, 12) && within(day, 31))
            .then(|| strike.parse().ok().map(|strike| Self { root, year, month, day, right, strike }))?
    }

    /// Writes the day on which it expires.
    pub fn write_expiry(&self, to: &mut String) {
        let Self { year, month, day, .. } = self;
        // Writing into a text does not fail.
        let _ = write!(to, "20{year}-{month}-{day}");
    }

    /// Writes the strike.
    pub fn write_strike(&self, to: &mut String) {
        let _ = match (self.strike / 1_000, self.strike % 1_000) {
            (whole, 0) => write!(to, "{whole}"),
            (whole, thousandths) => write!(to, "{whole}.{thousandths:03}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_contracts_say_all_of_them() {
        let of = |text: &str| {
            let contract = Contract::read(text)?;
            let mut told = format!("{} {} ", contract.root, contract.right);
            contract.write_expiry(&mut told);
            told.push(' ');
            contract.write_strike(&mut told);
            Some(told)
        };
        for (text, told) in [
            ("AAPL  240119C00150000", "AAPL C 2024-01-19 150"),
            ("O:AAPL240119C00150000", "AAPL C 2024-01-19 150"),
            ("SPXW250221P05999500", "SPXW P 2025-02-21 5999.500"),
            ("F     260116C00012005", "F C 2026-01-16 12.005"),
            ("AAPL1 240119C00150000", "AAPL1 C 2024-01-19 150"),
        ] {
            assert_eq!(of(text).as_deref(), Some(told), "{text}");
        }
        for text in [
            "AAPL",
            "",
            "AAPL  241319C00150000",
            "AAPL  240119X00150000",
            "240119C00150000",
            "aapl240119C00150000",
            "TOOLONGS240119C00150000",
            "AAPL  240119C0015000é",
            "BTC-29MAR24-60000-C",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

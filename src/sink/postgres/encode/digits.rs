//! The wire form of NUMERIC for numbers of up to 64 bits, which all but all are.
//!
//! NUMERIC goes over the wire as digits in base 10,000, the most significant first, counted from the
//! point; `weight` is the power of 10,000 of the first one, `dscale` the decimals to be shown
//! (PostgreSQL, `numeric_send`). Trailing zeros are left out of both, so one number has one form.

/// A number of the wire form, ready to be put into a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Digits {
    /// The cell with its length before it, in words of eight bytes; what follows is of no account.
    pub words: [u64; 3],
    /// Bytes of the cell that count.
    pub len: u8,
    /// Decimals after the point, without trailing zeros.
    pub scale: u32,
}

/// Zero has no digits.
const ZERO: Digits = Digits { words: [8 << 32, 0, 0], len: 12, scale: 0 };

/// Most digits of a number of 64 bits.
const MOST: u32 = 6;

/// Trailing zeros of a digit in base 10,000 that is not zero.
#[inline]
fn trailing_zeros(digit: u64) -> u32 {
    if !digit.is_multiple_of(100) {
        u32::from(digit.is_multiple_of(10))
    } else {
        2 + u32::from(digit.is_multiple_of(1000))
    }
}

/// The digits of `magnitude / 10^scale`, negative if so said. `scale` is at most 38.
#[inline]
pub(in crate::sink::postgres) fn digits(negative: bool, magnitude: u64, scale: u32) -> Digits {
    if magnitude == 0 {
        return ZERO;
    }
    // The lowest digit may reach beyond the decimals that there are: it is filled up with zeros.
    let (first, mut rest) = match scale % 4 {
        0 => (magnitude % 10_000, magnitude / 10_000),
        1 => (magnitude % 10 * 1000, magnitude / 10),
        2 => (magnitude % 100 * 100, magnitude / 100),
        _ => (magnitude % 1000 * 10, magnitude / 1000),
    };
    let decimals = scale.div_ceil(4);
    // Sixteen bits a digit, the lowest digit lowest.
    let mut packed = u128::from(first);
    let mut count = 1;
    while rest != 0 {
        packed |= u128::from(rest % 10_000) << (16 * count);
        rest /= 10_000;
        count += 1;
    }
    let low = packed.trailing_zeros() / 16;
    packed >>= 16 * low;
    let used = count - low;
    let shown = (4 * decimals).saturating_sub(4 * low + trailing_zeros(packed as u64 & 0xffff));
    let weight = (count as i32 - 1 - decimals as i32) as u16;
    // The highest digit first.
    packed <<= 16 * (MOST - used);
    let sign = if negative { 0x4000 } else { 0 };
    let words = [
        u64::from(8 + 2 * used) << 32 | u64::from(used) << 16 | u64::from(weight),
        sign << 48 | u64::from(shown) << 32 | (packed >> 64) as u64,
        packed as u64,
    ];
    Digits { words, len: 12 + 2 * used as u8, scale: shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decimal::{Decimal, short_decimal};
    use crate::sink::postgres::encode::copy_buffer::Out;
    use crate::sink::postgres::encode::numeric::put_numeric;
    use proptest::prelude::*;

    /// What the way for numbers of any size makes of it.
    fn long_way(negative: bool, magnitude: u64, scale: u32) -> Vec<u8> {
        let value = i128::from(magnitude) * if negative { -1 } else { 1 };
        let mut out = Out::new();
        put_numeric(&Decimal::Small { mantissa: value, scale: scale as i32 }.normalised(), &mut out);
        out.written().to_vec()
    }

    fn bytes(digits: Digits) -> Vec<u8> {
        let all: Vec<u8> = digits.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        all[..digits.len.into()].to_vec()
    }

    #[test]
    fn edges_take_the_same_form_as_the_long_way() {
        for magnitude in [0, 1, 9, 10, 9_999, 10_000, 10_001, 99_999_999, 100_000_000, 123_450_000, u64::MAX]
        {
            for scale in 0..=38 {
                let made = digits(magnitude % 2 == 1, magnitude, scale);
                assert_eq!(
                    bytes(made),
                    long_way(magnitude % 2 == 1, magnitude, scale),
                    "{magnitude} {scale}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn cells_take_the_same_form_as_the_long_way(negative: bool, magnitude: u64, shift in 0u32..64, scale in 0u32..=38) {
            let magnitude = magnitude >> shift;
            let negative = negative && magnitude != 0;
            prop_assert_eq!(bytes(digits(negative, magnitude, scale)), long_way(negative, magnitude, scale));
        }

        #[test]
        fn short_doubles_read_back(number in 0u64..1_000_000_000_000_000, scale in 0u32..12) {
            let value: f64 = format!("{number}e-{scale}").parse().unwrap();
            if let Some((_, magnitude, scale)) = short_decimal(value) {
                let back: f64 = format!("{magnitude}e-{scale}").parse().unwrap();
                prop_assert_eq!(back, value);
                let mut out = Out::new();
                put_numeric(&Decimal::from_f64(value).unwrap().normalised(), &mut out);
                prop_assert_eq!(bytes(digits(false, magnitude, scale)), out.written());
            }
        }
    }
}

//! The wire form of NUMERIC for numbers of up to 64 bits, which all but all are.
//!
//! NUMERIC goes over the wire as digits in base 10,000, the most significant first, counted from the
//! point; `weight` is the power of 10,000 of the first one, `dscale` the decimals to be shown
//! (PostgreSQL, `numeric_send`). Trailing zeros are left out of both, so one number has one form.

/// Most bytes of such a cell: its length, four words, and six digits.
pub(super) const CELL: usize = 32;

/// A cell, ready to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// The cell with its length before it; what follows is of no account.
    pub bytes: [u8; CELL],
    /// Bytes that count.
    pub len: usize,
    /// Decimals after the point, without trailing zeros.
    pub scale: u32,
}

/// Zero has no digits.
const ZERO: Cell = Cell {
    bytes: {
        let mut bytes = [0; CELL];
        bytes[3] = 8;
        bytes
    },
    len: 12,
    scale: 0,
};

/// Trailing zeros of a digit in base 10,000 that is not zero.
#[inline]
fn trailing_zeros(digit: u64) -> u32 {
    if !digit.is_multiple_of(100) {
        u32::from(digit.is_multiple_of(10))
    } else {
        2 + u32::from(digit.is_multiple_of(1000))
    }
}

/// The cell of `magnitude / 10^scale`, negative if so said. `scale` is at most 38.
#[inline]
pub(super) fn cell(negative: bool, magnitude: u64, scale: u32) -> Cell {
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
    let mut digits = [0u16; 6];
    digits[0] = first as u16;
    let mut count = 1;
    while rest != 0 && count < digits.len() {
        digits[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    // A magnitude below one unit of its lowest digit leaves that alone.
    let mut low = 0;
    while low + 1 < count && digits[low] == 0 {
        low += 1;
    }
    let zeros = trailing_zeros(digits[low].into());
    let shown = (4 * decimals).saturating_sub(4 * low as u32 + zeros);
    let used = count - low;
    let weight = count as i32 - 1 - decimals as i32;

    let mut bytes = [0; CELL];
    bytes[3] = 8 + 2 * used as u8;
    bytes[5] = used as u8;
    bytes[6..8].copy_from_slice(&(weight as i16).to_be_bytes());
    bytes[8] = if negative { 0x40 } else { 0 };
    bytes[11] = shown as u8;
    for place in 0..used {
        let digit = digits[count - 1 - place].to_be_bytes();
        bytes[12 + 2 * place] = digit[0];
        bytes[13 + 2 * place] = digit[1];
    }
    Cell { bytes, len: 12 + 2 * used, scale: shown }
}

/// Below 10^15 every decimal has a double of its own, so one of that many digits that divides
/// back to the double is the double's shortest decimal form.
const SURE: f64 = 1e15;

/// A finite double as `magnitude / 10^scale`, if four or eight decimals say it; most prices and
/// sizes do.
#[inline]
pub(super) fn short_decimal(value: f64) -> Option<(bool, u64, u32)> {
    let size = value.abs();
    for (power, scale) in [(1e4, 4), (1e8, 8)] {
        let scaled = size * power;
        if scaled >= SURE {
            return None;
        }
        let nearest = (scaled + 0.5) as u64;
        #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
        let back = nearest as f64 / power;
        if back == size {
            return Some((value < 0.0, nearest, scale));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::numeric::Number;
    use super::super::out::Out;
    use super::*;
    use proptest::prelude::*;

    /// What the way for numbers of any size makes of it.
    fn long_way(negative: bool, magnitude: u64, scale: u32) -> Vec<u8> {
        let value = i128::from(magnitude) * if negative { -1 } else { 1 };
        let mut out = Out::new();
        Number::from_i128(value, scale as i8).put(&mut out);
        out.written().to_vec()
    }

    #[test]
    fn edges_take_the_same_form_as_the_long_way() {
        for magnitude in [0, 1, 9, 10, 9_999, 10_000, 10_001, 99_999_999, 100_000_000, 123_450_000, u64::MAX]
        {
            for scale in 0..=38 {
                let cell = cell(magnitude % 2 == 1, magnitude, scale);
                assert_eq!(
                    cell.bytes[..cell.len],
                    long_way(magnitude % 2 == 1, magnitude, scale),
                    "{magnitude} {scale}"
                );
            }
        }
    }

    #[test]
    fn doubles_that_are_short_are_told() {
        assert_eq!(short_decimal(26.65), Some((false, 266_500, 4)));
        assert_eq!(short_decimal(-0.00000001), Some((true, 1, 8)));
        assert_eq!(short_decimal(0.1 + 0.2), None);
        assert_eq!(short_decimal(1e12), None);
        assert_eq!(short_decimal(f64::NAN), None);
        assert_eq!(short_decimal(f64::INFINITY), None);
    }

    proptest! {
        #[test]
        fn cells_take_the_same_form_as_the_long_way(negative: bool, magnitude: u64, shift in 0u32..64, scale in 0u32..=38) {
            let magnitude = magnitude >> shift;
            let negative = negative && magnitude != 0;
            let cell = cell(negative, magnitude, scale);
            prop_assert_eq!(&cell.bytes[..cell.len], &long_way(negative, magnitude, scale)[..]);
        }

        #[test]
        fn short_doubles_read_back(digits in 0u64..1_000_000_000_000_000, scale in 0u32..12) {
            let value: f64 = format!("{digits}e-{scale}").parse().unwrap();
            if let Some((_, magnitude, scale)) = short_decimal(value) {
                let back: f64 = format!("{magnitude}e-{scale}").parse().unwrap();
                prop_assert_eq!(back, value);
                let (short, long) = (cell(false, magnitude, scale), Number::from_f64(value).unwrap());
                let mut out = Out::new();
                long.put(&mut out);
                prop_assert_eq!(&short.bytes[..short.len], out.written());
            }
        }
    }
}

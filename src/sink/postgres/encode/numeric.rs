//! The wire form of NUMERIC for numbers of any size: digits in base 10,000, counted from the point.

use crate::model::decimal::{Decimal, Digits, POWERS};
use crate::sink::postgres::encode::copy_buffer::Out;

/// Appends the length and the body of a NUMERIC in binary form, of a normalised number.
pub(in crate::sink::postgres) fn put_numeric(number: &Decimal, out: &mut Out) {
    match number {
        Decimal::Small { mantissa, scale } => put_small(*mantissa, *scale, out),
        Decimal::Long(long) => put_long(long, out),
    }
}

/// Four decimal digits go into one of the wire's, counted from the point, so the lowest one may be filled
/// up with zeros.
fn put_small(mantissa: i128, scale: i32, out: &mut Out) {
    const SIXTEEN: u128 = POWERS[16].unsigned_abs();
    let magnitude = mantissa.unsigned_abs();
    let mut groups = [0u16; 11];
    let mut count = 0;
    let mut push = |group: u64| {
        if let Some(slot) = groups.get_mut(count) {
            *slot = group as u16;
            count += 1;
        }
    };
    let filling = (-scale).rem_euclid(4) as usize;
    let (unit, filling) = (POWERS[4 - filling] as u64, POWERS[filling] as u64);
    let mut low = 0;
    if magnitude != 0 {
        let mut rest = match u64::try_from(magnitude) {
            Ok(small) => {
                push(small % unit * filling);
                u128::from(small / unit)
            }
            Err(_) => {
                let unit = u128::from(unit);
                push((magnitude % unit) as u64 * filling);
                magnitude / unit
            }
        };
        while rest > u128::from(u64::MAX) {
            let mut piece = (rest % SIXTEEN) as u64;
            rest /= SIXTEEN;
            for _ in 0..4 {
                push(piece % 10_000);
                piece /= 10_000;
            }
        }
        let mut rest = rest as u64;
        while rest != 0 {
            push(rest % 10_000);
            rest /= 10_000;
        }
        while low < count && groups[low] == 0 {
            low += 1;
        }
    }
    let weight = (-scale).div_euclid(4) + count as i32 - 1;
    put_groups(out, mantissa < 0, scale, weight, groups[low..count].iter().rev());
}

#[cold]
fn put_long(long: &Digits, out: &mut Out) {
    let digits = long.digits();
    let whole = digits.len() as i32 - long.scale();
    // Zeros in front, so that a group ends at the point.
    let lead = (4 - whole.rem_euclid(4)) % 4;
    let mut groups = vec![0u16; (lead as usize + digits.len()).div_ceil(4)];
    for (at, digit) in digits.iter().enumerate() {
        let at = lead as usize + at;
        if let Some(group) = groups.get_mut(at / 4) {
            *group += u16::from(*digit) * [1000, 100, 10, 1][at % 4];
        }
    }
    let weight = (whole + lead) / 4 - 1;
    put_groups(out, long.is_negative(), long.scale(), weight, groups.iter());
}

/// Appends length, head and base-10000 digits, the most significant first.
fn put_groups<'a>(
    out: &mut Out,
    negative: bool,
    scale: i32,
    weight: i32,
    groups: impl ExactSizeIterator<Item = &'a u16>,
) {
    let count = groups.len();
    out.put_i32(8 + 2 * count as i32);
    out.put_i16(count as i16);
    out.put_i16(if count == 0 { 0 } else { weight as i16 });
    out.put_u16(if negative { 0x4000 } else { 0 });
    out.put_u16(scale.max(0) as u16);
    for group in groups {
        out.put_u16(*group);
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::i256;
    use proptest::prelude::*;

    use super::*;

    /// Reads the wire form back as text with all digits of its scale.
    fn text(number: Decimal) -> String {
        let mut out = Out::new();
        put_numeric(&number.normalised(), &mut out);
        let out = out.written();
        let word = |i: usize| i16::from_be_bytes([out[4 + 2 * i], out[5 + 2 * i]]);
        let (count, weight, negative, scale) = (word(0), word(1), word(2) != 0, word(3));
        assert_eq!(out.len(), 12 + 2 * count as usize);
        assert_eq!(i32::from_be_bytes(out[..4].try_into().unwrap()), 8 + 2 * i32::from(count));
        let group = |place: i16| {
            let at = weight - place;
            if (0..count).contains(&at) { word(4 + at as usize) } else { 0 }
        };
        let mut whole: String = (0..=weight.max(0)).rev().map(|p| format!("{:04}", group(p))).collect();
        whole = whole.trim_start_matches('0').to_owned();
        let fraction: String = (1..=(scale + 3) / 4).map(|p| format!("{:04}", group(-p))).collect();
        let point = if scale > 0 { "." } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        format!("{}{whole}{point}{}", if negative { "-" } else { "" }, &fraction[..scale as usize])
    }

    #[test]
    fn one_number_has_one_form() {
        for number in ["1.50", "1.5", "1500000000e-9", "15e-1"] {
            assert_eq!(text(Decimal::parse(number.as_bytes()).unwrap()), "1.5");
        }
        assert_eq!(text(Decimal::from_f64(-0.0).unwrap()), "0");
        assert_eq!(text(Decimal::Small { mantissa: 0, scale: 8 }), "0");
        assert_eq!(text(Decimal::parse(b"1e50").unwrap()), format!("1{}", "0".repeat(50)));
        assert_eq!(text(Decimal::parse(b"-12e-45").unwrap()), format!("-0.{}12", "0".repeat(43)));
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back(value in any::<i128>(), scale in 0i8..38) {
            let number = Decimal::Small { mantissa: value, scale: scale.into() };
            let mut plain = String::new();
            number.write_plain(&mut plain);
            prop_assert_eq!(text(number), plain);
        }

        #[test]
        fn the_wire_form_of_long_numbers_reads_back(digits in "[1-9][0-9]{38,75}", scale in 0i8..76) {
            let number = Decimal::from_i256(i256::from_string(&digits).unwrap(), scale);
            let mut plain = String::new();
            number.write_plain(&mut plain);
            prop_assert_eq!(text(number), plain);
        }
    }
}

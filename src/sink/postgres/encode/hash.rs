//! The hashes of the server, computed here, so that rows there and rows here can be compared by a number.
//!
//! The server's functions are those of Bob Jenkins (lookup3), as `hashfn.c` of PostgreSQL has them; the values of a
//! record are put together as `hash_record_extended` does it. A server on a machine of another byte order has others:
//! who compares has it compute an example first.

/// Bytes, as `hash_any_extended`.
pub(in crate::sink::postgres) fn of_bytes(bytes: &[u8], seed: u64) -> u64 {
    let (mut a, mut b, mut c) = begun(bytes.len() as u32, seed);
    let mut chunks = bytes.chunks_exact(12);
    for chunk in &mut chunks {
        a = a.wrapping_add(word(chunk, 0));
        b = b.wrapping_add(word(chunk, 4));
        c = c.wrapping_add(word(chunk, 8));
        mix(&mut a, &mut b, &mut c);
    }
    let rest = chunks.remainder();
    a = a.wrapping_add(word(rest, 0));
    b = b.wrapping_add(word(rest, 4));
    // The lowest byte of the last word is the length's.
    c = c.wrapping_add(word(rest, 8) << 8);
    ended(a, b, c)
}

/// A number of 32 bits, as `hash_uint32_extended`.
pub(in crate::sink::postgres) fn of_word(value: u32, seed: u64) -> u64 {
    let (a, b, c) = begun(4, seed);
    ended(a.wrapping_add(value), b, c)
}

/// A number of 64 bits, as `hashint8extended`: equal to that of 32 bits where the value is.
pub(in crate::sink::postgres) fn of_long(value: i64, seed: u64) -> u64 {
    let (low, high) = (value as u32, (value >> 32) as u32);
    of_word(low ^ if value >= 0 { high } else { !high }, seed)
}

/// A double, as `hashfloat8extended`.
pub(in crate::sink::postgres) fn of_double(value: f64, seed: u64) -> u64 {
    if value == 0.0 { seed } else { of_bytes(&value.to_le_bytes(), seed) }
}

/// The hash of a record to which a value is added; that of null is 0.
pub(in crate::sink::postgres) fn and(record: u64, value: u64) -> u64 {
    (record << 5).wrapping_sub(record).wrapping_add(value)
}

/// The bytes from that place on as a number, those that are missing as zeros.
#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4).and_then(|four| four.try_into().ok()) {
        Some(four) => u32::from_le_bytes(four),
        None => {
            let rest = bytes.get(at..).unwrap_or_default();
            rest.iter().take(4).rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
        }
    }
}

fn begun(len: u32, seed: u64) -> (u32, u32, u32) {
    let begin = 0x9e37_79b9_u32.wrapping_add(len).wrapping_add(3_923_095);
    let (mut a, mut b, mut c) = (begin, begin, begin);
    if seed != 0 {
        a = a.wrapping_add((seed >> 32) as u32);
        b = b.wrapping_add(seed as u32);
        mix(&mut a, &mut b, &mut c);
    }
    (a, b, c)
}

#[inline]
fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    let step = |x: &mut u32, y: &mut u32, z: u32, by: u32| {
        *x = x.wrapping_sub(*y) ^ y.rotate_left(by);
        *y = y.wrapping_add(z);
    };
    step(a, c, *b, 4);
    step(b, a, *c, 6);
    step(c, b, *a, 8);
    step(a, c, *b, 16);
    step(b, a, *c, 19);
    step(c, b, *a, 4);
}

#[inline]
fn ended(mut a: u32, mut b: u32, mut c: u32) -> u64 {
    let step = |x: &mut u32, y: u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    step(&mut c, b, 14);
    step(&mut a, c, 11);
    step(&mut b, a, 25);
    step(&mut c, b, 16);
    step(&mut a, c, 4);
    step(&mut b, a, 14);
    step(&mut c, b, 24);
    u64::from(b) << 32 | u64::from(c)
}

/// A NUMERIC of the wire as the server writes it as text, with the decimals that its column shows, where it says how
/// many; `false` for what is not a number.
pub(in crate::sink::postgres) fn write_numeric(cell: &[u8], shown: Option<u16>, out: &mut Vec<u8>) -> bool {
    let half = |at: usize| cell.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign, scale) = (half(0), half(1) as i16, half(2), half(3));
    if !matches!(sign, 0 | 0x4000) {
        return false;
    }
    let group = |place: i32| {
        let at = i32::from(weight) - place;
        if (0..i32::from(count)).contains(&at) { half(4 + at as usize) } else { 0 }
    };
    if sign == 0x4000 && count > 0 {
        out.push(b'-');
    }
    let first = i32::from(weight).max(0);
    let begins = out.len();
    for place in (0..=first).rev() {
        four(group(place), out);
    }
    let zeros = out[begins..].iter().take_while(|digit| **digit == b'0').count();
    out.drain(begins..begins + zeros.min(out.len() - begins - 1));
    let decimals = usize::from(shown.unwrap_or(scale).max(scale));
    if decimals > 0 {
        out.push(b'.');
        let begins = out.len();
        let mut place = -1;
        while out.len() < begins + decimals {
            four(group(place), out);
            place -= 1;
        }
        out.truncate(begins + decimals);
    }
    true
}

fn four(group: u16, out: &mut Vec<u8>) {
    let digit = |unit: u16| b'0' + (group / unit % 10) as u8;
    out.extend_from_slice(&[digit(1000), digit(100), digit(10), digit(1)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decimal::Decimal;
    use crate::sink::postgres::encode::copy_buffer::Out;
    use crate::sink::postgres::encode::numeric::put_numeric;

    /// What a server says: `SELECT hashint8extended(5, 7), hashtextextended('abcdefghijklmno', 7)`.
    #[test]
    fn the_hashes_are_those_of_the_server() {
        assert_eq!(of_long(5, 7) as i64, 4_071_939_759_346_363_661);
        assert_eq!(of_bytes(b"abcdefghijklmno", 7) as i64, 3_556_498_752_325_335_339);
        // timestamp '2020-01-01', in microseconds from 2000.
        assert_eq!(of_long(631_152_000_000_000, 7) as i64, -8_382_461_287_162_502_224);
    }

    #[test]
    fn numbers_are_written_as_the_server_writes_them() {
        for (number, shown, text) in [
            ("0", None, "0"),
            ("0", Some(2), "0.00"),
            ("-0.5", None, "-0.5"),
            ("1.5", Some(8), "1.50000000"),
            ("0.00012", None, "0.00012"),
            ("123456789.0001", None, "123456789.0001"),
            ("100000000", None, "100000000"),
            ("-99990000", Some(1), "-99990000.0"),
            ("12345678901234567890123456789.123456789", None, "12345678901234567890123456789.123456789"),
        ] {
            let mut cell = Out::small();
            put_numeric(&Decimal::parse(number.as_bytes()).unwrap().normalised(), &mut cell);
            let mut out = b"x".to_vec();
            assert!(write_numeric(&cell.written()[4..], shown, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{text}"));
        }
    }
}

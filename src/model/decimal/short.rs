//! Numbers of up to sixteen characters, which nearly all are: eight characters at a time, without a loop over them.

/// A byte in each of eight places.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// What a point is where digits are their values.
const POINT: u8 = b'.' ^ b'0';

/// Ten to as many as eight digits, and no more, can be.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The digits of a text without a sign as one number, and how many of them stand behind the point. `None` where it
/// has anything but digits and one point among them, has no digit, or more than sixteen characters.
#[inline]
pub(super) fn short(text: &[u8]) -> Option<(u64, usize)> {
    match text.len() {
        0 => None,
        length @ 1..=8 => {
            let (value, point) = eight(word(text), length)?;
            (length > usize::from(point.is_some())).then_some((value, point.unwrap_or(0)))
        }
        length @ 9..=16 => {
            let (first, last) = text.split_at_checked(length - 8)?;
            let ((high, point_high), (low, point_low)) =
                (eight(word(first), first.len())?, eight(word(last), 8)?);
            let digits = 8 - usize::from(point_low.is_some());
            let scale = match (point_high, point_low) {
                (None, None) => 0,
                (None, Some(behind)) => behind,
                (Some(behind), None) => behind + 8,
                (Some(_), Some(_)) => return None,
            };
            Some((high * TENS[digits] + low, scale))
        }
        _ => None,
    }
}

/// Digits and scale of seventeen to nineteen characters, as floats of programs are printed, if they have eighteen digits at
/// most: so many fit 64 bits, and none of the steps overflows.
pub(super) fn longer(text: &[u8]) -> Option<(u64, usize)> {
    if !(17..=19).contains(&text.len()) {
        return None;
    }
    let (mut value, mut point) = (0u64, None);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    match point {
        Some(at) => Some((value, text.len() - at - 1)),
        None if text.len() < 19 => Some((value, 0)),
        None => None,
    }
}

/// Up to eight characters, the first in the lowest byte; those that are not there are zero.
#[inline]
fn word(text: &[u8]) -> u64 {
    let length = text.len();
    if let Some(eight) = text.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        // They overlap, and are the same where they do.
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (length - 4));
    }
    text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The number that `length` characters are, at least one, and how many digits stand behind the point that is among
/// them.
#[inline]
fn eight(word: u64, length: usize) -> Option<(u64, Option<usize>)> {
    // The last character goes into the highest byte; what is before the first one is 0, as digits are.
    let mut digits = (word ^ all(b'0')) << (8 * (8 - length));
    let differs = digits ^ all(POINT);
    let hits = differs.wrapping_sub(all(1)) & !differs & all(0x80);
    let point = (hits != 0).then(|| {
        // The bytes below the point move up over it. A second point stays, and is no digit.
        let at = hits.trailing_zeros() / 8;
        let below = digits & ((1u64 << (8 * at)) - 1);
        let above = (digits >> (8 * at)) & !0xff;
        digits = below << 8 | above << (8 * at);
        7 - at as usize
    });
    if (digits.wrapping_add(all(0x76)) | digits) & all(0x80) != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    let eight = (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32;
    Some((eight, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`short`] and [`longer`] are to find, a character at a time.
    fn slowly(text: &[u8]) -> Option<(u64, usize)> {
        let (mut value, mut scale, mut digits) = (0, None, 0);
        for &byte in text {
            match byte {
                b'0'..=b'9' => {
                    value = value * 10 + u64::from(byte - b'0');
                    digits += 1;
                    scale = scale.map(|scale| scale + 1);
                }
                b'.' if scale.is_none() => scale = Some(0),
                _ => return None,
            }
        }
        (digits > 0).then_some((value, scale.unwrap_or(0)))
    }

    fn either(text: &[u8]) -> Option<(u64, usize)> {
        let (one, other) = (short(text), longer(text));
        assert!(one.is_none() || text.len() <= 16 && other.is_none());
        one.or(other)
    }

    #[test]
    fn every_length_with_a_point_anywhere_and_any_byte_in_any_place() {
        let digits = b"9876543210123456789";
        for length in 0..=18 {
            let text = digits[..length].to_vec();
            assert_eq!(either(&text), slowly(&text));
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = text.clone();
                    text[at] = byte;
                    assert_eq!(either(&text), slowly(&text), "{text:?}");
                    for second in 0..length {
                        let mut text = text.clone();
                        text[second] = b'.';
                        assert_eq!(either(&text), slowly(&text), "{text:?}");
                    }
                }
            }
            assert_eq!(either(&vec![b'.'; length]), None);
            assert_eq!(either(&vec![b'0'; length]), slowly(&vec![b'0'; length]));
        }
        // Nineteen digits may be too many.
        assert_eq!(either(b"9876543210123456789"), None);
        assert_eq!(either(b"98765432.0123456789"), Some((987_654_320_123_456_789, 10)));
    }
}

//! Milliseconds since midnight that have a fraction.

/// Nanoseconds since midnight of milliseconds with a fraction.
pub(super) fn since_midnight(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole| *whole < 86_400_000)?;
    let mut nanos: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    for _ in fraction.len()..6 {
        nanos *= 10;
    }
    Some(whole * 1_000_000 + nanos)
}

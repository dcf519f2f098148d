//! Numbers, sizes and times as people read them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

/// With a comma between groups of three digits: `1,204,000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time of the ledger, in microseconds since 1970, as RFC 3339 in UTC to the millisecond.
pub fn timestamp(micros: i64) -> String {
    let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A count per second, with separators; below 10 with one decimal.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second <= 0.0 {
        return "0".to_owned();
    }
    if per_second < 9.95 { format!("{per_second:.1}") } else { count(per_second.round() as u64) }
}

/// `1 row`, `2 rows`, for words that take an s.
pub fn plural(n: u64, word: &str) -> String {
    format!("{} {word}{}", count(n), if n == 1 { "" } else { "s" })
}

/// In decimal units, as disks are sold: `980 B`, `48.2 MB`.
pub fn bytes(n: u64) -> String {
    let (scaled, unit) = scale(n, n);
    format!("{scaled} {unit}")
}

/// How much of how much, in the unit of the whole: `20.2 of 48.2 MB`.
pub fn bytes_of(part: u64, whole: u64) -> String {
    let (part, _) = scale(part, whole);
    let (whole, unit) = scale(whole, whole);
    format!("{part} of {whole} {unit}")
}

/// `n` in the unit that suits `like`.
fn scale(n: u64, like: u64) -> (String, &'static str) {
    const UNITS: [(u64, &str); 6] = [
        (1_000_000_000_000_000, "PB"),
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
        (1, "B"),
    ];
    // A little early, so that 999,960 is 1.0 MB and not 1000.0 kB.
    let (size, unit) =
        UNITS.into_iter().find(|(size, _)| like as f64 >= *size as f64 * 0.99995).unwrap_or((1, "B"));
    let text = if size == 1 { n.to_string() } else { format!("{:.1}", n as f64 / size as f64) };
    (text, unit)
}

/// Whole percents, rounded down, so that 100 means all.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { ((u128::from(part) * 100 / u128::from(whole)) as u64).min(100) }
}

/// A length of time in words: `0.84 s`, `12.3 s`, `3 min 12 s`, `2 h 05 min`, `1 d 03 h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = time.as_secs();
    match seconds {
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 60 => "1 min 00 s".to_owned(),
        _ if whole < 3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ if whole < 86_400 => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// A length of time as a clock shows it, in whole seconds: `0:12`, `12:03`, `1:02:03`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// A latency: `0.84 ms`, `45 ms`, `1.2 s`.
pub fn latency(millis: f64) -> String {
    match millis {
        m if m < 9.995 => format!("{m:.2} ms"),
        m if m < 999.5 => format!("{m:.0} ms"),
        m => format!("{:.1} s", m / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        let shown = [0, 7, 999, 1_000, 12_345, 1_204_000, u64::MAX].map(count);
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,204,000", "18,446,744,073,709,551,615"]);
        assert_eq!(
            [0.0, -1.0, f64::NAN, 0.25, 9.94, 9.96, 101_233.4].map(rate),
            ["0", "0", "0", "0.2", "9.9", "10", "101,233"]
        );
        assert_eq!((plural(1, "row"), plural(1_000, "row")), ("1 row".into(), "1,000 rows".into()));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [0, 980, 1_000, 48_234_567, 999_960, 3_000_000_000_000].map(bytes),
            ["0 B", "980 B", "1.0 kB", "48.2 MB", "1.0 MB", "3.0 TB"]
        );
        assert_eq!(bytes_of(980_000, 48_234_567), "1.0 of 48.2 MB");
        assert_eq!(bytes_of(3, 10), "3 of 10 B");
    }

    #[test]
    fn all_but_one_is_not_a_hundred_percent() {
        assert_eq!(percent(999, 1_000), 99);
        assert_eq!(percent(1_000, 1_000), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(5, 3), 100);
        assert_eq!(percent(0, 0), 100);
    }

    #[test]
    fn times_read_well_at_every_length() {
        let shown = [0, 840, 9_994, 9_996, 12_340, 59_960, 192_000, 7_500_000, 97_200_000]
            .map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(
            shown,
            [
                "0.00 s",
                "0.84 s",
                "9.99 s",
                "10.0 s",
                "12.3 s",
                "1 min 00 s",
                "3 min 12 s",
                "2 h 05 min",
                "1 d 03 h"
            ]
        );
        assert_eq!([12, 723, 3_723].map(|s| clock(Duration::from_secs(s))), ["0:12", "12:03", "1:02:03"]);
        assert_eq!(
            [0.84, 9.996, 45.4, 999.6, 1_234.0].map(latency),
            ["0.84 ms", "10 ms", "45 ms", "1.0 s", "1.2 s"]
        );
    }
}

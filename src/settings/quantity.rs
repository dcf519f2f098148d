//! Quantities as people write them: durations, sizes, counts, rates.

use std::time::Duration;

/// A number, and the unit behind it.
fn with_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    (number.trim(), unit)
}

fn seconds(number: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number).map_err(|_| "the duration is negative or too long".to_owned())
}

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
///
/// # Errors
/// Where it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = with_unit(text);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{unit:?} is not a unit of time; use ms, s, m, h or d")),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number, as in 250ms, 5s or 15m".to_owned())?;
    seconds(number * factor)
}

/// A duration that is longer than none.
///
/// # Errors
/// Where it is not.
pub fn some_time(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| match time.is_zero() {
        true => Err("it has to be longer than 0".to_owned()),
        false => Ok(time),
    })
}

/// A duration in milliseconds where no unit is given, as the `MDS_RETRY_…_MS` variables have it.
///
/// # Errors
/// Where it is none.
pub fn millis(text: &str) -> Result<Duration, String> {
    text.trim().parse::<f64>().map_or_else(|_| duration(text), |ms| seconds(ms / 1000.0))
}

/// A positive count.
///
/// # Errors
/// Where it is none.
pub fn count(text: &str) -> Result<usize, String> {
    match text.replace(['_', ','], "").parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// As many as the store is worth.
    Auto,
    /// So many.
    Fixed(usize),
}

/// A number of workers: `auto` or a number.
///
/// # Errors
/// Where it is neither.
pub fn workers(text: &str) -> Result<Workers, String> {
    match text.trim() {
        "auto" => Ok(Workers::Auto),
        number => match count(number) {
            Err(why) if why.starts_with("expected") => Err("expected a whole number, or auto".to_owned()),
            counted => counted.map(Workers::Fixed),
        },
    }
}

/// Rows a second: `5000` or `5000/s`.
///
/// # Errors
/// Where it is none.
pub fn rate(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = text.strip_suffix("/s").unwrap_or(text).trim().replace(['_', ','], "");
    match number.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) => Err("must be more than 0".to_owned()),
        Err(_) => Err("expected rows a second, as in 5000 or 5000/s".to_owned()),
    }
}

/// A factor that lets something grow, or leaves it as it is.
///
/// # Errors
/// Where it is none.
pub fn growth(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor >= 1.0 => Ok(factor),
        Ok(_) => Err("must be at least 1".to_owned()),
        Err(_) => Err("expected a number, as in 2 or 1.5".to_owned()),
    }
}

/// Yes or no, as the variables of the Python system say it; one that is empty says yes.
///
/// # Errors
/// Where it is neither.
pub fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A size in bytes: a number, or one with `K`, `M`, `G` or `T`, also written `KB` or `KiB`.
///
/// # Errors
/// Where it is none.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = with_unit(text);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(format!("{unit:?} is not a unit of size; use K, M, G or T")),
    };
    let whole = number.replace('_', "").parse::<u64>();
    let number = whole.map_err(|_| "expected a whole number, as in 65536, 100M or 1G".to_owned())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("must be at least 1 byte".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("the size is too large".to_owned()),
    }
}

/// A name and a value: `NAME=VALUE`.
///
/// # Errors
/// Where it is none.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(millis("50"), Ok(Duration::from_millis(50)));
        assert_eq!(millis("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "x", "-1s", "5 weeks", "1e300d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("5000"), Ok(5000.0));
        assert_eq!(rate(" 10_000/s"), Ok(10_000.0));
        for wrong in ["", "0", "-1", "x", "5/m", "inf", "nan"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn factors_and_truths() {
        assert_eq!((growth("1"), growth(" 2.5 ")), (Ok(1.0), Ok(2.5)));
        for wrong in ["", "0.5", "-2", "inf", "nan", "x"] {
            assert!(growth(wrong).is_err(), "{wrong}");
        }
        assert_eq!((truth(""), truth(" On "), truth("0")), (Ok(true), Ok(true), Ok(false)));
        assert!(truth("perhaps").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("100M"), Ok(100 << 20));
        assert_eq!(size(" 1 GiB "), Ok(1 << 30));
        assert_eq!(size("2kb"), Ok(2048));
        for wrong in ["", "M", "1.5G", "-1", "0", "0K", "1X", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}

//! JSON, so that values that are the same for `jsonb` have the same text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Levels that are taken apart; what lies deeper stays as it is written, but for blanks.
const DEPTH: usize = 256;

/// Places by which a point is moved at most, before a number is written with an exponent.
const PLACES: i64 = 64;

/// The text of a document: names in order, each once, no blanks, numbers by their value. `None` where it is no JSON.
pub(super) fn canonical(text: &[u8]) -> Option<String> {
    let value: &RawValue = serde_json::from_slice(text).ok()?;
    let mut out = String::with_capacity(text.len());
    write(value.get().trim(), DEPTH, &mut out)?;
    Some(out)
}

fn write(text: &str, depth: usize, out: &mut String) -> Option<()> {
    match text.as_bytes().first()? {
        b'{' | b'[' if depth == 0 => close_up(text, out),
        b'{' => {
            // Of a name that comes twice the last value counts, as for the server.
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(name).to_string());
                out.push(':');
                write(value.get().trim(), depth - 1, out)?;
            }
            out.push('}');
        }
        b'[' => {
            let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push('[');
            for (at, value) in values.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(value.get().trim(), depth - 1, out)?;
            }
            out.push(']');
        }
        b'"' => {
            let string: String = serde_json::from_str(text).ok()?;
            out.push_str(&serde_json::Value::from(string).to_string());
        }
        b'-' | b'0'..=b'9' => number(text, out),
        _ => out.push_str(text),
    }
    Some(())
}

/// Without the blanks between the values.
fn close_up(text: &str, out: &mut String) {
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        if inside || !c.is_ascii_whitespace() {
            out.push(c);
        }
        if inside && !escaped && c == '\\' {
            escaped = true;
            continue;
        }
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = false;
    }
}

/// A number by its value: without zeros that say nothing, and with an exponent only where it is very large or small.
fn number(text: &str, out: &mut String) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{decimals}");
    let digits = digits.trim_start_matches('0');
    let exponent = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') {
        i64::MIN / 4
    } else {
        i64::MAX / 4
    });
    // The value is `digits` times ten to that power.
    let mut power = exponent - decimals.len() as i64;
    let kept = digits.trim_end_matches('0');
    power += (digits.len() - kept.len()) as i64;
    if kept.is_empty() {
        out.push('0');
        return;
    }
    if negative {
        out.push('-');
    }
    let len = kept.len() as i64;
    match power {
        0..=PLACES => {
            out.push_str(kept);
            (0..power).for_each(|_| out.push('0'));
        }
        _ if power < 0 && -power < len => {
            let (whole, decimals) = kept.split_at((len + power) as usize);
            out.push_str(whole);
            out.push('.');
            out.push_str(decimals);
        }
        _ if power < 0 && -power - len <= PLACES => {
            out.push_str("0.");
            (0..-power - len).for_each(|_| out.push('0'));
            out.push_str(kept);
        }
        _ => {
            out.push_str(kept);
            out.push('e');
            out.push_str(&power.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_takes_for_the_same_has_the_same_text() {
        for (a, b) in [
            (r#"{"b": 1.50, "a":[1,{"z":null}]}"#, r#"{"a": [1, {"z": null}], "b": 1.5}"#),
            ("1e2", "100"),
            ("-0.0", "0"),
            ("1E+400", &format!("1{}", "0".repeat(400))),
            ("12.5e-3", "0.0125"),
            (r#""\u0041\/""#, r#""A/""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("100e-2", "1"),
            (" true ", "true"),
            ("0.00000001", "1e-8"),
        ] {
            assert_eq!(canonical(a.as_bytes()), canonical(b.as_bytes()), "{a} {b}");
        }
        for (text, expected) in [
            ("12345678901234567890.1234567890", "12345678901234567890.123456789"),
            ("100", "100"),
            ("-1.25e1", "-12.5"),
            ("0.001", "0.001"),
            (r#"{"a" : [ ] }"#, r#"{"a":[]}"#),
        ] {
            assert_eq!(canonical(text.as_bytes()).as_deref(), Some(expected));
        }
        assert_ne!(
            canonical(b"12345678901234567890.123456789"),
            canonical(b"12345678901234567890.123456788")
        );
        assert_eq!(canonical(b"{"), None);
    }

    #[test]
    fn deep_documents_are_compared_without_their_blanks() {
        let deep =
            |blank: &str| format!("{}\"a \\\" b\"{}", format!("[{blank}").repeat(5_000), "]".repeat(5_000));
        let close = canonical(deep("").as_bytes());
        assert!(close.is_some());
        assert_eq!(close, canonical(deep(" ").as_bytes()));
    }
}

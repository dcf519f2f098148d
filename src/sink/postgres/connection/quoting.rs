//! Names and texts inside SQL.

/// The name as SQL takes it literally: in double quotes, quotes inside doubled.
pub(in crate::sink::postgres) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name as people read it and SQL takes it too: in quotes only where it needs them.
pub(in crate::sink::postgres) fn readable(name: &str) -> String {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    match name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit()) {
        true => name.to_owned(),
        false => ident(name),
    }
}

/// The names quoted and joined by commas.
pub(in crate::sink::postgres) fn idents<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|n| ident(n.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The text as a literal that means the same whatever `standard_conforming_strings` says.
pub(in crate::sink::postgres) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_broken_out_of() {
        assert_eq!(ident(r#"My "t""#), r#""My ""t""""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
        assert_eq!(idents(["a", "B"]), r#""a", "B""#);
        let names = ["bars_1m", "_t", "MineX", "Mine x", "mine.x", "1m", "ü", r#"a"b"#, ""];
        let shown = [
            "bars_1m",
            "_t",
            r#""MineX""#,
            r#""Mine x""#,
            r#""mine.x""#,
            r#""1m""#,
            r#""ü""#,
            r#""a""b""#,
            r#""""#,
        ];
        assert_eq!(names.map(readable), shown);
    }
}

//! Columns from the name of a file: `{symbol}-{timeframe}-{date}`.

/// A parsed `--name-pattern`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(String),
}

impl NamePattern {
    /// Parses a pattern; the error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            match rest.find('{') {
                Some(0) => {
                    let end = rest
                        .find('}')
                        .ok_or_else(|| format!("name pattern {text:?} has a {{ without its }}"))?;
                    let field = rest[1..end].trim();
                    if field.is_empty() {
                        return Err(format!(
                            "name pattern {text:?} has an empty {{}}; use {{date}} for what is not wanted"
                        ));
                    }
                    if matches!(parts.last(), Some(Part::Field(_))) {
                        return Err(format!(
                            "name pattern {text:?} has two fields with nothing between them"
                        ));
                    }
                    parts.push(Part::Field(field.to_owned()));
                    rest = &rest[end + 1..];
                }
                at => {
                    let end = at.unwrap_or(rest.len());
                    parts.push(Part::Literal(rest[..end].to_owned()));
                    rest = &rest[end..];
                }
            }
        }
        if !parts.iter().any(|p| matches!(p, Part::Field(_))) {
            return Err(format!(
                "name pattern {text:?} names no column; write for instance {{symbol}}-{{timeframe}}-{{date}}"
            ));
        }
        Ok(Self { parts })
    }

    /// The fields of a file's name (without folder and extensions), or `None` where it does not
    /// fit. `{date}` and `{}` other than columns are up to the caller to ignore.
    pub fn fields(&self, name: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        matches(&self.parts, name, &mut found).then_some(found)
    }
}

fn matches(parts: &[Part], text: &str, found: &mut Vec<(String, String)>) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Literal(literal), rest @ ..] => {
            text.strip_prefix(literal.as_str()).is_some_and(|t| matches(rest, t, found))
        }
        [Part::Field(field)] => {
            found.push((field.clone(), text.to_owned()));
            !text.is_empty()
        }
        [Part::Field(field), rest @ ..] => {
            // The shortest text first; what follows is a literal, so few ends are possible.
            let Some(Part::Literal(literal)) = rest.first() else { return false };
            text.match_indices(literal.as_str()).filter(|(end, _)| *end > 0).any(|(end, _)| {
                let mark = found.len();
                found.push((field.clone(), text[..end].to_owned()));
                let fits = matches(rest, &text[end..], found);
                if !fits {
                    found.truncate(mark);
                }
                fits
            })
        }
    }
}

/// The name of a file without its folder and its known extensions.
pub fn stem(source: &str) -> &str {
    let mut name = source.rsplit(['/', '\\']).next().unwrap_or(source);
    const KNOWN: [&str; 12] =
        ["gz", "zst", "bz2", "xz", "zip", "csv", "tsv", "txt", "ndjson", "jsonl", "json", "parquet"];
    while let Some((rest, extension)) = name.rsplit_once('.') {
        if rest.is_empty() || !KNOWN.iter().any(|k| extension.eq_ignore_ascii_case(k)) {
            break;
        }
        name = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pattern: &str, name: &str) -> Option<Vec<(String, String)>> {
        NamePattern::parse(pattern).unwrap().fields(stem(name))
    }

    #[test]
    fn binance_names() {
        let found = fields("{symbol}-{timeframe}-{date}", "data/spot/BTCUSDT-1m-2024-02.csv.gz").unwrap();
        let text = |i: usize| (found[i].0.as_str(), found[i].1.as_str());
        assert_eq!(text(0), ("symbol", "BTCUSDT"));
        assert_eq!(text(1), ("timeframe", "1m"));
        assert_eq!(text(2), ("date", "2024-02"));
        assert_eq!(fields("{symbol}-{timeframe}-{date}", "BTCUSDT.csv"), None);
        assert_eq!(fields("x_{symbol}", "y_A.csv"), None);
        assert_eq!(fields("{symbol}_us", "brk.b_us.txt").unwrap()[0].1, "brk.b");
    }

    #[test]
    fn patterns_that_make_no_sense() {
        for pattern in ["abc", "{symbol", "{}", "{a}{b}", ""] {
            assert!(NamePattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}

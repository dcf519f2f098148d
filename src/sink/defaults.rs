//! Defaults of columns, as a catalog has them.

/// Whether a default is the same for all rows: a literal, with or without casts behind it. What a function makes may be
/// another value for each row.
pub fn is_literal(sql: &str) -> bool {
    let sql = sql.trim();
    let sql = sql.strip_prefix('(').and_then(|sql| sql.strip_suffix(')')).map_or(sql, str::trim);
    let of_type = |c: char| {
        c.is_alphanumeric() || matches!(c, ':' | '_' | '.' | '"' | '(' | ')' | ',' | '[' | ']' | ' ')
    };
    let casts = |rest: &str| rest.is_empty() || rest.starts_with("::") && rest.chars().all(of_type);
    if let Some(mut rest) = sql.strip_prefix('\'') {
        loop {
            let Some((_, behind)) = rest.split_once('\'') else { return false };
            match behind.strip_prefix('\'') {
                // Two are one in the text.
                Some(more) => rest = more,
                None => return casts(behind.trim_start()),
            }
        }
    }
    let end = sql.find("::").unwrap_or(sql.len());
    let (word, rest) = sql.split_at(end);
    let word = word.trim();
    let number = word.strip_prefix(['-', '+']).unwrap_or(word);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    casts(rest)
        && (is_number || ["true", "false", "null"].iter().any(|known| word.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_from_what_is_made_for_each_row() {
        for literal in [
            "''::text",
            "'a''b'::character varying(20)",
            "'1'::numeric(10,2)",
            "0",
            "-1",
            "(-1)",
            "1.5",
            "'2020-01-01'::date",
            "true",
            "'0000'::uuid",
            "'x'",
            "'-1'::integer",
            "1e3",
            "0::bigint",
            "NULL::text",
            "null",
        ] {
            assert!(is_literal(literal), "{literal}");
        }
        for made in [
            "now()",
            "CURRENT_TIMESTAMP",
            "nextval('s'::regclass)",
            "gen_random_uuid()",
            "clock_timestamp()",
            "('a' || 'b')",
            "'a'::text || now()",
            "upper('x'::text)",
            "CURRENT_DATE",
            "",
            "'a",
            "('now'::text)::date",
            "x",
        ] {
            assert!(!is_literal(made), "{made}");
        }
    }
}

//! The two spellings of a connection: `postgres://…` and `key=value …`, as libpq reads them.
//!
//! Only the grammar lives here. No message repeats a value: any of them may be the password, or
//! a piece of one that was not percent-encoded.

use crate::error::{Error, Result};

/// Parameters in the order in which they were written; the last one of a name counts.
pub(in crate::sink::postgres) type Parameters = Vec<(String, String)>;

/// What names a store.
const ACCEPTED: &str = "postgres://user@host/database, key=value pairs such as host=localhost dbname=market, service=NAME, and sqlite:PATH";

/// Longest connection text that is read.
const MAX_LEN: usize = 64 << 10;

/// Reads a connection text.
pub(in crate::sink::postgres) fn parse(text: &str) -> Result<Parameters> {
    let text = text.trim();
    if text.len() > MAX_LEN {
        return Err(bad("it is longer than 64 KiB"));
    }
    match of_postgres(text) {
        Some(rest) => url(rest),
        None if scheme(text).is_some() => Err(Error::usage(format!(
            "{}:// is not a store that can be loaded into; accepted are {ACCEPTED}",
            scheme(text).unwrap_or_default()
        ))),
        None if text.contains('=') || text.is_empty() => pairs(text),
        None => Err(bad(&format!("accepted are {ACCEPTED}"))),
    }
}

/// What follows the scheme of a server of ours: `postgres://`, `postgresql://`, and either with the driver
/// of SQLAlchemy behind a plus (`postgresql+psycopg://`).
fn of_postgres(text: &str) -> Option<&str> {
    let (name, rest) = (scheme(text)?, text.split_once("://")?.1);
    let name = name.split_once('+').map_or(name, |(name, _)| name);
    matches!(name.to_ascii_lowercase().as_str(), "postgres" | "postgresql").then_some(rest)
}

/// What stands before `://`. It is not a secret, unlike all that may follow.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain)).then_some(scheme)
}

/// What is said of a character that ends a password before its end.
const UNENCODED: &str = "a user name or password in it has a character that means something else there; \
    write @ as %40, # as %23, / as %2F, ? as %3F, : as %3A and % as %25, or leave the password to PGPASSWORD or ~/.pgpass";

/// Whether that is nothing but hosts and ports.
fn is_address(authority: &str) -> bool {
    authority.split(',').all(|host| {
        let port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).rsplit_once(':');
        port.is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn bad(what: &str) -> Error {
    Error::usage(format!("the connection string cannot be read: {what}"))
}

fn url(rest: &str) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    // An @ too many, or one that stands where no host is: what is before it is part of a password, and
    // nothing of that may be taken for the name of a host, shown or looked up.
    let beyond = |text: &str| text.contains('@') && !authority.contains('@');
    if authority.matches('@').count() > 1 || database.contains('@') || beyond(query) && !is_address(authority)
    {
        return Err(bad(UNENCODED));
    }
    let hosts = match authority.split_once('@') {
        Some((credentials, hosts)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            parameters.push(("user".into(), decode(user)?));
            parameters.push(("password".into(), decode(password)?));
            hosts
        }
        None => authority,
    };
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[') {
                Some(v6) => {
                    let (name, port) =
                        v6.split_once(']').ok_or_else(|| bad("an IPv6 address lacks its closing ]"))?;
                    (name, port.strip_prefix(':').unwrap_or(port))
                }
                None => host.split_once(':').unwrap_or((host, "")),
            };
            names.push(decode(name)?);
            ports.push(decode(port)?);
        }
        parameters.push(("host".into(), names.join(",")));
        if ports.iter().any(|port| !port.is_empty()) {
            parameters.push(("port".into(), ports.join(",")));
        }
    }
    parameters.push(("dbname".into(), decode(database)?));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| bad("a parameter after the ? has no = and value"))?;
        // JDBC's spelling, which libpq takes too.
        let (key, value) = match (decode(key)?, decode(value)?) {
            (key, value) if key == "ssl" && value == "true" => ("sslmode".to_owned(), "require".to_owned()),
            // asyncpg's, as SQLAlchemy has it.
            (key, value) if key == "ssl" && value != "false" => ("sslmode".to_owned(), value),
            pair => pair,
        };
        parameters.push((key, value));
    }
    Ok(parameters)
}

fn decode(text: &str) -> Result<String> {
    let escaped = || bad("a % in it is not followed by two hex digits; percent-encode it, % itself as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).ok_or_else(escaped);
            let value = digit(rest.next())? << 4 | digit(rest.next())?;
            match u8::try_from(value) {
                Ok(0) | Err(_) => return Err(bad("%00 stands in it")),
                Ok(value) => bytes.push(value),
            }
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 after percent-decoding"))
}

fn pairs(text: &str) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(|| bad("a word has no = and value after it"))?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(bad("a word has no = and value after it (put values with spaces in single quotes)"));
        }
        let unquoted = !after.trim_start().starts_with('\'');
        let (value, after) = value(after.trim_start())?;
        if unquoted && has_semicolons(&value) {
            return Err(bad(
                "its pairs are parted by semicolons; part them by blanks and use the names of libpq, as in host=localhost port=5432 user=me dbname=market, write it as postgres://me@localhost:5432/market, or put a value that has a semicolon in single quotes",
            ));
        }
        parameters.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// Whether a value goes on with further pairs behind a semicolon, as ODBC and .NET write them: the password
/// would be a part of the name of a host.
fn has_semicolons(value: &str) -> bool {
    let is_name = |text: &str| {
        let name = text.split_once('=').map(|(name, _)| name.trim());
        name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || " _-".contains(c))
        })
    };
    value.ends_with(';') || value.split(';').skip(1).any(is_name)
}

/// The value at the start of the text, and what follows it.
fn value(text: &str) -> Result<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(bad("a quoted value lacks its closing quote")) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        parse(text)
            .unwrap()
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn pairs_parted_by_semicolons_are_refused() {
        for text in [
            "host=h;port=1;password=S3CRET",
            "Host=h;Port=1;Username=u;Password=S3CRET;Database=m",
            "Host=h; Password=S3CRET;",
            "Server=h;User Id=u;Pwd=S3CRET",
            "host=h dbname=d;password=S3CRET",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("semicolons") && !error.contains("S3CRET"), "{error}");
        }
        assert_eq!(read("host=h password=a;b"), "host=h password=a;b");
        assert_eq!(read("host=h password='a;b=c;'"), "host=h password=a;b=c;");
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        assert_eq!(read("postgres://"), "");
        assert_eq!(
            read("postgresql://u%40x:p%2Fw@h:1,[::1]:2/d%20b?sslmode=require&options=-c%20x%3D1"),
            "user=u@x password=p/w host=h,::1 port=1,2 dbname=d b sslmode=require options=-c x=1"
        );
        assert_eq!(read("postgres://%2Ftmp%2Fs/d"), "host=/tmp/s dbname=d");
        assert_eq!(read("postgres:///d?host=/tmp&ssl=true"), "dbname=d host=/tmp sslmode=require");
    }

    #[test]
    fn what_is_no_store_is_told_what_is() {
        let told = |text| parse(text).unwrap_err().to_string();
        let text = told("mysql://me:se=cret@h/d?x=y");
        assert!(text.starts_with("mysql:// is not a store") && text.contains("sqlite:PATH"), "{text}");
        assert!(!text.contains("cret"), "{text}");
        assert!(told("market").contains("sqlite:PATH"));
        assert_eq!(read("password=a://b"), "password=a://b");
    }

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        assert_eq!(
            read(r"host = /tmp  password='it\'s \\ me' dbname=x\ y"),
            r"host=/tmp password=it's \ me dbname=x y"
        );
    }

    #[test]
    fn no_error_repeats_a_value() {
        for text in
            ["secret", "host=h secret", "password='secret", "postgres://u:%secret@h/", "postgres://h/?secret"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

//! How a stream is named: `SCHEME://[USER@]HOST[:PORT][,HOST[:PORT]]/STREAM?NAME=VALUE&…`.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The address of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What it begins with.
    pub scheme: String,
    /// The user, where it names one.
    pub user: Option<String>,
    /// The first server.
    pub host: String,
    /// Its port, where it names one.
    pub port: Option<u16>,
    /// More servers, where several may be named.
    more: Vec<(String, Option<u16>)>,
    /// The stream, or whatever stands there.
    pub stream: String,
    parameters: BTreeMap<String, String>,
}

/// What the parameters of a broker are.
pub struct Parameters {
    /// Their names; of one that ends in a dot anything may follow.
    pub names: &'static [&'static str],
    /// Whether several servers may be named.
    pub many: bool,
    /// Where a password comes from.
    pub password: &'static str,
    /// What an address looks like.
    pub example: &'static str,
}

/// Text in which `%20` stands for a blank.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// Whether what looks like the port of a host is the beginning of a password with a slash or a question mark in it.
fn hides_a_password(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let port =
        authority.rsplit_once(':').filter(|_| !authority.contains(['@', '[', ','])).map(|(_, port)| port);
    port.is_some_and(|port| port.bytes().any(|byte| !byte.is_ascii_digit())) && rest.contains('@')
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// Usage, for what is none. A password in it is not repeated.
    pub fn parse(text: &str, known: &Parameters) -> Result<Self> {
        let like = |what: &str| Error::usage(format!("{what}; write {}", known.example));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| like("this is no address of a stream"))?;
        if hides_a_password(rest) {
            return Err(like(&format!(
                "the address of a stream has a password in it, which would show in lists of processes and of runs; leave it out, and set {}",
                known.password
            )));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, stream) = place.split_once('/').unwrap_or((place, ""));
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(user), server),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(Error::usage(format!(
                "the address of a stream of {server} has a password in it, which would show in lists of processes and of runs; leave it out, and set {}",
                known.password
            )));
        }
        let bad = || like(&format!("{scheme}://{server}/… has a % that begins no byte"));
        let user =
            user.filter(|user| !user.is_empty()).map(|user| decoded(user).ok_or_else(bad)).transpose()?;
        let one = |server: &str| -> Result<(String, Option<u16>)> {
            let (host, port) = match server.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => match port.parse() {
                    Ok(port) => (host, Some(port)),
                    Err(_) => return Err(like(&format!("{server}: {port} is no port"))),
                },
                _ => (server, None),
            };
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            match host.is_empty() {
                true => Err(like("the address of a stream names no host")),
                false => Ok((host.to_owned(), port)),
            }
        };
        let (first, others) = match server.split_once(',') {
            Some((first, others)) if known.many => {
                (first, others.split(',').map(one).collect::<Result<_>>()?)
            }
            _ => (server, Vec::new()),
        };
        let ((host, port), more) = (one(first)?, others);
        let stream = decoded(stream).ok_or_else(bad)?;
        if stream.is_empty() {
            // A stream, a topic or a subject, as the example calls it.
            let end = known.example.rsplit('/').next().and_then(|end| end.split('?').next());
            let what = end.unwrap_or("stream").to_lowercase();
            return Err(like(&format!("{scheme}://{server} names no {what}")));
        }
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(bad)?;
            let is = |known: &str| {
                name == known && !known.ends_with('.')
                    || known.ends_with('.') && name.len() > known.len() && name.starts_with(known)
            };
            if !known.names.iter().any(|known| is(known)) {
                return Err(like(&format!(
                    "{scheme}://{server}/{stream} has no parameter {name}: there are {}",
                    known.names.join(", ")
                )));
            }
            let value = decoded(value).ok_or_else(bad)?;
            if value.is_empty() {
                return Err(like(&format!("{scheme}://{server}/{stream}: {name} has no value")));
            }
            if parameters.contains_key(&name) {
                return Err(like(&format!("{scheme}://{server}/{stream} names {name} twice")));
            }
            parameters.insert(name, value);
        }
        Ok(Self { scheme: scheme.to_owned(), user, host, port, more, stream, parameters })
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The parameters that begin so, each without that, and their values.
    pub fn parameters_of<'a>(&'a self, begin: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.parameters.iter();
        all.filter_map(move |(name, value)| Some((name.strip_prefix(begin)?, value.as_str())))
    }

    /// Its servers, each with its port where that is named.
    pub fn servers(&self) -> Vec<String> {
        let first = std::iter::once((&self.host, self.port));
        let all = first.chain(self.more.iter().map(|(host, port)| (host, *port)));
        let shown = |(host, port): (&String, Option<u16>)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            host + &port.map(|port| format!(":{port}")).unwrap_or_default()
        };
        all.map(shown).collect()
    }

    /// The stream as messages and dead letters name it.
    pub fn name(&self) -> String {
        format!("{}://{}/{}", self.scheme, self.servers().join(","), self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Parameters = Parameters {
        names: &["group", "field"],
        many: true,
        password: "the variable SECRET",
        example: "redis://HOST/STREAM?group=GROUP",
    };

    #[test]
    fn an_address_is_taken_apart() {
        let read = |text: &str| Address::parse(text, &KNOWN).unwrap();
        let all = read("redis://me@host:6380/ticks%20of%2Ftoday?group=a%26b&field=data");
        assert_eq!((all.user.as_deref(), &*all.host, all.port), (Some("me"), "host", Some(6380)));
        assert_eq!((&*all.stream, all.parameter("group")), ("ticks of/today", Some("a&b")));
        assert_eq!(all.parameter("field"), Some("data"));
        assert_eq!(all.name(), "redis://host:6380/ticks of/today");
        let plain = read("redis://[::1]/a/b");
        assert_eq!((&*plain.host, plain.port, &*plain.stream), ("::1", None, "a/b"));
        assert_eq!((plain.name().as_str(), plain.parameter("group")), ("redis://[::1]/a/b", None));
        assert_eq!(read("redis://[::1]:7/a").port, Some(7));
        let several = read("redis://a:1,[::1]:2,c/s");
        assert_eq!(several.servers(), ["a:1", "[::1]:2", "c"]);
        assert_eq!(several.name(), "redis://a:1,[::1]:2,c/s");
    }

    #[test]
    fn what_is_no_address_is_told_and_a_password_is_not() {
        for (text, said) in [
            ("redis://host", "redis://host names no stream; write redis://HOST"),
            ("redis:///a", "names no host"),
            ("redis://a,,b/a", "names no host"),
            ("redis://host:x/a", "host:x: x is no port"),
            ("redis://host/a?grup=1", "has no parameter grup: there are group, field"),
            ("redis://host/a?group=", "group has no value"),
            ("redis://host/a?group=1&group=2", "names group twice"),
            ("redis://host/%zz", "has a % that begins no byte"),
            ("redis://me:hunter2@host/a?group=1", "leave it out, and set the variable SECRET"),
        ] {
            let error = Address::parse(text, &KNOWN).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}

//! Names of files for people: a name is bytes, and what is no UTF-8 of it is shown escaped.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::objects::Address;
use crate::source::broker::known;

/// The name as text: bytes that are no UTF-8 as `\xE9`, all else as it is. Two names never look alike for
/// a byte that cannot be shown. Of an address nothing is shown that may be secret.
pub fn shown(name: impl AsRef<OsStr>) -> String {
    if let Some(address) = Address::parse(name.as_ref()) {
        return address.map_or_else(|_| "an address".to_owned(), |address| address.name());
    }
    if let Some(hidden) = name.as_ref().to_str().and_then(without_password) {
        return hidden;
    }
    let mut text = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Into a string nothing fails.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

/// The address of a stream without the password that is in it; `None` where there is none.
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    known(OsStr::new(text))?;
    let place = rest.split('?').next()?;
    let authority = place.split('/').next()?;
    let end = match authority.rfind('@') {
        Some(end) => end,
        // A slash or a question mark in a password looks like the end of what it is in.
        None => {
            let (_, port) = authority.rsplit_once(':').filter(|_| !authority.starts_with('['))?;
            rest.rfind('@').filter(|_| port.bytes().any(|byte| !byte.is_ascii_digit()))?
        }
    };
    let (user, _) = rest.get(..end)?.split_once(':')?;
    Some(format!("{scheme}://{user}:…{}", rest.get(end..)?))
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

/// A path in JSON: as text, or as its bytes where it is no UTF-8.
pub(super) mod path {
    use super::*;

    pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let written = match path.to_str() {
            Some(text) => Written::Text(text.to_owned()),
            None => Written::Bytes(path.as_os_str().as_bytes().to_vec()),
        };
        written.serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Written::deserialize(from)? {
            Written::Text(text) => text.into(),
            Written::Bytes(bytes) => std::ffi::OsString::from_vec(bytes).into(),
        })
    }
}

/// Serde for an optional path, which `path` writes where there is one.
pub(super) mod some_path {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super::path")] PathBuf);

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.clone().map(Wrapped).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(from)?.map(|wrapped| wrapped.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_of_a_stream_is_not_shown() {
        for (given, said) in [
            ("redis://me:pw@h:1/s?group=g", "redis://me:…@h:1/s?group=g"),
            ("redis://:p/w@x@h/s", "redis://:…@h/s"),
            ("redis://me:p/w@h/s", "redis://me:…@h/s"),
            ("redis://me@h:1/s@b", "redis://me@h:1/s@b"),
            ("redis://h:1/s@b?field=a:b@c", "redis://h:1/s@b?field=a:b@c"),
            ("redis://[::1]/a@b", "redis://[::1]/a@b"),
            ("other://me:pw@h", "other://me:pw@h"),
        ] {
            assert_eq!(shown(given), said);
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_escaped_and_kept() {
        let odd = OsStr::from_bytes(b"caf\xE9/b\xC3\xA4r.csv");
        assert_eq!(shown(odd), "caf\\xE9/bär.csv");
        #[derive(Serialize, Deserialize)]
        struct Place {
            #[serde(with = "path")]
            path: PathBuf,
            #[serde(with = "some_path")]
            born: Option<PathBuf>,
        }
        for name in [odd, OsStr::new("a.csv")] {
            let place = Place { path: name.into(), born: Some(name.into()) };
            let text = serde_json::to_string(&place).unwrap();
            let back: Place = serde_json::from_str(&text).unwrap();
            assert_eq!((back.path.as_os_str(), back.born), (name, Some(name.into())), "{text}");
        }
        let text = serde_json::to_string(&Place { path: "a.csv".into(), born: None }).unwrap();
        assert_eq!(text, r#"{"path":"a.csv","born":null}"#);
    }
}

//! `s3://bucket/key` and its like: what is meant, and what may be shown of it.

use std::ffi::OsStr;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// Where objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
    /// A web server.
    Http,
}

/// The address of an object, or of all those whose keys begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    /// As it was written, up to the key: `s3://bucket/`, or `https://host/` without what is secret.
    place: Arc<str>,
    /// Bucket or container; of a web address scheme, user, host and port.
    bucket: Arc<str>,
    key: String,
    /// What follows the `?` of a web address. It may be a signature, so it is never shown.
    query: Option<Arc<str>>,
}

/// Parameters of an address that say nothing of what is there, and change whenever it is signed anew.
const SIGNING: [&str; 22] = [
    "awsaccesskeyid",
    "expires",
    "signature",
    "googleaccessid",
    "key-pair-id",
    "policy",
    "response-content-disposition",
    "sv",
    "ss",
    "st",
    "se",
    "sr",
    "sp",
    "spr",
    "sig",
    "sip",
    "skoid",
    "sktid",
    "skt",
    "ske",
    "sks",
    "skv",
];

impl Address {
    /// Reads it; `None` where it is no address of this kind.
    ///
    /// # Errors
    /// Usage, where something is missing in it. The sentence shows nothing that may be secret.
    pub fn parse(text: &OsStr) -> Option<Result<Self>> {
        let (scheme, rest) = text.to_str()?.split_once("://")?;
        let named = scheme.to_ascii_lowercase();
        match named.as_str() {
            "s3" | "s3a" => Some(Self::in_bucket(Scheme::S3, &named, rest)),
            "gs" => Some(Self::in_bucket(Scheme::Gcs, &named, rest)),
            "az" | "azure" => Some(Self::in_bucket(Scheme::Azure, &named, rest)),
            "http" | "https" => Some(Self::on_the_web(&named, rest)),
            _ => None,
        }
    }

    fn in_bucket(scheme: Scheme, named: &str, rest: &str) -> Result<Self> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['?', '#', '@', ':', '*', '[']) {
            let what = if scheme == Scheme::Azure { "container" } else { "bucket" };
            return Err(Error::usage(format!(
                "an address that begins with {named}:// names a {what} and a key: {named}://{}/KEY",
                what.to_ascii_uppercase()
            )));
        }
        let place = format!("{named}://{bucket}/");
        Ok(Self { scheme, place: place.into(), bucket: bucket.into(), key: key.to_owned(), query: None })
    }

    fn on_the_web(named: &str, rest: &str) -> Result<Self> {
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (authority, key) = path.split_once('/').unwrap_or((path, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() {
            return Err(Error::usage(format!("a web address names a host and a file: {named}://HOST/FILE")));
        }
        Ok(Self {
            scheme: Scheme::Http,
            place: format!("{named}://{host}/").into(),
            bucket: format!("{named}://{authority}").into(),
            key: key.to_owned(),
            query: query.filter(|query| !query.is_empty()).map(Into::into),
        })
    }

    /// Where it is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its bucket or container; of a web address scheme, user, host and port.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Its key, or what the keys that are meant begin with.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What follows the `?` of a web address.
    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Where keys of its bucket begin, as it is shown.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// That key of the same bucket.
    pub fn at(&self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    /// Whether what is there can be listed.
    pub fn is_listed(&self) -> bool {
        self.scheme != Scheme::Http
    }

    /// The address as it may be shown and noted, the same for the same object however it is signed: what follows
    /// a `?` is left out, and where it is more than a signature a hash stands for it.
    pub fn name(&self) -> String {
        let shown = format!("{}{}", self.place, self.key);
        match self.query.as_deref().map(unsigned).filter(|rest| !rest.is_empty()) {
            Some(rest) => format!("{shown}?{:08x}", xxh3_64(rest.as_bytes()) & 0xFFFF_FFFF),
            None => shown,
        }
    }
    /// The address as it was written, with an ellipsis for what may be secret in it; `None` where nothing may.
    pub fn hidden(&self) -> Option<String> {
        let user = self.scheme == Scheme::Http && self.bucket.contains('@');
        let shown = match self.place.split_once("://").filter(|_| user) {
            Some((scheme, host)) => format!("{scheme}://…@{host}{}", self.key),
            None => format!("{}{}", self.place, self.key),
        };
        (user || self.query.is_some()).then(|| if self.query.is_some() { shown + "?…" } else { shown })
    }
}

/// A query without what signs it.
fn unsigned(query: &str) -> String {
    let signs = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        name.starts_with("x-amz-") || name.starts_with("x-goog-") || SIGNING.contains(&name.as_str())
    };
    query.split('&').filter(|pair| !signs(pair)).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Address {
        Address::parse(OsStr::new(text)).unwrap().unwrap()
    }

    #[test]
    fn addresses_in_their_parts() {
        for (text, scheme, bucket, key) in [
            ("s3://b/2024/a?c.csv", Scheme::S3, "b", "2024/a?c.csv"),
            ("S3A://b/a.csv", Scheme::S3, "b", "a.csv"),
            ("gs://b/", Scheme::Gcs, "b", ""),
            ("az://c", Scheme::Azure, "c", ""),
            ("https://me:pw@h:8443/d/a%20b.csv?sig=1#x", Scheme::Http, "https://me:pw@h:8443", "d/a%20b.csv"),
        ] {
            let address = of(text);
            assert_eq!((address.scheme(), address.bucket(), address.key()), (scheme, bucket, key), "{text}");
        }
        for text in ["a.csv", "/d/s3:/x", "ftp://h/a", "kafka://b/t", "s3:/b/a"] {
            assert!(Address::parse(OsStr::new(text)).is_none(), "{text}");
        }
        for text in ["s3://", "s3:///a", "gs://b?x/a", "https:///a", "s3://b*/a"] {
            assert!(Address::parse(OsStr::new(text)).unwrap().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_in_a_name() {
        assert_eq!(of("s3://b/d/*.csv").name(), "s3://b/d/*.csv");
        let signed = "https://me:pw@h/a.csv?X-Amz-Signature=pw&X-Amz-Date=pw";
        assert_eq!(of(signed).name(), "https://h/a.csv");
        assert_eq!(of("https://h/a?sv=2024&sig=pw").name(), "https://h/a");
        // Another query is another object, and may be a secret of its own.
        let [one, again, other] =
            ["s=1&sig=2", "s=1&sig=3", "s=2&sig=2"].map(|q| of(&format!("https://h/a?{q}")).name());
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert!(!of("https://h/a?apikey=pw").name().contains("pw"));
    }
}

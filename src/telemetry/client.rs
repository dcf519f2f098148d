//! A client for small exchanges over HTTP/1.1, each with a connection of its own, plain or with TLS: the
//! listener of another instance, a collector of traces, a receiver of feedback.

use std::sync::Arc;
use std::{fmt, iter};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Url};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{of_tls, words};
use crate::settings::Secret;

const EXPECTED: &str = "expected http://HOST:PORT";

/// Where something listens: `http[s]://HOST[:PORT][/PATH]`.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    client: Client,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands behind the host may be a secret.
        write!(f, "Endpoint({})", place(&self.url))
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Endpoint {
    /// Reads it; `port` is the one where none is written, for `https` 443.
    ///
    /// # Errors
    /// What is wrong, without the text itself, which may hold a password; or that this system trusts nobody.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{EXPECTED}, {why}"));
        let text = text.trim();
        let Ok(mut url) = Url::parse(text) else { return wrong("and this is not a URL") };
        if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
            return wrong("with http:// or https:// in front");
        }
        if has_user(&url) {
            return wrong("without a user and a password in it");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("without a question mark or a # in it");
        }
        let authority = text.split('/').nth(2).unwrap_or_default();
        // A port that is the scheme's own is none to the URL.
        if url.scheme() == "http" && url.port().is_none() && !authority.ends_with(":80") {
            let _ = url.set_port(Some(port));
        }
        let client = client(&url)?;
        Ok(Self { url, client })
    }

    /// As it is written, with its port.
    pub fn shown(&self) -> String {
        format!("{}://{}{}", self.url.scheme(), place(&self.url), self.path())
    }

    /// The path that it ends in, without a slash at its end.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// This endpoint's host, asked over HTTP/2 alone, without trying HTTP/1.1 first; for that path alone.
    ///
    /// # Errors
    /// Where this system trusts nobody.
    #[cfg(feature = "grpc")]
    pub fn over_http2(mut self, path: &str) -> Result<Self, String> {
        self.url.set_path(path);
        let builder = client_builder(&self.url, b"h2")?;
        self.client = builder.http2_prior_knowledge().build().map_err(why)?;
        Ok(self)
    }

    /// This endpoint's host, with `path` appended to this one's path.
    pub fn below(&self, path: &str) -> Self {
        let mut below = self.clone();
        below.url.set_path(&format!("{}{path}", self.path()));
        below
    }

    /// Asks for a path below this one, with a bearer token where one is given. Sets no limit of time.
    ///
    /// # Errors
    /// In words, where no whole answer of at most so many bytes comes.
    pub async fn get(&self, path: &str, token: Option<&Secret>, most: usize) -> Result<Answer, String> {
        let mut request = Request::new(reqwest::Method::GET, self.below(path).url);
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                .map_err(|_| "the token has characters that no header can carry".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.exchange(request, most).await
    }

    /// Sends a request, and gives the answer as it comes. Sets no limit of time.
    ///
    /// # Errors
    /// What the client says of it.
    #[cfg(feature = "grpc")]
    pub async fn answer(&self, request: Request) -> Result<reqwest::Response, reqwest::Error> {
        self.client.execute(request).await
    }

    /// Sends a request and reads an answer of so many bytes at most. Sets no limit of time.
    ///
    /// # Errors
    /// In words, where no whole answer comes.
    pub async fn exchange(&self, request: Request, most: usize) -> Result<Answer, String> {
        let mut response = self.client.execute(request).await.map_err(why)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(why)? {
            if body.len() + piece.len() > most {
                return Err(format!("the answer is larger than {most} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, body })
    }
}

/// Whether a URL names a user or a password.
pub fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// `HOST:PORT` of a URL.
pub fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// A client for that URL alone: it follows nobody elsewhere (a token would go along), asks no proxy that the
/// environment names, and keeps no connection. With TLS it trusts whom this system trusts.
///
/// # Errors
/// Where that is nobody.
pub fn client(url: &Url) -> Result<Client, String> {
    client_builder(url, b"http/1.1")?.http1_only().build().map_err(why)
}

/// What [`client`] is built of; `protocol` is what TLS offers the server to speak (`h2`, `http/1.1`).
fn client_builder(url: &Url, protocol: &[u8]) -> Result<ClientBuilder, String> {
    let mut roots = RootCertStore::empty();
    if url.scheme() == "https" {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(
                "this system has no root certificates for https://; install ca-certificates".to_owned()
            );
        }
    }
    let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {}", of_tls(&error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mdsctl/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0))
}

/// Why there is no answer, in words and without the URL.
pub fn why(error: reqwest::Error) -> String {
    let mut causes = iter::successors(std::error::Error::source(&error), |cause| cause.source());
    match causes.find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        _ if error.is_connect() => format!("no connection: {}", words(&error)),
        Some(answer) if answer.is_parse() => "what answers there does not speak HTTP".to_owned(),
        Some(answer) if answer.is_incomplete_message() => {
            "the connection was closed before the answer was complete".to_owned()
        }
        _ => format!("the connection failed: {}", words(&error.without_url())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for (text, shown) in [
            ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
            ("http://collector/", "http://collector:4318"),
            ("http://[::1]:80/base/", "http://[::1]:80/base"),
        ] {
            assert_eq!(Endpoint::parse(text, 4318).unwrap().shown(), shown);
        }
        let below = Endpoint::parse("http://a:1/b", 1).unwrap().below("/readyz");
        assert_eq!((below.shown().as_str(), below.path()), ("http://a:1/b/readyz", "/b/readyz"));
        for wrong in [
            "",
            "localhost:9100",
            "/status",
            "ftp://a",
            "http://",
            "http://u:s3cret@h",
            "http://a:b",
            "http://a:99999",
            "http://a?s3cret",
        ] {
            let why = Endpoint::parse(wrong, 1).unwrap_err();
            assert!(why.contains("http://HOST:PORT") && !why.contains("s3cret"), "{wrong}: {why}");
        }
    }
}

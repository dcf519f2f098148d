//! A client for small exchanges over HTTP/1.1, each with a connection of its own, plain or with TLS: the
//! listener of another instance, a collector of traces, a receiver of feedback.

use std::fmt;
use std::sync::Arc;

use crate::error::{of_tls, words};
use crate::settings::Secret;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where something listens: `http[s]://HOST[:PORT][/PATH]`.
#[derive(Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    /// Without a slash at its end.
    path: String,
    tls: Option<TlsConnector>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands behind the host may be a secret.
        write!(f, "Endpoint({})", self.authority())
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody listens there, or the connection was lost.
    #[error("{0}")]
    Unreachable(String),
    /// What answers does not speak HTTP.
    #[error("what answers there does not speak HTTP")]
    Garbage,
    /// The answer is larger than it may be.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl Endpoint {
    /// Reads it; `port` is the one where none is written, for `https` 443.
    ///
    /// # Errors
    /// What is wrong, without the text itself, which may hold a password; or that this system trusts nobody.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        let expected = "expected http://HOST:PORT";
        let uri: Uri = text.trim().parse().map_err(|_| format!("{expected}, and this is not a URL"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(format!("{expected}, with http:// or https:// in front")),
        };
        let authority = uri.authority().ok_or_else(|| format!("{expected}, and this names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("{expected}, without a user and a password in it"));
        }
        if uri.query().is_some() {
            return Err(format!("{expected}, without a question mark in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(format!("{expected}, and this names no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => port,
            _ => authority.port_u16().ok_or_else(|| format!("{expected}, and this port is none"))?,
        };
        let tls = if tls { Some(trust()?) } else { None };
        Ok(Self { host: host.to_owned(), port, path: uri.path().trim_end_matches('/').to_owned(), tls })
    }

    /// As it is written.
    pub fn shown(&self) -> String {
        format!("http{}://{}{}", if self.tls.is_some() { "s" } else { "" }, self.authority(), self.path)
    }

    /// The path that it ends in, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same host with another path below this one's.
    pub fn below(&self, path: &str) -> Self {
        Self { path: format!("{}{path}", self.path), ..self.clone() }
    }

    /// Asks for a path below this one, with a bearer token where one is given. Sets no limit of time.
    ///
    /// # Errors
    /// In words, where no whole answer of at most so many bytes comes.
    pub async fn get(&self, path: &str, token: Option<&Secret>, most: usize) -> Result<Answer, String> {
        let mut request = Request::new(Full::default());
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                .map_err(|_| "the token has characters that no header can carry".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.below(path).exchange(request, most).await.map_err(|fault| fault.to_string())
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Sends a request to it, whatever place the request names, and reads an answer of so many bytes at most.
    /// Sets no limit of time.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub async fn exchange(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Fault> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream =
            stream.map_err(|error| Fault::Unreachable(format!("no connection: {}", words(&error))))?;
        let Some(tls) = &self.tls else { return self.exchange_on(stream, request, most).await };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Fault::Unreachable(format!("{} is not the name of a host", self.host)))?;
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| Fault::Unreachable(format!("TLS failed: {}", words(&error))))?;
        self.exchange_on(stream, request, most).await
    }

    async fn exchange_on<S>(
        &self,
        stream: S,
        mut request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Answer, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| fault(&e))?;
        // Ends with the sender; given up with it where this is given up.
        let driver = Driver(tokio::spawn(connection));
        // The host stands in a header of its own.
        let path = if self.path.is_empty() { "/" } else { &self.path };
        *request.uri_mut() = path.parse().map_err(|_| Fault::Unreachable(format!("{path} is not a path")))?;
        if let Ok(host) = HeaderValue::from_str(&self.authority()) {
            request.headers_mut().insert(HOST, host);
        }
        let response = sender.send_request(request).await.map_err(|e| fault(&e))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), most).collect().await.map_err(|error| {
            match error.downcast_ref::<hyper::Error>() {
                Some(error) => fault(error),
                None => Fault::TooLarge(most),
            }
        })?;
        drop(driver);
        Ok(Answer { status, body: body.to_bytes() })
    }
}

/// TLS with whom this system trusts.
///
/// # Errors
/// Where that is nobody.
pub fn trust() -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("this system has no root certificates for https://; install ca-certificates".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {}", of_tls(&error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The task that drives a connection, for as long as somebody waits for it.
struct Driver(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn fault(error: &hyper::Error) -> Fault {
    if error.is_parse() {
        return Fault::Garbage;
    }
    Fault::Unreachable(match error.is_incomplete_message() {
        true => "the connection was closed before the answer was complete".to_owned(),
        false => format!("the connection failed: {}", words(error)),
    })
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

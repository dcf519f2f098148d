//! The client that makes the requests, and keeps what an answer says that refuses one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

use crate::error::of_tls;

/// Longest time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest time without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer that is read for why it refuses.
const MOST: usize = 64 << 10;

/// Redirects that are followed at most.
const REDIRECTS: usize = 10;

/// Makes clients that trust whom this system trusts.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    /// Whether redirects are followed: those of a web server.
    pub(super) follows: bool,
}

/// An answer that says no.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// The code in which a store says why, such as `NoSuchBucket`.
    pub(super) code: Option<String>,
    /// The region that a bucket is in, where it was looked for in another.
    pub(super) region: Option<String>,
    /// Who has answered.
    pub(super) host: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers {}", self.host, self.status)?;
        self.code.iter().try_for_each(|code| write!(f, " ({code})"))
    }
}

impl std::error::Error for Refused {}

/// A client that cannot be made, in words.
#[derive(Debug)]
struct NoClient(String);

impl fmt::Display for NoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoClient {}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = client(self.follows).map_err(|why| object_store::Error::Generic {
            store: "client",
            source: Box::new(NoClient(why)),
        })?;
        Ok(HttpClient::new(Service(client)))
    }
}

fn client(follows: bool) -> Result<Client, String> {
    let mut roots = RootCertStore::empty();
    // Without any a server over plain HTTP can still be asked, and one with TLS is told to be unknown.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {}", of_tls(&error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let redirects = Policy::custom(|attempt| {
        let secure = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
        if attempt.previous().len() > REDIRECTS || secure && attempt.url().scheme() != "https" {
            return attempt.stop();
        }
        attempt.follow()
    });
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mdsctl/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(if follows { redirects } else { Policy::none() })
        .build()
        .map_err(|_| "a client for the requests cannot be made".to_owned())
}

#[derive(Debug)]
struct Service(Client);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = HttpService::call(&self.0, request).await?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let (region, named) = (header("x-amz-bucket-region"), header("x-ms-error-code"));
        let mut body = Vec::new();
        let mut pieces = answer.into_body().bytes_stream();
        while let Some(Ok(piece)) = pieces.next().await {
            body.extend_from_slice(&piece);
            if body.len() > MOST {
                break;
            }
        }
        let code = named.or_else(|| code(&String::from_utf8_lossy(&body)));
        let kind = match status {
            408 | 429 | 500..=599 => HttpErrorKind::Request,
            _ => HttpErrorKind::Unknown,
        };
        Err(HttpError::new(kind, Refused { status, code, region, host }))
    }
}

/// The code of an answer in XML, or the word for the fault of one in JSON; nothing that is not a plain word.
fn code(body: &str) -> Option<String> {
    let within =
        |begin: &str, end: &str| body.split_once(begin)?.1.split_once(end).map(|(code, _)| code.to_owned());
    let in_json = || {
        let value: serde_json::Value = serde_json::from_str(body).ok()?;
        let error = value.get("error")?;
        error.as_str().or_else(|| error.get("status")?.as_str()).map(str::to_owned)
    };
    let plain = |code: &String| {
        !code.is_empty()
            && code.len() <= 60
            && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    within("<Code>", "</Code>").or_else(in_json).filter(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_answers() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>x</Message></Error>";
        assert_eq!(code(xml).as_deref(), Some("NoSuchBucket"));
        assert_eq!(code(r#"{"error":"invalid_grant"}"#).as_deref(), Some("invalid_grant"));
        assert_eq!(
            code(r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#).as_deref(),
            Some("PERMISSION_DENIED")
        );
        for nothing in ["", "<html>no</html>", "<Code></Code>", "<Code>a b</Code>", r#"{"error":5}"#] {
            assert_eq!(code(nothing), None, "{nothing}");
        }
    }
}

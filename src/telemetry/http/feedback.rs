//! Sends each change of the queue's level to a URL, so that an upstream can slow down.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result, words};
use crate::port::Level;
use crate::telemetry::client::trust;
use crate::telemetry::http::Pressure;
use crate::telemetry::http::body::Body;
use crate::telemetry::http::listener::plain;

/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(30);
const NO_URL: &str = "that is not a URL; give one such as http://host:8080/feedback";

/// How patiently it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest time that an attempt may take.
    pub timeout: Duration,
    /// Attempts after the first that follow in growing distances; then there is one now and then.
    pub retries: u32,
    /// Wait before the first of them; it doubles.
    pub backoff: Duration,
}

/// Where to, and how patiently.
#[derive(Clone)]
pub struct Feedback {
    url: Uri,
    tls: Option<TlsConnector>,
    patience: Patience,
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What stands behind the host may be a secret.
        write!(f, "Feedback({:?}, {:?})", self.url.authority(), self.patience)
    }
}

impl Feedback {
    /// To `url`.
    ///
    /// # Errors
    /// [`Error::Usage`] unless it is an `http://` or `https://` URL without a user name.
    pub fn new(url: &str, patience: Patience) -> Result<Self> {
        let refused = |why: &str| Error::Usage(format!("--feedback-url: {why}"));
        let url: Uri = url.trim().parse().map_err(|_| refused(NO_URL))?;
        let host = url.host().is_some_and(|host| !host.is_empty());
        match (url.scheme_str(), url.authority()) {
            (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
                Err(refused("a user name in the URL is not sent; leave it out"))
            }
            (Some("http"), Some(_)) if host => Ok(Self { url, tls: None, patience }),
            (Some("https"), Some(_)) if host => {
                Ok(Self { url, tls: Some(trust().map_err(|why| refused(&why))?), patience })
            }
            (Some(scheme), Some(_)) => {
                Err(refused(&format!("{scheme}:// is not spoken; give an http:// or https:// URL")))
            }
            _ => Err(refused(NO_URL)),
        }
    }

    /// Sends what comes until the run has `ended`. Of several changes that wait, the last is sent.
    pub(super) async fn run(self, mut changes: Receiver<Pressure>, mut ended: watch::Receiver<bool>) {
        // What the receiver is known to believe. A queue begins empty, which nobody needs to be told.
        let mut known = Some(Level::Ok.as_str());
        let mut told = false;
        loop {
            let next = tokio::select! {
                biased;
                next = changes.recv() => next,
                _ = ended.wait_for(|ended| *ended) => return,
            };
            let mut newest = match next {
                Ok(change) => change,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let mut attempts = 0;
            loop {
                catch_up(&mut newest, &mut changes);
                if known == Some(newest.level) {
                    break;
                }
                let last = *ended.borrow();
                let failed = match timeout(self.patience.timeout, self.post(&newest)).await {
                    Ok(Ok(status)) if status.is_success() => {
                        (known, told) = (Some(newest.level), false);
                        // It may have changed again meanwhile.
                        attempts = 0;
                        continue;
                    }
                    Ok(Ok(status)) => (format!("it answers {status}"), lasting(status)),
                    Ok(Err(why)) => (why, false),
                    Err(_) => ("it does not answer in time".to_owned(), false),
                };
                // It may have taken it all the same.
                known = None;
                if !std::mem::replace(&mut told, true) {
                    let place = self.url.authority().map_or("", |authority| authority.as_str());
                    tracing::warn!(
                        "the feedback is not taken at {place}: {}; the load goes on, see --feedback-url",
                        failed.0
                    );
                }
                // What is wrong with the request stays wrong, until there is another.
                if failed.1 || last {
                    break;
                }
                tokio::select! {
                    () = sleep(self.wait(attempts)) => {}
                    // Once more, so that the last state is not missed.
                    _ = ended.wait_for(|ended| *ended) => {}
                }
                attempts += 1;
            }
        }
    }

    /// The time between an attempt and the next.
    fn wait(&self, attempts: u32) -> Duration {
        if attempts >= self.patience.retries {
            return LONGEST;
        }
        self.patience.backoff.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST)
    }

    async fn post(&self, change: &Pressure) -> Result<StatusCode, String> {
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(|error| plain(&error))?;
        let Some(tls) = &self.tls else { return self.exchange(stream, change).await };
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is not the name of a host"))?;
        let stream = tls.connect(name, stream).await.map_err(|error| plain(&error))?;
        self.exchange(stream, change).await
    }

    async fn exchange<S>(&self, stream: S, change: &Pressure) -> Result<StatusCode, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let hello = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = hello.map_err(|error| why(&error))?;
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, authority)
            .header(USER_AGENT, concat!("mdsctl/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .body(Body::whole(Bytes::from(change.to_feedback())))
            .map_err(|error| words(&error))?;
        // The connection lives as long as the request: dropped together where time runs out.
        let answer = sender.send_request(request);
        tokio::pin!(connection, answer);
        let answer = tokio::select! {
            answer = &mut answer => answer,
            closed = &mut connection => match closed {
                Ok(()) => answer.await,
                Err(error) => Err(error),
            },
        };
        answer.map(|response| response.status()).map_err(|error| why(&error))
    }
}

/// What went wrong on the line.
fn why(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.map_or_else(|| words(error), plain)
}

/// Whether the same request would be answered the same way.
fn lasting(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    (status.is_client_error() || status.is_redirection()) && !passing.contains(&status)
}

/// Takes the last of the changes that are there.
fn catch_up(newest: &mut Pressure, changes: &mut Receiver<Pressure>) {
    loop {
        match changes.try_recv() {
            Ok(newer) => *newest = newer,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { timeout: Duration::from_secs(2), retries: 3, backoff: Duration::from_millis(500) };

    #[test]
    fn only_urls_without_a_user_name() {
        let said = |url: &str| Feedback::new(url, PATIENCE).unwrap_err().to_string();
        for url in ["http://localhost/x?y=1", "http://[::1]:80", "http://10.0.0.1:8080/feedback"] {
            assert!(Feedback::new(url, PATIENCE).is_ok(), "{url}");
        }
        insta::assert_snapshot!(said("ftp://host/x"), @"--feedback-url: ftp:// is not spoken; give an http:// or https:// URL");
        insta::assert_snapshot!(said("http://me:secret@host/x"), @"--feedback-url: a user name in the URL is not sent; leave it out");
        insta::assert_snapshot!(said("host"), @"--feedback-url: that is not a URL; give one such as http://host:8080/feedback");
        for url in ["", "/path", "host:80", "http://", "a b"] {
            assert!(said(url).contains("that is not a URL"), "{url}");
        }
    }

    #[test]
    fn attempts_grow_apart_and_go_on_now_and_then() {
        let feedback = Feedback::new("http://host", PATIENCE).unwrap();
        let waits: Vec<u64> = (0..5).map(|n| feedback.wait(n).as_millis() as u64).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 30_000, 30_000]);
        let many = Feedback::new("http://host", Patience { retries: u32::MAX, ..PATIENCE }).unwrap();
        assert_eq!(many.wait(4_000_000_000), LONGEST);
    }

    #[test]
    fn a_refusal_for_what_was_sent_lasts() {
        for (status, lasts) in
            [(404, true), (301, true), (408, false), (429, false), (500, false), (503, false)]
        {
            assert_eq!(lasting(StatusCode::from_u16(status).unwrap()), lasts, "{status}");
        }
    }
}

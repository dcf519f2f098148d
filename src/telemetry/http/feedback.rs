//! Sends each change of the queue's level to a URL, so that an upstream can slow down.

use std::time::Duration;

use reqwest::header::{CONNECTION, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};
use crate::port::Level;
use crate::settings::FeedbackSettings;
use crate::telemetry::client::{client, has_user, place, why};
use crate::telemetry::http::Pressure;
use crate::text::flags::FEEDBACK_URL;

/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(30);
const NO_URL: &str = "that is not a URL; give one such as http://host:8080/feedback";

/// Where to, and how patiently.
#[derive(Clone)]
pub struct Feedback {
    url: Url,
    client: Client,
    patience: FeedbackSettings,
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What stands behind the host may be a secret.
        write!(f, "Feedback({}, {:?})", place(&self.url), self.patience)
    }
}

impl Feedback {
    /// To `url`.
    ///
    /// # Errors
    /// [`Error::Usage`] unless it is an `http://` or `https://` URL without a user name.
    pub fn new(url: &str, patience: FeedbackSettings) -> Result<Self> {
        let refused = |why: &str| Error::usage(format!("{FEEDBACK_URL}: {why}"));
        let url = Url::parse(url.trim()).map_err(|_| refused(NO_URL))?;
        match url.scheme() {
            _ if !url.has_host() => Err(refused(NO_URL)),
            "http" | "https" if has_user(&url) => {
                Err(refused("a user name in the URL is not sent; leave it out"))
            }
            "http" | "https" => {
                Ok(Self { client: client(&url).map_err(|why| refused(&why))?, url, patience })
            }
            scheme => Err(refused(&format!("{scheme}:// is not spoken; give an http:// or https:// URL"))),
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
                    tracing::warn!(
                        "the feedback is not taken at {}: {}; the load goes on, see {FEEDBACK_URL}",
                        place(&self.url),
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
        let request = self.client.post(self.url.clone()).body(change.to_feedback());
        let request = request.header(CONTENT_TYPE, "application/json").header(CONNECTION, "close");
        request.send().await.map(|answer| answer.status()).map_err(why)
    }
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

    const PATIENCE: FeedbackSettings =
        FeedbackSettings { timeout: Duration::from_secs(2), retries: 3, backoff: Duration::from_millis(500) };

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
        let many = Feedback::new("http://host", FeedbackSettings { retries: u32::MAX, ..PATIENCE }).unwrap();
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

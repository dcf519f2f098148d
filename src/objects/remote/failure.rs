//! What went wrong with a request: one sentence, and whether to ask again.

use std::error::Error as Cause;

use object_store::client::{HttpError, HttpErrorKind};

use super::client::Refused;
use super::stores::{Access, Store};
use crate::error::{Error, Result, words};
use crate::objects::Scheme;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such object; with what to say, where there is no such bucket either.
    Missing(Option<Error>),
    /// A condition does not hold: there is an object, or it is another one.
    Other,
    /// The server gives no parts.
    NoRanges,
    /// It may pass.
    Passing(Error),
    /// It will not.
    Lasting(Error),
}

impl Failure {
    /// What is told of it where no condition was set.
    pub(super) fn told(self, name: &str) -> Error {
        match self {
            Self::Missing(Some(error)) | Self::Passing(error) | Self::Lasting(error) => error,
            Self::Missing(None) => Error::input(format!("no such object: {name}")),
            Self::Other => Error::input(format!("{name}: it was written over meanwhile")),
            Self::NoRanges => Error::input(format!("{name}: the server gives no parts of it")),
        }
    }
}

/// The first cause of that type.
fn cause<'e, T: Cause + 'static>(error: &'e (dyn Cause + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

impl Store {
    /// What an error of a request for the object of that name is.
    pub(super) fn failure(&self, name: &str, error: object_store::Error) -> Failure {
        if let Some(refused) = cause::<Refused>(&error) {
            return self.refused(name, &refused.clone());
        }
        match &error {
            object_store::Error::NotFound { .. } => return Failure::Missing(None),
            object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. } => {
                return Failure::Other;
            }
            object_store::Error::NotSupported { .. } => return Failure::NoRanges,
            _ => {}
        }
        if let Some(http) = cause::<HttpError>(&error) {
            let host = &self.host;
            let what = match http.kind() {
                HttpErrorKind::Timeout => format!("{host} does not answer"),
                HttpErrorKind::Connect => format!("there is no connection to {host}: {}", words(&error)),
                _ => format!("the connection to {host} broke off"),
            };
            return Failure::Passing(Error::unavailable(format!("{name}: {what}; try again{}", self.mend())));
        }
        if name.starts_with("http") {
            return Failure::Lasting(Error::input(format!(
                "{name}: the server does not say how long the file is; fetch it with another program and pipe it to the same command with - for the name"
            )));
        }
        Failure::Lasting(Error::input(format!("{name}: what {} answers cannot be understood", self.host)))
    }

    /// An answer that ended before all of it had come.
    pub(super) fn cut_off(&self, name: &str) -> Failure {
        let host = &self.host;
        Failure::Passing(Error::unavailable(format!("{name}: the connection to {host} broke off; try again")))
    }

    /// What may be wrong where nobody answers.
    fn mend(&self) -> &'static str {
        match self.scheme {
            Scheme::S3 => ", or mend the address in AWS_ENDPOINT_URL",
            Scheme::Azure => ", or mend the account in AZURE_STORAGE_ACCOUNT_NAME",
            Scheme::Gcs | Scheme::Http => "",
        }
    }

    fn refused(&self, name: &str, refused: &Refused) -> Failure {
        let code = refused.code.as_deref().unwrap_or_default();
        let (host, bucket) = (&refused.host, &self.bucket);
        if *host != self.host {
            return Failure::Lasting(Error::usage(format!(
                "{name}: no credentials were found ({refused}); {}",
                self.credentials()
            )));
        }
        let what = if self.scheme == Scheme::Azure { "container" } else { "bucket" };
        match (refused.status, code) {
            (_, "NoSuchBucket" | "ContainerNotFound") => {
                Failure::Missing(Some(Error::input(format!("{name}: there is no {what} {bucket}"))))
            }
            (404, _) => Failure::Missing(None),
            // 409 is an upload of the same object at the same time.
            (412 | 304, _) | (409, "ConditionalRequestConflict" | "BlobAlreadyExists") => Failure::Other,
            (416, _) => Failure::NoRanges,
            (
                _,
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException",
            )
            | (301 | 307, _)
                if self.scheme == Scheme::S3 =>
            {
                let region = refused.region.as_deref().unwrap_or("REGION");
                Failure::Lasting(Error::usage(format!(
                    "{name}: the bucket {bucket} is in another region; set AWS_REGION={region}"
                )))
            }
            (
                _,
                "InvalidAccessKeyId"
                | "NotSignedUp"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired"
                | "RequestTimeTooSkewed"
                | "AuthenticationFailed"
                | "InvalidAuthenticationInfo",
            )
            | (401, _) => Failure::Lasting(Error::usage(format!(
                "{name}: the credentials do not hold: {refused}; {}",
                self.credentials()
            ))),
            (403, _) if self.access != Access::Signed && self.scheme != Scheme::Http => {
                Failure::Lasting(Error::usage(format!(
                    "{name}: it is not for everybody, and no credentials were found; {}",
                    self.credentials()
                )))
            }
            (403, _) => Failure::Lasting(Error::input(format!(
                "{name}: it must not be read or written with these credentials: {refused}; have the rights granted, or {}",
                self.credentials()
            ))),
            (408 | 429 | 500..=599, _) => Failure::Passing(Error::unavailable(format!(
                "{name}: {refused} again and again; try again later"
            ))),
            _ => Failure::Lasting(Error::input(format!("{name}: {refused}"))),
        }
    }

    /// Whether something may be written there, as far as is known without trying.
    ///
    /// # Errors
    /// Where it takes credentials, and there are none.
    pub(super) fn is_writable(&self, name: &str) -> Result<()> {
        match self.access {
            Access::Unknown => Err(Error::usage(format!(
                "{name}: nothing can be written there without credentials, and none were found; {}",
                self.credentials()
            ))),
            Access::Signed | Access::Unsigned => Ok(()),
        }
    }

    /// Where credentials are looked for.
    fn credentials(&self) -> &'static str {
        match self.scheme {
            Scheme::S3 => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that has them"
            }
            Scheme::Gcs => {
                "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or run gcloud auth application-default login"
            }
            Scheme::Azure => {
                "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_TOKEN"
            }
            Scheme::Http => "give an address that is signed, or has a user and a password in it",
        }
    }
}

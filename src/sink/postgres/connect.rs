//! Opening connections, and giving them up.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket, config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::classify::classify;
use super::dsn::{Dsn, Place, SslMode};
use super::tls;
use crate::batch::Reason;
use crate::error::{Error, Result};
use crate::port::SinkError;

/// Opens connections to one store.
pub struct Connector {
    dsn: Dsn,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// Reads the certificate files that the DSN names; opens nothing yet.
    ///
    /// # Errors
    /// A usage error that names the file.
    pub fn new(dsn: Dsn) -> Result<Self> {
        let tls = tls::connector(&dsn.tls)?;
        Ok(Self { dsn, tls })
    }

    /// What it connects to.
    pub fn dsn(&self) -> &Dsn {
        &self.dsn
    }

    /// Opens a connection to the first place that takes one.
    pub(super) async fn connect(&self) -> Result<Link, SinkError> {
        let mut last = None;
        for place in &self.dsn.places {
            let attempt = self.connect_place(place);
            let result = match self.dsn.connect_timeout {
                Some(limit) => {
                    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(late(limit)))
                }
                None => attempt.await,
            };
            match result {
                Ok(link) => return Ok(link),
                Err(error) => last = Some(self.place_in(error, place)),
            }
        }
        Err(last.unwrap_or_else(|| {
            SinkError::Fatal(Reason::new("connection_refused", "the connection names no host"))
        }))
    }

    /// The same error, saying what could not be connected to.
    fn place_in(&self, error: SinkError, place: &Place) -> SinkError {
        let one = Dsn { places: vec![place.clone()], ..self.dsn.clone() };
        let name = |mut reason: Reason| {
            if reason.code == "connection_lost" {
                reason.code = "connection_failed".into();
            }
            // The driver's words for a server that asks for one.
            if reason.message == "password missing" {
                reason.message =
                    "the server asks for a password; give it in the connection string or in PGPASSWORD"
                        .into();
            }
            reason.message = format!("cannot connect to {}: {}", one.redacted(), reason.message).into();
            reason
        };
        match error {
            SinkError::Transient(reason) => SinkError::Transient(name(reason)),
            // Nothing has been sent yet, so no row can be at fault.
            SinkError::Fatal(reason) | SinkError::Data { reason, .. } => SinkError::Fatal(name(reason)),
        }
    }

    /// Follows `sslmode`: `allow` tries without TLS first, `prefer` falls back to none.
    async fn connect_place(&self, place: &Place) -> Result<Link, SinkError> {
        use config::SslMode::{Disable, Prefer, Require};
        let (first, second) = match self.dsn.tls.mode {
            _ if place.is_socket() => (Disable, None),
            SslMode::Disable => (Disable, None),
            SslMode::Allow => (Disable, Some(Require)),
            SslMode::Prefer => (Prefer, Some(Disable)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Require, None),
        };
        let error = match self.open(place, first).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        // 28000 is what pg_hba.conf answers where it wants the other kind of line.
        let other_line = error.code().is_some_and(|c| *c == SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        let no_tls = first == Prefer && error.source().is_some_and(|source| source.is::<io::Error>());
        match second {
            Some(mode) if other_line || no_tls => {
                // What counts for the user is the first refusal.
                self.open(place, mode).await.map_err(|_| classify(&error))
            }
            _ => Err(classify(&error)),
        }
    }

    async fn open(&self, place: &Place, mode: config::SslMode) -> Result<Link, tokio_postgres::Error> {
        let config = self.config(place, mode);
        if mode == config::SslMode::Disable {
            Link::open(&config, NoTls).await
        } else {
            Link::open(&config, self.tls.clone()).await
        }
    }

    fn config(&self, place: &Place, mode: config::SslMode) -> Config {
        let dsn = &self.dsn;
        let mut config = Config::new();
        config
            .host(&place.host)
            .port(place.port)
            .user(&dsn.user)
            .dbname(&dsn.dbname)
            .application_name(&dsn.application_name)
            .ssl_mode(mode)
            .target_session_attrs(dsn.session)
            .channel_binding(dsn.channel_binding)
            .keepalives(dsn.keepalives.on)
            .keepalives_idle(dsn.keepalives.idle)
            .keepalives_interval(dsn.keepalives.interval)
            .keepalives_retries(dsn.keepalives.retries);
        if let Some(addr) = place.addr {
            config.hostaddr(addr);
        }
        if let Some(password) = &dsn.password {
            config.password(password.reveal());
        }
        if let Some(options) = &dsn.options {
            config.options(options);
        }
        if !dsn.keepalives.user_timeout.is_zero() {
            config.tcp_user_timeout(dsn.keepalives.user_timeout);
        }
        if let Some(limit) = dsn.connect_timeout {
            config.connect_timeout(limit);
        }
        config
    }
}

fn late(limit: Duration) -> SinkError {
    let message = format!("no answer within {} s", limit.as_secs());
    SinkError::Transient(Reason::new("connect_timeout", message))
}

/// The error for a command that cannot go on without the server.
pub(super) fn to_error(error: SinkError) -> Error {
    match error {
        SinkError::Transient(reason) => Error::Unavailable(reason.message.into_owned()),
        SinkError::Fatal(reason) | SinkError::Data { reason, .. } => {
            Error::Usage(reason.message.into_owned())
        }
    }
}

/// One connection and the task that drives it.
pub(super) struct Link {
    pub client: Client,
    driver: AbortHandle,
    lost: Arc<Mutex<Option<SinkError>>>,
}

impl Link {
    async fn open<T>(config: &Config, tls: T) -> Result<Self, tokio_postgres::Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection) = config.connect(tls).await?;
        let lost = Arc::new(Mutex::new(None));
        let note = Arc::clone(&lost);
        let driver = tokio::spawn(async move {
            // Noted before the connection is dropped, since that is what the client sees.
            let end = std::future::poll_fn(|cx| -> Poll<_> { Pin::new(&mut connection).poll(cx) }).await;
            if let Err(error) = end {
                *note.lock().unwrap_or_else(PoisonError::into_inner) = Some(classify(&error));
            }
            drop(connection);
        });
        Ok(Self { client, driver: driver.abort_handle(), lost })
    }

    /// The engine's view of an error on this connection: where the driver only knows that the
    /// connection is closed, the server's last word is the better reason.
    pub fn classify(&self, error: &tokio_postgres::Error) -> SinkError {
        if error.as_db_error().is_none() {
            let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(SinkError::Transient(reason) | SinkError::Fatal(reason)) = &*lost {
                return SinkError::Transient(reason.clone());
            }
        }
        classify(error)
    }

    /// Gives the connection up in the middle of a statement: the socket is closed at once, with
    /// no wait for what is on its way.
    pub fn abandon(self) {
        self.driver.abort();
    }
}

/// Connects and lets go again: whether the server can be reached with these credentials.
///
/// # Errors
/// Usage for what the user can mend, unavailable if the server is.
pub async fn reachable(dsn: &Dsn) -> Result<()> {
    Connector::new(dsn.clone())?.connect().await.map(|_| ()).map_err(to_error)
}

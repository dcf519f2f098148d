//! Opening connections, and giving them up.

use std::error::Error as _;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket, config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::batch::Reason;
use crate::error::{Error, Result, words};
use crate::port::{SinkError, TransientKind};
use crate::sink::postgres::connection::classify::{classify, is_raised, transient};
use crate::sink::postgres::connection::dsn::{Dsn, SslMode};
use crate::sink::postgres::connection::hosts::HostAddress;
use crate::sink::postgres::connection::relatives;
use crate::sink::postgres::connection::session_attributes::Wanted;
use crate::sink::postgres::connection::tls;

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

    /// Opens a connection to the first place that takes one and is what is looked for. A place
    /// that is away or of the other kind is passed by; one that refuses us ends the search, as
    /// with libpq.
    pub(in crate::sink::postgres) async fn connect(&self) -> Result<Link, SinkError> {
        let (mut failed, places) = (Vec::new(), self.dsn.places_now());
        for wanted in self.dsn.session.rounds() {
            // Of an earlier round nothing counts: the places are the same.
            failed.clear();
            for place in self.in_order(places.iter().collect()) {
                match self.visit(place, *wanted).await {
                    Ok(link) => return Ok(link),
                    Err(SinkError::Transient(_, reason)) => failed.push((place, reason)),
                    // Nothing has been sent yet, so no row can be at fault.
                    Err(
                        SinkError::Fatal(reason)
                        | SinkError::Apart(reason)
                        | SinkError::Doubtful { reason, .. }
                        | SinkError::Data { reason, .. },
                    ) => {
                        return Err(SinkError::Fatal(self.told(vec![(place, reason)])));
                    }
                }
            }
        }
        Err(transient(self.told(failed)))
    }

    /// Connects at the start of a command that writes: a server that takes no rows is an error at
    /// once, while later it is waited for like an outage.
    pub(in crate::sink::postgres) async fn connect_to_write(&self) -> Result<Link> {
        let link = self.connect().await.map_err(to_error)?;
        Wanted::ReadWrite.check(&link).await.map_err(|error| {
            let place = self.dsn.redacted();
            to_error(error).at(&format!("{place} takes no rows, name the primary or all hosts"))
        })?;
        Ok(link)
    }

    /// Tries every address of a place.
    async fn visit(&self, place: &HostAddress, wanted: Wanted) -> Result<Link, SinkError> {
        let addresses = match place.addr {
            _ if place.is_socket() => vec![None],
            Some(address) => vec![Some(address)],
            None => {
                let found = self.in_time(look_up(place)).await?;
                self.in_order(found).into_iter().map(Some).collect()
            }
        };
        let mut last = transient(Reason::new("connection_failed", "its name has no address"));
        for address in addresses {
            let attempt = async {
                let link = self.connect_to(place, address).await?;
                if let Some(reason) = &link.refused {
                    return Err(SinkError::Fatal(reason.clone()));
                }
                wanted.check(&link).await?;
                Ok(link)
            };
            match self.in_time(attempt).await {
                Err(error @ SinkError::Transient(..)) => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    /// Gives up after `connect_timeout`.
    async fn in_time<T>(&self, act: impl Future<Output = Result<T, SinkError>>) -> Result<T, SinkError> {
        match self.dsn.connect_timeout {
            Some(limit) => tokio::time::timeout(limit, act).await.unwrap_or_else(|_| Err(late(limit))),
            None => act.await,
        }
    }

    /// The hosts, or the addresses of one, in the order in which they are tried.
    fn in_order<T>(&self, mut things: Vec<T>) -> Vec<T> {
        if self.dsn.shuffled {
            // Every state of this kind hashes differently.
            let chance = RandomState::new();
            let mut numbers = 0_u64..;
            things.sort_by_cached_key(|_| numbers.next().map(|number| chance.hash_one(number)));
        }
        things
    }

    /// Why no place would do.
    fn told(&self, failed: Vec<(&HostAddress, Reason)>) -> Reason {
        let mut whole: Option<Reason> = None;
        for (place, mut reason) in failed {
            let why = self.explained(&reason, place);
            reason.message = match &whole {
                None => {
                    let one = Dsn { places: vec![place.clone()], ..self.dsn.clone() };
                    format!("cannot connect to {}: {why}", one.redacted()).into()
                }
                Some(before) => format!("{}; nor to {}: {why}", before.message, place.shown()).into(),
            };
            if reason.code == "connection_lost" {
                reason.code = "connection_failed".into();
            }
            whole = Some(reason);
        }
        whole.unwrap_or_else(|| Reason::new("connection_failed", "the connection names no host"))
    }

    /// What the server or the driver says, with what to do about it.
    fn explained(&self, reason: &Reason, place: &HostAddress) -> String {
        let says = &reason.message;
        let from_file = self.dsn.password.is_none() && place.password.is_some();
        match (&*reason.code, &self.dsn.passfile) {
            // The driver's words for a server that asks for one.
            _ if says == "password missing" => {
                "the server asks for a password; give it in the connection string, in PGPASSWORD or in \
                 ~/.pgpass"
                    .into()
            }
            ("28P01", Some(file)) if from_file => {
                format!("{says} (the password is the one in {})", file.display())
            }
            ("25006", _) if self.dsn.places.len() == 1 => {
                format!("{says}, which target_session_attrs rules out")
            }
            _ => says.clone().into_owned(),
        }
    }

    /// Follows `sslmode`: `allow` tries without TLS first, `prefer` falls back to none.
    async fn connect_to(&self, place: &HostAddress, address: Option<IpAddr>) -> Result<Link, SinkError> {
        use config::SslMode::{Disable, Prefer, Require};
        let (first, second) = match self.dsn.tls.mode {
            _ if place.is_socket() => (Disable, None),
            SslMode::Disable => (Disable, None),
            SslMode::Allow => (Disable, Some(Require)),
            SslMode::Prefer => (Prefer, Some(Disable)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Require, None),
        };
        let error = match self.open(place, address, first).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        // 28000 is what pg_hba.conf answers where it wants the other kind of line.
        let other_line = error.code().is_some_and(|c| *c == SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        let no_tls = first == Prefer && error.source().is_some_and(|source| source.is::<io::Error>());
        match second {
            Some(mode) if other_line || no_tls => {
                // What counts for the user is the first refusal.
                self.open(place, address, mode).await.map_err(|_| of_opening(&error))
            }
            _ => Err(of_opening(&error)),
        }
    }

    async fn open(
        &self,
        place: &HostAddress,
        address: Option<IpAddr>,
        mode: config::SslMode,
    ) -> Result<Link, tokio_postgres::Error> {
        let config = self.config(place, address, mode);
        if mode == config::SslMode::Disable {
            Link::open(&config, NoTls).await
        } else {
            Link::open(&config, self.tls.clone()).await
        }
    }

    fn config(&self, place: &HostAddress, address: Option<IpAddr>, mode: config::SslMode) -> Config {
        let dsn = &self.dsn;
        let mut config = Config::new();
        config
            .port(place.port)
            .user(&dsn.user)
            .dbname(&dsn.dbname)
            .application_name(&dsn.application_name)
            .ssl_mode(mode)
            .channel_binding(dsn.channel_binding)
            .keepalives(dsn.keepalives.on)
            .keepalives_idle(dsn.keepalives.idle)
            .keepalives_interval(dsn.keepalives.interval)
            .keepalives_retries(dsn.keepalives.retries);
        match place.host.strip_prefix('@') {
            // A socket without a file: its name begins with a zero byte.
            Some(name) if place.addr.is_none() => config.host_path(format!("\0{name}")),
            _ => config.host(&place.host),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let Some(password) = dsn.password.as_ref().or(place.password.as_ref()) {
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

/// What keeps a connection from being opened. Of a database that takes none just now, as while it is restored,
/// the server says 55000, which is no such thing anywhere else.
fn of_opening(error: &tokio_postgres::Error) -> SinkError {
    match classify(error) {
        SinkError::Fatal(reason) if reason.code == "55000" => {
            SinkError::Transient(TransientKind::Connection, reason)
        }
        other => other,
    }
}

/// The addresses of a host.
async fn look_up(place: &HostAddress) -> Result<Vec<IpAddr>, SinkError> {
    let found = tokio::net::lookup_host((&*place.host, place.port)).await;
    let found = found.map_err(|error| transient(Reason::new("connection_failed", words(&error))))?;
    Ok(found.map(|socket| socket.ip()).collect())
}

fn late(limit: Duration) -> SinkError {
    let message = format!("no answer within {} s", limit.as_secs());
    transient(Reason::new("connect_timeout", message))
}

/// The error for a command that cannot go on without the server.
pub(in crate::sink::postgres) fn to_error(error: SinkError) -> Error {
    match error {
        SinkError::Transient(_, reason) => Error::unavailable(reason.message.into_owned()),
        SinkError::Fatal(reason)
        | SinkError::Apart(reason)
        | SinkError::Doubtful { reason, .. }
        | SinkError::Data { reason, .. } => Error::usage(reason.message.into_owned()),
    }
}

/// One connection and the task that drives it.
pub(in crate::sink::postgres) struct Link {
    pub client: Client,
    driver: AbortHandle,
    lost: Arc<Mutex<Option<SinkError>>>,
    /// Why the server cannot be loaded into, where it is not PostgreSQL.
    refused: Option<Reason>,
    /// A name in what the server says, and the one that is meant by it.
    alias: Option<(String, String)>,
}

impl Link {
    async fn open<T>(config: &Config, tls: T) -> Result<Self, tokio_postgres::Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection) = config.connect(tls).await?;
        let refused = relatives::refused(|name| connection.parameter(name));
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
        Ok(Self { client, driver: driver.abort_handle(), lost, refused, alias: None })
    }

    /// The engine's view of an error on this connection: where the driver only knows that the
    /// connection is closed, the server's last word is the better reason.
    ///
    /// A server that has become read-only is no use any more. Its connection is given up here, so
    /// that the next attempt looks for the one that takes rows now. Not where a trigger only says so.
    pub fn classify(&self, error: &tokio_postgres::Error) -> SinkError {
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) && !is_raised(error) {
            self.driver.abort();
        }
        if error.as_db_error().is_none() {
            let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(SinkError::Transient(_, reason) | SinkError::Fatal(reason)) = &*lost {
                return transient(reason.clone());
            }
        }
        let mut error = classify(error);
        if let Some((name, meant)) = &self.alias
            && error.reason().message.contains(name.as_str())
        {
            let message = error.reason().message.replace(name, meant);
            error.reason_mut().message = message.into();
        }
        error
    }

    /// Has messages of the server tell of `meant` where they name another.
    pub fn call(&mut self, name: String, meant: String) {
        self.alias = Some((name, meant));
    }

    /// Gives the connection up in the middle of a statement: the socket is closed at once, with
    /// no wait for what is on its way.
    pub fn abandon(self) {
        self.driver.abort();
    }
}

/// How long a connection that is let go has to take its leave.
const LEAVE: Duration = Duration::from_secs(1);

impl Drop for Link {
    /// Where the server is silent the driver would wait for its answers for ever, and the transaction at
    /// its end would keep its locks from the next attempt.
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current()
            && !self.driver.is_finished()
        {
            let driver = self.driver.clone();
            runtime.spawn(async move {
                tokio::time::sleep(LEAVE).await;
                driver.abort();
            });
        }
    }
}

/// Connects and lets go again: whether rows can be brought to the server with these credentials.
///
/// # Errors
/// Usage for what the user can mend, unavailable if the server is.
pub async fn reachable(dsn: &Dsn) -> Result<()> {
    Connector::new(dsn.clone())?.connect_to_write().await.map(|_| ())
}

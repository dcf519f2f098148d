//! Connections to NATS.

use std::error::Error as _;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::address::Address;
use super::tls::{file_of, refusal, use_ring};
use super::{NOTHING_THERE, Trouble};
use crate::error::{Error, Result};

/// The variables with a user and a password, which the `nats` command reads too.
const USER: &str = "NATS_USER";
const PASSWORD: &str = "NATS_PASSWORD";

/// Where a password comes from.
pub const OF_PASSWORD: &str =
    "the environment variable NATS_PASSWORD, which the nats command reads too, or name a file with creds=";

/// Parameters of an address that are about the connection.
pub const PARAMETERS: &[&str] = &["ca", "cert", "creds", "key", "tls"];

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The threads of a connection. What it does goes on while nobody waits for it.
#[derive(Debug)]
pub struct Threads {
    runtime: Option<Runtime>,
}

impl Threads {
    /// One of them.
    ///
    /// # Errors
    /// Internal, where the system has none.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Error::internal(format!("no thread for NATS: {error}")))?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Does something there, and waits for it, but not for longer than that; `None` where it took longer. Wherever this is
    /// called, the caller's thread waits.
    pub fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        act: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let runtime = self.runtime.as_ref()?;
        let (tell, hear) = mpsc::channel();
        runtime.spawn(async move {
            // Whoever waits no longer needs no answer.
            let _ = tell.send(timeout(limit, act).await.ok());
        });
        hear.recv().ok().flatten()
    }

    /// Begins something that nobody waits for.
    pub fn begin(&self, act: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(act);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where servers are, and how they are spoken to.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The address as messages name it.
    pub name: Arc<str>,
    servers: Vec<String>,
    user: Option<String>,
    creds: Option<String>,
    tls: bool,
    ca: Option<String>,
    identity: Option<(String, String)>,
}

impl Connection {
    /// What an address says of it.
    ///
    /// # Errors
    /// Usage, for parameters that mean nothing, and files that cannot be read.
    pub fn of(address: &Address) -> Result<Self> {
        let name: Arc<str> = address.name().into();
        let given = |parameter: &str| address.parameter(parameter).map(str::to_owned);
        let tls = match given("tls").as_deref() {
            None | Some("no") => false,
            Some("yes") => true,
            Some(_) => return Err(Error::usage(format!("{name}: tls= takes yes or no"))),
        };
        let identity = match (given("cert"), given("key")) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err(Error::usage(format!("{name}: cert= and key= go together"))),
        };
        for parameter in ["creds", "ca", "cert", "key"] {
            file_of(address, parameter)?;
        }
        let servers = address.servers().into_iter().map(|server| format!("nats://{server}")).collect();
        Ok(Self {
            name,
            servers,
            user: address.user.clone().or_else(|| std::env::var(USER).ok()),
            creds: given("creds"),
            tls: tls || given("ca").is_some() || identity.is_some(),
            ca: given("ca"),
            identity,
        })
    }

    /// Connects, on those threads. A connection that is lost later comes back by itself.
    ///
    /// # Errors
    /// Where none comes about, or who asks is turned away.
    pub fn open(&self, threads: &Threads) -> Result<Client, Trouble> {
        use_ring();
        let mut options = ConnectOptions::new()
            .name("mdsctl")
            .connection_timeout(CONNECT)
            .request_timeout(Some(PATIENCE))
            .require_tls(self.tls);
        if let Some(user) = &self.user {
            options = options.user_and_password(user.clone(), std::env::var(PASSWORD).unwrap_or_default());
        }
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.into());
        }
        if let Some((cert, key)) = &self.identity {
            options = options.add_client_certificate(cert.into(), key.into());
        }
        let (creds, servers, name) = (self.creds.clone(), self.servers.clone(), self.name.clone());
        let connecting = threads.run(CONNECT * 3, async move {
            if let Some(creds) = creds {
                options = match options.credentials_file(&creds).await {
                    Ok(options) => options,
                    Err(_) => {
                        let what = format!("{name}: {creds} holds no credentials of NATS");
                        return Err(Trouble::Refused(Error::usage(what)));
                    }
                };
            }
            let connected = options.connect(servers).await;
            connected.map_err(|error| unconnected(&name, &error))
        });
        connecting.unwrap_or_else(|| Err(self.away("it gives no answer")))
    }

    /// That the servers are not there just now.
    pub fn away(&self, what: &str) -> Trouble {
        Trouble::Away(format!("{}: NATS cannot be reached: {what}", self.name))
    }
}

/// What TLS ended with, where it was that.
fn of_handshake(error: &ConnectError) -> Option<&rustls::Error> {
    let cause = error.source()?;
    let own = cause.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()?.downcast_ref());
    own.or_else(|| cause.downcast_ref())
}

/// Why no connection came about.
fn unconnected(name: &str, error: &ConnectError) -> Trouble {
    let refused = |what: &str| Trouble::Refused(Error::usage(format!("{name}: {what}")));
    let away = |what: &str| Trouble::Away(format!("{name}: NATS cannot be reached: {what}"));
    if let Some(tls) = of_handshake(error) {
        return Trouble::Refused(refusal(name, tls));
    }
    match error.kind() {
        ConnectErrorKind::ServerParse => refused("these are no addresses of servers"),
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => refused(&format!(
            "NATS does not take the user, the password or the credentials; name them with {USER} and {PASSWORD}, or a file with creds="
        )),
        ConnectErrorKind::Tls => refused(
            "no connection over TLS comes about: see that the files of ca=, cert= and key= are certificates and a key in PEM, and that the certificates that this system trusts can be read",
        ),
        ConnectErrorKind::Dns => away("its host is not known"),
        ConnectErrorKind::TimedOut => away("it gives no answer"),
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => away(NOTHING_THERE),
    }
}

//! Where the server may be: hosts with their ports, in the order in which they are tried.

use std::net::IpAddr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::settings::Secret;
use crate::sink::postgres::connection::parameters::Values;

/// Where Debian and PostgreSQL itself put the socket of the local server.
pub(in crate::sink::postgres) const LOCAL_SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One place where the server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct HostAddress {
    /// Host name, address, directory of a Unix socket, or `@` and the directory's name for one
    /// in the abstract namespace.
    pub host: String,
    /// Numeric address that saves looking the name up.
    pub addr: Option<IpAddr>,
    /// Port; also part of a Unix socket's name.
    pub port: u16,
    /// The password that the password file has for it.
    pub password: Option<Secret>,
}

impl HostAddress {
    /// Whether it is a Unix socket, where TLS means nothing.
    pub fn is_socket(&self) -> bool {
        self.addr.is_none() && self.host.starts_with(['/', '@'])
    }

    /// Host and port as a URL has them.
    pub fn shown(&self) -> String {
        match &*self.host {
            socket if socket.starts_with(['/', '@']) => {
                format!("{}:{}", socket.replace('/', "%2F").replace('@', "%40"), self.port)
            }
            v6 if v6.contains(':') => format!("[{v6}]:{}", self.port),
            host => format!("{host}:{}", self.port),
        }
    }
}

/// The places that the parameters name, without passwords.
pub(in crate::sink::postgres) fn places(
    values: &Values,
    default_host: impl Fn(u16) -> String,
) -> Result<Vec<HostAddress>> {
    let (hosts, addrs, ports) = (values.list("host"), values.list("hostaddr"), values.list("port"));
    let count = hosts.len().max(addrs.len()).max(1);
    if !hosts.is_empty() && !addrs.is_empty() && hosts.len() != addrs.len() {
        return Err(Error::usage("the connection names hosts and host addresses in different numbers"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::usage("the connection names hosts and ports in different numbers"));
    }
    (0..count)
        .map(|i| {
            let port = match ports.get(i).or(ports.first()).copied().unwrap_or_default() {
                "" => 5432,
                text => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                    values.wrong(
                        "port",
                        "a number from 1 to 65535 (in a URL, write : / @ ? # of a password as %3A %2F %40 %3F %23)",
                    )
                })?,
            };
            let addr: Option<IpAddr> = match addrs.get(i).copied().unwrap_or_default() {
                "" => None,
                text => {
                    Some(text.parse().map_err(|_| values.wrong("hostaddr", "a numeric IP address"))?)
                }
            };
            let host = match (hosts.get(i).copied().unwrap_or_default(), addr) {
                ("", Some(addr)) => addr.to_string(),
                ("", None) => default_host(port),
                (host, _) => host.to_owned(),
            };
            Ok(HostAddress { host, addr, port, password: None })
        })
        .collect()
}

/// The local server's socket directory as Debian or PostgreSQL itself places it, else TCP.
pub(in crate::sink::postgres) fn default_host(port: u16) -> String {
    let socket = format!(".s.PGSQL.{port}");
    LOCAL_SOCKETS
        .into_iter()
        .find(|dir| Path::new(dir).join(&socket).exists())
        .unwrap_or("localhost")
        .to_owned()
}

//! The address that is listened on, and who may ask there.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::error::{Error, Result, words};
use crate::settings::Secret;
use crate::text::flags::{METRICS_LISTEN, METRICS_PUBLIC, METRICS_TOKEN};

/// A port that is listened on from now on; answers come once there is a
/// [`Service`](super::Service).
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) token: Option<Secret>,
    /// Where it listens, with the port that was found where none was asked for.
    pub address: SocketAddr,
    /// Whether any port would have done.
    pub found: bool,
    /// The host as it was asked for, where only this machine can ask there: a page from elsewhere that a
    /// browser of this machine shows may call the same address by a name of its own.
    pub(super) host: Option<String>,
}

impl Listener {
    /// Listens on `HOST:PORT`, or on that port of the loopback. Who has no `token`, if there is one, is
    /// told nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] if that is not an address, if others could ask there without a token and it is
    /// not `public`, or if the port is taken.
    pub fn bind(asked: &str, token: Option<Secret>, public: bool) -> Result<Self> {
        let refused = |why: &str| Error::usage(format!("{METRICS_LISTEN} {asked}: {why}"));
        let not_one = || refused("that is not an address; give one such as 127.0.0.1:9464");
        if token.as_ref().is_some_and(|token| token.reveal().trim().is_empty()) {
            return Err(Error::usage(format!("{METRICS_TOKEN} is empty; give a token, or leave it out")));
        }
        let asked_for = asked.trim();
        let place = match asked_for.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}"),
            Err(_) => asked_for.to_owned(),
        };
        if place.starts_with(':') {
            return Err(not_one());
        }
        let addresses: Vec<SocketAddr> = match place.to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(_) => return Err(not_one()),
        };
        let loopback = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        if !loopback && token.is_none() && !public {
            return Err(refused(&format!(
                "other machines could ask there; give a {METRICS_TOKEN}, or {METRICS_PUBLIC} to let anyone"
            )));
        }
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                refused("another process listens there already; give another port, or 0 for any that is free")
            }
            io::ErrorKind::AddrNotAvailable => {
                refused("this machine has no such address; give one that it has, such as 127.0.0.1:9464")
            }
            io::ErrorKind::PermissionDenied => {
                refused("no permission to listen there; give a port above 1023")
            }
            _ => refused(&format!("{}; give another address", words(&error))),
        };
        let socket = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let found = addresses.iter().all(|address| address.port() == 0);
        let host = place.rsplit_once(':').map_or(&*place, |(host, _)| host);
        let host = loopback.then(|| host.to_ascii_lowercase());
        Ok(Self { socket, token, address, found, host })
    }

    /// What to open in a browser.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let here: std::net::IpAddr = match address.is_ipv4() {
                true => std::net::Ipv4Addr::LOCALHOST.into(),
                false => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            address.set_ip(here);
        }
        format!("http://{address}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(asked: &str, token: Option<&str>) -> String {
        let error = Listener::bind(asked, token.map(Secret::new), false).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        error.to_string()
    }

    #[test]
    fn loopback_alone_is_open_to_anyone_who_is_there() {
        for asked in ["0", "127.0.0.1:0", "localhost:0"] {
            let listener = Listener::bind(asked, None, false).unwrap();
            assert!(listener.address.ip().is_loopback() && listener.address.port() > 0 && listener.found);
        }
        insta::assert_snapshot!(said("0.0.0.0:0", None), @"--metrics-listen 0.0.0.0:0: other machines could ask there; give a --metrics-token, or --metrics-public to let anyone");
        insta::assert_snapshot!(said("0.0.0.0:0", Some(" ")), @"--metrics-token is empty; give a token, or leave it out");
        let listener = Listener::bind("0.0.0.0:0", Some(Secret::new("x")), false).unwrap();
        assert_eq!(listener.url(), format!("http://127.0.0.1:{}/", listener.address.port()));
        assert!(Listener::bind("0.0.0.0:0", None, true).is_ok());
    }

    #[test]
    fn a_bad_address_or_one_in_use_is_refused_in_one_sentence() {
        insta::assert_snapshot!(said(":9464", None), @"--metrics-listen :9464: that is not an address; give one such as 127.0.0.1:9464");
        insta::assert_snapshot!(said("99999", None), @"--metrics-listen 99999: that is not an address; give one such as 127.0.0.1:9464");
        let taken = Listener::bind("0", None, false).unwrap();
        let asked = taken.address.to_string();
        let said = said(&asked, None).replace(&asked, "ADDR");
        insta::assert_snapshot!(said, @"--metrics-listen ADDR: another process listens there already; give another port, or 0 for any that is free");
    }
}

//! Credentials that nobody has set: those that a cloud gives its own machines.

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

/// Where all three clouds answer their machines.
const METADATA: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);

/// Longest wait for it: it is in the machine, or nowhere.
const NEAR: Duration = Duration::from_millis(500);

/// Whether this machine is one of a cloud that may give it credentials.
pub(super) fn of_the_machine() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        !is_true("AWS_EC2_METADATA_DISABLED") && TcpStream::connect_timeout(&METADATA, NEAR).is_ok()
    })
}

/// Whether a variable of the environment says yes.
pub(super) fn is_true(name: &str) -> bool {
    env::var(name).is_ok_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes"))
}

/// Whether one of those variables has something in it.
pub(super) fn is_any_set(names: &[&str]) -> bool {
    names.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

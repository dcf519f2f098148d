//! Redis over TLS: `rediss://`.

use std::error::Error as _;
use std::sync::Arc;

use redis::{ClientTlsConfig, RedisError, TlsCertificates};

use crate::brokers::address::Address;
use crate::brokers::tls::{file_of, refusal, use_ring};
use crate::error::{Error, Result};

/// Whether an address is one over TLS.
pub(super) fn is_meant(address: &str) -> bool {
    address.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("rediss"))
}

/// The certificates that an address over TLS names; `None` for one without TLS.
///
/// # Errors
/// Usage, where one without TLS names some, and for files that cannot be read.
pub(super) fn certificates(address: &Address) -> Result<Option<TlsCertificates>> {
    let name = address.name();
    if !is_meant(&name) {
        let named = ["ca", "cert", "key"].into_iter().find(|name| address.parameter(name).is_some());
        return match named {
            Some(named) => {
                Err(Error::usage(format!("{name}: {named}= is for connections over TLS; write rediss://")))
            }
            None => Ok(None),
        };
    }
    use_ring();
    let client_tls = match (file_of(address, "cert")?, file_of(address, "key")?) {
        (None, None) => None,
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        _ => return Err(Error::usage(format!("{name}: cert= and key= go together"))),
    };
    Ok(Some(TlsCertificates { client_tls, root_cert: file_of(address, "ca")? }))
}

/// What is wrong where TLS does not come about, for which nothing is to be waited for.
pub(super) fn refused(name: &str, error: &RedisError) -> Option<Error> {
    // The client keeps the cause behind a pointer of this kind.
    let cause = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    if cause.downcast_ref::<rustls_native_certs::Error>().is_some() {
        let what = "the certificates that this system trusts cannot be read; name the file of one with ca=";
        return Some(Error::usage(format!("{name}: {what}")));
    }
    let tls = match cause.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref()?.downcast_ref::<rustls::Error>()?,
        None => cause.downcast_ref::<rustls::Error>()?,
    };
    Some(refusal(name, tls))
}

//! TLS with a broker: whom its server is trusted by, and what is said where it does not come about.

use std::path::Path;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::address::Address;
use crate::error::{Error, Result, of_tls, words};
use crate::files::read_small;

/// What is in the file that a parameter of an address names: certificates where that is `ca` or `cert`, and a private
/// key where it is `key`.
///
/// # Errors
/// Usage, where it cannot be read, or holds none.
pub fn file_of(address: &Address, parameter: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = address.parameter(parameter) else { return Ok(None) };
    let failed = |what: &str| {
        let name = address.name();
        Error::usage(format!("{name}: the file of {parameter}= {what}"))
    };
    let bytes = read_small(Path::new(file))
        .map_err(|error| failed(&format!("cannot be read: {file}: {}", words(&error))))?;
    let holds_one = match parameter {
        "ca" | "cert" => CertificateDer::pem_slice_iter(&bytes).next().is_some_and(|found| found.is_ok()),
        "key" => PrivateKeyDer::from_pem_slice(&bytes).is_ok(),
        _ => true,
    };
    if !holds_one {
        let wanted = if parameter == "key" { "private key" } else { "certificate" };
        return Err(failed(&format!("holds no {wanted} in PEM: {file}")));
    }
    Ok(Some(bytes))
}

/// Makes connections use the one implementation of TLS that there is in this program, unless who uses the library has
/// chosen another one.
pub fn use_ring() {
    // An error says that one was chosen.
    let _ = ring::default_provider().install_default();
}

/// What is to be done where TLS does not come about.
pub fn refusal(name: &str, error: &rustls::Error) -> Error {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error as Tls};
    let remedy = match error {
        Tls::InvalidCertificate(Certificate::UnknownIssuer) => {
            "; let this system trust that authority, or name the file of its certificate with ca="
        }
        Tls::AlertReceived(Alert::CertificateRequired | Alert::UnknownCA | Alert::BadCertificate) => {
            "; cert= and key= name the files of a certificate of ours that it takes"
        }
        Tls::InvalidMessage(_) => "; see that the port is the one for TLS",
        _ => "",
    };
    Error::usage(format!("{name}: no connection over TLS comes about: {}{remedy}", of_tls(error)))
}

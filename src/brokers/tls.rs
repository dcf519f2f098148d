//! TLS with a broker: whom its server is trusted by, and what is said where it does not come about.

use rustls::crypto::ring;

use crate::error::{Error, of_tls};

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

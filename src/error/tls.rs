//! What `rustls` says of faults, in words for people.

use rustls::{AlertDescription, CertificateError};

/// What is wrong with a line under TLS.
pub fn of_tls(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => of_certificate(error),
        Tls::AlertReceived(alert) => of_alert(*alert),
        Tls::NoCertificatesPresented => "the server shows no certificate",
        Tls::PeerIncompatible(_) => "the server offers no version or cipher of TLS that we take",
        Tls::InvalidMessage(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. } => "what the server answers is not TLS",
        Tls::PeerMisbehaved(_) => "the server breaks the rules of TLS",
        Tls::InconsistentKeys(_) => "the certificate and the key do not belong together",
        Tls::PeerSentOversizedRecord | Tls::DecryptError => "what the server sends cannot be decrypted",
        Tls::HandshakeNotComplete => "the connection was closed during the TLS handshake",
        _ => "TLS could not be agreed on",
    }
    .to_owned()
}

fn of_certificate(error: &CertificateError) -> &'static str {
    use CertificateError as Certificate;
    match error {
        Certificate::UnknownIssuer => "no authority that we trust has signed the server's certificate",
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the server's certificate has expired; renew it there, and see that the clock of this machine is right"
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; see that the clocks of both machines are right"
        }
        Certificate::Revoked => "the server's certificate was revoked",
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "the server's certificate is for another name; name the host as its certificate does"
        }
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "the server's certificate is not one for servers"
        }
        Certificate::BadEncoding => "the server's certificate is damaged",
        Certificate::BadSignature => "the signature of the server's certificate is not right",
        Certificate::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is that of an authority; give the server one of its own, signed by that authority"
        }
        Certificate::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "the server's certificate is of an old version (X.509 v1); give the server one of version 3, with its name as an alternative name"
        }
        _ => "the server's certificate is not one that can be trusted",
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => "the server wants a client certificate; set sslcert and sslkey",
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied
        | Alert::DecryptError => "the server does not accept our client certificate",
        Alert::CertificateExpired => "our client certificate has expired",
        Alert::CertificateRevoked => "our client certificate was revoked",
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            "the server takes no version or cipher of TLS that we offer"
        }
        Alert::UnrecognisedName => "the server does not go by the name that it was called by",
        Alert::NoApplicationProtocol => "the server speaks another protocol behind TLS",
        _ => "the server broke off the TLS handshake",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::words;

    #[test]
    fn a_fault_of_tls_is_told_by_the_error_that_holds_it() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, tls);
        assert!(words(&wrapped).starts_with("the server's certificate has expired"), "{}", words(&wrapped));
    }
}

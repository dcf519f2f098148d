//! TLS as libpq does it: what is verified depends on `sslmode` and on whether a file with root
//! certificates exists.
//!
//! Two limits of the certificate library: the host must be among the certificate's alternative
//! names (the common name alone does not count), and certificates of version 1 are refused.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result, of_tls, words};
use crate::files::read_small;
use crate::sink::postgres::connection::dsn::{RootCert, SslMode, TlsSettings};

/// Makes the connector. Reads the certificate files.
///
/// # Errors
/// A usage error that names the file which is missing or cannot be read.
pub fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { trust: trust(settings)?, provider: Arc::clone(&provider) };
    let versions: &[_] = match (settings.tls12, settings.tls13) {
        (true, false) => &[&TLS12],
        (false, _) => &[&TLS13],
        (true, true) => &[&TLS13, &TLS12],
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| {
            Error::internal(format!("TLS cannot be set up: {}", of_tls(&error))).caused_by(error)
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity(settings)? {
        None => builder.with_no_client_auth(),
        Some((file, chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            Error::usage(format!(
                "the client certificate {} cannot be used: {}",
                file.display(),
                of_tls(&error)
            ))
            .caused_by(error)
        })?,
    };
    config.enable_sni = settings.sni;
    Ok(MakeRustlsConnect::new(config))
}

/// What is wrong with the line, for people.
pub(in crate::sink::postgres) fn explain(error: &rustls::Error) -> String {
    use CertificateError::{NotValidForNameContext, UnknownIssuer};
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "no authority that we trust has signed the server's certificate; set sslrootcert to the file of \
             the one that has"
                .into()
        }
        rustls::Error::InvalidCertificate(NotValidForNameContext { expected, presented }) => format!(
            "the server's certificate is not for {} but for {}; name the host as its certificate does",
            expected.to_str(),
            if presented.is_empty() { "no name at all".into() } else { presented.join(", ") }
        ),
        error => of_tls(error),
    }
}

/// What a server's certificate is held against.
#[derive(Debug)]
enum Trust {
    /// Nothing, not even that its signature is sound: the line is encrypted, the peer unknown.
    Anyone,
    /// These authorities, and the host's name if asked for.
    Authorities { roots: RootCertStore, certificates: Vec<CertificateDer<'static>>, name: bool },
}

fn trust(settings: &TlsSettings) -> Result<Trust> {
    let name = match settings.mode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => return Ok(Trust::Anyone),
        SslMode::Require | SslMode::VerifyCa => false,
        SslMode::VerifyFull => true,
    };
    let file = match (&settings.root_cert, &settings.home) {
        (RootCert::System, _) => return of_system(name),
        (RootCert::File(file), _) => file.clone(),
        (RootCert::Home, Some(home)) => home.join("root.crt"),
        (RootCert::Home, None) if settings.mode == SslMode::Require => return Ok(Trust::Anyone),
        (RootCert::Home, None) => {
            return Err(Error::usage(
                "sslmode verifies the server, but no root certificates are given: set sslrootcert",
            ));
        }
    };
    let certificates = match certificates(&file) {
        Ok(certificates) => certificates,
        Err(pem::Error::Io(error))
            if error.kind() == ErrorKind::NotFound && settings.mode == SslMode::Require =>
        {
            return Ok(Trust::Anyone);
        }
        Err(error) => {
            let file = file.display();
            return Err(Error::usage(format!(
                "the root certificates in {file} cannot be read ({}); set sslrootcert to a PEM file",
                of_pem(&error)
            )));
        }
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    Ok(Trust::Authorities { roots, certificates, name })
}

/// The authorities that the operating system trusts.
fn of_system(name: bool) -> Result<Trust> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({})", words(error))).unwrap_or_default();
        return Err(Error::usage(format!(
            "sslrootcert is system, and this system has no root certificates{why}; install ca-certificates"
        )));
    }
    Ok(Trust::Authorities { roots, certificates: Vec::new(), name })
}

/// What is wrong with a PEM file.
fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => words(error),
        pem::Error::NoItemsFound => "it holds none".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "it ends early".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is damaged".to_owned(),
        pem::Error::Base64Decode(_) => "it is damaged: what stands in it is not base64".to_owned(),
        _ => "it is not a PEM file".to_owned(),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let bytes = read_small(file).map_err(pem::Error::Io)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
}

type ClientIdentity = (PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(settings: &TlsSettings) -> Result<Option<ClientIdentity>> {
    let default = |name: &str| settings.home.as_ref().map(|home| home.join(name));
    if settings.mode == SslMode::Disable || !settings.show_cert {
        return Ok(None);
    }
    let cert = match (&settings.cert, default("postgresql.crt")) {
        (Some(file), _) => file.clone(),
        (None, Some(file)) if file.exists() => file,
        _ => return Ok(None),
    };
    let Some(key) = settings.key.clone().or_else(|| default("postgresql.key")) else {
        return Err(Error::usage("sslcert is given without sslkey"));
    };
    let unreadable = |file: &Path, error: pem::Error| {
        let why = match error {
            pem::Error::NoItemsFound if file == key => "it holds no private key that is not encrypted".into(),
            pem::Error::NoItemsFound => "it holds no certificate".into(),
            error => of_pem(&error),
        };
        Error::usage(format!("the PEM file {} cannot be used: {why}", file.display()))
    };
    let chain = certificates(&cert).map_err(|error| unreadable(&cert, error))?;
    private(&key)?;
    let bytes = read_small(&key).map_err(|error| unreadable(&key, pem::Error::Io(error)))?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| unreadable(&key, error))?;
    Ok(Some((cert, chain, secret)))
}

/// Refuses a key that others may read, as libpq does; one that root owns may be readable by its
/// group.
fn private(key: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(key).map_err(|error| {
        Error::usage(format!("the key {} cannot be read: {}", key.display(), words(&error))).caused_by(error)
    })?;
    let others = if meta.uid() == 0 { 0o037 } else { 0o077 };
    if meta.is_file() && meta.mode() & others != 0 {
        return Err(Error::usage(format!(
            "others may read the private key {}; run: chmod 600 {}",
            key.display(),
            key.display()
        )));
    }
    Ok(())
}

/// Checks a server's certificate as far as `sslmode` says.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Authorities { roots, certificates, name } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let cert = ParsedCertificate::try_from(end_entity)?;
        // A self-signed certificate that is its own root, as many servers have one, is trusted
        // because it is the very one in the file; as a chain it would not pass.
        if !certificates.contains(end_entity) {
            verify_server_cert_signed_by_trust_anchor(
                &cert,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        if *name {
            verify_server_name(&cert, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if matches!(self.trust, Trust::Anyone) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if matches!(self.trust, Trust::Anyone) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: SslMode) -> TlsSettings {
        TlsSettings {
            mode,
            root_cert: RootCert::Home,
            cert: None,
            key: None,
            show_cert: true,
            sni: true,
            tls12: true,
            tls13: true,
            home: Some("/nonexistent".into()),
        }
    }

    #[test]
    fn verification_without_roots_is_refused_and_require_goes_on_without() {
        assert!(connector(&settings(SslMode::Prefer)).is_ok());
        assert!(connector(&settings(SslMode::Require)).is_ok());
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
            let Err(error) = connector(&settings(mode)) else { panic!("{mode:?} must be refused") };
            assert!(error.to_string().contains("/nonexistent/root.crt"), "{error}");
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("k");
        std::fs::write(&key, "").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(private(&key).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(private(&key).is_ok());
    }
}

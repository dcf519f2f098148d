//! Certificate authorities of our own.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as PEM.
    pub pem: String,
}

/// An authority, and a server's certificate of it, in files that the users of servers may read.
pub struct Files {
    /// Where they are.
    directory: tempfile::TempDir,
}

impl Files {
    /// Of a new authority, for a server of those names; and a certificate for a client.
    pub fn new(hosts: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), all).expect("others may read it");
        let authority = Authority::new("an authority");
        let files = Self { directory };
        let write = |name: &str, text: &str| std::fs::write(files.path(name), text).expect("a file");
        write("ca.pem", &authority.pem);
        write("other.pem", &Authority::new("another one").pem);
        for (name, identity) in
            [("server", authority.certify("server", hosts)), ("client", authority.certify("me", &[]))]
        {
            write(&format!("{name}.pem"), &identity.cert);
            write(&format!("{name}.key"), &identity.key);
        }
        files
    }

    /// The path of one: `ca.pem`, `other.pem` (of an authority that has certified nobody), `server.pem`, `server.key`,
    /// `client.pem`, `client.key`.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("UTF-8").to_owned()
    }
}

/// A certificate and its key, as PEM.
pub struct Identity {
    /// The certificate.
    pub cert: String,
    /// The private key.
    pub key: String,
}

impl Identity {
    /// A server that shows it.
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        let cert = CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("an identity");
        Arc::new(config)
    }
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certifies a server of those names or addresses, or a client by its common name.
    pub fn certify(&self, name: &str, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let cert = named(name, hosts).signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { cert, key: key.serialize_pem() }
    }
}

impl Authority {
    /// The same, which is over since long.
    pub fn certify_expired(&self, name: &str, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name, hosts);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { cert, key: key.serialize_pem() }
    }
}

impl Identity {
    /// The certificate of an authority, shown as that of a server.
    pub fn of_authority(hosts: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("an authority", hosts);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).expect("a certificate").pem();
        Self { cert, key: key.serialize_pem() }
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).into()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

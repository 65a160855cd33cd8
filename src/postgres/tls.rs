//! TLS as `sslmode` means it: which certificates are trusted, and what of a server's certificate is checked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::clientcert::{self, ClientCertError};
use super::wire::Tls;
use super::x509v1::FirstVersion;
use crate::config::conninfo::{Conninfo, Host, RootCert, SslMode, TlsVersion};

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: an eavesdropper is kept out, an impostor is not.
    Nothing,
    /// The authority.
    Authority,
    /// The authority and the name.
    Name,
}

/// Why there can be no TLS from our side.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("the file of trusted certificates {path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("the file of trusted certificates {0} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    #[error(
        "the system has no trusted certificates; install them (Debian: ca-certificates) or set sslrootcert to a file"
    )]
    NoSystemStore,
    #[error(transparent)]
    ClientCertificate(#[from] ClientCertError),
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// What is checked under this mode, given whether a file of trusted certificates is named or in libpq's place.
pub(super) const fn check_of(mode: SslMode, has_root: bool) -> Check {
    match mode {
        SslMode::Disable | SslMode::Prefer => Check::Nothing,
        // libpq: `require` with a root certificate is `verify-ca`.
        SslMode::Require if has_root => Check::Authority,
        SslMode::Require => Check::Nothing,
        SslMode::VerifyCa => Check::Authority,
        SslMode::VerifyFull => Check::Name,
    }
}

/// The file of libpq's users, `~/.postgresql/root.crt`, where it is there.
fn users_root(home: Option<&Path>) -> Option<PathBuf> {
    home.map(|home| home.join(".postgresql/root.crt")).filter(|path| path.is_file())
}

/// The connector for a connection string; also what it checks.
pub(super) fn connector(conninfo: &Conninfo, home: Option<&Path>) -> Result<(Tls, Check), TlsError> {
    let root = conninfo.sslrootcert.clone().or_else(|| users_root(home).map(RootCert::File));
    let check = check_of(conninfo.sslmode, root.is_some());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match check {
        Check::Nothing => Arc::new(Unverified(Arc::clone(&provider))),
        Check::Authority => Arc::new(AnyName(trusting(root, &provider)?)),
        Check::Name => Arc::new(trusting(root, &provider)?),
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(conninfo))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match clientcert::load(conninfo, home, &provider)? {
        Some(pair) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        None => config.with_no_client_auth(),
    };
    config.enable_sni = conninfo.sslsni;
    if conninfo.direct_tls {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    let connector = MakeRustlsConnect::new(config);
    Ok((Tls { connector, name: name(conninfo), direct: conninfo.direct_tls }, check))
}

/// The name that the server's certificate has to have.
pub(super) fn name(conninfo: &Conninfo) -> String {
    match &conninfo.host {
        Host::Tcp(name) => name.trim_end_matches('.').to_owned(),
        Host::Unix(_) | Host::DefaultSocket => "localhost".to_owned(),
    }
}

fn versions(conninfo: &Conninfo) -> Vec<&'static rustls::SupportedProtocolVersion> {
    [(TlsVersion::V13, &rustls::version::TLS13), (TlsVersion::V12, &rustls::version::TLS12)]
        .into_iter()
        .filter(|(version, _)| conninfo.tls_min.is_none_or(|min| *version >= min))
        .filter(|(version, _)| conninfo.tls_max.is_none_or(|max| *version <= max))
        .map(|(_, version)| version)
        .collect()
}

fn trusting(root: Option<RootCert>, provider: &Arc<CryptoProvider>) -> Result<Trusting, TlsError> {
    let mut named = Vec::new();
    let mut store = RootCertStore::empty();
    match root {
        Some(RootCert::File(path)) => {
            named = read_pem(&path)?;
            for certificate in &named {
                store.add(certificate.clone()).map_err(|_| TlsError::NoCertificate(path.clone()))?;
            }
        }
        Some(RootCert::System) | None => {
            // Stores hold odd certificates; those that do not parse are left out, as every client does.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(TlsError::NoSystemStore);
            }
        }
    }
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build()?;
    Ok(Trusting { chains, named, known: provider.signature_verification_algorithms })
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate(path.to_owned()))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

/// The handshake's signature in TLS 1.2, of certificates of every version.
fn tls12_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    known: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match FirstVersion::read(certificate) {
        Some(old) => old.verify_tls12(message, signed, known),
        None => rustls::crypto::verify_tls12_signature(message, certificate, signed, known),
    }
}

/// The same in TLS 1.3.
fn tls13_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    known: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match FirstVersion::read(certificate) {
        Some(old) => old.verify_tls13(message, signed, known),
        None => rustls::crypto::verify_tls13_signature(message, certificate, signed, known),
    }
}

/// Takes every certificate. The handshake's signature is still checked, so that the key is the certificate's.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks the authority and the name. A server's own certificate that is named in the file of trusted ones is trusted
/// although it may be an authority's too: that is what `openssl req -x509` makes, and libpq takes it.
#[derive(Debug)]
struct Trusting {
    chains: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
    known: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError as E;
        if let Some(old) = FirstVersion::read(end_entity) {
            if self.named.contains(end_entity) {
                old.dates(now)?;
            } else {
                old.signed_by(&self.named, now, &self.known)?;
            }
            // It has no place for the name of a host; a common name is none.
            let expected = server_name.to_owned();
            return Err(E::NotValidForNameContext { expected, presented: Vec::new() }.into());
        }
        match self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // webpki looks at the dates before it looks at the kind: what is left is the name.
            Err(rustls::Error::InvalidCertificate(E::UnknownIssuer | E::Other(_)))
                if self.named.contains(end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls12_signature(message, cert, dss, &self.known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls13_signature(message, cert, dss, &self.known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Checks the authority, and forgives only a name that is not the host's.
#[derive(Debug)]
struct AnyName(Trusting);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // webpki looks at the name last: the chain, its dates and uses have passed when this is its answer.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

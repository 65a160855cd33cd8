//! The certificate with which tenantui logs in: `sslcert`, `sslkey` and `sslpassword` as libpq means them.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::config::conninfo::Conninfo;

/// A certificate with those of its authorities, and its private key.
pub(super) type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Why there is no certificate to log in with. Never holds a key or a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientCertError {
    #[error("the client's certificate {path} (sslcert) cannot be read: {error}")]
    Certificate { path: PathBuf, error: io::Error },
    #[error("the client's certificate {0} (sslcert) holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    #[error(
        "there is a client's certificate {certificate}, but its private key {key} (sslkey) cannot be read: {error}"
    )]
    Key { certificate: PathBuf, key: PathBuf, error: io::Error },
    #[error("the private key {0} (sslkey) is not a plain file")]
    NotAFile(PathBuf),
    #[error(
        "the private key {0} (sslkey) may be used by group or others; run: chmod 0600 {0} (0640 at most where root owns it)"
    )]
    Open(PathBuf),
    #[error("the private key {0} (sslkey) is encrypted; give its password by sslpassword, or sslpassword=${{NAME}}")]
    Locked(PathBuf),
    #[error(
        "the private key {0} (sslkey) does not open with sslpassword: the password is wrong, or its cipher unknown"
    )]
    WrongPassword(PathBuf),
    #[error(
        "the private key {0} (sslkey) is encrypted in OpenSSL's old way, which is not read; run: openssl pkcs8 -topk8 -in {0} -out NEW, and name NEW by sslkey"
    )]
    OldEncryption(PathBuf),
    #[error("the private key {0} (sslkey) holds no private key in PEM form")]
    NoKey(PathBuf),
    #[error("the private key {0} (sslkey) names a key in hardware, which is not supported; name a file")]
    Engine(PathBuf),
}

/// Reads the certificate that is named, else libpq's `~/.postgresql/postgresql.crt` where it is there.
pub(super) fn load(conninfo: &Conninfo, home: Option<&Path>) -> Result<Option<ClientCertificate>, ClientCertError> {
    if !conninfo.send_certificate {
        return Ok(None);
    }
    let usual = |name: &str| home.map(|home| home.join(".postgresql").join(name));
    let certificate = match (&conninfo.sslcert, usual("postgresql.crt")) {
        (Some(named), _) => named.clone(),
        (None, Some(usual)) if usual.exists() => usual,
        (None, _) => return Ok(None),
    };
    let bytes = std::fs::read(&certificate)
        .map_err(|error| ClientCertError::Certificate { path: certificate.clone(), error })?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| ClientCertError::NoCertificate(certificate.clone()))?;
    if chain.is_empty() {
        return Err(ClientCertError::NoCertificate(certificate));
    }
    let key = conninfo.sslkey.clone().or_else(|| usual("postgresql.key")).unwrap_or_default();
    let unreadable = |error| ClientCertError::Key { certificate: certificate.clone(), key: key.clone(), error };
    if !key.exists() && key.to_string_lossy().contains(':') {
        return Err(ClientCertError::Engine(key));
    }
    let meta = std::fs::metadata(&key).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(ClientCertError::NotAFile(key));
    }
    if is_open(meta.uid(), meta.mode()) {
        return Err(ClientCertError::Open(key));
    }
    let pem = std::fs::read(&key).map(Zeroizing::new).map_err(unreadable)?;
    Ok(Some((chain, private_key(&key, &pem, conninfo)?)))
}

/// libpq's rule: nothing for group and others; where root owns the file its group may read it.
const fn is_open(owner: u32, mode: u32) -> bool {
    if owner == 0 { mode & 0o037 != 0 } else { mode & 0o077 != 0 }
}

fn private_key(path: &Path, pem: &[u8], conninfo: &Conninfo) -> Result<PrivateKeyDer<'static>, ClientCertError> {
    let holds = |mark: &str| pem.windows(mark.len()).any(|part| part == mark.as_bytes());
    if holds("Proc-Type: 4,ENCRYPTED") {
        return Err(ClientCertError::OldEncryption(path.to_owned()));
    }
    if !holds("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return PrivateKeyDer::from_pem_slice(pem).map_err(|_| ClientCertError::NoKey(path.to_owned()));
    }
    let Some(password) = &conninfo.sslpassword else { return Err(ClientCertError::Locked(path.to_owned())) };
    let text = std::str::from_utf8(pem).map_err(|_| ClientCertError::NoKey(path.to_owned()))?;
    let (_, der) = pkcs8::SecretDocument::from_pem(text).map_err(|_| ClientCertError::NoKey(path.to_owned()))?;
    let locked = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der.as_bytes())
        .map_err(|_| ClientCertError::NoKey(path.to_owned()))?;
    let opened =
        locked.decrypt(password.expose_secret()).map_err(|_| ClientCertError::WrongPassword(path.to_owned()))?;
    Ok(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_the_key_is_libpqs_rule() {
        for (owner, mode, open) in [
            (1000, 0o600, false),
            (1000, 0o400, false),
            (1000, 0o640, true),
            (1000, 0o604, true),
            (0, 0o640, false),
            (0, 0o600, false),
            (0, 0o660, true),
            (0, 0o644, true),
            (0, 0o650, true),
        ] {
            assert_eq!(is_open(owner, mode), open, "{owner} {mode:o}");
        }
    }
}

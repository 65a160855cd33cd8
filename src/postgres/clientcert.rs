//! The certificate with which tenantui logs in: `sslcert`, `sslkey` and `sslpassword` as libpq means them.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode as _, Reader as _, Tag, Tagged as _};
use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::x509v1::FirstVersion;
use crate::config::conninfo::Conninfo;

/// Why there is no certificate to log in with. Never holds a key or a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientCertError {
    #[error("the client's certificate {path} (sslcert) cannot be read: {error}")]
    Certificate { path: PathBuf, error: io::Error },
    #[error(
        "the client's certificate {0} (sslcert) holds no certificate in PEM form; of one in DER form, openssl x509 -inform DER -in {0} -out NEW makes it"
    )]
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
    #[error("the private key {0} (sslkey) does not open with sslpassword: the password is wrong")]
    WrongPassword(PathBuf),
    #[error(
        "the private key {path} (sslkey) is encrypted with {cipher}, which is not read here; run: openssl pkcs8 -topk8 -in {path} -out NEW, and name NEW by sslkey"
    )]
    Cipher { path: PathBuf, cipher: &'static str },
    #[error(
        "the private key {0} (sslkey) is encrypted in OpenSSL's old way, which is not read; run: openssl pkcs8 -topk8 -in {0} -out NEW, and name NEW by sslkey"
    )]
    OldEncryption(PathBuf),
    #[error("the private key {0} (sslkey) holds no private key in PEM or DER form")]
    NoKey(PathBuf),
    #[error(
        "the private key {path} (sslkey) cannot be used: {why}. tenantui signs with RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519. Have a certificate issued for such a key; a request for one: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN={user} -keyout NEW.key -out NEW.csr"
    )]
    Kind { path: PathBuf, why: &'static str, user: String },
    #[error(
        "the client's certificate {certificate} (sslcert) and the private key {key} (sslkey) cannot be used together: the certificate is for another key"
    )]
    Pair { certificate: PathBuf, key: PathBuf },
    #[error("the client's certificate {0} (sslcert) cannot be used: {1}")]
    Unfit(PathBuf, rustls::Error),
    #[error("the private key {0} (sslkey) names a key in hardware, which is not supported; name a file")]
    Engine(PathBuf),
}

/// Reads the certificate that is named, else libpq's `~/.postgresql/postgresql.crt` where it is there.
pub(super) fn load(
    conninfo: &Conninfo,
    home: Option<&Path>,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, ClientCertError> {
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
    let bytes = std::fs::read(&key).map(Zeroizing::new).map_err(unreadable)?;
    let found = private_key(&key, &bytes, conninfo)?;
    let is_p521 = holds(found.secret_der(), P521);
    let why = if is_p521 { "it is on the curve P-521" } else { "it is damaged, or of another kind" };
    let signer = provider.key_provider.load_private_key(found);
    let of_kind = |_| ClientCertError::Kind { path: key.clone(), why, user: conninfo.user.clone() };
    let pair = CertifiedKey::new(chain, signer.map_err(of_kind)?);
    match is_pair(&pair) {
        Ok(true) => Ok(Some(pair)),
        Ok(false) => Err(ClientCertError::Pair { certificate, key }),
        Err(error) => Err(ClientCertError::Unfit(certificate, error)),
    }
}

/// Whether the certificate is for that key. The library does not read certificates of version 1; servers do.
fn is_pair(pair: &CertifiedKey) -> Result<bool, rustls::Error> {
    if let Some(old) = pair.cert.first().and_then(FirstVersion::read) {
        return Ok(pair.key.public_key().is_none_or(|key| key == *old.key()));
    }
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(true),
        Err(rustls::Error::InconsistentKeys(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// libpq's rule: nothing for group and others; where root owns the file its group may read it.
const fn is_open(owner: u32, mode: u32) -> bool {
    if owner == 0 { mode & 0o037 != 0 } else { mode & 0o077 != 0 }
}

/// The object identifier of the curve P-521, as DER has it.
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|found| found == part)
}

/// As libpq: PEM, else DER.
fn private_key(path: &Path, bytes: &[u8], conninfo: &Conninfo) -> Result<PrivateKeyDer<'static>, ClientCertError> {
    let none = || ClientCertError::NoKey(path.to_owned());
    if !holds(bytes, b"-----BEGIN ") {
        let plain = PrivateKeyDer::try_from(bytes).map(|key| key.clone_key());
        return plain.or_else(|_| unlock(path, bytes, conninfo));
    }
    if holds(bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(ClientCertError::OldEncryption(path.to_owned()));
    }
    const LOCKED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    let text = String::from_utf8_lossy(bytes);
    // What stands before it (the key's attributes, as `openssl pkcs12` writes them) is no part of it.
    let Some(start) = text.find(LOCKED) else { return PrivateKeyDer::from_pem_slice(bytes).map_err(|_| none()) };
    let (_, der) = pkcs8::SecretDocument::from_pem(&text[start..]).map_err(|_| none())?;
    unlock(path, der.as_bytes(), conninfo)
}

/// Opens an encrypted key (PKCS#8).
fn unlock(path: &Path, der: &[u8], conninfo: &Conninfo) -> Result<PrivateKeyDer<'static>, ClientCertError> {
    use pkcs8::pkcs5::Error as Pkcs5;
    if !is_encrypted(der) {
        return Err(ClientCertError::NoKey(path.to_owned()));
    }
    let cipher = || ClientCertError::Cipher { path: path.to_owned(), cipher: cipher_of(der) };
    let locked = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| cipher())?;
    let Some(password) = &conninfo.sslpassword else { return Err(ClientCertError::Locked(path.to_owned())) };
    let opened = locked.decrypt(password.expose_secret()).map_err(|error| match error {
        // A wrong password gives nonsense, of which some looks decrypted.
        pkcs8::Error::EncryptedPrivateKey(Pkcs5::DecryptFailed) | pkcs8::Error::Asn1(_) => {
            ClientCertError::WrongPassword(path.to_owned())
        }
        _ => cipher(),
    })?;
    Ok(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec())))
}

/// Whether it has the outer form of an encrypted key: how it is encrypted, and the bytes.
fn is_encrypted(der: &[u8]) -> bool {
    let parts = AnyRef::from_der(der).and_then(|whole| {
        whole.sequence(|parts| {
            let how: AnyRef<'_> = parts.decode()?;
            let _bytes: &OctetStringRef = parts.decode()?;
            Ok(how.tag())
        })
    });
    matches!(parts, Ok(Tag::Sequence))
}

/// The encryption in OpenSSL's words, of those that are met and not read.
fn cipher_of(der: &[u8]) -> &'static str {
    let known: [(&[u8], &str); 4] = [
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03], "PBE-SHA1-3DES"),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01], "a PBE-SHA1 cipher"),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x03], "PBE-MD5-DES"),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0a], "PBE-SHA1-DES"),
    ];
    known.iter().find(|(identifier, _)| holds(der, identifier)).map_or("a cipher", |(_, words)| *words)
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

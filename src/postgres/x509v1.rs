//! Certificates of X.509 version 1: what `openssl x509 -req` makes of a request without extensions, as PostgreSQL's own
//! documentation has it done. libpq takes them and webpki does not read them, so what is needed of them is done here:
//! their key, and whether a trusted authority signed them. They name no host: with them nothing passes `verify-full`.

use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{AlgorithmIdentifier, CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, NameConstraints};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// A certificate of version 1.
#[derive(Debug)]
pub(super) struct FirstVersion {
    certificate: Certificate,
    key: SubjectPublicKeyInfoDer<'static>,
}

impl FirstVersion {
    /// The certificate, where it is one of version 1; all others are webpki's.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        if certificate.tbs_certificate.version != Version::V1 {
            return None;
        }
        let key = certificate.tbs_certificate.subject_public_key_info.to_der().ok()?;
        Some(Self { certificate, key: SubjectPublicKeyInfoDer::from(key) })
    }

    /// The public key.
    pub(super) const fn key(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.key
    }

    /// Whether one of these authorities signed it, and all of it is valid today.
    pub(super) fn signed_by(
        &self,
        authorities: &[CertificateDer<'_>],
        now: UnixTime,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        self.dates(now)?;
        let signed = authorities.iter().filter_map(|der| Certificate::from_der(der).ok()).any(|authority| {
            may_sign(&authority)
                && dates(&authority, now).is_ok()
                && signature_holds(&self.certificate, &authority, known)
        });
        if signed { Ok(()) } else { Err(CertificateError::UnknownIssuer.into()) }
    }

    /// Whether it is valid today.
    pub(super) fn dates(&self, now: UnixTime) -> Result<(), Error> {
        dates(&self.certificate, now)
    }

    /// The handshake's signature in TLS 1.2, where a scheme says the hash and not the curve: each that fits is tried.
    pub(super) fn verify_tls12(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        let info = &self.certificate.tbs_certificate.subject_public_key_info;
        let of_scheme = known.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, all)| *all);
        let holds = of_scheme
            .filter(|one| is(&info.algorithm, one.public_key_alg_id()))
            .any(|one| one.verify_signature(info.subject_public_key.raw_bytes(), message, signed.signature()).is_ok());
        if holds { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
    }

    /// The handshake's signature in TLS 1.3.
    pub(super) fn verify_tls13(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &self.key, signed, known)
    }
}

fn dates(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        Err(CertificateError::NotValidYet.into())
    } else if now > validity.not_after.to_unix_duration() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

/// A trusted certificate of version 1 may sign others, as it cannot say so; a newer one has to say so.
fn may_sign(authority: &Certificate) -> bool {
    let facts = &authority.tbs_certificate;
    if facts.version == Version::V1 {
        return true;
    }
    // Which names it may sign for is webpki's to judge, which does not read what it signed here.
    if !matches!(facts.get::<NameConstraints>(), Ok(None)) {
        return false;
    }
    let is_authority = matches!(facts.get::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca);
    let may = match facts.get::<KeyUsage>() {
        Ok(Some((_, usage))) => usage.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    is_authority && may
}

fn signature_holds(certificate: &Certificate, authority: &Certificate, known: &WebPkiSupportedAlgorithms) -> bool {
    let (facts, key) = (&certificate.tbs_certificate, &authority.tbs_certificate.subject_public_key_info);
    if facts.issuer != authority.tbs_certificate.subject || facts.signature != certificate.signature_algorithm {
        return false;
    }
    // What was signed is DER, of which there is one form: written anew it is the same, or the signature fails.
    let Ok(message) = facts.to_der() else { return false };
    let fits = known.all.iter().filter(|one| {
        is(&certificate.signature_algorithm, one.signature_alg_id()) && is(&key.algorithm, one.public_key_alg_id())
    });
    let signature = certificate.signature.raw_bytes();
    fits.into_iter().any(|one| one.verify_signature(key.subject_public_key.raw_bytes(), &message, signature).is_ok())
}

/// Whether they are the same; webpki's form lacks the outer header, which is two bytes at these lengths.
fn is(found: &AlgorithmIdentifierOwned, known: AlgorithmIdentifier) -> bool {
    found.to_der().is_ok_and(|der| der.len() < 128 && der.get(2..) == Some(known.as_ref()))
}

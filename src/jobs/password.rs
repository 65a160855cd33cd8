//! Passwords of new roles. The server gets a verifier, by which a password can be checked and not known: nothing that
//! it logs, shows in `pg_stat_activity` or answers with holds the password (jobs.md 2.4).

use crate::jobs::gate::refused;
use crate::jobs::orders::OrderError;
use crate::model::secret::Secret;

/// What passwords are made of. Nothing that a shell, a URL or a connection string reads as more than itself.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// As long as Cloacina's: 190 bits.
const LENGTH: usize = 32;

/// A new password from the system's random source.
///
/// # Errors
/// When that source does not answer.
pub(super) fn new() -> Result<Secret, OrderError> {
    let mut password = String::with_capacity(LENGTH);
    let mut random = [0_u8; 64];
    while password.len() < LENGTH {
        getrandom::fill(&mut random)
            .map_err(|error| refused(format!("no password could be made: no random numbers ({error})")))?;
        // Bytes beyond the last whole round are thrown away: every letter is as likely as any other.
        let letters = random.iter().filter(|byte| **byte < 248).map(|byte| LETTERS[usize::from(byte % 62)]);
        password.extend(letters.take(LENGTH - password.len()).map(char::from));
    }
    Ok(Secret::new(password))
}

/// The SCRAM-SHA-256 verifier, which is what the server stores. Takes some milliseconds of one processor.
pub(super) async fn verifier(password: &Secret) -> Result<String, OrderError> {
    let password = password.clone();
    let work = move || postgres_protocol::password::scram_sha_256(password.expose().as_bytes());
    tokio::task::spawn_blocking(work).await.map_err(|error| refused(format!("no verifier could be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_differ_and_their_verifiers_do_not_hold_them() {
        let (one, two) = (new().expect("a password"), new().expect("a password"));
        assert_ne!(one, two);
        assert!(one.expose().len() == LENGTH && one.expose().bytes().all(|byte| LETTERS.contains(&byte)));
        let verifier = verifier(&one).await.expect("a verifier");
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:") && !verifier.contains(one.expose()), "{verifier}");
    }
}

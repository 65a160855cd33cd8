//! Keys of advisory locks (jobs.md 3.2). A lock says who is alive; safety is the fence inside each transaction.

use sha2::{Digest, Sha256};

/// The class of the locks that say "this job has a living worker"; the object is the job's number. ("tenu")
pub const JOB_CLASS: i32 = 0x7465_6e75;

fn key(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0_u8; 8];
    for (to, from) in first.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    i64::from_be_bytes(first)
}

/// The lock of a tenant's schema: one writer at a time, whichever job it is of.
#[must_use]
pub fn tenant(schema: &str) -> i64 {
    key(&format!("tenantui:1:{schema}"))
}

/// The lock of a name that is being provisioned, folded so that names that would collide share it.
#[must_use]
pub fn name(folded: &str) -> i64 {
    key(&format!("tenantui:name:{folded}"))
}

/// The lock of what all share: the `tenantui` schema, grants, extensions.
#[must_use]
pub fn shared() -> i64 {
    key("tenantui:shared")
}

/// The expression that takes a lock to the transaction's end, or says that another session has it; true where there is
/// none to take.
#[must_use]
pub fn try_sql(key: Option<i64>) -> String {
    key.map_or_else(|| "true".to_owned(), |key| format!("pg_catalog.pg_try_advisory_xact_lock({key})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_the_paper_says() {
        // printf 'tenantui:1:tenant_acme' | sha256sum | cut -c1-16
        let expected = Sha256::digest(b"tenantui:1:tenant_acme");
        let expected = i64::from_be_bytes(expected[..8].try_into().expect("eight bytes"));
        assert_eq!(tenant("tenant_acme"), expected);
        assert_ne!(tenant("tenant_acme"), tenant("Tenant_acme"));
        assert_ne!(tenant("x"), name("x"));
    }
}

//! A text that is shown to the operator once and must never be printed by accident: it has no `Display`, and its `Debug`
//! says nothing. Its memory is wiped when the last copy goes.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// A secret on its way to the one place that shows it.
#[derive(Clone)]
pub struct Secret(Arc<SecretString>);

impl Secret {
    /// Takes it over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(text.into()))
    }

    /// The text, for the place that shows it and for what is computed of it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// What a tenant's application logs in with: made with its role, shown once, kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The tenant's slug.
    pub tenant: String,
    /// The role's name.
    pub role: String,
    /// Its password.
    pub password: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let credentials =
            Credentials { tenant: "acme".into(), role: "acme".into(), password: Secret::new("hunter2".into()) };
        let printed = format!("{credentials:?}");
        assert!(!printed.contains("hunter2") && printed.contains("***"), "{printed}");
    }
}

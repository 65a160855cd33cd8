//! The negative controls: one safeguard at a time can be taken out, to show that a test fails without it.
//!
//! `TENANTUI_TEST_SABOTAGE=fence|transaction|guard|sanitiser`, read once, and only by builds with debug assertions: a
//! release build holds none of this. This is the one place that reads the variable.
//!
//! - `fence`: a step no longer looks whether its job is still this worker's, nor keeps a rescue waiting.
//! - `transaction`: the ledger's row and the step's are written in a second transaction behind the file's.
//! - `guard`: nobody looks what a file did to its transaction, search path, role and settings.
//! - `sanitiser`: text from outside reaches terminals as it is.

/// What can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// The fencing number within each step.
    Fence,
    /// File, ledger row and step row in one transaction.
    Transaction,
    /// The look at what the file left.
    Guard,
    /// The choke point of `text`.
    Sanitiser,
}

impl Safeguard {
    /// Its word in the variable.
    #[cfg(debug_assertions)]
    const fn word(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Transaction => "transaction",
            Self::Guard => "guard",
            Self::Sanitiser => "sanitiser",
        }
    }
}

/// Whether this safeguard is taken out in this process.
///
/// # Panics
/// Where the variable holds another word: a control that controls nothing must not pass for one.
#[cfg(debug_assertions)]
#[must_use]
pub fn removed(safeguard: Safeguard) -> bool {
    static REMOVED: std::sync::OnceLock<Option<Safeguard>> = std::sync::OnceLock::new();
    *REMOVED.get_or_init(|| {
        let word = std::env::var("TENANTUI_TEST_SABOTAGE").ok().filter(|word| !word.is_empty())?;
        let known = [Safeguard::Fence, Safeguard::Transaction, Safeguard::Guard, Safeguard::Sanitiser];
        let found = known.into_iter().find(|safeguard| safeguard.word() == word);
        assert!(found.is_some(), "TENANTUI_TEST_SABOTAGE knows fence, transaction, guard and sanitiser");
        found
    }) == Some(safeguard)
}

/// Never, in a build without debug assertions.
#[cfg(not(debug_assertions))]
#[must_use]
#[inline]
pub const fn removed(_: Safeguard) -> bool {
    false
}

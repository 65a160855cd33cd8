//! What plan time says of a file before anything runs: refusals and warnings, each with its line.

use std::path::Path;

use super::folder::{Finding, Statement};

/// A migration that is a program of its tool's language, in a folder whose other files are run here.
#[must_use]
pub fn code(path: &Path) -> Finding {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Finding {
        rule: "code",
        refuses: true,
        line: 1,
        message: format!("a .{ending} migration is a program: apply it with the application's own tool").into(),
    }
}

/// The findings of a file that is cut into these pieces.
#[must_use]
pub fn check(_text: &str, _pieces: &[Statement], _transactional: bool) -> Vec<Finding> {
    Vec::new()
}

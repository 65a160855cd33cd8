//! The last words of a panic: what was wrong and where, safe for a terminal. A message may repeat text of a database.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, Location, PanicHookInfo};

use super::output;

/// From here on a panic says so through the choke point.
pub fn speak_safely() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let message = info.payload_as_str().unwrap_or("no message");
        output::note(words(message, info.location(), &Backtrace::capture()));
    }));
}

fn words(message: &str, location: Option<&Location<'_>>, backtrace: &Backtrace) -> String {
    let place = location.map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    // The lines of a message are the text's own; those of a backtrace are ours.
    let message = message.replace('\n', "\\n");
    let mut out = format!(
        "tenantui: this is a bug: {message}{place}\n\
         what was running was rolled back or stays recorded; start again, and report this with the version and, if you \
         can, what you see with RUST_BACKTRACE=1"
    );
    if backtrace.status() == BacktraceStatus::Captured {
        out.push_str(&format!("\n{backtrace}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_says_where() {
        let said = words("name \u{1b}[31m\nforged", Some(Location::caller()), &Backtrace::disabled());
        assert!(said.starts_with("tenantui: this is a bug: name \u{1b}[31m\\nforged at src/cli/panics.rs:"), "{said}");
        assert_eq!(said.lines().count(), 2);
    }
}

//! Words for the command line of a shell, to be pasted.

use super::sanitise;

/// A text as one word of a shell's command line, as it is shown: what nobody can type is an escape there, too.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let word = sanitise(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_stands_in_quotes() {
        assert_eq!(shell_word("acme-1.eu"), "acme-1.eu");
        assert_eq!(shell_word("[t]?-1"), "'[t]?-1'");
        assert_eq!(shell_word("-v"), "'-v'");
        assert_eq!(shell_word("o'brien"), "'o'\\''brien'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("\u{1b}[31m"), "'\\e[31m'");
    }
}

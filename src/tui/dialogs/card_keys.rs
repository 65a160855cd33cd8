//! The keys of a failure card: those that the operator's keymap has for the same actions elsewhere.

use crossterm::event::KeyEvent;

use crate::tui::app::action::Action;
use crate::tui::app::keymap::{Chord, Keymap};

/// The card's own keys, which stay as they are: out, the log, copying.
const OWN: [&str; 5] = ["Esc", "Enter", "q", "l", "y"];

/// What a card asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Retry what failed.
    Retry,
    /// Retry the tenant as soon as nobody is in its way.
    RetryWhenFree,
    /// Leave the tenant out.
    Skip,
    /// Go on with the job.
    Continue,
}

impl Asked {
    const ALL: [Self; 4] = [Self::Retry, Self::RetryWhenFree, Self::Skip, Self::Continue];

    const fn action(self) -> Action {
        match self {
            Self::Retry => Action::Retry,
            Self::RetryWhenFree => Action::RetryWhenFree,
            Self::Skip => Action::Skip,
            Self::Continue => Action::Continue,
        }
    }

    /// Its letter where the keymap has no key that a card could take.
    const fn letter(self) -> &'static str {
        match self {
            Self::Retry => "R",
            Self::RetryWhenFree => "T",
            Self::Skip => "K",
            Self::Continue => "C",
        }
    }
}

/// One key for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardKeys([String; 4]);

impl Default for CardKeys {
    fn default() -> Self {
        Self(Asked::ALL.map(|asked| asked.letter().to_owned()))
    }
}

impl CardKeys {
    /// Of a keymap: the first that is one key and none of the card's own.
    #[must_use]
    pub fn of(keymap: &Keymap) -> Self {
        let fits = |keys: &String| !keys.contains(' ') && !OWN.contains(&keys.as_str());
        Self(Asked::ALL.map(|asked| {
            let own = keymap.keys_of(asked.action()).into_iter().find(fits);
            own.unwrap_or_else(|| asked.letter().to_owned())
        }))
    }

    /// The key of what is asked for, as it is shown.
    #[must_use]
    pub fn of_asked(&self, asked: Asked) -> &str {
        &self.0[asked as usize]
    }

    /// What a key asks for.
    #[must_use]
    pub fn asked(&self, key: KeyEvent) -> Option<Asked> {
        let typed = Chord::of(key)?.to_string();
        Asked::ALL.into_iter().find(|asked| self.of_asked(*asked) == typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> KeyEvent {
        Chord::parse(text).expect("a key").event()
    }

    #[test]
    fn a_card_heeds_the_keys_of_the_keymap() {
        let keymap = Keymap::with_user(
            "[keys]\nretry = [\"x r\", \"E\"]\nskip = [\"y\"]\ncopy-name = []\ncopy-row = []\ncopy-error = []\n",
            "mine",
        );
        let keys = CardKeys::of(&keymap.expect("a keymap"));
        assert_eq!(keys.of_asked(Asked::Retry), "E");
        assert_eq!(keys.asked(key("E")), Some(Asked::Retry));
        assert_eq!(keys.asked(key("R")), None);
        // `y` copies on a card.
        assert_eq!(keys.asked(key("K")), Some(Asked::Skip));
        assert_eq!(keys.asked(key("y")), None);
        assert_eq!(CardKeys::of(&Keymap::embedded().expect("keymap")), CardKeys::default());
    }
}

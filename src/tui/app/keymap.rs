//! Keys to actions. The defaults are `assets/keymap.toml`; a user's file names only what it changes.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{ACTIONS, Action};
use super::state::Screen;
use crate::text::sanitise;

/// The embedded defaults.
pub const DEFAULT_KEYMAP: &str = include_str!("../../../assets/keymap.toml");

/// Letters that terminals and multiplexers own together with ctrl.
const OWNED_BY_TERMINALS: &[char] = &['a', 'b', 'h', 'j', 'm', 'q', 's'];

/// Keys with a name.
const NAMES: &[(&str, KeyCode)] = &[
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("BackTab", KeyCode::BackTab),
    ("Space", KeyCode::Char(' ')),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("Insert", KeyCode::Insert),
    ("Delete", KeyCode::Delete),
];

/// One key with what is held down. Shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub struct Chord {
    code: KeyCode,
    ctrl: bool,
}

impl Chord {
    /// The chord of a key event; `None` with Alt or Super, which no action uses.
    #[must_use]
    pub fn of(key: KeyEvent) -> Option<Self> {
        if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META)
        {
            return None;
        }
        let code = match key.code {
            KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            other => other,
        };
        Some(Self { code, ctrl: key.modifiers.contains(KeyModifiers::CONTROL) })
    }

    /// The key event of this chord.
    #[must_use]
    pub const fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }

    /// The chord that a keymap writes so; `None` where it is no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ctrl, rest) = text.strip_prefix("ctrl-").map_or((false, text), |rest| (true, rest));
        if let Some((_, code)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(rest)) {
            return Some(Self { code: *code, ctrl });
        }
        let mut characters = rest.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) if !character.is_control() => Some(Self { code: KeyCode::Char(character), ctrl }),
            (_, _) => None,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(character) => write!(f, "{character}"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn show(keys: &[Chord]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What is wrong with a keymap. Its `Display` says where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct KeymapError {
    /// The file, safe for a terminal.
    pub file: String,
    /// What is wrong, with the line where there is one.
    pub problem: String,
}

/// What a sequence of keys means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// This.
    Action(Action),
    /// More has to follow: one of these.
    Prefix(Vec<(String, Action)>),
    /// Nothing.
    Nothing,
}

/// Which keys mean which actions.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: Vec<(Vec<Chord>, Action)>,
}

impl Keymap {
    /// The embedded defaults.
    ///
    /// # Errors
    /// When the embedded file is wrong, which a test excludes.
    pub fn embedded() -> Result<Self, KeymapError> {
        let defaults = parse(DEFAULT_KEYMAP, "assets/keymap.toml")?;
        Self::build(&defaults, &BTreeMap::new())
    }

    /// The defaults with what a user's file changes; `file` is its name for messages.
    ///
    /// # Errors
    /// An unknown action, a wrong key, or two actions with one key: both are named, with the line.
    pub fn with_user(text: &str, file: &str) -> Result<Self, KeymapError> {
        let defaults = parse(DEFAULT_KEYMAP, "assets/keymap.toml")?;
        let user = parse(text, file)?;
        Self::build(&defaults, &user)
    }

    fn build(defaults: &Bindings, user: &Bindings) -> Result<Self, KeymapError> {
        let mut bindings: Vec<(Vec<Chord>, Action, &Origin)> = Vec::new();
        for info in ACTIONS {
            let Some((keys, origin)) = user.get(&info.action).or_else(|| defaults.get(&info.action)) else { continue };
            for sequence in keys {
                if let Some((other, action, other_origin)) =
                    bindings.iter().find(|(other, action, _)| clashes(other, sequence) && overlap(*action, info.action))
                {
                    let origin = if user.contains_key(&info.action) { origin } else { other_origin };
                    return Err(KeymapError {
                        file: origin.file.clone(),
                        problem: format!(
                            "line {}: `{}` of {} and `{}` of {} cannot be told apart; give one of them another key",
                            origin.line,
                            show(sequence),
                            info.name,
                            show(other),
                            action.info().name
                        ),
                    });
                }
                bindings.push((sequence.clone(), info.action, origin));
            }
        }
        Ok(Self { bindings: bindings.into_iter().map(|(keys, action, _)| (keys, action)).collect() })
    }

    /// What these keys mean on a screen.
    #[must_use]
    pub fn lookup(&self, screen: Screen, keys: &[Chord]) -> Lookup {
        let mut choices = Vec::new();
        for (sequence, action) in self.bindings.iter().filter(|(_, action)| action.applies_to(screen)) {
            if sequence == keys {
                return Lookup::Action(*action);
            }
            if sequence.starts_with(keys) {
                choices.push((show(&sequence[keys.len()..]), *action));
            }
        }
        if choices.is_empty() { Lookup::Nothing } else { Lookup::Prefix(choices) }
    }

    /// The keys of an action, as shown: `g g`, `Home`.
    #[must_use]
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        self.bindings.iter().filter(|(_, other)| *other == action).map(|(keys, _)| show(keys)).collect()
    }
}

/// The first key of each action, for hints and messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyNames {
    by_action: BTreeMap<Action, String>,
}

impl KeyNames {
    /// Of a keymap.
    #[must_use]
    pub fn of(keymap: &Keymap) -> Self {
        let first = |action: Action| keymap.keys_of(action).into_iter().next();
        Self { by_action: ACTIONS.iter().filter_map(|info| Some((info.action, first(info.action)?))).collect() }
    }

    /// The key of an action as it is shown: `W`, `g g`; `:name` where it has none.
    #[must_use]
    pub fn of_action(&self, action: Action) -> String {
        self.by_action.get(&action).map_or_else(|| format!(":{}", action.info().name), Clone::clone)
    }
}

struct Origin {
    file: String,
    line: usize,
}

type Bindings = BTreeMap<Action, (Vec<Vec<Chord>>, Origin)>;

/// One is the other, or its beginning: the longer one could never be typed.
fn clashes(one: &[Chord], other: &[Chord]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn overlap(one: Action, other: Action) -> bool {
    let (one, other) = (one.info().screens, other.info().screens);
    one.is_empty() || other.is_empty() || one.iter().any(|screen| other.contains(screen))
}

fn parse(text: &str, file: &str) -> Result<Bindings, KeymapError> {
    let wrong = |problem: String| KeymapError { file: sanitise(file), problem };
    let document = toml::de::DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        wrong(format!("line {line}: {}", sanitise(error.message())))
    })?;
    let mut bindings = Bindings::new();
    for (section, value) in document.get_ref() {
        let line = line_of(text, section.span().start);
        if section.get_ref() != "keys" {
            return Err(wrong(format!("line {line}: `{}` is not known; only [keys] is", sanitise(section.get_ref()))));
        }
        let toml::de::DeValue::Table(keys) = value.get_ref() else {
            return Err(wrong(format!("line {line}: `keys` must be a table: action = [\"key\", ...]")));
        };
        for (name, value) in keys {
            let line = line_of(text, name.span().start);
            let shown = sanitise(name.get_ref());
            let action = Action::from_name(name.get_ref()).ok_or_else(|| {
                wrong(format!("line {line}: there is no action `{shown}`; `tenantui keys` lists them"))
            })?;
            let sequences =
                sequences(value.get_ref(), action).map_err(|why| wrong(format!("line {line}: {shown}: {why}")))?;
            bindings.insert(action, (sequences, Origin { file: sanitise(file), line }));
        }
    }
    Ok(bindings)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(0, |before| before.matches('\n').count() + 1)
}

fn sequences(value: &toml::de::DeValue<'_>, action: Action) -> Result<Vec<Vec<Chord>>, String> {
    let toml::de::DeValue::Array(keys) = value else {
        return Err("must be a list of keys: [\"j\", \"Down\"]".to_owned());
    };
    let mut all = Vec::new();
    for key in keys {
        let toml::de::DeValue::String(text) = key.get_ref() else {
            return Err("keys are texts: [\"j\", \"Down\"]".to_owned());
        };
        let mut sequence = Vec::new();
        for part in text.split(' ') {
            let chord = Chord::parse(part).ok_or_else(|| {
                format!("`{}` is not a key; examples: \"j\", \"g g\", \"ctrl-d\", \"PgDn\"", sanitise(text))
            })?;
            check(chord, action)?;
            sequence.push(chord);
        }
        all.push(sequence);
    }
    Ok(all)
}

fn check(chord: Chord, action: Action) -> Result<(), String> {
    let KeyCode::Char(character) = chord.code else { return Ok(()) };
    if !chord.ctrl {
        return Ok(());
    }
    let character = character.to_ascii_lowercase();
    if OWNED_BY_TERMINALS.contains(&character) {
        return Err(format!("`{chord}` belongs to terminals and multiplexers; choose another key"));
    }
    match (character, action) {
        ('c', Action::Quit) | ('z', Action::ToShell) => Ok(()),
        ('c', _) => Err("`ctrl-c` always leaves; choose another key".to_owned()),
        ('z', _) => Err("`ctrl-z` always suspends; choose another key".to_owned()),
        (_, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(text: &str) -> Chord {
        Chord::parse(text).expect("a key")
    }

    #[test]
    fn the_embedded_keymap_names_every_action_once() {
        let bindings = parse(DEFAULT_KEYMAP, "x").expect("parses");
        for info in ACTIONS {
            assert!(bindings.contains_key(&info.action), "{} is missing in assets/keymap.toml", info.name);
        }
        Keymap::embedded().expect("no conflicts");
    }

    #[test]
    fn a_prefix_shows_its_choices() {
        let keymap = Keymap::embedded().expect("keymap");
        let Lookup::Prefix(choices) = keymap.lookup(Screen::Tenants, &[chord("y")]) else { panic!("no prefix") };
        assert!(choices.contains(&("r".to_owned(), Action::CopyRow)), "{choices:?}");
        assert_eq!(keymap.lookup(Screen::Tenants, &[chord("g"), chord("g")]), Lookup::Action(Action::First));
        assert_eq!(keymap.lookup(Screen::Jobs, &[chord("t")]), Lookup::Nothing);
    }

    #[test]
    fn a_user_changes_only_what_the_file_names() {
        let keymap = Keymap::with_user("[keys]\ndown = [\"n\"]\n", "mine.toml").expect("keymap");
        assert_eq!(keymap.keys_of(Action::Down), ["n"]);
        assert_eq!(keymap.keys_of(Action::Up), ["k", "Up"]);
    }

    #[test]
    fn mistakes_name_file_line_and_what_to_do() {
        let error = |text: &str| Keymap::with_user(text, "mine.toml").expect_err("wrong").to_string();
        let both = error("[keys]\n# a comment\nsort = [\"r\"]\n");
        assert!(both.contains("mine.toml: line 3") && both.contains("sort") && both.contains("refresh"), "{both}");
        assert!(error("[keys]\nfly = [\"x\"]\n").contains("no action `fly`"));
        assert!(error("[keys]\ndown = [\"ctrl-b\"]\n").contains("multiplexers"));
        assert!(error("[keys]\ndown = [\"g\"]\n").contains("cannot be told apart"));
        assert!(error("[keys]\ndown = [\"F99\"]\n").contains("is not a key"));
        assert!(error("[keys]\ndown = [\"ctrl-c\"]\n").contains("always leaves"));
        assert!(error("nonsense").contains("line 1"));
    }
}

//! Filters as text that reads as the same filter.

use std::fmt;

use super::fields::{NumberField, Test, What};
use super::parse::split;
use super::units::show_age;
use super::{FilterText, Term, Word};

impl fmt::Display for FilterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (_, term)) in self.terms.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            match term {
                Term::Word(word) => write!(f, "{word}")?,
                Term::Test(test) => write!(f, "{test}")?,
                Term::Saved { negated, name } => write!(f, "{}:{}", sign(*negated), quoted(name, false))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let special = self.text.starts_with(['!', ':']) || split(&self.text).is_some();
        write!(f, "{}{}", sign(self.negated), quoted(&self.text, special))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sign(self.negated))?;
        match &self.what {
            What::State(states) => {
                let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
                write!(f, "state:{}", words.join(","))
            }
            What::Text(field, values) => write!(f, "{}:{}", field.word(), list(values.iter().map(String::as_str))),
            What::Version(versions) => {
                write!(f, "version:{}", list(versions.iter().map(|version| version.as_deref().unwrap_or("none"))))
            }
            What::Flag(field, wanted) => write!(f, "{}:{}", field.word(), if *wanted { "yes" } else { "no" }),
            What::Number(field, compare, limit) => {
                let limit = match field {
                    NumberField::Age => show_age(*limit),
                    NumberField::Behind
                    | NumberField::Applied
                    | NumberField::Tables
                    | NumberField::Size
                    | NumberField::Keys => limit.to_string(),
                };
                write!(f, "{}{}{limit}", field.word(), compare.sign())
            }
            What::All(tests) => {
                for (place, test) in tests.iter().enumerate() {
                    write!(f, "{}{test}", if place > 0 { " " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

const fn sign(negated: bool) -> &'static str {
    if negated { "!" } else { "" }
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.map(|value| quoted(value, value.contains(','))).collect::<Vec<_>>().join(",")
}

fn quoted(text: &str, always: bool) -> String {
    if always || text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

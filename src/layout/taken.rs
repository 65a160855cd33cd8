//! Collisions: a new name must not be one that exists, nor one that a person, a file system or an unquoted statement
//! takes for it.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::{CheckedName, NameError, TakenNames};
use crate::text::Untrusted;

/// Names that a person takes for the same: lower case, hyphen and underscore alike, NFKC.
#[must_use]
pub fn fold(name: &str) -> String {
    let lower = name.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().map(|c| if c.general_category() == GeneralCategory::DashPunctuation { '_' } else { c }).collect()
}

/// [`fold`] both and compare, without an allocation for the names that nearly all fleets have.
fn folds_to(existing: &str, folded: &str) -> bool {
    if !existing.is_ascii() {
        return fold(existing) == folded;
    }
    existing.len() == folded.len()
        && existing.bytes().zip(folded.bytes()).all(|(a, b)| {
            let a = if a == b'-' { b'_' } else { a.to_ascii_lowercase() };
            a == b
        })
}

impl TakenNames {
    /// Whether a new name is free: not taken exactly, nor when folded (lower case, hyphen and underscore alike, NFKC).
    ///
    /// # Errors
    /// Which existing name it collides with, and how.
    pub fn check(&self, name: &CheckedName) -> Result<(), NameError> {
        collide("key", &name.slug, &self.slugs)?;
        let schema = name.schema.raw();
        match self.owners.get(schema) {
            Some(owner) => refuse(format!("the schema \"{schema}\" is that of \"{owner}\" already")),
            None => collide("schema", schema, &self.schemas),
        }
    }
}

impl TakenNames {
    /// What an operator can do about a name that is taken: the sentence behind [`Self::check`]'s. `None` where it is free.
    #[must_use]
    pub fn choice(&self, name: &CheckedName) -> Option<&'static str> {
        if collide("key", &name.slug, &self.slugs).is_err() {
            return Some(". Choose another key");
        }
        let schema = name.schema.raw();
        let exactly = self.schemas.iter().any(|own| own == schema) && !self.owners.contains_key(schema);
        self.check(name).err().map(|_| {
            if exactly && self.rows_hidden {
                ". Choose another key: row level security may hide its row in the registry from this role"
            } else if exactly {
                ". Choose another key; or give the schema its registry row again (`tenantui repair`); or remove it, with \
                 what is in it, and provision then"
            } else {
                ". Choose another key"
            }
        })
    }
}

fn refuse(why: String) -> Result<(), NameError> {
    Err(NameError { why: Untrusted::new(why) })
}

fn collide(what: &str, new: &str, existing: &[String]) -> Result<(), NameError> {
    if existing.iter().any(|name| name == new) {
        return match what {
            "schema" => refuse(format!("the schema \"{new}\" exists already; it is never reused in silence")),
            _ => refuse(format!("the {what} \"{new}\" exists already")),
        };
    }
    let folded = fold(new);
    match existing.iter().find(|name| folds_to(name, &folded)) {
        Some(name) => refuse(format!(
            "the {what} \"{new}\" is too like \"{name}\", which exists already: they differ only in {}",
            difference(new, name)
        )),
        None => Ok(()),
    }
}

/// What two names that fold alike differ in.
fn difference(new: &str, existing: &str) -> &'static str {
    if new.to_lowercase() == existing.to_lowercase() {
        "capitals"
    } else if new.replace('-', "_") == existing.replace('-', "_") {
        "hyphens and underscores"
    } else if new.is_ascii() && existing.is_ascii() {
        "capitals, hyphens and underscores"
    } else {
        "how the same characters are written"
    }
}

//! Names of new tenants: each framework's own rule (layouts.md E.1), then tenantui's guard, which holds in every
//! layout and is stricter where a framework would make a schema that PostgreSQL cuts, folds or reserves.
//!
//! Pure. Nothing here looks at a server: what is taken already comes in as [`TakenNames`].

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

pub use super::taken::fold;
use super::{CheckedName, NameError, NameRule, Naming};
use crate::model::ident::{MAX_IDENT_BYTES, SchemaName};
use crate::text::{Untrusted, is_unsafe};

/// The place of the slug in a schema template.
pub const SLUG_MARK: &str = "{slug}";

/// The place of the schema's name, in templates of other things.
pub const SCHEMA_MARK: &str = "{schema}";

/// Schemas in the trash: a soft drop renames a schema to this and the job's number. Never a tenant.
pub const TRASH_PREFIX: &str = "zz_dropped_";

/// tenantui's own schema: never a tenant.
pub const OWN_SCHEMA: &str = "tenantui";

impl NameRule {
    /// The rule's owner as messages name it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Boundary => "Boundary",
            Self::Brokkr => "Brokkr",
            Self::Cloacina => "Cloacina",
            Self::CloacinaTutorial => "Cloacina's tutorial",
            Self::ApartmentV3 => "Apartment v3",
            Self::ApartmentV4 => "Apartment",
            Self::Plain => "tenantui",
        }
    }

    /// The rule in one sentence, for help and errors.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Boundary => "2 to 100 lower-case letters, digits and hyphens, no hyphen first or last",
            Self::Brokkr => "letters, digits and underscores, a letter first",
            Self::Cloacina => "1 to 63 letters, digits and underscores, a letter or underscore first",
            Self::CloacinaTutorial => "1 to 63 letters, digits and underscores, a letter first, not pg_",
            Self::ApartmentV4 => {
                "1 to 63 letters, digits, underscores and hyphens, a letter or underscore first, not pg_"
            }
            Self::ApartmentV3 => "any name that is not blank",
            Self::Plain => "letters, digits, hyphens, underscores and dots, a letter, digit or underscore first",
        }
    }

    /// Whether the framework puts names into SQL unquoted, so that capitals fold and keywords break.
    #[must_use]
    pub const fn unquoted(self) -> bool {
        match self {
            Self::Brokkr | Self::Cloacina | Self::CloacinaTutorial => true,
            Self::Boundary | Self::ApartmentV3 | Self::ApartmentV4 | Self::Plain => false,
        }
    }

    /// The framework's own verdict, nothing more: what its code accepts, even where PostgreSQL then refuses.
    ///
    /// # Errors
    /// Which part of the rule is broken, and at which character.
    pub fn verdict(self, slug: &str) -> Result<(), NameError> {
        if slug.is_empty() {
            return Err(self.refuse(slug, "it is empty"));
        }
        match self {
            Self::Boundary => self.boundary(slug),
            Self::Brokkr => self.characters(slug, |c| c.is_ascii_alphabetic(), is_word),
            Self::Cloacina => {
                self.at_most(slug, MAX_IDENT_BYTES)?;
                self.characters(slug, |c| c.is_ascii_alphabetic() || c == '_', is_word)?;
                self.none_of(slug, &["public", "pg_catalog", "information_schema", "pg_temp"])
            }
            Self::CloacinaTutorial => {
                // Its pattern ends in `$`, which also matches before a last line feed.
                let slug = slug.strip_suffix('\n').unwrap_or(slug);
                self.at_most(slug, MAX_IDENT_BYTES)?;
                self.characters(slug, |c| c.is_ascii_alphabetic(), is_word)?;
                self.none_of(slug, &["public", "information_schema"])?;
                self.not_reserved_prefix(slug)
            }
            Self::ApartmentV4 => {
                self.at_most(slug, MAX_IDENT_BYTES)?;
                self.characters(slug, |c| c.is_ascii_alphabetic() || c == '_', |c| is_word(c) || c == '-')?;
                self.not_reserved_prefix(slug)
            }
            // Its own code refuses nothing; PostgreSQL and tenantui's guard do.
            Self::ApartmentV3 if slug.trim().is_empty() => Err(self.refuse(slug, "it is blank")),
            Self::ApartmentV3 => Ok(()),
            Self::Plain => self.characters(
                slug,
                |c| c.is_alphanumeric() || c == '_',
                |c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'),
            ),
        }
    }

    fn boundary(self, slug: &str) -> Result<(), NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        self.characters(slug, |c| allowed(c) && c != '-', allowed)?;
        if slug.ends_with('-') {
            return Err(self.refuse(slug, &format!("character {}, the last, is a hyphen", slug.len())));
        }
        match slug.len() {
            1 => Err(self.refuse(slug, "it has 1 character, at least 2 are needed")),
            length @ 101.. => Err(self.refuse(slug, &format!("it has {length} characters, at most 100 are allowed"))),
            _ => Ok(()),
        }
    }

    fn characters(
        self,
        slug: &str,
        first: impl Fn(char) -> bool,
        rest: impl Fn(char) -> bool,
    ) -> Result<(), NameError> {
        for (index, character) in slug.chars().enumerate() {
            if index == 0 && !first(character) {
                return Err(self.refuse(slug, &format!("it starts with {}", describe(character))));
            }
            if !rest(character) {
                return Err(self.refuse(slug, &format!("character {} is {}", index + 1, describe(character))));
            }
        }
        Ok(())
    }

    fn at_most(self, slug: &str, bytes: usize) -> Result<(), NameError> {
        if slug.len() <= bytes {
            return Ok(());
        }
        Err(self.refuse(slug, &format!("it has {} bytes, at most {bytes} are allowed", slug.len())))
    }

    fn none_of(self, slug: &str, words: &[&str]) -> Result<(), NameError> {
        match words.iter().find(|word| word.eq_ignore_ascii_case(slug)) {
            Some(word) => Err(self.refuse(slug, &format!("\"{word}\" is reserved"))),
            None => Ok(()),
        }
    }

    fn not_reserved_prefix(self, slug: &str) -> Result<(), NameError> {
        if slug.starts_with("pg_") {
            return Err(self.refuse(slug, "the prefix pg_ is reserved"));
        }
        Ok(())
    }

    fn refuse(self, slug: &str, what: &str) -> NameError {
        NameError {
            why: Untrusted::new(format!(
                "{} does not allow the key \"{slug}\": {what} (rule: {})",
                self.title(),
                self.sentence()
            )),
        }
    }
}

const fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// A character for a message: visible, and with its number where the eye could be deceived.
fn describe(character: char) -> String {
    let name = match character {
        ' ' => "a space",
        '\t' => "a tab",
        '\n' => "a line feed",
        '\r' => "a carriage return",
        '\0' => "a NUL character",
        '-' => "a hyphen",
        '_' => "an underscore",
        '.' => "a dot",
        c if c.is_ascii_uppercase() => return format!("the capital \"{c}\""),
        c if c.is_ascii_digit() => return format!("the digit \"{c}\""),
        c if c.is_ascii_graphic() => return format!("\"{c}\""),
        c if is_unsafe(c) || c.general_category() == GeneralCategory::NonspacingMark => {
            return format!("U+{:04X}", u32::from(c));
        }
        c => return format!("\"{c}\" (U+{:04X})", u32::from(c)),
    };
    name.to_owned()
}

/// Boundary's guard before any DDL: `tenant_` and at least one lower-case letter, digit or underscore, 63 bytes.
///
/// # Errors
/// Which part of the guard refuses the name.
pub fn boundary_schema_guard(schema: &str) -> Result<(), NameError> {
    let refuse = |what: String| NameError {
        why: Untrusted::new(format!("Boundary does not allow the schema name \"{schema}\": {what}")),
    };
    let Some(rest) = schema.strip_prefix("tenant_") else {
        return Err(refuse("it does not start with \"tenant_\"".to_owned()));
    };
    if rest.is_empty() {
        return Err(refuse("nothing follows \"tenant_\"".to_owned()));
    }
    let bad = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_');
    if let Some((index, character)) = schema.chars().enumerate().find(|(_, c)| bad(c)) {
        return Err(refuse(format!("character {} is {}", index + 1, describe(character))));
    }
    if schema.len() > MAX_IDENT_BYTES {
        return Err(too_long(schema));
    }
    Ok(())
}

fn too_long(schema: &str) -> NameError {
    NameError {
        why: Untrusted::new(format!(
            "the schema \"{schema}\" would have {} bytes, and PostgreSQL keeps {MAX_IDENT_BYTES}: the key must be {} shorter",
            schema.len(),
            schema.len() - MAX_IDENT_BYTES
        )),
    }
}

/// What a template may have made a schema's name of, by no rule but the template.
#[must_use]
pub fn readings(template: &str, schema: &str) -> Vec<String> {
    let part = template.split_once(SLUG_MARK).and_then(|(before, after)| {
        let part = schema.strip_prefix(before)?.strip_suffix(after)?;
        (!part.is_empty()).then_some(part)
    });
    part.map_or_else(Vec::new, |part| vec![part.to_owned(), part.replace('_', "-")])
}

impl Naming {
    /// Checks a slug and derives its schema.
    ///
    /// # Errors
    /// Which rule it breaks, and at which character.
    pub fn check(&self, slug: &str) -> Result<CheckedName, NameError> {
        let name = self.derive(slug)?;
        if !self.read_back {
            return Ok(name);
        }
        // One name everywhere: a role is called after the slug as well, and is looked for by what is listed.
        let slug = self.slug_of(name.schema.raw()).unwrap_or(name.slug);
        Ok(CheckedName { slug, ..name })
    }

    /// The slug that leads to a schema by this rule. Where hyphens become underscores and the rule allows both, underscores
    /// are read as they are. `None`: no slug leads to it.
    #[must_use]
    pub fn slug_of(&self, schema: &str) -> Option<String> {
        let leads = |slug: &String| self.derive(slug).is_ok_and(|name| name.schema.raw() == schema);
        readings(&self.schema_template, schema).into_iter().find(leads)
    }

    fn derive(&self, slug: &str) -> Result<CheckedName, NameError> {
        self.rule.verdict(slug)?;
        if let Some((index, character)) = slug.chars().enumerate().find(|(_, c)| is_unsafe(*c)) {
            return Err(NameError {
                why: Untrusted::new(format!(
                    "character {} of the key is {}, which tenantui does not put into names",
                    index + 1,
                    describe(character)
                )),
            });
        }
        let slug = if self.folds { slug.to_ascii_lowercase() } else { slug.to_owned() };
        let schema = self.schema_of(&slug);
        if schema.len() > MAX_IDENT_BYTES {
            return Err(too_long(&schema));
        }
        if self.rule == NameRule::Boundary && self.schema_template == "tenant_{slug}" {
            boundary_schema_guard(&schema)?;
        }
        self.guard(&schema)?;
        let schema = SchemaName::tenant(&schema).map_err(|error| NameError {
            why: Untrusted::new(format!("the schema \"{schema}\" cannot be made: {error}")),
        })?;
        Ok(CheckedName { slug, schema })
    }

    /// What no layout may create: tenantui's own schema, names of the trash, keywords where names go unquoted.
    fn guard(&self, schema: &str) -> Result<(), NameError> {
        let refuse = |why: String| Err(NameError { why: Untrusted::new(why) });
        if schema == OWN_SCHEMA {
            return refuse("the schema \"tenantui\" is tenantui's own".to_owned());
        }
        if schema.starts_with(TRASH_PREFIX) {
            return refuse(format!("names that start with {TRASH_PREFIX} are of dropped tenants"));
        }
        if self.folds && KEYWORDS.contains(&schema) {
            return refuse(format!(
                "\"{schema}\" is a keyword of SQL, and {} writes schema names unquoted",
                self.rule.title()
            ));
        }
        Ok(())
    }

    /// The schema that the rule derives for a slug of the registry, unchecked: registries hold anything.
    #[must_use]
    pub fn schema_of(&self, slug: &str) -> String {
        let slug = if self.hyphens_become_underscores { slug.replace('-', "_") } else { slug.to_owned() };
        self.schema_template.replace(SLUG_MARK, &slug)
    }

    /// The pattern of tenants' schemas, in which `%` is the wildcard and `_` is literal; `None` where the template
    /// is the slug alone, so that every schema would match.
    #[must_use]
    pub fn pattern(&self) -> Option<String> {
        let pattern = self.schema_template.replace(SLUG_MARK, "%");
        (pattern != "%").then_some(pattern)
    }

    /// A slug made of a display name, as the form proposes it: `Blue Fox Ltd` -> `blue-fox-ltd`. Empty where no
    /// slug that passes [`Self::check`] can be made.
    #[must_use]
    pub fn propose(&self, name: &str) -> String {
        let separator = match self.rule {
            NameRule::Boundary | NameRule::ApartmentV3 | NameRule::ApartmentV4 | NameRule::Plain => '-',
            NameRule::Brokkr | NameRule::Cloacina | NameRule::CloacinaTutorial => '_',
        };
        let around = self.schema_template.len().saturating_sub(SLUG_MARK.len());
        let room = MAX_IDENT_BYTES.saturating_sub(around);
        let slug = slugify(name, separator);
        let cut = |slug: &str| slug.chars().take(room).collect::<String>().trim_end_matches(separator).to_owned();
        let prefixed = format!("t{separator}{slug}");
        let candidates = if slug.is_empty() { Vec::new() } else { vec![cut(&slug), cut(&prefixed)] };
        // One letter is not a name yet: the operator is still typing it.
        if slug.len() < 2 && self.check(&slug).is_err() {
            return String::new();
        }
        candidates.into_iter().find_map(|slug| self.check(&slug).ok()).map(|name| name.slug).unwrap_or_default()
    }
}

/// ASCII letters and digits in lower case, everything else one separator; accents are dropped, not replaced.
fn slugify(name: &str, separator: char) -> String {
    let mut out = String::new();
    let mut pending = false;
    for character in name.nfkd() {
        if matches!(character.general_category(), GeneralCategory::NonspacingMark) {
            continue;
        }
        let text = transliterate(character);
        if text.is_empty() {
            pending = !out.is_empty() && character != '\'' && character != '\u{2019}' || pending;
            continue;
        }
        if pending {
            out.push(separator);
            pending = false;
        }
        out.push_str(&text);
    }
    out
}

/// The letters of Latin alphabets that decompose into no ASCII letter.
fn transliterate(character: char) -> String {
    let text = match character {
        c if c.is_ascii_alphanumeric() => return c.to_ascii_lowercase().to_string(),
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'ł' | 'Ł' => "l",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'þ' | 'Þ' => "th",
        'ı' => "i",
        _ => "",
    };
    text.to_owned()
}

/// Words that cannot stand unquoted where a schema is named (reserved, or usable only as function and type names).
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary",
    "both", "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create",
    "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end",
    "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike",
    "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left",
    "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only",
    "or", "order", "outer", "overlaps", "placing", "primary", "references", "returning", "right", "select",
    "session_user", "similar", "some", "symmetric", "system_user", "table", "tablesample", "then", "to",
    "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where", "window",
    "with",
];

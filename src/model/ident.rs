//! Identifiers that are safe to put into SQL. The only way to one is its checking constructor, and the only way
//! into SQL is its quoted form: an unchecked name cannot reach a statement.

use std::fmt;
use std::sync::Arc;

/// The longest identifier PostgreSQL keeps, in bytes (`NAMEDATALEN - 1`). It cuts longer ones with only a notice.
pub const MAX_IDENT_BYTES: usize = 63;

/// Why a string is not an identifier that tenantui will put into SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// PostgreSQL has no empty identifiers.
    #[error("the name is empty")]
    Empty,
    /// PostgreSQL would silently cut it.
    #[error("the name has {bytes} bytes; PostgreSQL keeps {MAX_IDENT_BYTES}")]
    TooLong {
        /// Length in bytes of UTF-8.
        bytes: usize,
    },
    /// The wire protocol ends strings at NUL.
    #[error("the name contains a NUL character")]
    Nul,
    /// `search_path` would resolve the schema named `$user` to the schema of the current role.
    #[error("a schema that is literally named \"$user\" can only be renamed: search_path means another one by it")]
    DollarUser,
    /// PostgreSQL keeps `pg_` for itself (42939).
    #[error("the prefix pg_ is reserved by PostgreSQL")]
    ReservedPrefix,
    /// Not a tenant's: `public`, `information_schema`.
    #[error("\"{0}\" is a system schema")]
    SystemSchema(&'static str),
}

fn check(name: &str) -> Result<(), IdentError> {
    if name.is_empty() {
        return Err(IdentError::Empty);
    }
    if name.len() > MAX_IDENT_BYTES {
        return Err(IdentError::TooLong { bytes: name.len() });
    }
    if name.contains('\0') {
        return Err(IdentError::Nul);
    }
    Ok(())
}

/// Always quotes, so that keywords, capitals, dots and quotes in a name mean nothing to the parser.
fn quote(name: &str) -> String {
    postgres_protocol::escape::escape_identifier(name)
}

/// Any checked identifier: a table, a column, a role.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(Arc<str>);

impl Ident {
    /// Checks that PostgreSQL keeps the name as it is.
    ///
    /// # Errors
    /// When the name is empty, longer than [`MAX_IDENT_BYTES`] or contains NUL.
    pub fn new(name: &str) -> Result<Self, IdentError> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The name as the catalog has it, for comparison and parameters; never for SQL text or the screen.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The quoted form, the only one for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The checked name of a schema.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaName(Ident);

impl SchemaName {
    /// A schema that exists, as the catalog names it. Odd names are kept and quoted, never "fixed".
    ///
    /// # Errors
    /// As [`Ident::new`].
    pub fn existing(name: &str) -> Result<Self, IdentError> {
        Ident::new(name).map(Self)
    }

    /// A schema that tenantui may create or write into: [`Self::existing`] less PostgreSQL's own, `public` and `$user`.
    ///
    /// # Errors
    /// As [`Ident::new`], and for names that are reserved.
    pub fn tenant(name: &str) -> Result<Self, IdentError> {
        let schema = Self::existing(name)?;
        schema.check_tenant()?;
        Ok(schema)
    }

    /// Whether a tenant's job may work in this schema.
    ///
    /// # Errors
    /// When the name is reserved by PostgreSQL, is `public` or is `$user`.
    pub fn check_tenant(&self) -> Result<(), IdentError> {
        match self.raw() {
            "$user" => Err(IdentError::DollarUser),
            "public" => Err(IdentError::SystemSchema("public")),
            "information_schema" => Err(IdentError::SystemSchema("information_schema")),
            name if name.starts_with("pg_") => Err(IdentError::ReservedPrefix),
            _ => Ok(()),
        }
    }

    /// The one schema of a database that all tenants share, for the job that is of it alone: `public`, or another that
    /// is not PostgreSQL's own.
    ///
    /// # Errors
    /// As [`Ident::new`], and for names that are reserved.
    pub fn shared(name: &str) -> Result<Self, IdentError> {
        let schema = Self::existing(name)?;
        match schema.check_tenant() {
            Err(IdentError::SystemSchema("public")) | Ok(()) => Ok(schema),
            Err(error) => Err(error),
        }
    }

    /// The shared schema.
    #[must_use]
    pub fn public() -> Self {
        Self(Ident("public".into()))
    }

    /// The name as the catalog has it; never for SQL text or the screen.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.0.raw()
    }

    /// The quoted form, the only one for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        self.0.quoted()
    }

    /// `"schema"."name"`, for SQL.
    #[must_use]
    pub fn qualify(&self, name: &Ident) -> String {
        format!("{}.{}", self.quoted(), name.quoted())
    }
}

impl fmt::Debug for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A table with its schema, both checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// The schema.
    pub schema: SchemaName,
    /// The table.
    pub name: Ident,
}

/// The parts of a table's name as it is written in a file: `schema.table` or `table`, each part in quotes where it has dots
/// or quotes of its own.
///
/// # Errors
/// What is wrong with it, in words.
pub fn written_table(text: &str) -> Result<(Option<SchemaName>, Ident), String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.trim().chars().peekable();
    let mut in_quotes = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if in_quotes && chars.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => in_quotes = !in_quotes,
            '.' if !in_quotes => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    let name = |part: &str| Ident::new(part).map_err(|error| error.to_string());
    match &parts[..] {
        _ if in_quotes => Err("a quote is not closed".to_owned()),
        [table] => Ok((None, name(table)?)),
        [schema, table] => Ok((Some(SchemaName::existing(schema).map_err(|error| error.to_string())?), name(table)?)),
        _ => Err("must be schema.table, such as \"public.tenants\"".to_owned()),
    }
}

impl QualifiedName {
    /// A name as it is written in a file, with its schema: see [`written_table`].
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn written(text: &str) -> Result<Self, String> {
        match written_table(text)? {
            (Some(schema), name) => Ok(Self { schema, name }),
            (None, _) => Err(format!("\"{text}\" must be schema.table")),
        }
    }

    /// The quoted form, for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        self.schema.qualify(&self.name)
    }
}

/// A value as an SQL string literal, for the statements that cannot carry parameters (simple queries).
#[must_use]
pub fn literal(value: &str) -> String {
    postgres_protocol::escape::escape_literal(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_a_name_is_doubled() {
        let name = SchemaName::existing("a\"b; drop").expect("legal name");
        assert_eq!(name.quoted(), "\"a\"\"b; drop\"");
    }

    #[test]
    fn length_counts_bytes_not_characters() {
        assert!(SchemaName::existing(&"é".repeat(31)).is_ok());
        assert_eq!(SchemaName::existing(&"é".repeat(32)), Err(IdentError::TooLong { bytes: 64 }));
    }

    #[test]
    fn reserved_names_are_no_tenants() {
        for name in ["public", "information_schema", "pg_temp", "$user", ""] {
            assert!(SchemaName::tenant(name).is_err(), "{name}");
        }
        assert!(SchemaName::tenant("PG_x").is_ok());
    }
}

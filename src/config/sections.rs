//! The sections of the file, option by option. The file `config.example.toml` says the same in words; a test holds
//! that neither has an option that the other lacks.

mod cache;
mod filters;
mod migrations;

use std::time::Duration;

use migrations::{migrations, table_name};
use secrecy::SecretString;

use super::conninfo::{Conninfo, Params};
use super::document::{Section, Text, parse_duration};
use super::error::ConfigError;
use super::{Database, Jobs, LayoutChoice, LedgerTable, Pooler, TenantsOverride, Ui};
use crate::model::environment::Environment;
use crate::model::ident::{Ident, QualifiedName, SchemaName};

/// The embedded layouts.
const LAYOUTS: [&str; 7] = ["boundary", "brokkr", "cloacina", "apartment", "django-tenants", "triplex", "plain"];
/// The embedded themes.
pub(super) const THEMES: [&str; 3] = ["default", "mono", "high-contrast"];
/// The shortest and longest time between two readings.
pub(super) const REFRESH: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3_600));
const LOCK_TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));
const PAUSE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3_600));
const STATEMENT_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));

/// `[ui]`.
pub(super) fn ui(section: &mut Section<'_>) -> Result<Ui, ConfigError> {
    let default = Ui::default();
    let theme = match section.text("theme")? {
        None => default.theme,
        Some(text) if THEMES.contains(&text.value.as_str()) => text.value,
        Some(text) if is_path(&text.value) => {
            let path = section.resolve(&text.value);
            if !path.is_file() {
                return Err(section.wrong("theme", text.at, "there is no such file"));
            }
            path.display().to_string()
        }
        Some(text) => {
            let allowed = THEMES.join(", ");
            return Err(section.wrong(
                "theme",
                text.at,
                format!("impossible value; allowed: {allowed}, or a file (with a / or .toml)"),
            ));
        }
    };
    let refresh = section.duration("refresh", REFRESH)?.unwrap_or(default.refresh);
    let mouse = section.boolean("mouse")?.unwrap_or(default.mouse);
    let keymap = filters::keymap(section)?;
    let filters = filters::read(&mut section.table("filters")?)?;
    section.finish()?;
    Ok(Ui { theme, refresh, mouse, keymap, filters })
}

fn is_path(text: &str) -> bool {
    text.contains('/') || text.ends_with(".toml")
}

/// What the file says of one database, and whether it holds a password as it stands.
pub(super) struct Found {
    pub database: Database,
    /// Where its name, or the section itself, stands.
    pub at: usize,
    /// Where a password stands in plain text.
    pub literal_password: Option<(&'static str, usize)>,
}

/// `[[database]]`.
pub(super) fn database(section: &mut Section<'_>) -> Result<Found, ConfigError> {
    let url = section.text("url")?;
    let url_at = url.as_ref().map_or(section.start, |url| url.at);
    let literal = url.as_ref().is_some_and(|url| has_literal_password(url.raw)).then_some(("url", url_at));
    let url = url.map(|url| url.value).unwrap_or_default();
    let conninfo =
        Conninfo::parse(&url, section.around).map_err(|error| section.wrong("url", url_at, error.to_string()))?;
    let name = section.text("name")?;
    let at = name.as_ref().map_or(section.start, |name| name.at);
    let name = match name {
        Some(name) => checked_name(section, &name)?,
        None => conninfo.dbname.clone(),
    };
    let environment = section
        .word(
            "environment",
            &[Environment::Production, Environment::Staging, Environment::Development].map(|e| (e.word(), e)),
        )?
        .unwrap_or_else(|| environment_of(&conninfo));
    let mut database = Database::new(name.into(), environment, SecretString::from(url));
    database.password_command = command(section, "password_command")?;
    database.read_only = section.boolean("read_only")?.unwrap_or(false);
    database.pooler =
        section.word("pooler", &[("auto", Pooler::Auto), ("session", Pooler::Session)])?.unwrap_or(Pooler::Auto);
    database.layout = layout(section)?;
    database.tenants = tenants(&mut section.table("tenants")?)?;
    database.migrations = migrations(&mut section.table("migrations")?)?;
    let mut cache_section = section.table("cache")?;
    let (cache, cache_literal) = cache::read(&mut cache_section)?;
    database.cache = cache;
    database.jobs = jobs(&mut section.table("jobs")?)?;
    section.finish()?;
    Ok(Found { database, at, literal_password: literal.or(cache_literal) })
}

/// Local servers are a developer's own; all others may hold customers' data.
pub(super) fn environment_of(conninfo: &Conninfo) -> Environment {
    if conninfo.is_local() { Environment::Development } else { Environment::Production }
}

fn checked_name(section: &Section<'_>, name: &Text<'_>) -> Result<String, ConfigError> {
    let fits = !name.value.is_empty()
        && name.value.chars().count() <= 40
        && name.value.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if fits {
        Ok(name.value.clone())
    } else {
        Err(section.wrong("name", name.at, "must be 1 to 40 letters, digits, dots, hyphens and underscores"))
    }
}

fn command(section: &mut Section<'_>, key: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(words) = section.list(key)? else { return Ok(None) };
    let at = words.first().map_or(section.start, |word| word.at);
    let mut words: Vec<String> = words.into_iter().map(|word| word.value).collect();
    match words.first_mut() {
        None => Err(section.wrong(key, at, "must be a program and its arguments, [\"pass\", \"show\", \"eu-1\"]")),
        Some(program) if program.is_empty() => Err(section.wrong(key, at, "its first word, the program, is empty")),
        Some(program) => {
            // A program beside the configuration; one without a / is looked for in PATH.
            if program.contains('/') {
                *program = section.resolve(program).display().to_string();
            }
            Ok(Some(words))
        }
    }
}

fn layout(section: &mut Section<'_>) -> Result<LayoutChoice, ConfigError> {
    let Some(text) = section.text("layout")? else { return Ok(LayoutChoice::Auto) };
    if text.value == "auto" {
        return Ok(LayoutChoice::Auto);
    }
    if LAYOUTS.contains(&text.value.as_str()) {
        return Ok(LayoutChoice::Named(text.value));
    }
    if !is_path(&text.value) {
        let allowed = LAYOUTS.join(", ");
        let what = format!("impossible value; allowed: auto, {allowed}, or a file (with a / or .toml)");
        return Err(section.wrong("layout", text.at, what));
    }
    let path = section.resolve(&text.value);
    if path.is_file() {
        Ok(LayoutChoice::File(path))
    } else {
        Err(section.wrong("layout", text.at, "there is no such file"))
    }
}

fn tenants(section: &mut Section<'_>) -> Result<TenantsOverride, ConfigError> {
    let table = match section.text("table")? {
        None => None,
        Some(text) => {
            let parsed = qualified(&text.value).map_err(|what| section.wrong("table", text.at, what))?;
            Some(parsed)
        }
    };
    let mut places: Vec<&'static str> = table.iter().map(|_| "table").collect();
    let query = section.text("query")?;
    if let Some(text) = &query {
        places.push("query");
        let words = text.value.trim_start().to_ascii_lowercase();
        let body = text.value.trim_end().trim_end_matches(';');
        if !(words.starts_with("select") || words.starts_with("with") || words.starts_with("values"))
            || body.contains('\0')
        {
            return Err(section.wrong("query", text.at, "must be one SELECT"));
        }
    }
    let scan = section.text("scan")?;
    if let Some(text) = &scan {
        places.push("scan");
        if text.value.is_empty() || text.value.len() > 200 {
            return Err(section.wrong("scan", text.at, "must be a pattern of schema names such as \"tenant_%\""));
        }
    }
    if let [_, second, ..] = places[..] {
        let at = section.start;
        return Err(section.wrong(
            second,
            at,
            format!("only one of table, query and scan may be given, not {}", places.join(" and ")),
        ));
    }
    let schema = section.text("schema")?;
    if let Some(text) = &schema
        && !text.value.contains("{slug}")
        && !text.value.contains("{id}")
    {
        return Err(section.wrong("schema", text.at, "must contain {slug} or {id}, such as \"tenant_{slug}\""));
    }
    let mut exclude = Vec::new();
    for text in section.list("exclude")?.unwrap_or_default() {
        let name = SchemaName::existing(&text.value)
            .map_err(|error| section.wrong("exclude", text.at, format!("not the name of a schema: {error}")))?;
        exclude.push(name);
    }
    let named = section.table("values")?;
    let mut values = Vec::new();
    for (column, text) in named.named_texts()? {
        let name = Ident::new(column)
            .map_err(|error| named.wrong(column, text.at, format!("not the name of a column: {error}")))?;
        values.push((name, text.value));
    }
    let owner = section.text("owner")?.map(|text| role(section, "owner", &text)).transpose()?;
    let mut grant_to: Vec<Ident> = Vec::new();
    for text in section.list("grant_to")?.unwrap_or_default() {
        let name = role(section, "grant_to", &text)?;
        if !grant_to.contains(&name) {
            grant_to.push(name);
        }
    }
    section.finish()?;
    let value = |text: Option<Text<'_>>| text.map(|text| text.value);
    let (query, scan, schema) = (value(query), value(scan), value(schema));
    Ok(TenantsOverride { table, query, scan, schema, exclude, values, owner, grant_to })
}

/// The name of a role of the user's.
fn role(section: &Section<'_>, option: &str, text: &Text<'_>) -> Result<Ident, ConfigError> {
    let name = Ident::new(&text.value)
        .map_err(|error| section.wrong(option, text.at, format!("not the name of a role: {error}")))?;
    // To make it is no way: the server takes these words for something else.
    if let Some(means) = match name.raw() {
        "public" => Some("everybody"),
        "none" => Some("nobody"),
        _ => None,
    } {
        let words = format!("PostgreSQL has no role \"{}\", it means {means}: name one of yours", name.raw());
        return Err(section.wrong(option, text.at, words));
    }
    if name.raw().starts_with("pg_") {
        return Err(section.wrong(option, text.at, "a role of the server's own: name one of yours"));
    }
    Ok(name)
}

/// `schema.table`, each part in quotes where it has dots or quotes of its own; a bare table is in `public`.
fn qualified(text: &str) -> Result<QualifiedName, String> {
    let LedgerTable { schema, name } = table_name(text)?;
    Ok(QualifiedName { schema: schema.unwrap_or_else(SchemaName::public), name })
}

/// Where a password stands in plain text: the option and the place.
type Literal = Option<(&'static str, usize)>;

/// The pause between two batches, as the file and the command write it: `30s`.
///
/// # Errors
/// What is allowed, in words.
pub fn pause(text: &str) -> Result<Duration, String> {
    parse_duration(text, PAUSE)
}

fn jobs(section: &mut Section<'_>) -> Result<Jobs, ConfigError> {
    let default = Jobs::default();
    let jobs = Jobs {
        parallel: section.number("parallel", 1, 64)?.unwrap_or(default.parallel),
        canary: section.number("canary", 0, 1_000)?.unwrap_or(default.canary),
        batches: section.numbers("batches", 1, 1_000_000)?.unwrap_or(default.batches),
        pause: section.duration("pause", PAUSE)?.unwrap_or(default.pause),
        max_failures: section.number("max_failures", 1, 1_000_000)?.unwrap_or(default.max_failures),
        lock_timeout: section.duration("lock_timeout", LOCK_TIMEOUT)?.unwrap_or(default.lock_timeout),
        statement_timeout: section
            .duration("statement_timeout", STATEMENT_TIMEOUT)?
            .unwrap_or(default.statement_timeout),
    };
    section.finish()?;
    Ok(jobs)
}

/// The text without its `${NAME}`s: what is left stands in the file for everybody to read.
fn without_variables(raw: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// Whether a connection string holds a password as it stands in the file.
fn has_literal_password(raw: &str) -> bool {
    let text = without_variables(raw);
    match Params::parse(&text) {
        Ok(params) => params.get("password").or(params.get("sslpassword")).is_some(),
        // It makes sense only with its variables: judged by its looks, rather too strictly.
        Err(_) => text.contains("password") || user_info(&text).is_some_and(|login| login.contains(':')),
    }
}

fn user_info(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest[..rest.find(['/', '?']).unwrap_or(rest.len())].rsplit_once('@').map(|(login, _)| login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_plain_text_is_seen() {
        for text in [
            "postgresql://ops:secret@h/db",
            "postgresql://h/db?password=secret",
            "host=h password=secret",
            "host=h password='a b'",
            "host=h sslkey=k sslpassword=secret",
            "postgresql://ops:pre${REST}@h/db",
            "postgresql://ops:$$@h/db",
            "postgresql://ops:secret@${HOST}/db",
        ] {
            assert!(has_literal_password(text), "{text}");
        }
        for text in
            ["", "${URL}", "postgresql://ops:${PW}@h/db", "postgresql://ops@h/db", "host=h password=${PW}", "host=h"]
        {
            assert!(!has_literal_password(text), "{text}");
        }
    }

    #[test]
    fn tables_have_a_schema() {
        let shown = |text: &str| qualified(text).map(|name| name.quoted());
        assert_eq!(shown("public.tenants"), Ok("\"public\".\"tenants\"".to_owned()));
        assert_eq!(shown("tenants"), Ok("\"public\".\"tenants\"".to_owned()));
        assert_eq!(shown("\"a.b\".\"c\"\"d\""), Ok("\"a.b\".\"c\"\"d\"".to_owned()));
        for wrong in ["", "a.b.c", "a.", "\"a", &"x".repeat(64)] {
            assert!(qualified(wrong).is_err(), "{wrong}");
        }
    }
}

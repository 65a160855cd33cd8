//! Whose migrations a folder holds: by the names of its files and, where names alone do not tell, by what stands in them.

use std::path::Path;

use super::entries::{Entry, entries, read_text};
use crate::migrations::dialects::{Class, dialect};
use crate::model::ledger::Tool;

/// Programs that are looked into at most.
const MOST_PROGRAMS: usize = 300;
/// Files of one kind that are looked into.
const LOOKS: usize = 3;

/// The tool; `None` where it is not certain, or the folder cannot be read.
pub(super) fn detect(path: &Path) -> Option<Tool> {
    let entries = entries(path, 4).ok()?;
    if let Some(tool) = by_marks(path, &entries).or_else(|| by_program(&entries)) {
        return Some(tool);
    }
    let near: Vec<Entry> = entries.into_iter().filter(|entry| entry.below.matches('/').count() < 2).collect();
    plain_sql(&near)
}

/// Files that only one tool has.
fn by_marks(path: &Path, entries: &[Entry]) -> Option<Tool> {
    let has = |name: &str| entries.iter().any(|entry| entry.below == name);
    let looks_like = |ending: &str, mark: &dyn Fn(&str) -> bool| {
        let mut files = entries.iter().filter(|entry| entry.below.to_ascii_lowercase().ends_with(ending)).take(LOOKS);
        files.any(|entry| read_text(&entry.path).is_ok_and(|text| mark(&text)))
    };
    if has("sqitch.plan") {
        return Some(Tool::Sqitch);
    }
    if has("meta/_journal.json") {
        return Some(Tool::Drizzle);
    }
    let sql_changelog = |text: &str| {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_ascii_lowercase();
        first.trim_start_matches('\u{feff}').replace(' ', "").starts_with("--liquibaseformattedsql")
    };
    let changelog = |text: &str| text.contains("databaseChangeLog");
    if looks_like(".sql", &sql_changelog)
        || [".xml", ".yaml", ".yml", ".json"].iter().any(|ending| looks_like(ending, &changelog))
    {
        return Some(Tool::Liquibase);
    }
    let depends = |text: &str| text.lines().take(20).any(|line| line.starts_with("-- depends:"));
    if looks_like(".rollback.sql", &|_| true) || looks_like(".sql", &depends) {
        return Some(Tool::Yoyo);
    }
    (path.ends_with("supabase/migrations") && entries.iter().any(|entry| entry.below.ends_with(".sql")))
        .then_some(Tool::Supabase)
}

/// Programs, by their language and what they call.
fn by_program(entries: &[Entry]) -> Option<Tool> {
    for entry in entries.iter().take(MOST_PROGRAMS) {
        let file = entry.below.rsplit('/').next().unwrap_or(&entry.below);
        let Some((stem, ending)) = file.rsplit_once('.') else { continue };
        let numbered = stem.bytes().take_while(u8::is_ascii_digit).count() > 0;
        let told = match ending {
            "rb" | "exs" | "php" | "cs" if numbered => by_text(ending, &read_text(&entry.path).ok()?),
            "py" if !stem.starts_with('_') && stem != "env" => by_text(ending, &read_text(&entry.path).ok()?),
            "js" | "ts" | "cjs" | "mjs" if numbered => by_text("js", &read_text(&entry.path).ok()?),
            _ => None,
        };
        if told.is_some() {
            return told;
        }
    }
    None
}

fn by_text(language: &str, text: &str) -> Option<Tool> {
    let has = |mark: &str| text.contains(mark);
    match language {
        "rb" if has("Sequel.migration") || has("ROM::SQL.migration") => Some(Tool::Sequel),
        "rb" => Some(Tool::Rails),
        "exs" => Some(Tool::Ecto),
        "php" if has("Illuminate") || has("Schema::") => Some(Tool::Laravel),
        "cs" if has("MigrationBuilder") || has("[Migration(") => Some(Tool::EntityFramework),
        "py" if has("down_revision") => Some(Tool::Alembic),
        "py" if has("class Migration") && has("migrations.") => Some(Tool::Django),
        "py" if has("yoyo") || has("__depends__") => Some(Tool::Yoyo),
        "js" if has("MigrationInterface") || has("queryRunner") => Some(Tool::TypeOrm),
        "js" if has("queryInterface") || has("QueryInterface") || has("sequelize") => Some(Tool::Sequelize),
        "js" if has("pgm") || has("MigrationBuilder") => Some(Tool::NodePgMigrate),
        "js" if has("knex") || has("Knex") => Some(Tool::Knex),
        _ => None,
    }
}

/// Tools whose migrations are plain SQL, told by names and first lines.
fn plain_sql(entries: &[Entry]) -> Option<Tool> {
    let claims = |tool: Tool| {
        dialect(tool).files.as_ref().is_some_and(|rules| {
            entries
                .iter()
                .filter(|entry| entry.below.matches('/').count() < rules.depth)
                .any(|entry| matches!((rules.classify)(&entry.below), Class::Up(_) | Class::Code(_)))
        })
    };
    if claims(Tool::Migratus) {
        return Some(Tool::Migratus);
    }
    if claims(Tool::Prisma) {
        return Some(Tool::Prisma);
    }
    if claims(Tool::Diesel) && !claims(Tool::Sqlx) {
        return Some(Tool::Diesel);
    }
    if claims(Tool::Flyway) || claims(Tool::Refinery) {
        return of_v_files(entries);
    }
    let sql: Vec<_> =
        entries.iter().filter(|entry| !entry.below.contains('/') && entry.below.ends_with(".sql")).collect();
    let first = sql.first()?;
    if let Some(tool) = by_marker(&read_text(&first.path).ok()?) {
        return Some(tool);
    }
    // `<digits>_<name>.up.sql` may be sqlx's or golang-migrate's; without `.up` it is sqlx's.
    let plain = sql.iter().all(|entry| !entry.below.ends_with(".up.sql") && !entry.below.ends_with(".down.sql"));
    (plain && claims(Tool::Sqlx)).then_some(Tool::Sqlx)
}

/// The markers that only one tool has.
fn by_marker(text: &str) -> Option<Tool> {
    if text.lines().any(|line| line.starts_with("-- migrate:up")) {
        return Some(Tool::Dbmate);
    }
    if text.lines().any(|line| line.starts_with("-- +goose")) {
        return Some(Tool::Goose);
    }
    let is_marker = |line: &str| line.trim_end().eq_ignore_ascii_case("-- up migration");
    text.lines().any(is_marker).then_some(Tool::NodePgMigrate)
}

/// `V1__name.sql` may be Flyway's or refinery's; what only one of them has decides.
fn of_v_files(entries: &[Entry]) -> Option<Tool> {
    let names = || entries.iter().map(|entry| entry.below.rsplit('/').next().unwrap_or(&entry.below));
    if names().any(|name| name.starts_with("R__") || name.ends_with(".sql.conf") || name.ends_with(".java")) {
        return Some(Tool::Flyway);
    }
    // A U file of the same version undoes the V file.
    let undoes = |name: &str| {
        let version = name.strip_prefix('U').and_then(|rest| rest.split_once("__")).map(|(version, _)| version);
        version.is_some_and(|version| names().any(|name| name.starts_with(&format!("V{version}__"))))
    };
    if names().any(undoes) {
        return Some(Tool::Flyway);
    }
    let is = |tool: Tool, name: &str| {
        dialect(tool)
            .files
            .as_ref()
            .is_some_and(|rules| matches!((rules.classify)(name), Class::Up(_) | Class::Code(_)))
    };
    let only = |one: Tool, other: Tool| names().any(|name| is(one, name) && !is(other, name));
    match (only(Tool::Flyway, Tool::Refinery), only(Tool::Refinery, Tool::Flyway)) {
        (true, false) => Some(Tool::Flyway),
        (false, true) => Some(Tool::Refinery),
        (true, true) | (false, false) => None,
    }
}

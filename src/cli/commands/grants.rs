//! `doctor --grants`: the smallest roles for reading and for writing (poolers.md F), as SQL for an administrator.
//!
//! Nothing is executed here. What is printed follows what was found: the registry, the ledgers, the schemas' owners.

mod printed;

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

pub(super) use self::printed::GIVE_AWAY;
use self::printed::{PASSWORD, READER, WRITER};
use crate::cli::args;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::{self, Session};
use crate::config::RunAs;
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::init::InitStatus;
use crate::layout::naming::SCHEMA_MARK;
use crate::layout::question::Need;
use crate::layout::role::RoleMade;
use crate::layout::{Layout, Registry};
use crate::migrations::dialects::Found;
use crate::model::ident::{Ident, IdentError, literal};
use crate::postgres::ledgers::{self, CandidateTable};
use crate::postgres::of_all;
use crate::postgres::session::{Patience, Reader, Target};
use crate::text;

/// Whose the table of the audit is.
const AUDIT_OWNER: &str = "SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c \
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'tenantui' AND c.relname = 'audit'";

#[derive(Serialize)]
struct Document {
    grants: Vec<Grants>,
}

/// What one role needs.
#[derive(Serialize)]
struct Grants {
    database: String,
    role: &'static str,
    purpose: &'static str,
    statements: Vec<String>,
    notes: Vec<String>,
}

/// What the statements are made from.
struct Facts {
    database: String,
    registry: Option<(String, String)>,
    /// Schemas, and the grants on columns of their tables that the layout's questions read.
    asked: Vec<(String, String)>,
    /// They read tables of the tenants' schemas too.
    asks_tenants: bool,
    ledgers: Vec<(String, String)>,
    owners: Vec<Owner>,
    recorded: bool,
    /// Whose the audit is.
    audit_owner: Option<String>,
    /// Which of the printed roles are there.
    there: Vec<printed::Role>,
    /// A membership says by itself what comes with it.
    by_membership: bool,
    /// The tenants come from a configured query.
    queried: bool,
    /// When tenants get roles of their own.
    roles: Option<RoleMade>,
    /// Whose rights migration files run with.
    run_as: RunAs,
    /// Tables beside the registry that a purge writes: schema, table, and what it does there.
    purged: Vec<(String, String, &'static str)>,
}

struct Owner {
    name: Ident,
    superuser: bool,
    /// It may do what another of them may: it is one of those who write, and made a schema.
    is_member: bool,
}

/// Prints them.
///
/// # Errors
/// Exit 3 without a link, 2 where no layout fits.
pub async fn run(session: &Session, format: args::Format) -> Outcome<Status> {
    let reads = session.read(&ReadOptions::default()).await;
    let status = session::tell_down(&reads);
    let mut grants = Vec::new();
    for (target, reading) in reads.into_iter().filter_map(|read| read.reading.ok()) {
        let facts = facts(&target, &reading).await?;
        let database = target.config.name.to_string();
        grants.push(for_reading(&facts, &database));
        grants.push(for_writing(&facts, &database));
    }
    match Style::from(format) {
        Style::Json => output::json(&Document { grants })?,
        Style::Csv => output::data(&csv(&grants).csv()?)?,
        Style::Text => output::data(&script(&grants))?,
    }
    Ok(status)
}

fn csv(grants: &[Grants]) -> Table {
    let mut table = Table::new(&["database", "role", "purpose", "statement"]);
    for grant in grants {
        for statement in &grant.statements {
            table.row(vec![
                grant.database.as_str().into(),
                grant.role.into(),
                grant.purpose.into(),
                statement.as_str().into(),
            ]);
        }
    }
    table
}

/// A script for psql, the notes as comments.
fn script(grants: &[Grants]) -> String {
    let mut out = String::new();
    for grant in grants {
        out.push_str(&format!("-- {}: {}\n", text::sanitise(&grant.database), grant.purpose));
        for note in &grant.notes {
            out.push_str(&format!("-- {}\n", text::sanitise(note)));
        }
        for statement in &grant.statements {
            out.push_str(&format!("{};\n", text::sanitise(statement)));
        }
        out.push('\n');
    }
    out
}

async fn facts(target: &Target, reading: &Reading) -> Outcome<Facts> {
    let reader = Reader::open(target, Patience::Foreground).await?;
    let registry = match &reading.context.layout.registry {
        Registry::Table { table, .. } => Some((table.schema.quoted(), table.quoted())),
        Registry::Query { .. } | Registry::Scan { .. } => None,
    };
    let mut ledgers = Vec::new();
    let mut owners = BTreeSet::new();
    for tenant in &reading.snapshot.tenants {
        let Some(oid) = tenant.schema_oid else { continue };
        owners.extend(tenant.owner.as_ref().map(|owner| owner.raw().to_owned()));
        if let Some(Found::Ledger(ledger)) = reading.context.found.by_schema.get(&oid) {
            ledgers.push((ledger.name.schema.quoted(), ledger.name.quoted()));
        }
    }
    // The shared schema's says whether tenants are behind it.
    let shared = reading.context.shared.as_ref().and_then(|shared| reading.context.found.by_schema.get(&shared.oid));
    if let Some(Found::Ledger(ledger)) = shared {
        ledgers.push((ledger.name.schema.quoted(), ledger.name.quoted()));
    }
    ledgers.extend(asked_of_all(&reader, reading).await?);
    let domains = reading.context.layout.domains.iter().map(|domains| &domains.table);
    ledgers.extend(domains.map(|table| (table.schema.quoted(), table.quoted())));
    ledgers.sort();
    ledgers.dedup();
    let database = reader.rows("SELECT pg_catalog.current_database()").await?;
    let about = &reading.context.layout.about;
    let of_all = of_all::tables(&reading.context.layout);
    let questions = about.members.iter().chain(&about.health).chain(&about.fleet).filter(|question| !question.of_all);
    let is_of_all =
        |need: &&Need| need.table.split_once('.').is_some_and(|(_, name)| of_all.iter().any(|of| of == name));
    let needs: Vec<&Need> = questions.flat_map(|question| &question.needs).filter(|need| !is_of_all(need)).collect();
    let initialised = crate::jobs::init::status(&reader).await;
    let audit = reader.rows(AUDIT_OWNER).await?;
    Ok(Facts {
        database: quoted(database.first().and_then(|row| row.text(0)).unwrap_or_default())?,
        registry,
        asked: asked(&reader, needs.iter().copied()).await?,
        asks_tenants: needs.iter().any(|need| need.table.starts_with(SCHEMA_MARK)),
        ledgers,
        owners: self::owners(&reader, &owners).await?,
        // A record that this role may not look into is there.
        recorded: !matches!(initialised, Ok(InitStatus::Missing)),
        audit_owner: audit.first().and_then(|row| row.text(0)).map(str::to_owned),
        there: printed::there(&reader).await?,
        by_membership: reader.facts().version_num >= 160_000,
        queried: matches!(reading.context.layout.registry, Registry::Query { .. }),
        roles: reading.context.layout.role.as_ref().map(|role| role.rule.made),
        run_as: target.config.migrations.runs_as(),
        purged: purged(&reading.context.layout),
    })
}

/// Tables that the layout asks of every tenant with each reading, in the tenants' schemas and beside them: as schema and
/// table, quoted. They are read as ledgers are, many in one statement, and so as whole tables.
async fn asked_of_all(reader: &Reader, reading: &Reading) -> Outcome<Vec<(String, String)>> {
    let layout = &reading.context.layout;
    let names = of_all::tables(layout);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: HashSet<u32> = reading.snapshot.tenants.iter().filter_map(|tenant| tenant.schema_oid).collect();
    let needs: Vec<&str> =
        layout.about.of_all().flat_map(|question| &question.needs).map(|need| &*need.table).collect();
    let is_needed = |table: &CandidateTable| {
        let (schema, name) = (table.name.schema.raw(), table.name.name.raw());
        let by = |schema: &str| needs.iter().any(|need| need.split_once('.') == Some((schema, name)));
        by(schema) || (tenants.contains(&table.schema_oid) && by(SCHEMA_MARK))
    };
    let tables = ledgers::candidates(reader, &names).await?;
    let needed = tables.iter().filter(|table| is_needed(table));
    Ok(needed.map(|table| (table.name.schema.quoted(), table.name.quoted())).collect())
}

/// The domains go with their tenant, and keys are revoked.
fn purged(layout: &Layout) -> Vec<(String, String, &'static str)> {
    let domains = layout.domains.iter().map(|domains| (&domains.table, "SELECT, DELETE"));
    let keys = layout.access.iter().map(|access| (&access.table, "SELECT, UPDATE"));
    domains.chain(keys).map(|(table, may)| (table.schema.quoted(), table.quoted(), may)).collect()
}

/// Columns that these questions need of tables of other schemas than the tenants', as far as they exist: schema, and
/// table with its columns, quoted. No more of a table than that: others may be nobody's business.
async fn asked<'q>(reader: &Reader, needs: impl Iterator<Item = &'q Need>) -> Outcome<Vec<(String, String)>> {
    let mut wanted = BTreeSet::new();
    for need in needs.filter(|need| !need.table.starts_with(SCHEMA_MARK)) {
        let Some((schema, table)) = need.table.split_once('.') else { continue };
        let place = format!("{}, {}", literal(schema), literal(table));
        wanted.extend(need.columns.iter().map(|column| format!("({place}, {})", literal(column))));
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = wanted.into_iter().collect();
    let sql = format!(
        "SELECT n.nspname, c.relname, pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p', 'v') AND (n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
         a.attname::pg_catalog.text) IN ({}) GROUP BY 1, 2 ORDER BY 1, 2",
        list.join(", ")
    );
    let mut tables = Vec::new();
    for row in reader.rows(&sql).await? {
        let text = |index| row.text(index).unwrap_or_default();
        let (schema, table) = (quoted(text(0))?, quoted(text(1))?);
        let granted = format!("GRANT SELECT ({}) ON TABLE {schema}.{table}", text(2));
        tables.push((schema, granted));
    }
    Ok(tables)
}

fn quoted(name: &str) -> Outcome<String> {
    ident(name).map(|name| name.quoted())
}

fn ident(name: &str) -> Outcome<Ident> {
    Ident::new(name).map_err(|error: IdentError| Failure::failed(error.to_string()))
}

async fn owners(reader: &Reader, names: &BTreeSet<String>) -> Outcome<Vec<Owner>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = names.iter().map(|name| literal(name)).collect();
    let sql = format!(
        "SELECT r.rolname, r.rolsuper, EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS o \
         ON o.oid = m.roleid WHERE m.member = r.oid AND o.rolname IN ({0})) \
         FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ({0}) ORDER BY r.rolname",
        list.join(", ")
    );
    let rows = reader.rows(&sql).await?;
    rows.iter()
        .filter_map(|row| row.text(0).map(|name| (name, row.is_true(1), row.is_true(2))))
        .map(|(name, superuser, is_member)| Ok(Owner { name: ident(name)?, superuser, is_member }))
        .collect()
}

fn for_reading(facts: &Facts, database: &str) -> Grants {
    let mut schemas = BTreeSet::new();
    let mut tables = Vec::new();
    let known = facts.registry.iter().chain(&facts.ledgers);
    for (schema, table) in known {
        schemas.insert(schema.clone());
        tables.push(table.clone());
    }
    let (made, is_there) = printed::made(READER, false, facts);
    let mut statements = made;
    statements.extend([
        format!("ALTER ROLE {READER} SET default_transaction_read_only = on"),
        format!("GRANT CONNECT ON DATABASE {} TO {READER}", facts.database),
        format!("GRANT pg_read_all_stats TO {READER}{}", printed::with_rights(facts)),
    ]);
    schemas.extend(facts.asked.iter().map(|(schema, _)| schema.clone()));
    if facts.recorded {
        schemas.insert("tenantui".to_owned());
    }
    if !schemas.is_empty() {
        let list: Vec<String> = schemas.into_iter().collect();
        statements.push(format!("GRANT USAGE ON SCHEMA {} TO {READER}", list.join(", ")));
    }
    if !tables.is_empty() {
        statements.push(format!("GRANT SELECT ON TABLE {} TO {READER}", tables.join(", ")));
    }
    statements.extend(facts.asked.iter().map(|(_, grant)| format!("{grant} TO {READER}")));
    if facts.recorded {
        statements.push(format!("GRANT SELECT ON ALL TABLES IN SCHEMA tenantui TO {READER}"));
    }
    let mut notes = vec![
        is_there.unwrap_or_else(|| PASSWORD.to_owned()),
        format!(
            "instead of the grants on schemas and tables, where all data may be read: GRANT pg_read_all_data TO {READER}{}",
            printed::with_rights(facts)
        ),
        "a new tenant's ledger needs its grants too: print this again, or use pg_read_all_data".to_owned(),
    ];
    if facts.asks_tenants {
        notes.push("members and health of a tenant are read from tables of its schema: pg_read_all_data".to_owned());
    }
    if facts.queried {
        notes.push(
            "the tenants are not listed in one table: grant SELECT on what the configured query reads".to_owned(),
        );
    }
    if !facts.recorded {
        notes.push("there is no schema tenantui yet; print this again after `tenantui init`".to_owned());
    }
    Grants { database: database.to_owned(), role: READER, purpose: "reading", statements, notes }
}

fn for_writing(facts: &Facts, database: &str) -> Grants {
    let may_make_roles = "CREATEROLE";
    let ends_sessions = format!("GRANT pg_signal_backend TO {WRITER}{}", printed::with_rights(facts));
    let (made, is_there) = printed::made(WRITER, facts.roles == Some(RoleMade::Always), facts);
    let mut notes = vec![is_there.unwrap_or_else(|| PASSWORD.to_owned())];
    let mut statements = made;
    statements.extend([
        format!("GRANT CONNECT, CREATE ON DATABASE {} TO {WRITER}", facts.database),
        format!("GRANT pg_read_all_stats TO {WRITER}{}", printed::with_rights(facts)),
    ]);
    match facts.roles {
        Some(RoleMade::Always) => statements.push(ends_sessions),
        Some(RoleMade::Asked) => notes.push(format!(
            "where tenants get roles (provision --role), and to end the sessions of these: ALTER ROLE {WRITER} \
             {may_make_roles}; {ends_sessions}"
        )),
        None => {}
    }
    for (schema, table, may) in &facts.purged {
        statements.push(format!("GRANT USAGE ON SCHEMA {schema} TO {WRITER}"));
        statements.push(format!("GRANT {may} ON TABLE {table} TO {WRITER}"));
    }
    if let Some((schema, table)) = &facts.registry {
        statements.push(format!("GRANT USAGE ON SCHEMA {schema} TO {WRITER}"));
        statements.push(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {table} TO {WRITER}"));
    }
    // What it made itself is its own.
    for owner in facts.owners.iter().filter(|owner| owner.name.raw() != WRITER) {
        let name = owner.name.quoted();
        if owner.superuser {
            notes.push(format!(
                "{name} owns schemas of tenants and is a superuser: no small role can migrate those. Give them, and \
                 the tables in them, to an ordinary role first, and print this again"
            ));
        } else {
            statements.push(format!("GRANT {name} TO {WRITER}{}", printed::with_all(facts)));
        }
    }
    let (default, note) = printed::of_makers(facts);
    statements.extend(default);
    notes.extend(note);
    if facts.recorded {
        statements.push(format!("GRANT USAGE ON SCHEMA tenantui TO {WRITER}"));
        statements.push(format!("GRANT SELECT, INSERT, UPDATE ON tenantui.job, tenantui.step TO {WRITER}"));
        match printed::of_audit(facts) {
            Ok(grant) => statements.push(grant),
            Err(note) => notes.push(note),
        }
        statements.push(format!("GRANT SELECT ON tenantui.meta TO {WRITER}"));
        statements.push(format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA tenantui TO {WRITER}"));
    } else {
        notes.push(format!(
            "whoever runs `tenantui init` owns the audit and could change it. Run it as a role that nobody works with, and \
             print this again; or run it as {WRITER}, and give the audit away then, as `tenantui doctor` says"
        ));
    }
    Grants { database: database.to_owned(), role: WRITER, purpose: "writing", statements, notes }
}

//! What `doctor` says of the ledgers: whose they are, what was found by a configured name, which tenants are in trouble.

use std::sync::Arc;

use super::doctor::{Examination, Verdict};
use crate::config;
use crate::fleet::Reading;
use crate::model::fleet::SharedSchema;
use crate::model::ledger::LedgerState;
use crate::model::tenant::{Tenant, TenantState};
use crate::text;

/// Adds the checks.
pub(super) fn examine(database: &config::Database, reading: &Reading, found: &mut Examination) {
    ledgers(reading, found);
    renamed(database, reading, found);
    for trouble in reading.snapshot.shared.iter().filter_map(SharedSchema::trouble) {
        found.add("ledgers", Verdict::Warn, trouble.what.raw(), Some(&trouble.to_do));
    }
}

/// What was found by a configured name, and what says nothing about a single tenant.
fn renamed(database: &config::Database, reading: &Reading, found: &mut Examination) {
    if let Some(table) = &database.migrations.ledger_table {
        let mut words = Vec::new();
        for (tool, count) in reading.context.found.census() {
            words.push(format!("{} {tool}", text::grouped(count as u64)));
        }
        let unclear = reading.context.found.by_schema.len()
            - reading.context.found.census().iter().map(|(_, n)| n).sum::<usize>();
        if unclear > 0 {
            words.push(format!("{} of no certain tool", text::grouped(unclear as u64)));
        }
        let name = table.name.quoted();
        match words.is_empty() {
            true => {
                let advice = "correct ledger_table in [database.migrations], or leave it out";
                found.add("ledgers", Verdict::Warn, format!("no schema has a table {name}"), Some(advice));
            }
            false => found.add("ledgers", Verdict::Ok, format!("ledger_table {name}: {}", words.join(", ")), None),
        }
    }
    let wide = reading.snapshot.tenants.iter().find_map(|tenant| match &tenant.ledger {
        LedgerState::DatabaseWide { why, .. } => Some(why),
        LedgerState::Unread
        | LedgerState::Absent
        | LedgerState::Read(_)
        | LedgerState::NoAccess(_)
        | LedgerState::Unreadable { .. } => None,
    });
    if let Some(why) = wide {
        let advice =
            "what tenants have is then known to the application alone; `tenants --json` lists the ledger as shared";
        found.add("ledgers", Verdict::Warn, why.raw(), Some(advice));
    }
}

/// What is wrong with tenants whose state does not say it: what the layout asks of all of them, for one.
fn told(reading: &Reading, found: &mut Examination) {
    let is_told = |tenant: &&Arc<Tenant>| !is_troubled(tenant.state) && !tenant.deleted && !tenant.problems.is_empty();
    let mut tenants = reading.snapshot.tenants.iter().filter(is_told).peekable();
    if let Some(first) = tenants.peek() {
        let (slug, why) = (first.slug.raw().to_owned(), first.problems.first().map(|problem| problem.raw().to_owned()));
        let words =
            format!("{} with a problem that is no state, such as {slug}", text::grouped(tenants.count() as u64));
        found.add("tenants", Verdict::Warn, words, why.as_deref());
    }
}

const fn is_troubled(state: TenantState) -> bool {
    match state {
        TenantState::NoAccess | TenantState::Conflict | TenantState::UnknownTool | TenantState::Dirty => true,
        TenantState::MissingSchema | TenantState::OrphanSchema | TenantState::Locked => true,
        TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => false,
    }
}

fn ledgers(reading: &Reading, found: &mut Examination) {
    let tenants = &reading.snapshot.tenants;
    let expected = reading.context.layout.expected_tool;
    let mut tools: Vec<(&'static str, usize)> = Vec::new();
    for word in tenants.iter().filter_map(|tenant| match &tenant.ledger {
        LedgerState::Read(reading) => Some(reading.tool.word()),
        LedgerState::DatabaseWide { tool, .. } => Some(tool.word()),
        LedgerState::Unreadable { tool, .. } => Some(tool.map_or("unknown", |tool| tool.word())),
        LedgerState::Unread | LedgerState::Absent | LedgerState::NoAccess(_) => None,
    }) {
        match tools.iter_mut().find(|(tool, _)| *tool == word) {
            Some((_, count)) => *count += 1,
            None => tools.push((word, 1)),
        }
    }
    let kinds: Vec<String> =
        tools.iter().map(|(tool, count)| format!("{} {tool}", text::grouped(*count as u64))).collect();
    let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
    let words = format!("{}; ledgers: {kinds}", text::counted(tenants.len(), "tenant"));
    let odd = tools.iter().any(|(tool, _)| expected.is_some_and(|expected| expected.word() != *tool));
    match expected {
        Some(expected) if odd => {
            let advice = format!("the layout expects {expected}: each schema is read by its own ledger's rules");
            found.add("ledgers", Verdict::Warn, words, Some(&advice));
        }
        Some(_) | None => found.add("ledgers", Verdict::Ok, words, None),
    }
    told(reading, found);
    let (dropped, there): (Vec<&Tenant>, Vec<&Tenant>) =
        tenants.iter().map(AsRef::as_ref).partition(|tenant| reading.snapshot.is_dropped(tenant));
    if let Some(first) = dropped.first() {
        let words = format!("{} dropped, such as {}", text::grouped(dropped.len() as u64), first.slug.raw());
        found.add("tenants", Verdict::Ok, words, Some("`tenantui undrop` lists the trash"));
    }
    for state in TenantState::ALL {
        let mut of_state = there.iter().filter(|tenant| tenant.state == state).peekable();
        if let (true, Some(first)) = (is_troubled(state), of_state.peek()) {
            let why = match &first.ledger {
                LedgerState::NoAccess(why)
                | LedgerState::DatabaseWide { why, .. }
                | LedgerState::Unreadable { why, .. } => Some(why.raw().to_owned()),
                LedgerState::Unread | LedgerState::Absent | LedgerState::Read(_) => {
                    first.problems.first().map(|problem| problem.raw().to_owned())
                }
            };
            let example = first.slug.raw().to_owned();
            let count = text::grouped(of_state.count() as u64);
            found.add("tenants", Verdict::Warn, format!("{count} {}, such as {example}", state.word()), why.as_deref());
        }
    }
}

//! Who migrates at this moment: the locks that tools take, computed from the ledgers, and those that are held. Pure.
//!
//! A key that names the schema locks that tenant; one that does not is a fact of the whole database.

use std::collections::{BTreeSet, HashMap};

use crate::migrations::dialects::{Found, Ledgers, LockPlace, ToolLock, dialect};
use crate::model::ledger::Tool;
use crate::postgres::locks::{Held, Locked};
use crate::text::Untrusted;

/// The sessions of tenantui itself start their names so: what they hold is told by the job.
const OWN: &str = "tenantui";

/// The locks that the tools of a database would take.
#[derive(Debug, Default)]
pub struct Keys {
    schemas: HashMap<i64, (Tool, u32)>,
    database: HashMap<i64, BTreeSet<Tool>>,
    tables: HashMap<u32, (Tool, u32, &'static str)>,
}

/// Who holds what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// By the oid of the schema, in words.
    pub schemas: HashMap<u32, Untrusted>,
    /// Of the whole database, in words.
    pub database: Vec<Untrusted>,
}

/// The locks of the tools whose ledgers are here, and for the schemas without one what the same tools would take there.
pub fn keys<'s>(found: &Ledgers, database: &str, without: impl Iterator<Item = (u32, &'s str)>) -> Keys {
    let mut keys = Keys::default();
    for (schema, ledger) in &found.by_schema {
        if let Found::Ledger(ledger) = ledger {
            let (name, table) = (ledger.name.schema.raw(), ledger.name.name.raw());
            keys.add(ledger.tool, LockPlace { database, schema: name, table }, *schema);
            if let ToolLock::Table(mode) = dialect(ledger.tool).lock {
                keys.tables.insert(ledger.table_oid, (ledger.tool, *schema, mode));
            }
        }
    }
    let tools: Vec<Tool> = found.census().into_iter().map(|(tool, _)| tool).collect();
    let by_schema: Vec<Tool> =
        tools.into_iter().filter(|tool| matches!(dialect(*tool).lock, ToolLock::Schema(_))).collect();
    if !by_schema.is_empty() {
        for (oid, schema) in without.filter(|(oid, _)| !found.by_schema.contains_key(oid)) {
            for tool in &by_schema {
                let tables = dialect(*tool).shapes.iter().flat_map(|shape| shape.tables).take(1);
                for table in tables {
                    keys.add(*tool, LockPlace { database, schema, table }, oid);
                }
            }
        }
    }
    keys
}

impl Keys {
    fn add(&mut self, tool: Tool, place: LockPlace<'_>, schema: u32) {
        match dialect(tool).lock {
            ToolLock::Schema(key) => {
                self.schemas.insert(key(&place), (tool, schema));
            }
            ToolLock::Database(key) => {
                self.database.entry(key(&place)).or_default().insert(tool);
            }
            ToolLock::None | ToolLock::Row | ToolLock::Table(_) => {}
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty() && self.database.is_empty() && self.tables.is_empty()
    }

    /// Whose the held locks are. One that no tool here would take is somebody else's, and passed over.
    pub fn judge(&self, held: &[Held]) -> Live {
        let mut live = Live::default();
        let others = held
            .iter()
            .filter(|held| held.application.as_ref().is_none_or(|application| !application.raw().starts_with(OWN)));
        for held in others {
            match &held.what {
                Locked::Key(key) => {
                    if let Some((tool, schema)) = self.schemas.get(key) {
                        live.schemas.entry(*schema).or_insert_with(|| of_schema(*tool, held));
                    }
                    for tool in self.database.get(key).into_iter().flatten() {
                        live.database.push(of_database(*tool, held));
                    }
                }
                Locked::Table { oid, mode } => {
                    if let Some((tool, schema, _)) = self.tables.get(oid).filter(|(_, _, own)| own == mode) {
                        live.schemas.entry(*schema).or_insert_with(|| of_schema(*tool, held));
                    }
                }
            }
        }
        live.database.sort_by(|a, b| a.raw().cmp(b.raw()));
        live.database.dedup();
        live
    }
}

fn holder(held: &Held) -> String {
    match &held.application {
        Some(application) => format!("pid {} ({})", held.pid, application.raw()),
        None => format!("pid {}", held.pid),
    }
}

fn of_schema(tool: Tool, held: &Held) -> Untrusted {
    format!("{tool} is migrating this schema: its lock is held now by {}", holder(held)).into()
}

fn of_database(tool: Tool, held: &Held) -> Untrusted {
    format!(
        "{tool} is migrating in this database: its lock, which is one for all schemas, is held now by {}",
        holder(held)
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::dialects::{FoundLedger, Readable};
    use crate::model::ident::{Ident, QualifiedName, SchemaName};
    use crate::postgres::ledgers::Activity;

    fn ledger(tool: Tool, schema: &str, table_oid: u32) -> Found {
        let name = QualifiedName {
            schema: SchemaName::existing(schema).expect("a name"),
            name: Ident::new("schema_migrations").expect("a name"),
        };
        Found::Ledger(FoundLedger {
            tool,
            certain: true,
            name,
            companion: None,
            companion_denied: None,
            table_oid,
            readable: Readable::Yes,
            activity: Activity::default(),
        })
    }

    fn held(what: Locked, application: &str) -> Held {
        Held { what, pid: 4411, application: Some(application.into()) }
    }

    #[test]
    fn a_lock_of_the_database_is_no_tenants_and_a_table_is_its_schemas() {
        let mut found = Ledgers::default();
        found.by_schema.insert(1, ledger(Tool::Rails, "tenant_a", 10));
        found.by_schema.insert(2, ledger(Tool::Ecto, "tenant_b", 20));
        let keys = keys(&found, "app", std::iter::empty());
        let ToolLock::Database(rails) = dialect(Tool::Rails).lock else { panic!("the database's") };
        let rails = rails(&LockPlace { database: "app", schema: "", table: "" });
        let share = || Locked::Table { oid: 20, mode: "ShareUpdateExclusiveLock".to_owned() };
        let live = keys.judge(&[held(Locked::Key(rails), "puma"), held(share(), "mix"), held(Locked::Key(1), "other")]);
        assert_eq!(live.schemas.len(), 1);
        assert!(live.schemas[&2].raw().contains("held now by pid 4411 (mix)"), "{live:?}");
        assert_eq!(live.database.len(), 1);
        assert!(live.database[0].raw().contains("pid 4411 (puma)"), "{live:?}");
        assert_eq!(
            keys.judge(&[held(Locked::Key(rails), "tenantui job 17"), held(share(), "tenantui")]),
            Live::default()
        );
        let other = Locked::Table { oid: 20, mode: "AccessExclusiveLock".to_owned() };
        assert_eq!(keys.judge(&[held(other, "psql")]), Live::default());
    }
}

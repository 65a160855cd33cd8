//! A moved table takes the place of the tenant's own, where that is empty, nothing else needs it, and it is the same.

use std::collections::BTreeSet;

use super::facts::{Facts, Sequence};
use super::form::ImportPlan;
use super::statements::{qualified, quoted};
use crate::model::ident::SchemaName;
use crate::postgres::session::{QueryError, TextRow};
use crate::postgres::structure::{self, Structure};
use crate::text::Untrusted;

/// Differences that are named.
const NAMED: usize = 5;

/// Why this table of the tenant's is not replaced by the source's: what would not be the same afterwards.
pub(super) fn wrong(facts: &Facts, name: &str, names: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (Some(from), Some(to)) = (facts.table(true, name), facts.table(false, name)) else {
        wrong.push(format!("the tenant has {name} already, and as no table"));
        return wrong;
    };
    if to.parted {
        wrong.push(format!("the tenant's {name} has partitions or inherits: such tables are not replaced"));
    }
    if to.published {
        wrong.push(format!("the tenant's {name} is named by a publication: take it out of that first"));
    }
    for column in from.columns.iter().filter(|column| column.type_name.starts_with('.')) {
        wrong.push(format!(
            "{name}.{} has the type {} of public, which stays there: copy the rows instead (without --move)",
            column.name,
            column.shown()
        ));
    }
    for trigger in facts.triggers.iter().filter(|trigger| trigger.source && trigger.own && trigger.table == name) {
        wrong.push(format!(
            "the function of the trigger {name}.{} stays in public: copy the rows instead (without --move)",
            trigger.name
        ));
    }
    for key in facts.foreign_keys.iter().filter(|key| key.to_target && key.table == name && !names.contains(&key.to)) {
        wrong.push(format!("{name} points at {} ({}): move that too", key.to, key.name));
    }
    wrong
}

/// Whether the tenant has a sequence of this name that goes with the tables that are replaced.
pub(super) fn goes(facts: &Facts, name: &str, names: &[String]) -> bool {
    let fits = |own: &Sequence| {
        !own.source
            && own.name == name
            && own.owner.is_none()
            && !own.kept
            && own.users.iter().all(|user| names.contains(user))
    };
    facts.sequences.iter().any(fits)
}

/// The tenant's tables that are replaced.
pub(super) fn oids(facts: &Facts, plan: &ImportPlan) -> Vec<u32> {
    let replaced = plan.tables.iter().filter(|table| table.replaces);
    replaced.filter_map(|table| facts.table(false, &table.name)).map(|table| table.oid).collect()
}

/// Nothing else may depend on them.
pub(super) fn needed(outside: &[String]) -> Result<(), String> {
    if outside.is_empty() {
        return Ok(());
    }
    let shown = outside.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(format!(
        "what stays in the tenant depends on its tables that would be replaced: {shown}{}. Move those too, or copy the rows \
         (without --move)",
        more(outside.len())
    ))
}

fn more(all: usize) -> String {
    match all.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// The tables of both sides that have to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) source: Structure,
    pub(super) target: Structure,
}

impl Both {
    /// The one SELECT that reads them.
    pub(super) fn sql(facts: &Facts) -> String {
        structure::sql(&Self::oids(facts))
    }

    /// What it answered.
    pub(super) fn parse(rows: &[TextRow], facts: &Facts, plan: &ImportPlan) -> Result<Self, QueryError> {
        let mut found = structure::parse(rows, &Self::oids(facts))?;
        let tables: BTreeSet<&str> =
            plan.tables.iter().filter(|table| table.replaces).map(|table| table.name.as_str()).collect();
        let mut of = |oid: Option<u32>| {
            let whole = oid.and_then(|oid| found.remove(&oid)).unwrap_or_default();
            only(whole, facts, &tables)
        };
        Ok(Self { source: of(facts.source_oid), target: of(facts.target_oid) })
    }

    fn oids(facts: &Facts) -> Vec<u32> {
        facts.source_oid.into_iter().chain(facts.target_oid).collect()
    }

    /// The source's are as the tenant's.
    pub(super) fn same(&self) -> Result<(), String> {
        let differences = structure::differences(&self.target, &self.source);
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = more(differences.len());
        Err(format!(
            "the tables of public are not as the tenant's: {shown}{more}. Migrate both to the same version first, or copy the rows \
             (without --move)"
        ))
    }

    /// What stands in the tenant after the move is what stood there before.
    pub(super) fn kept(&self, after: &Self) -> Result<(), String> {
        let differences = structure::differences(&self.target, &after.target);
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = more(differences.len());
        Err(format!(
            "the moved tables would not be as the tenant's were: {shown}{more}: rolled back. Copy the rows instead (without --move)"
        ))
    }
}

/// What is of these tables.
fn only(structure: Structure, facts: &Facts, tables: &BTreeSet<&str>) -> Structure {
    let replaced = facts.tables.iter().filter(|table| tables.contains(table.name.as_str()));
    let indexes: BTreeSet<&str> = replaced.flat_map(|table| &table.indexes).map(String::as_str).collect();
    let is = |kind: &str, name: &str| match kind {
        "table" => tables.contains(name),
        "index" => indexes.contains(name),
        "column" | "constraint" | "trigger" | "policy" => {
            name.match_indices('.').any(|(at, _)| name.get(..at).is_some_and(|table| tables.contains(table)))
        }
        // Views, sequences, functions and types are of no table here.
        _ => false,
    };
    structure.into_iter().filter(|((kind, name), _)| is(kind, name)).collect()
}

/// The statements that give the moved tables the owners and the rights of those that they replace.
///
/// # Errors
/// When the answer has another form.
pub(super) fn rights(schema: &SchemaName, rows: &[TextRow]) -> Result<String, QueryError> {
    let unexpected = |what: &str| QueryError::Unexpected { what: Untrusted::new(what) };
    let mut sql = String::new();
    for row in rows {
        let kind =
            row.text(1).filter(|kind| matches!(*kind, "TABLE" | "SEQUENCE")).ok_or_else(|| unexpected("a kind"))?;
        let name = qualified(schema.raw(), row.text(2).unwrap_or_default());
        let role = row.text(4).map_or_else(|| "PUBLIC".to_owned(), quoted);
        let column = row.text(3).map(|column| format!(" ({})", quoted(column))).unwrap_or_default();
        let statement = match row.text(0) {
            Some("owner") => format!("ALTER {kind} {name} OWNER TO {role};"),
            Some("revoke") => format!("REVOKE ALL ON {kind} {name} FROM {role} CASCADE;"),
            Some("grant") => {
                let privilege = row.text(5).filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
                let privilege = privilege.ok_or_else(|| unexpected("a privilege"))?;
                let option = if row.is_true(6) { " WITH GRANT OPTION" } else { "" };
                format!("GRANT {privilege}{column} ON {kind} {name} TO {role}{option};")
            }
            Some(_) | None => return Err(unexpected("a right")),
        };
        sql.push_str(&statement);
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_of_the_tables_is_compared() {
        let keys = [
            ("table", "users"),
            ("column", "users.id"),
            ("constraint", "users.users_pkey"),
            ("table", "users_old"),
            ("column", "users_old.id"),
            ("index", "users_old_name"),
            ("function", "users.id()"),
            ("column", "odd.name.id"),
        ];
        let structure: Structure =
            keys.iter().map(|(kind, name)| (((*kind).to_owned(), (*name).to_owned()), String::new())).collect();
        let facts: Facts = serde_json::from_value(serde_json::json!({
            "source_oid": 1, "target_oid": 2, "tables": [], "foreign_keys": [], "triggers": [], "views": [],
            "functions": [], "sequences": [], "partitions": [], "taken": []
        }))
        .expect("facts");
        let left = only(structure, &facts, &BTreeSet::from(["users", "odd.name"]));
        let left: Vec<&str> = left.keys().map(|(_, name)| name.as_str()).collect();
        assert_eq!(left, ["odd.name.id", "users.id", "users.users_pkey", "users"]);
    }
}

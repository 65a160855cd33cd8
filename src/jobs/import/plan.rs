//! What an import would do, and why it would not: a pure function of what stands in both schemas.

use std::collections::BTreeSet;

use super::SOURCE;
use super::facts::{Facts, ForeignKey, Table};
use super::form::{How, ImportColumn, ImportOptions, ImportPlan, ImportTable, Resting};
use super::moved::moved;
use super::nobodys::{left_out, named};
use crate::text::Untrusted;

/// So many names stand in a note.
const NAMED: usize = 8;

/// Makes the plan.
///
/// # Errors
/// Everything that stands in the way, a line each.
pub fn plan(facts: &Facts, options: &ImportOptions) -> Result<ImportPlan, Vec<String>> {
    let (names, left) = chosen(facts, options)?;
    let mut plan = match options.how {
        How::Copy => copy(facts, &names),
        How::Move => moved(facts, &names),
    }?;
    plan.notes.splice(0..0, left.into_iter().map(Untrusted::from));
    Ok(plan)
}

/// The tables that are meant; and what is left out, a line for each reason.
fn chosen(facts: &Facts, options: &ImportOptions) -> Result<(Vec<String>, Vec<String>), Vec<String>> {
    if !options.tables.is_empty() {
        let mut wrong = named(&options.tables, &options.not);
        let absent = options.tables.iter().filter(|name| facts.table(true, name).is_none());
        wrong.extend(absent.map(|name| why_absent(facts, options.how, name)));
        let names: BTreeSet<&String> = options.tables.iter().collect();
        return if wrong.is_empty() { Ok((names.into_iter().cloned().collect(), Vec::new())) } else { Err(wrong) };
    }
    if options.how == How::Move {
        return Err(vec!["name the tables that are moved: public keeps all others".to_owned()]);
    }
    let both = facts.tables.iter().filter(|table| !table.source && facts.table(true, &table.name).is_some());
    let both: Vec<&str> = both.map(|table| table.name.as_str()).collect();
    let not = |name: &str| options.not.iter().any(|nobodys| nobodys.table == name);
    let names: Vec<String> = both.iter().filter(|name| !not(name)).map(|name| (*name).to_owned()).collect();
    if names.is_empty() {
        let words =
            "the tenant has no table that public has too: migrate it first, or move the tables themselves (--move)";
        return Err(vec![words.to_owned()]);
    }
    let mut left = left_out(&both, &options.not);
    left.extend(without_a_place(facts, &not));
    Ok((names, left))
}

/// Why a table that is named cannot be meant.
fn why_absent(facts: &Facts, how: How, name: &str) -> String {
    let Some(part) = facts.partitions.iter().find(|part| part.name == name) else {
        return format!("there is no table public.{name}");
    };
    let is = format!("public.{name} is a partition of {}.{}", part.schema, part.table);
    match how {
        _ if part.schema != SOURCE => format!("{is}, which is not in public: its rows are that table's"),
        How::Copy => format!("{is}: name that, it comes with it"),
        How::Move => format!("{is}: such tables are not moved, copy the rows of {} instead", part.table),
    }
}

/// Tables of the source that the tenant has not: their rows are brought nowhere, and a copy that says nothing of them looks
/// whole.
fn without_a_place(facts: &Facts, not: &dyn Fn(&str) -> bool) -> Option<String> {
    let source = facts.tables.iter().filter(|table| table.source);
    let alone = source.filter(|table| facts.table(false, &table.name).is_none() && !not(&table.name));
    let names: Vec<&str> = alone.map(|table| table.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "not copied, the tenant has no such {}: {}",
            if names.len() == 1 { "table" } else { "tables" },
            shown(&names)
        )
    })
}

/// The first of these names, and how many more there are.
fn shown(names: &[impl AsRef<str>]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn copy(facts: &Facts, names: &[String]) -> Result<ImportPlan, Vec<String>> {
    let mut wrong = Vec::new();
    let mut tables = Vec::new();
    for name in names {
        let (Some(from), Some(to)) = (facts.table(true, name), facts.table(false, name)) else {
            wrong.push(format!("the tenant has no table {name}: migrate it first"));
            continue;
        };
        let columns = columns(from, to, &mut wrong);
        let own_rows = from.inherited || to.inherited;
        tables.push(ImportTable { name: name.clone(), columns, replaces: false, own_rows });
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (order, circles) = in_order(names, &facts.foreign_keys);
    tables.sort_by_key(|table| order.iter().position(|name| *name == table.name));
    let triggers = facts.triggers.iter().filter(|g| !g.source && g.enabled != "D" && names.contains(&g.table));
    let triggers: Vec<Resting> = triggers
        .map(|g| Resting { table: g.table.clone(), name: g.name.clone(), enabled: g.enabled.clone() })
        .collect();
    let notes = notes(facts, names, &triggers);
    Ok(ImportPlan { how: How::Copy, tables, circles, triggers, sequences: Vec::new(), notes })
}

/// The columns that are copied; what does not fit is wrong.
fn columns(from: &Table, to: &Table, wrong: &mut Vec<String>) -> Vec<ImportColumn> {
    let name = &to.name;
    let find = |table: &'_ Table, column: &str| table.columns.iter().position(|own| own.name == column);
    for column in from.columns.iter().filter(|column| find(to, &column.name).is_none()) {
        wrong.push(format!("{name}.{} is in public and not in the tenant: its values would be lost", column.name));
    }
    let mut copied = Vec::new();
    for column in &to.columns {
        let Some(source) = find(from, &column.name).and_then(|at| from.columns.get(at)) else {
            if column.not_null && !column.has_default && !column.generated {
                wrong.push(format!("{name}.{} must have a value, and public has no such column", column.name));
            }
            continue;
        };
        if column.type_name != source.type_name {
            wrong.push(format!(
                "{name}.{} is {} in public and {} in the tenant: the types differ",
                column.name,
                source.shown(),
                column.shown()
            ));
            continue;
        }
        if !column.generated {
            copied.push(ImportColumn {
                name: column.name.clone(),
                own_type: column.type_name.starts_with('.').then(|| column.type_name.clone()),
                sequence: column.sequence.clone(),
                source_sequence: source.sequence.clone().filter(|_| column.sequence.is_some()),
                worded: column.sequence.is_some() && !column.number,
            });
        }
    }
    copied
}

/// Tables before those that point at them; and the keys that no order serves.
fn in_order(names: &[String], keys: &[ForeignKey]) -> (Vec<String>, Vec<Resting>) {
    let keys: Vec<&ForeignKey> = keys
        .iter()
        // One that points at its own table is checked when all its rows are there.
        .filter(|key| key.to_target && key.table != key.to && names.contains(&key.table) && names.contains(&key.to))
        .collect();
    let mut left: Vec<&String> = names.iter().collect();
    let mut order: Vec<String> = Vec::new();
    let mut circles = Vec::new();
    while !left.is_empty() {
        let waits = |name: &String| keys.iter().any(|key| key.table == *name && !order.contains(&key.to));
        // In a circle one has to begin.
        let at = left.iter().position(|name| !waits(name)).unwrap_or(0);
        let name = left.remove(at).clone();
        let early = keys.iter().filter(|key| key.table == name && !order.contains(&key.to) && !key.deferred);
        circles.extend(early.map(|key| Resting {
            table: key.table.clone(),
            name: key.name.clone(),
            enabled: String::new(),
        }));
        order.push(name);
    }
    (order, circles)
}

/// What a copy leaves out.
fn notes(facts: &Facts, names: &[String], triggers: &[Resting]) -> Vec<Untrusted> {
    let mut notes = Vec::new();
    if !triggers.is_empty() {
        let names: Vec<String> = triggers.iter().map(|trigger| format!("{}.{}", trigger.table, trigger.name)).collect();
        notes.push(format!("triggers of the tenant do not fire for the copied rows: {}", names.join(", ")).into());
    }
    let has = |table: &str, name: &str| {
        facts.triggers.iter().any(|own| !own.source && own.table == table && own.name == name)
    };
    let missing: Vec<String> = facts
        .triggers
        .iter()
        .filter(|own| own.source && names.contains(&own.table) && !has(&own.table, &own.name))
        .map(|own| format!("{}.{}", own.table, own.name))
        .collect();
    for (what, list) in [("triggers", missing), ("views", facts.views.clone()), ("functions", facts.functions.clone())]
    {
        if !list.is_empty() {
            notes.push(format!("not copied, they stay in public: {what} {}", shown(&list)).into());
        }
    }
    notes.push("the rows stay in public as well: remove them there when the tenant is in use".into());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::import::facts::{Column, Trigger};
    use crate::jobs::import::nobodys::{Nobodys, Why};

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.into(),
            type_name: type_name.into(),
            not_null: false,
            has_default: false,
            generated: false,
            number: true,
            sequence: None,
        }
    }

    fn table(source: bool, name: &str, columns: Vec<Column>) -> Table {
        Table {
            source,
            name: name.into(),
            oid: 1,
            parted: false,
            inherited: false,
            indexes: Vec::new(),
            published: false,
            columns,
        }
    }

    fn facts(names: &[&str], keys: &[(&str, &str)]) -> Facts {
        let both = |name: &&str| [true, false].map(|source| table(source, name, vec![column("id", "integer")]));
        Facts {
            source_oid: Some(1),
            target_oid: Some(2),
            tables: names.iter().flat_map(both).collect(),
            foreign_keys: keys
                .iter()
                .map(|(table, to)| ForeignKey {
                    name: format!("{table}_{to}"),
                    table: (*table).into(),
                    to: (*to).into(),
                    to_target: true,
                    deferred: false,
                })
                .collect(),
            triggers: Vec::new(),
            views: vec!["report".into()],
            functions: Vec::new(),
            sequences: Vec::new(),
            partitions: Vec::new(),
            taken: names.iter().map(|name| (*name).into()).collect(),
        }
    }

    fn options(how: How, tables: &[&str]) -> ImportOptions {
        let tables = tables.iter().map(|name| (*name).to_owned()).collect();
        let ledger = Nobodys { table: "schema_migrations".into(), why: Why::Ledger };
        let of_all = ["keys", "hosts"].map(|table| Nobodys { table: table.into(), why: Why::OfAll });
        ImportOptions { how, tables, not: [vec![ledger], of_all.to_vec()].concat() }
    }

    fn order(plan: &ImportPlan) -> Vec<&str> {
        plan.tables.iter().map(|table| table.name.as_str()).collect()
    }

    #[test]
    fn tables_come_behind_those_that_they_point_at() {
        let facts = facts(
            &["a_lines", "b_orders", "c_users", "hosts", "keys", "schema_migrations"],
            &[("a_lines", "b_orders"), ("b_orders", "c_users"), ("c_users", "c_users")],
        );
        let plan = plan(&facts, &options(How::Copy, &[])).expect("a plan");
        assert_eq!((order(&plan), plan.circles.len()), (vec!["c_users", "b_orders", "a_lines"], 0));
        assert!(plan.notes.iter().any(|note| note.raw().contains("views report")), "{:?}", plan.notes);
        let left: Vec<&str> = plan.notes.iter().take(2).map(Untrusted::raw).collect();
        assert_eq!(
            left,
            ["left out: hosts, keys (of all tenants, by the layout)", "left out: schema_migrations (a ledger)"]
        );
    }

    #[test]
    fn a_circle_is_checked_at_the_end() {
        let plan = plan(&facts(&["a", "b", "c"], &[("a", "b"), ("b", "a"), ("c", "a")]), &options(How::Copy, &[]))
            .expect("a plan");
        assert_eq!(order(&plan), ["a", "b", "c"]);
        assert_eq!(plan.circles.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["a_b"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut facts = facts(&["a"], &[]);
        facts.tables[0].columns.extend([
            column("only_here", "text"),
            column("kind", ".mood"),
            column("size", "integer"),
        ]);
        facts.tables[1].columns.extend([
            column("kind", ".mood"),
            column("size", "bigint"),
            Column { not_null: true, ..column("must", "text") },
            Column { not_null: true, has_default: true, ..column("may", "text") },
        ]);
        let wrong = plan(&facts, &options(How::Copy, &["a"])).expect_err("wrong");
        assert_eq!(
            wrong,
            [
                "a.only_here is in public and not in the tenant: its values would be lost",
                "a.size is integer in public and bigint in the tenant: the types differ",
                "a.must must have a value, and public has no such column",
            ]
        );
        for (how, tables, words) in [
            (How::Copy, &["b"][..], "there is no table public.b"),
            (How::Copy, &["schema_migrations"], "is no tenant's data (a ledger)"),
            (How::Copy, &["keys"], "is no tenant's data (of all tenants, by the layout)"),
            (How::Move, &["keys"], "is no tenant's data (of all tenants, by the layout)"),
            (How::Move, &[], "name the tables"),
        ] {
            let wrong = plan(&facts, &options(how, tables)).expect_err(words);
            assert!(wrong[0].contains(words), "{wrong:?}");
        }
    }

    #[test]
    fn triggers_rest_while_rows_are_copied() {
        let mut facts = facts(&["a"], &[]);
        let trigger = |source, name: &str, enabled: &str| Trigger {
            source,
            table: "a".into(),
            name: name.into(),
            enabled: enabled.into(),
            own: true,
        };
        facts.triggers = vec![
            trigger(false, "stamp", "O"),
            trigger(false, "off", "D"),
            trigger(true, "stamp", "O"),
            trigger(true, "log", "O"),
        ];
        let plan = plan(&facts, &options(How::Copy, &[])).expect("a plan");
        assert_eq!(plan.triggers.iter().map(|trigger| trigger.name.as_str()).collect::<Vec<_>>(), ["stamp"]);
        assert!(plan.notes.iter().any(|note| note.raw() == "not copied, they stay in public: triggers a.log"));
    }
}

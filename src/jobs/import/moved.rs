//! The plan of a move: the tables themselves go, with what is theirs.

use std::collections::BTreeSet;

use super::facts::{Facts, Sequence};
use super::form::{How, ImportPlan, ImportTable};
use super::replace;
use crate::text::Untrusted;

/// Makes it.
///
/// # Errors
/// Everything that stands in the way, a line each.
pub(super) fn moved(facts: &Facts, names: &[String]) -> Result<ImportPlan, Vec<String>> {
    let mut wrong = Vec::new();
    for name in names {
        if facts.taken.contains(name) {
            wrong.extend(replace::wrong(facts, name, names));
        }
        if facts.table(true, name).is_some_and(|table| table.parted) {
            wrong.push(format!("public.{name} has partitions or inherits: such tables are not moved"));
        }
    }
    let replaced: Vec<String> = names.iter().filter(|name| facts.taken.contains(name)).cloned().collect();
    let mut notes = Vec::new();
    let sequences = sequences(facts, names, &replaced, &mut wrong, &mut notes);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    if !replaced.is_empty() {
        let words = "the tenant's empty tables are dropped, and those of public take their place, owners and rights";
        notes.push(format!("{words}: {}", replaced.join(", ")));
    }
    if replaced.len() < names.len() {
        let which = if replaced.is_empty() { "moved" } else { "other moved" };
        notes.push(format!("grants of the {which} tables stay as they are"));
    }
    if !sequences.is_empty() {
        notes.push(format!("sequences that only the moved tables count by move too: {}", sequences.join(", ")));
    }
    let table = |name: &String| ImportTable {
        name: name.clone(),
        columns: Vec::new(),
        replaces: replaced.contains(name),
        own_rows: false,
    };
    let tables = names.iter().map(table).collect();
    let own: Vec<String> = facts
        .tables
        .iter()
        .filter(|table| table.source && names.contains(&table.name))
        .flat_map(|table| table.columns.iter().filter(|column| column.type_name.starts_with('.')))
        .map(|column| column.shown().to_owned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !own.is_empty() {
        notes.push(format!("types stay in public, and the moved tables go on using them: {}", own.join(", ")));
    }
    if facts.triggers.iter().any(|trigger| trigger.source && names.contains(&trigger.table)) {
        notes.push("triggers move with their tables; their functions stay in public".to_owned());
    }
    let notes = notes.into_iter().map(Untrusted::from).collect();
    Ok(ImportPlan { how: How::Move, tables, circles: Vec::new(), triggers: Vec::new(), sequences, notes })
}

/// The sequences of no column that move as well; those that stay are noted, or wrong where the tenant's tables are to be
/// the same.
fn sequences(
    facts: &Facts,
    names: &[String],
    replaced: &[String],
    wrong: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut moved = Vec::new();
    let used = |sequence: &&Sequence| sequence.users.iter().any(|user| names.contains(user));
    for sequence in facts.sequences.iter().filter(|sequence| sequence.source).filter(used) {
        let name = &sequence.name;
        match keeps(sequence, names) {
            Keeps::Owner => {}
            Keeps::Nothing if facts.taken.contains(name) && !replace::goes(facts, name, replaced) => {
                wrong.push(format!("the tenant has {name} already, and the sequence would move there"));
            }
            Keeps::Nothing => moved.push(name.clone()),
            Keeps::Others(who) if sequence.users.iter().any(|user| replaced.contains(user)) => {
                wrong.push(format!("the sequence {name} would stay in public: {who} uses it too. Move that as well"));
            }
            Keeps::Others(who) => notes.push(format!(
                "the sequence {name} stays in public, and the moved tables go on counting by it: {who} uses it too"
            )),
        }
    }
    moved
}

/// What keeps a sequence of no moved column where it is.
enum Keeps {
    /// Its table moves, and takes it along.
    Owner,
    Nothing,
    /// Who uses it besides.
    Others(String),
}

fn keeps(sequence: &Sequence, names: &[String]) -> Keeps {
    if sequence.owner.as_ref().is_some_and(|owner| names.contains(owner)) {
        return Keeps::Owner;
    }
    let others: BTreeSet<&String> =
        sequence.users.iter().chain(&sequence.owner).filter(|user| !names.contains(user)).collect();
    if !others.is_empty() {
        return Keeps::Others(others.into_iter().cloned().collect::<Vec<_>>().join(", "));
    }
    if sequence.kept { Keeps::Others("something besides tables".to_owned()) } else { Keeps::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(users: &[&str], owner: Option<&str>, kept: bool) -> Sequence {
        let users = users.iter().map(|name| (*name).to_owned()).collect();
        Sequence { source: true, name: "numbers".into(), oid: 1, users, owner: owner.map(str::to_owned), kept }
    }

    #[test]
    fn a_sequence_moves_with_the_last_that_counts_by_it() {
        let names = ["a".to_owned(), "b".to_owned()];
        let words = |sequence: &Sequence| match keeps(sequence, &names) {
            Keeps::Owner => "with its table".to_owned(),
            Keeps::Nothing => "by itself".to_owned(),
            Keeps::Others(who) => who,
        };
        for (users, owner, kept, wanted) in [
            (&["a"][..], None, false, "by itself"),
            (&["a", "b"], None, false, "by itself"),
            (&["a", "b"], Some("a"), false, "with its table"),
            (&["a"], Some("c"), false, "c"),
            (&["a", "d", "c"], None, false, "c, d"),
            (&["a"], None, true, "something besides tables"),
        ] {
            assert_eq!(words(&sequence(users, owner, kept)), wanted, "{users:?} {owner:?}");
        }
    }
}

//! What a purge drops in one transaction, and the statements that do it. Pure.

/// Objects that are named in one transaction at most, whatever the lock table holds.
const MOST_AT_ONCE: usize = 500;

/// Something of the schema that can be dropped by itself.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) class: u32,
    pub(super) id: u32,
    pub(super) kind: String,
    /// Quoted and with its schema, by the server itself.
    pub(super) identity: String,
    /// How many go with it, itself among them.
    pub(super) objects: u64,
    /// Whether this role may lock it; `None` for what is no table.
    pub(super) may_lock: Option<bool>,
}

impl Root {
    /// How its statement ends. A schema's owner may drop a table in it that is another role's, and not lock it. Without the
    /// lock somebody may make what depends on it behind our look: that is not taken along, and the statement fails.
    const fn behavior(&self) -> &'static str {
        match self.may_lock {
            Some(false) => "RESTRICT",
            Some(true) | None => "CASCADE",
        }
    }
}

/// The first of what is left, as many as the budget allows; none where the first alone is too many.
pub(super) fn take(left: &mut Vec<Root>, budget: u64) -> Vec<Root> {
    let mut batch: Vec<Root> = Vec::new();
    let mut objects = 0;
    while let Some(root) = left.last() {
        let fits = objects + root.objects <= budget && batch.len() < MOST_AT_ONCE;
        // One that is small needs no breaking up even where the lock table is tiny: less than it is not possible.
        let small = batch.is_empty() && root.objects <= SMALL;
        if !fits && !small {
            break;
        }
        objects += root.objects;
        batch.extend(left.pop());
    }
    batch
}

/// A table with its row type, its array type, its toast table with an index, and a key: it is dropped whole.
const SMALL: u64 = 8;

/// The statements that drop these, kinds together. `IF EXISTS`: one may go along with another before it.
pub(super) fn drops(batch: &[Root]) -> String {
    let mut sql = String::new();
    let mut rest = batch;
    while let Some(first) = rest.first() {
        let behavior = first.behavior();
        let alike = rest.iter().take_while(|root| root.kind == first.kind && root.behavior() == behavior).count();
        let (now, later) = rest.split_at(alike);
        rest = later;
        // Kinds whose statement takes one name only.
        if first.kind.starts_with("operator ") || first.kind.starts_with("text search") || first.kind == "conversion" {
            for root in now {
                sql.push_str(&format!("DROP {} IF EXISTS {} {behavior}; ", root.kind, root.identity));
            }
        } else {
            let kind = match first.kind.as_str() {
                "statistics object" => "statistics",
                other => other,
            };
            let names: Vec<&str> = now.iter().map(|root| root.identity.as_str()).collect();
            sql.push_str(&format!("DROP {kind} IF EXISTS {} {behavior}; ", names.join(", ")));
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, name: &str, objects: u64) -> Root {
        let kind = kind.to_owned();
        Root { class: 1, id: 1, kind, identity: name.to_owned(), objects, may_lock: Some(true) }
    }

    #[test]
    fn a_batch_never_takes_more_than_the_budget_and_what_is_too_much_is_left_for_breaking_up() {
        let mut left: Vec<Root> = [30, 7, 7, 7].iter().map(|objects| of("table", "t", *objects)).collect();
        let sizes = |batch: Vec<Root>| batch.iter().map(|root| root.objects).collect::<Vec<_>>();
        assert_eq!(sizes(take(&mut left, 14)), [7, 7]);
        assert_eq!(sizes(take(&mut left, 14)), [7]);
        assert_eq!(sizes(take(&mut left, 14)), Vec::<u64>::new());
        assert_eq!(left.len(), 1);
        // A small one goes whole, however small the lock table is.
        assert_eq!(sizes(take(&mut vec![of("table", "t", 7)], 1)), [7]);
    }

    #[test]
    fn kinds_are_dropped_together_and_one_by_one_where_the_statement_takes_one_name() {
        let class = Root { may_lock: None, ..of("operator class", "a.o USING btree", 1) };
        let batch = [of("table", "a.x", 1), of("table", "a.y", 1), class];
        assert_eq!(
            drops(&batch),
            "DROP table IF EXISTS a.x, a.y CASCADE; DROP operator class IF EXISTS a.o USING btree CASCADE; "
        );
    }

    #[test]
    fn what_could_not_be_locked_takes_nothing_along() {
        let theirs = |name: &str| Root { may_lock: Some(false), ..of("table", name, 1) };
        let batch = [of("table", "a.x", 1), theirs("a.y"), theirs("a.z")];
        assert_eq!(drops(&batch), "DROP table IF EXISTS a.x CASCADE; DROP table IF EXISTS a.y, a.z RESTRICT; ");
    }
}

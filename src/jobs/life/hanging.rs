//! What hangs on what in a schema that is removed: how many objects go along with each. The server says which object
//! depends on which; how many that makes is counted here, where one that is shared by many is looked at once for each, and
//! no further than anybody needs to know. Pure.

use std::collections::{HashMap, HashSet};

use crate::postgres::session::TextRow;

/// A catalog, an object of it, and a part of that (a column), or 0 for the whole; -1 where it is locked and stays.
type Object = (u32, u32, i32);

/// Dependencies, from what is dropped to what goes along.
#[derive(Debug, Default)]
pub(super) struct Hanging(HashMap<Object, Vec<Object>>);

impl Hanging {
    /// Rows of six numbers: what is dropped, and what goes along.
    pub(super) fn read(rows: &[TextRow]) -> Self {
        let mut along: HashMap<Object, Vec<Object>> = HashMap::new();
        for row in rows {
            let object = |first: usize| Some((of(row, first)?, of(row, first + 1)?, of(row, first + 2)?));
            if let (Some(from), Some(to)) = (object(0), object(3)) {
                along.entry(from).or_default().push(to);
            }
        }
        Self(along)
    }

    /// How many objects are locked where this one is dropped, itself among them; beyond `most` it is not counted.
    pub(super) fn count(&self, class: u32, id: u32, most: u64) -> u64 {
        let first = (class, id, 0);
        let (mut seen, mut whole) = (HashSet::from([first]), HashSet::from([(class, id)]));
        let mut next = vec![first];
        while let Some(object) = next.pop() {
            for along in self.0.get(&object).into_iter().flatten() {
                if seen.insert(*along) {
                    whole.insert((along.0, along.1));
                    next.push(*along);
                }
            }
            if whole.len() as u64 > most {
                break;
            }
        }
        whole.len() as u64
    }
}

fn of<T: std::str::FromStr>(row: &TextRow, column: usize) -> Option<T> {
    row.text(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hanging(edges: &[(Object, Object)]) -> Hanging {
        let mut along: HashMap<Object, Vec<Object>> = HashMap::new();
        edges.iter().for_each(|(from, to)| along.entry(*from).or_default().push(*to));
        Hanging(along)
    }

    #[test]
    fn what_is_reached_by_two_ways_counts_once_and_a_circle_ends() {
        let all = hanging(&[
            ((1, 1, 0), (1, 2, 0)),
            ((1, 1, 0), (1, 3, 0)),
            ((1, 2, 0), (1, 4, 0)),
            ((1, 3, 0), (1, 4, 0)),
            ((1, 4, 0), (1, 1, 0)),
        ]);
        assert_eq!(all.count(1, 1, 100), 4);
        assert_eq!(all.count(1, 4, 100), 4);
        assert_eq!(all.count(1, 9, 100), 1, "what nothing hangs on");
    }

    #[test]
    fn columns_are_of_their_table_and_take_along_what_is_theirs_alone() {
        let all =
            hanging(&[((1, 1, 0), (2, 5, 0)), ((2, 5, 0), (1, 7, 2)), ((1, 7, 2), (1, 8, 0)), ((1, 7, 0), (1, 9, 0))]);
        // The table, a rule, a column of another table, and what hangs on that column: not on its whole table.
        assert_eq!(all.count(1, 1, 100), 4);
    }

    #[test]
    fn nobody_counts_further_than_is_asked() {
        let chain: Vec<(Object, Object)> = (0..10_000).map(|n| ((1, n, 0), (1, n + 1, 0))).collect();
        let all = hanging(&chain);
        assert_eq!((all.count(1, 0, 50), all.count(1, 9_999, 50)), (51, 2));
    }
}

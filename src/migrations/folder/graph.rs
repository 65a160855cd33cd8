//! Orders what names its predecessors.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Every place once, each behind those it names; where that leaves it open, as given. What stands in a circle (or behind
/// one) comes last, as given, and is told besides.
pub(crate) fn order(parents: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    let mut missing: Vec<usize> = vec![0; parents.len()];
    for (place, before) in parents.iter().enumerate() {
        for parent in before {
            if let Some(children) = children.get_mut(*parent) {
                children.push(place);
                missing[place] += 1;
            }
        }
    }
    let mut free: BinaryHeap<Reverse<usize>> =
        (0..parents.len()).filter(|place| missing[*place] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(parents.len());
    while let Some(Reverse(place)) = free.pop() {
        order.push(place);
        for child in &children[place] {
            missing[*child] -= 1;
            if missing[*child] == 0 {
                free.push(Reverse(*child));
            }
        }
    }
    let circle: Vec<usize> = (0..parents.len()).filter(|place| missing[*place] > 0).collect();
    order.extend(&circle);
    (order, circle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_a_branch_and_a_circle() {
        assert_eq!(order(&[vec![1], vec![2], vec![]]), (vec![2, 1, 0], vec![]));
        assert_eq!(order(&[vec![], vec![0], vec![0], vec![1, 2]]), (vec![0, 1, 2, 3], vec![]));
        assert_eq!(order(&[vec![1], vec![0], vec![]]), (vec![2, 0, 1], vec![0, 1]));
        assert_eq!(order(&[vec![0, 7]]), (vec![0], vec![0]), "its own parent; one that is not there");
    }

    proptest! {
        #[test]
        fn everything_comes_once_and_behind_its_parents(parents in prop::collection::vec(prop::collection::vec(0_usize..12, 0..4), 0..12)) {
            let (order, circle) = order(&parents);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..parents.len()).collect::<Vec<_>>());
            let place = |wanted: usize| order.iter().position(|place| *place == wanted);
            for (node, before) in parents.iter().enumerate() {
                for parent in before.iter().filter(|parent| **parent < parents.len()) {
                    prop_assert!(circle.contains(&node) || place(*parent) < place(node));
                }
            }
        }
    }
}

//! Who has a claim to a key: of all that match it, those that explain it as well as the best does, and those whose own
//! text the best one only found its name in (docs/adr/0032).

/// A tenant that a key may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) struct Match {
    /// The slot, for [`super::Matcher::tenants_of`].
    pub(in crate::cache) slot: u32,
    /// Where the part after the tenant's own begins.
    pub(in crate::cache) rest: usize,
    /// Where the tenant's value begins, and where it ends.
    pub(super) value: (usize, usize),
    /// A star stands before it: the value was looked for within the key.
    pub(super) is_sought: bool,
    /// Bytes of the key that are literal or the tenant's value.
    pub(super) weight: usize,
    /// Bytes of the key that are literal.
    pub(super) literal: usize,
    pub(super) rank: u8,
}

impl Match {
    const fn order(&self) -> (usize, usize, u8) {
        (self.weight, self.literal, self.rank)
    }

    /// Whether this one's claim is as good as the best one's.
    const fn stands_beside(&self, best: &Self) -> bool {
        // What stands behind a tenant's name is its own to choose, and may well be another one's name.
        self.weight == best.weight || (best.is_sought && self.value.1 <= best.value.0)
    }
}

/// All that have a claim to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Claims {
    /// The one that it is counted for.
    pub(in crate::cache) best: Match,
    /// Those of other values whose claim is as good.
    pub(in crate::cache) equal: Vec<Match>,
}

impl Claims {
    /// Of all matches of a key, in the order of the patterns. `None`: it is nobody's.
    pub(super) fn of(found: Vec<Match>) -> Option<Self> {
        let better = |best: Match, one: &Match| if one.order() > best.order() { *one } else { best };
        let best = found.iter().skip(1).fold(*found.first()?, better);
        let mut claims = Self { best, equal: Vec::new() };
        for one in found.into_iter().filter(|one| one.stands_beside(&best)) {
            if claims.all().all(|known| known.slot != one.slot) {
                claims.equal.push(one);
            }
        }
        Some(claims)
    }

    /// All of them, the best first.
    pub(in crate::cache) fn all(&self) -> impl Iterator<Item = &Match> {
        std::iter::once(&self.best).chain(&self.equal)
    }
}

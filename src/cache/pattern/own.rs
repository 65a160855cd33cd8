//! Which keys can be one tenant's, for a walk that is for it alone.

use super::{Field, Matcher, Pattern, Token, escaped, slot_of};

impl Matcher {
    /// What SCAN's MATCH can narrow the answer by when only one tenant's keys are wanted: the text that they all start
    /// with, its own values included, escaped for Redis. `None`: they may start with anything, or it has none.
    pub(in crate::cache) fn scan_match_of(&self, tenant: u32) -> Option<Vec<u8>> {
        let own = self.tenants.get(tenant as usize)?;
        let mut starts = self.patterns.iter().filter_map(|pattern| start(pattern, own));
        let first = starts.next()?;
        let common = starts.fold(first, |mut common, start| {
            let length = common.iter().zip(&start).take_while(|(a, b)| a == b).count();
            common.truncate(length);
            common
        });
        escaped(&common)
    }

    /// Whether a tenant has a value for any of the patterns: one that has none owns no key.
    pub(in crate::cache) fn may_own(&self, tenant: u32) -> bool {
        self.tenants
            .get(tenant as usize)
            .is_some_and(|own| self.patterns.iter().any(|pattern| own[slot_of(pattern.field)].is_some()))
    }
}

/// The text that every key of this pattern starts with that is this tenant's; `None` where it has no such key.
fn start(pattern: &Pattern, own: &[Option<Box<[u8]>>; 3]) -> Option<Vec<u8>> {
    let value = |field: Field| own[slot_of(field)].as_deref();
    value(pattern.field)?;
    let this = Token::Field(pattern.field);
    let tokens = pattern.head.iter().chain([&this]).chain(&pattern.tail);
    let mut start = Vec::new();
    for token in tokens {
        match token {
            Token::Text(text) => start.extend_from_slice(text),
            Token::Field(field) => start.extend_from_slice(value(*field)?),
            Token::Star => break,
        }
    }
    Some(start)
}

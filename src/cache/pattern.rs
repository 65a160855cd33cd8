//! Patterns of cache keys, and the match of one key against all patterns and all tenants at once.
//!
//! A pattern is literal text with `{id}`, `{slug}` and `{schema}` (the tenant's own values, which mean themselves
//! whatever characters they hold) and `*` (any bytes). The tenant's value is cut out of the key and looked up in a
//! table, so that a key costs the same whether there are ten tenants or ten thousand. Pure: no I/O here.

use std::collections::{HashMap, HashSet};

use super::CacheIds;

mod claims;
mod glob;
mod own;

pub(super) use self::claims::{Claims, Match};
use self::glob::{ends_of, glob};

/// How far into a key its tenant is looked for; a key may be 512 MB long, a tenant's name never is.
const MAX_HEAD_BYTES: usize = 1_024;

/// Which of a tenant's values a placeholder stands for, most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Id,
    Slug,
    Schema,
}

impl Field {
    const ALL: [Self; 3] = [Self::Id, Self::Slug, Self::Schema];

    const fn placeholder(self) -> &'static str {
        match self {
            Self::Id => "{id}",
            Self::Slug => "{slug}",
            Self::Schema => "{schema}",
        }
    }

    /// Of two matches that are equally long: a row's id is surer than its slug, and that than a schema's name.
    const fn rank(self) -> u8 {
        match self {
            Self::Id => 2,
            Self::Slug => 1,
            Self::Schema => 0,
        }
    }

    fn of(self, ids: &CacheIds) -> Option<&str> {
        match self {
            Self::Id => ids.id.as_deref(),
            Self::Slug => Some(ids.slug.as_str()),
            Self::Schema => ids.schema.as_deref(),
        }
        .filter(|value| !value.is_empty())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(Vec<u8>),
    Field(Field),
    Star,
}

/// A pattern, split at the first placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    head: Vec<Token>,
    field: Field,
    tail: Vec<Token>,
}

impl Pattern {
    /// Reads a pattern; `None` where it names no tenant.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text);
        let at = tokens.iter().position(|token| matches!(token, Token::Field(_)))?;
        let Some(Token::Field(field)) = tokens.get(at) else { return None };
        Some(Self { head: tokens[..at].to_vec(), field: *field, tail: tokens[at + 1..].to_vec() })
    }

    /// The text that every key of this pattern starts with.
    fn literal_prefix(&self) -> &[u8] {
        match self.head.first() {
            Some(Token::Text(text)) => text,
            Some(Token::Field(_) | Token::Star) | None => &[],
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let field = Field::ALL.into_iter().find(|field| rest.starts_with(field.placeholder()));
        let (token, length) = match field {
            Some(field) => (Token::Field(field), field.placeholder().len()),
            None if first == '*' => (Token::Star, 1),
            None => {
                literal.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        if !literal.is_empty() {
            tokens.push(Token::Text(std::mem::take(&mut literal)));
        }
        if token != Token::Star || tokens.last() != Some(&Token::Star) {
            tokens.push(token);
        }
        rest = &rest[length..];
    }
    if !literal.is_empty() {
        tokens.push(Token::Text(literal));
    }
    tokens
}

/// The values of one kind of all tenants.
#[derive(Debug, Default)]
struct Values {
    /// Value to its slot in the counts.
    slots: HashMap<Box<[u8]>, u32>,
    /// Every length that a value has, longest first.
    lengths: Vec<usize>,
}

/// All patterns over all tenants.
#[derive(Debug)]
pub(super) struct Matcher {
    patterns: Vec<Pattern>,
    /// One per [`Field`], in the order of `Field::ALL`.
    values: [Values; 3],
    /// Tenants (their index) of each slot: more than one where two rows share a value.
    slots: Vec<Vec<u32>>,
    /// What the tenants' values are, for patterns that name a tenant twice.
    tenants: Vec<[Option<Box<[u8]>>; 3]>,
}

impl Matcher {
    /// A matcher over these patterns and tenants.
    pub(super) fn new(patterns: Vec<Pattern>, tenants: &[CacheIds]) -> Self {
        let mut values = [Values::default(), Values::default(), Values::default()];
        let mut slots: Vec<Vec<u32>> = Vec::new();
        let mut own = Vec::with_capacity(tenants.len());
        for (index, ids) in tenants.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            for (field, values) in Field::ALL.into_iter().zip(values.iter_mut()) {
                let Some(value) = field.of(ids) else { continue };
                let next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
                let slot = *values.slots.entry(value.as_bytes().into()).or_insert(next);
                if slot == next {
                    slots.push(Vec::new());
                }
                if let Some(members) = slots.get_mut(slot as usize) {
                    members.push(index);
                }
            }
            own.push(Field::ALL.map(|field| field.of(ids).map(|value| value.as_bytes().into())));
        }
        for values in &mut values {
            let lengths: HashSet<usize> = values.slots.keys().map(|value| value.len()).collect();
            values.lengths = lengths.into_iter().collect();
            values.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        Self { patterns, values, slots, tenants: own }
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The tenants (their index) of a slot.
    pub(super) fn tenants_of(&self, slot: u32) -> &[u32] {
        self.slots.get(slot as usize).map_or(&[], Vec::as_slice)
    }

    /// What SCAN's MATCH can narrow the answer by: the text that all patterns start with, escaped for Redis.
    pub(super) fn scan_match(&self) -> Option<Vec<u8>> {
        let mut prefixes = self.patterns.iter().map(Pattern::literal_prefix);
        let first = prefixes.next()?;
        let common = prefixes.fold(first, |common, prefix| {
            let length = common.iter().zip(prefix).take_while(|(a, b)| a == b).count();
            &common[..length]
        });
        escaped(common)
    }

    /// Whom a key belongs to: the match in which most bytes of the key are literal or the tenant's value; of equal
    /// ones the pattern with more literal text, then the id before the slug before the schema, then the pattern that is
    /// configured first. Matches that are equal in the first have as good a claim, and so has a tenant behind whose name
    /// that of the best one was found.
    pub(super) fn find(&self, key: &[u8]) -> Option<Claims> {
        let mut found = Vec::new();
        for pattern in &self.patterns {
            self.find_all(pattern, key, &mut found);
        }
        Claims::of(found)
    }

    /// The tenants (their index) that have these claims: more than one where rows share a value, or where one row's id is
    /// another's slug.
    pub(super) fn claimants(&self, claims: &Claims) -> Vec<u32> {
        let mut tenants: Vec<u32> = claims.all().flat_map(|found| self.tenants_of(found.slot)).copied().collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// Of each place where a tenant's value may begin, the longest that fits.
    fn find_all(&self, pattern: &Pattern, key: &[u8], all: &mut Vec<Match>) {
        let values = &self.values[slot_of(pattern.field)];
        let head_weight = weight(&pattern.head);
        let starts: &mut dyn Iterator<Item = usize> = match pattern.head.as_slice() {
            [] => &mut std::iter::once(0),
            [Token::Text(text)] => {
                if !key.starts_with(text) {
                    return;
                }
                &mut std::iter::once(text.len())
            }
            head => &mut ends_of(head, &key[..key.len().min(MAX_HEAD_BYTES)]).into_iter(),
        };
        for start in starts {
            let rest = &key[start..];
            let found = values.lengths.iter().find_map(|length| self.bind(pattern, values, rest, *length));
            all.extend(found.map(|found| Match {
                rest: start + found.rest,
                value: (start, start + found.value.1),
                is_sought: pattern.head.contains(&Token::Star),
                weight: head_weight + found.weight,
                literal: head_weight + found.literal,
                ..found
            }));
        }
    }

    /// Tries one length of the tenant's value at the start of `rest`.
    fn bind(&self, pattern: &Pattern, values: &Values, rest: &[u8], length: usize) -> Option<Match> {
        let (value, after) = rest.split_at_checked(length)?;
        // Most lengths are wrong for most keys: what must follow is compared before anything is hashed.
        let fits = match pattern.tail.as_slice() {
            [] => after.is_empty(),
            [Token::Text(text), ..] => after.starts_with(text),
            [Token::Star | Token::Field(_), ..] => true,
        };
        if !fits {
            return None;
        }
        let slot = *values.slots.get(value)?;
        let follows = match pattern.tail.first() {
            Some(Token::Text(text)) => text.len(),
            Some(Token::Star | Token::Field(_)) | None => 0,
        };
        let member = *self.tenants_of(slot).first()?;
        let own = self.tenants.get(member as usize)?;
        let tail_weight = match pattern.tail.as_slice() {
            [] => 0,
            [Token::Text(text), Token::Star] => text.len(),
            tail => glob(&resolve(tail, own)?, after).then(|| weight_resolved(tail, own))?,
        };
        Some(Match {
            slot,
            rest: length + follows,
            value: (0, length),
            is_sought: false,
            weight: length + tail_weight,
            literal: weight(&pattern.tail),
            rank: pattern.field.rank(),
        })
    }
}

fn weight(tokens: &[Token]) -> usize {
    tokens
        .iter()
        .map(|token| match token {
            Token::Text(text) => text.len(),
            Token::Field(_) | Token::Star => 0,
        })
        .sum()
}

/// A start as a pattern of Redis: every character means itself. `None`: any start.
fn escaped(start: &[u8]) -> Option<Vec<u8>> {
    if start.is_empty() {
        return None;
    }
    let mut glob = Vec::with_capacity(start.len() + 4);
    for byte in start {
        if b"*?[]\\^-".contains(byte) {
            glob.push(b'\\');
        }
        glob.push(*byte);
    }
    glob.push(b'*');
    Some(glob)
}

const fn slot_of(field: Field) -> usize {
    match field {
        Field::Id => 0,
        Field::Slug => 1,
        Field::Schema => 2,
    }
}

fn weight_resolved(tokens: &[Token], own: &[Option<Box<[u8]>>; 3]) -> usize {
    tokens
        .iter()
        .map(|token| match token {
            Token::Text(text) => text.len(),
            Token::Field(field) => own[slot_of(*field)].as_ref().map_or(0, |value| value.len()),
            Token::Star => 0,
        })
        .sum()
}

/// A tail in which further placeholders are this tenant's own values: `Some(text)` or a star.
fn resolve<'a>(tokens: &'a [Token], own: &'a [Option<Box<[u8]>>; 3]) -> Option<Vec<Option<&'a [u8]>>> {
    tokens
        .iter()
        .map(|token| match token {
            Token::Text(text) => Some(Some(text.as_slice())),
            Token::Field(field) => own[slot_of(*field)].as_deref().map(Some),
            Token::Star => Some(None),
        })
        .collect()
}

#[cfg(test)]
mod tests;

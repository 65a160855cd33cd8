//! Stars in patterns: which texts they fit, and where they may end.

use super::Token;

/// Whether the whole of `text` matches; each literal after a star is taken at its first place, the last at the end.
pub(super) fn glob(parts: &[Option<&[u8]>], text: &[u8]) -> bool {
    let mut at = 0;
    let mut starred = false;
    for (index, part) in parts.iter().enumerate() {
        let Some(literal) = part else {
            starred = true;
            continue;
        };
        let rest = &text[at..];
        let found = if !starred {
            rest.starts_with(literal).then_some(0)
        } else if index + 1 == parts.len() {
            rest.ends_with(literal).then(|| rest.len() - literal.len())
        } else {
            find(rest, literal)
        };
        let Some(offset) = found else { return false };
        at += offset + literal.len();
        starred = false;
    }
    starred || at == text.len()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Every position at which a head with stars may end.
pub(super) fn ends_of(head: &[Token], key: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    for token in head {
        ends = match token {
            Token::Text(text) => {
                ends.into_iter().filter(|at| key[*at..].starts_with(text)).map(|at| at + text.len()).collect()
            }
            Token::Star | Token::Field(_) => match ends.first() {
                Some(first) => (*first..=key.len()).collect(),
                None => Vec::new(),
            },
        };
    }
    ends
}

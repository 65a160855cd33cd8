//! The words of a Python file, as far as plain values need them.

use std::str::Chars;

/// A word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// With its column.
    Name(String, usize),
    Text(String),
    Open,
    Close,
    Comma,
    /// A single `=`.
    Equals,
    /// What an annotation starts with.
    Colon,
    /// Any other character.
    Sign,
    /// The end of a line, or a semicolon.
    End,
}

/// All of them, in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').chars();
    let mut column = 0_usize;
    while let Some(c) = rest.clone().next() {
        let before = rest.as_str().len();
        match c {
            '#' => skip_line(&mut rest),
            '"' | '\'' => tokens.push(Token::Text(string(&mut rest, false))),
            c if c.is_alphabetic() || c == '_' => {
                let name: String = rest.clone().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                rest = rest.as_str()[name.len()..].chars();
                let is_prefix = name.len() <= 2 && name.chars().all(|c| "rRbBuUfF".contains(c));
                match rest.clone().next() {
                    Some('"' | '\'') if is_prefix => {
                        let is_raw = name.contains(['r', 'R']);
                        let text = string(&mut rest, is_raw);
                        // What an f-string comes to is not known.
                        tokens.push(if name.contains(['f', 'F']) { Token::Sign } else { Token::Text(text) });
                    }
                    _ => tokens.push(Token::Name(name, column)),
                }
            }
            '\\' => go_on(&mut rest),
            '=' => {
                rest.next();
                if rest.clone().next() == Some('=') {
                    rest.next();
                    tokens.push(Token::Sign);
                } else {
                    tokens.push(Token::Equals);
                }
            }
            c => {
                rest.next();
                match c {
                    '(' | '[' | '{' => tokens.push(Token::Open),
                    ')' | ']' | '}' => tokens.push(Token::Close),
                    ',' => tokens.push(Token::Comma),
                    ':' => tokens.push(Token::Colon),
                    '\n' | ';' => tokens.push(Token::End),
                    c if c.is_whitespace() => {}
                    _ => tokens.push(Token::Sign),
                }
            }
        }
        let after = rest.as_str().len();
        let read = &text[text.len() - before..text.len() - after];
        column = match read.rfind('\n') {
            Some(end) => read.len() - end - 1,
            None => column + read.len(),
        };
    }
    tokens
}

/// Behind a backslash and the end of the line that it makes go on.
fn go_on(rest: &mut Chars<'_>) {
    rest.next();
    let mut ahead = rest.clone();
    if ahead.next() == Some('\r') {
        rest.next();
    }
    if rest.clone().next() == Some('\n') {
        rest.next();
    }
}

fn skip_line(rest: &mut Chars<'_>) {
    let line = rest.as_str();
    *rest = line[line.find('\n').unwrap_or(line.len())..].chars();
}

/// A string, from its opening quote. One that is not closed ends with its line, or with the text.
fn string(rest: &mut Chars<'_>, is_raw: bool) -> String {
    let text = rest.as_str();
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let (mark, is_long) = if text.starts_with(&triple) { (triple.as_str(), true) } else { (quote, false) };
    let mut out = String::new();
    let mut inside = text[mark.len()..].chars();
    loop {
        if inside.as_str().starts_with(mark) {
            *rest = inside.as_str()[mark.len()..].chars();
            return out;
        }
        match inside.next() {
            None => break,
            Some('\n') if !is_long => break,
            Some('\\') => match inside.next() {
                None => break,
                Some(c) if is_raw => out.extend(['\\', c]),
                Some('\n') => {}
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(c @ ('\\' | '\'' | '"')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
            },
            Some(c) => out.push(c),
        }
    }
    *rest = inside;
    out
}

//! A scanner of PostgreSQL's SQL: where words, strings and comments begin and end, and where statements end.
//!
//! It is the server's own lexical rules (quotes, `E''`, dollar quotes, nested comments, `standard_conforming_strings`
//! on) and no grammar: it never rejects anything, and its tokens joined are the input. What it misses, the guard after
//! a step catches; what it finds is refused before anything runs.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// White space.
    Space,
    /// `-- ...` or `/* ... */`.
    Comment,
    /// A keyword or an identifier without quotes.
    Word,
    /// `"..."`, also `U&"..."` behind its prefix.
    Quoted,
    /// `'...'` and `E'...'`, prefix included.
    Text,
    /// `$tag$...$tag$`.
    Dollar,
    /// Digits.
    Number,
    /// `$1`.
    Parameter,
    /// Any other character.
    Symbol,
}

/// A piece of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'t str,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// The line it begins on; 1 for the first.
    pub line: u32,
    /// A string or comment that the input ends inside of is not closed.
    pub closed: bool,
}

impl Token<'_> {
    /// Whether it is this keyword (given in capitals).
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this character.
    #[must_use]
    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it means something: neither space nor comment.
    #[must_use]
    pub const fn is_significant(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }

    /// The name it stands for, where it is an identifier: folded, or without its quotes.
    #[must_use]
    pub fn identifier(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => {
                let inner = self.text.strip_prefix('"')?;
                Some(inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\""))
            }
            Kind::Space | Kind::Comment | Kind::Text | Kind::Dollar | Kind::Number | Kind::Parameter | Kind::Symbol => {
                None
            }
        }
    }

    /// What a string literal holds, without prefix and quotes; escapes are left as they are.
    #[must_use]
    pub fn string(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => {
                let inner = &self.text[self.text.find('\'')? + 1..];
                Some(inner.strip_suffix('\'').unwrap_or(inner))
            }
            Kind::Dollar => {
                let tag = self.text[1..].find('$')? + 2;
                let inner = self.text.get(tag..)?;
                Some(inner.strip_suffix(&self.text[..tag]).unwrap_or(inner))
            }
            Kind::Space | Kind::Comment | Kind::Word | Kind::Quoted | Kind::Number | Kind::Parameter | Kind::Symbol => {
                None
            }
        }
    }
}

/// The tokens of a text, in order; joined they are the text. Takes time in proportion to its length.
#[derive(Debug, Clone)]
pub struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl<'t> Lexer<'t> {
    /// Over a text that begins on line 1.
    #[must_use]
    pub const fn new(text: &'t str) -> Self {
        Self::from_line(text, 1)
    }

    /// Over a part of a file that begins on this line.
    #[must_use]
    pub const fn from_line(text: &'t str, line: u32) -> Self {
        Self { text, at: 0, line }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn run(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !belongs(*byte)).map_or(bytes.len(), |length| from + length)
}

/// The end of a line comment: a carriage return ends it too.
fn line_comment(bytes: &[u8], from: usize) -> usize {
    run(bytes, from, |byte| byte != b'\n' && byte != b'\r')
}

fn block_comment(bytes: &[u8], from: usize) -> (usize, bool) {
    let mut depth = 0_usize;
    let mut at = from;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return (at, true);
                }
            }
            _ => at += 1,
        }
    }
    (bytes.len(), false)
}

/// The end of a quoted text that begins before `from`; a doubled quote does not end it.
fn quoted(bytes: &[u8], mut from: usize, quote: u8) -> (usize, bool) {
    while from < bytes.len() {
        if bytes[from] == quote {
            if bytes.get(from + 1) != Some(&quote) {
                return (from + 1, true);
            }
            from += 1;
        }
        from += 1;
    }
    (bytes.len(), false)
}

/// The end of an `E'...'` string: a backslash hides a quote, and the string goes on behind white space with a line
/// break in it, with the same rules.
fn escaped(bytes: &[u8], mut from: usize) -> (usize, bool) {
    while from < bytes.len() {
        match bytes[from] {
            b'\\' => from += 2,
            b'\'' if bytes.get(from + 1) == Some(&b'\'') => from += 2,
            b'\'' => match continuation(bytes, from + 1) {
                Some(next) => from = next,
                None => return (from + 1, true),
            },
            _ => from += 1,
        }
    }
    (bytes.len(), false)
}

/// Behind the quote that continues a string: white space and line comments, a line break among them, then a quote.
fn continuation(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut broken = false;
    loop {
        let end = run(bytes, at, is_space);
        broken |= bytes[at..end].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        at = end;
        if bytes[at..].starts_with(b"--") {
            at = line_comment(bytes, at);
        } else {
            return (broken && bytes.get(at) == Some(&b'\'')).then_some(at + 1);
        }
    }
}

/// The length of `$tag$` at the start.
fn dollar_tag(bytes: &[u8]) -> Option<usize> {
    let end = run(bytes, 1, |byte| starts_word(byte) || byte.is_ascii_digit());
    let legal = bytes.get(end) == Some(&b'$') && !bytes.get(1).is_some_and(u8::is_ascii_digit);
    legal.then_some(end + 1)
}

/// Digits, with a fraction's digits left to the next token and an exponent taken only where it is one.
fn number(bytes: &[u8], from: usize) -> usize {
    let end = run(bytes, from, |byte| byte.is_ascii_digit() || byte == b'_');
    let exponent = match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'e' | b'E'), Some(next)) if next.is_ascii_digit() => end + 1,
        (Some(b'e' | b'E'), Some(b'+' | b'-')) if bytes.get(end + 2).is_some_and(u8::is_ascii_digit) => end + 2,
        _ => return end,
    };
    run(bytes, exponent, |byte| byte.is_ascii_digit())
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        let first = *bytes.first()?;
        let second = bytes.get(1).copied();
        let (kind, end, closed) = match (first, second) {
            (byte, _) if is_space(byte) => (Kind::Space, run(bytes, 0, is_space), true),
            (b'-', Some(b'-')) => (Kind::Comment, line_comment(bytes, 0), true),
            (b'/', Some(b'*')) => {
                let (end, closed) = block_comment(bytes, 0);
                (Kind::Comment, end, closed)
            }
            (b'e' | b'E', Some(b'\'')) => {
                let (end, closed) = escaped(bytes, 2);
                (Kind::Text, end, closed)
            }
            (b'\'', _) => {
                let (end, closed) = quoted(bytes, 1, b'\'');
                (Kind::Text, end, closed)
            }
            (b'"', _) => {
                let (end, closed) = quoted(bytes, 1, b'"');
                (Kind::Quoted, end, closed)
            }
            (b'$', Some(next)) if next.is_ascii_digit() => {
                (Kind::Parameter, run(bytes, 1, |byte| byte.is_ascii_digit()), true)
            }
            (b'$', _) => match dollar_tag(bytes) {
                Some(tag) => match rest[tag..].find(&rest[..tag]) {
                    Some(length) => (Kind::Dollar, tag + length + tag, true),
                    None => (Kind::Dollar, bytes.len(), false),
                },
                None => (Kind::Symbol, 1, true),
            },
            (byte, _) if byte.is_ascii_digit() => (Kind::Number, number(bytes, 0), true),
            (byte, _) if starts_word(byte) => (Kind::Word, run(bytes, 0, continues_word), true),
            _ => (Kind::Symbol, 1, true),
        };
        // A backslash at the very end of an unclosed string can point one past it, or into a character.
        let mut end = end.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let token = Token { kind, text: &rest[..end], offset: self.at, line: self.line, closed };
        self.at += end;
        let breaks = token.text.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        Some(token)
    }
}

/// Follows tokens and says where statements end: at a semicolon outside of parentheses and of the body of an SQL
/// function (`BEGIN ATOMIC ... END`).
#[derive(Debug, Clone, Default)]
pub struct Statements {
    parentheses: u32,
    begins: u32,
    creates: bool,
    begun: bool,
    begin_before: bool,
}

impl Statements {
    /// Takes the next significant token; true where it is the semicolon that ends a statement.
    pub fn ends_with(&mut self, token: &Token<'_>) -> bool {
        match token.kind {
            Kind::Symbol => return self.symbol(token.text),
            Kind::Word => self.word(token),
            Kind::Space | Kind::Comment | Kind::Quoted | Kind::Text | Kind::Dollar | Kind::Number | Kind::Parameter => {
            }
        }
        self.begin_before = token.is("BEGIN");
        false
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.begin_before = false;
        match symbol {
            "(" => self.parentheses += 1,
            ")" => self.parentheses = self.parentheses.saturating_sub(1),
            ";" if self.parentheses == 0 && self.begins == 0 => {
                *self = Self::default();
                return true;
            }
            _ => {}
        }
        false
    }

    fn word(&mut self, token: &Token<'_>) {
        if !self.begun {
            self.begun = true;
            self.creates = token.is("CREATE");
        }
        let opens_body = self.creates && self.begin_before && token.is("ATOMIC");
        if opens_body || (self.begins > 0 && token.is("CASE")) {
            self.begins += 1;
        } else if self.begins > 0 && token.is("END") {
            self.begins -= 1;
        }
    }
}

#[cfg(test)]
mod tests;

//! Assignments of plain values in a Python file: `revision = "1a"`, `dependencies = [("shop", "0001_initial")]`. Nothing
//! is executed, and nothing but literals is understood; whatever else stands there is [`Value::Other`].

mod tokens;

use tokens::{Token, tokens};

/// A plain value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string; several in a row are one.
    Text(String),
    /// `None`.
    None,
    /// A tuple, list or set.
    List(Vec<Value>),
    /// Anything that is no plain value.
    Other,
}

impl Value {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None | Self::List(_) | Self::Other => None,
        }
    }

    /// The items of a list; a text alone is one item, `None` is none.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().filter_map(Self::text).collect(),
            Self::None | Self::Other => Vec::new(),
        }
    }

    /// The pairs of texts in a list.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        match self {
            Self::List(items) => items
                .iter()
                .filter_map(|item| match item.texts().as_slice() {
                    [first, second] => Some((*first, *second)),
                    _ => None,
                })
                .collect(),
            Self::Text(_) | Self::None | Self::Other => Vec::new(),
        }
    }
}

/// An assignment to one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The name.
    pub name: String,
    /// It stands at the left edge: a variable of the module, not of a class or function.
    pub top: bool,
    /// The value.
    pub value: Value,
}

/// All assignments to these names, in order.
pub(crate) fn assignments(text: &str, names: &[&str]) -> Vec<Assignment> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let (mut at, mut depth, mut fresh) = (0, 0_usize, true);
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Name(name, column) if fresh && depth == 0 && names.contains(&name.as_str()) => {
                if let Some(start) = value_start(&tokens, at + 1) {
                    let (value, end) = expression(&tokens, start, 0);
                    found.push(Assignment { name: name.clone(), top: *column == 0, value });
                    at = end.max(at + 1);
                    fresh = false;
                    continue;
                }
                fresh = false;
            }
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::End if depth == 0 => fresh = true,
            Token::Name(..)
            | Token::Text(_)
            | Token::Comma
            | Token::Equals
            | Token::Sign
            | Token::Colon
            | Token::End => {
                fresh = false;
            }
        }
        at += 1;
    }
    found
}

/// Where the value of an assignment starts: behind `=`, or behind an annotation and `=`.
fn value_start(tokens: &[Token], mut at: usize) -> Option<usize> {
    if tokens.get(at) == Some(&Token::Equals) {
        return Some(at + 1);
    }
    if tokens.get(at) != Some(&Token::Colon) {
        return None;
    }
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Equals if depth == 0 => return Some(at + 1),
            Token::End if depth == 0 => return None,
            Token::Name(..)
            | Token::Text(_)
            | Token::Comma
            | Token::Equals
            | Token::Sign
            | Token::Colon
            | Token::End => {}
        }
        at += 1;
    }
    None
}

/// Brackets deeper than this are no plain value.
const DEEPEST: usize = 16;

/// A value, and where it ends: at the comma, the closing bracket or the end of the line behind it.
fn expression(tokens: &[Token], mut at: usize, level: usize) -> (Value, usize) {
    let mut value = None;
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Comma | Token::Close if depth == 0 => break,
            Token::End if depth == 0 && level == 0 => break,
            Token::End => {}
            Token::Text(text) if depth == 0 => {
                value = Some(match value.take() {
                    None => Value::Text(text.clone()),
                    Some(Value::Text(before)) => Value::Text(before + text),
                    Some(_) => Value::Other,
                });
            }
            Token::Name(name, _) if depth == 0 && value.is_none() && name == "None" => value = Some(Value::None),
            Token::Open if depth == 0 && value.is_none() && level < DEEPEST => {
                let (items, end) = list(tokens, at + 1, level + 1);
                value = Some(items);
                at = end;
                continue;
            }
            Token::Open => {
                depth += 1;
                value = Some(Value::Other);
            }
            Token::Close => depth -= 1,
            // `[..] + other`: what stands there is a part of it; the part that is known counts.
            Token::Sign if matches!(value, Some(Value::List(_))) => {
                return (value.unwrap_or(Value::Other), skip(tokens, at, level));
            }
            Token::Name(..) | Token::Text(_) | Token::Comma | Token::Equals | Token::Sign | Token::Colon => {
                value = Some(Value::Other)
            }
        }
        at += 1;
    }
    (value.unwrap_or(Value::Other), at)
}

/// Behind the rest of an expression.
fn skip(tokens: &[Token], mut at: usize, level: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Comma | Token::Close if depth == 0 => break,
            Token::End if depth == 0 && level == 0 => break,
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Name(..)
            | Token::Text(_)
            | Token::Comma
            | Token::Equals
            | Token::Sign
            | Token::Colon
            | Token::End => {}
        }
        at += 1;
    }
    at
}

/// What brackets hold, from behind the opening one. A text alone in round brackets is read as a list of one, which
/// [`Value::texts`] makes the same of.
fn list(tokens: &[Token], mut at: usize, level: usize) -> (Value, usize) {
    let mut items = Vec::new();
    loop {
        while tokens.get(at) == Some(&Token::End) {
            at += 1;
        }
        match tokens.get(at) {
            None => return (Value::List(items), at),
            Some(Token::Close) => return (Value::List(items), at + 1),
            Some(Token::Comma) => at += 1,
            Some(
                Token::Name(..)
                | Token::Text(_)
                | Token::Open
                | Token::Equals
                | Token::Sign
                | Token::Colon
                | Token::End,
            ) => {
                let (value, end) = expression(tokens, at, level);
                items.push(value);
                at = end.max(at + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value {
        assignments(text, &["x"]).into_iter().next().map_or(Value::Other, |found| found.value)
    }

    #[test]
    fn plain_values_are_read() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(value("x = 'a'"), text("a"));
        assert_eq!(value("x = \"a\" 'b' # and a remark"), text("ab"));
        assert_eq!(value("x: Union[str, None] = 'a'\n"), text("a"));
        assert_eq!(value("x: str | None = None"), Value::None);
        assert_eq!(value("x = r'a\\b'"), text("a\\b"));
        assert_eq!(value("x = (\n  'a'\n  'b'\n)").texts(), ["ab"]);
        assert_eq!(value("x = '''a\n'b'''"), text("a\n'b"));
        assert_eq!(value("x = ('a', 'b',)").texts(), ["a", "b"]);
        assert_eq!(value("x = {'a'}").texts(), ["a"]);
        assert_eq!(value("x = [('a', '1'), # one\n  ('b', \"2\")]").pairs(), [("a", "1"), ("b", "2")]);
        assert_eq!(value("x = [('a', '1'), swappable(settings.USER), ('b', '2')]").pairs(), [("a", "1"), ("b", "2")]);
        assert_eq!(value("x = [('a', '1')] + more").pairs(), [("a", "1")]);
        assert_eq!(value("x = \\\n  'a'"), text("a"));
        assert_eq!(value("x = ()"), Value::List(vec![]));
    }

    #[test]
    fn nothing_else_is() {
        for other in ["x = f'a{b}'", "x = name", "x = call('a')", "x = 1", "x == 'a'", "y = x = 'a'", "# x = 'a'", ""] {
            assert_eq!(value(other), Value::Other, "{other}");
        }
        assert_eq!(assignments("'''\nx = 'a'\n'''\nf(x='b')\nx.y = 'c'", &["x"]), []);
    }

    #[test]
    fn a_variable_of_the_module_stands_at_the_edge() {
        let found = assignments("class A:\n    x = 'in'\n\nx = 'out'\n", &["x"]);
        assert_eq!(
            found.iter().map(|one| (one.top, one.value.text())).collect::<Vec<_>>(),
            [(false, Some("in")), (true, Some("out"))]
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(x|=|\"|'|\\(|\\)|\\[|\\]|,|\\\\|\n|#|:|é|'''| |r|f|None){0,40}") {
            assignments(&text, &["x"]);
        }

        #[test]
        fn what_python_would_write_is_read_back(items in prop::collection::vec("[a-zA-Z0-9_ '\"é-]{0,12}", 0..6)) {
            let written: Vec<String> =
                items.iter().map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            let read = value(&format!("x = [{}]", written.join(",\n   ")));
            prop_assert_eq!(read.texts(), items);
        }
    }
}

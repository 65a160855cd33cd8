//! Values into the texts of `assets/sql`, in psql's own notation, so that every file also runs in psql:
//! `:'name'` is a literal (set it there with `\set name value`).

use crate::model::ident::literal;

/// Puts values into a query's text. Each `:'name'` becomes the quoted literal of its value; nothing else is touched.
#[must_use]
pub fn bind(sql: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    // One pass from left to right: a value that itself holds `:'x'` is never looked at again.
    while let Some(start) = rest.find(":'") {
        let after = &rest[start + 2..];
        let found = after.split_once('\'').and_then(|(name, tail)| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (literal(value), tail))
        });
        match found {
            Some((value, tail)) => {
                out.push_str(&rest[..start]);
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push_str(&rest[..start + 2]);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Texts as the input of a `text[]`.
#[must_use]
pub fn text_array<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let quoted = |value: T| format!("\"{}\"", value.as_ref().replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", values.into_iter().map(quoted).collect::<Vec<_>>().join(","))
}

/// Oids as the input of an `oid[]`.
#[must_use]
pub fn oid_array(oids: &[u32]) -> String {
    format!("{{{}}}", oids.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
}

/// A pattern of the configuration (`%` is the wildcard, `_` is literal) as the operand of LIKE.
#[must_use]
pub fn like_pattern(pattern: &str) -> String {
    pattern.replace('\\', "\\\\").replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_and_are_not_bound_again() {
        let sql = bind("select :'a', :'b', :'a', x::text[]", &[("a", "it's :'b'"), ("b", "\\")]);
        assert_eq!(sql, "select 'it''s :''b''',  E'\\\\', 'it''s :''b''', x::text[]");
    }

    #[test]
    fn arrays_keep_quotes_and_backslashes() {
        assert_eq!(text_array(["a", "b\"c", "d\\e"]), "{\"a\",\"b\\\"c\",\"d\\\\e\"}");
        assert_eq!(oid_array(&[1, 22]), "{1,22}");
        assert_eq!(oid_array(&[]), "{}");
    }

    #[test]
    fn an_underscore_is_literal() {
        assert_eq!(like_pattern("tenant_%"), "tenant\\_%");
    }
}

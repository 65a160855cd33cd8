//! Queries that an operator wrote: one SELECT, judged from its text. Pure; `postgres::query` fences it in.

use crate::text::Untrusted;

/// The text of a query that is one SELECT and nothing else, without the semicolon behind it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn one_select(sql: &str) -> Result<&str, Untrusted> {
    let query = single_statement(sql)?;
    let word: String = query.code.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    if !matches!(word.to_ascii_lowercase().as_str(), "select" | "with" | "table" | "values") {
        return Err(Untrusted::new(format!("it must be a SELECT, and starts with \"{word}\"")));
    }
    Ok(query.text)
}

struct Statement<'a> {
    /// Without what follows its semicolon.
    text: &'a str,
    /// The same without comments and with empty literals.
    code: String,
}

/// Finds the end of the first statement, and refuses a second one and a parenthesis that closes too much.
fn single_statement(sql: &str) -> Result<Statement<'_>, Untrusted> {
    let mut code = String::new();
    let mut depth = 0_i32;
    let mut end = None;
    let mut rest = sql;
    while let Some(character) = rest.chars().next() {
        let skip = literal_or_comment(rest)?;
        if skip > 0 {
            if end.is_some() && !rest.starts_with("--") && !rest.starts_with("/*") {
                return Err(Untrusted::new("it must be one statement"));
            }
            code.push(' ');
            rest = &rest[skip..];
            continue;
        }
        match character {
            ';' if end.is_none() => end = Some(sql.len() - rest.len()),
            ';' => {}
            other if end.is_some() && !other.is_whitespace() => {
                return Err(Untrusted::new("it must be one statement"));
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return Err(Untrusted::new("a closing parenthesis has no opening one"));
        }
        code.push(if end.is_some() { ' ' } else { character });
        rest = &rest[character.len_utf8()..];
    }
    if depth != 0 {
        return Err(Untrusted::new("an opening parenthesis is not closed"));
    }
    if code.trim().is_empty() {
        return Err(Untrusted::new("it is empty"));
    }
    Ok(Statement { text: &sql[..end.unwrap_or(sql.len())], code })
}

/// Bytes of the literal, quoted name or comment that the text starts with; 0 where it starts with none.
fn literal_or_comment(text: &str) -> Result<usize, Untrusted> {
    let unfinished = |what: &str| Untrusted::new(format!("{what} is not closed"));
    if text.starts_with("--") {
        return Ok(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        let mut depth = 0;
        let mut at = 0;
        while at < text.len() {
            if text[at..].starts_with("/*") {
                depth += 1;
                at += 2;
            } else if text[at..].starts_with("*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        return Err(unfinished("a comment"));
    }
    let escapes = text.starts_with("e'") || text.starts_with("E'");
    let open = if escapes { 1 } else { 0 };
    if let Some(quote @ ('\'' | '"')) = text[open..].chars().next() {
        let mut characters = text.char_indices().skip(open + 1).peekable();
        while let Some((index, character)) = characters.next() {
            if escapes && character == '\\' {
                characters.next();
            } else if character == quote {
                if characters.peek().is_some_and(|(_, next)| *next == quote) {
                    characters.next();
                } else {
                    return Ok(index + 1);
                }
            }
        }
        return Err(unfinished(if quote == '"' { "a quoted name" } else { "a literal" }));
    }
    if let Some(rest) = text.strip_prefix('$') {
        let tag_end = rest.find('$').map(|index| index + 2);
        let is_tag = |tag: &str| {
            let name = &tag[1..tag.len() - 1];
            name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        if let Some(end) = tag_end.filter(|end| is_tag(&text[..*end])) {
            let tag = &text[..end];
            return text[end..].find(tag).map(|at| end + at + tag.len()).ok_or_else(|| unfinished("a dollar quote"));
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_select() {
        for good in [
            "select 1 as slug",
            " SELECT a from b; ",
            "with x as (select ';' as slug) select * from x -- done;",
            "select $$;$$ as slug, \"a;b\", E'\\';' /* ; /* nested ; */ */ ;\n-- end",
            "table tenants",
            "values ('a')",
            "(select 1)",
        ] {
            let verdict = one_select(good);
            assert_eq!(verdict.is_ok(), good != "(select 1)", "{good}: {verdict:?}");
        }
        for bad in [
            "",
            "-- nothing",
            "delete from tenants",
            "select 1; drop table x",
            "select 1) as a; drop table x; select * from (select 1",
            "select 'a",
            "select (1",
            "select /* 1",
            "select $x$ 1",
            "; select 1",
            "select 1; 'x'",
        ] {
            assert!(one_select(bad).is_err(), "{bad}");
        }
    }
}

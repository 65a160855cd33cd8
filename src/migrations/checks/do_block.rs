//! What a DO block runs: it is text to the server's parser and to the scan of a file, and it runs with the file. The body
//! of a function is not looked at: it runs when it is called, perhaps never here.

use super::Findings;
use super::rules::{Words, anywhere};
use crate::migrations::lexer::{Kind, Lexer, Token};

/// The text of a DO block.
#[derive(Debug)]
pub(super) struct Body {
    text: String,
    line: u32,
    is_plpgsql: bool,
}

/// The body of a DO statement; `None` for every other one.
pub(super) fn body(words: &Words<'_, '_>) -> Option<Body> {
    if !words.begins(&["DO"]) {
        return None;
    }
    let language = words.find(&["LANGUAGE"]).map(|at| at + 1);
    let is_text =
        |at: &usize| words.from(*at).first().is_some_and(|token| matches!(token.kind, Kind::Text | Kind::Dollar));
    let at = (1..words.len()).filter(|at| Some(*at) != language).find(is_text)?;
    let token = words.from(at).first()?;
    let name = language.and_then(|at| words.from(at).first()).map(|token| token.text.trim_matches('\''));
    let is_plpgsql = name.is_none_or(|name| name.eq_ignore_ascii_case("plpgsql"));
    Some(Body { text: token.string()?.into(), line: token.line, is_plpgsql })
}

/// Words of the language behind which a statement begins.
const BEFORE: [&str; 5] = ["BEGIN", "DECLARE", "THEN", "ELSE", "LOOP"];

/// The statements in a block, as far as its language is known; what they hold at any place is told here.
pub(super) fn statements<'b>(body: &'b Body, findings: &mut Findings) -> Vec<Vec<Token<'b>>> {
    if !body.is_plpgsql {
        let message = "a DO block in another language than plpgsql: what it does is not looked at";
        findings.warn("do-block", body.line, message);
        return Vec::new();
    }
    let mut statements: Vec<Vec<Token<'b>>> = vec![Vec::new()];
    let mut before: [Option<Token<'b>>; 2] = [None, None];
    for token in Lexer::from_line(&body.text, body.line).filter(Token::is_significant) {
        anywhere(before, &token, findings);
        before = [before[1], Some(token)];
        let begins = token.is_symbol(";") || BEFORE.iter().any(|word| token.is(word));
        match statements.last_mut() {
            Some(last) if !begins => last.push(token),
            Some(_) | None => statements.push(Vec::new()),
        }
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// COMMIT and ROLLBACK are statements of the language, too; the server refuses them inside a transaction.
pub(super) fn transaction_control(words: &Words<'_, '_>, findings: &mut Findings) {
    for word in ["COMMIT", "ROLLBACK"] {
        if words.begins(&[word]) {
            let message =
                format!("{word} in a DO block: the server refuses it inside the transaction of a migration (2D000)");
            findings.refuse("transaction-control", words.line(), &message);
        }
    }
}

use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> Vec<(Kind, &str)> {
    Lexer::new(text).filter(Token::is_significant).map(|token| (token.kind, token.text)).collect()
}

/// The statements of a text, as their words.
fn statements(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut statements = Statements::default();
    for token in Lexer::new(text).filter(Token::is_significant) {
        if statements.ends_with(&token) {
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push_str(token.text);
        }
    }
    found.retain(|statement| !statement.is_empty());
    found
}

#[test]
fn strings_end_where_the_server_ends_them() {
    assert_eq!(kinds("'a''b;' x"), [(Kind::Text, "'a''b;'"), (Kind::Word, "x")]);
    assert_eq!(kinds(r"'a\' x"), [(Kind::Text, r"'a\'"), (Kind::Word, "x")]);
    assert_eq!(kinds(r"E'a\'b' x"), [(Kind::Text, r"E'a\'b'"), (Kind::Word, "x")]);
    assert_eq!(kinds(r"typee'a\' x"), [(Kind::Word, "typee"), (Kind::Text, r"'a\'"), (Kind::Word, "x")]);
    assert_eq!(kinds("\"a\"\";b\".c"), [(Kind::Quoted, "\"a\"\";b\""), (Kind::Symbol, "."), (Kind::Word, "c")]);
}

#[test]
fn an_escape_string_goes_on_behind_a_line_break() {
    assert_eq!(kinds("E'a'\n'b\\';' x").first(), Some(&(Kind::Text, "E'a'\n'b\\';'")));
    assert_eq!(kinds("E'a' -- note\n'b\\'c' x").first(), Some(&(Kind::Text, "E'a' -- note\n'b\\'c'")));
    assert_eq!(kinds("E'a' 'b\\' x").len(), 3, "without a line break it does not");
}

#[test]
fn dollar_quotes_have_tags_and_do_not_begin_inside_words() {
    assert_eq!(kinds("$a$ ; $$ ' $a$ x"), [(Kind::Dollar, "$a$ ; $$ ' $a$"), (Kind::Word, "x")]);
    assert_eq!(kinds("a$b$c"), [(Kind::Word, "a$b$c")]);
    assert_eq!(kinds("$1;$2"), [(Kind::Parameter, "$1"), (Kind::Symbol, ";"), (Kind::Parameter, "$2")]);
    assert_eq!(kinds("$é$;$é$").len(), 1);
    assert!(!Lexer::new("$$ never").next().is_some_and(|token| token.closed));
}

#[test]
fn comments_nest_and_a_carriage_return_ends_a_line_comment() {
    assert_eq!(kinds("/* a /* b */ ; */ x"), [(Kind::Word, "x")]);
    assert_eq!(kinds("-- a\rcommit"), [(Kind::Word, "commit")]);
    assert_eq!(kinds("1--2\n3"), [(Kind::Number, "1"), (Kind::Number, "3")]);
    assert_eq!(kinds("1E'\\''"), [(Kind::Number, "1"), (Kind::Text, "E'\\''")]);
    assert_eq!(kinds("1e5 1.5e-3").len(), 4);
}

#[test]
fn statements_end_outside_of_parentheses_and_sql_bodies() {
    assert_eq!(statements("select 1; ;select 2"), ["select1", "select2"]);
    assert_eq!(statements("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
    let body = "create or replace function f() returns int language sql begin atomic select case when true then 1 end; \
                select 2; end; commit";
    assert_eq!(statements(body).last().map(String::as_str), Some("commit"));
    assert_eq!(statements(body).len(), 2);
    assert_eq!(statements("begin; atomic; commit").len(), 3, "only a function has such a body");
}

#[test]
fn lines_are_counted_through_every_kind_of_token() {
    let text = "select 'a\nb';\n/*\n*/ $$\n$$ x";
    let last = Lexer::new(text).last().map(|token| (token.text, token.line));
    assert_eq!(last, Some(("x", 5)));
}

fn fragments() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "\"",
        "$$",
        "$a$",
        "$a",
        "E'",
        "e'",
        "U&'",
        "\\",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        ";",
        "(",
        ")",
        "begin",
        "atomic",
        "create",
        "end",
        "case",
        "é",
        "\u{1f600}",
        "1",
        "e5",
        ".",
        " ",
        "\0",
        "x",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_tokens_joined_are_the_input(text in prop_oneof![any::<String>(), fragments()]) {
        let tokens: Vec<Token<'_>> = Lexer::new(&text).collect();
        let joined: String = tokens.iter().map(|token| token.text).collect();
        prop_assert_eq!(&joined, &text);
        for token in &tokens {
            prop_assert!(!token.text.is_empty());
            prop_assert_eq!(&text[token.offset..token.offset + token.text.len()], token.text);
            let before = text[..token.offset].matches('\n').count();
            prop_assert_eq!(token.line as usize, before + 1);
        }
    }
}

#[test]
fn a_large_input_takes_time_in_proportion() {
    // Inputs on which a scanner that looks ahead again and again takes the square of their length: hours for each.
    for unit in ["E'a'\n", "E'a' --\n", "/* ", "$a$", "$a", "'a' ", "\\", "$", "-- x\n", "e'"] {
        let text = unit.repeat(500_000);
        let start = std::time::Instant::now();
        for (number, token) in Lexer::new(&text).enumerate() {
            assert!(!token.text.is_empty());
            assert!(number % 1_000 != 0 || start.elapsed().as_secs() < 60, "{unit:?}: {number} tokens in a minute");
        }
    }
}

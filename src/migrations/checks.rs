//! What plan time says of a file before anything runs: refusals and warnings, each with its line.
//!
//! Refused is what breaks the one transaction of a step or leaves the tenant's schema: a file cannot do that by mistake
//! any more, and `allow` lifts one rule for one old file. Warned is what is legal and may hurt. What hides from a scan
//! (a function's body, text that is executed) the guard after a step catches.

mod do_block;
mod outside;
mod rules;
mod weight;

use std::collections::HashMap;
use std::path::Path;

use super::alone;
use super::folder::{Finding, Statement};
use super::lexer::{Kind, Lexer, Statements, Token};
use rules::Judge;

/// Tokens of one statement that the rules look at; behind that come only values of a long INSERT.
const MOST_TOKENS: usize = 4_096;

/// Findings of one rule in one file that are told one by one.
const MOST_OF_ONE_RULE: usize = 5;

/// Rules whose findings say that a file changes or locks what all tenants share.
pub const SHARED: [&str; 2] = ["shared-object", "public-table"];

/// A migration that is a program of its tool's language, in a folder whose other files are run here.
#[must_use]
pub fn code(path: &Path) -> Finding {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Finding {
        rule: "code",
        refuses: true,
        line: 1,
        message: format!("a .{ending} migration is a program: apply it with the application's own tool").into(),
    }
}

/// The findings of a file that is cut into these pieces, in the order of the file.
#[must_use]
pub fn check(text: &str, pieces: &[Statement], transactional: bool) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(at) = text.find('\0') {
        let line = 1 + text[..at].bytes().filter(|byte| *byte == b'\n').count();
        findings.add(
            "nul",
            true,
            u32::try_from(line).unwrap_or(u32::MAX),
            "a NUL character: PostgreSQL's protocol ends the text there",
        );
    }
    if text.starts_with('\u{feff}') {
        findings.add("byte-order-mark", false, 1, "begins with a byte-order mark, which is not sent to the server");
    }
    if pieces.is_empty() {
        findings.add("empty", false, 1, "there is nothing to run in it");
    }
    let mut judge = Judge::new(transactional);
    for piece in pieces {
        check_piece(piece, &mut judge, &mut findings);
    }
    judge.end_of_file(&mut findings);
    if !transactional && let Err(unfit) = alone::judge(pieces) {
        findings.refuse(unfit.rule, unfit.line, &unfit.message);
    }
    findings.finish()
}

fn check_piece(piece: &Statement, judge: &mut Judge, findings: &mut Findings) {
    let mut statement: Vec<Token<'_>> = Vec::new();
    let mut statements = Statements::default();
    // The two tokens before, for what may stand anywhere in a statement of any length.
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    for token in Lexer::from_line(&piece.sql, piece.line) {
        if !token.closed {
            let what = if token.kind == Kind::Comment { "comment" } else { "quoted text" };
            findings.add("unclosed", true, token.line, &format!("a {what} that begins here is never closed"));
        }
        if !token.is_significant() {
            continue;
        }
        rules::anywhere(before, &token, findings);
        before = [before[1], Some(token)];
        if statements.ends_with(&token) {
            judge.statement(&statement, findings);
            statement.clear();
        } else if statement.len() < MOST_TOKENS {
            statement.push(token);
        }
    }
    judge.statement(&statement, findings);
}

/// Findings as they are collected.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<Finding>,
    counts: HashMap<&'static str, usize>,
}

impl Findings {
    fn add(&mut self, rule: &'static str, refuses: bool, line: u32, message: &str) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= MOST_OF_ONE_RULE {
            self.found.push(Finding { rule, refuses, line, message: message.into() });
        }
    }

    fn refuse(&mut self, rule: &'static str, line: u32, message: &str) {
        self.add(rule, true, line, message);
    }

    fn warn(&mut self, rule: &'static str, line: u32, message: &str) {
        self.add(rule, false, line, message);
    }

    /// In the order of lines; of a rule that is broken very often, the first few and how often.
    fn finish(mut self) -> Vec<Finding> {
        for (rule, count) in &self.counts {
            if let Some(more) = count.checked_sub(MOST_OF_ONE_RULE).filter(|more| *more > 0)
                && let Some(last) = self.found.iter_mut().rev().find(|finding| finding.rule == *rule)
            {
                last.message = format!("{} (and {more} more of this kind)", last.message.raw()).into();
            }
        }
        self.found.sort_by(|a, b| (a.line, a.rule).cmp(&(b.line, b.rule)));
        self.found
    }
}

#[cfg(test)]
mod tests;

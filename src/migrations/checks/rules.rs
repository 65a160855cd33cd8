//! The rules themselves, a statement at a time.

use std::collections::HashSet;

use super::{Findings, do_block, outside, weight};
use crate::migrations::lexer::{Kind, Token};

/// Judges the statements of one file, in order.
pub(super) struct Judge {
    /// The file runs inside one transaction.
    transactional: bool,
    statements: usize,
    /// Tables that the file itself makes: they are empty, and nobody else sees them yet.
    made: HashSet<String>,
    enum_value_line: Option<u32>,
}

/// A statement as the rules see it: significant tokens without the semicolon.
pub(super) struct Words<'s, 't> {
    tokens: &'s [Token<'t>],
}

impl<'t> Words<'_, 't> {
    pub(super) fn line(&self) -> u32 {
        self.tokens.first().map_or(1, |token| token.line)
    }

    /// Whether it begins with these keywords.
    pub(super) fn begins(&self, keywords: &[&str]) -> bool {
        self.at(0, keywords)
    }

    pub(super) fn at(&self, index: usize, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .enumerate()
            .all(|(n, keyword)| self.tokens.get(index + n).is_some_and(|token| token.is(keyword)))
    }

    pub(super) fn find(&self, keywords: &[&str]) -> Option<usize> {
        (0..self.tokens.len()).find(|index| self.at(*index, keywords))
    }

    pub(super) fn has(&self, keywords: &[&str]) -> bool {
        self.find(keywords).is_some()
    }

    /// The index behind these words, each of which may be absent.
    pub(super) fn skip(&self, mut index: usize, optional: &[&[&str]]) -> usize {
        for words in optional {
            if self.at(index, words) {
                index += words.len();
            }
        }
        index
    }

    /// The name at an index, with its schema where it has one, folded.
    pub(super) fn name(&self, index: usize) -> Option<String> {
        let first = self.tokens.get(index)?.identifier()?;
        match (self.tokens.get(index + 1), self.tokens.get(index + 2).and_then(Token::identifier)) {
            (Some(dot), Some(second)) if dot.is_symbol(".") => Some(format!("{first}.{second}")),
            _ => Some(first),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// What comes from an index on.
    pub(super) fn from(&self, index: usize) -> &[Token<'t>] {
        self.tokens.get(index..).unwrap_or_default()
    }

    /// The parts between top-level commas from an index on: the actions of ALTER TABLE.
    fn parts(&self, from: usize) -> Vec<Words<'_, 't>> {
        let rest = self.tokens.get(from..).unwrap_or_default();
        let mut depth = 0_usize;
        rest.split(|token| {
            if token.is_symbol("(") {
                depth += 1;
            } else if token.is_symbol(")") {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.is_symbol(",")
        })
        .map(|tokens| Words { tokens })
        .collect()
    }
}

/// Rules that look at two or three tokens wherever they stand.
pub(super) fn anywhere(before: [Option<Token<'_>>; 2], token: &Token<'_>, findings: &mut Findings) {
    let line = token.line;
    if token.is_symbol("\\") {
        findings.refuse("backslash", line, "a psql command (backslash): the server does not know it");
    }
    if let Kind::Text | Kind::Dollar = token.kind
        && let [Some(function), Some(open)] = before
        && open.is_symbol("(")
        && function.identifier().as_deref() == Some("set_config")
        && let Some(name) = token.string()
    {
        match name.trim().to_ascii_lowercase().as_str() {
            "search_path" => findings.refuse("search-path", line, SEARCH_PATH),
            "role" | "session_authorization" => findings.refuse("role", line, ROLE),
            _ => {}
        }
    }
    if token.is_symbol("(")
        && let [_, Some(function)] = before
        && let Some(name) = function.identifier()
    {
        called(&name, function.line, findings);
    }
    if token.is_symbol(".")
        && let [Some(verb), Some(schema)] = before
        && NAMES_A_TABLE.iter().any(|word| verb.is(word))
        && let Some(name) = schema.identifier()
        && !["public", "pg_catalog", "information_schema", "pg_temp"].contains(&name.as_str())
    {
        let message = format!("names an object in the schema {name}: the same one for every tenant");
        findings.warn("other-schema", schema.line, &message);
    }
    if token.is_symbol(".")
        && let [_, Some(schema)] = before
        && schema.identifier().as_deref() == Some("public")
    {
        // A type or a function of public is only looked up. A table is read, locked or changed.
        let verb = |words: &[&str]| before[0].is_some_and(|token| words.iter().any(|word| token.is(word)));
        let (rule, message) = if verb(&["REFERENCES"]) {
            let words =
                "references a table in public: whoever writes to it waits while this runs. One tenant at a time";
            ("public-table", words)
        } else if verb(&RELATION) {
            let words = "names an object in public, which all tenants share: this runs once for each tenant, one tenant \
                         at a time";
            ("public-table", words)
        } else {
            ("public-object", "names an object in public, which all tenants share")
        };
        findings.warn(rule, schema.line, message);
    }
}

/// Words behind which a name with a dot is a table, never a column of one.
const NAMES_A_TABLE: [&str; 10] =
    ["TABLE", "INTO", "UPDATE", "JOIN", "REFERENCES", "ONLY", "EXISTS", "VIEW", "SEQUENCE", "TRUNCATE"];

/// Functions that reach out of the transaction, or wait for others.
fn called(name: &str, line: u32, findings: &mut Findings) {
    match name {
        "dblink" | "dblink_exec" | "dblink_connect" | "dblink_send_query" => {
            let message = "works over a connection of its own: what it does there is not rolled back with this file";
            findings.warn("other-connection", line, message);
        }
        "pg_advisory_lock" | "pg_advisory_lock_shared" | "pg_advisory_xact_lock" | "pg_advisory_xact_lock_shared" => {
            let message = "waits for an advisory lock: tenants wait for one another, or for the application";
            findings.warn("advisory-lock", line, message);
        }
        "pg_terminate_backend" | "pg_cancel_backend" => {
            findings.warn("other-connection", line, "ends what others do");
        }
        _ => {}
    }
}

/// Words that stand before the name of a relation, or of an object that is changed.
const RELATION: [&str; 14] = [
    "TABLE", "INTO", "UPDATE", "FROM", "JOIN", "ON", "ONLY", "EXISTS", "VIEW", "SEQUENCE", "INDEX", "TRUNCATE", "COPY",
    "USING",
];

const SEARCH_PATH: &str = "changes search_path: what follows would run in another schema than the tenant's";
const ROLE: &str = "changes the role: what follows would run, and own what it makes, as another";

impl Judge {
    pub(super) fn new(transactional: bool) -> Self {
        Self { transactional, statements: 0, made: HashSet::new(), enum_value_line: None }
    }

    pub(super) fn statement(&mut self, tokens: &[Token<'_>], findings: &mut Findings) {
        if tokens.is_empty() {
            return;
        }
        let words = Words { tokens };
        self.statements += 1;
        if let Some(body) = do_block::body(&words) {
            return self.block(&body, findings);
        }
        transaction_control(&words, findings);
        session(&words, findings);
        copy(&words, findings);
        extension(&words, findings);
        outside::shared_object(&words, findings);
        outside::owner(&words, findings);
        if self.transactional {
            outside::not_in_a_transaction(&words, findings);
        }
        self.objects(&words, findings);
        weight::statement(&words, &self.made, findings);
        if words.begins(&["ALTER", "TYPE"]) && words.has(&["ADD", "VALUE"]) {
            self.enum_value_line = Some(words.line());
        }
    }

    pub(super) fn end_of_file(&self, findings: &mut Findings) {
        if let Some(line) = self.enum_value_line
            && self.transactional
            && self.statements > 1
        {
            let message = "a value added to a type cannot be used before this transaction is committed (55P04)";
            findings.warn("enum-value", line, message);
        }
    }

    /// What a DO block runs, as if it stood in the file: only the block's own words are no transaction control.
    fn block(&mut self, body: &do_block::Body, findings: &mut Findings) {
        for tokens in do_block::statements(body, findings) {
            let words = Words { tokens: &tokens };
            // Alone, outside of a transaction, a block may commit: so rows are changed batch by batch.
            if self.transactional {
                do_block::transaction_control(&words, findings);
            }
            session(&words, findings);
            extension(&words, findings);
            outside::shared_object(&words, findings);
            outside::owner(&words, findings);
            self.objects(&words, findings);
            weight::statement(&words, &self.made, findings);
        }
    }

    fn objects(&mut self, words: &Words<'_, '_>, findings: &mut Findings) {
        let line = words.line();
        if words.begins(&["CREATE"]) {
            self.create(words, findings);
        } else if words.begins(&["ALTER", "TABLE"]) {
            self.alter_table(words, findings);
        } else if words.begins(&["DROP", "TABLE"]) {
            findings.warn("drop-table", line, "drops a table with its rows");
        } else if words.begins(&["DROP", "SCHEMA"]) {
            findings.warn("drop-schema", line, "drops a schema with all that is in it");
        } else if words.begins(&["TRUNCATE"]) {
            findings.warn("truncate", line, "deletes all rows of a table");
        } else if words.begins(&["GRANT"]) || words.begins(&["REVOKE"]) {
            if !outside::grants_shared(words) {
                findings.warn("grant", line, "changes privileges");
            }
        } else if words.begins(&["ALTER", "DEFAULT", "PRIVILEGES"]) {
            findings.warn("grant", line, "changes default privileges, of objects that this role makes later only");
        }
    }

    fn create(&mut self, words: &Words<'_, '_>, findings: &mut Findings) {
        let table = words.skip(1, &[&["UNLOGGED"], &["TEMP"], &["TEMPORARY"]]);
        if words.at(table, &["TABLE"]) {
            let name = words.skip(table + 1, &[&["IF", "NOT", "EXISTS"]]);
            self.made.extend(words.name(name));
            return;
        }
        let index = words.skip(1, &[&["UNIQUE"]]);
        if !words.at(index, &["INDEX"]) || words.at(index + 1, &["CONCURRENTLY"]) {
            return;
        }
        let on = words.find(&["ON"]).map(|on| words.skip(on + 1, &[&["ONLY"]])).and_then(|at| words.name(at));
        let Some(table) = on else { return };
        if !self.made.contains(&table) {
            let message = format!("makes an index on {table}: writes to the table wait until it is done");
            findings.warn("blocking-index", words.line(), &message);
        }
    }

    fn alter_table(&self, words: &Words<'_, '_>, findings: &mut Findings) {
        let name = words.skip(2, &[&["IF", "EXISTS"], &["ONLY"]]);
        let Some(table) = words.name(name) else { return };
        let actions = if table.contains('.') { name + 3 } else { name + 1 };
        let is_new = self.made.contains(&table);
        for action in words.parts(actions) {
            let line = action.line();
            if action.begins(&["DROP", "CONSTRAINT"]) {
                continue;
            }
            if action.begins(&["DROP"]) {
                findings.warn("drop-column", line, &format!("drops a column of {table} with its values"));
            }
            if is_new {
                continue;
            }
            weight::action(&action, &table, findings);
        }
    }
}

fn transaction_control(words: &Words<'_, '_>, findings: &mut Findings) {
    const SINGLE: [&str; 8] = ["BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "START"];
    let found = SINGLE.into_iter().find(|word| words.begins(&[word])).or_else(|| {
        if words.begins(&["PREPARE", "TRANSACTION"]) {
            Some("PREPARE TRANSACTION")
        } else if words.begins(&["SET", "TRANSACTION"]) || words.begins(&["SET", "SESSION", "CHARACTERISTICS"]) {
            Some("SET TRANSACTION")
        } else {
            None
        }
    });
    if let Some(word) = found {
        let message = format!("{word}: a migration and its ledger row are one transaction, which this would break");
        findings.refuse("transaction-control", words.line(), &message);
    }
}

fn session(words: &Words<'_, '_>, findings: &mut Findings) {
    let line = words.line();
    if words.begins(&["DISCARD"]) || words.begins(&["RESET", "ALL"]) {
        findings.refuse("reset", line, "resets the session: the step's limits and the tenant's schema would be lost");
    } else if words.begins(&["SET"]) || words.begins(&["RESET"]) {
        let is_reset = words.begins(&["RESET"]);
        let is_local = words.at(1, &["LOCAL"]);
        let name = words.skip(1, &[&["LOCAL"], &["SESSION"]]);
        let is_role = words.at(name, &["ROLE"])
            || words.at(name, &["AUTHORIZATION"])
            || words.at(1, &["SESSION", "AUTHORIZATION"]);
        match words.name(name).as_deref() {
            _ if is_role => findings.refuse("role", line, ROLE),
            Some("role" | "session_authorization") => findings.refuse("role", line, ROLE),
            Some("session_replication_role") => {
                findings.warn("trigger", line, "turns off triggers and foreign keys for what follows");
            }
            Some("search_path") => findings.refuse("search-path", line, SEARCH_PATH),
            Some("schema") if !is_reset => findings.refuse("search-path", line, SEARCH_PATH),
            // Checked or not at the end of the transaction: no setting of the session.
            Some("constraints" | "transaction") => {}
            Some(setting) if !is_local => {
                let message = format!("sets {setting} for the whole session, later steps included: write SET LOCAL");
                findings.warn("session-setting", line, &message);
            }
            Some(_) | None => {}
        }
    }
}

fn copy(words: &Words<'_, '_>, findings: &mut Findings) {
    if !words.begins(&["COPY"]) {
        return;
    }
    if words.has(&["FROM", "STDIN"]) || words.has(&["TO", "STDOUT"]) {
        let message = "COPY through the client: rows do not come with a migration's statements; use INSERT";
        findings.refuse("copy-stdin", words.line(), message);
    }
}

fn extension(words: &Words<'_, '_>, findings: &mut Findings) {
    if words.begins(&["CREATE", "EXTENSION"]) && !words.has(&["SCHEMA"]) {
        let message = "CREATE EXTENSION puts the extension into the first tenant's schema, and dropping that tenant drops \
                       it for all: name a shared schema (WITH SCHEMA extensions)";
        findings.refuse("extension", words.line(), message);
    } else if words.begins(&["DROP", "EXTENSION"]) || words.begins(&["ALTER", "EXTENSION"]) {
        let message = "an extension belongs to the whole database: change it once, not for each tenant";
        findings.refuse("extension", words.line(), message);
    }
}

//! What a file without a transaction runs: one statement, and how it is seen afterwards whether its work is done.
//!
//! Pure. A statement that PostgreSQL runs inside a transaction as well needs no file without one: it is run in its
//! step's transaction, where nothing can be left in doubt, whatever the file's mark says.

use super::folder::{MigrationFile, Statement};
use super::lexer::{Lexer, Statements, Token};
use crate::model::ident::Ident;

/// Tokens that are looked at: names stand in front, expressions and values behind.
const MOST_TOKENS: usize = 512;

/// A statement that runs alone, outside of any transaction block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alone {
    /// CREATE INDEX CONCURRENTLY.
    MakeIndex {
        /// The index.
        index: Ident,
        /// Its table, in the tenant's schema.
        table: Ident,
        /// An index of that name may be there already.
        if_not_exists: bool,
    },
    /// DROP INDEX CONCURRENTLY.
    DropIndex {
        /// The index.
        index: Ident,
        /// It may be gone already.
        if_exists: bool,
    },
    /// REINDEX of one index or the indexes of one table. It can be run again.
    Reindex {
        /// The index or the table.
        relation: Ident,
        /// CONCURRENTLY: an interrupted run leaves invalid indexes behind.
        concurrently: bool,
    },
    /// ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY.
    Detach {
        /// The partitioned table.
        table: Ident,
        /// The partition.
        partition: Ident,
    },
    /// VACUUM of tables. It can be run again.
    Vacuum {
        /// FULL: it keeps readers out while it runs.
        full: bool,
    },
    /// CALL and DO, which may commit on their own: nothing tells afterwards how far they came.
    Unprobed,
}

impl Alone {
    /// Whether its waiting for locks keeps nobody else out: it then may wait longer than `lock_timeout` says.
    #[must_use]
    pub const fn waits_harmlessly(&self) -> bool {
        match self {
            Self::MakeIndex { .. } | Self::DropIndex { .. } | Self::Detach { .. } => true,
            Self::Reindex { concurrently, .. } => *concurrently,
            Self::Vacuum { full } => !*full,
            Self::Unprobed => false,
        }
    }

    /// Whether nothing tells afterwards if its work was done.
    #[must_use]
    pub const fn leaves_doubt(&self) -> bool {
        match self {
            Self::Unprobed => true,
            Self::MakeIndex { .. }
            | Self::DropIndex { .. }
            | Self::Reindex { .. }
            | Self::Detach { .. }
            | Self::Vacuum { .. } => false,
        }
    }
}

/// Why a file without a transaction is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The rule's word.
    pub rule: &'static str,
    /// 1 for the first line of the file.
    pub line: u32,
    /// What is wrong and what to do.
    pub message: String,
}

/// How a file is run: alone, or `None` for within its step's transaction.
///
/// # Errors
/// When it is marked to run without a transaction and cannot be run so.
pub fn of(file: &MigrationFile) -> Result<Option<Alone>, Unfit> {
    if file.transactional { Ok(None) } else { judge(&file.statements) }
}

/// As [`of`], of the pieces of a file that is marked to run without a transaction.
///
/// # Errors
/// As [`of`].
pub fn judge(pieces: &[Statement]) -> Result<Option<Alone>, Unfit> {
    let mut found: Vec<Vec<Token<'_>>> = Vec::new();
    for piece in pieces {
        let mut ends = Statements::default();
        let mut statement: Vec<Token<'_>> = Vec::new();
        for token in Lexer::from_line(&piece.sql, piece.line).filter(Token::is_significant) {
            if ends.ends_with(&token) {
                found.push(std::mem::take(&mut statement));
            } else if statement.len() < MOST_TOKENS {
                statement.push(token);
            }
        }
        found.push(statement);
        found.retain(|statement| !statement.is_empty());
        if found.len() > 1 {
            break;
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Reader { tokens: one, at: 0 }.statement(),
        [first, ..] => Err(Unfit {
            rule: "one-statement",
            line: first.first().map_or(1, |token| token.line),
            message: "runs outside of a transaction and has several statements: a failure would leave half of it. \
                      Put each statement into a file of its own"
                .to_owned(),
        }),
    }
}

/// Goes through the tokens of one statement.
struct Reader<'s, 't> {
    tokens: &'s [Token<'t>],
    at: usize,
}

impl Reader<'_, '_> {
    fn unfit(&self, rule: &'static str, message: impl Into<String>) -> Unfit {
        Unfit { rule, line: self.tokens.first().map_or(1, |token| token.line), message: message.into() }
    }

    fn sees(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(n, word)| self.tokens.get(self.at + n).is_some_and(|token| token.is(word)))
    }

    fn take(&mut self, keywords: &[&str]) -> bool {
        let sees = self.sees(keywords);
        if sees {
            self.at += keywords.len();
        }
        sees
    }

    fn has(&self, keyword: &str) -> bool {
        self.tokens.iter().any(|token| token.is(keyword))
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// A parenthesised list of options; whether one of them is this word.
    fn options(&mut self, wanted: &str) -> bool {
        if !self.tokens.get(self.at).is_some_and(|token| token.is_symbol("(")) {
            return false;
        }
        let mut found = false;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            found |= token.is(wanted);
            if token.is_symbol(")") {
                break;
            }
        }
        found
    }

    /// A name of the tenant's own schema: one without a schema in front.
    fn name(&mut self) -> Result<Ident, Unfit> {
        let unreadable =
            "the name in it cannot be read here: write it plainly or in double quotes, in at most 63 bytes";
        let name = self.tokens.get(self.at).and_then(Token::identifier);
        let name = name.and_then(|name| Ident::new(&name).ok()).ok_or_else(|| self.unfit("alone", unreadable))?;
        self.at += 1;
        if self.tokens.get(self.at).is_some_and(|token| token.is_symbol(".")) {
            let message = "names a schema: outside of a transaction only what is in the tenant's own schema is changed. \
                           Leave the schema out, or run the statement once by hand";
            return Err(self.unfit("alone", message));
        }
        Ok(name)
    }

    fn statement(mut self) -> Result<Option<Alone>, Unfit> {
        if self.take(&["CREATE"]) {
            self.take(&["UNIQUE"]);
            if self.take(&["INDEX", "CONCURRENTLY"]) {
                return self.make_index().map(Some);
            }
        } else if self.take(&["DROP", "INDEX", "CONCURRENTLY"]) {
            let if_exists = self.take(&["IF", "EXISTS"]);
            return Ok(Some(Alone::DropIndex { index: self.name()?, if_exists }));
        } else if self.take(&["REINDEX"]) {
            return self.reindex().map(Some);
        } else if self.take(&["VACUUM"]) {
            return self.vacuum().map(Some);
        } else if self.sees(&["ALTER", "TABLE"]) && self.has("DETACH") && self.has("CONCURRENTLY") {
            return self.detach().map(Some);
        } else if self.sees(&["CALL"]) || self.sees(&["DO"]) {
            return Ok(Some(Alone::Unprobed));
        }
        self.at = 0;
        self.whole_server()?;
        Ok(None)
    }

    fn make_index(&mut self) -> Result<Alone, Unfit> {
        let if_not_exists = self.take(&["IF", "NOT", "EXISTS"]);
        if self.sees(&["ON"]) {
            let message = "an index that is made CONCURRENTLY needs a name: without one nobody can say after a lost \
                           session whether it is there";
            return Err(self.unfit("unnamed-index", message));
        }
        let index = self.name()?;
        if !self.take(&["ON"]) {
            return Err(self.unfit("alone", "no ON behind the index's name: the statement cannot be read here"));
        }
        self.take(&["ONLY"]);
        Ok(Alone::MakeIndex { index, table: self.name()?, if_not_exists })
    }

    fn reindex(&mut self) -> Result<Alone, Unfit> {
        let optional = self.options("CONCURRENTLY");
        if !self.take(&["INDEX"]) && !self.take(&["TABLE"]) {
            let message = "reindexes more than one tenant's table: run it once by hand, not for each tenant";
            return Err(self.unfit("alone", message));
        }
        let concurrently = self.take(&["CONCURRENTLY"]) || optional;
        Ok(Alone::Reindex { relation: self.name()?, concurrently })
    }

    fn vacuum(&mut self) -> Result<Alone, Unfit> {
        let mut full = self.options("FULL");
        loop {
            if self.take(&["FULL"]) {
                full = true;
            } else if !["FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"].iter().any(|word| self.take(&[word])) {
                break;
            }
        }
        if self.is_at_end() {
            let message = "VACUUM without a table works on the whole database, once for each tenant: name the table";
            return Err(self.unfit("alone", message));
        }
        self.name()?;
        Ok(Alone::Vacuum { full })
    }

    fn detach(&mut self) -> Result<Alone, Unfit> {
        self.take(&["ALTER", "TABLE"]);
        self.take(&["IF", "EXISTS"]);
        let table = self.name()?;
        if !self.take(&["DETACH", "PARTITION"]) {
            return Err(self.unfit("alone", "the statement cannot be read here: DETACH PARTITION alone is"));
        }
        Ok(Alone::Detach { table, partition: self.name()? })
    }

    /// What belongs to no tenant.
    fn whole_server(&self) -> Result<(), Unfit> {
        let objects = ["DATABASE", "TABLESPACE", "SUBSCRIPTION", "SYSTEM"];
        let verbs = ["CREATE", "ALTER", "DROP"];
        let changes = verbs.iter().any(|verb| objects.iter().any(|object| self.sees(&[verb, object])));
        if changes || (self.sees(&["CLUSTER"]) && self.tokens.len() == 1) {
            let message = "works on the whole database or server: run it once by hand, not for each tenant";
            return Err(self.unfit("alone", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::split;

    fn ident(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    fn read(sql: &str) -> Result<Option<Alone>, &'static str> {
        judge(&split::whole(sql)).map_err(|unfit| unfit.rule)
    }

    #[test]
    fn statements_and_their_names_are_read() {
        let index = |index, table, if_not_exists| {
            Ok(Some(Alone::MakeIndex { index: ident(index), table: ident(table), if_not_exists }))
        };
        assert_eq!(read("create index concurrently i on t (a)"), index("i", "t", false));
        assert_eq!(
            read(
                "-- why\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I.x\" ON ONLY \"T\" USING gin (lower(a)) WHERE b;"
            ),
            index("I.x", "T", true)
        );
        let drop = |name, if_exists| Ok(Some(Alone::DropIndex { index: ident(name), if_exists }));
        assert_eq!(read("drop index concurrently Big"), drop("big", false));
        assert_eq!(read("drop index concurrently if exists i cascade"), drop("i", true));
        let reindex = |name, concurrently| Ok(Some(Alone::Reindex { relation: ident(name), concurrently }));
        assert_eq!(read("reindex (verbose, concurrently) table t"), reindex("t", true));
        assert_eq!(read("reindex index concurrently i"), reindex("i", true));
        assert_eq!(read("reindex table t"), reindex("t", false));
        assert_eq!(
            read("alter table p detach partition c concurrently"),
            Ok(Some(Alone::Detach { table: ident("p"), partition: ident("c") }))
        );
        assert_eq!(read("vacuum (analyze) t"), Ok(Some(Alone::Vacuum { full: false })));
        assert_eq!(read("vacuum full analyze t"), Ok(Some(Alone::Vacuum { full: true })));
        assert_eq!(read("do $$ begin commit; end $$"), Ok(Some(Alone::Unprobed)));
        assert_eq!(read("call backfill()"), Ok(Some(Alone::Unprobed)));
    }

    #[test]
    fn what_runs_in_a_transaction_is_run_in_one() {
        for sql in [
            "create index i on t (a)",
            "drop index i",
            "alter type mood add value 'fine'",
            "update t set a = 1",
            "refresh materialized view concurrently v",
            "alter table p detach partition c",
            "create table concurrently (a int)",
            "",
        ] {
            assert_eq!(read(sql), Ok(None), "{sql}");
        }
    }

    #[test]
    fn what_could_not_be_found_again_is_refused() {
        for (sql, rule) in [
            ("create index concurrently on t (a)", "unnamed-index"),
            ("create index concurrently if not exists on t (a)", "unnamed-index"),
            ("create index concurrently i on public.t (a)", "alone"),
            ("create index concurrently U&\"d\\0061\" on t (a)", "alone"),
            ("drop index concurrently public.i", "alone"),
            ("reindex schema concurrently s", "alone"),
            ("reindex database d", "alone"),
            ("vacuum", "alone"),
            ("vacuum (analyze)", "alone"),
            ("create database d", "alone"),
            ("alter system set work_mem = '1MB'", "alone"),
            ("cluster", "alone"),
            ("vacuum a; vacuum b", "one-statement"),
        ] {
            assert_eq!(read(sql), Err(rule), "{sql}");
        }
        let pieces = split::migratus("vacuum a;\n--;;\nvacuum b;\n");
        assert_eq!(judge(&pieces).map_err(|unfit| (unfit.rule, unfit.line)), Err(("one-statement", 1)));
        let long = "x".repeat(64);
        assert_eq!(read(&format!("create index concurrently {long} on t (a)")), Err("alone"));
    }

    #[test]
    fn only_statements_that_keep_nobody_out_wait_long() {
        let waits = |sql: &str| judge(&split::whole(sql)).expect("fit").is_some_and(|alone| alone.waits_harmlessly());
        assert!(waits("create index concurrently i on t (a)") && waits("vacuum t"));
        assert!(!waits("vacuum full t") && !waits("reindex table t") && !waits("call f()"));
    }
}

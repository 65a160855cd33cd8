//! The guard: what a file must leave as it found it. PostgreSQL's simple queries carry no transaction status, so the
//! question is asked in SQL, and a wrong answer raises: nothing behind it in the same message runs.

use super::rights::{self, Lasting};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{SchemaName, literal};
use crate::sabotage::{self, Safeguard};

/// The mark by which our own refusal is known among the server's errors.
const MARK: &str = "tenantui guard: ";

/// Between the fields of a state.
const FIELDS: char = '\u{1f}';
/// Between the state that was expected and the one that is.
const STATES: char = '\u{1e}';

/// What the guard compares with, read before the file ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The transaction.
    pub xid: String,
    /// The search path of the files.
    pub path: String,
    /// The answer to [`STATE_SQL`].
    pub state: String,
    /// The role that our own rows are written with, where the files run with another one's rights.
    pub home: Option<String>,
}

/// The search path of a file's run: the one schema, what the layout adds on purpose, temporary objects last.
#[must_use]
pub fn search_path(schema: &SchemaName, extra: &[SchemaName]) -> String {
    let mut path = schema.quoted();
    for more in extra {
        path.push_str(", ");
        path.push_str(&more.quoted());
    }
    path.push_str(", pg_temp");
    path
}

/// The statement that sets a path of [`search_path`] for the transaction.
#[must_use]
pub fn set_path_sql(path: &str) -> String {
    format!("SET LOCAL search_path = {path};")
}

/// The statement that marks the transaction with a word that only it knows.
#[must_use]
pub fn mark_sql() -> String {
    format!("SET LOCAL tenantui.nonce = '{}';", uuid::Uuid::new_v4().as_u128())
}

/// What a file has no business changing, as one text: the transaction and its mark, where the search path leads and what
/// it is, role, session user and settings.
pub const STATE_SQL: &str = "pg_catalog.concat_ws('\u{1f}', pg_catalog.txid_current(), \
     COALESCE(pg_catalog.current_setting('tenantui.nonce', true), ''), COALESCE(pg_catalog.current_schema(), ''), \
     pg_catalog.current_setting('search_path'), pg_catalog.current_setting('role'), session_user, current_user, \
     pg_catalog.current_setting('session_replication_role'), pg_catalog.current_setting('row_security'), \
     pg_catalog.current_setting('transaction_isolation'), pg_catalog.current_setting('transaction_read_only'), \
     pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('default_tablespace'))";

/// A reason by which it is known that part of the file is committed.
const ENDED: &str = "the transaction was ended inside the file";

impl Guard {
    /// The statement before our own rows: the session's role again. Nothing where the files ran with it.
    #[must_use]
    pub fn home_sql(&self) -> String {
        let back = |role: &String| format!("SELECT {};", rights::give_back(role, Lasting::Transaction));
        self.home.as_ref().map_or_else(String::new, back)
    }

    /// The same as a column more (`, expression`) of a SELECT, where answers are told by their number.
    #[must_use]
    pub fn home_column(&self) -> String {
        self.home
            .as_deref()
            .map_or_else(String::new, |role| format!(", {}", rights::give_back(role, Lasting::Transaction)))
    }

    /// One SELECT that raises where the file left something changed, with both states in its words. The subquery keeps
    /// the planner from evaluating the failing cast beforehand; all is named in full, because the path may lead anywhere.
    #[must_use]
    pub fn sql(&self) -> String {
        if sabotage::removed(Safeguard::Guard) {
            return "SELECT 0;".to_owned();
        }
        format!(
            "SELECT CASE WHEN guard.state OPERATOR(pg_catalog.=) {state} THEN 0 ELSE CAST({raised} \
             OPERATOR(pg_catalog.||) guard.state AS pg_catalog.int4) END \
             FROM (SELECT {STATE_SQL} AS state OFFSET 0) AS guard;",
            state = literal(&self.state),
            raised = literal(&format!("{MARK}{}{STATES}", self.state)),
        )
    }

    /// The guard for files that share its transaction: behind the first, and the same behind and before each of the others.
    /// Parsed and planned once, it costs a fifth. Its name is one that no file can know; only one that throws all prepared
    /// statements away could be rid of it, and where any of them mentions that, the guard is written out every time.
    #[must_use]
    pub fn of_files(&self, files: &[&MigrationFile]) -> (String, String) {
        let written = self.sql();
        let throws_away = |file: &&MigrationFile| {
            file.statements.iter().any(|statement| statement.sql.to_ascii_uppercase().contains("DEALLOCATE"))
        };
        if files.iter().any(throws_away) || files.len() < 2 {
            return (written.clone(), written);
        }
        let name = format!("tenantui_guard_{}", uuid::Uuid::new_v4().as_u128());
        (format!("PREPARE {name} AS {written} EXECUTE {name};"), format!("EXECUTE {name};"))
    }
}

/// The reasons in a refusal of the guard's; `None` for any other error.
#[must_use]
pub fn reasons(sqlstate: &str, message: &str) -> Option<String> {
    if sqlstate != "22P02" {
        return None;
    }
    let start = message.find(MARK)?;
    let (expected, is) = message[start + MARK.len()..].split_once(STATES)?;
    let mut is = is.trim_end_matches('"').split(FIELDS);
    let mut reasons = Vec::new();
    for (index, expected) in expected.split(FIELDS).enumerate() {
        // What was cut off is not as it was: it was not as long.
        if is.next() == Some(expected) {
            continue;
        }
        let reason = match index {
            0 | 1 => ENDED,
            2 | 3 => "search_path was changed",
            _ => "role or session settings were changed",
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    Some(reasons.join(", "))
}

/// Whether those reasons mean that the file committed part of itself: it cannot be undone any more.
#[must_use]
pub fn escaped(reasons: &str) -> bool {
    reasons.contains(ENDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_refusal_is_known_among_others() {
        let said = |is: &str| {
            let expected = "7\u{1f}word\u{1f}t\u{1f}t, pg_temp\u{1f}none\u{1f}on\u{1f}";
            reasons(
                "22P02",
                &format!("invalid input syntax for type integer: \"tenantui guard: {expected}\u{1e}{is}\""),
            )
        };
        let is = |state: &str| said(&state.replace('|', "\u{1f}")).expect("ours");
        assert_eq!(is("7|word|t|t, pg_temp|none|off|"), "role or session settings were changed");
        assert_eq!(is("7|word|u|u, pg_temp|none|on|"), "search_path was changed");
        assert_eq!(is("8||t|t, pg_temp|none|on|"), "the transaction was ended inside the file");
        assert!(escaped(&is("8||t|t, pg_temp|none|on|")) && escaped(&is("7||t|t, pg_temp|none|on|")));
        // A path so long that the words of the server are cut off behind it.
        assert_eq!(is("7|word|u|u, v, w"), "search_path was changed, role or session settings were changed");
        assert_eq!(reasons("22P02", "invalid input syntax for type integer: \"x\""), None);
        assert_eq!(reasons("42601", "tenantui guard: a\u{1e}b"), None);
    }

    #[test]
    fn the_path_has_the_schema_first_and_quoted() {
        let schema = SchemaName::existing("a\"b").expect("legal");
        let extra = SchemaName::existing("ext").expect("legal");
        assert_eq!(search_path(&schema, &[extra]), "\"a\"\"b\", \"ext\", pg_temp");
    }
}

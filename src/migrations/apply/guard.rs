//! The guard: what a file must leave as it found it. PostgreSQL's simple queries carry no transaction status, so the
//! question is asked in SQL, and a wrong answer raises: nothing behind it in the same message runs.

use crate::model::ident::{SchemaName, literal};
use crate::sabotage::{self, Safeguard};

/// The mark by which our own refusal is known among the server's errors.
const MARK: &str = "tenantui guard: ";

/// What the guard compares with, read before the file ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The transaction.
    pub xid: String,
    /// A word that only this transaction knows.
    pub nonce: String,
    /// The schema.
    pub schema: SchemaName,
    /// The search path as it was set.
    pub path: String,
    /// Role, session user and settings, in one text.
    pub settings: String,
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

/// Settings that a file has no business changing, as one text: compared before and after.
pub const SETTINGS_SQL: &str = "pg_catalog.concat_ws('|', pg_catalog.current_setting('role'), session_user, current_user, \
     pg_catalog.current_setting('session_replication_role'), pg_catalog.current_setting('row_security'), \
     pg_catalog.current_setting('transaction_isolation'), pg_catalog.current_setting('transaction_read_only'), \
     pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.current_setting('default_tablespace'))";

impl Guard {
    /// One SELECT that raises where the file left something changed. `current_setting` keeps the planner from
    /// evaluating the failing cast beforehand.
    #[must_use]
    pub fn sql(&self) -> String {
        if sabotage::removed(Safeguard::Guard) {
            return "SELECT 0;".to_owned();
        }
        format!(
            "SELECT CASE WHEN g.bad = '' THEN 0 ELSE CAST('{MARK}' || g.bad AS int) END FROM (SELECT pg_catalog.concat_ws(', ', \
             CASE WHEN pg_catalog.txid_current()::text <> {xid} OR pg_catalog.current_setting('tenantui.nonce', true) \
             IS DISTINCT FROM {nonce} THEN 'the transaction was ended inside the file' END, \
             CASE WHEN pg_catalog.current_setting('search_path') <> {path} OR pg_catalog.current_schema() \
             IS DISTINCT FROM {schema}::name THEN 'search_path was changed' END, \
             CASE WHEN {SETTINGS_SQL} <> {settings} THEN 'role or session settings were changed' END) AS bad OFFSET 0) AS g;",
            xid = literal(&self.xid),
            nonce = literal(&self.nonce),
            path = literal(&self.path),
            schema = literal(self.schema.raw()),
            settings = literal(&self.settings),
        )
    }
}

/// The reasons in a refusal of the guard's; `None` for any other error.
#[must_use]
pub fn reasons(sqlstate: &str, message: &str) -> Option<String> {
    if sqlstate != "22P02" {
        return None;
    }
    let start = message.find(MARK)?;
    Some(message[start + MARK.len()..].trim_end_matches('"').to_owned())
}

/// Whether those reasons mean that the file committed part of itself: it cannot be undone any more.
#[must_use]
pub fn escaped(reasons: &str) -> bool {
    reasons.contains("the transaction was ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_refusal_is_known_among_others() {
        let message = "invalid input syntax for type integer: \"tenantui guard: search_path was changed\"";
        assert_eq!(reasons("22P02", message).as_deref(), Some("search_path was changed"));
        assert_eq!(reasons("22P02", "invalid input syntax for type integer: \"x\""), None);
        assert_eq!(reasons("42601", message), None);
    }

    #[test]
    fn the_path_has_the_schema_first_and_quoted() {
        let schema = SchemaName::existing("a\"b").expect("legal");
        let extra = SchemaName::existing("ext").expect("legal");
        assert_eq!(search_path(&schema, &[extra]), "\"a\"\"b\", \"ext\", pg_temp");
    }
}

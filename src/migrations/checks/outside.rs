//! Rules on what reaches out of the one transaction, or out of the tenant: other places, what all share, other owners.

use super::Findings;
use super::rules::Words;

pub(super) fn not_in_a_transaction(words: &Words<'_, '_>, findings: &mut Findings) {
    let line = words.line();
    let concurrently = words.has(&["CONCURRENTLY"])
        && !words.begins(&["REFRESH"])
        && (words.has(&["INDEX"]) || words.begins(&["REINDEX"]) || words.has(&["DETACH", "PARTITION"]));
    if concurrently {
        let message = "CONCURRENTLY does not work inside a transaction: put it alone into a file that is marked to run \
                       without one (Migratus: -- :disable-transaction as the first line)";
        findings.refuse("concurrently", line, message);
        return;
    }
    let words_only_outside = [
        &["VACUUM"][..],
        &["CREATE", "DATABASE"],
        &["DROP", "DATABASE"],
        &["CREATE", "TABLESPACE"],
        &["DROP", "TABLESPACE"],
        &["ALTER", "SYSTEM"],
        &["CREATE", "SUBSCRIPTION"],
        &["DROP", "SUBSCRIPTION"],
        &["REINDEX", "DATABASE"],
        &["REINDEX", "SCHEMA"],
        &["REINDEX", "SYSTEM"],
    ];
    let alone = words.begins(&["CLUSTER"]) && words.len() == 1;
    if let Some(found) = words_only_outside.into_iter().find(|keywords| words.begins(keywords)) {
        let mut message = format!("{} does not work inside a transaction", found.join(" "));
        if found == ["VACUUM"] {
            message.push_str(": put it alone into a file that is marked to run without one");
        }
        findings.refuse("non-transactional", line, &message);
    } else if alone {
        findings.refuse("non-transactional", line, "CLUSTER of all tables does not work inside a transaction");
    }
}

/// What the rule `shared-object` says last: two sessions that change one row of the catalog fail (XX000, 23505).
const IN_TURN: &str = "once for each tenant, one tenant at a time";

pub(super) fn shared_object(words: &Words<'_, '_>, findings: &mut Findings) {
    let line = words.line();
    let objects = ["ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "PUBLICATION"];
    let changes = ["CREATE", "ALTER", "DROP"].into_iter().any(|verb| words.begins(&[verb]));
    if changes && objects.into_iter().any(|object| words.at(1, &[object])) && !words.at(2, &["MAPPING"]) {
        let message = format!("changes what the whole server or database shares, {IN_TURN}");
        findings.warn("shared-object", line, &message);
    } else if words.begins(&["CREATE", "EXTENSION"]) && words.has(&["SCHEMA"]) {
        let message = format!("makes an extension, which belongs to the whole database, {IN_TURN}");
        findings.warn("shared-object", line, &message);
    } else if words.begins(&["ALTER", "DEFAULT", "PRIVILEGES"]) {
        let message = format!("changes what a role's later objects grant in the whole database, {IN_TURN}");
        findings.warn("shared-object", line, &message);
    } else if (words.begins(&["GRANT"]) || words.begins(&["REVOKE"])) && grants_shared(words) {
        let message = format!("changes privileges of what all tenants share, {IN_TURN}");
        findings.warn("shared-object", line, &message);
    }
}

/// Whether a GRANT or REVOKE is not of the tenant's own tables, sequences, functions or types: of a role, or of an
/// object that all share. A schema is written out, and so never the tenant's own.
pub(super) fn grants_shared(words: &Words<'_, '_>) -> bool {
    let Some(on) = words.find(&["ON"]) else { return true };
    let shared = ["DATABASE", "SCHEMA", "TABLESPACE", "LANGUAGE", "FOREIGN", "PARAMETER", "LARGE"];
    let all = words.at(on + 1, &["ALL"]);
    all || shared.into_iter().any(|object| words.at(on + 1, &[object]))
}

/// Another owner: of a function, who it runs as where it is SECURITY DEFINER; of a table, who may still change it.
pub(super) fn owner(words: &Words<'_, '_>, findings: &mut Findings) {
    if words.begins(&["REASSIGN", "OWNED"]) || words.begins(&["DROP", "OWNED"]) {
        let message = format!("works on what a role owns in the whole database, {IN_TURN}");
        findings.warn("shared-object", words.line(), &message);
    } else if words.begins(&["ALTER"]) && words.has(&["OWNER", "TO"]) {
        let message = "gives it to another owner: a function may then run with that role's rights, and later migrations \
                       may not change it";
        findings.warn("owner", words.line(), message);
    }
}

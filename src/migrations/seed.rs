//! The seed: one file of SQL that runs in a new tenant behind its migrations, in their transaction. It is held to the
//! rules of migrations, and no rule is lifted for it: nobody wrote it before it was asked for.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::checks;
use super::folder::{FolderError, MigrationFile, read_text_as};
use super::split;
use crate::model::ledger::Version;

/// Reads a seed, with its findings.
///
/// # Errors
/// When it cannot be read, or a rule refuses it: file, line and rule.
pub fn read(path: &Path) -> Result<MigrationFile, FolderError> {
    // Whoever goes on with the job finds the file by this path, from another folder.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let sql: Arc<str> = read_text_as("seed", &path)?.into();
    let statements = split::whole(&sql);
    let findings = checks::check(&sql, &statements, true);
    if let Some(finding) = findings.iter().find(|finding| finding.refuses) {
        let message = format!("{}:{}: {}; correct the seed", path.display(), finding.line, finding.message.raw());
        return Err(FolderError { message: message.into() });
    }
    let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
    Ok(MigrationFile {
        version: Version::new("seed"),
        name: name.as_str().into(),
        below: name,
        position: 0,
        is_code: false,
        sha256: Sha256::digest(sql.as_bytes()).into(),
        sql,
        down: None,
        verify: None,
        statements,
        transactional: true,
        findings,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(sql: &str) -> Result<MigrationFile, FolderError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seed.sql");
        std::fs::write(&path, sql).expect("written");
        read(&path)
    }

    #[test]
    fn a_seed_is_held_to_the_rules_of_migrations() {
        let good = seed("insert into a values (1);\ninsert into b values (2);").expect("a seed");
        assert_eq!((good.statements.len(), good.name.raw()), (1, "seed.sql"));
        for (sql, line) in [
            ("select 1;\ncommit;", "seed.sql:2:"),
            ("\n\\copy a from 'b'", "seed.sql:2:"),
            ("copy a from stdin;", "seed.sql:1:"),
            ("set search_path = public;", "seed.sql:1:"),
        ] {
            let refused = seed(sql).expect_err(sql).to_string();
            assert!(refused.contains(line), "{sql}: {refused}");
        }
        let absent = read(Path::new("/nowhere/seed.sql")).expect_err("absent").to_string();
        assert!(absent.starts_with("the seed /nowhere/seed.sql cannot be read: "), "{absent}");
    }
}

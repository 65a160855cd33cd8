//! Verify files: one per migration where the operator keeps one, run in the migration's own transaction behind its
//! file, before the ledger's row (docs/adr/0009).
//!
//! A verify file fails by an error, or by a row whose first column is false or NULL. It only looks: it may begin its
//! statements with SELECT, WITH, VALUES, TABLE or DO, runs in a read-only subtransaction, and that is rolled back.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::checks;
use super::folder::{Finding, Folder, FolderError, MigrationFile, Statement, read_text};
use super::lexer::{Lexer, Statements};
use super::split::without_bom;

/// With what a statement that only looks begins.
const LOOKS: [&str; 5] = ["SELECT", "WITH", "VALUES", "TABLE", "DO"];

/// Gives each migration of a folder its verify file: the file of the up file's name, or `<version>.sql`. What belongs
/// to no migration is a note of the folder.
///
/// # Errors
/// When the folder of verify files or a file of it cannot be read, or a migration has two of them.
pub fn attach(mut folder: Folder, path: &Path) -> Result<Folder, FolderError> {
    let mut found = list(path)?;
    for file in &mut folder.files {
        let mut own: Vec<(String, PathBuf)> = names(file).iter().filter_map(|name| found.remove_entry(name)).collect();
        let (Some((_, at)), second) = (own.pop(), own.pop()) else { continue };
        if let Some((_, other)) = second {
            return Err(FolderError {
                message: format!(
                    "two files verify {}: {} and {}; keep one of them",
                    file.version.untrusted().safe(),
                    other.display(),
                    at.display()
                )
                .into(),
            });
        }
        let verify = read(file, &at)?;
        *file = Arc::new(MigrationFile { verify: Some(Arc::new(verify)), ..(**file).clone() });
    }
    let mut left: Vec<&String> = found.keys().collect();
    left.sort();
    folder
        .notes
        .extend(left.iter().map(|name| format!("{name} verifies no migration of {}", folder.path.display()).into()));
    Ok(folder)
}

/// The SQL files of the folder, by name.
fn list(path: &Path) -> Result<HashMap<String, PathBuf>, FolderError> {
    let cannot = |cause: std::io::Error| FolderError {
        message: format!("the folder of verify files {} cannot be read: {cause}", path.display()).into(),
    };
    let mut found = HashMap::new();
    for entry in fs::read_dir(path).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_folder = entry.file_type().map_err(cannot)?.is_dir();
        if !is_folder && !name.starts_with('.') && name.ends_with(".sql") {
            found.insert(name.to_owned(), entry.path());
        }
    }
    Ok(found)
}

/// The names under which a migration's verify file is looked for.
fn names(file: &MigrationFile) -> Vec<String> {
    let mut names = vec![format!("{}.sql", file.version.raw())];
    if let Some(name) = file.path.file_name().and_then(|name| name.to_str()) {
        names.push(name.to_owned());
        let stem = name.strip_suffix(".sql").unwrap_or(name);
        names.push(format!("{}.sql", stem.strip_suffix(".up").unwrap_or(stem)));
    }
    // Where each migration is a folder of its own, that folder's name tells.
    if let Some((folder, _)) = file.below.rsplit_once('/') {
        names.push(format!("{folder}.sql"));
    }
    names.sort();
    names.dedup();
    names
}

fn read(file: &MigrationFile, path: &Path) -> Result<MigrationFile, FolderError> {
    let sql: Arc<str> = read_text(path)?.into();
    let statements = statements(&sql);
    let mut findings = checks::check(&sql, &statements, true);
    findings.extend(statements.iter().filter_map(writes));
    findings.sort_by_key(|finding| finding.line);
    Ok(MigrationFile {
        path: path.to_owned(),
        below: path.file_name().map(|name| name.display().to_string()).unwrap_or_default(),
        sha256: Sha256::digest(sql.as_bytes()).into(),
        sql,
        down: None,
        verify: None,
        statements,
        transactional: true,
        findings,
        is_code: false,
        ..file.clone()
    })
}

/// The statements of a file, each by itself, so that each one's rows are seen.
fn statements(text: &str) -> Vec<Statement> {
    let text = without_bom(text);
    let mut statements = Vec::new();
    let mut ends = Statements::default();
    let mut first: Option<(usize, u32)> = None;
    for token in Lexer::new(text).filter(super::lexer::Token::is_significant) {
        let at = token.offset;
        if ends.ends_with(&token) {
            if let Some((from, line)) = first.take() {
                statements.push(Statement { line, sql: Arc::from(&text[from..at]) });
            }
        } else if first.is_none() {
            first = Some((at, token.line));
        }
    }
    if let Some((from, line)) = first {
        statements.push(Statement { line, sql: Arc::from(text[from..].trim_end()) });
    }
    statements
}

fn writes(statement: &Statement) -> Option<Finding> {
    let first = Lexer::new(&statement.sql).find(super::lexer::Token::is_significant)?;
    if first.is_symbol("(") || LOOKS.iter().any(|word| first.is(word)) {
        return None;
    }
    Some(Finding {
        rule: "verify-looks",
        refuses: true,
        line: statement.line,
        message: "a verify file only looks: its statements begin with SELECT, WITH, VALUES, TABLE or DO".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::Tool;

    fn folder(files: &[&str], verify: &[(&str, &str)]) -> Result<Folder, FolderError> {
        let at = tempfile::tempdir().expect("a folder");
        let (up, checks) = (at.path().join("up"), at.path().join("verify"));
        fs::create_dir(&up).expect("made");
        fs::create_dir(&checks).expect("made");
        for name in files {
            fs::write(up.join(format!("{name}.up.sql")), "create table t ()").expect("written");
        }
        for (name, sql) in verify {
            fs::write(checks.join(name), sql).expect("written");
        }
        attach(Folder::read(&up, Tool::Migratus).expect("a folder"), &checks)
    }

    #[test]
    fn a_verify_file_is_found_by_the_files_name_or_its_version() {
        let found = folder(
            &["1-one", "2-two", "3-three", "4-four"],
            &[
                ("1-one.up.sql", "select true"),
                ("2.sql", "select 1;\n-- x\nselect 2"),
                ("3-three.sql", "table t"),
                ("9.sql", ""),
            ],
        )
        .expect("attached");
        let lines = |file: &MigrationFile| {
            file.verify.as_ref().map(|verify| verify.statements.iter().map(|s| s.line).collect::<Vec<_>>())
        };
        let all: Vec<_> = found.files.iter().map(|file| lines(file)).collect();
        assert_eq!(all, [Some(vec![1]), Some(vec![1, 3]), Some(vec![1]), None]);
        assert!(
            found.notes.iter().any(|note| note.raw().starts_with("9.sql verifies no migration")),
            "{:?}",
            found.notes
        );
        assert_ne!(found.files[0].sha256, found.files[0].verify.as_ref().expect("verified").sha256);
        let two = folder(&["1-one"], &[("1.sql", ""), ("1-one.sql", "")]).expect_err("two");
        assert!(two.to_string().contains("keep one of them"), "{two}");
    }

    #[test]
    fn what_does_more_than_look_is_refused() {
        for (sql, rules) in [
            ("select count(*) > 0 from t", &[][..]),
            (
                "(select 1) union (select 2); do $$ begin assert true; end $$; with x as (select 1) table x; values (1)",
                &[],
            ),
            ("insert into t values (1)", &["verify-looks"]),
            ("select 1;\ncommit", &["transaction-control", "verify-looks"]),
            ("set search_path = x", &["search-path", "verify-looks"]),
        ] {
            let found = folder(&["1-one"], &[("1.sql", sql)]).expect("attached");
            let verify = found.files[0].verify.clone().expect("verified");
            let mut seen: Vec<_> = verify.findings.iter().filter(|finding| finding.refuses).map(|f| f.rule).collect();
            seen.sort_unstable();
            assert_eq!(seen, rules, "{sql}");
        }
    }
}

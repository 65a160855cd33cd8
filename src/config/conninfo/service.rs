//! The service file (`~/.pg_service.conf`), as libpq reads it: a section of it fills in what the connection string
//! leaves out, before the environment does.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{ConninfoError, Params, Surroundings};

/// Files larger than this are none.
const LARGEST: u64 = 1 << 20;

/// Fills in from the service that the connection string or `PGSERVICE` names; nothing where neither does.
/// `accept` judges each key.
pub(super) fn fill(
    all: &mut Params,
    around: &Surroundings,
    warnings: &mut Vec<String>,
    accept: impl Fn(&str) -> Result<(), ConninfoError>,
) -> Result<(), ConninfoError> {
    let Some(name) = all.get("service").map(str::to_owned).or(around.non_empty("PGSERVICE")?) else { return Ok(()) };
    let wrong = |why: String| ConninfoError::Service { name: name.clone(), why };
    let mut looked = Vec::new();
    for (path, named) in files(all, around)? {
        let file = path.display().to_string();
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !named => {
                looked.push(format!("{file} (there is none)"));
                continue;
            }
            Err(error) => return Err(wrong(format!("the service file {file} cannot be read: {error}"))),
        };
        let Some(pairs) = section(&text, &name).map_err(|why| wrong(format!("{file}, {why}")))? else {
            looked.push(file);
            continue;
        };
        for (key, value, line) in pairs {
            accept(&key).map_err(|why| wrong(format!("{file}, line {line}: {why}")))?;
            if matches!(&*key, "password" | "sslpassword") && is_open(&path) {
                let warning = format!("the service file {file} holds a password and group or others may read it");
                warnings.push(format!("{warning}; run: chmod 600 {file}"));
            }
            if all.get(&key).is_none() {
                all.set(&key, value);
            }
        }
        return Ok(());
    }
    Err(wrong(format!("it is not in {}; write a section [{name}] there", looked.join(", nor in "))))
}

/// The files to look into, in order, and whether the operator named it.
fn files(all: &Params, around: &Surroundings) -> Result<Vec<(PathBuf, bool)>, ConninfoError> {
    let mut files = Vec::new();
    match all.get("servicefile").map(str::to_owned).or(around.non_empty("PGSERVICEFILE")?) {
        Some(named) => files.push((PathBuf::from(named), true)),
        None => files.extend(around.home.as_ref().map(|home| (home.join(".pg_service.conf"), false))),
    }
    match around.non_empty("PGSYSCONFDIR")? {
        Some(folder) => files.push((Path::new(&folder).join("pg_service.conf"), false)),
        // libpq's folder is chosen when it is built: Debian's, then the plain one.
        None => files.extend(
            ["postgresql-common/pg_service.conf", "pg_service.conf"].map(|name| (around.system_dir.join(name), false)),
        ),
    }
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than 1 MB"));
    }
    std::fs::read_to_string(path)
}

fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

type Pairs = Vec<(String, String, usize)>;

/// Keys, values and lines of a section; `None` where there is no such section. Values may be secrets: no error has one.
fn section(text: &str, name: &str) -> Result<Option<Pairs>, String> {
    let mut found: Option<Pairs> = None;
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if title.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        if line.starts_with("ldap://") || line.starts_with("ldaps://") {
            return Err(format!("line {number}: services are not looked up by LDAP"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {number}: it is not key=value"))?;
        if matches!(key, "service" | "servicefile") {
            return Err(format!("line {number}: a service cannot name another one"));
        }
        if !pairs.iter().any(|(known, _, _)| known == key) {
            pairs.push((key.to_owned(), value.to_owned(), number));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::Conninfo;
    use super::*;

    const FILE: &str = "# comment\n[other]\nhost=no\n\n[eu]\nhost=db.example\nport=6000\nport=7000\n  user=ops\npassword=s=ecret\n\n[after]\ndbname=no\n";

    struct Stage {
        folder: tempfile::TempDir,
    }

    impl Stage {
        fn new(text: &str) -> Self {
            let folder = tempfile::TempDir::new().expect("a folder");
            std::fs::write(folder.path().join(".pg_service.conf"), text).expect("written");
            Self { folder }
        }

        fn parse(&self, text: &str, variables: &[(&str, &str)]) -> Result<Conninfo, String> {
            let mut around = Surroundings::fixed(variables.iter().copied());
            around.user = Some("account".to_owned());
            around.home = Some(self.folder.path().to_owned());
            Conninfo::parse(text, &around).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_service_fills_in_before_the_environment_and_after_the_connection_string() {
        let stage = Stage::new(FILE);
        let info = stage.parse("service=eu dbname=app", &[("PGHOST", "env"), ("PGDATABASE", "env")]).expect("parsed");
        assert_eq!(info.address(), "ops@db.example:6000/app");
        assert_eq!(info.password.as_ref().map(|secret| secret.expose_secret()), Some("s=ecret"));
        assert!(info.warnings.iter().any(|words| words.contains("chmod 600")), "{:?}", info.warnings);
        let url = stage.parse("postgresql://me@/?service=eu", &[("PGDATABASE", "env")]).expect("parsed");
        assert_eq!(url.address(), "me@db.example:6000/env");
        let named = stage.parse("", &[("PGSERVICE", "eu"), ("PGUSER", "no")]).expect("parsed");
        assert_eq!(named.address(), "ops@db.example:6000/ops");
    }

    #[test]
    fn files_are_looked_into_in_order() {
        let stage = Stage::new(FILE);
        let other = Stage::new("[us]\nhost=us\n");
        let path = |stage: &Stage| stage.folder.path().join(".pg_service.conf").display().to_string();
        let info = stage.parse("service=us", &[("PGSERVICEFILE", &path(&other))]).expect("the variable's file");
        assert_eq!(info.place(), "us:5432");
        let info = stage.parse(&format!("service=us servicefile={}", path(&other)), &[("PGSERVICEFILE", "/none")]);
        assert_eq!(info.expect("the connection string's").place(), "us:5432");
        std::fs::copy(path(&other), stage.folder.path().join("pg_service.conf")).expect("copied");
        let folder = stage.folder.path().display().to_string();
        let info = stage.parse("service=us", &[("PGSYSCONFDIR", &folder)]).expect("the system's");
        assert_eq!(info.place(), "us:5432");
    }

    #[test]
    fn mistakes_name_service_file_and_line_and_no_secret() {
        let stage = Stage::new(FILE);
        let error = stage.parse("service=nowhere", &[]).expect_err("absent");
        assert!(error.contains("\"nowhere\"") && error.contains(".pg_service.conf"), "{error}");
        let error = stage.parse("service=x", &[("PGSERVICEFILE", "/nonexistent/s.conf")]).expect_err("no file");
        assert!(error.contains("/nonexistent/s.conf"), "{error}");
        for (text, words) in [
            ("[eu]\nhost=a\nmarker\n", "line 3"),
            ("[eu]\npassword=marker\nbogus=marker\n", "\"bogus\""),
            ("[eu]\nservice=marker\n", "another"),
            ("[eu]\nldap://marker\n", "LDAP"),
            ("[eu]\noptions=marker\n", "\"options\""),
        ] {
            let error = Stage::new(text).parse("service=eu", &[]).expect_err(text);
            assert!(error.contains(words) && !error.contains("marker"), "{error}");
        }
    }
}

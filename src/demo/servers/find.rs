//! Where the server programs are. Distributions keep PostgreSQL's server programs out of PATH, so we look for them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ServerError;

/// The programs of a PostgreSQL installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPrograms {
    /// The folder of `initdb` and `postgres`.
    pub bin: PathBuf,
}

impl PostgresPrograms {
    /// The path of one program, such as `psql`; it may be absent in a lean installation.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// The installation in this folder, where it holds what a private server needs.
    fn in_folder(bin: &Path) -> Option<Self> {
        (bin.join("initdb").is_file() && bin.join("postgres").is_file()).then(|| Self { bin: bin.to_owned() })
    }
}

/// Finds PostgreSQL: `TENANTUI_PG_BINDIR` alone where it is set; else `pg_config --bindir`, the folders of Debian,
/// Red Hat and Homebrew (newest version first), and PATH.
///
/// # Errors
/// When there is none. The message says what to install.
pub fn find_postgres() -> Result<PostgresPrograms, ServerError> {
    if let Some(bin) = env::var_os("TENANTUI_PG_BINDIR").filter(|bin| !bin.is_empty()) {
        return PostgresPrograms::in_folder(Path::new(&bin)).ok_or_else(|| {
            ServerError(format!(
                "TENANTUI_PG_BINDIR is {}, but there is no initdb and postgres in it",
                Path::new(&bin).display()
            ))
        });
    }
    postgres_folders().iter().find_map(|bin| PostgresPrograms::in_folder(bin)).ok_or_else(|| {
        ServerError(
            "no PostgreSQL server programs (initdb, postgres) were found in pg_config's folder, /usr/lib/postgresql, \
             /usr/pgsql-*, Homebrew's folders and PATH. Install them (Debian, Ubuntu: apt-get install postgresql; \
             Fedora: dnf install postgresql-server; macOS: brew install postgresql@18), or run scripts/demo, which \
             fetches them, or set TENANTUI_PG_BINDIR to their folder"
                .to_owned(),
        )
    })
}

/// Finds Redis (or Valkey): `TENANTUI_REDIS_SERVER` alone where it is set; else PATH and the usual folders.
///
/// # Errors
/// When there is none. The message says what to install.
pub fn find_redis() -> Result<PathBuf, ServerError> {
    if let Some(program) = env::var_os("TENANTUI_REDIS_SERVER").filter(|program| !program.is_empty()) {
        let program = PathBuf::from(program);
        if program.is_file() {
            return Ok(program);
        }
        return Err(ServerError(format!("TENANTUI_REDIS_SERVER is {}, which is no file", program.display())));
    }
    let mut folders = path_folders();
    for folder in ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"] {
        folders.push(folder.into());
    }
    let names = ["redis-server", "valkey-server"];
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|program| program.is_file()).ok_or_else(|| {
        ServerError(
            "no redis-server (or valkey-server) was found in PATH. Install it (Debian, Ubuntu: apt-get install \
             redis-server; macOS: brew install redis), or run scripts/demo, which fetches it, or set \
             TENANTUI_REDIS_SERVER to the program"
                .to_owned(),
        )
    })
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// All folders worth a look, best first.
fn postgres_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(bin) = pg_config_bindir() {
        folders.push(bin);
    }
    folders.extend(versioned("/usr/lib/postgresql", ""));
    folders.extend(versioned("/usr", "pgsql-"));
    folders.extend(versioned("/opt/homebrew/opt", "postgresql@"));
    folders.extend(versioned("/usr/local/opt", "postgresql@"));
    folders.push("/usr/local/pgsql/bin".into());
    folders.extend(path_folders());
    folders
}

/// `PARENT/PREFIX<version>/bin`, highest version first.
fn versioned(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = version_of(&entry.file_name(), prefix)?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, bin)| bin).collect()
}

fn version_of(name: &OsStr, prefix: &str) -> Option<u32> {
    name.to_str()?.strip_prefix(prefix)?.split('.').next()?.parse().ok()
}

fn pg_config_bindir() -> Option<PathBuf> {
    let answer = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let folder = text.trim();
    (answer.status.success() && !folder.is_empty()).then(|| PathBuf::from(folder))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::version_of;

    #[test]
    fn versions_are_numbers_not_words() {
        assert_eq!(version_of(OsStr::new("15"), ""), Some(15));
        assert_eq!(version_of(OsStr::new("9.6"), ""), Some(9));
        assert_eq!(version_of(OsStr::new("pgsql-17"), "pgsql-"), Some(17));
        assert_eq!(version_of(OsStr::new("share"), ""), None);
        assert_eq!(version_of(OsStr::new("15"), "pgsql-"), None);
    }
}

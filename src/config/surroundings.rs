//! What surrounds the program: environment variables, the user's home, the places of configuration. One value of
//! it is taken at start, so that tests can bring their own and nothing below reads the process by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A variable is set, but its value is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is not valid UTF-8")]
pub struct NotUnicode {
    /// Which.
    pub name: String,
}

/// The folder of what is kept between runs: the log, what the dashboard keeps. `None` where there is no home.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "tenantui")?;
    // Only Linux has a place of its own for it.
    Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

/// Environment, home and configuration folders.
#[derive(Clone)]
pub struct Surroundings {
    variables: Source,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The folder that holds the user's `tenantui/config.toml`.
    pub config_dir: Option<PathBuf>,
    /// The system's folder of configuration, `/etc`.
    pub system_dir: PathBuf,
    /// The operating system's name of the user, libpq's default for the role.
    pub user: Option<String>,
}

#[derive(Clone)]
enum Source {
    Process,
    Fixed(Arc<BTreeMap<String, String>>),
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn process() -> Self {
        let folders = directories::BaseDirs::new();
        let mut surroundings = Self {
            variables: Source::Process,
            home: folders.as_ref().map(|dirs| dirs.home_dir().to_owned()),
            config_dir: folders.as_ref().map(|dirs| dirs.config_dir().to_owned()),
            system_dir: PathBuf::from("/etc"),
            user: None,
        };
        surroundings.user = account_name(rustix::process::geteuid().as_raw())
            .or_else(|| surroundings.variable("LOGNAME").ok().flatten())
            .or_else(|| surroundings.variable("USER").ok().flatten());
        surroundings
    }

    /// Only these variables, and no folders.
    #[must_use]
    pub fn fixed<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let map = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self {
            variables: Source::Fixed(Arc::new(map)),
            home: None,
            config_dir: None,
            system_dir: PathBuf::from("/nonexistent"),
            user: None,
        }
    }

    /// A variable; `None` where it is not set.
    ///
    /// # Errors
    /// When its value is not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        match &self.variables {
            Source::Process => {
                // A name with '=' or NUL makes the standard library's lookup fail or panic.
                if name.is_empty() || name.contains(['=', '\0']) {
                    return Ok(None);
                }
                match std::env::var(name) {
                    Ok(value) => Ok(Some(value)),
                    Err(std::env::VarError::NotPresent) => Ok(None),
                    Err(std::env::VarError::NotUnicode(_)) => Err(NotUnicode { name: name.to_owned() }),
                }
            }
            Source::Fixed(map) => Ok(map.get(name).cloned()),
        }
    }

    /// A variable that is set and not empty.
    ///
    /// # Errors
    /// When its value is not UTF-8.
    pub fn non_empty(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        Ok(self.variable(name)?.filter(|value| !value.is_empty()))
    }
}

impl fmt::Debug for Surroundings {
    /// Values of variables may be secrets: none is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("home", &self.home)
            .field("config_dir", &self.config_dir)
            .field("system_dir", &self.system_dir)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The account's name in the local user table, as libpq takes it for the role.
fn account_name(uid: u32) -> Option<String> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

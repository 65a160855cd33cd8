//! Where a configuration is looked for, and what overrides what: flag, `TENANTUI_*`, file, default.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::conninfo::Conninfo;
use super::document::{Document, Section, parse_bool, parse_duration};
use super::error::{ConfigError, Place};
use super::sections::{self, Found};
use super::surroundings::Surroundings;
use super::{Config, Database, Source, Ui};

/// What the command line says, and what surrounds the program.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--url`.
    pub url: Option<SecretString>,
    /// `--database`: only this one of the fleet.
    pub database: Option<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// Environment and folders.
    pub around: Surroundings,
}

impl LoadRequest {
    /// No flags.
    #[must_use]
    pub const fn new(around: Surroundings) -> Self {
        Self { config: None, url: None, database: None, read_only: false, around }
    }
}

/// The file that would be read, by the search order of the README; `None` where there is none.
///
/// # Errors
/// When a variable that names it is not UTF-8.
pub fn path(request: &LoadRequest) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = &request.config {
        return Ok(Some(path.clone()));
    }
    if let Some(path) = variable(&request.around, "TENANTUI_CONFIG")? {
        return Ok(Some(PathBuf::from(path)));
    }
    let users = request.around.config_dir.as_ref().map(|folder| folder.join("tenantui/config.toml"));
    let systems = request.around.system_dir.join("tenantui/config.toml");
    // A file that may not be looked at is found all the same: its error is told when it is read.
    Ok(users.into_iter().chain([systems]).find(|path| !matches!(path.try_exists(), Ok(false))))
}

/// Reads the configuration.
///
/// # Errors
/// When a file, a flag or a variable is wrong; the error names the place and never holds a secret.
pub fn load(request: &LoadRequest) -> Result<Config, ConfigError> {
    let around = &request.around;
    let file = path(request)?;
    let (url, url_place) = match (&request.url, variable(around, "TENANTUI_URL")?) {
        (Some(url), _) => (Some(url.clone()), Place::Flag("--url")),
        (None, Some(url)) => (Some(url.into()), Place::Variable("TENANTUI_URL")),
        (None, None) => (None, Place::Flag("--url")),
    };
    let mut config = match (file, url) {
        (Some(file), None) => from_file(&file, around)?,
        (file, Some(url)) => {
            let ui = file.map_or_else(|| Ok(Ui::default()), |file| ui_of_file(&file, around))?;
            Config {
                ui,
                databases: vec![Arc::new(from_url(url, url_place, around)?)],
                left_out: Vec::new(),
                source: Source::Url,
            }
        }
        (None, None) => {
            let (url, place, source) = match variable(around, "DATABASE_URL")? {
                Some(url) => (url, Place::Variable("DATABASE_URL"), Source::DatabaseUrl),
                None => (String::new(), Place::Variable("libpq's environment variables"), Source::Libpq),
            };
            Config {
                ui: Ui::default(),
                databases: vec![Arc::new(from_url(url.into(), place, around)?)],
                left_out: Vec::new(),
                source,
            }
        }
    };
    override_ui(&mut config.ui, around)?;
    if config.databases.len() > 1 {
        for database in &mut config.databases {
            Arc::make_mut(database).among_several = true;
        }
    }
    choose(&mut config, request)?;
    if request.read_only || flag(around, "TENANTUI_READ_ONLY")?.unwrap_or(false) {
        for database in &mut config.databases {
            Arc::make_mut(database).read_only = true;
        }
    }
    Ok(config)
}

fn variable(around: &Surroundings, name: &'static str) -> Result<Option<String>, ConfigError> {
    around.non_empty(name).map_err(|_| ConfigError::new(Place::Variable(name), "is not valid UTF-8"))
}

fn flag(around: &Surroundings, name: &'static str) -> Result<Option<bool>, ConfigError> {
    let Some(text) = variable(around, name)? else { return Ok(None) };
    match parse_bool(&text) {
        Some(flag) => Ok(Some(flag)),
        None => Err(ConfigError::new(
            Place::Variable(name),
            "impossible value; allowed: true, false, 1, 0, yes, no, on, off",
        )),
    }
}

fn from_url(url: SecretString, place: Place, around: &Surroundings) -> Result<Database, ConfigError> {
    let conninfo =
        Conninfo::parse(url.expose_secret(), around).map_err(|error| ConfigError::new(place, error.to_string()))?;
    Ok(Database::new(conninfo.dbname.as_str().into(), sections::environment_of(&conninfo), url))
}

fn from_file(path: &Path, around: &Surroundings) -> Result<Config, ConfigError> {
    let document = Document::read(path)?;
    let tree = document.parse()?;
    let mut root = Section::root(&document, around, &tree);
    let ui = sections::ui(&mut root.table("ui")?)?;
    let mut databases = Vec::new();
    let mut names: Vec<Arc<str>> = Vec::new();
    for mut section in root.tables("database")? {
        let Found { database, at, literal_password } = sections::database(&mut section)?;
        if let (Some((key, at)), Some(mode)) = (literal_password, document.open_mode) {
            let what = format!(
                "a password stands here, and group or others may read the file (mode {mode:04o}); run: chmod 600 {}",
                path.display()
            );
            return Err(section.wrong(key, at, what));
        }
        if names.contains(&database.name) {
            return Err(section.wrong("name", at, "another database has this name already; names must differ"));
        }
        names.push(Arc::clone(&database.name));
        databases.push(Arc::new(database));
    }
    root.finish()?;
    if databases.is_empty() {
        let place = Place::File { path: path.to_owned(), position: None };
        return Err(ConfigError::new(place, "has no [[database]]; `tenantui config template` prints an example"));
    }
    Ok(Config { ui, databases, left_out: Vec::new(), source: Source::File(path.to_owned()) })
}

/// The key map that the configuration names. A configuration that is wrong names none: what loads it says why.
#[must_use]
pub fn keymap_file(request: &LoadRequest) -> Option<PathBuf> {
    let file = path(request).ok()??;
    ui_of_file(&file, &request.around).ok()?.keymap
}

/// With `--url` the file's databases do not count, right or wrong.
fn ui_of_file(path: &Path, around: &Surroundings) -> Result<Ui, ConfigError> {
    let document = Document::read(path)?;
    let tree = document.parse()?;
    let mut root = Section::root(&document, around, &tree);
    let ui = sections::ui(&mut root.table("ui")?)?;
    root.ignore("database");
    root.finish()?;
    Ok(ui)
}

fn override_ui(ui: &mut Ui, around: &Surroundings) -> Result<(), ConfigError> {
    if let Some(theme) = variable(around, "TENANTUI_THEME")? {
        if !sections::THEMES.contains(&theme.as_str()) && !Path::new(&theme).is_file() {
            let what = format!("impossible value; allowed: {}, or a file", sections::THEMES.join(", "));
            return Err(ConfigError::new(Place::Variable("TENANTUI_THEME"), what));
        }
        ui.theme = theme;
    }
    if let Some(refresh) = variable(around, "TENANTUI_REFRESH")? {
        ui.refresh = parse_duration(&refresh, sections::REFRESH)
            .map_err(|what| ConfigError::new(Place::Variable("TENANTUI_REFRESH"), what))?;
    }
    if let Some(mouse) = flag(around, "TENANTUI_MOUSE")? {
        ui.mouse = mouse;
    }
    Ok(())
}

fn choose(config: &mut Config, request: &LoadRequest) -> Result<(), ConfigError> {
    let (name, place) = match (&request.database, variable(&request.around, "TENANTUI_DATABASE")?) {
        (Some(name), _) => (name.clone(), Place::Flag("--database")),
        (None, Some(name)) => (name, Place::Variable("TENANTUI_DATABASE")),
        (None, None) => return Ok(()),
    };
    let all: Vec<&str> = config.databases.iter().map(|database| &*database.name).collect();
    if !all.contains(&name.as_str()) {
        let what = format!("there is no database of this name; allowed: {}", all.join(", "));
        return Err(ConfigError::new(place, what));
    }
    let (chosen, left_out) = config.databases.drain(..).partition(|database| *database.name == *name);
    (config.databases, config.left_out) = (chosen, left_out);
    Ok(())
}

/// The example configuration: every option, its default, its allowed values.
#[must_use]
pub const fn template() -> &'static str {
    include_str!("../../config.example.toml")
}

//! What a command works with: the configuration, the databases it means, and their readings.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::SecretString;

use super::args::Connection;
use super::ask;
use super::exit::{Failure, Outcome, Status};
use super::output;
use super::signals::Signals;
use crate::config::LoadRequest;
use crate::config::surroundings::Surroundings;
use crate::config::{self, Config};
use crate::fleet::{self, ReadOptions, Reading};
use crate::model::filter::{Filter, FilterText};
use crate::model::server::ServerIdentity;
use crate::postgres::session::{Neighbours, Patience, Prompt, QueryError, Reader, Target};

/// A command's surroundings.
#[derive(Debug)]
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// The databases that the command means.
    pub databases: Vec<Arc<config::Database>>,
    /// Asked to stop?
    pub signals: Signals,
    /// All databases of the configuration, those that are left out among them: what is seen of their servers counts for
    /// each other.
    pub neighbours: Neighbours,
    /// The command writes nowhere: what keeps others from writing is only told.
    pub reads_only: bool,
}

/// A database, read or not.
pub struct Read {
    /// Its configuration.
    pub database: Arc<config::Database>,
    /// What was read, or why not.
    pub reading: Outcome<(Target, Reading)>,
}

impl Session {
    /// Loads the configuration and chooses the databases.
    ///
    /// # Errors
    /// Exit 2: the configuration is wrong, or there is no database of that name.
    pub fn open(connection: &Connection, signals: Signals) -> Outcome<Self> {
        Ok(Self::of(load(connection)?, signals))
    }

    /// A session over a configuration that is there already.
    #[must_use]
    pub fn of(config: Config, signals: Signals) -> Self {
        let databases = config.databases.clone();
        let around = Surroundings::process();
        // Nobody is asked for a password for a look. One that cannot be resolved is told by the command that means it.
        let all = databases.iter().chain(&config.left_out);
        let all = all.filter_map(|database| Target::resolve(Arc::clone(database), &around).ok()).collect();
        Self { neighbours: Neighbours::of(all), config, databases, signals, reads_only: false }
    }

    /// Everything needed to connect. On a terminal the password is asked for where none is found.
    ///
    /// # Errors
    /// Exit 3.
    pub fn target(&self, database: &Arc<config::Database>) -> Outcome<Target> {
        let around = Surroundings::process();
        let prompt: Option<Prompt> = ask::is_interactive().then(|| {
            let prompt: Prompt =
                Arc::new(|question: &str| rpassword::prompt_password(question).ok().map(SecretString::from));
            prompt
        });
        let target = Target::resolve_with_prompt(Arc::clone(database), &around, prompt)?;
        Ok(target.among(&self.neighbours))
    }

    /// Reads one database.
    ///
    /// # Errors
    /// Exit 3 without a link, 2 where the registry or the layout is not usable.
    pub async fn read_one(
        &self,
        database: &Arc<config::Database>,
        options: &ReadOptions,
    ) -> Outcome<(Target, Reading)> {
        let target = self.target(database)?;
        let reading = read_again(&target, options).await?;
        Ok((target, reading))
    }

    /// The one database that a command can mean.
    ///
    /// # Errors
    /// Exit 2 where there are several.
    pub fn only_database(&self) -> Outcome<Arc<config::Database>> {
        match self.databases.as_slice() {
            [database] => Ok(Arc::clone(database)),
            several => {
                let names: Vec<&str> = several.iter().map(|database| &*database.name).collect();
                Err(Failure::usage(format!("which database? Add --database with one of {}", names.join(", "))))
            }
        }
    }

    /// The filter that a command line wrote, with the saved ones that it names.
    ///
    /// # Errors
    /// Exit 2 where it names one that there is not.
    pub fn filter(&self, written: Option<&FilterText>) -> Outcome<Option<Filter>> {
        let filter = written.map(|written| written.with(&self.config.ui.filters)).transpose();
        filter.map_err(|error| Failure::usage(format!("the filter: {error}")))
    }

    /// Whether names of databases have to be told apart.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.databases.len() > 1
    }

    /// Asks all databases for a list at once: what they answered, database after database. Those that did not are told;
    /// the exit status for it.
    pub async fn ask_all<T>(
        &self,
        ask: impl AsyncFn(&Reader, &config::Database) -> Result<Vec<T>, QueryError>,
    ) -> (Vec<T>, Status) {
        let lists = join_all(self.databases.iter().map(|database| async {
            let target = self.target(database)?;
            let reader = Reader::open(&target, Patience::Foreground).await?;
            Outcome::Ok((ask(&reader, database).await?, target, reader.facts().identity()))
        }))
        .await;
        let mut status = Status::Done;
        let mut all = Vec::new();
        for (database, list) in self.databases.iter().zip(lists) {
            match list {
                Ok((list, target, server)) => {
                    self.tell_old(&target, Some(&server));
                    all.extend(list);
                }
                Err(failure) => status = status.and(tell(database, &failure)),
            }
        }
        (all, status)
    }

    /// Reads all databases at once.
    pub async fn read(&self, options: &ReadOptions) -> Vec<Read> {
        self.read_where(None, options).await
    }

    /// Reads at once the databases of which a tenant may fit a filter. Of the others it is certain that none does: they
    /// are not asked, and whether they are up is nobody's business.
    pub async fn read_where(&self, filter: Option<&Filter>, options: &ReadOptions) -> Vec<Read> {
        let meant =
            self.databases.iter().filter(|database| filter.is_none_or(|filter| filter.may_fit_in(&database.name)));
        let mut reads: Vec<Read> = join_all(meant.map(|database| async {
            let reading = self.read_one(database, options).await;
            Read { database: Arc::clone(database), reading }
        }))
        .await;
        // Which one was read first says nothing of which is the old primary of the other.
        for (target, reading) in reads.iter_mut().filter_map(|read| read.reading.as_mut().ok()) {
            reading.judge_again(target);
            self.tell_old(target, reading.context.layout.found_on.as_ref());
        }
        reads
    }

    /// Says of a server that it is an old primary, where nothing will be refused for it.
    fn tell_old(&self, target: &Target, server: Option<&ServerIdentity>) {
        let why = server.filter(|_| self.reads_only).and_then(|server| target.role_of(server).read_only_why());
        if let Some(why) = why {
            output::note(format!("{}: {}", target.config.name, why.safe()));
        }
    }

    /// Why a filter leaves nothing to do, where no tenant of any database can fit it.
    #[must_use]
    pub fn nowhere(&self, filter: Option<&Filter>) -> Option<String> {
        let filter = filter?;
        if self.databases.iter().any(|database| filter.may_fit_in(&database.name)) {
            return None;
        }
        let names: Vec<&str> = self.databases.iter().map(|database| &*database.name).collect();
        Some(format!("no tenant can fit the filter: it leaves out every database there is ({})", names.join(", ")))
    }
}

/// Loads the configuration.
///
/// # Errors
/// Exit 2, with file, line, column and option.
pub fn load(connection: &Connection) -> Outcome<Config> {
    config::load(&request(connection)).map_err(|error| Failure::usage(error.to_string()))
}

/// What the configuration is read from: a file's path, or the words for the environment.
///
/// # Errors
/// Exit 2 where no file can be looked for.
pub fn source(connection: &Connection) -> Outcome<Option<PathBuf>> {
    config::path(&request(connection)).map_err(|error| Failure::usage(error.to_string()))
}

/// The key map that the configuration names.
pub(super) fn keymap_file(connection: &Connection) -> Option<PathBuf> {
    config::keymap_file(&request(connection))
}

fn request(connection: &Connection) -> LoadRequest {
    let mut request = LoadRequest::new(Surroundings::process());
    request.config.clone_from(&connection.config);
    request.url = connection.url.as_deref().map(SecretString::from);
    request.database.clone_from(&connection.database);
    request.read_only = connection.read_only;
    request
}

/// Reads a database, with what takes long told.
///
/// # Errors
/// As [`Session::read_one`].
pub async fn read_again(target: &Target, options: &ReadOptions) -> Outcome<Reading> {
    let tell = |words: &str| output::note(format!("{}: {words}", target.config.name));
    Ok(fleet::read_once_telling(target, options, &tell).await?)
}

/// Says which databases are down, and gives the exit status for it.
#[must_use]
pub fn tell_down(reads: &[Read]) -> Status {
    let mut status = Status::Done;
    for read in reads {
        if let Err(failure) = &read.reading {
            status = status.and(tell(&read.database, failure));
        }
    }
    status
}

fn tell(database: &config::Database, failure: &Failure) -> Status {
    output::note(format!("{}: {}", database.name, failure.message));
    failure.status
}

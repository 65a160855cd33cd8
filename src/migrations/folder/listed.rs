//! Folders whose files say more than their names: a reader of the tool's own lists the migrations in their order.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::entries::{self, Entry};
use super::{FileFacts, Folder, FolderError, FolderFacts, MigrationFile, graph, parts};
use crate::migrations::dialects::Dialect;
use crate::model::ledger::Version;
use crate::text::Untrusted;

/// Reads a folder: its path, and all files below it.
pub(crate) type Lister = fn(&Path, Vec<Entry>) -> Result<Listing, FolderError>;

/// What a reader found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The migrations: in their order, or in any where `by_graph`.
    pub files: Vec<Listed>,
    /// The order follows from what each comes behind; where that leaves it open, the order here.
    pub by_graph: bool,
    /// What is odd.
    pub notes: Vec<String>,
    /// [`FolderFacts::scopes`].
    pub scopes: Vec<String>,
}

/// One migration.
#[derive(Debug)]
pub(crate) struct Listed {
    /// As the ledger's entries are called.
    pub version: String,
    /// In words.
    pub name: String,
    /// Its file.
    pub entry: Entry,
    /// Its text: the file's, or a part of it.
    pub text: Arc<str>,
    /// A program, not SQL.
    pub is_code: bool,
    /// Its tool runs it in a transaction.
    pub transactional: bool,
    /// What undoes it, where that is a file of its own.
    pub down: Option<Box<(Entry, Arc<str>)>>,
    /// [`FileFacts::keys`].
    pub keys: Vec<String>,
    /// The versions directly before it; those that are no files are passed over.
    pub parents: Vec<String>,
    /// [`FileFacts::replaces`].
    pub replaces: Vec<String>,
}

impl Listed {
    /// A program, of which only the names are known.
    pub fn code(version: &str, name: &str, entry: Entry, text: Arc<str>) -> Self {
        Self {
            version: version.to_owned(),
            name: name.to_owned(),
            entry,
            text,
            is_code: true,
            transactional: true,
            down: None,
            keys: Vec::new(),
            parents: Vec::new(),
            replaces: Vec::new(),
        }
    }
}

/// Makes a folder of what a reader finds.
pub(super) fn read(
    path: &Path,
    dialect: &'static Dialect,
    depth: usize,
    lister: Lister,
) -> Result<Folder, FolderError> {
    let mut listing = lister(path, entries::entries(path, depth)?)?;
    if listing.by_graph {
        put_in_order(&mut listing);
    }
    let mut facts = FolderFacts { scopes: listing.scopes, files: Vec::with_capacity(listing.files.len()) };
    let mut files = Vec::with_capacity(listing.files.len());
    for (position, listed) in listing.files.into_iter().enumerate() {
        let versions = |texts: &[String]| texts.iter().map(|text| Version::new(text)).collect();
        facts.files.push(FileFacts {
            parents: versions(&listed.parents),
            replaces: versions(&listed.replaces),
            keys: listed.keys.clone(),
        });
        files.push(Arc::new(MigrationFile { position, ..file(listed) }));
    }
    parts::equal_keys(&files, dialect)?;
    let notes = listing.notes.into_iter().map(Untrusted::from).collect();
    Ok(Folder { path: path.to_owned(), tool: dialect.tool, files, notes, facts })
}

fn file(listed: Listed) -> MigrationFile {
    let version = Version::new(&listed.version);
    let name = Untrusted::from(listed.name);
    let (is_code, transactional) = (listed.is_code, listed.transactional);
    let down = listed.down.map(|down| {
        let (entry, text) = *down;
        Arc::new(MigrationFile { is_code, transactional, ..parts::bare(version.clone(), name.clone(), entry, text) })
    });
    MigrationFile { is_code, transactional, down, ..parts::bare(version, name, listed.entry, listed.text) }
}

/// Each behind those that it names; a circle is told and left in the order of names.
fn put_in_order(listing: &mut Listing) {
    let places: HashMap<&str, usize> =
        listing.files.iter().enumerate().map(|(place, listed)| (listed.version.as_str(), place)).collect();
    let parents: Vec<Vec<usize>> = listing
        .files
        .iter()
        .map(|listed| listed.parents.iter().filter_map(|parent| places.get(parent.as_str()).copied()).collect())
        .collect();
    let (order, circle) = graph::order(&parents);
    if !circle.is_empty() {
        let names: Vec<&str> = circle.iter().take(5).map(|place| listing.files[*place].version.as_str()).collect();
        listing.notes.push(format!("these depend on each other in a circle: {}", names.join(", ")));
    }
    let mut files: Vec<Option<Listed>> = std::mem::take(&mut listing.files).into_iter().map(Some).collect();
    listing.files = order.into_iter().filter_map(|place| files[place].take()).collect();
}

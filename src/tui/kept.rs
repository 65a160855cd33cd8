//! What the dashboard keeps between runs: how the operator looks at each fleet, and nothing else. No I/O; never a
//! secret: a fleet is known by its databases' names and `user@host`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::app::state::{ColumnChoice, Screen, Sort, TenantColumn};

/// Fleets that are kept; the one that was not looked at for the longest time goes first.
const FLEETS: usize = 100;

/// What begins the file, for whoever finds it.
const HEAD: &str = "# What tenantui's dashboard keeps between runs. It can be deleted at any time.\n";

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The first help was seen.
    pub welcomed: bool,
    /// By the fleet's key.
    pub fleet: BTreeMap<String, KeptView>,
}

/// How one fleet was looked at. Words that are not known (of another version) count for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptView {
    /// When, in seconds since 1970.
    pub used: i64,
    /// The last screen.
    pub screen: String,
    /// The column by which the tenants are sorted.
    pub sort: String,
    /// Largest first.
    pub descending: bool,
    /// Columns that were asked for.
    pub show: Vec<String>,
    /// Columns that were hidden.
    pub hide: Vec<String>,
}

/// The fleet's key.
#[must_use]
pub fn fleet_key<'a>(databases: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    databases.map(|(name, address)| format!("{name} {address}")).collect::<Vec<_>>().join(", ")
}

impl Kept {
    /// Reads the file's text.
    ///
    /// # Errors
    /// With the line, where it cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{line}{}", crate::text::sanitise(error.message()))
        })
    }

    /// The file's text.
    ///
    /// # Errors
    /// When it cannot be written as TOML.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// Puts a fleet's view in, and takes out what is too much.
    pub fn put(&mut self, fleet: &str, view: KeptView) {
        self.welcomed = true;
        self.fleet.insert(fleet.to_owned(), view);
        while self.fleet.len() > FLEETS {
            let oldest = self.fleet.iter().min_by_key(|(_, view)| view.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.fleet.remove(&oldest);
        }
    }
}

impl KeptView {
    /// Of what is shown.
    #[must_use]
    pub fn of(screen: Screen, sort: Sort, columns: &ColumnChoice, used: jiff::Timestamp) -> Self {
        let words = |columns: &BTreeSet<TenantColumn>| columns.iter().map(|column| word(*column)).collect();
        Self {
            used: used.as_second(),
            screen: screen_word(screen).to_owned(),
            sort: word(sort.column),
            descending: sort.descending,
            show: words(&columns.asked),
            hide: words(&columns.hidden),
        }
    }

    /// The screen to begin with.
    #[must_use]
    pub fn screen(&self) -> Screen {
        [Screen::Migrations, Screen::Jobs, Screen::Server]
            .into_iter()
            .find(|screen| screen_word(*screen) == self.screen)
            .unwrap_or_default()
    }

    /// The order of the tenants.
    #[must_use]
    pub fn sort(&self) -> Sort {
        TenantColumn::from_word(&self.sort)
            .filter(|column| column.sorts())
            .map_or_else(Sort::default, |column| Sort { column, descending: self.descending })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> ColumnChoice {
        let columns = |words: &[String]| words.iter().filter_map(|word| TenantColumn::from_word(word)).collect();
        let (asked, mut hidden): (BTreeSet<_>, BTreeSet<_>) = (columns(&self.show), columns(&self.hide));
        hidden.retain(|column| *column != TenantColumn::Tenant && !asked.contains(column));
        ColumnChoice { asked, hidden }
    }
}

fn word(column: TenantColumn) -> String {
    column.word().to_ascii_lowercase()
}

/// What is opened by a choice on another screen begins there again.
const fn screen_word(screen: Screen) -> &'static str {
    match screen {
        Screen::Tenants | Screen::Tenant | Screen::Messages | Screen::Audit => "tenants",
        Screen::Migrations => "migrations",
        Screen::Jobs | Screen::JobResult => "jobs",
        Screen::Server => "server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn what_is_kept_comes_back() {
        let columns = ColumnChoice {
            asked: [TenantColumn::Plan].into(),
            hidden: [TenantColumn::Keys, TenantColumn::Schema].into(),
        };
        let sort = Sort { column: TenantColumn::Size, descending: true };
        let mut kept = Kept::default();
        kept.put("eu-1 ops@db1", KeptView::of(Screen::JobResult, sort, &columns, at(7)));
        let again = Kept::parse(&kept.text().expect("TOML")).expect("readable");
        assert_eq!(again, kept);
        let view = &again.fleet["eu-1 ops@db1"];
        assert_eq!((view.screen(), view.sort(), view.columns()), (Screen::Jobs, sort, columns));
        assert!(again.welcomed);
    }

    #[test]
    fn what_is_not_known_counts_for_nothing_and_what_is_broken_is_said() {
        let text =
            "[fleet.x]\nscreen = \"cinema\"\nsort = \"colour\"\nhide = [\"tenant\", \"size\", \"smell\"]\nnew = 1\n";
        let view = Kept::parse(text).expect("readable").fleet["x"].clone();
        assert_eq!((view.screen(), view.sort()), (Screen::Tenants, Sort::default()));
        assert_eq!(view.columns().hidden, [TenantColumn::Size].into(), "names are always shown");
        let broken = Kept::parse("welcomed = true\n[fleet.x]\nsort = 5\n").expect_err("broken");
        assert!(broken.starts_with("line 3: "), "{broken}");
        assert!(Kept::parse("\u{0}garbage").is_err());
    }

    #[test]
    fn the_oldest_fleets_go() {
        let mut kept = Kept::default();
        for number in 0..i64::try_from(FLEETS).expect("few") + 5 {
            let view = KeptView { used: 1_000 - number, ..KeptView::default() };
            kept.put(&format!("f{number}"), view);
        }
        assert_eq!(kept.fleet.len(), FLEETS);
        assert!(kept.fleet.contains_key("f0") && !kept.fleet.contains_key("f103"));
    }
}

//! The tenants that are asked for: one by the arguments, or those of a CSV file, line by line.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::list;
use crate::cli::args::Provision;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::jobs::settings;
use crate::layout::naming::fold;
use crate::text;

/// Lines that are told before it is said how many more are wrong.
const SHOWN: usize = 20;

/// A tenant that is asked for; nothing of it is checked by the layout yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its line in the file; `None`: it is of the arguments.
    pub line: Option<u64>,
    /// The slug.
    pub slug: String,
    /// The display name.
    pub name: String,
    /// The plan.
    pub plan: Option<String>,
    /// The settings.
    pub settings: Option<String>,
}

/// What is wrong with lines of a file, or with the one tenant of the arguments.
#[derive(Debug, Default)]
pub struct Wrong {
    lines: Vec<(Option<u64>, String)>,
    status: Option<Status>,
}

impl Wrong {
    /// One more. What a person mistyped outweighs what stands in the way.
    pub fn add(&mut self, wanted: &Wanted, status: Status, words: impl Into<String>) {
        self.add_line(wanted.line, status, words);
    }

    /// The same of a line that names no tenant.
    pub fn add_line(&mut self, line: Option<u64>, status: Status, words: impl Into<String>) {
        self.lines.push((line, words.into()));
        self.status = match (self.status, status) {
            (Some(Status::Usage), _) => Some(Status::Usage),
            (_, status) => Some(status),
        };
    }

    /// The lines with which something is wrong so far.
    #[must_use]
    pub fn told(&self) -> HashSet<Option<u64>> {
        self.lines.iter().map(|(line, _)| *line).collect()
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Fails where something is wrong, with every line of it as far as they can be read by a person.
    ///
    /// # Errors
    /// Exit 2 or 5, as what is wrong says.
    pub fn judge(mut self, file: Option<&Path>) -> Outcome<()> {
        let Some(status) = self.status else { return Ok(()) };
        self.lines.sort_by_key(|(line, _)| *line);
        let Some(file) = file else {
            let words: Vec<String> = self.lines.into_iter().map(|(_, words)| words).collect();
            return Err(Failure::new(status, format!("nothing was done: {}", words.join("\n"))));
        };
        let count = self.lines.len();
        let shown = self.lines.into_iter().take(SHOWN).map(|(line, words)| {
            format!("{}:{}: {words}", file.display(), line.map_or_else(|| "?".to_owned(), |line| line.to_string()))
        });
        let mut lines: Vec<String> = shown.collect();
        if count > SHOWN {
            lines.push(format!("and {}", text::counted(count - SHOWN, "more line")));
        }
        let what = if count == 1 { "a line of it is".to_owned() } else { format!("{count} lines of it are") };
        lines.push(format!("nothing was done: {what} wrong; correct them and run it again"));
        Err(Failure::new(status, lines.join("\n")))
    }
}

/// Reads what is asked for, and what is wrong with it so far: the layout may find more, and all of it is told at once.
///
/// # Errors
/// Exit 2 for a file that cannot be read, lacks a column or has an unknown one.
pub fn read(arguments: &Provision) -> Outcome<(Vec<Wanted>, Wrong)> {
    let mut wrong = Wrong::default();
    let wanted = match &arguments.from {
        None => vec![Wanted {
            line: None,
            slug: arguments.slug.clone().unwrap_or_default(),
            name: arguments.name.clone().unwrap_or_default(),
            plan: arguments.plan.clone(),
            settings: arguments.settings.clone(),
        }],
        Some(path) => list::read(path, &mut wrong)?,
    };
    let mut seen: HashMap<String, u64> = HashMap::new();
    for one in &wanted {
        if one.name.trim().is_empty() {
            let what = if one.line.is_some() { "the name is empty" } else { "the display name (--name) is empty" };
            wrong.add(one, Status::Usage, what);
        }
        if let Some(Err(words)) = one.settings.as_deref().map(settings::check) {
            wrong.add(one, Status::Usage, words);
        }
        if let Some(line) = one.line
            && let Some(other) = seen.insert(fold(&one.slug), line)
        {
            wrong.add(
                one,
                Status::Usage,
                format!("the key \"{}\" is on line {other} already, or one too like it", text::sanitise(&one.slug)),
            );
        }
    }
    Ok((wanted, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Outcome<Vec<Wanted>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tenants.csv");
        std::fs::write(&path, text).expect("written");
        let (wanted, wrong) = read(&Provision { from: Some(path.clone()), ..Provision::default() })?;
        wrong.judge(Some(&path)).map(|()| wanted)
    }

    #[test]
    fn a_file_is_read_line_by_line() {
        let wanted =
            from("\u{feff}Slug, name,settings\nacme, Acme Ltd,\"{\"\"a\"\": 1}\"\nbeta,\"Two\nlines\",\ngamma,G,\n")
                .expect("read");
        let lines: Vec<_> = wanted.iter().map(|one| (one.line, one.slug.as_str(), one.name.as_str())).collect();
        assert_eq!(lines, [(Some(2), "acme", "Acme Ltd"), (Some(3), "beta", "Two\nlines"), (Some(5), "gamma", "G")]);
        assert_eq!(wanted[0].settings.as_deref(), Some("{\"a\": 1}"));
        assert_eq!((&wanted[0].plan, &wanted[1].settings), (&None, &None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, words) in [
            (
                "slug,name\nacme,\nbeta,B\nACME,A\n",
                &["tenants.csv:2: the name is empty", "tenants.csv:4: the key \"ACME\" is on line 2"][..],
            ),
            (
                "slug,name,settings\na,A,[1]\nb,B,{\n",
                &["tenants.csv:2: the settings are JSON, and no object", "tenants.csv:3: the settings are no JSON"],
            ),
            ("slug,title\na,A\n", &["a column \"title\""]),
            ("slug\na\n", &["does not name name"]),
            ("slug,name,slug\na,A,b\n", &["names slug twice"]),
            ("slug,name\na\n", &["tenants.csv:2: it has 1 field"]),
            ("slug,name\n", &["names no tenant"]),
        ] {
            let failure = from(text).expect_err(text);
            assert_eq!(failure.status, Status::Usage);
            for word in words {
                assert!(failure.message.contains(word), "{text}: {}", failure.message);
            }
        }
        let many: String = (0..30).map(|n| format!("t{n},\n")).collect();
        let message = from(&format!("slug,name\n{many}")).expect_err("many").message;
        assert!(message.contains("and 10 more lines") && message.contains("30 lines of it are wrong"), "{message}");
        assert!(read(&Provision { from: Some("/nowhere/t.csv".into()), ..Provision::default() }).is_err());
    }
}

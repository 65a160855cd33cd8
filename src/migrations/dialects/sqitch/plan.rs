//! `sqitch.plan`: a line for each change and each tag. The id of a change is the SHA-1 of what its line says and of the
//! id of the change before it, so it can be known from the plan alone.

use std::collections::HashMap;

/// A plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// `%project`.
    pub project: String,
    /// In the order of the plan.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its name; with the tag it ended at where it was reworked later (`users@v1`), as its scripts are called.
    pub version: String,
    /// Its name.
    pub name: String,
    /// Its note.
    pub note: String,
    /// Its id.
    pub id: String,
}

/// Reads a plan. Why it is none starts with `:` and the line.
pub(super) fn parse(text: &str) -> Result<Plan, String> {
    let (mut project, mut uri) = (None, None);
    let mut changes: Vec<Change> = Vec::new();
    // The last place of each name, and the first tag behind a place.
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut tags: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(pragma) = line.strip_prefix('%') {
            match pragma.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some(("project", value)) => project = Some(value.to_owned()),
                Some(("uri", value)) => uri = Some(value.to_owned()),
                Some(_) | None => {}
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (body, note) = split_note(line);
        if let Some(tag) = body.strip_prefix('@') {
            let tag = tag.split_whitespace().next().unwrap_or_default();
            if let Some(last) = changes.len().checked_sub(1) {
                tags.push((last, tag.to_owned()));
            }
            continue;
        }
        let wrong =
            || format!(":{}: this is no line of a plan: name [requirements] date planner <email> # note", number + 1);
        let line = ChangeLine::parse(body).ok_or_else(wrong)?;
        let project = project.as_deref().ok_or_else(|| ": it has no %project".to_owned())?;
        let parent = changes.last().map(|change| change.id.as_str());
        let id = id(project, uri.as_deref(), parent, &line, &note);
        if let Some(before) = places.insert(line.name.to_owned(), changes.len())
            && let Some((_, tag)) = tags.iter().find(|(place, _)| *place >= before)
        {
            changes[before].version = format!("{}@{tag}", line.name);
        }
        changes.push(Change { version: line.name.to_owned(), name: line.name.to_owned(), note, id });
    }
    Ok(Plan { project: project.unwrap_or_default(), changes })
}

/// What stands before ` # `, and the note behind it.
fn split_note(line: &str) -> (&str, String) {
    match line.split_once(" #") {
        Some((body, note)) => (body.trim_end(), unescaped(note.trim())),
        None => (line, String::new()),
    }
}

/// Notes keep their lines as `\n`.
fn unescaped(note: &str) -> String {
    let mut out = String::new();
    let mut chars = note.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            ('\\', Some('r')) => {
                chars.next();
                out.push('\r');
            }
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            (c, _) => out.push(c),
        }
    }
    out
}

struct ChangeLine<'l> {
    name: &'l str,
    requires: Vec<&'l str>,
    conflicts: Vec<&'l str>,
    date: &'l str,
    planner: &'l str,
}

impl<'l> ChangeLine<'l> {
    fn parse(body: &'l str) -> Option<Self> {
        let (name, rest) = body.trim_start_matches('+').trim_start().split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (dependencies, rest) = match rest.strip_prefix('[') {
            Some(list) => list.split_once(']')?,
            None => ("", rest),
        };
        let (date, planner) = rest.trim_start().split_once(char::is_whitespace)?;
        if !date.ends_with('Z') || !date.contains('T') {
            return None;
        }
        let (mut requires, mut conflicts) = (Vec::new(), Vec::new());
        for word in dependencies.split_whitespace() {
            match word.strip_prefix('!') {
                Some(other) => conflicts.push(other),
                None => requires.push(word.trim_start_matches(':')),
            }
        }
        Some(Self { name, requires, conflicts, date, planner: planner.trim() })
    }
}

fn id(project: &str, uri: Option<&str>, parent: Option<&str>, line: &ChangeLine<'_>, note: &str) -> String {
    let mut info = vec![format!("project {project}")];
    info.extend(uri.map(|uri| format!("uri {uri}")));
    info.push(format!("change {}", line.name));
    info.extend(parent.map(|parent| format!("parent {parent}")));
    info.push(format!("planner {}", line.planner));
    info.push(format!("date {}", line.date));
    let list = |title: &str, sign: &str, items: &[&str]| {
        (!items.is_empty()).then(|| format!("{title}\n  {sign} {}", items.join(&format!("\n  {sign} "))))
    };
    info.extend(list("requires", "+", &line.requires));
    info.extend(list("conflicts", "-", &line.conflicts));
    if !note.is_empty() {
        info.extend([String::new(), note.to_owned()]);
    }
    let info = info.join("\n");
    sha1_smol::Sha1::from(format!("change {}\0{info}", info.len()).as_bytes()).digest().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(%project=x|\n|@v1|users| |\\[|\\]|!|#|2025-01-01T12:00:00Z|A <a@b>|\\\\|é){0,40}") {
            let _plan = parse(&text);
        }
    }

    #[test]
    fn ids_are_those_that_sqitch_made() {
        let plan = parse(include_str!("../../../../tests/fixtures/ledgers/sqitch-own/migrations/sqitch.plan"))
            .expect("a plan");
        let seen: Vec<_> = plan.changes.iter().map(|change| (change.version.as_str(), change.id.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("users@v1.0", "e5cdd80e4b782538cf8e94e17a4157244f40e24b"),
                ("products", "ed750ffdd34a5986d654ac537a45515960cbcb46"),
                ("orders", "42db77f05d3dd2aa7d76c6d06ed7e485fae6fec8"),
                ("users", "7997aad0e955f73e9629b994fb1245bf385611cb"),
            ]
        );
        assert_eq!(plan.changes[0].note, "Users\nwith two lines");
        assert_eq!(plan.project, "shop");
    }

    #[test]
    fn what_is_no_plan_is_told_with_its_line() {
        let error = parse("%project=shop\n\nusers without a date\n").expect_err("no plan");
        assert!(error.starts_with(":3:"), "{error}");
        assert!(parse("users 2025-01-01T12:00:00Z A <a@b>\n").expect_err("no project").contains("%project"));
    }
}

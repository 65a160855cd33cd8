//! What the provisioning form says of what it will do: its steps, its time, its SQL.

use super::new_tenant::{NewTenant, Verdict};
use crate::config::RunAs;
use crate::jobs::granted::Granted;
use crate::jobs::provision;
use crate::layout::Registry;
use crate::layout::role::{Privilege, Role};
use crate::migrations::aim::{Driven, Example};
use crate::migrations::{alone, plan};
use crate::model::ident::{Ident, IdentError, SchemaName};
use crate::text::{Untrusted, counted, grouped, time_left};

impl NewTenant {
    pub(super) fn has_registry(&self) -> bool {
        match &self.input.layout.registry {
            Registry::Table { .. } => true,
            Registry::Query { .. } | Registry::Scan { .. } => false,
        }
    }

    fn is_driven(&self) -> bool {
        matches!(self.input.drives, Ok(Some(_)))
    }

    /// Files that cannot run in the one transaction.
    fn outside(&self) -> usize {
        if self.is_driven() {
            return self.count();
        }
        let files = self.input.folder.iter().flat_map(|folder| &folder.files);
        files.filter(|file| !matches!(alone::of(file), Ok(None))).count()
    }

    fn count(&self) -> usize {
        self.input.folder.as_ref().map_or(0, |folder| folder.files.len())
    }

    /// What plan time says of the files; Show SQL begins with it.
    fn warnings(&self) -> Vec<Untrusted> {
        let files = self.input.folder.iter().flat_map(|folder| &folder.files).map(AsRef::as_ref);
        plan::warnings_of_new(files, &[], self.is_driven())
    }

    /// `42 migrations, about 9 s left`, as far as their times are known.
    pub(super) fn migrations(&self) -> String {
        let count = self.count();
        let warnings = match self.warnings().len() {
            0 => String::new(),
            warnings => format!(", {}", counted(warnings, "warning")),
        };
        let words = format!("{}{warnings}", counted(count, "migration"));
        let files = self.input.folder.iter().flat_map(|folder| &folder.files);
        let times: Option<u64> = files.map(|file| self.input.times.of(&file.version).map(|time| time.mean_ms)).sum();
        match times.filter(|_| count > 0) {
            Some(milliseconds) => format!("{words}, {}", time_left(milliseconds.div_ceil(1_000).max(1))),
            None => words,
        }
    }

    /// Its steps, as many to a line of `columns` as fit.
    pub(super) fn steps(&self, columns: usize) -> Vec<String> {
        let count = self.count();
        let run = match count {
            0 => None,
            _ if self.is_driven() => Some("run the tool\'s command".to_owned()),
            1 => Some("run 1 migration".to_owned()),
            _ => Some(format!("run {} migrations", grouped(count as u64))),
        };
        let row = self.has_registry().then(|| "reserve row".to_owned());
        let active = self.has_registry() && self.input.layout.statuses.active.is_some();
        let role = |words: &str| self.role.then(|| words.to_owned());
        // Where something runs by itself, nobody finds the tenant before it is whole.
        let late = self.outside() > 0;
        let steps = [
            row.clone().filter(|_| !late),
            Some("create schema".to_owned()),
            role("create role"),
            run,
            row.filter(|_| late),
            (self.role || self.input.granted.is_some()).then(|| "grants".to_owned()),
            active.then(|| "mark active".to_owned()),
        ];
        let mut lines: Vec<String> = Vec::new();
        for (index, step) in steps.into_iter().flatten().enumerate() {
            let step = format!("{} {step}", index + 1);
            match lines.last_mut() {
                Some(line) if line.len() + 2 + step.len() <= columns => {
                    line.push_str("  ");
                    line.push_str(&step);
                }
                Some(_) | None => lines.push(step),
            }
        }
        lines
    }

    pub(super) fn undo(&self) -> &'static str {
        if self.outside() == 0 {
            "If a step fails: everything is undone (one transaction)"
        } else {
            "If a step fails: what exists is kept in the job, to retry or remove"
        }
    }

    /// What will be sent, as far as it is known before it runs.
    pub(super) fn sql_text(&self) -> String {
        let mut out =
            String::from("-- What this will send, in one transaction. Values travel as parameters.\nbegin;\n");
        if self.is_driven() {
            out = "-- What this will send. The migrations are run by the tool\'s own command, between schema and row.\nbegin;\n"
                .to_owned();
        } else if self.outside() > 0 {
            out = format!(
                "-- What this will send. {} of the files cannot run in a transaction and run alone, after it.\nbegin;\n",
                self.outside()
            );
        }
        let warnings: String =
            self.warnings().iter().map(|warning| format!("-- warning: {}\n", warning.safe())).collect();
        out.insert_str(0, &warnings);
        let schema = match &self.verdict {
            Verdict::Free(name) | Verdict::Refused(Some(name), _) => name.schema.quoted(),
            Verdict::Empty | Verdict::Refused(None, _) => "\"...\"".to_owned(),
        };
        // Where something runs by itself, the row comes when the schema is whole.
        let late = self.outside() > 0;
        if !late {
            out.push_str(&self.row_sql());
        }
        let owner = self.input.owner.as_ref().map(Ident::quoted);
        let belongs = owner.as_ref().map(|owner| format!(" authorization {owner}")).unwrap_or_default();
        let owner = owner.filter(|_| self.input.run_as == RunAs::Owner);
        out.push_str(&format!("create schema {schema}{belongs};\n"));
        let role = self.input.layout.role.as_ref().filter(|_| self.role);
        if let Some(role) = role {
            out.push_str(&self.role_sql(role, &schema));
        }
        let maker = self.input.owner.as_ref().filter(|_| self.input.run_as == RunAs::Owner);
        out.push_str(&self.granted_sql(|granted, schema| granted.first_sql(schema, maker)));
        if !self.is_driven() {
            out.push_str(&format!("set local search_path = {schema}, pg_temp;\n"));
            out.push_str(&owner.as_ref().map(|owner| format!("set local role {owner};\n")).unwrap_or_default());
        }
        if let Some(folder) = self.input.folder.as_ref().filter(|_| !self.is_driven()) {
            for file in &folder.files {
                out.push_str(&format!("\n-- {} {}, and its row in the ledger\n", file.version.raw(), file.name.raw()));
                out.push_str(file.sql.trim_end());
                out.push('\n');
            }
        }
        if !self.is_driven() && owner.is_some() {
            out.push_str("\nset local role none;  -- the session's own again\n");
        }
        if let Ok(Some(driven)) = &self.input.drives {
            out.push_str(&format!("commit;\n{}\nbegin;", self.command_text(driven)));
        }
        if late {
            out.push('\n');
            out.push_str(&self.row_sql());
        }
        if let Some(role) = role {
            let name = self.role_quoted();
            let kinds = [
                (&role.grants.tables, "tables"),
                (&role.grants.sequences, "sequences"),
                (&role.grants.functions, "functions"),
            ];
            out.push('\n');
            for (privileges, kind) in kinds {
                out.push_str(&grant("", privileges, &format!("all {kind} in schema {schema}"), &name));
            }
        }
        out.push_str(&self.granted_sql(Granted::all_sql));
        out.push_str("\ncommit;\n");
        out
    }

    /// What roles that are there get, of the same builder as what is sent.
    fn granted_sql(&self, sql: impl Fn(&Granted, &SchemaName) -> Result<String, IdentError>) -> String {
        let name = match &self.verdict {
            Verdict::Free(name) | Verdict::Refused(Some(name), _) => name,
            Verdict::Empty | Verdict::Refused(None, _) => return String::new(),
        };
        let made = self.input.granted.as_ref().and_then(|granted| sql(granted, &name.schema).ok());
        made.map_or_else(String::new, |sql| format!("{}\n", sql.trim().replace("; ", ";\n")))
    }

    /// What runs the migrations, as comments: no statement of this text does.
    fn command_text(&self, driven: &Driven) -> String {
        let newest = self.input.folder.as_ref().and_then(|folder| folder.files.last());
        let version = newest.map_or("", |file| file.version.raw());
        let facts = match &self.verdict {
            Verdict::Free(name) | Verdict::Refused(Some(name), _) => {
                driven.facts(Some(Example { slug: &name.slug, schema: &name.schema, id: None, version }))
            }
            Verdict::Empty | Verdict::Refused(None, _) => driven.facts(None),
        };
        let comment = |line: &String| match line.as_str() {
            "" => "--\n".to_owned(),
            words if words.starts_with("--") => format!("{words}\n"),
            words => format!("-- {words}\n"),
        };
        format!("\n{}", facts.iter().map(comment).collect::<String>())
    }

    /// The statement of its row, of the same builder as the one that is sent.
    fn row_sql(&self) -> String {
        if !self.has_registry() {
            return String::new();
        }
        let (Verdict::Free(name) | Verdict::Refused(Some(name), _)) = &self.verdict else {
            return "-- the row of the registry, once there is a key\n".to_owned();
        };
        match provision::row_sql(&self.input.layout, &self.tenant(name), self.input.key) {
            Ok(sql) if sql.contains(&self.input.key.to_string()) => {
                format!("-- its id is another one, made when it is sent\n{sql}\n")
            }
            Ok(sql) => format!("{sql}\n"),
            Err(why) => format!("-- the row cannot be made: {why}\n"),
        }
    }

    fn role_quoted(&self) -> String {
        let name = self.role_name().and_then(Result::ok);
        name.and_then(|name| Ident::new(&name).ok()).map_or_else(|| "\"...\"".to_owned(), |name| name.quoted())
    }

    fn role_sql(&self, role: &Role, schema: &str) -> String {
        let name = self.role_quoted();
        let login = if role.rule.login { "login password '(the verifier of a new password)'" } else { "nologin" };
        let mut out = format!("create role {name} {login};\n");
        if let Verdict::Free(checked) = &self.verdict
            && let Ok(path) = role.rule.path_of(&checked.schema)
            && !path.is_empty()
        {
            let path: Vec<String> = path.iter().map(SchemaName::quoted).collect();
            out.push_str(&format!("alter role {name} in database ... set search_path = {};\n", path.join(", ")));
        }
        out.push_str(&grant("", &role.grants.schema, &format!("schema {schema}"), &name));
        let default = &role.grants.default;
        for (privileges, kind) in
            [(&default.tables, "tables"), (&default.sequences, "sequences"), (&default.functions, "functions")]
        {
            let words = format!("alter default privileges in schema {schema} ");
            out.push_str(&grant(&words, privileges, kind, &name));
        }
        out
    }
}

/// `grant ... on ... to ...;`, or nothing.
fn grant(before: &str, privileges: &[Privilege], on: &str, to: &str) -> String {
    if privileges.is_empty() {
        return String::new();
    }
    let words: Vec<String> = privileges.iter().map(|privilege| privilege.sql().to_ascii_lowercase()).collect();
    format!("{before}grant {} on {on} to {to};\n", words.join(", "))
}

//! The provisioning form. The name is checked while it is typed; nothing is created before `Create tenant`.
//!
//! ```text
//! +-[PROD] New tenant----------------------------------------------------+
//! | Name       [ Blue Fox Ltd            ]   Plan [ pro v ]              |
//! | Key        [ blue-fox                ]   from the name, editable     |
//! | Schema     t_blue_fox                    free (10 of 63 bytes)       |
//! | Template   0042 (target)                 42 migrations               |
//! |                                                                      |
//! | Steps      1 registry row  2 create schema  3 migrate                |
//! |            4 mark active                                             |
//! | If a step fails: everything is undone                                |
//! |                                                                      |
//! | [ Cancel ]   Show SQL   Create tenant                                |
//! +----------------------------------------------------------------------+
//! ```

use super::parts::{Scroll, Step, button_step, moved, step};
use super::{DialogAction, DialogInput, DialogOutcome, NewTenantInput};
use crate::jobs::service::{Order, ProvisionOrder};
use crate::layout::{CheckedName, Registry};
use crate::migrations::alone;
use crate::model::ident::literal;
use crate::text::{Untrusted, grouped};
use crate::tui::widgets::field::Field;
use crossterm::event::{KeyCode, KeyEvent};

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Name,
    Plan,
    Key,
    Cancel,
    Sql,
    Create,
}

/// What the key (slug) became.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// Nothing was typed yet.
    Empty,
    /// It can be created.
    Free(CheckedName),
    /// Why not, and the schema where there would be one.
    Refused(Option<CheckedName>, String),
}

/// The provisioning form.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// What it was opened on.
    pub input: NewTenantInput,
    pub(super) name: Field,
    pub(super) key: Field,
    pub(super) key_edited: bool,
    pub(super) plan: usize,
    pub(super) plans: Vec<Option<Untrusted>>,
    pub(super) focus: Stop,
    pub(super) verdict: Verdict,
    pub(super) sql: Option<Scroll>,
}

impl NewTenant {
    /// Opens it.
    #[must_use]
    pub fn new(input: NewTenantInput) -> Self {
        let plans = plan_choices(&input);
        Self {
            input,
            name: Field::default(),
            key: Field::default(),
            key_edited: false,
            plan: 0,
            plans,
            focus: Stop::Name,
            verdict: Verdict::Empty,
            sql: None,
        }
    }

    fn stops(&self) -> Vec<Stop> {
        let mut stops = vec![Stop::Name];
        if !self.plans.is_empty() {
            stops.push(Stop::Plan);
        }
        stops.extend([Stop::Key, Stop::Cancel, Stop::Sql, Stop::Create]);
        stops
    }

    /// Takes a key or pasted text. Text goes only into fields, and confirms nothing.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        match input {
            DialogInput::Key(key) => self.key(key),
            DialogInput::Paste(text) => {
                if self.sql.is_none() {
                    match self.focus {
                        Stop::Name => self.name.paste(&text),
                        Stop::Key => {
                            self.key.paste(&text);
                            self.key_edited = true;
                        }
                        Stop::Plan | Stop::Cancel | Stop::Sql | Stop::Create => {}
                    }
                    self.judge();
                }
                DialogOutcome::Stay
            }
        }
    }

    fn key(&mut self, key: KeyEvent) -> DialogOutcome {
        if let Some(sql) = &mut self.sql {
            match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.sql = None,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(sql.lines().join("\n"))]);
                }
                _ => sql.key(key),
            }
            return DialogOutcome::Stay;
        }
        let what = match self.focus {
            Stop::Name | Stop::Key => match key.code {
                KeyCode::Down => Step::Next,
                KeyCode::Up => Step::Previous,
                _ => step(key),
            },
            Stop::Plan => step(key),
            Stop::Cancel | Stop::Sql | Stop::Create => button_step(key),
        };
        match what {
            Step::Close => return DialogOutcome::Close,
            Step::Press => return self.press(),
            Step::Next | Step::Previous => self.go(what),
            Step::Other => self.typed(key),
        }
        DialogOutcome::Stay
    }

    fn go(&mut self, step: Step) {
        let stops = self.stops();
        let at = stops.iter().position(|stop| *stop == self.focus).unwrap_or(0);
        if let Some(stop) = stops.get(moved(at, stops.len(), step)) {
            self.focus = *stop;
        }
    }

    fn typed(&mut self, key: KeyEvent) {
        match self.focus {
            Stop::Name => {
                self.name.key(key);
            }
            Stop::Key => {
                let before = self.key.value().to_owned();
                self.key.key(key);
                // An emptied key is proposed from the name again.
                self.key_edited = (self.key_edited || before != self.key.value()) && !self.key.value().is_empty();
            }
            Stop::Plan => match key.code {
                KeyCode::Right | KeyCode::Down | KeyCode::Char(' ') => {
                    self.plan = moved(self.plan, self.plans.len(), Step::Next)
                }
                KeyCode::Left | KeyCode::Up => self.plan = moved(self.plan, self.plans.len(), Step::Previous),
                _ => {}
            },
            Stop::Cancel | Stop::Sql | Stop::Create => {}
        }
        self.judge();
    }

    fn press(&mut self) -> DialogOutcome {
        match self.focus {
            Stop::Cancel => DialogOutcome::Close,
            Stop::Sql => {
                self.sql = Some(Scroll::of_text(&self.sql_text()));
                DialogOutcome::Stay
            }
            Stop::Create => self.create(),
            // Enter in a field confirms that field: on to the next one.
            Stop::Name | Stop::Plan | Stop::Key => {
                self.go(Step::Next);
                DialogOutcome::Stay
            }
        }
    }

    fn create(&self) -> DialogOutcome {
        let Verdict::Free(name) = &self.verdict else { return DialogOutcome::Stay };
        let order = ProvisionOrder {
            name: name.clone(),
            display_name: Untrusted::new(self.display_name()),
            plan: self.chosen_plan().map(|plan| plan.raw().to_owned()),
            layout: self.input.layout.clone(),
            folder: self.input.folder.clone(),
        };
        DialogOutcome::Do(vec![DialogAction::Order {
            database: self.input.database.clone(),
            order: Box::new(Order::Provision(order)),
            key: self.input.key,
            first: None,
        }])
    }

    pub(super) fn chosen_plan(&self) -> Option<&Untrusted> {
        self.plans.get(self.plan).and_then(Option::as_ref)
    }

    /// The name, or the key where no name was typed.
    fn display_name(&self) -> &str {
        let name = self.name.value().trim();
        if name.is_empty() { self.key.value() } else { name }
    }

    fn judge(&mut self) {
        if !self.key_edited {
            let name = self.name.value().trim();
            let proposed = if name.is_empty() { String::new() } else { self.input.layout.naming.propose(name) };
            self.key.set(&proposed);
        }
        let slug = self.key.value();
        self.verdict = if slug.is_empty() {
            if self.name.value().trim().is_empty() {
                Verdict::Empty
            } else {
                Verdict::Refused(None, "no key can be made of this name: type one".to_owned())
            }
        } else {
            match self.input.layout.naming.check(slug) {
                Err(refused) => Verdict::Refused(None, refused.to_string()),
                Ok(name) => match self.input.taken.check(&name) {
                    Ok(()) => Verdict::Free(name),
                    Err(taken) => Verdict::Refused(Some(name), taken.to_string()),
                },
            }
        };
    }

    fn has_registry(&self) -> bool {
        match &self.input.layout.registry {
            Registry::Table { .. } => true,
            Registry::Query { .. } | Registry::Scan { .. } => false,
        }
    }

    /// Files that cannot run in the one transaction.
    fn outside(&self) -> usize {
        self.input
            .folder
            .as_ref()
            .map_or(0, |folder| folder.files.iter().filter(|file| !matches!(alone::of(file), Ok(None))).count())
    }

    /// Its steps, as many to a line of `columns` as fit.
    pub(super) fn steps(&self, columns: usize) -> Vec<String> {
        let mut steps = Vec::new();
        if self.has_registry() {
            steps.push("registry row".to_owned());
        }
        steps.push("create schema".to_owned());
        match self.input.folder.as_ref().map(|folder| folder.files.len()) {
            Some(0) | None => {}
            Some(1) => steps.push("run 1 migration".to_owned()),
            Some(count) => steps.push(format!("run {} migrations", grouped(count as u64))),
        }
        if self.has_registry() && self.input.layout.statuses.active.is_some() {
            steps.push("mark active".to_owned());
        }
        let mut lines: Vec<String> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
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
    fn sql_text(&self) -> String {
        let mut out =
            String::from("-- What this will send, in one transaction. Values travel as parameters.\nbegin;\n");
        if self.outside() > 0 {
            out = format!(
                "-- What this will send. {} of the files cannot run in a transaction and run alone, after it.\nbegin;\n",
                self.outside()
            );
        }
        let schema = match &self.verdict {
            Verdict::Free(name) | Verdict::Refused(Some(name), _) => name.schema.quoted(),
            Verdict::Empty | Verdict::Refused(None, _) => "\"...\"".to_owned(),
        };
        if let Registry::Table { table, columns, .. } = &self.input.layout.registry {
            let mut row = vec![(columns.slug.name.quoted(), literal(self.key.value()))];
            if let Some(column) = &columns.name {
                row.push((column.name.quoted(), literal(self.display_name())));
            }
            if let (Some(column), Verdict::Free(name)) = (&columns.schema_name, &self.verdict) {
                row.push((column.name.quoted(), literal(name.schema.raw())));
            }
            if let (Some(column), Some(status)) = (&columns.status, &self.input.layout.statuses.active) {
                row.push((column.name.quoted(), literal(status)));
            }
            if let (Some(column), Some(plan)) = (&columns.plan, self.chosen_plan()) {
                row.push((column.name.quoted(), literal(plan.raw())));
            }
            let (names, values): (Vec<String>, Vec<String>) = row.into_iter().unzip();
            out.push_str(&format!(
                "insert into {} ({})\n  values ({});\n",
                table.quoted(),
                names.join(", "),
                values.join(", ")
            ));
        }
        out.push_str(&format!("create schema {schema};\nset local search_path = {schema}, pg_temp;\n"));
        if let Some(folder) = &self.input.folder {
            for file in &folder.files {
                out.push_str(&format!("\n-- {} {}, and its row in the ledger\n", file.version.raw(), file.name.raw()));
                out.push_str(file.sql.trim_end());
                out.push('\n');
            }
        }
        out.push_str("\ncommit;\n");
        out
    }

    pub(super) fn off(&self) -> Option<&'static str> {
        match &self.verdict {
            Verdict::Empty => Some("type a name first"),
            Verdict::Free(_) => None,
            Verdict::Refused(..) => Some("the key is refused"),
        }
    }
}

/// The plan words to choose from; none where the registry has no such column.
fn plan_choices(input: &NewTenantInput) -> Vec<Option<Untrusted>> {
    let Registry::Table { columns, .. } = &input.layout.registry else { return Vec::new() };
    let Some(column) = &columns.plan else { return Vec::new() };
    let mut plans: Vec<Option<Untrusted>> = input.plans.iter().cloned().map(Some).collect();
    if !column.not_null || column.has_default || plans.is_empty() {
        plans.push(None);
    }
    plans
}

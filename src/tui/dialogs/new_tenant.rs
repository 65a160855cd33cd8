//! The provisioning form. The name is checked while it is typed; nothing is created before `Create tenant`.
//!
//! ```text
//! +-[PROD] New tenant----------------------------------------------------+
//! | Name       [ Blue Fox Ltd            ]   Plan [ pro v ]              |
//! | Key        [ blue-fox                ]   from the name, editable     |
//! | Schema     t_blue_fox                    free (10 of 63 bytes)       |
//! | Role       [x] t_blue_fox                password shown once         |
//! | Template   0042 (newest)                 42 migrations, about 9 s    |
//! |                                                                      |
//! | Steps      1 reserve row  2 create schema  3 create role             |
//! |            4 run 42 migrations  5 grants  6 mark active              |
//! | If a step fails: everything is undone (one transaction)              |
//! |                                                                      |
//! | [ Cancel ]   Show SQL   Create tenant                                |
//! +----------------------------------------------------------------------+
//! ```

use super::parts::{Step, button_step, moved, step};
use super::scroll::Scroll;
use super::{DialogAction, DialogInput, DialogOutcome, NewTenantInput};
use crate::jobs::service::{self, Order, ProvisionOrder};
use crate::layout::role::RoleMade;
use crate::layout::{CheckedName, Registry};
use crate::model::life::DropRecord;
use crate::text::Untrusted;
use crate::tui::widgets::field::Field;
use crossterm::event::{KeyCode, KeyEvent};

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Name,
    Plan,
    Key,
    Role,
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
    /// The tenant gets a login role of its own.
    pub(super) role: bool,
    pub(super) focus: Stop,
    pub(super) verdict: Verdict,
    pub(super) sql: Option<Scroll>,
    /// What the order of this key was refused with.
    not_made: Option<(String, Untrusted)>,
}

impl NewTenant {
    /// Opens it.
    #[must_use]
    pub fn new(input: NewTenantInput) -> Self {
        let plans = plan_choices(&input);
        let role = input.layout.role.as_ref().is_some_and(|role| role.rule.made == RoleMade::Always);
        Self {
            role,
            input,
            name: Field::default(),
            key: Field::default(),
            key_edited: false,
            plan: 0,
            plans,
            focus: Stop::Name,
            verdict: Verdict::Empty,
            sql: None,
            not_made: None,
        }
    }

    /// The form as it was sent, after its order was refused: nothing of what was typed is lost. What is sent next has
    /// another key than the order that came to nothing.
    #[must_use]
    pub fn refused(mut self, why: Untrusted, key: uuid::Uuid) -> Self {
        self.input.key = key;
        self.not_made = Some((self.key.value().to_owned(), why));
        self.focus = Stop::Key;
        self
    }

    /// Why the order of the key that stands there was refused.
    pub(super) fn why_not_made(&self) -> Option<&Untrusted> {
        self.not_made.as_ref().filter(|(key, _)| key == self.key.value()).map(|(_, why)| why)
    }

    fn stops(&self) -> Vec<Stop> {
        let mut stops = vec![Stop::Name];
        if !self.plans.is_empty() {
            stops.push(Stop::Plan);
        }
        stops.push(Stop::Key);
        if self.asks_for_role() {
            stops.push(Stop::Role);
        }
        stops.extend([Stop::Cancel, Stop::Sql, Stop::Create]);
        stops
    }

    /// Whether the operator chooses if a role is made: some frameworks have one in any case, some none.
    pub(super) fn asks_for_role(&self) -> bool {
        self.input.layout.role.as_ref().is_some_and(|role| role.rule.made == RoleMade::Asked)
    }

    /// The role's name, where one is made and the key is free.
    pub(super) fn role_name(&self) -> Option<Result<String, String>> {
        let role = self.input.layout.role.as_ref()?;
        let Verdict::Free(name) = &self.verdict else { return None };
        let named = role.rule.name_of(&name.slug, &name.schema);
        Some(named.map(|name| name.raw().to_owned()).map_err(|error| error.to_string()))
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
                        Stop::Plan | Stop::Role | Stop::Cancel | Stop::Sql | Stop::Create => {}
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
            Stop::Plan | Stop::Role => step(key),
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
        if self.focus == Stop::Key && self.key.value().is_empty() {
            // Left empty, it is proposed from the name again.
            self.key_edited = false;
            self.judge();
        }
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
                self.key_edited |= before != self.key.value();
            }
            Stop::Plan => match key.code {
                KeyCode::Right | KeyCode::Down | KeyCode::Char(' ') => {
                    self.plan = moved(self.plan, self.plans.len(), Step::Next)
                }
                KeyCode::Left | KeyCode::Up => self.plan = moved(self.plan, self.plans.len(), Step::Previous),
                _ => {}
            },
            Stop::Role => {
                if key.code == KeyCode::Char(' ') {
                    self.role = !self.role;
                }
            }
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
            Stop::Name | Stop::Plan | Stop::Key | Stop::Role => {
                self.go(Step::Next);
                DialogOutcome::Stay
            }
        }
    }

    fn create(&self) -> DialogOutcome {
        let Verdict::Free(name) = &self.verdict else { return DialogOutcome::Stay };
        if self.off().is_some() {
            return DialogOutcome::Stay;
        }
        let tenant = self.tenant(name);
        let order = ProvisionOrder {
            tenants: vec![tenant],
            layout: self.input.layout.clone(),
            folder: self.input.folder.clone(),
            role: self.role,
            seed: None,
            siblings: self.input.siblings.clone(),
        };
        DialogOutcome::Do(vec![DialogAction::Order {
            database: self.input.database.clone(),
            order: Box::new(Order::Provision(order)),
            key: self.input.key,
            first: None,
        }])
    }

    /// The tenant that is ordered under a name.
    pub(super) fn tenant(&self, name: &CheckedName) -> service::NewTenant {
        service::NewTenant {
            name: name.clone(),
            display_name: Untrusted::new(self.display_name()),
            plan: self.chosen_plan().map(|plan| plan.raw().to_owned()),
            settings: None,
        }
    }

    pub(super) fn chosen_plan(&self) -> Option<&Untrusted> {
        self.plans.get(self.plan).and_then(Option::as_ref)
    }

    /// The name, or the key where no name was typed.
    pub(super) fn display_name(&self) -> &str {
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
            if self.key_edited {
                Verdict::Refused(None, "type a key; left empty, it is made of the name again".to_owned())
            } else if self.name.value().trim().is_empty() {
                Verdict::Empty
            } else {
                Verdict::Refused(None, "no key can be made of this name: type one".to_owned())
            }
        } else {
            match self.input.layout.naming.check(slug) {
                Err(refused) => Verdict::Refused(None, refused.to_string()),
                Ok(name) => match self.input.taken.check(&name) {
                    // Where no row keeps its place the name of a dropped tenant looks free, and the order is refused.
                    Ok(()) => match self.in_the_trash(&name).filter(|_| !self.has_registry()) {
                        Some(why) => Verdict::Refused(Some(name), why),
                        None => Verdict::Free(name),
                    },
                    Err(taken) => {
                        let why = self.in_the_trash(&name).unwrap_or_else(|| {
                            format!("{taken}{}", self.input.taken.choice(&name).unwrap_or_default())
                        });
                        Verdict::Refused(Some(name), why)
                    }
                },
            }
        };
    }

    /// What to do about a name that a dropped tenant has: it is nobody's who is there.
    fn in_the_trash(&self, name: &CheckedName) -> Option<String> {
        let is_it = |drop: &&DropRecord| drop.slug.raw() == name.slug || drop.original.raw() == name.schema.raw();
        let drop = self.input.trash.iter().filter_map(|trashed| trashed.drop.as_ref()).find(is_it)?;
        let ways = if drop.expired || drop.begun {
            "`:purge` removes it for good, and the name is free then"
        } else {
            "`:undrop` brings it back, `:purge` removes it for good"
        };
        Some(format!("{} is in the trash: {ways}", drop.slug.safe()))
    }

    pub(super) fn off(&self) -> Option<&'static str> {
        if self.input.drives.is_err() {
            return Some("the migrations cannot be run");
        }
        match &self.verdict {
            Verdict::Empty => Some("type a name first"),
            Verdict::Free(_) if self.role && matches!(self.role_name(), Some(Err(_))) => Some("the role is refused"),
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

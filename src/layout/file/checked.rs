//! What a layout file says, checked and as types.

use std::sync::Arc;

use super::{LayoutFile, Quoting, RegistryKind, RuleWord, StatusRule, Wrong};
use crate::layout::access::Access;
use crate::layout::role::{self, Role};
use crate::layout::statement::one_select;
use crate::layout::{NameRule, Naming, Statuses};
use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::model::ledger::Tool;

impl RuleWord {
    /// The rule.
    #[must_use]
    pub const fn rule(self) -> NameRule {
        match self {
            Self::Boundary => NameRule::Boundary,
            Self::Brokkr => NameRule::Brokkr,
            Self::Cloacina => NameRule::Cloacina,
            Self::CloacinaTutorial => NameRule::CloacinaTutorial,
            Self::ApartmentV3 => NameRule::ApartmentV3,
            Self::ApartmentV4 => NameRule::ApartmentV4,
            Self::Plain => NameRule::Plain,
        }
    }
}

impl LayoutFile {
    pub(super) fn check(&self) -> Result<(), Wrong> {
        if self.naming.schema.matches(crate::layout::naming::SLUG_MARK).count() != 1 {
            return Err(Wrong::new("naming.schema", format!("\"{}\" must hold {{slug}} once", self.naming.schema)));
        }
        self.check_registry()?;
        self.table()?;
        self.requires()?;
        self.tool()?;
        self.exclude()?;
        self.search_path_extra()?;
        self.excluded_tables()?;
        self.shared()?;
        self.access()?;
        self.check_cache()?;
        self.check_questions()?;
        role::check(self.role.as_ref(), self.grants.as_ref())
    }

    fn check_registry(&self) -> Result<(), Wrong> {
        let registry = &self.registry;
        match registry.kind {
            RegistryKind::Table => {
                if registry.table.is_none() && registry.find.is_none() {
                    return Err(Wrong::new("registry", "a table needs `table` or `find`"));
                }
                if registry.columns.slug.is_empty() {
                    return Err(Wrong::new("registry.columns", "`slug` needs at least one name"));
                }
            }
            RegistryKind::Query => {
                let query = registry.query.as_deref().ok_or_else(|| Wrong::new("registry", "a query needs `query`"))?;
                one_select(query).map_err(|why| Wrong::new("registry.query", why.raw()))?;
            }
            RegistryKind::Scan => {
                if registry.pattern.is_none() && registry.requires.is_empty() {
                    return Err(Wrong::new("registry", "a scan needs `pattern` or `requires`"));
                }
            }
        }
        Ok(())
    }

    fn check_questions(&self) -> Result<(), Wrong> {
        for (list, questions, fleet) in
            [("members", &self.members, false), ("health", &self.health, false), ("fleet", &self.fleet, true)]
        {
            for (index, question) in questions.iter().enumerate() {
                if question.of_all && list == "members" {
                    let what = "only questions of [[health]] are asked of all tenants";
                    return Err(Wrong::new(format!("{list}.{index}.of_all"), what));
                }
                question.check(fleet).map_err(|(key, what)| Wrong::new(format!("{list}.{index}.{key}"), what))?;
            }
        }
        for (index, variant) in self.variant.iter().enumerate() {
            one_select(&variant.query).map_err(|why| Wrong::new(format!("variant.{index}.query"), why.raw()))?;
        }
        Ok(())
    }

    fn check_cache(&self) -> Result<(), Wrong> {
        let cache = &self.cache;
        if let Some(job) = cache.job.as_ref().filter(|job| job.matches("{job}").count() != 1) {
            return Err(Wrong::new("cache.job", format!("\"{job}\" must hold {{job}} once")));
        }
        if cache.job.is_some() == cache.job_tenant.is_empty() {
            return Err(Wrong::new("cache", "`job` and `job_tenant` belong together"));
        }
        Ok(())
    }

    /// `registry.table`, checked.
    ///
    /// # Errors
    /// When it is not `schema.table`, each part in quotes or not.
    pub fn table(&self) -> Result<Option<QualifiedName>, Wrong> {
        let written = self.registry.table.as_deref().map(QualifiedName::written);
        written.transpose().map_err(|what| Wrong::new("registry.table", what))
    }

    /// `registry.requires`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn requires(&self) -> Result<Vec<Ident>, Wrong> {
        idents("registry.requires", &self.registry.requires)
    }

    /// `ledger.tool`, checked.
    ///
    /// # Errors
    /// When it is no tool's word.
    pub fn tool(&self) -> Result<Option<Tool>, Wrong> {
        let known =
            |word| Tool::from_word(word).ok_or_else(|| Wrong::new("ledger.tool", format!("\"{word}\" is no tool")));
        self.ledger.tool.as_deref().map(known).transpose()
    }

    /// `schemas.exclude` and `schemas.persistent`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn exclude(&self) -> Result<Vec<SchemaName>, Wrong> {
        let mut all = schemas("schemas.exclude", &self.schemas.exclude)?;
        all.extend(schemas("schemas.persistent", &self.schemas.persistent)?);
        Ok(all)
    }

    /// `schemas.persistent` and then `schemas.search_path_extra`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn search_path_extra(&self) -> Result<Vec<SchemaName>, Wrong> {
        let mut all = schemas("schemas.persistent", &self.schemas.persistent)?;
        all.extend(schemas("schemas.search_path_extra", &self.schemas.search_path_extra)?);
        Ok(all)
    }

    /// `schemas.excluded_tables`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn excluded_tables(&self) -> Result<Vec<Ident>, Wrong> {
        idents("schemas.excluded_tables", &self.schemas.excluded_tables)
    }

    /// `schemas.shared`, checked.
    ///
    /// # Errors
    /// When it is no name.
    pub fn shared(&self) -> Result<Option<SchemaName>, Wrong> {
        let name =
            |name: &String| SchemaName::existing(name).map_err(|error| Wrong::new("schemas.shared", error.to_string()));
        self.schemas.shared.as_ref().map(name).transpose()
    }

    /// `access`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn access(&self) -> Result<Option<Access>, Wrong> {
        self.access.as_ref().map(|rule| rule.checked()).transpose()
    }

    /// The tenant's role with its grants.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let rule = self.role.clone()?;
        Some(Role { rule, grants: self.grants.clone().unwrap_or_default() })
    }

    /// The rule of names.
    #[must_use]
    pub fn naming(&self) -> Naming {
        let rule = self.naming.rule.rule();
        Naming {
            rule,
            schema_template: self.naming.schema.clone(),
            hyphens_become_underscores: self.naming.hyphens_become_underscores,
            folds: self.naming.quoting.map_or_else(|| rule.unquoted(), |quoting| quoting == Quoting::Folds),
            read_back: self.registry.kind == RegistryKind::Scan,
        }
    }

    /// The words of the status column.
    #[must_use]
    pub fn statuses(&self) -> Statuses {
        let StatusRule { active, suspended, deleted } = self.statuses.clone();
        Statuses { active, suspended, deleted }
    }

    /// The name, shared.
    #[must_use]
    pub fn shared_name(&self) -> Arc<str> {
        self.name.as_str().into()
    }
}

fn schemas(option: &str, names: &[String]) -> Result<Vec<SchemaName>, Wrong> {
    let schema = |(index, name): (usize, &String)| {
        SchemaName::existing(name).map_err(|error| Wrong::new(format!("{option}.{index}"), error.to_string()))
    };
    names.iter().enumerate().map(schema).collect()
}

fn idents(option: &str, names: &[String]) -> Result<Vec<Ident>, Wrong> {
    let ident = |(index, name): (usize, &String)| {
        Ident::new(name).map_err(|error| Wrong::new(format!("{option}.{index}"), error.to_string()))
    };
    names.iter().enumerate().map(ident).collect()
}

//! What is shown of a database, and what jobs are planned with: both follow from its picture.

use std::sync::Arc;

use super::JobContext;
use super::picture::Picture;
use crate::jobs::init::InitStatus;
use crate::migrations::folder::{Finding, Folder};
use crate::migrations::plan::SharedTarget;
use crate::model::fleet::{DatabaseView, FileView, unlock_command};
use crate::model::ident::SchemaName;
use crate::model::ledger::LedgerState;
use crate::text::Untrusted;

impl Picture {
    /// The database as both faces show it.
    pub(super) fn view(&self) -> DatabaseView {
        let config = self.config();
        let read_only_why = self.read_only_why();
        DatabaseView {
            name: Arc::clone(&config.name),
            environment: config.environment,
            address: match &self.facts {
                Some(facts) => self.target.address_of(facts.host),
                None => self.target.address.clone(),
            },
            user: self.facts.as_ref().map_or_else(Untrusted::default, |facts| facts.user.clone()),
            layout: self.layout.as_ref().map(|layout| Untrusted::new(&*layout.name)),
            tool: self.tool(),
            server_version: self.facts.as_ref().map(|facts| Untrusted::new(&facts.version)),
            read_only: read_only_why.is_some(),
            read_only_why,
            // What can be mended at once, before what the connection has been like for long: one line shows the first.
            warnings: self
                .shared
                .iter()
                .filter_map(|shared| shared.trouble().map(|trouble| trouble.line()))
                .collect::<Vec<_>>()
                .iter()
                .chain(&self.roles_warning)
                .chain(self.facts.iter().flat_map(|facts| facts.warnings.iter().chain(&facts.pooler_note)))
                .chain(&self.record_warning)
                .chain(&self.live.database)
                .chain(&self.told.problems)
                .chain(&self.of_all.problems)
                .chain(self.layout.iter().flat_map(|layout| &layout.about.doubts))
                .cloned()
                .collect(),
            link: self.link.clone(),
            server: self.server.clone(),
            pooled: self.facts.as_ref().is_some_and(|facts| !facts.direct),
            back: self.back,
            error: self.error.clone().or_else(|| self.files.error.clone()).or_else(|| self.shared_files.error.clone()),
            unread: self.error.is_some(),
            taken_at: self.taken_at,
            progress: self.progress.clone(),
            files: self.files.folder.as_ref().map(|folder| file_views(folder)),
            target: self.target_version.clone(),
            times: Arc::clone(&self.times),
            cache: self.cache.clone(),
            initialised: self.initialised.map(|status| match status {
                InitStatus::Missing => false,
                InitStatus::Current | InitStatus::Older(_) | InitStatus::Newer(_) => true,
            }),
            schema_rule: self.layout.as_ref().map(|layout| Untrusted::new(&layout.naming.schema_template)),
            trash: Arc::clone(&self.trash),
            left_roles: Arc::clone(&self.left_roles),
        }
    }

    /// What a job of the shared schema is ordered with.
    fn shared_target(&self) -> Option<SharedTarget> {
        let schema = self.shared_schema()?;
        Some(SharedTarget {
            schema: SchemaName::shared(schema.name.raw()).ok()?,
            oid: schema.oid,
            ledger: self.ledgers.get(&schema.oid).cloned().unwrap_or(LedgerState::Unread),
            folder: self.shared_files.folder.clone(),
            folder_error: self.shared_files.error.clone(),
            unlock: self.config().command(&unlock_command(&schema.name)),
        })
    }

    /// What a job is planned with.
    pub(super) fn context(&self) -> Option<Arc<JobContext>> {
        let layout = self.layout.as_ref()?;
        Some(Arc::new(JobContext {
            database: Arc::clone(&self.config().name),
            layout: Arc::clone(layout),
            folder: self.files.folder.clone(),
            folder_error: self.files.error.clone(),
            shared: self.shared_target().map(Arc::new),
            found: Arc::clone(&self.found),
            lens: Arc::clone(&self.lens),
            initialised: matches!(
                self.initialised,
                Some(InitStatus::Current | InitStatus::Older(_) | InitStatus::Newer(_))
            ),
            taken: Arc::clone(&self.taken),
            read_only_why: self.read_only_why(),
        }))
    }
}

fn file_views(folder: &Folder) -> Arc<[FileView]> {
    folder
        .files
        .iter()
        .map(|file| FileView {
            version: file.version.clone(),
            name: file.name.clone(),
            has_down: file.down.is_some(),
            notes: notes(&file.findings),
        })
        .collect()
}

/// What the list of migrations shows beside a file: each rule once, the refusals with the line they are at first.
fn notes(findings: &[Finding]) -> Vec<Untrusted> {
    let mut told: Vec<&str> = Vec::new();
    let mut notes = Vec::new();
    for finding in findings.iter().filter(|finding| finding.refuses).chain(findings.iter().filter(|f| !f.refuses)) {
        if !told.contains(&finding.rule) {
            told.push(finding.rule);
            notes.push(Untrusted::new(match finding.refuses {
                true => format!("refused: {} line {}", finding.rule, finding.line),
                false => finding.rule.replace('-', " "),
            }));
        }
    }
    notes
}

//! Lines of the results that no job tells of: tenants that were left out, that were there already, or of which a lost link
//! keeps what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Results;
use crate::migrations::plan::{LeftOut, Plan};
use crate::model::export::ResultRow;
use crate::model::job::Outcome;
use crate::model::ledger::Version;
use crate::model::tenant::Tenant;
use crate::text::Untrusted;

impl Results {
    /// Adds the tenants that a plan left out, as far as a job has not told of them.
    pub fn add_left_out(&mut self, database: &str, left_out: &[LeftOut]) {
        let told = self.told_of(database);
        let left = left_out.iter().filter(|tenant| !told.contains(tenant.slug.raw()));
        self.tenants.extend(left.map(|tenant| ResultRow {
            version: tenant.version.as_ref().map(raw),
            message: Some(tenant.why.raw().to_owned()),
            ..row(database, &tenant.slug, tenant.schema.as_ref(), Outcome::LeftOut)
        }));
    }

    /// Adds the tenants of a plan that a lost link keeps from being told: why, and what is known of them all the same.
    pub fn add_lost(&mut self, plan: &Plan, outcome: Outcome, why: &str) {
        let told = self.told_of(&plan.database);
        let lost = plan.tenants.iter().filter(|tenant| !told.contains(tenant.slug.raw()));
        self.tenants.extend(lost.map(|tenant| ResultRow {
            // Where it stood when it was planned, as long as nothing can have moved it.
            version: tenant.from.as_ref().filter(|_| outcome == Outcome::LeftOut).map(raw),
            message: Some(why.to_owned()),
            steps: u32::try_from(tenant.files.len()).unwrap_or(u32::MAX),
            ..row(&plan.database, &tenant.slug, Some(&tenant.schema.raw().into()), outcome)
        }));
        self.add_left_out(&plan.database, &plan.left_out);
    }

    /// Adds tenants that were there already as they were asked for.
    pub fn add_present(&mut self, database: &str, present: &[Arc<Tenant>]) {
        let told = self.told_of(database);
        let there = present.iter().filter(|tenant| !told.contains(tenant.slug.raw()));
        self.tenants.extend(there.map(|tenant| {
            let version = tenant.ledger.reading().and_then(|reading| reading.applied.current.as_ref());
            ResultRow {
                version: version.map(raw),
                message: Some("already provisioned".to_owned()),
                ..row(database, &tenant.slug, tenant.schema.as_ref(), Outcome::Done)
            }
        }));
    }

    /// The tenants of a database that have a line.
    fn told_of(&self, database: &str) -> BTreeSet<String> {
        self.tenants.iter().filter(|row| row.database == database).map(|row| row.tenant.clone()).collect()
    }
}

fn raw(version: &Version) -> String {
    version.raw().to_owned()
}

/// A line that says nothing but who and what.
fn row(database: &str, slug: &Untrusted, schema: Option<&Untrusted>, outcome: Outcome) -> ResultRow {
    ResultRow {
        database: database.to_owned(),
        tenant: slug.raw().to_owned(),
        schema: schema.map(|schema| schema.raw().to_owned()),
        result: outcome.word(),
        version: None,
        sqlstate: None,
        message: None,
        blocker: None,
        note: None,
        steps_done: 0,
        steps: 0,
        duration_ms: None,
    }
}

//! What stands in the planned schemas already and runs beside the files: code with other rights, and of others.

use super::Plan;
use crate::model::others_code::OthersCode;
use crate::text::{Untrusted, counted};

/// Such findings that a plan tells one by one.
const MOST: usize = 10;

impl Plan {
    /// The schemas in which such code is looked for (oids).
    #[must_use]
    pub fn schemas(&self) -> Vec<u32> {
        self.tenants.iter().map(|tenant| tenant.schema_oid).collect()
    }

    /// Warns of what was found, or that it could not be looked for: that keeps nobody from anything.
    pub fn take_code(&mut self, found: &Result<Vec<OthersCode>, Untrusted>) {
        match found {
            Ok(found) => self.warn_of_code(found),
            Err(why) => {
                let text = format!("code that runs with other rights could not be looked for: {}", why.safe());
                self.warnings.push(text.into());
            }
        }
    }

    /// Warns of code that the files may run without naming it: triggers on what they write, functions that they call.
    fn warn_of_code(&mut self, found: &[OthersCode]) {
        for code in found.iter().take(MOST) {
            let (first, words) = (code.first.safe(), code.words.safe());
            let who = match code.schemas {
                0 | 1 => first.to_string(),
                schemas => format!("{first} and {} more", schemas - 1),
            };
            self.warnings.push(format!("in {who}: {words}").into());
        }
        if let Some(more) = found.len().checked_sub(MOST).filter(|more| *more > 0) {
            let text =
                format!("{} of code with other rights: `tenantui tenant SLUG` lists all", counted(more, "more piece"));
            self.warnings.push(text.into());
        }
    }
}

//! One order over several databases, one after the other: what fails in one is told, and the others go on.

use serde::Serialize;

use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;

/// A database of an order, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseEnd {
    /// The configured name.
    pub name: String,
    /// Why nothing or not all was done there.
    pub error: Option<String>,
}

/// What came of the databases so far.
#[derive(Debug, Default)]
pub struct Across {
    /// How many databases the order means.
    of: usize,
    /// Of those that were gone through.
    status: Option<Status>,
    /// Of the first that was not.
    failed: Option<Failure>,
    /// To one of them there is no link.
    no_link: bool,
    /// Each that was come to.
    ends: Vec<DatabaseEnd>,
}

impl Across {
    /// An order over so many databases.
    #[must_use]
    pub fn new(of: usize) -> Self {
        Self { of, ..Self::default() }
    }

    /// What came of one; `told`: whether there are results to print, which a failure must not hide.
    ///
    /// # Errors
    /// The failure itself, where the order means one database and nothing is to be printed.
    pub fn take(&mut self, database: &str, came: Outcome<Status>, told: bool) -> Outcome<()> {
        let error = came.as_ref().err().map(|failure| failure.message.clone());
        self.ends.push(DatabaseEnd { name: database.to_owned(), error });
        match came {
            Ok(status) => self.status = Some(self.status.unwrap_or(Status::Done).and(status)),
            Err(failure) if self.of == 1 && !told => return Err(failure),
            Err(failure) => {
                if self.of == 1 {
                    output::note(&failure.message);
                } else {
                    output::note(format!("{database}: {}", failure.message));
                }
                self.no_link |= failure.status == Status::NoLink;
                match failure.status {
                    // Who ended it is told whatever failed before.
                    Status::Signal(_) => self.failed = Some(failure),
                    _ => {
                        self.failed.get_or_insert(failure);
                    }
                }
            }
        }
        Ok(())
    }

    /// The databases that were come to, in that order, with what went wrong.
    #[must_use]
    pub fn ends(&self) -> Vec<DatabaseEnd> {
        self.ends.clone()
    }

    /// The status of the whole: where some databases were gone through and some were not, 3 where that is for want of a
    /// link, else 4.
    #[must_use]
    pub fn status(&self) -> Status {
        match (self.status, &self.failed) {
            (status, None) => status.unwrap_or(Status::Done),
            (None, Some(failure)) => failure.status,
            (Some(status), Some(failure)) if self.of == 1 => status.and(failure.status),
            (Some(_), Some(Failure { status: signal @ Status::Signal(_), .. })) => *signal,
            (Some(_), Some(_)) if self.no_link => Status::NoLink,
            (Some(_), Some(_)) => Status::Partly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(of: usize, came: Vec<Outcome<Status>>) -> Outcome<Status> {
        let mut across = Across::new(of);
        for one in came {
            across.take("eu-1", one, false)?;
        }
        Ok(across.status())
    }

    #[test]
    fn one_that_fails_among_several_is_a_part() {
        let refused = || Err(Failure::refused("read-only"));
        let status = |of, came| whole(of, came).expect("a status");
        assert_eq!(status(2, vec![Ok(Status::Done), Ok(Status::Done)]), Status::Done);
        assert_eq!(status(2, vec![Ok(Status::Done), Ok(Status::Partly)]), Status::Partly);
        assert_eq!(status(2, vec![refused(), Ok(Status::Done)]), Status::Partly);
        assert_eq!(status(2, vec![Ok(Status::Done), refused()]), Status::Partly);
        assert_eq!(status(2, vec![refused(), Err(Failure::failed("no"))]), Status::Refused);
        let lost = || Err(Failure::new(Status::NoLink, "no answer"));
        assert_eq!(status(2, vec![lost(), Ok(Status::Done)]), Status::NoLink);
        assert_eq!(status(3, vec![Ok(Status::Partly), refused(), lost()]), Status::NoLink);
        let signal = || Err(Failure::new(Status::Signal(2), ""));
        assert_eq!(status(2, vec![Ok(Status::Done), signal()]), Status::Signal(2));
        assert_eq!(status(3, vec![lost(), Ok(Status::Done), signal()]), Status::Signal(2));
        assert_eq!(whole(1, vec![refused()]).expect_err("itself").status, Status::Refused);
    }
}

//! Which of several servers a connection goes to: the hosts in their order, and `target_session_attrs`.

use std::time::Duration;

use super::connect::{NO_LIMIT, Opened, Server};
use super::errors::{LinkError, LinkErrorKind};
use super::facts::first_row;
use super::words;
use crate::config::conninfo::{Conninfo, SessionAttrs};
use crate::text::Untrusted;

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nature {
    standby: bool,
    /// Sessions start read-only.
    read_only: bool,
}

const NATURE: &str = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";

impl Server {
    /// Opens a connection under this name to the first server that answers and is what the connection string wants.
    ///
    /// As in libpq a server that refuses us ends the search: the next one would hide a wrong password.
    pub(super) async fn open(&self, application_name: &str) -> Result<Opened, LinkError> {
        let attrs = self.conninfo.session_attrs;
        let mut failures: Vec<LinkError> = Vec::new();
        let mut spare = None;
        for index in self.order() {
            let conninfo = &self.hosts[index].conninfo;
            let opened = match self.open_host(index, application_name).await {
                Ok(opened) => opened,
                Err(error) if error.kind == LinkErrorKind::Refused => return Err(error),
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            if attrs == SessionAttrs::Any {
                return Ok(opened);
            }
            let nature = match nature(conninfo, &opened).await {
                Ok(nature) => nature,
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            match unfit(attrs, nature) {
                None => return Ok(opened),
                // Kept open: where no standby is found this one will do.
                Some(_) if attrs == SessionAttrs::PreferStandby && spare.is_none() => spare = Some(opened),
                Some(why) => {
                    let words = format!("{why}, and target_session_attrs={} is set", attrs.word());
                    failures.push(words::link_error(conninfo, LinkErrorKind::Unreachable, &words, ""));
                }
            }
        }
        spare.ok_or_else(|| self.none_will_do(failures))
    }

    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        if self.conninfo.load_balance {
            shuffle(&mut order, super::link::jitter);
        }
        order
    }

    fn none_will_do(&self, mut failures: Vec<LinkError>) -> LinkError {
        if failures.len() == 1 {
            return failures.remove(0);
        }
        let each = failures.iter().map(|failure| failure.message.raw()).collect::<Vec<_>>().join("; ");
        let message = format!("none of the {} hosts will do: {each}", failures.len());
        LinkError { kind: LinkErrorKind::Unreachable, message: Untrusted::new(message) }
    }
}

/// Fisher and Yates; `random` is between 0 and 1.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a list of hosts is short"
)]
fn shuffle(order: &mut [usize], random: impl Fn() -> f64) {
    for last in (1..order.len()).rev() {
        let other = (random() * (last + 1) as f64) as usize;
        order.swap(last, other.min(last));
    }
}

async fn nature(conninfo: &Conninfo, opened: &Opened) -> Result<Nature, LinkError> {
    let limit: Duration = conninfo.connect_timeout.unwrap_or(NO_LIMIT);
    let words = match tokio::time::timeout(limit, first_row(&opened.client, NATURE)).await {
        Ok(Ok(Some(row))) => return Ok(Nature { standby: row.is_true(0), read_only: row.text(1) == Some("on") }),
        Ok(Ok(None)) => "the server does not say whether it is a standby".to_owned(),
        Ok(Err(error)) => words::library_words(&error),
        Err(_) => format!("logged in, and then no answer within {} s", limit.as_secs()),
    };
    opened.life.cut();
    Err(words::link_error(conninfo, LinkErrorKind::Unreachable, &words, ""))
}

/// Why this server is not what is wanted; `None` where it is.
const fn unfit(attrs: SessionAttrs, nature: Nature) -> Option<&'static str> {
    let Nature { standby, read_only } = nature;
    match attrs {
        SessionAttrs::Any => None,
        SessionAttrs::ReadWrite if standby => Some("the server is a standby"),
        SessionAttrs::ReadWrite if read_only => Some("sessions of this role start read-only there"),
        SessionAttrs::ReadOnly if !standby && !read_only => Some("the server takes writes"),
        SessionAttrs::Primary if standby => Some("the server is a standby"),
        SessionAttrs::Standby | SessionAttrs::PreferStandby if !standby => Some("the server is not a standby"),
        SessionAttrs::ReadWrite
        | SessionAttrs::ReadOnly
        | SessionAttrs::Primary
        | SessionAttrs::Standby
        | SessionAttrs::PreferStandby => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_word_wants_what_libpq_means() {
        use SessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
        let primary = Nature { standby: false, read_only: false };
        let timid = Nature { standby: false, read_only: true };
        let standby = Nature { standby: true, read_only: true };
        for (attrs, fits) in [
            (Any, [true, true, true]),
            (ReadWrite, [true, false, false]),
            (ReadOnly, [false, true, true]),
            (Primary, [true, true, false]),
            (Standby, [false, false, true]),
            (PreferStandby, [false, false, true]),
        ] {
            assert_eq!([primary, timid, standby].map(|nature| unfit(attrs, nature).is_none()), fits, "{attrs:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shuffle_loses_nobody(length in 0_usize..9, dice in 0.0_f64..=1.0) {
            let mut order: Vec<usize> = (0..length).collect();
            shuffle(&mut order, || dice);
            order.sort_unstable();
            prop_assert_eq!(order, (0..length).collect::<Vec<_>>());
        }
    }
}

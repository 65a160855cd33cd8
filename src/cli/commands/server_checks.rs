//! What `doctor` says of the server itself: TLS, pooler, its part in the cluster, and the protections that it has.

use super::doctor::{Examination, Verdict};
use crate::postgres::server;
use crate::postgres::session::{Pooling, Reader, SUPERUSER, ServerFacts, Target};
use crate::text::Untrusted;

/// Says all of it.
pub async fn examine(target: &Target, reader: &Reader, found: &mut Examination) {
    let facts = reader.facts();
    tls(target, facts, found);
    pooler(facts, found);
    part(target, reader, found).await;
    protections(facts, found);
    // The role has a line of its own.
    for warning in facts.warnings.iter().filter(|warning| !is_of_role(warning)) {
        found.add("server", Verdict::Warn, warning.raw(), None);
    }
}

/// Whether a warning says what the line of privileges says already.
pub fn is_of_role(warning: &Untrusted) -> bool {
    warning.raw() == SUPERUSER
}

fn tls(target: &Target, facts: &ServerFacts, found: &mut Examination) {
    let local = target.conninfo().is_local();
    match (facts.tls, local) {
        (true, _) => found.add("tls", Verdict::Ok, "encrypted", None),
        (false, true) => found.add("tls", Verdict::Ok, "not encrypted, on this machine", None),
        (false, false) => found.add("tls", Verdict::Warn, "not encrypted", Some("set sslmode=verify-full")),
    }
}

fn pooler(facts: &ServerFacts, found: &mut Examination) {
    let words = facts.pooler_note.as_ref().map_or("a pooler stands between", |note| note.raw());
    let (verdict, words, advice) = match facts.pooling {
        Pooling::Direct => (Verdict::Ok, "none between", None),
        Pooling::StatedSession => (Verdict::Ok, words, None),
        Pooling::Pooled => (
            Verdict::Warn,
            words,
            Some("reading works; to write, configure the server itself, or pooler = \"session\" if it pools sessions"),
        ),
        Pooling::Disproved => (
            Verdict::Warn,
            words,
            Some("reading works; to write, configure the server itself, or have sessions pooled"),
        ),
    };
    found.add("pooler", verdict, words, advice);
}

/// Primary or standby, its timeline, how far it is behind; an old primary where another database of the configuration is
/// on a server that was promoted past it.
async fn part(target: &Target, reader: &Reader, found: &mut Examination) {
    let now = match server::now(reader).await {
        Ok(now) => now,
        Err(error) => {
            found.fail("cluster", &error.into());
            return;
        }
    };
    let identifier = reader.facts().system_identifier.as_deref().unwrap_or("unknown");
    let superseded = target.role_of(&reader.facts().identity()).read_only_why();
    match (now.replica, superseded) {
        (None, Some(why)) => {
            let words = format!("{} (cluster {identifier})", why.raw());
            let advice = "point this entry at the new primary, or take it out; where the other server is a copy that was \
                          restored on purpose, keep the two in configurations of their own";
            found.add("cluster", Verdict::Fail, words, Some(advice));
        }
        (None, None) => {
            let timeline = now.timeline.as_deref().unwrap_or("unknown");
            let words = format!("a primary: timeline {timeline} of the cluster {identifier}");
            found.add("cluster", Verdict::Ok, words, None);
        }
        (Some(replica), _) => {
            let words = format!("the server is a standby of the cluster {identifier}: {}", replica.words());
            let advice = match (replica.receiving, replica.paused) {
                (false, _) => "it can only be read, and nothing arrives: see primary_conninfo and the server's log",
                (true, true) => "it can only be read, and is kept in the past: pg_wal_replay_resume() lets it go on",
                (true, false) => "it can only be read; to write, configure the primary",
            };
            found.add("cluster", Verdict::Warn, words, Some(advice));
        }
    }
}

/// What ends the session of a worker that has vanished. Older servers have none of it.
fn protections(facts: &ServerFacts, found: &mut Examination) {
    if facts.version_num < 140_000 {
        let words = format!(
            "PostgreSQL {} has neither idle_session_timeout nor client_connection_check_interval: it does not end the \
             session of a worker whose machine has vanished or stalled",
            facts.version
        );
        let advice = "such a job stays locked until TCP gives up: set tcp_keepalives_idle on the server, or end the \
                      session by hand (pg_terminate_backend); PostgreSQL 14 and later have both";
        found.add("protections", Verdict::Warn, words, Some(advice));
    } else {
        let words = "the server ends the session of a worker that vanishes (idle_session_timeout, client_connection_check_interval)";
        found.add("protections", Verdict::Ok, words, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version_num: u32, pooling: Pooling) -> ServerFacts {
        ServerFacts {
            host: 0,
            version: format!("{}.1", version_num / 10_000),
            version_num,
            user: "ops".into(),
            superuser: false,
            direct: pooling == Pooling::Direct,
            pooling,
            pooler_note: None,
            standby: false,
            system_identifier: None,
            timeline: None,
            database: "app".into(),
            database_oid: 5,
            tls: false,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn an_old_server_lacks_protections_and_that_is_said() {
        for (version_num, verdict) in [(130_010, Verdict::Warn), (140_000, Verdict::Ok), (180_006, Verdict::Ok)] {
            let mut found = Examination::new("eu-1");
            protections(&facts(version_num, Pooling::Direct), &mut found);
            assert_eq!(found.last(), Some(("protections", verdict)), "{version_num}");
        }
    }

    #[test]
    fn every_kind_of_pooler_has_its_line() {
        for (pooling, verdict) in [
            (Pooling::Direct, Verdict::Ok),
            (Pooling::StatedSession, Verdict::Ok),
            (Pooling::Pooled, Verdict::Warn),
            (Pooling::Disproved, Verdict::Warn),
        ] {
            let mut found = Examination::new("eu-1");
            pooler(&facts(150_000, pooling), &mut found);
            assert_eq!(found.last(), Some(("pooler", verdict)), "{pooling:?}");
        }
    }
}

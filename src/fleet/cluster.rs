//! What is remembered of servers: which cluster a database was found on first, and the highest timeline that any
//! server of a cluster was seen on. No I/O.

use crate::model::server::{Replica, ServerRole};
use crate::postgres::server::ServerNow;
use crate::postgres::session::ServerFacts;
use crate::postgres::timelines::Timelines;

/// What one database's servers turned out to be so far.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    timelines: Timelines,
    /// The cluster that answered first.
    first: Option<String>,
    /// Identifier, database and part of the last answer.
    last: Option<Identity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    identifier: Option<String>,
    database_oid: u32,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the server is.
    pub role: ServerRole,
    /// Another database than before: nothing that was known holds.
    pub other_database: bool,
}

impl Memory {
    /// Remembers timelines together with other databases.
    #[must_use]
    pub fn sharing(timelines: &Timelines) -> Self {
        Self { timelines: timelines.clone(), ..Self::default() }
    }

    /// Judges an answer by what was seen before it.
    pub fn judge(&mut self, facts: &ServerFacts, now: &ServerNow) -> Judged {
        let identity = Identity { identifier: facts.system_identifier.clone(), database_oid: facts.database_oid };
        let other_database = self.last.as_ref().is_some_and(|last| *last != identity);
        self.last = Some(identity);
        Judged { role: self.role(facts.system_identifier.as_deref(), now), other_database }
    }

    fn role(&mut self, identifier: Option<&str>, now: &ServerNow) -> ServerRole {
        if let Some(replica) = now.replica {
            self.first = self.first.take().or_else(|| identifier.map(str::to_owned));
            return ServerRole::Standby(Replica::stepped(replica));
        }
        let Some(identifier) = identifier else {
            return ServerRole::Primary { timeline: now.timeline.clone() };
        };
        if self.first.get_or_insert_with(|| identifier.to_owned()) != identifier {
            return ServerRole::Stranger;
        }
        match self.timelines.role_of(Some(identifier), now.timeline.as_deref()) {
            ServerRole::Unknown => ServerRole::Primary { timeline: None },
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::server::Lag;
    use crate::postgres::session::Pooling;

    fn facts(identifier: Option<&str>, database_oid: u32) -> ServerFacts {
        ServerFacts {
            host: 0,
            version: "15.20".to_owned(),
            version_num: 150_020,
            user: "ops".into(),
            superuser: false,
            direct: true,
            pooling: Pooling::Direct,
            pooler_note: None,
            standby: false,
            system_identifier: identifier.map(str::to_owned),
            timeline: None,
            database: "app".into(),
            database_oid,
            tls: false,
            warnings: Vec::new(),
        }
    }

    fn primary(timeline: &str) -> ServerNow {
        ServerNow { replica: None, timeline: Some(timeline.to_owned()), replayed: None, took: Duration::ZERO }
    }

    fn standby() -> ServerNow {
        let replica = Replica { receiving: true, paused: false, lag: Lag::None };
        ServerNow { replica: Some(replica), timeline: None, replayed: Some("0/1".to_owned()), took: Duration::ZERO }
    }

    #[test]
    fn a_promotion_makes_a_primary_and_the_old_one_is_known_by_its_timeline() {
        let timelines = Timelines::default();
        let (mut old, mut new) = (Memory::sharing(&timelines), Memory::sharing(&timelines));
        let facts = facts(Some("7"), 5);
        assert!(old.judge(&facts, &primary("00000001")).role.read_only_why().is_none());
        assert!(matches!(new.judge(&facts, &standby()).role, ServerRole::Standby(_)));
        let promoted = new.judge(&facts, &primary("00000002"));
        assert_eq!(promoted.role, ServerRole::Primary { timeline: Some("00000002".to_owned()) });
        assert!(!promoted.other_database);
        // The other database of the fleet learns it from this one.
        let split = ServerRole::Superseded { timeline: "00000001".to_owned(), newer: "00000002".to_owned() };
        assert_eq!(old.judge(&facts, &primary("00000001")).role, split);
        // The same connection string that leads back to the old one.
        assert_eq!(new.judge(&facts, &primary("00000001")).role, split);
        assert!(new.judge(&facts, &primary("00000003")).role.read_only_why().is_none());
        assert!(new.judge(&facts, &primary("0000000A")).role.read_only_why().is_none(), "hex digits sort");
    }

    #[test]
    fn another_cluster_is_never_written_and_another_database_is_read_anew() {
        let mut memory = Memory::default();
        memory.judge(&facts(Some("7"), 5), &primary("00000004"));
        let again = memory.judge(&facts(Some("7"), 6), &primary("00000004"));
        assert!(again.other_database && again.role.read_only_why().is_none(), "{again:?}");
        let other = memory.judge(&facts(Some("8"), 6), &primary("00000001"));
        assert_eq!(other, Judged { role: ServerRole::Stranger, other_database: true });
        let back = memory.judge(&facts(Some("7"), 6), &primary("00000004"));
        assert!(back.other_database && back.role.read_only_why().is_none(), "{back:?}");
    }

    #[test]
    fn what_may_not_be_read_is_not_guessed() {
        let mut memory = Memory::default();
        for _ in 0..2 {
            let judged = memory.judge(&facts(None, 5), &primary("00000002"));
            assert_eq!(judged.role, ServerRole::Primary { timeline: Some("00000002".to_owned()) });
            memory.judge(&facts(None, 5), &primary("00000001"));
        }
        assert!(memory.judge(&facts(Some("7"), 5), &primary("00000001")).role.read_only_why().is_none());
    }
}

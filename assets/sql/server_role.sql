-- What the server is, and how a standby follows: one cheap row that every role may read.
-- The age alone would lie: it grows on an idle pair that is fully caught up. Equal positions mean that nothing is left
-- of what was received, and say nothing where nothing is being received.
SELECT r.standby,
       CASE WHEN r.standby THEN NULL
            ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END,
       CASE WHEN r.standby THEN pg_catalog.pg_last_wal_replay_lsn() END,
       CASE WHEN r.standby THEN
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())::pg_catalog.int8
       END,
       CASE WHEN r.standby THEN
           pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
               OPERATOR(pg_catalog.-) pg_catalog.pg_last_xact_replay_timestamp())::pg_catalog.int8
       END,
       CASE WHEN r.standby THEN pg_catalog.pg_is_wal_replay_paused() END,
       CASE WHEN r.standby THEN EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver) END
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS standby OFFSET 0) AS r

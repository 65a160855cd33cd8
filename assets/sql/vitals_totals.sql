-- The database's counters since its statistics were reset: the difference of two readings is its pace.
SELECT d.xact_commit, d.xact_rollback, d.tup_returned, d.tup_inserted + d.tup_updated + d.tup_deleted,
       d.blks_hit, d.blks_read, d.deadlocks, d.stats_reset
  FROM pg_catalog.pg_stat_database d
 WHERE d.datname = pg_catalog.current_database()

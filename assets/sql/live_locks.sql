-- Locks that migration tools hold in this database at this moment: advisory ones of one 64-bit key, and the mode in which
-- Ecto locks its ledger. VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY take that mode, too: they are left out by their
-- progress, which every role may see, and autovacuum by its kind.
SELECT l.locktype,
       CASE WHEN l.locktype = 'advisory' THEN (l.classid::int8 << 32) | l.objid::int8 END,
       l.relation,
       l.mode,
       l.pid,
       a.application_name
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.granted
   AND l.pid <> pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND (l.locktype = 'advisory' AND l.objsubid = 1
        OR l.locktype = 'relation' AND l.mode = 'ShareUpdateExclusiveLock'
           AND coalesce(a.backend_type, 'client backend') = 'client backend'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum p WHERE p.pid = l.pid)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_analyze p WHERE p.pid = l.pid)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = l.pid))

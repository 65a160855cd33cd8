-- Who waits for a lock, and who is in the way, at most 200 that wait. pg_locks and pg_blocking_pids are complete for every
-- role; what the sessions do is hidden from one without pg_read_all_stats. Who waits for a row waits for its
-- transaction; the table is that of the tuple lock held meanwhile. The pid 0 stands for prepared transactions.
WITH l AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
w AS MATERIALIZED (
  SELECT DISTINCT ON (l.pid) l.pid, l.locktype, l.mode,
         coalesce(l.relation, t.relation) AS relation,
         coalesce(l.database, t.database) AS database,
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
           - (pg_catalog.to_jsonb(l) ->> 'waitstart')::pg_catalog.timestamptz)::pg_catalog.int8 AS seconds
    FROM l
    LEFT JOIN LATERAL (SELECT t.relation, t.database FROM l t
                        WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1) t ON true
   WHERE NOT l.granted AND l.pid IS NOT NULL
   ORDER BY l.pid
   LIMIT 200),
b AS MATERIALIZED (SELECT w.pid, pg_catalog.pg_blocking_pids(w.pid) AS pids FROM w),
p AS (SELECT w.pid FROM w UNION SELECT pg_catalog.unnest(b.pids) FROM b)
SELECT p.pid, a.usename, coalesce(nullif(a.application_name, ''), a.backend_type), a.datname, a.state,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8,
       pg_catalog.left(a.query, 1000),
       b.pids::pg_catalog.text, w.locktype, w.mode, w.seconds, n.nspname, c.relname
  FROM p
  LEFT JOIN w ON w.pid = p.pid
  LEFT JOIN b ON b.pid = p.pid
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
  LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation
        AND w.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY p.pid

-- Client sessions of the whole server, those that are alike together. What sessions of other roles do is hidden from a
-- role without pg_read_all_stats: their state is null then, not idle.
SELECT a.datname,
       a.datname = pg_catalog.current_database(),
       a.usename,
       a.application_name,
       a.state,
       pg_catalog.count(*),
       pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change))::pg_catalog.int8
  FROM pg_catalog.pg_stat_activity a
 WHERE coalesce(a.backend_type, 'client backend') = 'client backend'
   AND a.datid IS NOT NULL AND a.usesysid IS NOT NULL
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY 2 DESC, 6 DESC, 1, 3, 4, 5
 LIMIT 200

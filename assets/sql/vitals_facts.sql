-- What is in use on the server, and of how much: one row that every role may read. The kind of a backend is hidden from
-- a role without pg_read_all_stats; others' background workers that work for a role are counted then, too.
SELECT current_user,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::pg_catalog.int8,
       (SELECT pg_catalog.count(*)
          FROM pg_catalog.pg_stat_activity a
         WHERE coalesce(a.backend_type, 'client backend') = 'client backend'
           AND a.datid IS NOT NULL AND a.usesysid IS NOT NULL),
       pg_catalog.current_setting('max_connections'),
       pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8
         + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int8,
       (SELECT pg_catalog.count(*)
          FROM pg_catalog.pg_namespace n
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks l WHERE NOT l.fastpath),
       pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
         * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
            + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8),
       pg_catalog.current_setting('autovacuum')::pg_catalog.bool AND pg_catalog.current_setting('track_counts')::pg_catalog.bool,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'autovacuum worker'),
       pg_catalog.current_setting('autovacuum_max_workers'),
       (SELECT pg_catalog.age(d.datfrozenxid) FROM pg_catalog.pg_database d
         WHERE d.datname = pg_catalog.current_database()),
       pg_catalog.current_setting('autovacuum_freeze_max_age')

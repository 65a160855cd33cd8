-- What keeps old rows alive or locks taken, the oldest first: transactions that are open for more than a second, prepared
-- ones, and replication slots that hold back a horizon or WAL. Those of other roles are hidden from a role without
-- pg_read_all_stats.
SELECT x.kind, x.id, x.role, x.application, x.database, x.state, x.open_seconds, x.state_seconds, x.xmin_age,
       x.retained_bytes, x.query
  FROM (
    (SELECT 'session' AS kind, a.pid::pg_catalog.text AS id, a.usename::pg_catalog.text AS role,
            coalesce(nullif(a.application_name, ''), a.backend_type) AS application, a.datname::pg_catalog.text AS database,
            a.state AS state,
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8 AS open_seconds,
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change)::pg_catalog.int8 AS state_seconds,
            pg_catalog.age(a.backend_xmin)::pg_catalog.int8 AS xmin_age,
            NULL::pg_catalog.int8 AS retained_bytes,
            pg_catalog.left(a.query, 1000) AS query
       FROM pg_catalog.pg_stat_activity a
      WHERE a.xact_start < pg_catalog.clock_timestamp() - interval '1 second' AND a.pid <> pg_catalog.pg_backend_pid()
      ORDER BY a.xact_start
      LIMIT 100)
    UNION ALL
    (SELECT 'prepared', p.gid, p.owner::pg_catalog.text, NULL, p.database::pg_catalog.text, 'prepared',
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8, NULL,
            pg_catalog.age(p.transaction)::pg_catalog.int8, NULL, NULL
       FROM pg_catalog.pg_prepared_xacts p
      ORDER BY p.prepared
      LIMIT 100)
    UNION ALL
    (SELECT 'slot', s.slot_name::pg_catalog.text, NULL, s.plugin::pg_catalog.text, s.database::pg_catalog.text,
            CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, NULL,
            greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin))::pg_catalog.int8,
            pg_catalog.pg_wal_lsn_diff(
              CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                   ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::pg_catalog.int8,
            NULL
       FROM pg_catalog.pg_replication_slots s
      ORDER BY s.active, s.slot_name
      LIMIT 100)) x
 ORDER BY x.open_seconds DESC NULLS LAST, x.xmin_age DESC NULLS LAST, x.id

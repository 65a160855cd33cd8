-- What a Flyway ledger says, in one row: the applied versions with their checksums, whether any event failed, the
-- version that Flyway calls current (the newest by time), and the newest baseline.
-- In psql:  \set ledger tenant_acme.flyway_schema_history
-- A row is an event, and the newest successful one of a version counts: DELETE and UNDO_... take it back. SCHEMA is a
-- mark, and rows without a version are repeatable migrations.
SELECT pg_catalog.string_agg(version || E'\x1f' || COALESCE(checksum::text, ''), E'\x1e') FILTER (WHERE is_applied),
       pg_catalog.bool_or(NOT success),
       (pg_catalog.array_agg(version ORDER BY installed_rank DESC) FILTER (WHERE is_applied))[1],
       (pg_catalog.array_agg(version ORDER BY installed_rank DESC)
           FILTER (WHERE is_applied AND (type LIKE '%BASELINE' OR type = 'INIT')))[1]
  FROM (SELECT version, checksum, type, success, installed_rank,
               success AND version IS NOT NULL AND type NOT IN ('SCHEMA', 'DELETE') AND type NOT LIKE 'UNDO%'
                   AND pg_catalog.row_number()
                       OVER (PARTITION BY version, success ORDER BY installed_rank DESC) = 1 AS is_applied
          FROM :ledger) AS event

-- Tables that may be migration ledgers, in all schemas at once, with what is needed to recognise their tool.
-- In psql:  \set names '{schema_migrations,ar_internal_metadata,__diesel_schema_migrations}'
-- relname comes first in an index of pg_class, so the cost follows the ledgers, not the tables, of the database.
-- Sqitch keeps what happened in a table `events`, as many applications do theirs: it counts beside Sqitch's `changes` only.
-- Unit and record separators part the columns: a name that contains one matches no tool, which is harmless. Columns
-- come in the order of the index; nothing depends on it, and ordering them costs more than all the rest. The key is
-- looked up where it tells tools apart, and by a scalar subquery: the planner would hash all of pg_index for an EXISTS.
-- Last, whether row level security may hide rows of it from this role (as rows_hidden.sql has it): hardly a ledger has any,
-- and then nothing is looked up.
SELECT n.oid,
       n.nspname,
       c.oid,
       c.relname,
       c.relkind,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       s.columns,
       CASE WHEN s.number = 1 THEN
           (SELECT i.indisprimary FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary LIMIT 1)
       END,
       c.relfilenode,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
           + pg_catalog.pg_stat_get_tuples_deleted(c.oid),
       CASE WHEN c.relrowsecurity AND pg_catalog.row_security_active(c.oid) THEN
           NOT (SELECT COALESCE(pg_catalog.bool_or(e.rows) FILTER (WHERE p.polpermissive), false)
                       AND COALESCE(pg_catalog.bool_and(e.rows) FILTER (WHERE NOT p.polpermissive), true)
                  FROM pg_catalog.pg_policy p
                 CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true') e (rows)
                 WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*')
                   AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r (oid)
                                WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE')))
       END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT pg_catalog.count(*) AS number,
              pg_catalog.string_agg(
                  a.attname || E'\x1f' || a.atttypid || E'\x1f' || a.atttypmod,
                  E'\x1e') AS columns
         FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) s
 WHERE c.relname = ANY (:'names'::name[])
   AND (c.relname <> 'events' OR EXISTS (
           SELECT FROM pg_catalog.pg_class k WHERE k.relname = 'changes' AND k.relnamespace = c.relnamespace))
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname <> 'information_schema'

-- Tables that may be migration ledgers, in all schemas at once, with what is needed to recognise their tool.
-- In psql:  \set names '{schema_migrations,ar_internal_metadata,__diesel_schema_migrations}'
-- relname comes first in an index of pg_class, so the cost follows the ledgers, not the tables, of the database.
-- Unit and record separators part the columns: a name that contains one matches no tool, which is harmless.
SELECT n.oid,
       n.nspname,
       c.oid,
       c.relname,
       c.relkind,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       (SELECT pg_catalog.string_agg(
                   a.attname || pg_catalog.chr(31) || a.atttypid || pg_catalog.chr(31) || a.atttypmod,
                   pg_catalog.chr(30) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
       c.relfilenode,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
           + pg_catalog.pg_stat_get_tuples_deleted(c.oid)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = ANY (:'names'::name[])
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname <> 'information_schema'
 ORDER BY n.oid, c.relname

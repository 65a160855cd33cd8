-- A framework's own table of keys: whether this role may revoke in it, how it keeps the time, and its oid. No row: the database
-- has no such table.
-- In psql:  \set schema public \set table api_keys \set tenant tenant_id \set revoked_at revoked_at
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           AND pg_catalog.has_column_privilege(c.oid, t.attnum, 'SELECT')
           AND pg_catalog.has_column_privilege(c.oid, r.attnum, 'SELECT')
           AND pg_catalog.has_column_privilege(c.oid, r.attnum, 'UPDATE'),
       pg_catalog.format_type(r.atttypid, NULL),
       c.oid
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attname = :'tenant' AND NOT t.attisdropped
  JOIN pg_catalog.pg_attribute r ON r.attrelid = c.oid AND r.attname = :'revoked_at' AND NOT r.attisdropped
 WHERE n.nspname = :'schema'
   AND c.relname = :'table'
   AND c.relkind IN ('r', 'p')

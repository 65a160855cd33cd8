-- Bytes of these tables: heap with its toast, all indexes, the toast alone. By oid, so that no USAGE on the schema
-- is needed. Opens every relation, and waits (lock_timeout) where another session holds one exclusively.
-- psql: \set oids '{16390}'
select c.oid,
       pg_catalog.pg_table_size(c.oid),
       pg_catalog.pg_indexes_size(c.oid),
       case when c.reltoastrelid = 0 then 0 else pg_catalog.pg_total_relation_size(c.reltoastrelid) end
from pg_catalog.pg_class c
where c.oid = any (:'oids'::pg_catalog.oid[]);

-- Which of these tables another session holds, or waits for, in a lock that measuring would wait behind: on the
-- table itself, its toast, or an index of either. pg_locks is complete for every role.
-- psql: \set oids '{16390}'
with held as materialized (
  select l.relation
  from pg_catalog.pg_locks l
  where l.locktype = 'relation'
    and l.mode = 'AccessExclusiveLock'
    and l.pid is distinct from pg_catalog.pg_backend_pid()
    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
)
select c.oid
from pg_catalog.pg_class c
where c.oid = any (:'oids'::pg_catalog.oid[])
  and exists (select from held)
  and (c.oid in (select relation from held)
       or c.reltoastrelid in (select relation from held)
       or exists (
         select
         from pg_catalog.pg_index x
         where x.indrelid in (c.oid, c.reltoastrelid)
           and x.indexrelid in (select relation from held)));

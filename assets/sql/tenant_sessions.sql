-- Sessions that use a schema now: those of the tenant's role, and those that hold a lock on a relation of it. Our own
-- readers are none. A prepared transaction has no session and counts. Where `writing` is true, who only reads does not.
-- psql: \set oid 16390 \set role '' \set writing false
select a.pid, a.usename, a.application_name, a.client_addr::pg_catalog.text, a.state,
       pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp() - a.xact_start))::pg_catalog.int8
from pg_catalog.pg_stat_activity a
where a.datid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
  and a.pid <> pg_catalog.pg_backend_pid()
  -- Autovacuum is nobody, and gives way.
  and a.usesysid is not null
  and not (a.application_name like 'tenantui %' and a.usename = session_user)
  and (a.usename = nullif(:'role', '')::pg_catalog.name
       or exists (
         select
         from pg_catalog.pg_locks l
         join pg_catalog.pg_class c on c.oid = l.relation
         where l.pid = a.pid and l.database = a.datid and c.relnamespace = :'oid'::pg_catalog.oid
           and not (:'writing'::pg_catalog.bool and l.mode in ('AccessShareLock', 'RowShareLock'))))
union all
select null, null, 'a prepared transaction', null, 'prepared', null
from (
  select distinct l.virtualtransaction
  from pg_catalog.pg_locks l
  join pg_catalog.pg_class c on c.oid = l.relation
  where l.pid is null and c.relnamespace = :'oid'::pg_catalog.oid
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    and not (:'writing'::pg_catalog.bool and l.mode in ('AccessShareLock', 'RowShareLock'))) p
order by 1;

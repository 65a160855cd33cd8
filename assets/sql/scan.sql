-- Schemas like a pattern that hold all of these tables: the registry where no table lists tenants.
-- public is asked for, too, where it is not excluded: what it holds is known, and it is never a tenant.
-- psql: \set pattern 'tenant\\_%' \set requires '{}' \set exclude '{public}'
-- The tables are counted by the index on (relname, relnamespace), schema by schema.
select n.nspname
from pg_catalog.pg_namespace n
where n.nspname like :'pattern'
  and n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'tenantui')
  and n.nspname not like 'zz\_dropped\_%'
  and n.nspname <> all (:'exclude'::pg_catalog.text[]::pg_catalog.name[])
  and (select pg_catalog.count(*)
       from pg_catalog.pg_class c
       where c.relname = any (:'requires'::pg_catalog.text[]::pg_catalog.name[])
         and c.relnamespace = n.oid
         and c.relkind in ('r', 'p')) = pg_catalog.cardinality(:'requires'::pg_catalog.text[])
  and not exists (
    select
    from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
      and d.objid = n.oid
      and d.deptype = 'e')
order by n.nspname;

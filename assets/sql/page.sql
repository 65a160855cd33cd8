-- Tables and estimated bytes of a handful of schemas, through pg_depend: as fast at 10,000 schemas as at ten.
-- psql: \set oids '{16390}'
select d.refobjid,
       pg_catalog.count(*) filter (where c.relkind in ('r', 'p') and not c.relispartition),
       coalesce(
         pg_catalog.sum(
           c.relpages::pg_catalog.int8
           + coalesce(t.relpages, 0)
           + coalesce((
               select pg_catalog.sum(i.relpages)
               from pg_catalog.pg_index x
               join pg_catalog.pg_class i on i.oid = x.indexrelid
               where x.indrelid in (c.oid, t.oid)), 0))
           filter (where c.relkind in ('r', 'm')),
         0)
       * pg_catalog.current_setting('block_size')::pg_catalog.int8
from pg_catalog.pg_depend d
join pg_catalog.pg_class c on c.oid = d.objid
left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  and d.refobjid = any (:'oids'::pg_catalog.oid[])
  and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
group by d.refobjid;

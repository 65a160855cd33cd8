-- Tables and materialised views of some schemas, through pg_depend. Opens none of them and waits for no lock.
-- psql: \set oids '{16390}'
-- root: the partitioned table that a partition belongs to. relations: what measuring the table opens. Last: pages of all
-- of those as the catalog believes.
select d.refobjid,
       c.oid,
       c.relname,
       case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid end,
       c.reltuples,
       c.relpages,
       pg_catalog.pg_stat_get_live_tuples(c.oid),
       pg_catalog.pg_stat_get_dead_tuples(c.oid),
       1 + (select pg_catalog.count(*)
            from pg_catalog.pg_index x
            where x.indrelid in (c.oid, c.reltoastrelid))
         + (c.reltoastrelid <> 0)::pg_catalog.int4,
       c.relpages
         + coalesce((select t.relpages from pg_catalog.pg_class t where t.oid = c.reltoastrelid), 0)
         + coalesce((select pg_catalog.sum(i.relpages)
                     from pg_catalog.pg_index x
                     join pg_catalog.pg_class i on i.oid = x.indexrelid
                     where x.indrelid in (c.oid, c.reltoastrelid)), 0)
from pg_catalog.pg_depend d
join pg_catalog.pg_class c on c.oid = d.objid
where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  and d.refobjid = any (:'oids'::pg_catalog.oid[])
  and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and c.relkind in ('r', 'p', 'm')
order by c.relname;

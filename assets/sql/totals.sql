-- Ordinary and partitioned tables of every schema, partitions not, and its bytes as pg_class believes: heaps, indexes,
-- toast and its indexes, in pages of the last vacuum, analyse or index build. Opens no relation and waits for no lock; it
-- is too low where nothing was ever analysed.
-- For the background: two scans of pg_class. An index of toast has one page from the start: only toast that holds
-- something is looked up, which few of a fleet's tables have (331 ms for 570,000 relations; looking up all of them, and
-- counting by a scan of its own, took 1,280 ms). Leaving the server's own out by oid costs an index scan of all others.
select c.relnamespace,
       pg_catalog.count(*) filter (where c.relkind in ('r', 'p') and not c.relispartition),
       pg_catalog.sum(
         c.relpages::pg_catalog.int8
         + case when c.reltoastrelid = 0 then 0 else coalesce(toast.pages, 1) end)
       * pg_catalog.current_setting('block_size')::pg_catalog.int8
from pg_catalog.pg_class c
left join (
  select t.oid, t.relpages::pg_catalog.int8 + coalesce(i.relpages, 0) as pages
  from pg_catalog.pg_class t
  left join pg_catalog.pg_index x on x.indrelid = t.oid
  left join pg_catalog.pg_class i on i.oid = x.indexrelid
  where t.relkind = 't' and t.relpages > 0) toast on toast.oid = c.reltoastrelid
where c.relkind in ('r', 'p', 'm', 'i')
  and c.relnamespace <> 'pg_catalog'::pg_catalog.regnamespace
group by c.relnamespace;

-- Bytes of every schema as pg_class believes: heaps, indexes, toast and its indexes, in pages of the last vacuum,
-- analyse or index build. Opens no relation and waits for no lock; it is too low where nothing was ever analysed.
-- For the background: 110 ms at 58,000 relations. Without the toast indexes it takes 65 ms, and then a fresh tenant
-- of five tables is estimated at 88 kB where it has 136 kB; with them at 136 kB.
select c.relnamespace,
       pg_catalog.sum(
         c.relpages::pg_catalog.int8 + coalesce(t.relpages, 0) + coalesce(ti.relpages, 0))
       * pg_catalog.current_setting('block_size')::pg_catalog.int8
from pg_catalog.pg_class c
left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
left join pg_catalog.pg_index x on x.indrelid = t.oid
left join pg_catalog.pg_class ti on ti.oid = x.indexrelid
where c.relkind in ('r', 'm', 'i')
  and c.oid >= 16384
group by c.relnamespace;

-- Ordinary and partitioned tables of every schema, partitions not. One scan of pg_class: for the background.
-- Objects made after initdb have oids from 16384 on, which leaves the server's own out without a join.
select c.relnamespace, pg_catalog.count(*)
from pg_catalog.pg_class c
where c.relkind in ('r', 'p')
  and not c.relispartition
  and c.oid >= 16384
group by c.relnamespace;

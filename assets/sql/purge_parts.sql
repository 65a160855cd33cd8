-- What of one table can be dropped by itself: foreign keys and other constraints of other tables to it first, then its
-- own, then indexes and triggers. For a table that takes too many objects along.
-- psql: \set id 16390
select 'constraint', pg_catalog.format('%I', k.conname),
       (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, k.conrelid, 0)).identity
from pg_catalog.pg_constraint k
where (k.confrelid = :'id'::pg_catalog.oid or k.conrelid = :'id'::pg_catalog.oid)
  and k.contype in ('f', 'u', 'p', 'x') and k.conparentid = 0
union all
select 'index', (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, x.indexrelid, 0)).identity, null
from pg_catalog.pg_index x
where x.indrelid = :'id'::pg_catalog.oid
  and not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid)
union all
select 'trigger', pg_catalog.format('%I', t.tgname),
       (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, t.tgrelid, 0)).identity
from pg_catalog.pg_trigger t
where t.tgrelid = :'id'::pg_catalog.oid and not t.tgisinternal;

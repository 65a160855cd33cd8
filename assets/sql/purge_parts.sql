-- What of one table can be dropped by itself: foreign keys and other constraints of other tables to it first, then its
-- own, then indexes and triggers, and the sequences that its columns count by. For a table that takes too many objects along.
-- psql: \set id 16390
select 'constraint', pg_catalog.format('%I', k.conname),
       (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, k.conrelid, 0)).identity,
       'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, k.oid
from pg_catalog.pg_constraint k
where (k.confrelid = :'id'::pg_catalog.oid or k.conrelid = :'id'::pg_catalog.oid)
  and k.contype in ('f', 'u', 'p', 'x') and k.conparentid = 0
union all
select 'index', (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, x.indexrelid, 0)).identity, null,
       'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid
from pg_catalog.pg_index x
where x.indrelid = :'id'::pg_catalog.oid
  and not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid)
union all
select 'trigger', pg_catalog.format('%I', t.tgname),
       (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, t.tgrelid, 0)).identity,
       'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid
from pg_catalog.pg_trigger t
where t.tgrelid = :'id'::pg_catalog.oid and not t.tgisinternal
union all
select case d.deptype when 'i' then 'identity' else 'sequence' end,
       case d.deptype when 'i' then pg_catalog.quote_ident(a.attname)
                      else (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).identity end,
       (pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0)).identity, d.classid, d.objid
from pg_catalog.pg_depend d
join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = d.classid
  and d.refobjid = :'id'::pg_catalog.oid and d.deptype in ('a', 'i');

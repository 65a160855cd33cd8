-- What of one table can be dropped by itself, in an order that works: foreign keys of other tables to it, the sequences that
-- its columns count by, its other keys, indexes and triggers, and last its checks, which from PostgreSQL 18 on are also those
-- of NOT NULL columns. For a table that takes too many objects along.
-- psql: \set id 16390
select p.kind, p.name, p.of_table, p.class, p.id
from (
  select case k.contype when 'f' then 1 when 'c' then 6 when 'n' then 6 else 3 end as place, 'constraint' as kind,
         pg_catalog.format('%I', k.conname) as name,
         (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, k.conrelid, 0)).identity as of_table,
         'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid as class, k.oid as id
  from pg_catalog.pg_constraint k
  where (k.confrelid = :'id'::pg_catalog.oid or k.conrelid = :'id'::pg_catalog.oid)
    and k.contype in ('f', 'u', 'p', 'x', 'c', 'n') and k.conparentid = 0
    -- One that is inherited goes with the one that it is of.
    and (k.contype not in ('c', 'n') or (k.conislocal and k.coninhcount = 0))
  union all
  select 4, 'index', (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, x.indexrelid, 0)).identity, null,
         'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid
  from pg_catalog.pg_index x
  where x.indrelid = :'id'::pg_catalog.oid
    and not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid)
  union all
  select 5, 'trigger', pg_catalog.format('%I', t.tgname),
         (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, t.tgrelid, 0)).identity,
         'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid
  from pg_catalog.pg_trigger t
  where t.tgrelid = :'id'::pg_catalog.oid and not t.tgisinternal
  union all
  select 2, case d.deptype when 'i' then 'identity' else 'sequence' end,
         case d.deptype when 'i' then pg_catalog.quote_ident(a.attname)
                        else (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).identity end,
         (pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0)).identity, d.classid, d.objid
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = d.classid
    and d.refobjid = :'id'::pg_catalog.oid and d.deptype in ('a', 'i')
) p
order by p.place, p.id;

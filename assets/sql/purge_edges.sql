-- What goes along with what, from the objects of a schema on: each object that is reached is looked at once, however many
-- ways lead to it. How many each takes along is counted by who asks.
-- psql: \set oid 16390
with recursive reached as (
  select d.classid, d.objid, 0 as objsubid
  from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.refobjid = :'oid'::pg_catalog.oid
  union
  select x.classid, x.objid, x.objsubid
  from reached w
  cross join lateral (
    select d.classid, d.objid, d.objsubid
    from pg_catalog.pg_depend d
    where d.refclassid = w.classid and d.refobjid = w.objid and (w.objsubid = 0 or d.refobjsubid = w.objsubid)
    union all
    -- What is a part of something takes the whole along: a rule its view, an index its constraint, a member its extension.
    select i.refclassid, i.refobjid, i.refobjsubid
    from pg_catalog.pg_depend i
    where i.classid = w.classid and i.objid = w.objid and i.objsubid = w.objsubid and i.deptype in ('i', 'e')
  ) x
)
select w.classid::pg_catalog.int8, w.objid::pg_catalog.int8, w.objsubid, x.classid::pg_catalog.int8, x.objid::pg_catalog.int8, x.objsubid
from reached w
cross join lateral (
  select d.classid, d.objid, d.objsubid
  from pg_catalog.pg_depend d
  where d.refclassid = w.classid and d.refobjid = w.objid and (w.objsubid = 0 or d.refobjsubid = w.objsubid)
  union all
  -- What is a part of something takes the whole along: a rule its view, an index its constraint, a member its extension.
  select i.refclassid, i.refobjid, i.refobjsubid
  from pg_catalog.pg_depend i
  where i.classid = w.classid and i.objid = w.objid and i.objsubid = w.objsubid and i.deptype in ('i', 'e')
) x
union all
-- What is dropped from a table locks that table, which stays: it is counted and not followed.
select w.classid::pg_catalog.int8, w.objid::pg_catalog.int8, w.objsubid, 1259, t.tgrelid::pg_catalog.int8, -1
from reached w
join pg_catalog.pg_trigger t on w.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.oid = w.objid
union all
select w.classid::pg_catalog.int8, w.objid::pg_catalog.int8, w.objsubid, 1259, r.relid::pg_catalog.int8, -1
from reached w
join pg_catalog.pg_constraint k on w.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = w.objid
cross join lateral (values (k.conrelid), (k.confrelid)) r (relid)
where r.relid <> 0;

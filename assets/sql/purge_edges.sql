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
select w.classid, w.objid, w.objsubid, x.classid, x.objid, x.objsubid
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
) x;

-- What a schema holds that can be dropped by itself, with how many objects each takes along: the locks that its drop
-- takes; and of a table, whether this role may lock it. What goes together with another object (a sequence of a column,
-- a member of an extension) is not listed.
-- The cheapest first: what depends on something never takes more along than that, so it goes before it.
-- psql: \set oid 16390
with recursive root as (
  select distinct d.classid, d.objid
  from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    and d.refobjid = :'oid'::pg_catalog.oid
    and d.classid not in ('pg_catalog.pg_default_acl'::pg_catalog.regclass)
    and d.classid <> coalesce(pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')::pg_catalog.oid, 0)
    and not exists (
      select
      from pg_catalog.pg_depend i
      where i.classid = d.classid and i.objid = d.objid and i.objsubid = 0
        and (i.deptype in ('i', 'e')
             or (i.deptype = 'a' and i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 and i.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 and exists (select from pg_catalog.pg_class c where c.oid = i.objid and c.relkind = 'S'))))
),
walk as (
  select r.classid as root_class, r.objid as root_id, r.classid, r.objid, 0 as objsubid from root r
  union
  select w.root_class, w.root_id, x.classid, x.objid, x.objsubid
  from walk w
  cross join lateral (
    select d.classid, d.objid, d.objsubid
    from pg_catalog.pg_depend d
    where d.refclassid = w.classid and d.refobjid = w.objid and (w.objsubid = 0 or d.refobjsubid = w.objsubid)
    union all
    -- What is a part of something takes the whole along: a rule its view, an index its constraint, a member its extension.
    select i.refclassid, i.refobjid, i.refobjsubid
    from pg_catalog.pg_depend i
    where i.classid = w.classid and i.objid = w.objid and i.objsubid = w.objsubid and i.deptype in ('i', 'e')) x
),
cost as (
  select w.root_class, w.root_id, pg_catalog.count(distinct (w.classid, w.objid)) as objects
  from walk w
  group by 1, 2
)
select c.root_class, c.root_id, i.type, i.identity, c.objects,
       (select case when r.relkind in ('r', 'p')
                    then pg_catalog.has_table_privilege(r.oid, 'UPDATE, DELETE, TRUNCATE') end
        from pg_catalog.pg_class r
        where c.root_class = 'pg_catalog.pg_class'::pg_catalog.regclass and r.oid = c.root_id) as may_lock
from cost c
cross join lateral pg_catalog.pg_identify_object(c.root_class, c.root_id, 0) i
order by c.objects, c.root_class, c.root_id;

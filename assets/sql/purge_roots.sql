-- What a schema holds that can be dropped by itself; and of a table, whether this role may lock it. What goes together with
-- another object (a sequence of a column, a member of an extension) is not listed.
-- psql: \set oid 16390
with root as (
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
)
select r.classid, r.objid, i.type, i.identity,
       (select case when c.relkind in ('r', 'p')
                    then pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') end
        from pg_catalog.pg_class c
        where r.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = r.objid) as may_lock
from root r
cross join lateral pg_catalog.pg_identify_object(r.classid, r.objid, 0) i;

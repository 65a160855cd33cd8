-- The members of an extension that live in one schema: each can be taken out of it, and is dropped by itself then. For an
-- extension that takes too many objects along; what is in no schema, or in another one, goes with it.
-- psql: \set id 16390 \set oid 16391
select i.type, i.identity
from pg_catalog.pg_extension x
join pg_catalog.pg_depend d
  on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = x.oid and d.deptype = 'e'
join pg_catalog.pg_depend n
  on n.classid = d.classid and n.objid = d.objid and n.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
 and n.refobjid = :'oid'::pg_catalog.oid
cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
where x.oid = :'id'::pg_catalog.oid
  and i.type in ('table', 'sequence', 'view', 'materialized view', 'foreign table', 'function', 'procedure', 'aggregate',
                 'type', 'domain', 'operator', 'operator class', 'operator family', 'collation', 'conversion',
                 'text search configuration', 'text search dictionary', 'text search parser', 'text search template')
order by d.classid, d.objid desc;

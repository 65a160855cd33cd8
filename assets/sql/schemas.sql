-- Every schema but the server's own, with its owner and whether this role may use it. An extension's schema is no
-- tenant's.
select n.oid,
       n.nspname,
       pg_catalog.pg_get_userbyid(n.nspowner),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       exists (
         select
         from pg_catalog.pg_depend d
         where d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
           and d.objid = n.oid
           and d.deptype = 'e')
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema';

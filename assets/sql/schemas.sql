-- Every schema but the server's own, with its owner and whether this role may use it. An extension's schema is no
-- tenant's: what hangs on extensions is listed once, for a look at each of 10,000 schemas takes three times as long.
select n.oid,
       n.nspname,
       pg_catalog.pg_get_userbyid(n.nspowner),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       n.oid in (
         select d.objid
         from pg_catalog.pg_depend d
         where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
           and d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
           and d.deptype = 'e')
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema';

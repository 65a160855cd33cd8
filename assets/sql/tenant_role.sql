-- Roles that may be one tenant's own: they own its schema or were granted USAGE on it. Never this session's, a
-- superuser's, the database's owner's, or one of PostgreSQL's own. The one of the wanted name first, then those that have
-- it on no other schema but the shared one.
-- psql: \set oid 16390 \set shared 'public' \set name 'tenant_acme'
with holder as (
  select n.oid, n.nspname, x.grantee
  from pg_catalog.pg_namespace n
  cross join lateral pg_catalog.aclexplode(n.nspacl) x
  where x.privilege_type = 'USAGE' and x.grantee <> 0
  union
  select n.oid, n.nspname, n.nspowner
  from pg_catalog.pg_namespace n
)
select r.oid, r.rolname, e.elsewhere
from pg_catalog.pg_roles r
cross join lateral (
  select exists (
    select from holder h
    where h.grantee = r.oid and h.oid <> :'oid'::pg_catalog.oid and h.nspname not in (:'shared', 'public'))) e (elsewhere)
where r.oid in (select h.grantee from holder h where h.oid = :'oid'::pg_catalog.oid)
  and r.rolname not in (session_user, current_user)
  and not r.rolsuper
  and r.rolname !~ '^pg_'
  and r.oid <> (select d.datdba from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by r.rolname <> :'name'::pg_catalog.name, e.elsewhere, r.rolname
limit 3;

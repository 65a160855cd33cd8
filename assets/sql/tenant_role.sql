-- The role of one tenant alone: it owns the schema or was granted USAGE on it, and has that on no other schema but the
-- shared one. Never this session's, a superuser's, the database's owner's, or one of PostgreSQL's own.
-- Beside each: what it owns outside of the schema (it is not removed then), and other databases where it has anything.
-- psql: \set oid 16390 \set shared 'public'
with holder as (
  select n.oid, n.nspname, x.grantee
  from pg_catalog.pg_namespace n
  cross join lateral pg_catalog.aclexplode(n.nspacl) x
  where x.privilege_type = 'USAGE' and x.grantee <> 0
  union
  select n.oid, n.nspname, n.nspowner
  from pg_catalog.pg_namespace n
)
select r.rolname, r.rolcanlogin,
       (select pg_catalog.string_agg(distinct pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid), ', ')
        from (select s.classid, s.objid, s.objsubid
              from pg_catalog.pg_shdepend s
              where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = r.oid
                and s.deptype = 'o'
                and s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
                and not (s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and s.objid = :'oid'::pg_catalog.oid)
                and not exists (
                  select
                  from pg_catalog.pg_depend d
                  where d.classid = s.classid and d.objid = s.objid
                    and d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                    and d.refobjid = :'oid'::pg_catalog.oid)
              limit 3) s),
       (select pg_catalog.string_agg(distinct d.datname, ', ')
        from pg_catalog.pg_shdepend s
        join pg_catalog.pg_database d on d.oid = s.dbid
        where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = r.oid
          and d.datname <> pg_catalog.current_database()),
       (select pg_catalog.string_agg(d.datname, ', ') from pg_catalog.pg_database d where d.datdba = r.oid)
from pg_catalog.pg_roles r
where r.oid in (select h.grantee from holder h where h.oid = :'oid'::pg_catalog.oid)
  and not exists (
    select from holder h
    where h.grantee = r.oid and h.oid <> :'oid'::pg_catalog.oid and h.nspname not in (:'shared', 'public'))
  and r.rolname not in (session_user, current_user)
  and not r.rolsuper
  and r.rolname !~ '^pg_'
  and r.oid <> (select d.datdba from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by r.rolcanlogin desc, r.rolname
limit 2;

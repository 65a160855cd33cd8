-- What a role has outside of one schema, which shows that it is not that tenant's alone. Not counted: rights on this
-- database itself, and default privileges, which are of what is made later.
-- psql: \set oid 16390 \set role 16400
with here as (
  select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
),
outside as (
  select s.classid, s.objid, s.objsubid, s.deptype = 'o' as owned
  from pg_catalog.pg_shdepend s
  where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
    and s.refobjid = :'role'::pg_catalog.oid
    and s.dbid in (0, (select h.oid from here h))
    and not (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
             and (s.deptype = 'o' or s.objid = (select h.oid from here h)))
    and not (s.deptype <> 'o' and s.classid = 'pg_catalog.pg_default_acl'::pg_catalog.regclass
             and exists (select from pg_catalog.pg_default_acl a
                         where a.oid = s.objid and a.defaclnamespace in (0, :'oid'::pg_catalog.oid)))
    and not (s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and s.objid = :'oid'::pg_catalog.oid)
    and not exists (
      select
      from pg_catalog.pg_depend d
      where d.classid = s.classid and d.objid = s.objid
        and d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        and d.refobjid = :'oid'::pg_catalog.oid)
    and not (s.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
             and exists (select from pg_catalog.pg_policy p
                         join pg_catalog.pg_class c on c.oid = p.polrelid
                         where p.oid = s.objid and c.relnamespace = :'oid'::pg_catalog.oid))
)
select (select pg_catalog.string_agg(distinct d.datname, ', ')
        from pg_catalog.pg_database d
        where d.datdba = :'role'::pg_catalog.oid),
       (select pg_catalog.string_agg(distinct pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid), ', ')
        from (select * from outside where owned limit 3) o),
       (select pg_catalog.string_agg(distinct d.datname, ', ')
        from pg_catalog.pg_shdepend s
        join pg_catalog.pg_database d on d.oid = s.dbid
        where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = :'role'::pg_catalog.oid
          and d.oid <> (select h.oid from here h)),
       (select pg_catalog.string_agg(distinct pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid), ', ')
        from (select * from outside where not owned limit 3) o),
       (select pg_catalog.string_agg(distinct pg_catalog.pg_get_userbyid(m.roleid)::pg_catalog.text, ', ')
        from pg_catalog.pg_auth_members m
        where m.member = :'role'::pg_catalog.oid),
       (select pg_catalog.string_agg(distinct a.datname, ', ')
        from pg_catalog.pg_stat_activity a
        where a.usesysid = :'role'::pg_catalog.oid and a.datid <> (select h.oid from here h));

-- What decides over this role's privileges, in sums: what it is a member of and how, its own attributes, and who may what
-- in the database and on these tables. Another sum means that what it may has to be looked at again. Memberships are in no
-- table's privileges, which is why those alone do not tell. Tables are reached by name: no scan of pg_class.
-- psql: \set schemas '{public,tenantui}' \set names '{tenants,job}'
with recursive mine (oid) as (
  select r.oid from pg_catalog.pg_roles r where r.rolname = current_user
  union
  select m.roleid from pg_catalog.pg_auth_members m join mine on m.member = mine.oid
), tables as (
  select c.oid, c.relowner, c.relacl
  from pg_catalog.pg_class c
  where c.relname = any (:'names'::pg_catalog.text[]::pg_catalog.name[])
    and c.relnamespace = any (array(
          select n.oid from pg_catalog.pg_namespace n
          where n.nspname = any (:'schemas'::pg_catalog.text[]::pg_catalog.name[])))
)
select (select pg_catalog.sum(pg_catalog.hashtextextended(r::pg_catalog.text, 0))
        from pg_catalog.pg_roles r where r.oid in (select mine.oid from mine)),
       (select pg_catalog.sum(pg_catalog.hashtextextended(m::pg_catalog.text, 0))
        from pg_catalog.pg_auth_members m where m.member in (select mine.oid from mine)),
       (select pg_catalog.hashtextextended(d.datdba || coalesce(d.datacl::pg_catalog.text, ''), 0)
        from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()),
       (select pg_catalog.sum(pg_catalog.hashtextextended(
          t.oid || '.' || t.relowner || coalesce(t.relacl::pg_catalog.text, ''), 0)) from tables t),
       (select pg_catalog.sum(pg_catalog.hashtextextended(
          a.attrelid || '.' || a.attnum || a.attacl::pg_catalog.text, 0))
        from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid
        where a.attacl is not null and not a.attisdropped);

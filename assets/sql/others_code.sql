-- Code in schemas that runs with other rights, or for others, than its name says: what a migration or a session of the
-- tenant would run unawares. Found through pg_depend by the schemas' oids: the time does not grow with the fleet.
-- Equal words are one row: in how many schemas, and the first of them.
-- psql: \set oids '{16390}'
with inside as (
  select d.classid, d.objid, d.refobjid as schema
  from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    and d.refobjid = any (:'oids'::pg_catalog.oid[])
    and d.classid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass)
),
routine as (
  select p.oid, i.schema, p.proname, p.proowner, p.prosecdef, p.proconfig, n.nspowner,
         pg_catalog.format('function %I(%s)', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) as called
  from inside i
  join pg_catalog.pg_proc p on i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = i.objid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
),
found as (
  select 1 as rank, r.schema, pg_catalog.format(
           '%s runs with the rights of %I (SECURITY DEFINER) and has no search_path of its own: whoever calls it decides '
           'which tables it means', r.called, pg_catalog.pg_get_userbyid(r.proowner)) as words
  from routine r
  where r.prosecdef
    and not exists (select from pg_catalog.unnest(r.proconfig) s where pg_catalog.starts_with(s, 'search_path='))
  union all
  select 2, r.schema, pg_catalog.format('%s belongs to %I, the schema to %I', r.called,
                                        pg_catalog.pg_get_userbyid(r.proowner), pg_catalog.pg_get_userbyid(r.nspowner))
  from routine r
  where r.proowner <> r.nspowner
  union all
  -- A function of the tenant's own goes by its name alone: it is the same one in every schema.
  select 3, i.schema, pg_catalog.format('trigger %I on %I runs %s of %I', t.tgname, c.relname,
                                        case when p.pronamespace = i.schema then pg_catalog.format('%I', p.proname)
                                             else pg_catalog.format('%I.%I', n.nspname, p.proname) end,
                                        pg_catalog.pg_get_userbyid(p.proowner))
  from inside i
  join pg_catalog.pg_class c on i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = i.objid
  join pg_catalog.pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.proowner <> c.relowner
  union all
  select 4, r.schema, pg_catalog.format(
           'event trigger %I runs %I of this schema on what anybody changes in the whole database', e.evtname, r.proname)
  from routine r
  join pg_catalog.pg_event_trigger e on e.evtfoid = r.oid
)
select f.words, pg_catalog.count(distinct f.schema), pg_catalog.min(n.nspname::pg_catalog.text)
from found f
join pg_catalog.pg_namespace n on n.oid = f.schema
group by f.rank, f.words
order by f.rank, f.words
limit 50

-- Objects outside a schema that depend on objects of it, over however many steps: views, foreign keys, defaults,
-- triggers, policies, functions, columns of its types, children of its tables, constraints of domains, extensions that
-- live in it; and what is in no schema: casts, foreign data wrappers with their servers, places in publications.
-- Removing the schema would take them along. With `classes` and `ids` only what depends on these objects of it.
-- psql: \set oid 16390 \set classes '{}' \set ids '{}'
with recursive inside as (
  select d.classid, d.objid
  from pg_catalog.pg_depend d
  where :'ids' = '{}'
    and d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    and d.refobjid = :'oid'::pg_catalog.oid
  union all
  select c.class, i.id
  from unnest(:'classes'::pg_catalog.oid[]) with ordinality c (class, place)
  join unnest(:'ids'::pg_catalog.oid[]) with ordinality i (id, place) using (place)
),
walk as (
  select s.classid, s.objid, 0 as objsubid
  from (select i.classid, i.objid from inside i
        union all
        -- A member goes only with its extension, wherever that lives.
        select e.refclassid, e.refobjid
        from inside i
        join pg_catalog.pg_depend e on e.classid = i.classid and e.objid = i.objid and e.deptype = 'e') s
  union
  select x.classid, x.objid, x.objsubid
  from walk w
  cross join lateral (
    select d.classid, d.objid, d.objsubid
    from pg_catalog.pg_depend d
    where d.refclassid = w.classid and d.refobjid = w.objid and (w.objsubid = 0 or d.refobjsubid = w.objsubid)
    union all
    -- What is a part of something goes only with the whole: a view with its rule, a generated column with its
    -- expression, an operator class with its members, an extension with its objects.
    select i.refclassid, i.refobjid, i.refobjsubid
    from pg_catalog.pg_depend i
    where i.classid = w.classid and i.objid = w.objid and i.objsubid = w.objsubid and i.deptype in ('i', 'e')) x
),
owned as (
  -- The relation by which an object has a schema.
  select w.classid, w.objid, w.objsubid,
         coalesce(
           (select v.ev_class from pg_catalog.pg_rewrite v
            where w.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and v.oid = w.objid),
           (select nullif(k.conrelid, 0) from pg_catalog.pg_constraint k
            where w.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = w.objid),
           (select f.adrelid from pg_catalog.pg_attrdef f
            where w.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and f.oid = w.objid),
           (select t.tgrelid from pg_catalog.pg_trigger t
            where w.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.oid = w.objid),
           (select p.polrelid from pg_catalog.pg_policy p
            where w.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and p.oid = w.objid),
           case when w.classid = 'pg_catalog.pg_class'::pg_catalog.regclass then w.objid end) as relation
  from walk w
),
placed as (
  select o.classid, o.objid, o.objsubid,
         coalesce(
           (select c.relnamespace from pg_catalog.pg_class c where c.oid = o.relation),
           -- The constraint of a domain has no relation.
           (select t.typnamespace from pg_catalog.pg_constraint k
            join pg_catalog.pg_type t on t.oid = k.contypid
            where o.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = o.objid),
           (select x.pronamespace from pg_catalog.pg_proc x
            where o.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and x.oid = o.objid),
           (select x.typnamespace from pg_catalog.pg_type x
            where o.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and x.oid = o.objid),
           (select x.oprnamespace from pg_catalog.pg_operator x
            where o.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and x.oid = o.objid),
           (select x.opcnamespace from pg_catalog.pg_opclass x
            where o.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and x.oid = o.objid),
           (select x.opfnamespace from pg_catalog.pg_opfamily x
            where o.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass and x.oid = o.objid),
           (select x.collnamespace from pg_catalog.pg_collation x
            where o.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass and x.oid = o.objid),
           (select x.stxnamespace from pg_catalog.pg_statistic_ext x
            where o.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass and x.oid = o.objid),
           (select x.cfgnamespace from pg_catalog.pg_ts_config x
            where o.classid = 'pg_catalog.pg_ts_config'::pg_catalog.regclass and x.oid = o.objid),
           (select x.dictnamespace from pg_catalog.pg_ts_dict x
            where o.classid = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass and x.oid = o.objid),
           (select x.connamespace from pg_catalog.pg_conversion x
            where o.classid = 'pg_catalog.pg_conversion'::pg_catalog.regclass and x.oid = o.objid),
           (select x.prsnamespace from pg_catalog.pg_ts_parser x
            where o.classid = 'pg_catalog.pg_ts_parser'::pg_catalog.regclass and x.oid = o.objid),
           (select x.tmplnamespace from pg_catalog.pg_ts_template x
            where o.classid = 'pg_catalog.pg_ts_template'::pg_catalog.regclass and x.oid = o.objid),
           (select f.opfnamespace from pg_catalog.pg_amop x
            join pg_catalog.pg_opfamily f on f.oid = x.amopfamily
            where o.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass and x.oid = o.objid),
           (select f.opfnamespace from pg_catalog.pg_amproc x
            join pg_catalog.pg_opfamily f on f.oid = x.amprocfamily
            where o.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass and x.oid = o.objid),
           -- Default privileges of the schema go with it.
           (select x.defaclnamespace from pg_catalog.pg_default_acl x
            where o.classid = 'pg_catalog.pg_default_acl'::pg_catalog.regclass and x.oid = o.objid),
           -- A cast is in no schema. One from a type of this schema to another of it, such as a range type's to its
           -- multirange type, is nobody else's.
           (select f.typnamespace from pg_catalog.pg_cast x
            join pg_catalog.pg_type f on f.oid = x.castsource
            join pg_catalog.pg_type t on t.oid = x.casttarget and t.typnamespace = f.typnamespace
            where o.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and x.oid = o.objid),
           -- In no schema: of the whole database, and so outside, whatever it is.
           0::pg_catalog.oid) as namespace
  from owned o
),
outside as (
  select p.classid, p.objid, p.objsubid
  from placed p
  where p.namespace <> :'oid'::pg_catalog.oid
    and p.namespace is distinct from 'pg_toast'::pg_catalog.regnamespace
)
select pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid)
from outside o
-- What belongs to another of them (the row type of a view, the triggers of a foreign key) goes with that.
where not exists (
  select
  from pg_catalog.pg_depend d
  join outside other
    on other.classid = d.refclassid and other.objid = d.refobjid and other.objsubid in (0, d.refobjsubid)
  where d.classid = o.classid and d.objid = o.objid and d.objsubid = o.objsubid
    and d.deptype in ('i', 'a', 'e', 'P', 'S')
    and (other.classid, other.objid, other.objsubid) <> (o.classid, o.objid, o.objsubid))
  -- Nor do the triggers of a foreign key of the schema's own that leads outside: what they watch for goes with it.
  and not exists (
    select
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_constraint k on k.oid = t.tgconstraint
    where o.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.oid = o.objid and t.tgisinternal
      and k.connamespace = :'oid'::pg_catalog.oid)
order by 1
limit 101;

-- Objects in other schemas that depend on objects of this one: views, foreign keys, defaults, triggers, policies,
-- functions, columns of its types. Dropping or renaming the schema would break or take them along.
-- psql: \set oid 16390
with recursive inside as (
  -- Tables, sequences, views, types, functions... of the schema, and what belongs to them: row types, array types.
  select d.classid, d.objid
  from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    and d.refobjid = :'oid'::pg_catalog.oid
  union
  select d.classid, d.objid
  from inside i
  join pg_catalog.pg_depend d on d.refclassid = i.classid and d.refobjid = i.objid
  where d.deptype = 'i'
),
dependent as (
  select distinct d.classid, d.objid, d.objsubid
  from inside i
  join pg_catalog.pg_depend d on d.refclassid = i.classid and d.refobjid = i.objid
  where d.deptype in ('n', 'a')
),
owned as (
  -- The relation, function or type by which the dependent object has a schema.
  select d.classid, d.objid, d.objsubid,
         coalesce(
           (select v.ev_class from pg_catalog.pg_rewrite v
            where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and v.oid = d.objid),
           (select k.conrelid from pg_catalog.pg_constraint k
            where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = d.objid),
           (select f.adrelid from pg_catalog.pg_attrdef f
            where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and f.oid = d.objid),
           (select t.tgrelid from pg_catalog.pg_trigger t
            where d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.oid = d.objid),
           (select p.polrelid from pg_catalog.pg_policy p
            where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and p.oid = d.objid),
           case when d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass then d.objid end) as relation
  from dependent d
),
placed as (
  select o.classid, o.objid, o.objsubid,
         coalesce(
           (select c.relnamespace from pg_catalog.pg_class c where c.oid = o.relation),
           (select p.pronamespace from pg_catalog.pg_proc p
            where o.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = o.objid),
           (select t.typnamespace from pg_catalog.pg_type t
            where o.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = o.objid)) as namespace
  from owned o
)
select pg_catalog.pg_describe_object(p.classid, p.objid, p.objsubid)
from placed p
join pg_catalog.pg_namespace n on n.oid = p.namespace
where n.oid <> :'oid'::pg_catalog.oid
  and n.nspname <> 'pg_toast'
order by 1
limit 101;

-- Tables of public that have one column of one type: django-tenants' registry has a name of the application's own.
-- psql: \set column schema_name \set type 'character varying(63)'
-- pg_class has no index on relnamespace; pg_depend has one from the schema to its tables.
select c.relname
from pg_catalog.pg_depend d
join pg_catalog.pg_class c on c.oid = d.objid
join pg_catalog.pg_attribute a on a.attrelid = c.oid
where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  and d.refobjid = (select oid from pg_catalog.pg_namespace where nspname = 'public')
  and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and c.relkind in ('r', 'p')
  and a.attname = :'column'
  and not a.attisdropped
  and pg_catalog.format_type(a.atttypid, a.atttypmod) = :'type'
order by c.relname
limit 8;

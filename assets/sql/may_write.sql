-- Whether this role could write anything that a job writes: may it make schemas; is there a record of jobs, and may it
-- write that; may it create in any schema that could be a tenant's; may it change a row of the registry.
-- psql: \set registry 16400 \set shared false
with record as (
  select c.oid, c.relname, pg_catalog.has_schema_privilege(n.oid, 'USAGE') as usage
  from pg_catalog.pg_namespace n
  join pg_catalog.pg_class c on c.relnamespace = n.oid
  where n.nspname = 'tenantui'
    and c.relname in ('job', 'step', 'audit')
    and c.relkind = 'r'
)
select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       exists (select from record),
       (select pg_catalog.bool_and(
          r.usage
          and pg_catalog.has_any_column_privilege(r.oid, 'INSERT')
          and (r.relname = 'audit' or pg_catalog.has_any_column_privilege(r.oid, 'UPDATE')))
        from record r),
       exists (
         select
         from pg_catalog.pg_namespace n
         where n.nspname !~ '^pg_'
           and n.nspname not in ('information_schema', 'tenantui')
           and (n.nspname <> 'public' or :'shared'::pg_catalog.bool)
           and pg_catalog.has_schema_privilege(n.oid, 'CREATE')),
       exists (
         select
         from pg_catalog.pg_class c
         where c.oid = :'registry'::pg_catalog.oid
           and (pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')
                or pg_catalog.has_table_privilege(c.oid, 'DELETE')));

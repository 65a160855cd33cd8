-- Columns of the tables and views of these names in these schemas, one row each.
-- psql: \set schemas '{public}' \set names '{tenants}'
-- labels: the words of an enum; checks: the CHECKs on that column alone, which may list the words it allows. Then whether
-- row level security may hide rows of the table from this role (as rows_hidden.sql has it). Last, whether it is generated.
select c.oid,
       n.nspname,
       c.relname,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       a.atthasdef or a.attidentity <> '',
       pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'),
       (select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder)
        from pg_catalog.pg_enum e
        where e.enumtypid = a.atttypid),
       (select pg_catalog.json_agg(pg_catalog.pg_get_constraintdef(k.oid))
        from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]),
       c.relrowsecurity
         and pg_catalog.row_security_active(c.oid)
         and not (select coalesce(pg_catalog.bool_or(e.rows) filter (where p.polpermissive), false)
                         and coalesce(pg_catalog.bool_and(e.rows) filter (where not p.polpermissive), true)
                  from pg_catalog.pg_policy p
                  cross join lateral (select pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true') e (rows)
                  where p.polrelid = c.oid and p.polcmd in ('r', '*')
                    and exists (select from pg_catalog.unnest(p.polroles) r (oid)
                                where r.oid = 0 or pg_catalog.pg_has_role(r.oid, 'USAGE'))),
       a.attgenerated <> ''
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid
where n.nspname = any (:'schemas'::pg_catalog.text[]::pg_catalog.name[])
  and c.relname = any (:'names'::pg_catalog.text[]::pg_catalog.name[])
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and a.attnum > 0
  and not a.attisdropped
order by c.oid, a.attnum;

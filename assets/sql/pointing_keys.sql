-- Foreign keys that lead to a table, in order: from where, by which columns of both, what a removal does to the rows that
-- point (a: it is refused, r: likewise, c: they go along, n and d: they point elsewhere), whether this role may count them,
-- and whether they are in a schema that goes before. A partition's key is its whole table's.
-- psql: \set table public.tenants \set schema 0
select k.oid, n.nspname, c.relname, k.confdeltype,
       (select pg_catalog.json_agg(a.attname order by u.place)
        from pg_catalog.unnest(k.conkey) with ordinality u (attnum, place)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum),
       (select pg_catalog.json_agg(a.attname order by u.place)
        from pg_catalog.unnest(k.confkey) with ordinality u (attnum, place)
        join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
         and (select pg_catalog.bool_and(pg_catalog.has_column_privilege(k.conrelid, u.attnum, 'SELECT'))
              from pg_catalog.unnest(k.conkey) u (attnum)),
       c.relnamespace = :'schema'::pg_catalog.oid
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f'
  and k.conparentid = 0
  and k.confrelid = pg_catalog.to_regclass(:'table')
order by n.nspname, c.relname, k.conname;

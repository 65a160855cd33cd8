-- Tables that have a foreign key to these tables, with their columns and those of them that this role may read.
-- psql: \set oids '{1259}'
select k.confrelid, n.nspname, c.relname,
       (select pg_catalog.json_agg(a.attname)
        from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attnum > 0 and not a.attisdropped),
       (select pg_catalog.json_agg(a.attname)
        from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attnum > 0 and not a.attisdropped
          and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
          and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f'
  and k.confrelid = any (:'oids'::pg_catalog.oid[])
order by n.nspname, c.relname;

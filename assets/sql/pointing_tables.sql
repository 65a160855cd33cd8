-- Columns of the tables that have a foreign key to these tables, one row for each pair.
-- psql: \set oids '{1259}'
select k.confrelid,
       (select pg_catalog.json_agg(a.attname)
        from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attnum > 0 and not a.attisdropped)
from pg_catalog.pg_constraint k
where k.contype = 'f'
  and k.confrelid = any (:'oids'::pg_catalog.oid[]);

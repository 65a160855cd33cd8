-- Sums over all schemas and all candidates for ledgers: they change when a schema comes, goes, is renamed or granted,
-- when a ledger's file or privileges change, and when its rows do as far as the statistics know.
-- A table `events` is Sqitch's beside its `changes`, and an application's own anywhere else.
-- psql: \set names '{schema_migrations}'
select pg_catalog.count(*),
       pg_catalog.sum(pg_catalog.hashtextextended(
         n.oid || n.nspname || coalesce(n.nspacl::pg_catalog.text, '') || n.nspowner, 0))
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_(toast_)?temp_';
select pg_catalog.count(*),
       pg_catalog.sum(pg_catalog.hashtextextended(
         c.oid || '.' || c.relfilenode || coalesce(c.relacl::pg_catalog.text, '') || c.relnamespace, 0)),
       pg_catalog.sum(
         pg_catalog.pg_stat_get_tuples_inserted(c.oid)
         + pg_catalog.pg_stat_get_tuples_updated(c.oid)
         + pg_catalog.pg_stat_get_tuples_deleted(c.oid))
from pg_catalog.pg_class c
where c.relname = any (:'names'::pg_catalog.name[])
  and (c.relname <> 'events' or exists (
        select from pg_catalog.pg_class k where k.relname = 'changes' and k.relnamespace = c.relnamespace));

-- Schemas in the trash, with what the audit says of their drop.
-- psql: \set prefix 'zz\_dropped\_' \set days '7'
select n.oid, n.nspname, a.job_id,
       a.before->>'schema', a.before->>'slug', a.before->>'key', a.before->>'id', a.before->>'row',
       pg_catalog.floor(extract(epoch from a.at) * 1000)::pg_catalog.int8,
       coalesce(a.os_user, a.actor),
       a.at < pg_catalog.now() - pg_catalog.make_interval(days => :'days'::pg_catalog.int4),
       -- Some of it is gone: it does not come back whole.
       exists (
         select
         from tenantui.step s
         join tenantui.audit p on p.job_id = s.job_id
         where s.schema_name = n.nspname and p.action = 'purge' and p.outcome in ('part', 'done')),
       -- Its name was given away.
       exists (select from pg_catalog.pg_namespace o where o.nspname::text = a.before->>'schema')
from pg_catalog.pg_namespace n
left join lateral (
  select d.*
  from tenantui.audit d
  where d.job_id = pg_catalog.substring(n.nspname::pg_catalog.text, '^zz_dropped_([0-9]{1,9})_')::pg_catalog.int4
    and d.action = 'drop' and d.outcome = 'done' and d.after->>'schema' = n.nspname
    -- A name alone is nobody's: another schema may have been given it since.
    and coalesce(d.after->>'oid', n.oid::pg_catalog.text) = n.oid::pg_catalog.text
  order by d.id desc
  limit 1) a on true
where n.nspname like :'prefix' || '%'
order by a.at desc nulls last, n.nspname;

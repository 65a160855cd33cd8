-- What the record says of login roles whose names lead to a schema: whether a job made the role, and whether that schema
-- was a tenant's. Neither counts where tenantui removed a role of that name since. A making that did not come to its end
-- made no tenant.
-- In psql:  \set roles '{tenant_acme}' \set schemas '{tenant_acme}'
WITH removed AS (
    SELECT d.before->>'role' AS role, pg_catalog.max(d.at) AS at
      FROM tenantui.audit d
     WHERE d.action IN ('purge', 'repair') AND d.outcome = 'done' AND d.after->>'step' = 'role'
       AND d.before->>'role' = ANY (:'roles'::text[])
     GROUP BY 1),
made AS (
    SELECT d.after->>'role' AS role, pg_catalog.max(d.at) AS at
      FROM tenantui.audit d
     WHERE d.action = 'provision' AND d.outcome = 'done' AND d.after->>'role' = ANY (:'roles'::text[])
     GROUP BY 1),
tenants AS (
    SELECT e.schema, pg_catalog.max(e.at) AS at
      FROM (SELECT d.target AS schema, d.at
              FROM tenantui.audit d
             WHERE d.action = 'provision' AND d.outcome = 'done' AND d.target = ANY (:'schemas'::text[])
             UNION ALL
            SELECT d.before->>'schema', d.at
              FROM tenantui.audit d
             WHERE d.action = 'drop' AND d.outcome = 'done' AND d.before->>'schema' = ANY (:'schemas'::text[])
             UNION ALL
            SELECT s.schema_name, s.ended_at
              FROM tenantui.step s
              JOIN tenantui.job j ON j.id = s.job_id
             WHERE s.schema_name = ANY (:'schemas'::text[]) AND s.state = 'done'
               AND j.kind IN ('migrate', 'rollback', 'redo', 'import')) AS e
     GROUP BY 1)
SELECT a.role,
       m.at > coalesce(r.at, '-infinity'),
       t.at > coalesce(r.at, '-infinity')
  FROM ROWS FROM (pg_catalog.unnest(:'roles'::text[]), pg_catalog.unnest(:'schemas'::text[])) AS a(role, schema)
  LEFT JOIN removed r ON r.role = a.role
  LEFT JOIN made m ON m.role = a.role
  LEFT JOIN tenants t ON t.schema = a.schema
 WHERE m.role IS NOT NULL OR t.schema IS NOT NULL

-- Whether row level security may keep rows of one table from this role, for any of these commands (r: SELECT, w: UPDATE):
-- no row, or false, where it does not. A policy that lets every row through keeps none back, unless a restrictive one stands
-- beside it. And whether it is a view: then what it reads decides.
-- psql: \set oid 16384 \set commands '{r}'
SELECT pg_catalog.row_security_active(c.oid)
         AND EXISTS (
           SELECT FROM pg_catalog.unnest(:'commands'::pg_catalog.text[]) AS k (command)
            WHERE NOT (SELECT COALESCE(pg_catalog.bool_or(a.rows) FILTER (WHERE p.polpermissive), false)
                              AND COALESCE(pg_catalog.bool_and(a.rows) FILTER (WHERE NOT p.polpermissive), true)
                         FROM pg_catalog.pg_policy AS p
                        CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true') AS a (rows)
                        WHERE p.polrelid = c.oid AND p.polcmd::pg_catalog.text IN (k.command, '*')
                          AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid)
                                       WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE')))),
       c.relkind = 'v'
  FROM pg_catalog.pg_class AS c
 WHERE c.oid = :'oid'::pg_catalog.oid

-- Whether row level security may hide rows of one table from this role: no row, or false, where it does not. A policy that
-- lets every row through hides none, unless a restrictive one stands beside it. And whether it is a view: then what it
-- reads decides.
-- psql: \set oid 16384
SELECT pg_catalog.row_security_active(c.oid)
         AND (NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS p
                           WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*')
                             AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true'
                             AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid)
                                          WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE')))
              OR EXISTS (SELECT FROM pg_catalog.pg_policy AS p
                          WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polcmd IN ('r', '*')
                            AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) <> 'true'
                            AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid)
                                         WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE')))),
       c.relkind = 'v'
  FROM pg_catalog.pg_class AS c
 WHERE c.oid = :'oid'::pg_catalog.oid

-- What makes the owner and the rights of relations in the source those of these relations, by whose names they go: what is
-- done (in this order), of what kind it is, its name, a column of it, the role (null: everybody), the privilege, whether
-- it may be granted on.
-- psql: \set source public  \set oids '{16390,16400}'
WITH own AS (
    SELECT d.objid AS oid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid = ANY (:'oids'::oid[]) AND d.deptype IN ('a', 'i')
), relation AS (
    SELECT c.oid, c.relname, c.relowner, c.relacl, o.oid AS theirs, o.relowner AS their_owner, o.relacl AS their_acl,
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid IN (SELECT w.oid FROM own AS w) AS follows
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = :'source'
    JOIN pg_catalog.pg_class AS o ON o.relnamespace = n.oid AND o.relname = c.relname AND o.relkind = c.relkind
    WHERE c.oid = ANY (:'oids'::oid[]) OR c.oid IN (SELECT w.oid FROM own AS w)
), had AS (
    SELECT r.kind, r.relname, r.relowner, r.their_owner, x.grantee FROM relation AS r CROSS JOIN LATERAL pg_catalog.aclexplode(r.their_acl) AS x
    UNION SELECT r.kind, r.relname, r.relowner, r.their_owner, x.grantee FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.theirs AND NOT a.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS x
), has AS (
    SELECT r.kind, r.relname, r.relowner, NULL::name AS attname, x.grantee, x.privilege_type, x.is_grantable
    FROM relation AS r CROSS JOIN LATERAL pg_catalog.aclexplode(r.relacl) AS x
    UNION SELECT r.kind, r.relname, r.relowner, a.attname, x.grantee, x.privilege_type, x.is_grantable FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND NOT a.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS x
), change AS (
    SELECT 1 AS turn, 'owner' AS what, r.kind, r.relname, NULL::name AS attname, r.relowner AS role, NULL::text AS privilege, false AS grantable
    FROM relation AS r WHERE r.relowner <> r.their_owner AND NOT r.follows
    UNION ALL SELECT 2, 'revoke', h.kind, h.relname, NULL, h.grantee, NULL, false
    FROM had AS h WHERE h.grantee NOT IN (h.relowner, h.their_owner)
    UNION ALL SELECT 3, 'grant', h.kind, h.relname, h.attname, h.grantee, h.privilege_type, h.is_grantable
    FROM has AS h WHERE h.grantee <> h.relowner
)
SELECT c.what, c.kind, c.relname, c.attname, CASE WHEN c.role <> 0 THEN pg_catalog.pg_get_userbyid(c.role) END, c.privilege, c.grantable
FROM change AS c ORDER BY c.turn, c.relname, c.attname, c.role, c.privilege

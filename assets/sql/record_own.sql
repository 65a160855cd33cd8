-- Whoever makes the record may have default privileges, so that the application may use what migrations make. The record
-- is nobody's but its owner's: what such privileges gave others of it is taken back, before anybody was told of it.
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT DISTINCT pg_catalog.format('REVOKE ALL ON SCHEMA tenantui FROM %1$s; '
            'REVOKE ALL ON ALL TABLES IN SCHEMA tenantui FROM %1$s; REVOKE ALL ON ALL SEQUENCES IN SCHEMA tenantui FROM %1$s',
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
        FROM (SELECT n.nspacl AS acl, n.nspowner AS owner FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'tenantui'
            UNION ALL SELECT c.relacl, c.relowner FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'tenantui') AS o
        CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS a
        WHERE a.grantee <> o.owner
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;

-- Login roles whose names lead to a tenant's schema that is not there: what each has, in this database and elsewhere.
-- In psql:  \set roles '{tenant_acme}' \set schemas '{tenant_acme}'
SELECT r.rolname,
       a.schema,
       (SELECT c.setting
          FROM pg_catalog.pg_db_role_setting s
         CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c(setting)
         WHERE s.setrole = r.oid
           AND s.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
           AND c.setting LIKE 'search\_path=%'),
       (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid), ', ')
          FROM (SELECT s.classid, s.objid, s.objsubid
                  FROM pg_catalog.pg_shdepend s
                 WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                   AND s.refobjid = r.oid
                   AND s.deptype = 'o'
                   AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
                 LIMIT 3) o),
       (SELECT pg_catalog.string_agg(DISTINCT d.datname, ', ')
          FROM pg_catalog.pg_shdepend s
          JOIN pg_catalog.pg_database d ON d.oid = s.dbid
         WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
           AND s.refobjid = r.oid
           AND d.datname <> pg_catalog.current_database()),
       (SELECT pg_catalog.string_agg(d.datname, ', ') FROM pg_catalog.pg_database d WHERE d.datdba = r.oid),
       EXISTS (SELECT
                 FROM pg_catalog.pg_shdepend s
                WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                  AND s.refobjid = r.oid)
           OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity p WHERE p.usesysid = r.oid)
  FROM ROWS FROM (pg_catalog.unnest(:'roles'::text[]), pg_catalog.unnest(:'schemas'::text[])) AS a(role, schema)
  JOIN pg_catalog.pg_roles r ON r.rolname = a.role::name
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = a.schema::name)
 ORDER BY r.rolname

-- Login roles whose names lead to a tenant's schema that is not there: what each has, in this database and elsewhere.
-- In psql:  \set roles '{tenant_acme}' \set schemas '{tenant_acme}' \set shared public
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
       -- Rights that no tenant's role has: not on this database, not on what all tenants share, and no default
       -- privileges, which are of what is made later.
       (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid), ', ')
          FROM (SELECT s.classid, s.objid, s.objsubid
                  FROM pg_catalog.pg_shdepend s
                  JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
                  LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = :'shared'::name
                 WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                   AND s.refobjid = r.oid
                   AND s.deptype <> 'o'
                   AND s.dbid IN (0, d.oid)
                   AND NOT (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND s.objid = d.oid)
                   AND NOT (s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND s.objid IS NOT DISTINCT FROM n.oid)
                   AND NOT (s.classid = 'pg_catalog.pg_default_acl'::pg_catalog.regclass
                            AND EXISTS (SELECT FROM pg_catalog.pg_default_acl a
                                         WHERE a.oid = s.objid AND a.defaclnamespace IN (0, n.oid)))
                   AND NOT (s.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
                            AND EXISTS (SELECT FROM pg_catalog.pg_policy p
                                          JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
                                         WHERE p.oid = s.objid AND c.relnamespace = n.oid))
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                    WHERE e.classid = s.classid AND e.objid = s.objid
                                      AND e.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                                      AND e.refobjid = n.oid)
                 LIMIT 3) o),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity p WHERE p.usesysid = r.oid),
       (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_get_userbyid(m.roleid)::text, ', ')
          FROM pg_catalog.pg_auth_members m
         WHERE m.member = r.oid)
  FROM ROWS FROM (pg_catalog.unnest(:'roles'::text[]), pg_catalog.unnest(:'schemas'::text[])) AS a(role, schema)
  JOIN pg_catalog.pg_roles r ON r.rolname = a.role::name
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = a.schema::name)
 ORDER BY r.rolname

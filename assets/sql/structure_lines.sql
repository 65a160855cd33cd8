-- The structure of a few schemas in words: what it is, its name, its definition without the schema's own name.
WITH wanted AS (
    SELECT n.oid, n.nspname, pg_catalog.quote_ident(n.nspname) || '.' AS prefix
    FROM pg_catalog.pg_namespace AS n WHERE n.oid = ANY (:'oids'::oid[])
), rel AS (
    SELECT w.oid AS ns, w.prefix, c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity FROM wanted AS w
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = w.oid
        AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
    JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), lines AS (
    SELECT r.ns, CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
        r.relname::text AS name, r.prefix, pg_catalog.concat_ws(' ', r.relkind, r.relpersistence, r.relrowsecurity,
            CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) END) AS definition FROM rel AS r
    UNION ALL
    SELECT r.ns, 'column', r.relname || '.' || a.attname, r.prefix, pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, a.attcollation, pg_catalog.pg_get_expr(f.adbin, f.adrelid))
    FROM rel AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = r.oid AND f.adnum = a.attnum
    WHERE r.relkind <> 'S'
    UNION ALL
    SELECT r.ns, 'constraint', r.relname || '.' || k.conname, r.prefix, pg_catalog.concat_ws(' ', pg_catalog.pg_get_constraintdef(k.oid), k.convalidated)
    FROM rel AS r
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid
    UNION ALL
    SELECT r.ns, 'index', c.relname::text, r.prefix, pg_catalog.concat_ws(' ', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid)
    FROM rel AS r
    JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    UNION ALL
    SELECT r.ns, 'trigger', r.relname || '.' || g.tgname, r.prefix, pg_catalog.concat_ws(' ', pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled)
    FROM rel AS r
    JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT r.ns, 'policy', r.relname || '.' || l.polname, r.prefix, pg_catalog.concat_ws(' ', l.polcmd, l.polpermissive,
        pg_catalog.pg_get_expr(l.polqual, l.polrelid), pg_catalog.pg_get_expr(l.polwithcheck, l.polrelid))
    FROM rel AS r
    JOIN pg_catalog.pg_policy AS l ON l.polrelid = r.oid
    UNION ALL
    SELECT w.oid, 'function', p.proname || '(' || pg_catalog.replace(pg_catalog.pg_get_function_identity_arguments(p.oid), w.prefix, '') || ')', w.prefix,
        pg_catalog.concat_ws(' ', pg_catalog.pg_get_function_result(p.oid), p.prokind, p.provolatile, p.prosecdef, pg_catalog.md5(p.prosrc), p.proconfig::text)
    FROM wanted AS w
    JOIN pg_catalog.pg_proc AS p ON p.pronamespace = w.oid
    UNION ALL
    SELECT w.oid, 'type', t.typname::text, w.prefix, pg_catalog.concat_ws(' ', t.typtype, t.typnotnull, pg_catalog.format_type(NULLIF(t.typbasetype, 0), t.typtypmod),
        (SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid))
    FROM wanted AS w
    JOIN pg_catalog.pg_type AS t ON t.typnamespace = w.oid AND t.typtype IN ('e', 'd', 'r')
)
SELECT l.ns::text, l.kind, l.name, pg_catalog.md5(pg_catalog.replace(l.definition, l.prefix, '')) FROM lines AS l ORDER BY 1, 2, 3;

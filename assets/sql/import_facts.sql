-- What is in a tenant's schema and in the schema that its data comes from, as one JSON text: tables with their columns,
-- foreign keys, triggers, and what is in the source besides. A type of the schema itself is written with a dot in front.
-- psql: \set source public  \set target tenant_acme
WITH place AS (
    SELECT n.oid, n.nspname, n.nspname = :'source' AS source
    FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN (:'source', :'target')
), rel AS (
    SELECT p.source, p.oid AS ns, p.nspname, c.oid, c.relname, c.relkind
    FROM place AS p JOIN pg_catalog.pg_class AS c ON c.relnamespace = p.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
), tables AS (
    SELECT * FROM rel WHERE relkind IN ('r', 'p')
), used AS (
    -- Which default counts by which sequence.
    SELECT d.refobjid AS sequence, f.adrelid AS relation, f.adnum FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid IN (SELECT r.oid FROM rel AS r WHERE r.relkind = 'S')
), owned AS (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS adnum FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid IN (SELECT t.oid FROM tables AS t) AND d.deptype IN ('a', 'i')
), columns AS (
    SELECT t.oid AS relation, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', a.attname,
        'type', CASE WHEN pg_catalog.starts_with(f.type, pg_catalog.quote_ident(t.nspname) || '.')
            THEN pg_catalog.substr(f.type, pg_catalog.length(pg_catalog.quote_ident(t.nspname)) + 1) ELSE f.type END,
        'not_null', a.attnotnull, 'has_default', a.atthasdef OR a.attidentity <> '', 'generated', a.attgenerated <> '',
        'number', a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype),
        -- Its own, or one of the schema that its default counts by. Asked by the catalog's indexes: five thousand tables have
        -- tens of thousands of columns, and a list of all sequences would be gone through for each.
        'sequence', (SELECT pg_catalog.quote_ident(t.nspname) || '.' || pg_catalog.quote_ident(s.relname)
            FROM (SELECT d.objid AS sequence, 0 AS turn FROM pg_catalog.pg_depend AS d
                WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = a.attnum
                    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
                UNION ALL SELECT d.refobjid, 1 FROM pg_catalog.pg_attrdef AS f
                JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass
                WHERE f.adrelid = t.oid AND f.adnum = a.attnum) AS c
            JOIN pg_catalog.pg_class AS s ON s.oid = c.sequence AND s.relkind = 'S' AND s.relnamespace = t.ns
            ORDER BY c.turn, s.oid LIMIT 1)
        ) ORDER BY a.attnum) AS list
    FROM tables AS t
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN LATERAL (SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type) AS f
    GROUP BY t.oid
)
SELECT pg_catalog.json_build_object(
    'source_oid', (SELECT p.oid::bigint FROM place AS p WHERE p.source),
    'target_oid', (SELECT p.oid::bigint FROM place AS p WHERE NOT p.source),
    'tables', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('source', t.source, 'name', t.relname,
        'oid', t.oid::bigint, 'parted', t.relkind = 'p' OR EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS i
            WHERE i.inhrelid = t.oid OR i.inhparent = t.oid), 'inherited', t.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS i
            WHERE i.inhparent = t.oid), 'indexes', (SELECT COALESCE(pg_catalog.json_agg(x.relname), '[]'::json) FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid WHERE i.indrelid = t.oid),
        'published', EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel AS p WHERE p.prrelid = t.oid), 'columns', COALESCE(c.list, '[]'::json)) ORDER BY t.relname COLLATE "C"), '[]'::json)
        FROM tables AS t LEFT JOIN columns AS c ON c.relation = t.oid),
    'foreign_keys', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('name', k.conname, 'table', t.relname,
        'to', o.relname, 'to_target', NOT o.source, 'deferred', k.condeferrable) ORDER BY t.relname COLLATE "C", k.conname COLLATE "C"), '[]'::json)
        FROM tables AS t JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0
        JOIN tables AS o ON o.oid = k.confrelid WHERE NOT t.source),
    'triggers', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('source', t.source, 'table', t.relname,
        'name', g.tgname, 'enabled', g.tgenabled,
        'own', (SELECT f.pronamespace = t.ns FROM pg_catalog.pg_proc AS f WHERE f.oid = g.tgfoid)) ORDER BY t.relname COLLATE "C", g.tgname COLLATE "C"), '[]'::json)
        FROM tables AS t JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal),
    'views', (SELECT COALESCE(pg_catalog.json_agg(r.relname ORDER BY r.relname COLLATE "C"), '[]'::json)
        FROM rel AS r WHERE r.source AND r.relkind IN ('v', 'm')),
    'functions', (SELECT COALESCE(pg_catalog.json_agg(DISTINCT f.proname), '[]'::json) FROM place AS p
        JOIN pg_catalog.pg_proc AS f ON f.pronamespace = p.oid WHERE p.source AND NOT EXISTS (SELECT 1
            FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')),
    'sequences', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('source', r.source, 'name', r.relname,
        'oid', r.oid::bigint, 'users', (SELECT COALESCE(pg_catalog.json_agg(DISTINCT t.relname), '[]'::json) FROM used AS u
            JOIN tables AS t ON t.oid = u.relation AND t.ns = r.ns WHERE u.sequence = r.oid),
        'owner', (SELECT t.relname FROM owned AS o JOIN tables AS t ON t.oid = o.relation WHERE o.sequence = r.oid),
        'kept', EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = r.oid
            AND d.deptype IN ('n', 'a') AND NOT (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid IN (SELECT f.oid FROM pg_catalog.pg_attrdef AS f
                JOIN tables AS t ON t.oid = f.adrelid AND t.ns = r.ns))) OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'e')
        ) ORDER BY r.relname COLLATE "C"), '[]'::json)
        FROM rel AS r WHERE r.relkind = 'S' AND EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
            WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = r.oid
                AND d.classid = 'pg_catalog.pg_attrdef'::regclass
                AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS o WHERE o.classid = 'pg_catalog.pg_class'::regclass
                    AND o.objid = r.oid AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.refobjid = f.adrelid
                    AND o.deptype IN ('a', 'i')))),
    -- Whatever somebody may name, and is not by itself: the table that it is a part of.
    'partitions', (SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('name', c.relname, 'schema', n.nspname,
        'table', t.relname)), '[]'::json) FROM place AS p JOIN pg_catalog.pg_class AS c ON c.relnamespace = p.oid
        JOIN pg_catalog.pg_class AS t ON t.oid = pg_catalog.pg_partition_root(c.oid)
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
        WHERE p.source AND c.relispartition AND c.relkind IN ('r', 'p', 'f')),
    'taken', (SELECT COALESCE(pg_catalog.json_agg(r.relname), '[]'::json) FROM rel AS r WHERE NOT r.source)
)::text

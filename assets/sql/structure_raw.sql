-- One line per schema: a hash over its structure as the catalog keeps it, cheap and good enough to say "the same".
-- What a schema holds is reached through pg_depend, for pg_class, pg_type and pg_proc have no index on their namespace.
-- Numbers of objects differ from schema to schema: names stand for them, and node trees lose what is a number of an
-- object or a place in a text. What is the server's own (below 16384) has one number everywhere.
-- Structures that differ have different hashes; a few that do not may have, too (structure_lines.sql tells). The hashes of
-- the lines are added up, so that nothing has to be sorted.
WITH held AS (
    SELECT n.oid AS ns, d.classid, d.objid
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid AND d.objsubid = 0
    WHERE n.oid = ANY (:'oids'::oid[])
), rel AS (
    SELECT h.ns, c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
        c.relhasindex, c.relhasrules, c.relhastriggers
    FROM held AS h
    JOIN pg_catalog.pg_class AS c ON c.oid = h.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    WHERE h.classid = 'pg_catalog.pg_class'::regclass
), lines AS (
    SELECT r.ns, pg_catalog.concat_ws(' ', 'relation', r.relname, r.relkind, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity) AS line FROM rel AS r
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'column', r.relname, a.attname,
        CASE WHEN a.atttypid < 16384 THEN a.atttypid::text ELSE (
            SELECT pg_catalog.concat_ws(' ', t.typname, CASE WHEN t.typnamespace = r.ns THEN '.' ELSE t.typnamespace::text END)
            FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid) END,
        a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
        -- Most defaults are the next value of a sequence, whose own number counts for nothing: told without a regular
        -- expression, which would be half of the whole statement's time.
        CASE WHEN NOT a.atthasdef THEN NULL ELSE (
            SELECT CASE WHEN f.adbin::text LIKE '{FUNCEXPR :funcid 1574 %:args ({CONST :consttype 2205 %' THEN 'nextval' ELSE
                pg_catalog.md5(pg_catalog.regexp_replace(pg_catalog.regexp_replace(pg_catalog.regexp_replace(f.adbin::text,
                ':location -?\d+', '', 'g'), '(:consttype 2205 .*?:constvalue) \d+ \[[^]]*\]', '\1', 'g'), '\m\d{5,}\M', '@', 'g')) END
            FROM pg_catalog.pg_attrdef AS f WHERE f.adrelid = r.oid AND f.adnum = a.attnum) END)
    FROM rel AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE r.relkind <> 'S'
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'constraint', r.relname, k.conname, k.contype, k.condeferrable, k.condeferred, k.convalidated, k.conkey::text,
        o.relname, CASE WHEN o.relnamespace = r.ns THEN '.' ELSE o.relnamespace::text END, k.confkey::text, k.confupdtype, k.confdeltype, k.confmatchtype,
        pg_catalog.md5(pg_catalog.regexp_replace(pg_catalog.regexp_replace(k.conbin::text, ':location -?\d+', '', 'g'), '\m\d{5,}\M', '@', 'g')))
    FROM rel AS r
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid
    LEFT JOIN pg_catalog.pg_class AS o ON o.oid = k.confrelid
    WHERE r.relkind <> 'S'
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'index', r.relname, c.relname, CASE WHEN c.relam < 16384 THEN c.relam::text ELSE (
            SELECT m.amname::text FROM pg_catalog.pg_am AS m WHERE m.oid = c.relam) END,
        i.indisunique, i.indisvalid, i.indkey::text, i.indoption::text,
        CASE WHEN i.indexprs IS NOT NULL OR i.indpred IS NOT NULL THEN
            pg_catalog.md5(pg_catalog.regexp_replace(pg_catalog.regexp_replace(pg_catalog.concat(i.indexprs::text, i.indpred::text),
            ':location -?\d+', '', 'g'), '\m\d{5,}\M', '@', 'g')) END)
    FROM rel AS r
    JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE r.relhasindex
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'trigger', r.relname, g.tgname, g.tgtype, g.tgenabled, p.proname, g.tgattr::text)
    FROM rel AS r
    JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid AND NOT g.tgisinternal
    JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
    WHERE r.relhastriggers
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'view', r.relname,
        pg_catalog.md5(pg_catalog.regexp_replace(pg_catalog.regexp_replace(w.ev_action::text, ':location -?\d+', '', 'g'), '\m\d{5,}\M', '@', 'g')))
    FROM rel AS r
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid
    WHERE r.relhasrules
    UNION ALL
    SELECT r.ns, pg_catalog.concat_ws(' ', 'policy', r.relname, l.polname, l.polcmd, l.polpermissive)
    FROM rel AS r
    JOIN pg_catalog.pg_policy AS l ON l.polrelid = r.oid
    WHERE r.relkind <> 'S'
    UNION ALL
    SELECT h.ns, pg_catalog.concat_ws(' ', 'function', p.proname, p.pronargs, p.prokind, p.provolatile, p.prosecdef, pg_catalog.md5(p.prosrc), p.proconfig::text)
    FROM held AS h
    JOIN pg_catalog.pg_proc AS p ON p.oid = h.objid
    WHERE h.classid = 'pg_catalog.pg_proc'::regclass
    UNION ALL
    SELECT h.ns, pg_catalog.concat_ws(' ', 'type', t.typname, t.typtype, t.typnotnull,
        (SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid))
    FROM held AS h
    JOIN pg_catalog.pg_type AS t ON t.oid = h.objid AND t.typtype IN ('e', 'd', 'r')
    WHERE h.classid = 'pg_catalog.pg_type'::regclass
)
SELECT l.ns::text, pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(l.line, 0)))
FROM lines AS l GROUP BY l.ns;

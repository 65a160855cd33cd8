-- Objects that depend on these tables, or on sequences of theirs, and are not of them: they would go on reading what is
-- somewhere else, or belong to tables that stay. Their descriptions.
-- psql: \set oids '{16390,16400}'
WITH moved AS (
    SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.oid = ANY (:'oids'::oid[])
    UNION SELECT d.objid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid = ANY (:'oids'::oid[]) AND d.deptype IN ('a', 'i')
), types AS (
    -- The row type of a table, and the array of that.
    SELECT t.oid FROM pg_catalog.pg_type AS t WHERE t.typrelid IN (SELECT oid FROM moved)
    UNION SELECT t.typarray FROM pg_catalog.pg_type AS t WHERE t.typrelid IN (SELECT oid FROM moved) AND t.typarray <> 0
), dependent AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend AS d
    WHERE d.deptype IN ('n', 'a') AND ((d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid IN (SELECT oid FROM moved))
        OR (d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (SELECT oid FROM types)))
), owned AS (
    SELECT d.classid, d.objid, d.objsubid, COALESCE(
        (SELECT v.ev_class FROM pg_catalog.pg_rewrite AS v WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND v.oid = d.objid),
        (SELECT k.conrelid FROM pg_catalog.pg_constraint AS k WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid),
        (SELECT f.adrelid FROM pg_catalog.pg_attrdef AS f WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid),
        (SELECT g.tgrelid FROM pg_catalog.pg_trigger AS g WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND g.oid = d.objid),
        (SELECT p.polrelid FROM pg_catalog.pg_policy AS p WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid),
        (SELECT i.indrelid FROM pg_catalog.pg_index AS i WHERE d.classid = 'pg_catalog.pg_class'::regclass AND i.indexrelid = d.objid),
        (SELECT e.stxrelid FROM pg_catalog.pg_statistic_ext AS e WHERE d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND e.oid = d.objid),
        (SELECT r.prrelid FROM pg_catalog.pg_publication_rel AS r WHERE d.classid = 'pg_catalog.pg_publication_rel'::regclass AND r.oid = d.objid),
        CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END) AS relation
    FROM dependent AS d
)
SELECT pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid) FROM owned AS o
WHERE o.relation IS NULL OR o.relation NOT IN (SELECT oid FROM moved)
ORDER BY 1 LIMIT 101

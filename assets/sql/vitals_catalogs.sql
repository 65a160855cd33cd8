-- Whether autovacuum keeps up with the catalogs that grow with every schema: dead rows against what sets it off, its last
-- run, and the size. Rows are counted by the server; its estimate is as old as the last vacuum (3,000 of 2.8 million were
-- seen), and stands for them where a crash took the counters. On a standby the counters are its own, and say nothing.
SELECT c.relname,
       pg_catalog.pg_total_relation_size(c.oid),
       CASE WHEN NOT pg_catalog.pg_is_in_recovery() AND (pg_catalog.pg_stat_get_live_tuples(c.oid) > 0 OR c.reltuples < 0)
            THEN pg_catalog.pg_stat_get_live_tuples(c.oid)
            WHEN c.reltuples >= 0 THEN c.reltuples::pg_catalog.int8 END,
       pg_catalog.pg_stat_get_dead_tuples(c.oid),
       (pg_catalog.current_setting('autovacuum_vacuum_threshold')::pg_catalog.float8
         + pg_catalog.current_setting('autovacuum_vacuum_scale_factor')::pg_catalog.float8
           * greatest(c.reltuples, 0))::pg_catalog.int8,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - greatest(
         pg_catalog.pg_stat_get_last_autovacuum_time(c.oid), pg_catalog.pg_stat_get_last_vacuum_time(c.oid)))::pg_catalog.int8
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY ('{pg_catalog.pg_class,pg_catalog.pg_attribute,pg_catalog.pg_attrdef,pg_catalog.pg_depend,
         pg_catalog.pg_shdepend,pg_catalog.pg_type,pg_catalog.pg_index,pg_catalog.pg_constraint,pg_catalog.pg_statistic,
         pg_catalog.pg_namespace,pg_catalog.pg_proc,pg_catalog.pg_trigger,pg_catalog.pg_sequence,
         pg_catalog.pg_description}'::pg_catalog.regclass[])
 ORDER BY 2 DESC, 1

-- A row of each table that is read or written within the transaction of a step: of the catalogs that CREATE TABLE, ALTER
-- TABLE and their like work on, and of the record. A new session knows them and their indexes behind it. Each is a
-- statement of its own: the planner opens what it plans for. Every role may read these catalogs.
SELECT FROM pg_catalog.pg_class LIMIT 1;
SELECT FROM pg_catalog.pg_attribute LIMIT 1;
SELECT FROM pg_catalog.pg_attrdef LIMIT 1;
SELECT FROM pg_catalog.pg_type LIMIT 1;
SELECT FROM pg_catalog.pg_index LIMIT 1;
SELECT FROM pg_catalog.pg_constraint LIMIT 1;
SELECT FROM pg_catalog.pg_depend LIMIT 1;
SELECT FROM pg_catalog.pg_shdepend LIMIT 1;
SELECT FROM pg_catalog.pg_sequence LIMIT 1;
SELECT FROM pg_catalog.pg_namespace LIMIT 1;
SELECT FROM pg_catalog.pg_proc LIMIT 1;
SELECT FROM pg_catalog.pg_opclass LIMIT 1;
SELECT FROM pg_catalog.pg_opfamily LIMIT 1;
SELECT FROM pg_catalog.pg_amop LIMIT 1;
SELECT FROM pg_catalog.pg_amproc LIMIT 1;
SELECT FROM pg_catalog.pg_am LIMIT 1;
SELECT FROM pg_catalog.pg_operator LIMIT 1;
SELECT FROM pg_catalog.pg_collation LIMIT 1;
SELECT FROM pg_catalog.pg_inherits LIMIT 1;
SELECT FROM pg_catalog.pg_trigger LIMIT 1;
SELECT FROM pg_catalog.pg_description LIMIT 1;
SELECT FROM pg_catalog.pg_default_acl LIMIT 1;
SELECT FROM pg_catalog.pg_cast LIMIT 1;
SELECT FROM tenantui.job LIMIT 1;
SELECT FROM tenantui.step LIMIT 1;
SELECT FROM tenantui.audit LIMIT 1;

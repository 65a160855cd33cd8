-- The newest event of each version in a Flyway ledger, those left out that took a version back.
-- In psql:  \set ledger tenant_acme.flyway_schema_history
SELECT version, description, installed_on, NOT success, checksum
  FROM (SELECT DISTINCT ON (version) *
          FROM :ledger
         WHERE version IS NOT NULL AND type <> 'SCHEMA'
         ORDER BY version, installed_rank DESC) AS newest
 WHERE NOT (success AND (type = 'DELETE' OR type LIKE 'UNDO%'))
 ORDER BY installed_rank

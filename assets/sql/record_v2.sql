-- The durable record, from version 1 to version 2: why a paused job waits, the second cancel, notes of skipped
-- tenants, and plans that nobody changes once they are queued. Run by `tenantui init` only, in one transaction.
ALTER TABLE tenantui.job
    ADD COLUMN waits text CHECK (waits IN ('canary', 'operator', 'budget', 'process', 'trouble')),
    ADD COLUMN stop_now_at timestamptz;                       -- the second cancel: running statements are cancelled too
ALTER TABLE tenantui.step
    ADD COLUMN note text;                                     -- the operator's words about a skipped tenant

-- What waits after its canary was known by its reason alone.
UPDATE tenantui.job SET waits = CASE WHEN reason = 'canary' THEN 'canary' ELSE 'operator' END WHERE state = 'paused';

-- A plan is what was confirmed: no program changes it afterwards, not even by mistake.
CREATE FUNCTION tenantui.keep_plan() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the plan of a job of tenantui does not change once it is queued'
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'Cancel the job and order another one.';
END $$;

CREATE TRIGGER keep_plan BEFORE UPDATE OF id, kind, scope, what, params, plan_sha256, idempotency_key, active_scope,
    created_by, os_user, client_host, system_identifier, database_oid, created_at ON tenantui.job
    FOR EACH ROW WHEN ((old.id, old.kind, old.scope, old.what, old.params, old.plan_sha256, old.idempotency_key,
        old.active_scope, old.created_by, old.os_user, old.client_host, old.system_identifier, old.database_oid,
        old.created_at) IS DISTINCT FROM (new.id, new.kind, new.scope, new.what, new.params, new.plan_sha256,
        new.idempotency_key, new.active_scope, new.created_by, new.os_user, new.client_host, new.system_identifier,
        new.database_oid, new.created_at))
    EXECUTE FUNCTION tenantui.keep_plan();

-- Provisioning learns the oid, the id and the key of its tenant only by making it.
CREATE TRIGGER keep_plan BEFORE UPDATE OF job_id, seq, action, tenant_key, tenant_id, slug, schema_name, schema_oid,
    from_version, version, file_sha256 ON tenantui.step
    FOR EACH ROW WHEN ((old.job_id, old.seq, old.action, old.slug, old.schema_name, old.from_version, old.version,
        old.file_sha256) IS DISTINCT FROM (new.job_id, new.seq, new.action, new.slug, new.schema_name,
        new.from_version, new.version, new.file_sha256)
        OR (old.tenant_key IS NOT NULL AND old.tenant_key IS DISTINCT FROM new.tenant_key)
        OR (old.tenant_id IS NOT NULL AND old.tenant_id IS DISTINCT FROM new.tenant_id)
        OR (old.schema_oid IS NOT NULL AND old.schema_oid IS DISTINCT FROM new.schema_oid))
    EXECUTE FUNCTION tenantui.keep_plan();

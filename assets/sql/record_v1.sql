-- The durable record of tenantui, version 1. Made by `tenantui init` only, in one transaction.
CREATE SCHEMA tenantui;
COMMENT ON SCHEMA tenantui IS 'Jobs and audit of tenantui, the admin dashboard. Not a tenant.';

-- One row: the version of this schema. An older program refuses to write to a newer schema.
CREATE TABLE tenantui.meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version int NOT NULL,
    app_version text NOT NULL,
    upgraded_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE tenantui.job (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,          -- the object half of the job's advisory lock
    kind text NOT NULL,
    scope text NOT NULL,                                      -- what it works on: the database, or one tenant
    what text NOT NULL,                                       -- the order in words
    params jsonb NOT NULL,                                    -- immutable: all that a worker elsewhere needs
    plan_sha256 bytea NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
    reason text,
    attempt int NOT NULL DEFAULT 0,                           -- the fencing number: one more with each claim
    idempotency_key uuid NOT NULL UNIQUE,
    active_scope text NOT NULL,
    cancel_requested_at timestamptz,
    pause_requested_at timestamptz,
    requested_by text,
    created_by text NOT NULL DEFAULT session_user,
    os_user text,
    client_host text,
    app_version text NOT NULL,
    system_identifier text,
    timeline text,
    database_oid oid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    started_at timestamptz,
    ended_at timestamptz,
    worker text,                                              -- this and the next three: for people, never decided by
    backend_pid int,
    heartbeat_at timestamptz,
    progress jsonb
);
-- One live migrate job per database, one live job of another kind per tenant.
CREATE UNIQUE INDEX job_active_scope ON tenantui.job (active_scope) WHERE state IN ('queued', 'running', 'paused');

CREATE TABLE tenantui.step (
    job_id int NOT NULL REFERENCES tenantui.job,
    seq int NOT NULL,
    action text NOT NULL,                                     -- migrate, rollback, rehearse; row, schema, active when provisioning
    tenant_key text,                                          -- identity as the faces know it
    tenant_id text,
    slug text NOT NULL,
    schema_name text NOT NULL,
    schema_oid oid,
    from_version text,                                        -- where the tenant stands before this step; of a rollback, where it comes to
    version text,
    file_sha256 bytea,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'intent', 'done', 'skipped', 'blocked', 'failed', 'unknown')),
    attempt int,
    tries int NOT NULL DEFAULT 0,
    started_at timestamptz,
    ended_at timestamptz,
    duration_ms bigint,
    sqlstate text,
    message text,
    detail jsonb,                                             -- the statement that failed, who stood in the way
    xid bigint,
    PRIMARY KEY (job_id, seq)
);
CREATE INDEX step_tenant ON tenantui.step (schema_name, job_id);

CREATE TABLE tenantui.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    actor text NOT NULL DEFAULT session_user,
    os_user text,
    action text NOT NULL,
    target text,
    job_id int,
    before jsonb,
    after jsonb,
    outcome text NOT NULL
);
CREATE INDEX audit_at ON tenantui.audit (at);
CREATE INDEX audit_job ON tenantui.audit (job_id);

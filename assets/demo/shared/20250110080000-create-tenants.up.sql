CREATE TABLE tenants (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug        varchar(255) NOT NULL UNIQUE,
    name        varchar(255) NOT NULL,
    schema_name varchar(255) NOT NULL UNIQUE CHECK (octet_length(schema_name) <= 63),
    status      varchar(50) NOT NULL DEFAULT 'active',
    settings    jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz,
    deleted_at  timestamptz,
    CONSTRAINT chk_tenants_status CHECK (status IN ('active', 'suspended', 'deleted'))
);
--;;
CREATE INDEX idx_tenants_status ON tenants (status);

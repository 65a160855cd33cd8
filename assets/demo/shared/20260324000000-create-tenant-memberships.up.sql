CREATE TABLE tenant_memberships (
    id          varchar(255) PRIMARY KEY DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(255) NOT NULL,
    user_id     varchar(255) NOT NULL,
    role        varchar(20) NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member', 'viewer', 'contractor')),
    status      varchar(20) NOT NULL DEFAULT 'active' CHECK (status IN ('invited', 'active', 'suspended', 'revoked')),
    invited_at  timestamptz,
    accepted_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz,
    UNIQUE (tenant_id, user_id)
);

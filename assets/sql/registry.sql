-- The registry of tenants in Boundary's layout, for a database that has none. Runs inside a transaction.
CREATE TABLE public.tenants (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    slug varchar(100) NOT NULL UNIQUE,
    name varchar(255) NOT NULL,
    schema_name varchar(63) NOT NULL UNIQUE,
    status varchar(20) NOT NULL DEFAULT 'active',
    settings jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT tenants_status CHECK (status IN ('active', 'suspended', 'deleted')),
    -- varchar counts characters; PostgreSQL keeps 63 bytes of a name.
    CONSTRAINT tenants_schema_name CHECK (pg_catalog.octet_length(schema_name) <= 63)
);

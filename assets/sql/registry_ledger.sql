-- The ledger of Migratus for the shared schema: its columns are what makes the database recognisable.
CREATE TABLE public.schema_migrations (
    id bigint UNIQUE NOT NULL,
    applied timestamp,
    description varchar(1024)
);

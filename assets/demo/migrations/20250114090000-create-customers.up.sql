CREATE TABLE customers (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email      varchar(200) NOT NULL UNIQUE,
    full_name  varchar(120) NOT NULL,
    phone      varchar(30),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customers_email_has_at CHECK (position('@' IN email) > 1)
);
--;;
CREATE TABLE customer_addresses (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id uuid NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    kind        varchar(10) NOT NULL DEFAULT 'delivery' CHECK (kind IN ('billing', 'delivery')),
    street      varchar(120) NOT NULL,
    postcode    varchar(16) NOT NULL,
    city        varchar(80) NOT NULL,
    country     char(2) NOT NULL
);
--;;
CREATE INDEX customer_addresses_customer_id_idx ON customer_addresses (customer_id);

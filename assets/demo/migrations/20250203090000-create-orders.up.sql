CREATE TABLE orders (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id uuid NOT NULL REFERENCES customers (id),
    status      varchar(16) NOT NULL DEFAULT 'open'
                CHECK (status IN ('open', 'paid', 'shipped', 'returned', 'cancelled')),
    currency    char(3) NOT NULL DEFAULT 'EUR',
    total_cents bigint NOT NULL DEFAULT 0 CHECK (total_cents >= 0),
    placed_at   timestamptz NOT NULL DEFAULT now()
);
--;;
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
--;;
CREATE TABLE order_lines (
    order_id    uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line_number smallint NOT NULL,
    product_id  uuid NOT NULL REFERENCES products (id),
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    PRIMARY KEY (order_id, line_number)
);
--;;
CREATE TABLE payments (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id     uuid NOT NULL REFERENCES orders (id),
    provider     varchar(20) NOT NULL,
    amount_cents bigint NOT NULL,
    paid_at      timestamptz NOT NULL DEFAULT now()
);
--;;
CREATE TABLE shipments (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id     uuid NOT NULL REFERENCES orders (id),
    warehouse_id uuid REFERENCES warehouses (id),
    tracking     varchar(60),
    shipped_at   timestamptz NOT NULL DEFAULT now()
);
